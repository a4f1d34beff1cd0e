// Goal: every answer has the kind, the code and the next step that its cause asks for.
#include "common/s3/s3_error.h"

#include <gtest/gtest.h>

#include "common/base/error.h"

namespace holdfast::s3 {
namespace {

Reply ErrorReply(long status, const std::string& code, const std::string& more = "") {
  Reply reply;
  reply.status = status;
  reply.body = "<Error><Code>" + code + "</Code><Message>m</Message>" + more + "</Error>";
  return reply;
}

struct MeaningRow {
  long status;
  const char* code;
  ErrorKind kind;
  int number;
  bool may_pass;
  const char* hint;
};

class S3Meaning : public testing::TestWithParam<MeaningRow> {};

TEST_P(S3Meaning, KindCodeAndNextStep) {
  const MeaningRow& row = GetParam();
  const Reply reply = ErrorReply(row.status, row.code);
  EXPECT_EQ(MayPass(reply), row.may_pass);
  const absl::Status status = StatusOf(reply, "unable to read 'x'", "eu-1");
  EXPECT_EQ(KindOf(status), row.kind) << status;
  EXPECT_EQ(CodeOf(status), row.number);
  EXPECT_NE(MessageOf(status).find("unable to read 'x': the service answered"), std::string::npos);
  EXPECT_NE(MessageOf(status).find(row.code), std::string::npos);
  EXPECT_NE(HintOf(status).find(row.hint), std::string::npos) << HintOf(status);
}

constexpr MeaningRow kMeanings[] = {
    {503, "SlowDown", ErrorKind::kUnreachable, 5100, true, "status page"},
    {500, "InternalError", ErrorKind::kUnreachable, 5100, true, "status page"},
    {429, "TooManyRequests", ErrorKind::kUnreachable, 5100, true, "status page"},
    {400, "RequestTimeout", ErrorKind::kUnreachable, 5100, true, "status page"},
    {409, "OperationAborted", ErrorKind::kUnreachable, 5100, true, "status page"},
    {501, "NotImplemented", ErrorKind::kUsage, 5102, false, "Compare 'store'"},
    {400, "InvalidArgument", ErrorKind::kUsage, 5102, false, "Compare 'store'"},
    {403, "AccessDenied", ErrorKind::kPermission, 5101, false, "s3:GetObject"},
    {403, "InvalidAccessKeyId", ErrorKind::kPermission, 5101, false, "rotated"},
    {403, "SignatureDoesNotMatch", ErrorKind::kPermission, 5101, false, "rotated"},
    {403, "RequestTimeTooSkewed", ErrorKind::kPermission, 5101, false, "clock"},
    {401, "Unauthorized", ErrorKind::kPermission, 5101, false, "s3:GetObject"},
    {404, "NoSuchBucket", ErrorKind::kPermission, 5101, false, "Make the bucket"},
    {404, "NoSuchKey", ErrorKind::kNotFound, 5104, false, ""},
    {403, "InvalidObjectState", ErrorKind::kUnreachable, 5105, false, "thaw"},
    {301, "PermanentRedirect", ErrorKind::kUsage, 5102, false, "endpoint"},
    {400, "AuthorizationHeaderMalformed", ErrorKind::kUsage, 5102, false, "endpoint"}};

INSTANTIATE_TEST_SUITE_P(Rows, S3Meaning, testing::ValuesIn(kMeanings));

TEST(S3ErrorTest, NamesTheRegionThatTheServiceNames) {
  const Reply malformed =
      ErrorReply(400, "AuthorizationHeaderMalformed", "<Region>eu-central-1</Region>");
  EXPECT_NE(HintOf(StatusOf(malformed, "w", "us-east-1")).find("write region: eu-central-1"),
            std::string::npos);
  Reply moved = ErrorReply(301, "PermanentRedirect");
  moved.header["x-amz-bucket-region"] = "eu-west-3";
  EXPECT_NE(HintOf(StatusOf(moved, "w", "us-east-1")).find("'eu-west-3', not 'us-east-1'"),
            std::string::npos);
  const Reply endpoint =
      ErrorReply(307, "TemporaryRedirect", "<Endpoint>b.s3-eu.example.com</Endpoint>");
  EXPECT_NE(HintOf(StatusOf(endpoint, "w", "us-east-1")).find("b.s3-eu.example.com"),
            std::string::npos);
}

TEST(S3ErrorTest, AnErrorInsideA200IsAFailure) {
  EXPECT_TRUE(IsHiddenFailure(ErrorReply(200, "InternalError")));
  EXPECT_TRUE(MayPass(ErrorReply(200, "InternalError")));
  Reply content;
  content.status = 200;
  content.body = "a file that speaks of <Error> and is none";
  EXPECT_FALSE(IsHiddenFailure(content));
}

TEST(S3ErrorTest, ForeignTextIsEscapedAndCut) {
  const Reply reply = ErrorReply(400, "Bad", "");
  Reply long_one = reply;
  long_one.body =
      "<Error><Code>" + std::string(5000, 'x') + "</Code><Message>\x1b[2J</Message></Error>";
  const std::string message = MessageOf(StatusOf(long_one, "w", "r"));
  EXPECT_LT(message.size(), 400u);
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
  Reply html;
  html.status = 502;
  html.body = "<html>Bad Gateway";
  EXPECT_EQ(MessageOf(StatusOf(html, "w", "r")), "w: the service answered 502");
}

TEST(S3ErrorTest, ListsObjectsPrefixesAndWhereToGoOn) {
  const auto listing = ParseListing(
      "<?xml version='1.0'?><ListBucketResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>"
      "<IsTruncated>true</IsTruncated><NextContinuationToken>t/1=</NextContinuationToken>"
      "<Contents><Key>a&amp;b</Key><Size>17</Size></Contents>"
      "<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes></ListBucketResult>");
  ASSERT_TRUE(listing.ok()) << listing.status();
  ASSERT_EQ(listing->objects.size(), 1u);
  EXPECT_EQ(listing->objects[0].key, "a&b");
  EXPECT_EQ(listing->objects[0].size_bytes, 17u);
  EXPECT_EQ(listing->prefixes, std::vector<std::string>{"p/"});
  EXPECT_EQ(listing->next, "t/1=");
}

TEST(S3ErrorTest, AListThatIsNoneIsRefused) {
  for (const char* body :
       {"", "not xml", "<html></html>",
        "<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        "<!DOCTYPE x [<!ENTITY e 'b'>]><ListBucketResult><Contents><Key>&e;</Key></Contents>"}) {
    const auto listing = ParseListing(body);
    EXPECT_FALSE(listing.ok()) << body;
    EXPECT_EQ(CodeOf(listing.status()), 5103) << body;
  }
}

}  // namespace
}  // namespace holdfast::s3
