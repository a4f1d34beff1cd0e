#include "agent/daemon/agent_state.h"
#include "agent/delta/delta_state.h"
#include "agent/pipeline/previous_snapshot.h"
#include "common/base/error.h"
#include "common/crypto/crypto.h"
#include "common/enrolment/enrolment_json.h"
#include "common/format/wire.h"
#include "common/notify/message.h"
#include "controller/alert/ack_token.h"
#include "tests/fuzz/seeds.h"
#include "tests/support/agent_domain.h"
#include "tests/support/temp_dir.h"

namespace holdfast {
namespace {

using std::string_literals::operator""s;

void SaveAcknowledgements() {
  const alert::AckTokens tokens(Bytes(32, 'k'));  // the key of acknowledge_target.cpp
  const absl::Time later = absl::FromUnixSeconds(1'767'787'200) + absl::Hours(1);
  const std::string good = tokens.Make({7, "ops", later});
  Save("acknowledge", "good", good);
  Save("acknowledge", "old", tokens.Make({7, "ops", later - absl::Hours(24)}));
  Save("acknowledge", "slashes", tokens.Make({-1, "a/b/../c", later}));
  Save("acknowledge", "other_key", alert::AckTokens(Bytes(32, 'x')).Make({7, "ops", later}));
  Save("acknowledge", "parts", "\7\0\0\0\0\0\0\0\0\0\0\x7f\0\0\0\0/mail/"s);
  Save("acknowledge", "dots", ".....");

  const std::string bearer = "Authorization: Bearer 0123456789abcdef\r\n";
  Save("http", "health",
       "GET /health HTTP/1.1\r\nHost: a\r\n\r\nGET /health/backup HTTP/1.1\r\n\r\n");
  Save("http", "metrics", "GET /metrics HTTP/1.1\r\n" + bearer + "Accept-Encoding: gzip\r\n\r\n");
  Save("http", "snapshots",
       "GET /api/v1/snapshots?source=d%62&limit=5&x=%zz HTTP/1.1\r\n" + bearer + "\r\n");
  Save("http", "limit", "GET /api/v1/snapshots?limit=1001 HTTP/1.1\r\n" + bearer + "\r\n");
  Save("http", "wrong", "HEAD /api/v1/agents HTTP/1.0\r\nAuthorization: Bearer 0\r\n\r\n");
  Save("http", "acknowledge",
       "GET /ack/" + good + " HTTP/1.1\r\n\r\nPOST /ack/" + good +
           " HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
  Save("http", "ranges",
       "GET /metrics HTTP/1.1\r\n" + bearer + "Range: bytes=0-0,1-2,-5,4-\r\n\r\n");
  Save("http", "smuggled",
       "POST /ack/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"
       "0\r\n\r\nGET /health HTTP/1.1\r\n\r\n");
  Save("http", "folded", "GET\t//../health\0?a=b HTTP/1.1\nX: 1\r\n y\r\n:\r\n\r\n"s);
  Save("http", "none", "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"s);
}

void SaveReplies() {
  const auto reply = [](std::uint16_t status, std::uint64_t seconds, ByteView body) {
    Writer writer;
    writer.U16(status);
    writer.U64(seconds);
    writer.Raw(body);
    return writer.Take();
  };
  Save("reply", "slack", reply(200, 0, "ok"));
  Save("reply", "slack_gone", reply(404, 0, "no_service"));
  Save("reply", "slow_down", reply(429, 30, "{\"ok\":false,\"error\":\"ratelimited\"}"));
  Save("reply", "pagerduty",
       reply(202, 0,
             "{\"status\":\"success\",\"message\":\"Event processed\",\"dedup_key\":\"a\"}"));
  Save(
      "reply", "pagerduty_refused",
      reply(400, 0, "{\"status\":\"invalid event\",\"errors\":[\"'routing_key' is a required\"]}"));
  Save("reply", "redirect", reply(302, ~0ull, "<script>\x1b[2J\r\n\0</script>"s));
  Save("reply", "never", reply(503, 1ull << 63, Bytes(300, '\xff')));
  Save("reply", "url", "https://user:pass@hooks.example.com:8443/services/T0/B0?x#y");
  notify::Message message;
  message.id = "msg_1";
  message.dedup_key = "no-success/db";
  message.kind = "no-success";
  message.subject = "db";
  message.title = "no successful backup of 'db' since \xe2\x80\xa6";
  message.facts = {{"agent", "<b>web-1</b>"}};
  message.at = absl::FromUnixSeconds(1'767'787'200);
  Save("reply", "message", notify::ToJson(message));
}

Bytes KeptFile(const std::string& path, std::size_t sum_bytes) {
  Bytes file = RealFileSystem().ReadFile(path).value();
  file.resize(file.size() - sum_bytes);
  return file;
}

void SaveEnrolments() {
  const AgentId agent = *AgentId::From(Bytes(AgentId::kSize, 'a'));
  const enrolment::TokenRequest asked{
      Bytes(16, 't'), SecretBytes(Bytes(16, 's')), agent, "web-1", "CSR", "h\xffost"};
  Save("enrolment", "token", enrolment::Encode(asked));
  Save("enrolment", "recovery",
       enrolment::Encode(enrolment::RecoveryRequest{"CSR", 1'767'787'200'000, Bytes(64, 'x')}));
  Save("enrolment", "grant",
       enrolment::Encode(enrolment::Grant{"PEM", "CA", Bytes(16, 'c'), 7443, "backup-1"}));
  Save("enrolment", "refusal",
       enrolment::EncodeRefusal(Error(ErrorKind::kPermission, 6020, "not valid", "Make one.")));
  Save("enrolment", "numbers",
       "{\"exit\":13,\"code\":-9223372036854775808,\"agent_port\":1e9,\"time_ms\":"
       "18446744073709551616,\"error\":\"\\u001b[2J\\ud83d\",\"error\":[]}");
  Save("enrolment", "deep", Bytes(1000, '[') + "1" + Bytes(1000, ']'));
}

void SaveBasesAndAlarms() {
  // An index of the cache that the target opens: its key is 32 times 'k'.
  const auto index = [](std::uint64_t offset, std::uint32_t bytes) {
    const Hash256 id = Sha256("holdfast base cache" + Bytes(32, 'k'));
    Writer writer;
    writer.Raw(ByteView("HFBASE1\n", 8));
    writer.Raw(id.view().substr(0, KeyId::kSize));
    for (const std::uint64_t number : {3, 2, 1, 100, 2, 100}) writer.U64(number);
    for (const std::uint64_t segment : {1, 2}) {
      writer.Raw(Bytes(32, segment == 1 ? 'a' : 'b'));
      writer.U64(segment);
      writer.U64(offset);
      writer.U32(bytes);
    }
    return writer.Take();
  };
  Save("state", "bases", "b" + index(10, 50));
  Save("state", "bases_outside", "b" + index(99, 0xffffffff));
  Save("state", "bases_before", "b" + index(~0ull, 50));

  Save("state", "alarm",
       "a{\"contact\":{\"last_ms\":1767740000000,\"told_about_ms\":1767740000000,\"what\":\"\","
       "\"told\":[\"ops\"]},\"backup\":{\"last_ms\":1767600000000,\"told\":[]},\"suspicion\":{"
       "\"last_ms\":1767749000000,\"what\":\"a\\nb\",\"told_about_ms\":0,\"told\":[\"ops\",7]}}");
  Save("state", "alarm_times",
       "a{\"contact\":{\"last_ms\":18446744073709551615},\"backup\":{\"last_ms\":"
       "9223372036854775807},\"suspicion\":{\"last_ms\":-1,\"told_about_ms\":1e300}}");
}

// The target puts the sums behind.
void SaveAgentStates() {
  FileSystem& fs = RealFileSystem();
  const test::TempDir host;
  test::AgentDomain agent(5);
  const ChunkId a = *ChunkId::From(Bytes(32, 'a'));
  const ChunkId b = *ChunkId::From(Bytes(32, 'b'));

  std::vector<pipeline::EncodedEntry> entries;
  for (const char* path : {"", "dir", "dir/file", "z"}) {
    Entry entry;
    entry.path = path;
    entry.slices = {{a, 0, 10}};
    entry.content_bytes = entry.size_bytes = 10;
    entries.push_back({path, EncodeEntry(entry)});
  }
  HOLDFAST_CHECK(
      pipeline::SaveSnapshotState(fs, host / "last", {3, Sha256("record")}, {a, b}, entries).ok());
  const Bytes last_file = KeptFile(host / "last", Hash256::kSize);
  Save("state", "last", "l" + last_file);
  Bytes unsorted = last_file;
  std::swap(unsorted[8 + 8 + 32 + 8], unsorted[8 + 8 + 32 + 8 + 32]);
  Save("state", "last_unsorted", "l" + unsorted);

  delta::DeltaState deltas;
  const delta::KnownChunk plain{a, 8192, 4000, 1, 2, 0, {}};
  deltas.Add(plain);
  deltas.Add({b, 8000, 300, 3, 4, 300, {plain.AsBase()}});
  HOLDFAST_CHECK(deltas.Save(fs, host / "delta", Sha256("record")).ok());
  Save("state", "deltas", "d" + KeptFile(host / "delta", Hash256::kSize));

  daemon::AgentState state;
  state.directory = host.path();
  state.keys = {agent.identity, std::move(agent.signing), std::move(agent.recipient),
                std::move(agent.secrets), agent.owner.public_key};
  state.identity_document = agent.identity_document;
  state.controller_id = Bytes(16, 'c');
  state.agent_address = "backup-1:7443";
  state.enrollment_address = "backup-1:7444";
  state.tls = {"CA", "PEM", SecretBytes(ByteView("KEY"))};
  HOLDFAST_CHECK(daemon::SaveState(fs, state).ok());
  const Bytes identity = KeptFile(host / "identity", Hash256::kSize);
  Save("state", "identity", "i" + identity);
  Bytes old = identity;
  old[6] = '1';
  Save("state", "identity_1", "i" + old);
  old[old.size() - 40] ^= 1;
  Save("state", "identity_1_changed", "i" + old);
}

}  // namespace

void SaveDaemonSeeds() {
  SaveAcknowledgements();
  SaveReplies();
  SaveEnrolments();
  SaveBasesAndAlarms();
  SaveAgentStates();
}

}  // namespace holdfast
