// Goal:   the classic archive can be used with nothing but tar, and is complete or not there.
// Method: the archive is unpacked with the tar of the system and compared byte for byte.
#include "common/base/error.h"
#include "common/env/process.h"
#include "controller/cli/export/archive_writer.h"
#include "tests/unit/controller/cli/cli_fixture.h"

namespace holdfast::cli {
namespace {

using test::CliTest;

class ExportTest : public CliTest {
 protected:
  void SetUp() override {
    Init();
    archive_ = directory_ / "all.tar";
  }
  void AddDatabase(const std::string& name) {
    auto orders = File("data/public.orders.copy", "1\tfirst\n2\t\\\\.\n");
    orders.entry.rows = 2;
    orders.entry.attributes = {
        {"schema", "public"}, {"table", "or\"ders"}, {"columns", "\"id\", \"text\""}};
    auto leaf = File("data/public.leaf.copy", "9\n");
    leaf.entry.attributes = {{"schema", "public"},      {"table", "leaf"},
                             {"columns", ""},           {"load_via_root", "yes"},
                             {"root_schema", "public"}, {"root_table", "root"}};
    AddSnapshot(name, "postgres",
                {File("globals.sql", "CREATE ROLE app;\n"),
                 File("database.json", R"({"name":"shop\nDROP","encoding":"UTF8","owner":"app"})"),
                 File("pre-data.sql", "CREATE TABLE t();\n"), orders, leaf,
                 File("sequences.json",
                      R"([{"schema":"public","name":"s'q","last_value":"7","is_called":true}])"),
                 File("large-objects.sql", "SELECT lo_open(1, 131072);\n"),
                 File("post-data.sql", "CREATE INDEX i ON t(x);\n")});
  }
  // Unpacks with the system's tar and returns the directory.
  std::string Unpack(const std::string& archive, const std::string& name) {
    const std::string target = directory_ / name;
    HOLDFAST_CHECK(RealFileSystem().MakeDirectories(target).ok());
    ProcessOptions options;
    options.argv = {"tar", "-xf", archive, "-C", target};
    const auto result = RunProcessForOutput(options, {});
    EXPECT_TRUE(result.ok()) << result.status();
    return target;
  }
  static Bytes Read(const std::string& path) {
    const auto bytes = RealFileSystem().ReadFile(path);
    EXPECT_TRUE(bytes.ok()) << bytes.status();
    return bytes.ok() ? *bytes : Bytes();
  }
  static std::string Without(std::string script) {  // without the comment lines
    std::string result;
    std::istringstream lines(script);
    for (std::string line; std::getline(lines, line);) {
      if (line.rfind("--", 0) != 0) result += line + "\n";
    }
    return result;
  }
  std::string archive_;
};

TEST_F(ExportTest, EverythingUnderItsClassicName) {
  AddDatabase("db");
  AddSnapshot("cache", "redis", {File("dump.rdb", Bytes("REDIS0011\xff\x00", 11))});
  const Bytes photo(3'000'000, 'p');
  NewEntry twin;
  twin.entry.path = "a/twin";
  twin.entry.type = EntryType::kHardlink;
  twin.entry.link_target = "a/photo.jpg";
  NewEntry link;
  link.entry.path = "link";
  link.entry.type = EntryType::kSymlink;
  link.entry.link_target = "a/photo.jpg";
  NewEntry socket;
  socket.entry.path = "socket";
  socket.entry.type = EntryType::kSocket;
  auto sparse = File("sparse", "XX");
  sparse.entry.size_bytes = 100'000;
  sparse.entry.extents = {{{50'000, 2}}};
  AddSnapshot("uploads", "files",
              {Directory(""), Directory("a"), File("a/photo.jpg", photo), twin, link, socket,
               sparse, File("caf\xe9", "latin1 name")});
  AddSnapshot("config", "files", {Directory(""), File("app.yaml", "port: 1\n")});
  AddSnapshot("env", "files", {Directory(""), File(".env", "SECRET=1\n")});

  ASSERT_EQ(Run({"export", "--output", archive_}), 0) << err();
  EXPECT_FALSE(Exists(archive_ + ".partial"));
  EXPECT_FALSE(Exists(archive_ + ".spool"));
  EXPECT_NE(err().find("left out 'socket' of uploads@1"), std::string::npos) << err();

  const std::string all = Unpack(archive_, "unpacked");
  EXPECT_EQ(Read(all + "/redis.rdb"), Bytes("REDIS0011\xff\x00", 11));
  EXPECT_EQ(Read(all + "/globals.sql"), "CREATE ROLE app;\n");
  EXPECT_EQ(Read(all + "/config/app.yaml"), "port: 1\n");
  EXPECT_EQ(Read(all + "/env.backup"), "SECRET=1\n");
  EXPECT_EQ(Without(Read(all + "/database.sql")),
            "\nCREATE TABLE t();\n\n"
            "COPY \"public\".\"root\" FROM stdin WITH (FORMAT text, ENCODING 'UTF8');\n9\n\\.\n\n"
            "COPY \"public\".\"or\"\"ders\" (\"id\", \"text\") FROM stdin WITH (FORMAT text, "
            "ENCODING 'UTF8');\n1\tfirst\n2\t\\\\.\n\\.\n\n"
            "SELECT pg_catalog.setval('\"public\".\"s''q\"', 7, true);\n\n"
            "SELECT lo_open(1, 131072);\n\n"
            "CREATE INDEX i ON t(x);\n");
  EXPECT_EQ(Read(all + "/database.sql").find("\nDROP"), std::string::npos);

  const std::string uploads = Unpack(all + "/uploads.tar.gz", "uploads");
  EXPECT_EQ(Read(uploads + "/a/photo.jpg"), photo);
  EXPECT_EQ(Read(uploads + "/a/twin"), photo);
  EXPECT_EQ(Read(uploads + "/link"), photo);
  EXPECT_EQ(Read(uploads + "/caf\xe9"), "latin1 name");
  EXPECT_EQ(Read(uploads + "/sparse"), Bytes(50'000, '\0') + "XX" + Bytes(49'998, '\0'));

  const Json index = ParsedJson(Read(all + "/holdfast-export.json"));
  EXPECT_EQ(index["snapshots"].size(), 5u);
}

TEST_F(ExportTest, SeveralDatabasesCarryTheirNames) {
  AddDatabase("db");
  AddDatabase("crm");
  ASSERT_EQ(Run({"export", "crm", "db@1", "--output", archive_, "--json"}), 0) << err();
  EXPECT_EQ(OutJson()["members"].size(), 6u);
  const std::string all = Unpack(archive_, "unpacked");
  for (const char* name : {"db.sql", "crm.sql", "db-globals.sql", "crm-globals.sql"}) {
    EXPECT_TRUE(Exists(all + "/" + name)) << name;
  }
}

TEST_F(ExportTest, AnExistingFileIsNeverReplaced) {
  AddDatabase("db");
  WriteSecret("all.tar", "mine");
  EXPECT_EQ(Run({"export", "--output", archive_}), 7);
  EXPECT_EQ(Read(archive_), "mine");
}

TEST_F(ExportTest, DamageLeavesNoArchive) {
  AddDatabase("db");
  AddSnapshot("uploads", "files", {File("a", "bytes of a")});
  for (auto& [id, object] : client_->fetcher->objects) {
    if (object.size() < 400) object.back() ^= 1;
  }
  EXPECT_EQ(Run({"export", "--output", archive_}), 5);
  for (const char* suffix : {"", ".partial", ".spool"}) {
    EXPECT_FALSE(Exists(archive_ + suffix)) << suffix;
  }
}

TEST_F(ExportTest, ASnapshotThatMakesNoSenseIsRefused) {
  AddSnapshot("db", "postgres", {File("globals.sql", "")});
  EXPECT_EQ(Run({"export", "--output", archive_}), 5);
  EXPECT_FALSE(Exists(archive_));
  EXPECT_EQ(Run({"export", "db", "--output", directory_ / "no/dir/x.tar"}), 6);
}

TEST(ArchiveWriterTest, AFileGetsExactlyWhatItPromised) {
  Bytes archive;
  auto writer = ArchiveWriter::Open(ArchiveWriter::Compression::kNone, [&](ByteView bytes) {
    archive.append(bytes);
    return absl::OkStatus();
  });
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->BeginFile({"a", 3, 0}).ok());
  EXPECT_EQ(ExitCodeOf((*writer)->Write("four")), 5);
  ASSERT_TRUE((*writer)->Write("ab").ok());
  EXPECT_EQ(ExitCodeOf((*writer)->EndFile()), 5);
}

TEST(ArchiveWriterTest, AFullDiskIsReportedAsSuch) {
  auto writer = ArchiveWriter::Open(ArchiveWriter::Compression::kGzip, [&](ByteView) {
    return Error(ErrorKind::kNoSpace, 1001, "no space");
  });
  ASSERT_TRUE(writer.ok());
  const Bytes noise = holdfast::test::SeededRng(1).Draw(1 << 20);
  absl::Status status = (*writer)->BeginFile({"a", noise.size(), 0});
  if (status.ok()) status = (*writer)->Write(noise);
  if (status.ok()) status = (*writer)->EndFile();
  if (status.ok()) status = (*writer)->Close();
  EXPECT_EQ(ExitCodeOf(status), 11);
}

}  // namespace
}  // namespace holdfast::cli
