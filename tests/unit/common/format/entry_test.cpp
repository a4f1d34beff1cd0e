// Goal: an entry survives encoding with every field, and no decoded entry can name a place outside
// the tree or bytes it does not have.
#include "common/format/entry.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "common/base/error.h"

namespace holdfast {
namespace {

Entry FullEntry() {
  Entry entry;
  entry.path = Bytes("dir/na\xffme \n");
  entry.mode = 04755;
  entry.user_id = 1000;
  entry.group_id = 4'294'967'295u;
  entry.user_name = "ann";
  entry.group_name = "staff";
  entry.mtime_ns = -1'500'000'001;
  entry.ctime_ns = 1'767'751'200'123'456'789;
  entry.device_id = 66'305;
  entry.inode = ~0ull;
  entry.device = 259;
  entry.xattrs = {{"system.posix_acl_access", Bytes("\2\0\0\0", 4)}, {"user.a", ""}};
  entry.size_bytes = 1'000'000;
  entry.content_bytes = 30;
  entry.extents = {{0, 10}, {500'000, 20}};
  entry.content_hash = Bytes(16, 'h');
  entry.inconsistent = true;
  entry.rows = 0;
  entry.row_checksum = Bytes(16, 'c');
  entry.attributes = {{"columns", "id,name"}};
  entry.slices = {{*ChunkId::From(Bytes(32, 'x')), 7, 10}, {*ChunkId::From(Bytes(32, 'y')), 0, 20}};
  return entry;
}

TEST(EntryTest, RoundTripKeepsEveryField) {
  const Entry entry = FullEntry();
  const Entry read = DecodeEntry(EncodeEntry(entry)).value();
  EXPECT_EQ(EncodeEntry(read), EncodeEntry(entry)) << "the bytes are the same every time";
  EXPECT_EQ(read.path, entry.path);
  EXPECT_EQ(read.type, entry.type);
  EXPECT_EQ(read.mode, entry.mode);
  EXPECT_EQ(read.user_id, entry.user_id);
  EXPECT_EQ(read.group_id, entry.group_id);
  EXPECT_EQ(read.user_name, entry.user_name);
  EXPECT_EQ(read.group_name, entry.group_name);
  EXPECT_EQ(read.mtime_ns, entry.mtime_ns);
  EXPECT_EQ(read.ctime_ns, entry.ctime_ns);
  EXPECT_EQ(read.device_id, entry.device_id);
  EXPECT_EQ(read.inode, entry.inode);
  EXPECT_EQ(read.device, entry.device);
  EXPECT_EQ(read.xattrs, entry.xattrs);
  EXPECT_EQ(read.size_bytes, entry.size_bytes);
  EXPECT_EQ(read.content_bytes, entry.content_bytes);
  EXPECT_EQ(read.extents, entry.extents);
  EXPECT_EQ(read.content_hash, entry.content_hash);
  EXPECT_TRUE(read.inconsistent);
  EXPECT_EQ(read.rows, 0u);
  EXPECT_EQ(read.row_checksum, entry.row_checksum);
  EXPECT_EQ(read.attributes, entry.attributes);
  EXPECT_EQ(read.slices, entry.slices);
}

TEST(EntryTest, EveryTypeRoundTrips) {
  for (int type = 1; type <= 8; ++type) {
    Entry entry;
    entry.path = "e";
    entry.type = static_cast<EntryType>(type);
    entry.link_target = "../anywhere is fine for a symlink";
    if (entry.type == EntryType::kHardlink) entry.link_target = "first";
    const Entry read = DecodeEntry(EncodeEntry(entry)).value();
    EXPECT_EQ(read.type, entry.type);
    EXPECT_EQ(read.link_target, entry.link_target);
    EXPECT_EQ(read.rows, std::nullopt);
    EXPECT_EQ(read.extents, std::nullopt);
  }
}

TEST(EntryTest, SparseFileWithoutDataKeepsItsSize) {
  Entry entry;
  entry.path = "hole";
  entry.size_bytes = 1ull << 40;
  entry.extents.emplace();
  const Entry read = DecodeEntry(EncodeEntry(entry)).value();
  ASSERT_TRUE(read.extents.has_value());
  EXPECT_TRUE(read.extents->empty());
  EXPECT_EQ(read.size_bytes, 1ull << 40);
}

TEST(EntryTest, ContradictionsAreRefused) {
  const auto decoded = [](const std::function<void(Entry&)>& change) {
    Entry entry = FullEntry();
    change(entry);
    return ExitCodeOf(DecodeEntry(EncodeEntry(entry)).status());
  };
  EXPECT_EQ(decoded([](Entry&) {}), 0);
  EXPECT_EQ(decoded([](Entry& e) { e.extents->at(1) = {5, 20}; }), 5) << "overlap";
  EXPECT_EQ(decoded([](Entry& e) { e.extents->at(1) = {999'990, 20}; }), 5) << "outside";
  EXPECT_EQ(decoded([](Entry& e) { e.extents->at(1) = {~0ull - 5, 20}; }), 5) << "overflow";
  EXPECT_EQ(decoded([](Entry& e) { e.extents->at(1) = {600'000, 21}; }), 5) << "not the slices";
  EXPECT_EQ(decoded([](Entry& e) { e.extents.reset(); }), 5) << "size and slices differ";
  EXPECT_EQ(decoded([](Entry& e) { e.type = static_cast<EntryType>(0); }), 5);
  EXPECT_EQ(decoded([](Entry& e) { e.type = static_cast<EntryType>(9); }), 5);
  EXPECT_EQ(decoded([](Entry& e) { e.path = "../up"; }), 5);
  EXPECT_EQ(decoded([](Entry& e) {
              e.type = EntryType::kHardlink;
              e.link_target = "/etc/shadow";
            }),
            5);
  EXPECT_EQ(ExitCodeOf(DecodeEntry("\xff\xff\xff").status()), 5);
}

TEST(EntryTest, PathsStayInsideTheTree) {
  for (const char* good : {"", "a", "a/b", ".a", "..a", "a..", "a/.../b", " ", "-rf"}) {
    EXPECT_TRUE(ValidatePath(good).ok()) << good;
  }
  for (const std::string& bad :
       {std::string("/"), std::string("/a"), std::string("a/"), std::string("a//b"),
        std::string("."), std::string(".."), std::string("a/../b"), std::string("a/."),
        std::string("a\0b", 3), std::string(256, 'x'), std::string(70'000, 'x')}) {
    EXPECT_EQ(CodeOf(ValidatePath(bad)), 4011) << bad.substr(0, 20);
  }
  EXPECT_TRUE(ValidatePath(std::string(255, 'x')).ok());
}

TEST(EntryTest, DirectoryComesRightBeforeWhatIsInIt) {
  std::vector<std::string> paths = {"a.b", "a/b",   "a",  "a\x01", "",
                                    "b",   "a/b/c", "a-", "\xff",  "a/\xff"};
  std::sort(paths.begin(), paths.end(), PathLess());
  EXPECT_EQ(paths, (std::vector<std::string>{"", "a", "a/b", "a/b/c", "a/\xff", "a\x01", "a-",
                                             "a.b", "b", "\xff"}));
  EXPECT_EQ(ComparePaths("same", "same"), 0);
}

}  // namespace
}  // namespace holdfast
