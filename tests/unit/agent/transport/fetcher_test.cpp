// Goal: a controller that lies, answers without end or hands out bombs costs the agent an error and
// bounded memory, never a wrong byte (fault rows 53, 61, 65).
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <atomic>

#include "agent/transport/grpc_fetcher.h"
#include "common/base/error.h"
#include "common/rpc/channel.h"
#include "common/rpc/status.h"
#include "proto/restore.grpc.pb.h"
#include "tests/support/agent_domain.h"
#include "tests/support/fast_clock.h"
#include "tests/support/temp_dir.h"

namespace holdfast::transport {
namespace {

class LyingController final : public v1::Restore::Service {
 public:
  std::vector<Bytes> objects;  // of each reply
  int replies = 1;             // -1: without end
  int failures = 0;            // calls that end with UNAVAILABLE first
  int envelopes = 1;
  std::atomic<int> calls{0};
  std::atomic<int> written{0};

  grpc::Status Fetch(grpc::ServerContext*, const v1::FetchRequest*,
                     grpc::ServerWriter<v1::FetchReply>* writer) override {
    ++calls;
    if (failures-- > 0) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "not now");
    v1::FetchReply reply;
    for (const Bytes& object : objects) reply.add_objects(object);
    for (int i = 0; i != replies && writer->Write(reply); ++i) ++written;
    return grpc::Status::OK;
  }
  grpc::Status GetEnvelopes(grpc::ServerContext*, const v1::GetEnvelopesRequest*,
                            v1::GetEnvelopesReply* reply) override {
    for (int i = 0; i < envelopes; ++i) reply->add_envelopes("envelope");
    return grpc::Status::OK;
  }
  grpc::Status GetSnapshot(grpc::ServerContext*, const v1::GetSnapshotRequest*,
                           v1::SnapshotBundle*) override {
    ++calls;
    return rpc::ToGrpc(Error(ErrorKind::kNotFound, 5040, "unable to find the snapshot", "Look."));
  }
};

class FetcherTest : public testing::Test {
 protected:
  FetcherTest() {
    grpc::ServerBuilder builder;
    rpc::ApplyServerSettings(builder);
    builder.AddListeningPort("unix:" + socket_, grpc::InsecureServerCredentials());
    builder.RegisterService(&controller_);
    server_ = builder.BuildAndStart();
    fetcher_ = std::make_shared<GrpcFetcher>(Env{clock_, agent_.rng, RealFileSystem()},
                                             rpc::OpenLocalChannel(socket_));
  }
  ~FetcherTest() override { server_->Shutdown(std::chrono::system_clock::time_point()); }

  absl::Status Fetch(std::size_t count) {
    return fetcher_->Fetch(agent_.secrets.domain, std::vector<ChunkId>(count)).status();
  }

  test::AgentDomain agent_{31};
  test::FastClock clock_;
  test::TempDir directory_;
  const std::string socket_ = directory_ / "socket";
  LyingController controller_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<GrpcFetcher> fetcher_;
};

TEST_F(FetcherTest, MoreObjectsThanAskedForAreRefused) {
  controller_.objects = {"a", "b", "c"};
  EXPECT_TRUE(Fetch(3).ok());
  EXPECT_EQ(CodeOf(Fetch(2)), 4081);
}

TEST_F(FetcherTest, AnEndlessStreamEnds) {
  controller_.objects = {Bytes(1 << 20, 'x')};
  controller_.replies = -1;
  EXPECT_EQ(CodeOf(Fetch(5)), 4081);
  // What gRPC buffers on the way is bounded as well.
  EXPECT_LT(controller_.written, 200);
}

TEST_F(FetcherTest, AMessageBeyondTheLimitIsRefused) {
  controller_.objects = {Bytes(7 << 20, 'x')};
  EXPECT_FALSE(Fetch(1).ok());
}

TEST_F(FetcherTest, ALostConnectionIsTriedAgainThreeTimes) {
  controller_.objects = {"a"};
  controller_.failures = 2;
  EXPECT_TRUE(Fetch(1).ok());
  EXPECT_EQ(controller_.calls, 3);
  controller_.failures = 5;
  EXPECT_EQ(KindOf(Fetch(1)), ErrorKind::kUnreachable);
  EXPECT_EQ(controller_.calls, 6);
}

TEST_F(FetcherTest, AnAnswerOfTheControllerIsNotTriedAgain) {
  const auto status = fetcher_->Documents(agent_.Source("uploads"), 1).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kNotFound);
  EXPECT_EQ(CodeOf(status), 5040);
  EXPECT_EQ(HintOf(status), "Look.");
  EXPECT_EQ(controller_.calls, 1);
}

TEST_F(FetcherTest, OneEnvelopeIsOne) {
  EXPECT_EQ(*fetcher_->FetchEnvelope(agent_.secrets.domain, KeyId()), "envelope");
  for (const int count : {0, 2}) {
    controller_.envelopes = count;
    EXPECT_FALSE(fetcher_->FetchEnvelope(agent_.secrets.domain, KeyId()).ok()) << count;
  }
}

}  // namespace
}  // namespace holdfast::transport
