// Goal: requests are signed as AWS's own examples are.
#include "common/s3/sigv4.h"

#include <gtest/gtest.h>

#include "common/crypto/crypto.h"

namespace holdfast::s3 {
namespace {

// The examples of "Authenticating Requests: Using the Authorization Header (AWS Signature Version
// 4)", https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
const Credentials kExample{"AKIAIOSFODNN7EXAMPLE",
                           SecretBytes("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")};
const absl::Time kExampleTime = absl::FromUnixSeconds(1369353600);  // 2013-05-24 00:00:00 UTC

Request ExampleRequest(std::string method, std::string path) {
  Request request;
  request.method = std::move(method);
  request.host = "examplebucket.s3.amazonaws.com";
  request.path = std::move(path);
  request.payload_sha256 = Sha256("").hex();
  return request;
}

std::string SignatureOf(Request request) {
  Sign(&request, kExample, "us-east-1", kExampleTime);
  const std::string& header = request.header["authorization"];
  return header.substr(header.rfind('=') + 1);
}

TEST(SigV4Test, SignsAGetWithARangeAsAwsShows) {
  Request request = ExampleRequest("GET", "/test.txt");
  request.header["range"] = "bytes=0-9";
  EXPECT_EQ(SignatureOf(request),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  Sign(&request, kExample, "us-east-1", kExampleTime);
  EXPECT_EQ(request.header["authorization"],
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  EXPECT_EQ(request.header["x-amz-date"], "20130524T000000Z");
}

TEST(SigV4Test, SignsAPutAsAwsShows) {
  Request request = ExampleRequest("PUT", "/test$file.text");
  request.header["date"] = "Fri, 24 May 2013 00:00:00 GMT";
  request.header["x-amz-storage-class"] = "REDUCED_REDUNDANCY";
  request.payload_sha256 = Sha256("Welcome to Amazon S3.").hex();
  EXPECT_EQ(SignatureOf(request),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST(SigV4Test, SignsASubresourceAndAListAsAwsShows) {
  Request lifecycle = ExampleRequest("GET", "/");
  lifecycle.query = {{"lifecycle", ""}};
  EXPECT_EQ(SignatureOf(lifecycle),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  Request list = ExampleRequest("GET", "/");
  list.query = {{"prefix", "J"}, {"max-keys", "2"}};
  EXPECT_EQ(SignatureOf(list), "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(SigV4Test, EncodesAllButUnreservedCharactersInCapitals) {
  EXPECT_EQ(UriEncode("AZaz09-._~", false), "AZaz09-._~");
  EXPECT_EQ(UriEncode("a b/c=é%", false), "a%20b%2Fc%3D%C3%A9%25");
  EXPECT_EQ(UriEncode("a b/c", true), "a%20b/c");
  Request request = ExampleRequest("GET", "/bucket/a b");
  request.query = {{"prefix", "x/y"}, {"list-type", "2"}};
  EXPECT_EQ(EncodedTarget(request), "/bucket/a%20b?list-type=2&prefix=x%2Fy");
}

}  // namespace
}  // namespace holdfast::s3
