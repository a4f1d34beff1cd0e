// The whole CLI around a fake controller: a home directory, a keyboard, a clock, two streams.
#pragma once

#include <gtest/gtest.h>

#include <sstream>

#include "common/format/recovery_kit.h"
#include "common/report/json.h"
#include "common/snapshot/facts.h"
#include "controller/cli/commands/run.h"
#include "tests/support/seeded_rng.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/controller/cli/fake_client.h"
#include "tests/unit/controller/cli/fake_world.h"

namespace holdfast::cli::test {

using holdfast::test::SeededRng;
using holdfast::test::TempDir;

class CliTest : public testing::Test {
 protected:
  CliTest() : home_(directory_ / "home"), kit_(directory_ / "kit.txt") {
    WriteSecret("passphrase", "correct horse battery\n");
  }

  // Runs `holdfast <arguments>`; streams of earlier runs are forgotten.
  int Run(const std::vector<std::string>& arguments) {
    out_.str("");
    err_.str("");
    interrupts_.emplace_back();
    Context context{{clock_, rng_, RealFileSystem()},
                    terminal_,
                    interrupts_.back(),
                    out_,
                    err_,
                    absl::UTCTimeZone(),
                    [this](const std::string& name) -> std::optional<std::string> {
                      const auto found = variables_.find(name);
                      if (found == variables_.end()) return std::nullopt;
                      return found->second;
                    },
                    [this](const std::string& socket, const OperatorKeys&) {
                      socket_ = socket;
                      return client_;
                    }};
    return cli::Run(context, arguments);
  }

  std::string out() const { return out_.str(); }
  std::string err() const { return err_.str(); }
  Json OutJson() const { return ParsedJson(out_.str()); }

  void WriteSecret(const std::string& name, const std::string& text) {
    HOLDFAST_CHECK(RealFileSystem().WriteAtomically(directory_ / name, text).ok());
  }
  bool Exists(const std::string& path) const { return RealFileSystem().Exists(path); }
  std::vector<std::string> HomeFiles() const {
    std::vector<std::string> names;
    const auto entries = RealFileSystem().List(home_);
    if (!entries.ok()) return names;
    for (const DirectoryEntry& entry : *entries) {
      if (entry.name != "init.lock") names.push_back(entry.name);
    }
    return names;
  }

  std::vector<std::string> InitArguments() const {
    return {"init", "--recovery-confirmed", "--kit", kit_};
  }
  void Init() {
    ASSERT_EQ(Run(InitArguments()), 0) << err();
    const auto kit = ParseRecoveryKit(*RealFileSystem().ReadFile(kit_));
    ASSERT_TRUE(kit.ok()) << kit.status();
    kit_keys_ = *kit;
  }

  struct NewEntry {
    Entry entry;
    Bytes content;
  };
  static NewEntry File(const std::string& path, Bytes content) {
    NewEntry made;
    made.entry.path = path;
    made.entry.mode = 0644;
    made.entry.mtime_ns = 1'767'740'000'000'000'000;
    made.content = std::move(content);
    return made;
  }
  static NewEntry Directory(const std::string& path) {
    NewEntry made;
    made.entry.path = path;
    made.entry.type = EntryType::kDirectory;
    made.entry.mode = 0755;
    return made;
  }

  // A real snapshot, signed and sealed, as an enrolled agent would have made it. After Init().
  SnapshotSummary AddSnapshot(const std::string& source, const std::string& kind,
                              std::vector<NewEntry> entries);

