// An enrolled agent that backs up to a running controller over TLS, and the streams of an agent
// that does not keep to the rules.
#pragma once

#include "agent/pipeline/backup_run.h"
#include "agent/transport/grpc_fetcher.h"
#include "agent/transport/grpc_ingest_session.h"
#include "common/rpc/status.h"
#include "proto/ingest.grpc.pb.h"
#include "tests/support/fake_source.h"
#include "tests/support/fast_clock.h"
#include "tests/unit/controller/test_controller.h"

namespace holdfast::ingest {

class IngestTest : public testing::Test {
 protected:
  using Files = std::map<std::string, Bytes, PathLess>;

  IngestTest() {
    identity_ = controller_.Enrol(agent_, {"uploads", "other", "s3", "s4", "s5"});
    keys_ = {agent_.identity, agent_.signing, agent_.recipient, agent_.secrets,
             agent_.owner.public_key};
    source_.files = {{"a", agent_.rng.Draw(3000)}, {"b", Bytes(100000, 'b')}, {"empty", ""}};
  }
  Env env() { return Env{clock_, agent_.rng, RealFileSystem()}; }

  std::unique_ptr<transport::GrpcIngestSession> Session(
      const Bytes& run_id, const std::string& source = "uploads",
      absl::Duration patience = absl::Minutes(1)) {
    return std::make_unique<transport::GrpcIngestSession>(
        transport::GrpcIngestSession::Options{env(),
                                              [this] { return controller_.Connect(identity_); },
                                              nullptr, agent_.Source(source), run_id, patience},
        std::stop_token());
  }
  absl::StatusOr<pipeline::BackupReport> Run(pipeline::IngestSession& session) {
    pipeline::RunProgress progress;
    return pipeline::BackupRun({env(), &keys_, directory_ / "uploads.last",
                                directory_ / "recipients.version", agent_.Source("uploads"),
                                "uploads", 2,
                                [this](std::uint64_t seq) { return Open(seq, agent_.recipient); }})
        .Run(source_, session, progress, {});
  }
  absl::StatusOr<pipeline::BackupReport> Run() { return Run(*Session(NewRunId())); }
  Bytes NewRunId() { return agent_.rng.Draw(16); }

  absl::StatusOr<OpenedSnapshot> Open(std::uint64_t seq, const KeyPair& key) {
    const auto fetcher =
        std::make_shared<transport::GrpcFetcher>(env(), controller_.Connect(identity_));
    const SourceId source = agent_.Source("uploads");
    ASSIGN_OR_RETURN(const SnapshotDocuments documents, fetcher->Documents(source, seq));
    return OpenSnapshot(documents, {source, seq}, agent_.owner.public_key, key, fetcher);
  }
  absl::StatusOr<Files> Restored(std::uint64_t seq) {
    ASSIGN_OR_RETURN(const OpenedSnapshot opened, Open(seq, agent_.recovery));
    Files files;
    std::vector<Entry> entries;
    RETURN_IF_ERROR(opened.view->ForEachEntry([&](const Entry& entry) {
      if (entry.type == EntryType::kFile) entries.push_back(entry);
      return absl::OkStatus();
    }));
    for (const Entry& entry : entries) {
      ASSIGN_OR_RETURN(files[entry.path], ReadAll(*opened.view, entry));
    }
    return files;
  }
  void ExpectRestores(std::uint64_t seq, const Files& files) {
    const auto restored = Restored(seq);
    ASSERT_TRUE(restored.ok()) << restored.status();
    EXPECT_TRUE(*restored == files) << "snapshot " << seq << " restores to something else";
  }

  // A sealed object of this agent's domain, under a key whose envelope may or may not be stored.
  Bytes SealedObject(ByteView plaintext, const DomainId& domain) {
    ObjectSealer sealer({domain, key_id_, SecretBytes(Bytes(32, 'k')), 1}, agent_.rng);
    Bytes object;
    sealer.Seal(ObjectType::kContent, IdOf(plaintext), plaintext, &object);
    return object;
  }
  Bytes SealedObject(ByteView plaintext) { return SealedObject(plaintext, agent_.secrets.domain); }
  ChunkId IdOf(ByteView plaintext) const {
    return ComputeChunkId(HmacKey(agent_.secrets.id_key.view()), ObjectType::kContent, plaintext);
  }
  bool Has(const ChunkId& id) {
    return controller_.catalog().FindChunks(agent_.secrets.domain, {id}).value()[0].live;
  }

  test::TestController controller_;
  test::AgentDomain agent_{91};
  test::FastClock clock_;
  test::TempDir directory_;
  test::FakeSource source_;
  rpc::TlsIdentity identity_;
  pipeline::AgentKeys keys_;
  const KeyId key_id_ = agent_.rng.DrawFixed<KeyId>();
};

// One Backup stream written by hand.
class RawStream {
 public:
  explicit RawStream(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(v1::Ingest::NewStub(channel)) {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    stream_ = stub_->Backup(&context_);
  }
  bool Write(const v1::BackupRequest& request) { return stream_->Write(request); }
  bool Read(v1::BackupReply* reply) { return stream_->Read(reply); }
  // True when Opened came.
  bool Open(const SourceId& source, const Bytes& run_id, std::uint32_t version = 1) {
    v1::BackupRequest request;
    request.mutable_open()->set_protocol_version(version);
    request.mutable_open()->set_source_id(source.bytes());
    request.mutable_open()->set_run_id(run_id);
    v1::BackupReply reply;
    return Write(request) && Read(&reply) && reply.has_opened();
  }
  bool SendObjects(const std::vector<Bytes>& objects) {
    v1::BackupRequest request;
    request.mutable_objects();
    for (const Bytes& object : objects) request.mutable_objects()->add_objects(object);
    return Write(request);
  }
  bool Ask(const Bytes& ids) {
    v1::BackupRequest request;
    request.mutable_question()->set_number(1);
    request.mutable_question()->set_chunk_ids(ids);
    return Write(request);
  }
  // How the stream ended: the controller's Failed message if there is one, else its status.
  absl::Status End() {
    stream_->WritesDone();
    v1::BackupReply reply;
    absl::Status said;
    while (stream_->Read(&reply)) {
      if (!reply.has_failed()) continue;
      said = rpc::FromGrpc(grpc::Status(static_cast<grpc::StatusCode>(reply.failed().grpc_code()),
                                        reply.failed().message(),
                                        reply.failed().detail().SerializeAsString()));
    }
    finished_ = stream_->Finish();
    absl::Status status = rpc::FromGrpc(finished_);
    if (!said.ok()) {
      EXPECT_EQ(CodeOf(said), CodeOf(status)) << "Failed and the status tell two stories";
    }
    return status;
  }
  void Cancel() { context_.TryCancel(); }
  // The status code itself, for what gRPC says without us.
  grpc::StatusCode code() const { return finished_.error_code(); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<v1::Ingest::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::BackupRequest, v1::BackupReply>> stream_;
  grpc::Status finished_;
};

}  // namespace holdfast::ingest
