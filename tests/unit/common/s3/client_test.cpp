// Goal: whatever a storage service answers (fault rows 38 to 44) is told for what it is, and
// repeated only while that may help.
#include "common/s3/client.h"

#include <gtest/gtest.h>

#include "common/base/error.h"
#include "tests/support/bucket/fake_bucket.h"
#include "tests/support/seeded_rng.h"

namespace holdfast::s3 {
namespace {

using test::FakeBucket;
using test::FakeReply;
using test::FakeRequest;

// Sleeps no time, and tells how long it would have slept.
class PatientClock final : public Clock {
 public:
  absl::Time Now() override { return RealClock().Now() + slept_; }
  absl::Duration Monotonic() override { return RealClock().Monotonic() + slept_; }
  bool SleepFor(absl::Duration duration, std::stop_token) override {
    slept_ += duration;
    return true;
  }
  absl::Duration slept() const { return slept_; }

 private:
  absl::Duration slept_;
};

class ClientTest : public testing::Test {
 protected:
  Client NewClient(const std::function<void(Options*)>& change = nullptr) {
    Options options = bucket_.options();
    if (change) change(&options);
    return Client({clock_, rng_, RealFileSystem()}, std::move(options));
  }
  static Payload Of(const Bytes& bytes) { return {bytes, nullptr, bytes.size()}; }
  int RequestsOf(const std::function<void()>& action) {
    const int before = bucket_.requests();
    action();
    return bucket_.requests() - before;
  }

