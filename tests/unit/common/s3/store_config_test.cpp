// Goal: what cannot be a bucket is refused with its place in the file, and secrets stay secret.
#include "common/s3/store_config.h"

#include "tests/support/config_fixture.h"

namespace holdfast::s3 {
namespace {

absl::StatusOr<std::optional<Options>> LoadBucket(FileSystem& fs, const std::string& path) {
  ASSIGN_OR_RETURN(const ConfigDocument document, LoadConfig(fs, path));
  return ReadStoreConfig(fs, document.root());
}

class StoreConfigTest : public test::ConfigFixture<std::optional<Options>> {
 protected:
  StoreConfigTest() : ConfigFixture(&LoadBucket, "controller.yaml") {}

  void SetUp() override {
    EXPECT_TRUE(RealFileSystem().WriteAtomically(directory_ / "key", "the secret\n", 0600).ok());
  }
  // The usual section with one line in place of the one that begins alike.
  static std::string With(const std::string& line = "") {
    std::string text = "store:\n  s3:\n";
    const std::string key = line.substr(0, line.find(':') + 1);
    for (const std::string usual :
         {"endpoint: https://fra1.example.com", "bucket: acme-holdfast", "region: fra1",
          "access_key_id: DO00", "secret_access_key_file: key"}) {
      if (key.empty() || !usual.starts_with(key)) text += "    " + usual + "\n";
    }
    return text + (line.empty() ? "" : "    " + line + "\n");
  }
};

TEST_F(StoreConfigTest, NoSectionIsADirectory) { EXPECT_FALSE(Load("parity: 2\n")->has_value()); }

TEST_F(StoreConfigTest, ReadsAll) {
  const auto usual = Load(With());
  ASSERT_TRUE(usual.ok()) << usual.status();
  ASSERT_TRUE(usual->has_value());
  EXPECT_EQ((*usual)->endpoint, "https://fra1.example.com");
  EXPECT_EQ((*usual)->bucket, "acme-holdfast");
  EXPECT_EQ((*usual)->prefix, "");
  EXPECT_FALSE((*usual)->bucket_in_host);
  EXPECT_EQ((*usual)->credentials.secret_access_key.view(), "the secret");
  EXPECT_EQ((*usual)->immutable_for, absl::ZeroDuration());
  EXPECT_EQ((**Load(With("prefix: production"))).prefix, "production/");
  EXPECT_TRUE((**Load(With("addressing: host"))).bucket_in_host);
  EXPECT_EQ((**Load(With("immutable: 30d"))).immutable_for, absl::Hours(24 * 30));
  EXPECT_TRUE(AreSame(**usual, **Load(With())));
  EXPECT_FALSE(AreSame(**usual, **Load(With("immutable: 30d"))));
}

TEST_F(StoreConfigTest, RefusesWhatCannotBe) {
  for (const char* line :
       {"endpoint: fra1.example.com", "endpoint: https://", "endpoint: https://host/path",
        "endpoint: https://user@host", "endpoint: ftp://host", "bucket: ab", "bucket: Capital",
        "bucket: 'a/b/c'", "region: ''", "access_key_id: ''", "prefix: /a", "prefix: a//b",
        "addressing: both", "ca_file: own.pem", "immutable: 4000d"}) {
    const auto loaded = Load(With(line));
    EXPECT_FALSE(loaded.ok()) << line;
    EXPECT_EQ(ExitCodeOf(loaded.status()), 2) << line << loaded.status();
  }
  ExpectRefused("store: {}\n", "1:8");
  ExpectRefused("store: {s3: {endpoint: 'https://h'}}\n", "1:13");
  EXPECT_NE(HintOf(Load(With("secret_access_key_file: ''")).status()), "");
}

TEST_F(StoreConfigTest, ASecretThatOthersMayReadIsRefused) {
  EXPECT_TRUE(RealFileSystem().WriteAtomically(directory_ / "key", "the secret\n", 0644).ok());
  EXPECT_EQ(ExitCodeOf(Load(With()).status()), 12);
}

}  // namespace
}  // namespace holdfast::s3
