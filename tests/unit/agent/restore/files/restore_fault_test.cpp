// Goal: whatever the kernel refuses while a tree is restored is told with its path, ends the
// restore when it means that nothing more fits, and never leaves half a file under its name.
// Method: one call fails (failing_call.h), something is planted, or the user may not.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>

#include "common/base/error.h"
#include "tests/support/files_support.h"
#include "tests/support/forged_view.h"
#include "tests/support/nasty_tree.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/agent/restore/files/failing_call.h"

namespace holdfast::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Overwrite = restore::FilesRestoreOptions::Overwrite;

constexpr uid_t kNobody = 65534;

// Nobody's rights as long as it lives, where the tests run as root.
class AsNobody {
 public:
  AsNobody() {
    if (!was_root_) return;
    EXPECT_EQ(::setegid(kNobody), 0);
    EXPECT_EQ(::seteuid(kNobody), 0);
  }
  ~AsNobody() {
    if (!was_root_) return;
    EXPECT_EQ(::seteuid(0), 0);
    EXPECT_EQ(::setegid(0), 0);
  }

 private:
  const bool was_root_ = ::geteuid() == 0;
};

class RestoreFilesFaultTest : public testing::Test {
 protected:
  RestoreFilesFaultTest() { options_.target = target_; }
  ~RestoreFilesFaultTest() override { RemoveTree(directory_.path()); }