  test::SeededRng rng_{38};
  PatientClock clock_;
  FakeBucket bucket_;
  Client client_ = NewClient();
};

TEST_F(ClientTest, KeepsAndGivesBack) {
  const Bytes content = rng_.Draw(100'000);
  ASSERT_EQ(client_.Put("a/b c=é", Of(content)), absl::OkStatus());
  EXPECT_EQ(*client_.Get("a/b c=é", 1 << 20), content);
  EXPECT_EQ(client_.Stat("a/b c=é")->size_bytes, content.size());
  const auto part = client_.GetPart("a/b c=é", 10, 20);
  ASSERT_TRUE(part.ok()) << part.status();
  EXPECT_EQ(part->bytes, content.substr(10, 20));
  EXPECT_EQ(part->object_bytes, content.size());
  EXPECT_EQ(client_.GetPart("a/b c=é", 99'990, 50)->bytes, content.substr(99'990));
  EXPECT_EQ(client_.GetPart("a/b c=é", 200'000, 50)->bytes, "");
  EXPECT_EQ(client_.Delete("a/b c=é"), absl::OkStatus());
  EXPECT_EQ(client_.Delete("a/b c=é"), absl::OkStatus());
  EXPECT_TRUE(absl::IsNotFound(client_.Get("a/b c=é", 1 << 20).status()));
  EXPECT_TRUE(absl::IsNotFound(client_.Stat("a/b c=é").status()));
}

TEST_F(ClientTest, EmptyObjectsHaveNoFirstByte) {
  ASSERT_EQ(client_.Put("mark", Of("")), absl::OkStatus());
  EXPECT_EQ(client_.Stat("mark")->size_bytes, 0u);
  EXPECT_EQ(*client_.Get("mark", 10), "");
}

TEST_F(ClientTest, SendsAFileAsItsBytes) {
  const Bytes content = rng_.Draw(3'000'000);
  struct BytesFile final : File {
    explicit BytesFile(const Bytes& all) : all_(all) {}
    absl::StatusOr<Bytes> ReadAt(std::uint64_t offset, std::size_t size) const override {
      if (offset >= limit) return Error(ErrorKind::kFailed, 1001, "unable to read: EIO");
      return all_.substr(offset, size);
    }
    absl::StatusOr<std::uint64_t> Size() const override { return all_.size(); }
    absl::Status Append(ByteView) override { return absl::OkStatus(); }
    absl::Status Truncate(std::uint64_t) override { return absl::OkStatus(); }
    absl::Status Sync() override { return absl::OkStatus(); }
    const Bytes& all_;
    std::uint64_t limit = ~0ull;
  } file(content);
  EXPECT_TRUE(*client_.PutIfAbsent("file", {{}, &file, content.size()}));
  EXPECT_EQ(bucket_.objects()["file"], content);
  // A disk that cannot be read is not the service's fault, and not tried again there.
  file.limit = 1'500'000;
  EXPECT_EQ(
      RequestsOf([&] {
        EXPECT_EQ(KindOf(client_.Put("other", {{}, &file, content.size()})), ErrorKind::kFailed);
      }),
      0);
}

TEST_F(ClientTest, ListsOneLevelOverManyPages) {
  auto below = NewClient([](Options* options) { options->prefix = "pre/"; });
  for (const char* key : {"pre/a/1", "pre/a/2", "pre/a/3", "pre/a/4", "pre/a/5", "pre/a/x/6",
                          "pre/a/y/7", "pre/b", "other"}) {
    bucket_.Set(key, "x");
  }
  const auto listing = below.List("a/");
  ASSERT_TRUE(listing.ok()) << listing.status();
  std::vector<std::string> keys;
  for (const ListedObject& object : listing->objects) keys.push_back(object.key);
  EXPECT_EQ(keys, (std::vector<std::string>{"1", "2", "3", "4", "5"}));
  EXPECT_EQ(listing->prefixes, (std::vector<std::string>{"x/", "y/"}));
  EXPECT_TRUE(below.List("nothing/")->objects.empty());
}

TEST_F(ClientTest, Row38TriesAgainWithGrowingWaitsAndThenGivesUp) {
  bucket_.Fail(503, "SlowDown", 3);
  EXPECT_EQ(RequestsOf([&] { EXPECT_EQ(client_.Put("a", Of("x")), absl::OkStatus()); }), 5);
  const absl::Duration first = clock_.slept();
  EXPECT_GE(first, absl::Milliseconds(700));  // half of 200 + 400 + 800
  EXPECT_LE(first, absl::Milliseconds(1400));

  bucket_.Fail(500, "InternalError");
  absl::Status status;
  EXPECT_EQ(RequestsOf([&] { status = client_.Put("b", Of("x")); }), 8);
  EXPECT_EQ(KindOf(status), ErrorKind::kUnreachable);
  EXPECT_NE(MessageOf(status).find("tried 8 times"), std::string::npos) << status;
  EXPECT_LT(clock_.slept() - first, absl::Seconds(40));
  bucket_.Heal();
  EXPECT_FALSE(bucket_.objects().contains("b"));
}

TEST_F(ClientTest, Row38WaitsAsLongAsItIsAsked) {
  bucket_.Answer([left = 1](const FakeRequest&) mutable -> std::unique_ptr<FakeReply> {
    if (left-- <= 0) return nullptr;
    return std::make_unique<FakeReply>(FakeReply{429, "", {{"Retry-After", "20"}}, false});
  });
  EXPECT_EQ(client_.Put("a", Of("x")), absl::OkStatus());
  EXPECT_GE(clock_.slept(), absl::Seconds(20));
}

TEST_F(ClientTest, Row38NobodyAnswers) {
  auto nowhere = NewClient([](Options* options) { options->endpoint = "http://127.0.0.1:1"; });
  const absl::Status status = nowhere.Get("a", 10).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kUnreachable);
  EXPECT_EQ(CodeOf(status), 5100);
  EXPECT_NE(HintOf(status).find("endpoint"), std::string::npos);
}

// One byte a second is no answer, and the end of the process is not waited for.
TEST_F(ClientTest, Row38AnAnswerThatCrawlsIsGivenUpAndStopEndsAll) {
  bucket_.Set("a", "x");
  auto client = NewClient([](Options* options) { options->tries = 1; });
  bucket_.Crawl(true);
  EXPECT_EQ(KindOf(client.Get("a", 10).status()), ErrorKind::kUnreachable);
  bucket_.Crawl(false);
  EXPECT_EQ(*client.Get("a", 10), "x");
  client_.Stop();
  EXPECT_EQ(KindOf(client_.Get("a", 10).status()), ErrorKind::kUnreachable);
}

TEST_F(ClientTest, Row39ARefusalIsToldAtOnceAndRememberedForFiveMinutes) {
  for (const char* code : {"InvalidAccessKeyId", "RequestTimeTooSkewed", "SignatureDoesNotMatch"}) {
    auto client = NewClient();
    bucket_.Fail(403, code);
    absl::Status status;
    EXPECT_EQ(RequestsOf([&] { status = client.Put("a", Of("x")); }), 1);
    EXPECT_EQ(KindOf(status), ErrorKind::kPermission);
    EXPECT_NE(MessageOf(status).find(code), std::string::npos);
    EXPECT_EQ(ExitCodeOf(status), 12);
    EXPECT_EQ(RequestsOf([&] {
                for (int i = 0; i < 50; ++i) {
                  EXPECT_EQ(KindOf(client.Get("a", 10).status()), ErrorKind::kPermission);
                }
              }),
              0);
    bucket_.Heal();
    clock_.SleepFor(kRefusedTime, {});
    EXPECT_EQ(client.Put("a", Of("x")), absl::OkStatus());
  }
}

TEST_F(ClientTest, Row39NoSuchBucketIsNotNoSuchObject) {
  bucket_.Fail(404, "NoSuchBucket");
  for (const absl::Status& status : {client_.Get("a", 10).status(), NewClient().Stat("a").status(),
                                     NewClient().Delete("a"), NewClient().List("").status()}) {
    EXPECT_EQ(KindOf(status), ErrorKind::kPermission) << status;
    EXPECT_NE(MessageOf(status).find("NoSuchBucket"), std::string::npos);
  }
}

TEST_F(ClientTest, Row39OneForbiddenOperationStopsNoOther) {
  bucket_.Set("a", "x");
  bucket_.Fail(403, "AccessDenied", 1'000'000, "DELETE");
  EXPECT_EQ(KindOf(client_.Delete("a")), ErrorKind::kPermission);
  EXPECT_EQ(*client_.Get("a", 10), "x");
  EXPECT_EQ(client_.Probe(), absl::OkStatus());  // credentials that only add
}

TEST_F(ClientTest, Row40TheRightRegionIsNamedAndNothingIsFollowed) {
  bucket_.Answer([](const FakeRequest&) {
    return std::make_unique<FakeReply>(
        FakeReply{301,
                  "<Error><Code>PermanentRedirect</Code></Error>",
                  {{"Location", "http://127.0.0.1:1/"}, {"x-amz-bucket-region", "eu-west-3"}},
                  false});
  });
  absl::Status status;
  EXPECT_EQ(RequestsOf([&] { status = client_.Put("a", Of("x")); }), 1);
  EXPECT_EQ(KindOf(status), ErrorKind::kUsage);
  EXPECT_EQ(ExitCodeOf(status), 2);
  EXPECT_NE(HintOf(status).find("eu-west-3"), std::string::npos);
}

TEST_F(ClientTest, Row41AnErrorInsideA200IsTriedAgainAndThenTold) {
  const auto hidden = [](int times) {
    return [left = times](const FakeRequest& request) mutable -> std::unique_ptr<FakeReply> {
      if (request.method != "PUT" || left-- <= 0) return nullptr;
      return std::make_unique<FakeReply>(
          FakeReply{200, "<Error><Code>InternalError</Code></Error>", {}, false});
    };
  };
  bucket_.Answer(hidden(2));
  EXPECT_EQ(client_.Put("a", Of("x")), absl::OkStatus());
  EXPECT_EQ(bucket_.objects()["a"], "x");
  bucket_.Answer(hidden(1'000'000));
  const absl::Status status = client_.Put("b", Of("x"));
  EXPECT_EQ(KindOf(status), ErrorKind::kIntegrity);
  EXPECT_EQ(CodeOf(status), 5103);
}

TEST_F(ClientTest, Row41AnAnswerThatBreaksOffIsReadAgain) {
  bucket_.Set("a", "whole");
  const auto cut = [](int times) {
    return [left = times](const FakeRequest&) mutable -> std::unique_ptr<FakeReply> {
      if (left-- <= 0) return nullptr;
      return std::make_unique<FakeReply>(FakeReply{200, "who", {}, true});
    };
  };
  bucket_.Answer(cut(3));
  EXPECT_EQ(*client_.Get("a", 10), "whole");
  bucket_.Answer(cut(1'000'000));
  const absl::Status status = client_.Get("a", 10).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kIntegrity);
  EXPECT_NE(MessageOf(status).find("broke off"), std::string::npos) << status;
}

TEST_F(ClientTest, Row41AnotherRangeThanAskedForIsNoAnswer) {
  bucket_.Set("a", "0123456789");
  bucket_.Answer([](const FakeRequest&) {
    return std::make_unique<FakeReply>(
        FakeReply{206, "xx", {{"Content-Range", "bytes 0-1/10"}}, false});
  });
  const absl::Status status = client_.GetPart("a", 2, 5).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kIntegrity) << status;
}

TEST_F(ClientTest, Row41WhatIsThereIsNotWhatWasSent) {
  bucket_.Answer([](const FakeRequest& request) -> std::unique_ptr<FakeReply> {
    if (request.method != "PUT") return nullptr;
    return std::make_unique<FakeReply>();  // says yes and keeps nothing
  });
  EXPECT_FALSE(client_.Put("a", Of("x")).ok());
  bucket_.Set("a", "y but longer");
  const absl::Status status = client_.Put("a", Of("x"));
  EXPECT_EQ(KindOf(status), ErrorKind::kIntegrity);
  EXPECT_NE(MessageOf(status).find("not what was sent"), std::string::npos);
}

TEST_F(ClientTest, Row42AReplyThatIsLostIsNoFailure) {
  bucket_.ActAndAnswer(
      [left = 1](const FakeRequest& request) mutable -> std::unique_ptr<FakeReply> {
        if (request.method != "PUT" || left-- <= 0) return nullptr;
        return std::make_unique<FakeReply>(FakeReply{200, "", {}, true});
      });
  const auto written = client_.PutIfAbsent("a", Of("content"));
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(bucket_.objects()["a"], "content");
  EXPECT_FALSE(*client_.PutIfAbsent("a", Of("content")));
}

TEST_F(ClientTest, Row42AnotherObjectIsAConflictAndStays) {
  bucket_.Set("a", "somebody else's");
  const auto written = client_.PutIfAbsent("a", Of("mine"));
  EXPECT_EQ(KindOf(written.status()), ErrorKind::kConflict);
  EXPECT_EQ(bucket_.objects()["a"], "somebody else's");
}

TEST_F(ClientTest, Row42AServiceWithoutConditionsIsAskedFirst) {
  bucket_.set_has_conditions(false);
  ASSERT_EQ(client_.Probe(), absl::OkStatus());
  EXPECT_FALSE(client_.has_conditions());
  bucket_.Set("a", "somebody else's");
  EXPECT_EQ(KindOf(client_.PutIfAbsent("a", Of("mine")).status()), ErrorKind::kConflict);
  EXPECT_EQ(bucket_.objects()["a"], "somebody else's");
  EXPECT_TRUE(*client_.PutIfAbsent("b", Of("mine")));
  EXPECT_FALSE(*client_.PutIfAbsent("b", Of("mine")));
}

TEST_F(ClientTest, Row42AServiceThatRefusesConditionsIsAskedFirst) {
  bucket_.Answer([](const FakeRequest& request) -> std::unique_ptr<FakeReply> {
    if (!request.has_condition) return nullptr;
    return std::make_unique<FakeReply>(
        FakeReply{501, "<Error><Code>NotImplemented</Code></Error>", {}, false});
  });
  ASSERT_EQ(client_.Probe(), absl::OkStatus());
  EXPECT_FALSE(client_.has_conditions());
  EXPECT_TRUE(*client_.PutIfAbsent("b", Of("mine")));
}

TEST_F(ClientTest, Row43AnArchivedObjectSaysThaw) {
  bucket_.Fail(403, "InvalidObjectState");
  const absl::Status status = client_.Get("a", 10).status();
  EXPECT_EQ(CodeOf(status), 5105);
  EXPECT_NE(HintOf(status).find("thaw"), std::string::npos);
}

TEST_F(ClientTest, Row44ImmutableWithoutObjectLockIsRefused) {
  auto client = NewClient([](Options* options) { options->immutable_for = absl::Hours(24); });
  const absl::Status status = client.Probe();
  EXPECT_EQ(KindOf(status), ErrorKind::kUsage);
  EXPECT_NE(MessageOf(status).find("bucket has no Object Lock"), std::string::npos);
  EXPECT_TRUE(bucket_.objects().empty());
  bucket_.set_has_lock(true);
  ASSERT_EQ(client.Probe(), absl::OkStatus());
  ASSERT_EQ(client.Put("a", Of("x")), absl::OkStatus());
  const auto header = bucket_.last_header();
  EXPECT_EQ(header.at("x-amz-object-lock-mode"), "COMPLIANCE");
  absl::Time until;
  ASSERT_TRUE(absl::ParseTime(absl::RFC3339_full, header.at("x-amz-object-lock-retain-until-date"),
                              &until, nullptr));
  EXPECT_GE(until, clock_.Now() + absl::Hours(23));
}

TEST_F(ClientTest, ProbeLeavesNothing) {
  ASSERT_EQ(client_.Probe(), absl::OkStatus());
  EXPECT_TRUE(client_.has_conditions());
  EXPECT_TRUE(bucket_.objects().empty());
}

TEST_F(ClientTest, ProbeTellsAServiceThatForgets) {
  bucket_.Answer([](const FakeRequest& request) -> std::unique_ptr<FakeReply> {
    if (request.method != "GET" || !request.key.empty()) return nullptr;
    return std::make_unique<FakeReply>(
        FakeReply{200, "<ListBucketResult></ListBucketResult>", {}, false});
  });
  const absl::Status status = client_.Probe();
  EXPECT_EQ(KindOf(status), ErrorKind::kIntegrity);
  EXPECT_NE(MessageOf(status).find("not in it"), std::string::npos);
}

TEST_F(ClientTest, ALargerObjectThanAskedForIsRefused) {
  bucket_.Set("a", std::string(5000, 'x'));
  const absl::Status status = client_.Get("a", 4000).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kUsage);
  EXPECT_NE(MessageOf(status).find("larger than 4000"), std::string::npos);
}

}  // namespace
}  // namespace holdfast::s3
