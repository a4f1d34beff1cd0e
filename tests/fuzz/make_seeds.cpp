// Writes the seeds of the corpora: well-formed inputs of every target, the same in each run.
// Usage: fuzz_make_seeds DIRECTORY (tests/fuzz/corpus)
#include <cstdio>

#include "agent/source/postgres/database_facts.h"
#include "agent/source/redis/crc64.h"
#include "agent/source/redis/rdb_format.h"
#include "agent/source/redis/scan_format.h"
#include "common/base/error.h"
#include "common/crypto/crypto.h"
#include "common/env/file_system.h"
#include "common/format/join_token.h"
#include "common/format/manifest.h"
#include "common/format/pack.h"
#include "common/format/parity.h"
#include "common/format/record.h"
#include "common/format/recovery_kit.h"
#include "common/format/reference_list.h"
#include "common/format/wire.h"
#include "common/snapshot/facts.h"
#include "fmt/format.h"
#include "tests/fuzz/seeds.h"
#include "tests/support/sealed_objects.h"

namespace holdfast {
namespace {

using std::string_literals::operator""s;

std::string directory;  // set once by main

}  // namespace

void Save(const std::string& target, const std::string& name, ByteView bytes) {
  FileSystem& fs = RealFileSystem();
  const std::string folder = JoinPath(directory, target);
  const absl::Status made = fs.MakeDirectories(folder);
  HOLDFAST_CHECK(made.ok());
  const absl::Status written = fs.WriteAtomically(JoinPath(folder, name), bytes, 0644);
  HOLDFAST_CHECK(written.ok());
}

namespace {

void SaveObjectsAndPack() {
  test::SealingDomain domain(1);
  const Bytes raw = domain.Seal("chunk");
  const Bytes packed = domain.Seal(test::Compressible(500));
  Bytes delta;
  domain.sealer().SealDelta(ObjectType::kContent, domain.IdOf("base again and again, base again"),
                            "base again and again, base again",
                            {{domain.IdOf("base"), "base again and again, base"}}, &delta);
  Save("object", "raw", raw);
  Save("object", "zstd", packed);
  Save("object", "delta", delta);
  // Four bytes of length, then a frame: what Object() forges an object around.
  Save("object", "frame", Bytes("\4\0\0\0\x28\xb5\x2f\xfd\x20\x05\x29\0\0chunk", 18));
  std::vector<PackEntry> entries;
  Bytes file(kPackHeader);
  for (const Bytes& object : {raw, packed}) {
    entries.push_back({ParseObjectHeader(object)->chunk_id, file.size(),
                       static_cast<std::uint32_t>(object.size()), Crc32(object)});
    file += object;
  }
  Save("pack", "open", file.substr(kPackHeader.size()));
  const Bytes footer = EncodePackFooter(entries);
  Save("pack", "finished", file + footer);
  Save("pack", "index", footer.substr(0, footer.size() - kPackTrailerBytes - 4));
}

// Four bytes of the base's length, the base, the chunk: what Delta() takes apart.
void SaveDelta(const std::string& name, ByteView base, ByteView chunk) {
  Writer writer;
  writer.U32(static_cast<std::uint32_t>(base.size()));
  writer.Raw(base);
  writer.Raw(chunk);
  Save("delta", name, writer.bytes());
}

void SaveDeltas() {
  Bytes rows;
  for (int number = 1'000; number < 1'080; ++number) {
    rows += fmt::format("{}\t0\t{:20}\n", number, "");
  }
  Bytes gone = rows;
  gone.erase(500, 28);
  gone.erase(1'500, 28);
  Bytes longer = rows;
  longer.insert(1'006, "-4321");
  SaveDelta("rows_gone", rows, gone);
  SaveDelta("field_longer", rows, longer);
  SaveDelta("begins_inside", rows, ByteView(rows).substr(1'000));
  SaveDelta("moved", rows, rows.substr(1'200) + rows.substr(0, 1'200));
  SaveDelta("strange", rows, Bytes(600, 'x') + "y" + Bytes(600, 'z'));
}

void SaveManifest() {
  Entry entry;
  entry.path = "dir/file";
  entry.xattrs = {{"user.a", "b"}};
  entry.size_bytes = 10'000;
  entry.extents = {{4'096, 10}};
  entry.content_bytes = 10;
  entry.slices = {{*ChunkId::From(Bytes(32, 'c')), 3, 10}};
  entry.rows = 5;
  Bytes stream(kManifestHeader);
  Entry top;
  top.type = EntryType::kDirectory;
  AppendManifestEntry(EncodeEntry(top), &stream);
  AppendManifestEntry(EncodeEntry(entry), &stream);
  Save("manifest", "entry", EncodeEntry(entry));
  Save("manifest", "stream", stream);
  SnapshotFacts facts;
  facts.info.source_name = "db";
  facts.info.kind = "postgres";
  facts.info.taken_at = absl::FromUnixMillis(1'767'751'200'000);
  facts.info.notes = {"a note"};
  facts.info.problems = {{"a", "vanished"}};
  facts.manifest = entry.slices;
  Save("manifest", "facts", EncodeSnapshotFacts(facts));
}

void SaveTrust() {
  test::SeededRng rng(1);  // the keys of trust_target.cpp
  const KeyPair owner = Ed25519Generate(rng);
  const KeyPair recipient = X25519Generate(rng);
  const std::vector<Recipient> recipients = {
      {RecipientRole::kRecovery, "recovery", recipient.public_key}};
  const KeyPair grant_key = Ed25519Generate(rng);
  const EnrolmentGrant grant = MakeEnrolmentGrant(owner, grant_key.public_key, "db-1", 1);
  AgentIdentity identity;
  identity.agent_name = "db-1";
  Save("trust", "recipients", SignRecipientList({1, recipients}, owner));
  Save("trust", "grant", EncodeEnrolmentGrant(grant));
  Save("trust", "identity", SignAgentIdentity(identity, grant, grant_key));
  Save("trust", "envelope",
       SealKeyEnvelope(KeyId(), DomainId(), SecretBytes(Bytes(32, 'k')), recipients, rng));
  Save("trust", "secrets", SealDomainSecrets(MakeDomainSecrets(rng), recipients, rng));
  RecordClear clear;
  clear.seq = 1;
  clear.key_ids = {KeyId()};
  // Signed and sealed with other keys than the target tries: it must not verify.
  Save("trust", "record", SealRecord(clear, "facts", SecretBytes(Bytes(32, 'r')), grant_key, rng));
  const ChunkId a = *ChunkId::From(Bytes(32, 'a'));
  const ChunkId b = *ChunkId::From(Bytes(32, 'b'));
  Save("trust", "full", EncodeReferenceList({true, 0, {a, b}, {}}));
  Save("trust", "difference", EncodeReferenceList({false, 1, {a}, {b}}));
}

void SaveConfig() {
  Save("config", "agent",
       "# agent\nname: web-1\ncontroller: 'backup-1:9443'\ninterval: 4h\nlimit: 64 MiB\nsources:\n"
       "  - name: db\n    kind: postgres\n    password_file: /etc/holdfast/db.pass\n"
       "  - {name: cache, kind: redis, password: \"${env:REDIS}\"}\npaths: [/etc, /srv]\non: "
       "true\n");
  Save("config", "block", "text: |\n  several\n  lines\nfolded: >-\n  a\n  b\nnothing:\nmap: {}\n");
  Save("config", "refused", "a: &x [1]\nb: *x\n? c\n: d\n--- !!map\n\"\\x41\": 0x1F\n");
}

void SaveText() {
  test::SeededRng rng(2);
  const KeyPair owner = Ed25519Generate(rng);
  const KeyPair grant_key = Ed25519Generate(rng);
  JoinToken token;
  token.enrollment_address = "backup-1:9444";
  token.token_id = Bytes(16, 't');
  token.secret = SecretBytes(Bytes(16, 's'));
  token.owner = owner.public_key;
  token.grant = MakeEnrolmentGrant(owner, grant_key.public_key, "db-1", 1);
  token.grant_seed = grant_key.secret;
  Save("text", "token", EncodeJoinToken(token));
  RecoveryKit kit;
  kit.owner_public = owner.public_key;
  kit.owner_seed = owner.secret;
  kit.recovery_secret = SecretBytes(Bytes(32, 'r'));
  kit.enrollment_address = "backup-1:9444";
  kit.controller_id = Bytes(16, 'c');
  Save("text", "kit", RenderRecoveryKit(kit));
  Save("text", "key", EncodeKeyText(kRecoveryKeyPrefix, Bytes(32, 'r')));
}

void SaveRedis() {
  // Version 11, one field, database 0 with three keys, one of them with a time to live.
  Bytes rdb = "REDIS0011";
  rdb += Bytes(
      "\xfa\x09redis-ver\x06"
      "7.2.11",
      18);
  rdb += Bytes("\xfe\x00\xfb\x03\x01", 5);
  rdb += Bytes(
      "\x00\x01"
      "a\x05"
      "hello",
      9);
  rdb += Bytes(
      "\xfc\x00\x10\xa5\xd4\xe8\x03\x00\x00\x00\x01"
      "b\xc0\x2a",
      14);
  rdb += Bytes(
      "\x01\x01"
      "c\x02\x01"
      "x\x01"
      "y",
      8);
  rdb += '\xff';
  std::uint64_t crc = redis::Crc64(0, rdb);
  for (int i = 0; i < 8; ++i, crc >>= 8) rdb += static_cast<char>(crc & 0xff);
  Save("redis", "rdb", rdb);
  const Bytes body(
      "\x00\x05"
      "hello",
      7);
  const Bytes payload = body + redis::DumpFooter(body, 11);
  Save("redis", "payload", payload);
  Save("redis", "keys",
       redis::ScanHeader() + redis::EncodeScannedKey({"a", -1, payload}) +
           redis::EncodeScannedKey({"b", 1'767'751'200'000, payload}) + redis::ScanEnd(2));
  Save("redis", "info",
       "# Server\r\nredis_version:7.2.11\r\nrole:master\r\n# Keyspace\r\n"
       "db0:keys=3,expires=1,avg_ttl=0\r\ndb3:keys=10,expires=0\r\n");
  Save("redis", "config",
       "{\"config\":{\"maxmemory\":\"0\"},\"acl\":[\"user default on "
       "nopass ~* &* +@all\"],\"functions\":\"\"}");
  Save("redis", "lzf",
       Bytes("\xc3\x05\x14\x01"
             "aa\xe0\x09\x00\x01"
             "aa",
             12));
}

void SavePostgres() {
  Save("postgres", "dump",
       "--\n-- PostgreSQL database dump\n--\n\n\\restrict KEY\nSELECT '\n\\restrict KEY\n';\n--\n"
       "-- PostgreSQL database dump complete\n--\n\n\\unrestrict KEY\n");
  Save("postgres", "rows", "1\ta\\tb\t\\N\n2\t\\\\\t\n3\tc\td\n");
  source::DatabaseFacts facts;
  facts.name = "pos";
  Save("postgres", "database", source::EncodeDatabase(facts).value());
  Save("postgres", "sequences", source::EncodeSequences({source::SequenceFacts()}).value());
}

void SaveParity() {
  const Bytes pack = test::Compressible(3'000);
  const ParityShape shape = ShapeOf(pack.size(), 10);
  ParityBuilder builder(shape);
  for (std::size_t at = 0; at < pack.size(); at += shape.stripe_bytes) {
    builder.AddRow(ByteView(pack).substr(at, shape.stripe_bytes));
  }
  const Bytes file = builder.Finish(*PackName::From(Sha256(pack).view()));
  const Bytes length = {static_cast<char>(file.size() & 0xff), static_cast<char>(file.size() >> 8)};
  Bytes damaged = pack;
  for (std::size_t i = 100; i < 200; ++i) damaged[i] = 0;
  Save("parity", "whole", length + file + pack);
  Save("parity", "damaged", length + file + damaged);
  Save("parity", "cut", length + file + pack.substr(0, pack.size() - 50));
}

void SaveRestore() {
  Save("restore", "tree",
       "d\ndbin\nfbin/tool\nldata\0bin\nfdata/x\nhbin/link\0bin/tool\npqueue\n"s);
  Save("restore", "names_of_ours", "f.holdfast-\nd.holdfast-restore-1-0\nfx.holdfast-2\nfx\nfx\n");
  Save("restore", "outside",
       "f../beside/below/x\nf/etc/x\nlup\0../beside\nfup/x\ndup\nhx\0../beside/below\n"s);
  Save("restore", "swapped", "da\nla\0../beside/below\nfa/b\nda\nf.\nf..\nf\nfa//b\nfa/./b\n"s);
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: fuzz_make_seeds DIRECTORY\n");
    return 2;
  }
  holdfast::directory = argv[1];
  holdfast::SaveObjectsAndPack();
  holdfast::SaveDeltas();
  holdfast::SaveManifest();
  holdfast::SaveTrust();
  holdfast::SaveConfig();
  holdfast::SaveText();
  holdfast::SaveRedis();
  holdfast::SavePostgres();
  holdfast::SaveParity();
  holdfast::SaveRestore();
  holdfast::SaveDaemonSeeds();
  return 0;
}