  std::vector<std::string> TargetNames() const {
    std::vector<std::string> names;
    for (const auto& item : std::filesystem::recursive_directory_iterator(target_)) {
      names.push_back(item.path().string().substr(target_.size() + 1));
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  void AddEntry(const std::string& path, EntryType type) {
    Entry entry;
    entry.path = path;
    entry.type = type;
    view_.Add(entry);
  }
  // One entry is told, in these words; the others are there and whole.
  void ExpectPartly(const std::string& path, const std::string& words) {
    const auto report = Restore(view_, options_);
    ASSERT_TRUE(report.ok()) << Render(report.status());
    EXPECT_EQ(ExitCodeOf(StatusOf(*report)), 3);
    EXPECT_THAT(report->mismatches, IsEmpty());
    ASSERT_EQ(report->skipped.size(), 1u);
    EXPECT_EQ(report->skipped[0].path, path);
    EXPECT_THAT(report->skipped[0].reason, HasSubstr(words));
  }
  void ExpectEnds(ErrorKind kind, int code, const std::string& words) {
    const absl::Status status = Restore(view_, options_).status();
    EXPECT_EQ(KindOf(status), kind) << status;
    EXPECT_EQ(CodeOf(status), code) << status;
    EXPECT_THAT(MessageOf(status), HasSubstr(words));
  }

  TempDir directory_;
  const std::string target_ = directory_ / "target";
  ForgedView view_;
  restore::FilesRestoreOptions options_;
};

TEST_F(RestoreFilesFaultTest, AnAttributeThatCannotBeSetIsToldAndTheFileStays) {
  Entry entry;
  entry.path = "file";
  entry.xattrs["user.kind"] = "old";
  view_.Add(entry, "content");
  FailingCall call(Call::kFsetxattr, EOPNOTSUPP);
  ExpectPartly("file", "unable to set its extended attribute user.kind: Operation not supported");
  EXPECT_EQ(ReadFileAt(target_ + "/file"), "content");
}

TEST_F(RestoreFilesFaultTest, NoSpaceForAnAttributeEndsTheRestore) {
  Entry entry;
  entry.path = "file";
  entry.xattrs["user.kind"] = "old";
  view_.Add(entry, "content");
  FailingCall call(Call::kFsetxattr, ENOSPC);
  ExpectEnds(ErrorKind::kNoSpace, 3304, "unable to set extended attribute user.kind of 'file'");
  EXPECT_THAT(TargetNames(), IsEmpty());
}

// The kernel has no such attributes for links.
TEST_F(RestoreFilesFaultTest, AnAttributeThatALinkCannotHaveIsTold) {
  view_.AddLink("link", EntryType::kSymlink, "somewhere");
  view_.entries().back().xattrs["user.kind"] = "old";
  view_.entries().back().xattrs["trusted.kind"] = "withheld";
  ExpectPartly("link", "unable to set its extended attribute user.kind");
  EXPECT_EQ(std::filesystem::read_symlink(target_ + "/link"), "somewhere");
}

TEST_F(RestoreFilesFaultTest, AnOwnerThatCannotBeSetIsTold) {
  if (::geteuid() != 0) return;  // others set no owners
  view_.AddFile("file", "content");
  AddEntry("pipe", EntryType::kFifo);
  {
    FailingCall call(Call::kFchown, EPERM);
    ExpectPartly("file", "unable to set its owner: Operation not permitted");
  }
  RemoveTree(target_);
  FailingCall call(Call::kFchownat, EPERM);
  ExpectPartly("pipe", "unable to set its owner: Operation not permitted");
}

TEST_F(RestoreFilesFaultTest, ModeAndTimeOfAPipeThatCannotBeSetAreTold) {
  AddEntry("pipe", EntryType::kFifo);
  {
    FailingCall call(Call::kChmod, EROFS);
    ExpectPartly("pipe", "unable to set its mode: Read-only file system");
  }
  RemoveTree(target_);
  FailingCall call(Call::kUtimensat, EROFS);
  ExpectPartly("pipe", "unable to set its time: Read-only file system");
  EXPECT_THAT(TargetNames(), ElementsAre("pipe"));
}

TEST_F(RestoreFilesFaultTest, ATemporaryNameThatIsTakenIsPassedOver) {
  AddEntry("pipe", EntryType::kFifo);
  const FailingCall call(Call::kMknodat, EEXIST, 3);
  const auto report = Restore(view_, options_);
  ASSERT_TRUE(report.ok()) << Render(report.status());
  EXPECT_TRUE(StatusOf(*report).ok()) << Render(StatusOf(*report));
  EXPECT_EQ(call.left(), 0);
  EXPECT_THAT(TargetNames(), ElementsAre("pipe"));
}

TEST_F(RestoreFilesFaultTest, ASpecialFileThatCannotBeMadeIsLeftOutOrEndsTheRestore) {
  AddEntry("pipe", EntryType::kFifo);
  view_.AddFile("file", "content");
  {
    FailingCall call(Call::kMknodat, EPERM);
    ExpectPartly("pipe", "unable to create 'pipe': Operation not permitted");
    EXPECT_THAT(TargetNames(), ElementsAre("file"));
  }
  RemoveTree(target_);
  FailingCall call(Call::kMknodat, EDQUOT);
  ExpectEnds(ErrorKind::kNoSpace, 3304, "unable to create 'pipe'");
}

TEST_F(RestoreFilesFaultTest, BytesThatDoNotFitAreToldByTheCloseToo) {
  view_.AddFile("file", "content");
  {
    FailingCall call(Call::kClose, ENOSPC);
    ExpectEnds(ErrorKind::kNoSpace, 3304, "unable to write 'file'");
    EXPECT_THAT(TargetNames(), IsEmpty());
  }
  FailingCall call(Call::kClose, EIO);
  ExpectPartly("file", "unable to write 'file': Input/output error");
  EXPECT_THAT(TargetNames(), IsEmpty());
}

TEST_F(RestoreFilesFaultTest, AHoleThatCannotBeMadeEndsTheRestoreWhenTheDiskIsFull) {
  Entry entry;
  entry.path = "sparse";
  entry.extents = {{0, 4}};
  entry.size_bytes = 1 << 20;
  view_.Add(entry, "data");
  {
    FailingCall call(Call::kFtruncate, ENOSPC);
    ExpectEnds(ErrorKind::kNoSpace, 3304, "unable to extend 'sparse'");
    EXPECT_THAT(TargetNames(), IsEmpty());
  }
  FailingCall call(Call::kFtruncate, EFBIG);
  ExpectPartly("sparse", "more than a file may have here");
}

TEST_F(RestoreFilesFaultTest, ContentBeyondTheLastExtentIsDamage) {
  Entry entry;
  entry.path = "sparse";
  entry.extents = {{0, 4}};
  entry.size_bytes = 100;
  view_.Add(entry, "data and more");
  ExpectEnds(ErrorKind::kIntegrity, 3303, "its content is longer than the manifest says");
  EXPECT_THAT(TargetNames(), IsEmpty());
}

TEST_F(RestoreFilesFaultTest, ADiskThatDoesNotTakeWhatWasWrittenIsNoRestore) {
  view_.AddFile("file", "content");
  {
    FailingCall call(Call::kSyncfs, EIO);
    ExpectEnds(ErrorKind::kFailed, 3305, "to disk: Input/output error");
  }
  options_.overwrite = Overwrite::kAll;
  FailingCall call(Call::kSyncfs, ENOSPC);
  ExpectEnds(ErrorKind::kNoSpace, 3304, "to disk");
}

TEST_F(RestoreFilesFaultTest, AControllerThatIsGoneEndsTheRestore) {
  view_.AddFile("file", "content");
  view_.FailReads(Error(ErrorKind::kUnreachable, 6001, "nobody answers"));
  ExpectEnds(ErrorKind::kUnreachable, 6001, "nobody answers");
  EXPECT_THAT(TargetNames(), IsEmpty());
}

TEST_F(RestoreFilesFaultTest, ANameThatWasTakenMeanwhileStaysAndOursGetsASuffix) {
  view_.AddFile("file", "ours");
  view_.OnRead([&] { WriteFileAt(target_ + "/file", "theirs"); });
  const auto report = Restore(view_, options_);
  ASSERT_TRUE(report.ok()) << Render(report.status());
  EXPECT_EQ(ReadFileAt(target_ + "/file"), "theirs");
  EXPECT_EQ(ReadFileAt(target_ + "/file.holdfast-2"), "ours");
  EXPECT_EQ(ExitCodeOf(StatusOf(*report)), 3) << "it is not where it was";
}

TEST_F(RestoreFilesFaultTest, DirectoriesOfOneNameAreMergedAndTold) {
  AddEntry("same", EntryType::kDirectory);
  AddEntry("same", EntryType::kDirectory);
  view_.AddFile("same/file", "content");
  ExpectPartly("same", "its name was taken by another directory: both were merged");
  EXPECT_EQ(ReadFileAt(target_ + "/same/file"), "content");
}

TEST_F(RestoreFilesFaultTest, AFileInThePlaceOfADirectoryStays) {
  std::filesystem::create_directories(target_);
  WriteFileAt(target_ + "/conf", "theirs");
  AddEntry("conf", EntryType::kDirectory);
  options_.overwrite = Overwrite::kAll;
  ExpectPartly("conf", "something that is no directory is in its place");
  EXPECT_EQ(ReadFileAt(target_ + "/conf"), "theirs");
}

TEST_F(RestoreFilesFaultTest, ADirectoryThatCannotBeMadeIsLeftOutOrEndsTheRestore) {
  AddEntry("conf", EntryType::kDirectory);
  {
    FailingCall call(Call::kMkdirat, EROFS);
    ExpectPartly("conf", "unable to create directory 'conf': Read-only file system");
  }
  FailingCall call(Call::kMkdirat, ENOSPC);
  ExpectEnds(ErrorKind::kNoSpace, 3304, "unable to create directory 'conf'");
  EXPECT_THAT(TargetNames(), IsEmpty());
}

TEST_F(RestoreFilesFaultTest, AParentThatTheManifestDoesNotListIsMade) {
  view_.AddFile("unlisted/deep/file", "content");
  const auto report = Restore(view_, options_);
  ASSERT_TRUE(report.ok()) << Render(report.status());
  EXPECT_TRUE(StatusOf(*report).ok()) << Render(StatusOf(*report));
  EXPECT_EQ(ReadFileAt(target_ + "/unlisted/deep/file"), "content");
}

TEST_F(RestoreFilesFaultTest, ARootThatIsAFileAndALinkToNothingAreRefused) {
  view_.AddFile("", "root");
  ExpectEnds(ErrorKind::kIntegrity, 3303, "the root is no directory");
  view_.entries().clear();
  view_.AddLink("link", EntryType::kSymlink, "");
  ExpectEnds(ErrorKind::kIntegrity, 3303, "its link target is empty or has a NUL");
  view_.entries().back().link_target = std::string("a\0b", 3);
  ExpectEnds(ErrorKind::kIntegrity, 3303, "its link target is empty or has a NUL");
  EXPECT_FALSE(std::filesystem::exists(target_));
}

TEST_F(RestoreFilesFaultTest, TimesBefore1970ComeBack) {
  view_.AddFile("old", "content");
  view_.entries().back().mtime_ns = -1'500'000'000;
  const auto report = Restore(view_, options_);
  ASSERT_TRUE(report.ok()) << Render(report.status());
  EXPECT_TRUE(StatusOf(*report).ok()) << Render(StatusOf(*report));
  struct stat info {};
  ASSERT_EQ(::stat((target_ + "/old").c_str(), &info), 0);
  EXPECT_EQ(info.st_mtim.tv_sec, -2);
  EXPECT_EQ(info.st_mtim.tv_nsec, 500'000'000);
}

TEST_F(RestoreFilesFaultTest, AnAttributeThatIsNotOfTheSnapshotGoes) {
  std::filesystem::create_directories(target_);
  WriteFileAt(target_ + "/file", "content");
  SetTime(target_ + "/file", 0, 0);
  ASSERT_EQ(::setxattr((target_ + "/file").c_str(), "user.later", "x", 1, 0), 0);
  view_.AddFile("file", "content");
  options_.overwrite = Overwrite::kChanged;
  const auto report = Restore(view_, options_);
  ASSERT_TRUE(report.ok()) << Render(report.status());
  EXPECT_TRUE(StatusOf(*report).ok()) << Render(StatusOf(*report));
  EXPECT_LT(::getxattr((target_ + "/file").c_str(), "user.later", nullptr, 0), 0);
}

TEST_F(RestoreFilesFaultTest, SocketsAndDevicesComeBackAsWhatTheyWere) {
  if (::geteuid() != 0) return;  // others make no devices
  AddEntry("block", EntryType::kBlockDevice);
  view_.entries().back().device = 0x700;  // a loop device
  AddEntry("character", EntryType::kCharacterDevice);
  view_.entries().back().device = 0x103;  // null
  AddEntry("socket", EntryType::kSocket);
  options_.allow_devices = true;
  const auto report = Restore(view_, options_);
  ASSERT_TRUE(report.ok()) << Render(report.status());
  EXPECT_TRUE(StatusOf(*report).ok()) << Render(StatusOf(*report));
  struct stat info {};
  ASSERT_EQ(::stat((target_ + "/block").c_str(), &info), 0);
  EXPECT_TRUE(S_ISBLK(info.st_mode));
  EXPECT_EQ(info.st_rdev, 0x700u);
  ASSERT_EQ(::stat((target_ + "/character").c_str(), &info), 0);
  EXPECT_TRUE(S_ISCHR(info.st_mode));
  ASSERT_EQ(::stat((target_ + "/socket").c_str(), &info), 0);
  EXPECT_TRUE(S_ISSOCK(info.st_mode));
}

TEST_F(RestoreFilesFaultTest, TargetsThatCannotBeDirectoriesAreRefused) {
  view_.AddFile("file", "content");
  WriteFileAt(directory_ / "file", "theirs");
  options_.target = directory_ / "file/below";
  ExpectEnds(ErrorKind::kRefused, 3301, "Not a directory");
  options_.target = directory_ / "file";
  ExpectEnds(ErrorKind::kRefused, 3301, "Not a directory");
  EXPECT_EQ(ReadFileAt(directory_ / "file"), "theirs");
}

// What a user without rights meets: all that it owns is made, and what it may not read is said.
class RestoreFilesAsNobodyTest : public RestoreFilesFaultTest {
 protected:
  RestoreFilesAsNobodyTest() {
    if (::geteuid() != 0) return;
    EXPECT_EQ(::chown(directory_.path().c_str(), kNobody, kNobody), 0);
  }
};

TEST_F(RestoreFilesAsNobodyTest, WhatItsModeHidesIsToldAndNoMismatch) {
  view_.AddFile("hidden", "content");
  view_.entries().back().mode = 0;
  AddEntry("kept", EntryType::kDirectory);
  view_.entries().back().mode = 0;
  const auto report = [&] {
    AsNobody nobody;
    return Restore(view_, options_);
  }();
  ASSERT_TRUE(report.ok()) << Render(report.status());
  EXPECT_EQ(ExitCodeOf(StatusOf(*report)), 3);
  EXPECT_THAT(report->mismatches, IsEmpty());
  ASSERT_EQ(report->skipped.size(), 2u);
  for (const Problem& problem : report->skipped) {
    EXPECT_EQ(problem.reason, "its mode does not let us read it back") << problem.path;
  }
  EXPECT_EQ(TargetNames().size(), 2u);
}

TEST_F(RestoreFilesAsNobodyTest, OwnersThatItMayNotGiveAreCounted) {
  view_.AddFile("file", "content");
  view_.entries().back().user_id = 1;
  const auto report = [&] {
    AsNobody nobody;
    return Restore(view_, options_);
  }();
  ASSERT_TRUE(report.ok()) << Render(report.status());
  ASSERT_EQ(report->warnings.size(), 1u);
  EXPECT_THAT(report->warnings[0], HasSubstr("belonged to another user"));
}

TEST_F(RestoreFilesAsNobodyTest, ATargetThatItMayNotEnterIsSaid) {
  view_.AddFile("file", "content");
  ASSERT_EQ(::mkdir((directory_ / "closed").c_str(), 0), 0);
  const AsNobody nobody;
  options_.target = directory_ / "closed/below";
  ExpectEnds(ErrorKind::kPermission, 3305, "unable to resolve");
  options_.target = directory_ / "closed";
  ExpectEnds(ErrorKind::kPermission, 3305, "unable to open target");
}

}  // namespace
}  // namespace holdfast::test
