// Goal: what a caller may not read looks like what does not exist; damage is named, marked and
// healed by the next backup (fault rows 45, 51).
#include "proto/restore.grpc.pb.h"

#include <filesystem>
#include <fstream>

#include "common/format/pack_file.h"
#include "proto/control.pb.h"
#include "tests/unit/controller/ingest/ingest_fixture.h"

namespace holdfast::restore_service {
namespace {

class RestoreServiceTest : public ingest::IngestTest {
 protected:
  std::string AnswerTo(const rpc::TlsIdentity& caller, const DomainId& domain, const Bytes& ids,
                       ErrorKind* kind = nullptr) {
    const auto stub = v1::Restore::NewStub(controller_.Connect(caller));
    grpc::ClientContext context;
    v1::FetchRequest request;
    request.set_domain_id(domain.bytes());
    request.set_chunk_ids(ids);
    const auto reader = stub->Fetch(&context, request);
    v1::FetchReply reply;
    int objects = 0;
    while (reader->Read(&reply)) objects += reply.objects_size();
    const absl::Status status = rpc::FromGrpc(reader->Finish());
    if (kind != nullptr) *kind = KindOf(status);
    return std::to_string(objects) + " " + std::to_string(CodeOf(status)) + " " +
           MessageOf(status) + " " + HintOf(status);
  }
  std::vector<std::string> PackFiles() {
    std::vector<std::string> packs;
    for (const auto& file : std::filesystem::recursive_directory_iterator(
             controller_.data_directory() + "/store/packs")) {
      if (file.is_regular_file()) packs.push_back(file.path());
    }
    return packs;
  }
  // Flips one bit in the sealed bytes, or in the header, of every content object of every pack.
  void Damage(std::size_t offset_in_object) {
    for (const std::string& path : PackFiles()) {
      const PackIndex index = ReadPackIndex(RealFileSystem(), path).value();
      Bytes file = RealFileSystem().ReadFile(path).value();
      for (const PackEntry& entry : index.entries) {
        const ObjectHeader header =
            ParseObjectHeader(ByteView(file).substr(entry.offset_bytes)).value();
        if (header.type != ObjectType::kContent) continue;
        char& byte = file[entry.offset_bytes + offset_in_object];
        byte = static_cast<char>(byte ^ 1);
      }
      std::ofstream(path, std::ios::binary | std::ios::trunc) << file;
    }
  }
  void ExpectHealed(std::size_t offset_in_object) {
    ASSERT_TRUE(Run().ok());
    const auto files = source_.files;
    Damage(offset_in_object);
    EXPECT_EQ(KindOf(Restored(1).status()), ErrorKind::kIntegrity);
    const auto references = controller_.catalog().References(agent_.Source("uploads"), 1).value();
    std::size_t bad = 0;
    for (const ChunkId& id : references) bad += Has(id) ? 0 : 1;
    EXPECT_GE(bad, 1u) << "the damage was not marked";

    source_.read_count = 0;
    const auto healed = Run();
    ASSERT_TRUE(healed.ok()) << healed.status();
    EXPECT_EQ(source_.read_count, 3u) << "read again, because chunks were missing";
    ExpectRestores(2, files);
    ExpectRestores(1, files);
  }
};

TEST_F(RestoreServiceTest, ForeignAndRandomIdsLookAlike) {
  ASSERT_TRUE(Run().ok());
  test::AgentDomain stranger(92, "web-2");
  const rpc::TlsIdentity theirs = controller_.Enrol(stranger, {"theirs"});
  const auto references = controller_.catalog().References(agent_.Source("uploads"), 1).value();
  ASSERT_FALSE(references.empty());
  ErrorKind kind = ErrorKind::kFailed;

  // In our domain, which exists, and in one that does not.
  const Bytes known = references[0].bytes();
  EXPECT_EQ(AnswerTo(theirs, agent_.secrets.domain, known, &kind),
            AnswerTo(theirs, stranger.rng.DrawFixed<DomainId>(), known));
  EXPECT_EQ(kind, ErrorKind::kNotFound);
  // In their own domain: our id and a random one differ in nothing but the id that was asked for.
  const ChunkId random = stranger.rng.DrawFixed<ChunkId>();
  std::string ours = AnswerTo(theirs, stranger.secrets.domain, known, &kind);
  std::string nobodys = AnswerTo(theirs, stranger.secrets.domain, random.bytes());
  EXPECT_EQ(kind, ErrorKind::kNotFound);
  ours.replace(ours.find(references[0].hex()), 64, "ID");
  nobodys.replace(nobodys.find(random.hex()), 64, "ID");
  EXPECT_EQ(ours, nobodys);
}

TEST_F(RestoreServiceTest, AnotherAgentSeesNothingOfOurSnapshots) {
  ASSERT_TRUE(Run().ok());
  test::AgentDomain stranger(92, "web-2");
  transport::GrpcFetcher fetcher(env(),
                                 controller_.Connect(controller_.Enrol(stranger, {"theirs"})));
  EXPECT_TRUE(fetcher.List()->empty());
  const auto ours = fetcher.Documents(agent_.Source("uploads"), 1).status();
  const auto nobodys = fetcher.Documents(stranger.Source("nobody's"), 1).status();
  EXPECT_EQ(KindOf(ours), ErrorKind::kNotFound);
  EXPECT_EQ(ours, nobodys);
  const KeyId key =
      ParseRecord(controller_.store().GetRecord(agent_.Source("uploads"), 1).value())->key_ids[0];
  EXPECT_EQ(KindOf(fetcher.FetchEnvelope(agent_.secrets.domain, key).status()),
            ErrorKind::kNotFound);
}

TEST_F(RestoreServiceTest, AJobThatNamesTheSourceOpensItUntilItEnds) {
  ASSERT_TRUE(Run().ok());
  test::AgentDomain drill(93, "drill-1");
  const auto channel = controller_.Connect(controller_.Enrol(drill, {}));
  const auto fetcher = std::make_shared<transport::GrpcFetcher>(env(), channel);
  const SourceId source = agent_.Source("uploads");
  ASSERT_FALSE(fetcher->Documents(source, 1).ok());

  const auto link = controller_.board().Attach(drill.identity.agent_id, {});
  v1::Job job;
  job.set_job_id(Bytes(16, 'j'));
  job.set_kind(v1::JOB_KIND_VERIFY);
  job.set_source_id(source.bytes());
  ASSERT_TRUE(controller_.board().Start(drill.identity.agent_id, "drill-1", job).ok());
  const auto documents = fetcher->Documents(source, 1);
  ASSERT_TRUE(documents.ok()) << documents.status();
  const auto opened =
      OpenSnapshot(*documents, {source, 1}, agent_.owner.public_key, agent_.recovery, fetcher);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(*ReadAll(*opened->view, *opened->view->Find("a")), source_.files["a"]);

  v1::JobResult result;
  result.set_job_id(job.job_id());
  controller_.board().Finish(drill.identity.agent_id, result);
  EXPECT_EQ(KindOf(fetcher->Documents(source, 1).status()), ErrorKind::kNotFound);
  controller_.board().Detach(drill.identity.agent_id, link);
}

TEST_F(RestoreServiceTest, QuestionsOfWrongSizeAreRefused) {
  ErrorKind kind = ErrorKind::kFailed;
  for (const std::size_t size : {std::size_t{0}, std::size_t{31}, std::size_t{8193} * 32}) {
    AnswerTo(identity_, agent_.secrets.domain, Bytes(size, 'x'), &kind);
    EXPECT_EQ(kind, ErrorKind::kUsage) << size;
  }
}

TEST_F(RestoreServiceTest, AFlippedHeaderIsMarkedAndHealedByTheNextBackup) {
  ExpectHealed(45);  // in the chunk id
}

TEST_F(RestoreServiceTest, AFlipInTheCiphertextIsMarkedAndHealedByTheNextBackup) {
  ExpectHealed(140);  // behind the header
}

TEST_F(RestoreServiceTest, ALostPackIsMarkedAndHealedByTheNextBackup) {
  ASSERT_TRUE(Run().ok());
  const auto files = source_.files;
  for (const std::string& pack : PackFiles()) std::filesystem::remove(pack);
  EXPECT_EQ(KindOf(Restored(1).status()), ErrorKind::kIntegrity);
  // The manifest is lost too, so the agent's own memory is what the next run starts from.
  auto healed = Run();
  for (int i = 0; i < 3 && healed.ok() && !Restored(healed->seq).ok(); ++i) healed = Run();
  ASSERT_TRUE(healed.ok()) << healed.status();
  ExpectRestores(healed->seq, files);
}

}  // namespace
}  // namespace holdfast::restore_service