  TempDir directory_;
  std::string home_;
  std::string kit_;
  RecoveryKit kit_keys_;
  ManualClock clock_;
  SeededRng rng_{42};
  FakeTerminal terminal_;
  std::deque<Interrupts> interrupts_;
  std::ostringstream out_;
  std::ostringstream err_;
  std::map<std::string, std::string> variables_{
      {"HOLDFAST_HOME", home_}, {"HOLDFAST_PASSPHRASE_FILE", directory_ / "passphrase"}};
  std::shared_ptr<FakeClient> client_ = std::make_shared<FakeClient>();
  std::string socket_;
  SealingDomain domain_{rng_};
};

inline SnapshotSummary CliTest::AddSnapshot(const std::string& source, const std::string& kind,
                                            std::vector<NewEntry> entries) {
  const bool known =
      std::any_of(client_->status.sources.begin(), client_->status.sources.end(),
                  [&](const SourceStatus& one) { return one.source.name == source; });
  if (!known) client_->AddSource(source, kind);
  std::uint64_t seq = 1;
  for (const SnapshotSummary& one : client_->snapshots) seq += one.source_name == source ? 1 : 0;

  std::sort(entries.begin(), entries.end(), [](const NewEntry& a, const NewEntry& b) {
    return ComparePaths(a.entry.path, b.entry.path) < 0;
  });
  const auto store = [&](ByteView plaintext, ObjectType type) {
    const ChunkId id = ComputeChunkId(domain_.id_key, type, plaintext);
    Bytes object;
    domain_.sealer.Seal(type, id, plaintext, &object);
    client_->fetcher->objects[id] = std::move(object);
    return Slice{id, 0, static_cast<std::uint32_t>(plaintext.size())};
  };
  SnapshotFacts facts;
  Bytes manifest(kManifestHeader);
  for (NewEntry& made : entries) {
    Entry& entry = made.entry;
    entry.content_bytes = made.content.size();
    if (!entry.extents) entry.size_bytes = made.content.size();
    if (entry.type == EntryType::kFile) entry.content_hash = Sha256(made.content).bytes();
    entry.content_hash.resize(std::min<std::size_t>(entry.content_hash.size(), 16));
    if (!made.content.empty()) entry.slices = {store(made.content, ObjectType::kContent)};
    AppendManifestEntry(EncodeEntry(entry), &manifest);
    facts.info.content_bytes += made.content.size();
  }
  facts.info.source_name = source;
  facts.info.kind = kind;
  facts.info.entry_count = entries.size();
  facts.info.taken_at = clock_.now;
  facts.manifest = {store(manifest, ObjectType::kManifest)};
  facts.manifest_bytes = manifest.size();

  const KeyPair owner = Ed25519FromSeed(kit_keys_.owner_seed);
  const KeyPair grant_key = Ed25519Generate(rng_);
  const KeyPair signing = Ed25519Generate(rng_);
  AgentIdentity identity{rng_.DrawFixed<AgentId>(), "db-1", domain_.secrets.domain,
                         signing.public_key, PublicKey()};
  const EnrolmentGrant grant =
      MakeEnrolmentGrant(owner, grant_key.public_key, "db-1", 1'900'000'000'000);
  const auto list = OpenRecipientList(client_->installation.recipients, owner.public_key);
  HOLDFAST_CHECK(list.ok());

  SnapshotSummary& summary =
      client_->AddSummary(source, seq, static_cast<std::uint64_t>(absl::ToUnixMillis(clock_.now)));
  RecordClear clear;
  clear.domain = domain_.secrets.domain;
  clear.source = summary.source_id;
  clear.seq = seq;
  clear.taken_at_ms = summary.taken_at_ms;
  clear.key_ids = {domain_.key_id};
  SnapshotDocuments documents;
  documents.record = SealRecord(clear, EncodeSnapshotFacts(facts), domain_.run_key, signing, rng_);
  documents.identity = SignAgentIdentity(identity, grant, grant_key);
  documents.envelopes = {SealKeyEnvelope(domain_.key_id, domain_.secrets.domain, domain_.run_key,
                                         list->recipients, rng_)};
  documents.domain_secrets = SealDomainSecrets(domain_.secrets, list->recipients, rng_);
  summary.snapshot_id = RecordHash(documents.record);
  for (SourceStatus& one : client_->status.sources) {
    if (one.source.name == source) one.newest = summary;
  }
  client_->documents[{summary.source_id, seq}] = documents;
  return summary;
}

}  // namespace holdfast::cli::test
