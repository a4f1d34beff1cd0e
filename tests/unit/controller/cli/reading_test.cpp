// Goal:   ls, find, cat and diff show what is in real sealed snapshots, opened with the operator's
//         own key, and never show what was not authenticated.
#include "common/base/error.h"
#include "fmt/format.h"
#include "tests/unit/controller/cli/cli_fixture.h"

namespace holdfast::cli {
namespace {

using test::CliTest;

class ReadingTest : public CliTest {
 protected:
  void SetUp() override {
    Init();
    AddSnapshot("uploads", "files",
                {Directory(""), Directory("receipts"), File("receipts/2025-12-01.pdf", "one"),
                 File("logo.png", Bytes("\x89PNG\0\x01", 6)), File("gone.txt", "bye"),
                 File("note.txt", "hello\n")});
    auto changed = File("note.txt", "hello world\n");
    auto tightened = File("logo.png", Bytes("\x89PNG\0\x01", 6));
    tightened.entry.mode = 0600;
    NewEntry link;
    link.entry.path = "link";
    link.entry.type = EntryType::kSymlink;
    link.entry.link_target = "note.txt\x1b[2J";
    AddSnapshot("uploads", "files",
                {Directory(""), Directory("receipts"), File("receipts/2025-12-01.pdf", "one"),
                 File("receipts/2026-01-06.pdf", "two"), changed, tightened, link});
  }
};

TEST_F(ReadingTest, LsShowsOneLevelOfFiles) {
  ASSERT_EQ(Run({"ls", "uploads@1"}), 0) << err();
  EXPECT_EQ(out(),
            "gone.txt                          3 B\n"
            "logo.png                          6 B\n"
            "note.txt                          6 B\n"
            "receipts/\n");
  EXPECT_EQ(Run({"ls", "uploads@1", "/receipts/"}), 0);
  EXPECT_EQ(out(), "receipts/2025-12-01.pdf           3 B\n");
  EXPECT_EQ(Run({"ls", "uploads", "-r", "-l"}), 0);
  EXPECT_NE(out().find("-rw-------"), std::string::npos) << out();
  EXPECT_NE(out().find("link -> note.txt\\x1b[2J"), std::string::npos) << out();
  EXPECT_EQ(Run({"ls", "uploads", "nothing"}), 6);
  EXPECT_EQ(Run({"ls", "uploads", "../etc"}), 2);
  EXPECT_EQ(Run({"ls", "uploads@9"}), 6);
}

TEST_F(ReadingTest, LsJsonIsOneDocument) {
  ASSERT_EQ(Run({"ls", "uploads@1", "-r", "--json"}), 0);
  const Json json = OutJson();
  ASSERT_EQ(json["entries"].size(), 5u) << out();
  EXPECT_EQ(json["entries"][4]["path"], "receipts/2025-12-01.pdf");
  EXPECT_EQ(json["entries"][4]["mode"], "0644");
}

TEST_F(ReadingTest, CatWritesTheBytes) {
  ASSERT_EQ(Run({"cat", "uploads@1", "logo.png"}), 0) << err();
  EXPECT_EQ(out(), Bytes("\x89PNG\0\x01", 6));
  EXPECT_EQ(Run({"cat", "uploads@2", "note.txt"}), 0);
  EXPECT_EQ(out(), "hello world\n");
  EXPECT_EQ(Run({"cat", "uploads", "receipts"}), 2);
  EXPECT_EQ(Run({"cat", "uploads", "link"}), 2);
  EXPECT_EQ(Run({"cat", "uploads", "missing"}), 6);
  terminal_.output = true;
  EXPECT_EQ(Run({"cat", "uploads", "logo.png"}), 4);
  EXPECT_EQ(out(), "");
  EXPECT_EQ(Run({"cat", "uploads", "logo.png", "--force"}), 0);
  EXPECT_EQ(Run({"cat", "uploads", "note.txt"}), 0) << "text may be shown";
}

TEST_F(ReadingTest, CatFillsHolesAndFollowsHardLinks) {
  auto sparse = File("sparse", "AABBB");
  sparse.entry.size_bytes = 20;
  sparse.entry.extents = {{{4, 2}, {10, 3}}};
  NewEntry link;
  link.entry.path = "twin";
  link.entry.type = EntryType::kHardlink;
  link.entry.link_target = "sparse";
  auto hole = File("hole", "");
  hole.entry.size_bytes = 5;
  hole.entry.extents.emplace();
  AddSnapshot("odd", "files", {sparse, link, hole});
  const Bytes expected = Bytes(4, '\0') + "AA" + Bytes(4, '\0') + "BBB" + Bytes(7, '\0');
  ASSERT_EQ(Run({"cat", "odd", "sparse"}), 0) << err();
  EXPECT_EQ(out(), expected);
  EXPECT_EQ(Run({"cat", "odd", "twin"}), 0);
  EXPECT_EQ(out(), expected);
  EXPECT_EQ(Run({"cat", "odd", "hole"}), 0);
  EXPECT_EQ(out(), Bytes(5, '\0'));
}

TEST_F(ReadingTest, FindSearchesAllSnapshotsNewestFirst) {
  ASSERT_EQ(Run({"find", "uploads", "*.pdf"}), 0) << err();
  EXPECT_EQ(std::ranges::count(out(), '\n'), 2) << "each version once\n" << out();
  EXPECT_EQ(out().find("uploads@1"), std::string::npos) << out();
  EXPECT_EQ(Run({"find", "uploads", "note.txt"}), 0);
  EXPECT_EQ(std::ranges::count(out(), '\n'), 2) << out();
  EXPECT_EQ(Run({"find", "uploads", "note.txt", "--newest"}), 0);
  EXPECT_EQ(std::ranges::count(out(), '\n'), 1) << out();
  EXPECT_EQ(Run({"find", "uploads", "receipts/2025-*"}), 0);
  EXPECT_EQ(Run({"find", "uploads@2", "gone.txt"}), 6);
  EXPECT_EQ(Run({"find", "uploads", "gone.txt", "--json"}), 0);
  EXPECT_EQ(OutJson()["snapshot"], "uploads@1");
  EXPECT_EQ(Run({"find", "uploads", ""}), 2);
}

TEST_F(ReadingTest, DiffNamesWhatChanged) {
  ASSERT_EQ(Run({"diff", "uploads@1", "uploads@2"}), 0) << err();
  EXPECT_EQ(out(),
            "- gone.txt                          3 B\n"
            "+ link -> note.txt\\x1b[2J\n"
            "~ logo.png                          mode 0644 → 0600\n"
            "~ note.txt                          6 B → 12 B\n"
            "+ receipts/2026-01-06.pdf           3 B\n");
  EXPECT_EQ(err(), "2 new, 1 gone, 2 changed\n");
  EXPECT_EQ(Run({"diff", "uploads@1", "uploads@1"}), 0);
  EXPECT_EQ(out(), "");
  EXPECT_EQ(Run({"diff", "uploads@2", "uploads@1", "--json"}), 0);
  std::istringstream lines(out());
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    EXPECT_TRUE(ParsedJson(line).contains("change")) << line;
  }
  EXPECT_EQ(count, 5);
}

TEST_F(ReadingTest, DatabasesAreListedWholeAndNotComparedWithFiles) {
  auto table = File("data/public.orders.copy", "1\t2\n");
  table.entry.rows = 1;
  AddSnapshot("db", "postgres", {File("globals.sql", "x"), table});
  ASSERT_EQ(Run({"ls", "db"}), 0);
  EXPECT_NE(out().find("data/public.orders.copy           4 B   1 row\n"), std::string::npos)
      << out();
  EXPECT_EQ(Run({"diff", "db", "uploads"}), 2);
}

TEST_F(ReadingTest, ATableInPartsIsWrittenWhole) {
  std::vector<NewEntry> files;
  for (int part = 0; part < 3; ++part) {
    files.push_back(File(part == 0 ? "data/s.t.copy" : fmt::format("data/s.t.copy.{:06}", part),
                         fmt::format("row {}\n", part)));
    files.back().entry.attributes[part == 0 ? "parts" : "part"] =
        part == 0 ? "3" : fmt::format("{}", part);
  }
  AddSnapshot("db", "postgres", files);
  ASSERT_EQ(Run({"cat", "db", "data/s.t.copy"}), 0) << err();
  EXPECT_EQ(out(), "row 0\nrow 1\nrow 2\n");
  EXPECT_EQ(Run({"cat", "db", "data/s.t.copy.000001"}), 0);
  EXPECT_EQ(out(), "row 1\n");
  files.pop_back();
  AddSnapshot("db", "postgres", files);
  EXPECT_EQ(Run({"cat", "db", "data/s.t.copy"}), 5);
  EXPECT_EQ(out(), "") << "part of a table is no table";
}

TEST_F(ReadingTest, DamageEndsTheReadWithFive) {
  for (auto& [id, object] : client_->fetcher->objects) object.back() ^= 1;
  EXPECT_EQ(Run({"cat", "uploads", "note.txt"}), 5);
  EXPECT_EQ(out(), "");
  EXPECT_EQ(Run({"ls", "uploads"}), 5);
}

TEST_F(ReadingTest, ASwappedRecordIsNotTrusted) {
  auto& documents = client_->documents;
  const SourceId id = client_->status.sources[0].source.id;
  std::swap(documents[{id, 1}], documents[{id, 2}]);
  EXPECT_EQ(Run({"ls", "uploads@2"}), 5);
  client_->snapshots[1].snapshot_id = client_->snapshots[0].snapshot_id;  // a consistent lie
  EXPECT_EQ(Run({"ls", "uploads@2"}), 5);
}

TEST_F(ReadingTest, AKeyThatIsNoRecipientIsRefused) {
  const SecretBytes other(Bytes(32, '\x44'));
  ASSERT_TRUE(RealFileSystem().WriteAtomically(JoinPath(home_, "operator.key"), other.view()).ok());
  EXPECT_EQ(Run({"ls", "uploads"}), 12);
  EXPECT_NE(err().find("does not open this domain"), std::string::npos) << err();
  variables_["HOLDFAST_HOME"] = directory_ / "nobody";
  EXPECT_EQ(Run({"ls", "uploads"}), 6);
  EXPECT_NE(err().find("holdfast init"), std::string::npos);
}

TEST_F(ReadingTest, AnIdentityOfAnotherOwnerIsNotTrusted) {
  const KeyPair other = Ed25519Generate(rng_);
  const KeyPair grant_key = Ed25519Generate(rng_);
  AgentIdentity identity;
  identity.agent_name = "db-1";
  for (auto& [key, documents] : client_->documents) {
    documents.identity = SignAgentIdentity(
        identity, MakeEnrolmentGrant(other, grant_key.public_key, "db-1", 1), grant_key);
  }
  EXPECT_EQ(Run({"ls", "uploads"}), 5);
}

}  // namespace
}  // namespace holdfast::cli
