// Goal: every bad input and fault of the files rows gets the required answer.
// Rows 80 to 82, 84 and 85 disturb a backup, rows 10 and 57 to 60 and 65 a restore.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <functional>

#include "common/base/error.h"
#include "common/env/unique_fd.h"
#include "tests/support/files_support.h"
#include "tests/support/forged_view.h"
#include "tests/support/nasty_tree.h"
#include "tests/support/temp_dir.h"

namespace holdfast::test {
namespace {

using Moment = MeddlingBuilder::Moment;

class FilesFaultTest : public testing::Test {
 protected:
  FilesFaultTest() { EXPECT_EQ(::mkdir(source_.c_str(), 0755), 0); }
  ~FilesFaultTest() override { RemoveTree(directory_.path()); }

  source::FilesOptions SourceOptions() const {
    source::FilesOptions options;
    options.root = source_;
    return options;
  }
  restore::FilesRestoreOptions SinkOptions() const {
    restore::FilesRestoreOptions options;
    options.target = target_;
    return options;
  }

  TempDir directory_;
  const std::string source_ = directory_ / "source";
  const std::string target_ = directory_ / "target";
};

TEST_F(FilesFaultTest, Row10TargetThatMustNotBeWrittenIsRefused) {
  WriteFileAt(source_ + "/a", "1");
  MemorySnapshot snapshot;
  ASSERT_TRUE(BackUp(source_, &snapshot).ok());

  auto options = SinkOptions();
  options.target = source_;  // the source itself, not empty
  EXPECT_EQ(ExitCodeOf(Restore(snapshot, options).status()), 4);
  EXPECT_EQ(CodeOf(Restore(snapshot, options).status()), 3007);

  options.overwrite = restore::FilesRestoreOptions::Overwrite::kAll;
  ASSERT_EQ(::symlink("/", (directory_ / "disguised").c_str()), 0);
  for (const std::string& root :
       {std::string("/"), std::string("/tmp/.."), std::string("//"), directory_ / "disguised"}) {
    options.target = root;
    EXPECT_EQ(CodeOf(Restore(snapshot, options).status()), 3301) << root;
  }
  options.forbidden_roots = {directory_ / "store"};
  ASSERT_EQ(::mkdir((directory_ / "store").c_str(), 0755), 0);
  ASSERT_EQ(::symlink("store", (directory_ / "alias").c_str()), 0);
  for (const std::string& target :
       {directory_ / "store", directory_ / "store/below/missing", directory_ / "alias",
        directory_ / "source/../store/x", directory_.path()}) {
    options.target = target;
    const absl::Status status = Restore(snapshot, options).status();
    EXPECT_EQ(ExitCodeOf(status), 4) << target;
    EXPECT_EQ(CodeOf(status), 3301) << target;
  }
  EXPECT_NE(::access((directory_ / "store/below").c_str(), F_OK), 0);
  options.target = directory_ / "storeroom";  // only looks like it
  EXPECT_TRUE(Restore(snapshot, options).ok());
}

TEST_F(FilesFaultTest, Row57BadPathsAreRefusedAndLeftOutOnDemand) {
  for (const std::string& bad :
       {std::string("../evil"), std::string("/evil"), std::string("a/../../evil"),
        std::string("a//b"), std::string("nul\0x", 5), std::string(300, 'x'), std::string("./a"),
        std::string(70000, 'y')}) {
    RemoveTree(target_);
    ForgedView view;
    view.AddFile(bad, "evil");
    view.AddFile("good", "good");
    auto options = SinkOptions();
    const absl::Status status = Restore(view, options).status();
    EXPECT_EQ(ExitCodeOf(status), 5) << Escaped(bad);
    EXPECT_NE(::access((target_ + "/good").c_str(), F_OK), 0) << "nothing is written before";

    options.skip_bad = true;
    const auto report = Restore(view, options);
    ASSERT_TRUE(report.ok()) << Render(report.status());
    EXPECT_EQ(ExitCodeOf(StatusOf(*report)), 3);
    ASSERT_EQ(report->skipped.size(), 1u);
    EXPECT_EQ(report->skipped[0].path, bad);
    EXPECT_EQ(ReadFileAt(target_ + "/good"), "good");
    EXPECT_NE(::access((directory_ / "evil").c_str(), F_OK), 0);
  }
}

TEST_F(FilesFaultTest, Row58NothingIsWrittenThroughALink) {
  ASSERT_EQ(::mkdir((directory_ / "outside").c_str(), 0755), 0);
  ForgedView view;
  view.AddLink("x", EntryType::kSymlink, directory_ / "outside");
  view.AddFile("x/through", "evil");
  EXPECT_EQ(ExitCodeOf(Restore(view, SinkOptions()).status()), 5);

  // A link that is in the target already, or planted meanwhile.
  RemoveTree(target_);
  ASSERT_EQ(::mkdir(target_.c_str(), 0755), 0);
  ASSERT_EQ(::symlink((directory_ / "outside").c_str(), (target_ + "/d").c_str()), 0);
  ForgedView honest;
  honest.AddFile("d/file", "content");
  honest.AddFile("other", "content");
  auto options = SinkOptions();
  options.overwrite = restore::FilesRestoreOptions::Overwrite::kAll;
  const auto report = Restore(honest, options);
  ASSERT_TRUE(report.ok()) << Render(report.status());
  ASSERT_EQ(report->skipped.size(), 1u);
  EXPECT_EQ(report->skipped[0].path, "d/file");
  EXPECT_EQ(ReadFileAt(target_ + "/other"), "content");
  EXPECT_EQ(TreeDifferences(directory_ / "outside", directory_ / "outside"), "");
  EXPECT_NE(::access((directory_ / "outside/file").c_str(), F_OK), 0);
  EXPECT_NE(::access((directory_ / "outside/through").c_str(), F_OK), 0);
}

// The directory becomes a link out of the target while a file below it is being written.
TEST_F(FilesFaultTest, Row58ALinkPlantedMeanwhileLeadsNowhere) {
  ASSERT_EQ(::mkdir((directory_ / "outside").c_str(), 0755), 0);
  ForgedView view;
  Entry parent;
  parent.path = "d";
  parent.type = EntryType::kDirectory;
  view.Add(parent);
  for (int i = 0; i < 200; ++i) view.AddFile("d/" + std::to_string(1000 + i), "content");
  std::atomic<int> reads = 0;
  view.OnRead([&] {
    if (++reads != 5) return;
    ASSERT_EQ(::rename((target_ + "/d").c_str(), (directory_ / "moved").c_str()), 0);
    ASSERT_EQ(::symlink((directory_ / "outside").c_str(), (target_ + "/d").c_str()), 0);
  });
  const auto report = Restore(view, SinkOptions());
  EXPECT_GE(reads, 5);
  EXPECT_FALSE(report.ok() && StatusOf(*report).ok()) << "it is no whole restore";
  EXPECT_EQ(::rmdir((directory_ / "outside").c_str()), 0) << "something was written outside";
}

TEST_F(FilesFaultTest, Row58HardlinksLeadOnlyToFilesOfTheSnapshot) {
  WriteFileAt(directory_ / "outside", "secret");
  for (const std::string& target : {std::string("../outside"), directory_ / "outside",
                                    std::string("missing"), std::string("sym"), std::string()}) {
    RemoveTree(target_);
    ForgedView view;
    view.AddLink("hard", EntryType::kHardlink, target);
    view.AddLink("sym", EntryType::kSymlink, directory_ / "outside");
    auto options = SinkOptions();
    EXPECT_EQ(ExitCodeOf(Restore(view, options).status()), 5) << target;
    options.skip_bad = true;
    const auto report = Restore(view, options);
    ASSERT_TRUE(report.ok()) << Render(report.status());
    EXPECT_EQ(report->skipped.size(), 1u);
    EXPECT_NE(::access((target_ + "/hard").c_str(), F_OK), 0);
  }
}

TEST_F(FilesFaultTest, Row59PrivilegesNeedFlags) {
  ForgedView view;
  Entry device;
  device.path = "device";
  device.type = EntryType::kCharacterDevice;
  device.device = 0x103;  // null
  view.Add(device);
  view.AddFile("setuid", "x");
  view.entries().back().mode = 06755;
  view.entries().back().xattrs["security.capability"] = std::string(
      "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20);
  auto options = SinkOptions();
  const auto report = Restore(view, options);
  ASSERT_TRUE(report.ok()) << Render(report.status());
  EXPECT_EQ(ExitCodeOf(StatusOf(*report)), 3);
  ASSERT_EQ(report->skipped.size(), 1u);
  EXPECT_EQ(report->skipped[0].path, "device");
  EXPECT_EQ(report->warnings.size(), 2u) << "setuid and capability";
  struct stat info {};
  ASSERT_EQ(::stat((target_ + "/setuid").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0755u);

  const bool is_root = ::geteuid() == 0;
  RemoveTree(target_);
  options.preserve_privileged = options.allow_devices = true;
  const auto privileged = Restore(view, options);
  ASSERT_TRUE(privileged.ok()) << Render(privileged.status());
  EXPECT_EQ(StatusOf(*privileged).ok(), is_root) << Render(StatusOf(*privileged));
  ASSERT_EQ(::stat((target_ + "/setuid").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, is_root ? 06755u : 0755u);
  EXPECT_EQ(::stat((target_ + "/device").c_str(), &info) == 0 && S_ISCHR(info.st_mode), is_root);
}

TEST_F(FilesFaultTest, Row60SecondEntryOfANameGetsASuffix) {
  ForgedView view;
  view.AddFile("same", "first");
  view.AddFile("same", "the second");
  const auto report = Restore(view, SinkOptions());
  ASSERT_TRUE(report.ok()) << Render(report.status());
  EXPECT_TRUE(report->mismatches.empty()) << report->mismatches[0].reason;
  EXPECT_EQ(ExitCodeOf(StatusOf(*report)), 3);
  EXPECT_EQ(report->warnings.size(), 1u);
  EXPECT_EQ(ReadFileAt(target_ + "/same"), "first");
  EXPECT_EQ(ReadFileAt(target_ + "/same.holdfast-2"), "the second");
}

TEST_F(FilesFaultTest, Row65ContentLongerThanTheManifestSaysEndsAtOnce) {
  ForgedView view;
  view.AddFile("file", "five!");
  view.MakeEndless();
  EXPECT_EQ(ExitCodeOf(Restore(view, SinkOptions()).status()), 5);
  ASSERT_EQ(::mkdir((directory_ / "empty").c_str(), 0700), 0);
  SetTime(directory_ / "empty", 1, 1);
  SetTime(target_, 1, 1);
  EXPECT_EQ(TreeDifferences(directory_ / "empty", target_), "") << "something was left behind";
}

TEST_F(FilesFaultTest, Row80FileThatChangesOnceIsReadAgain) {
  WriteFileAt(source_ + "/file", std::string(2 << 20, 'a'));
  int changes = 0;
  MemorySnapshot snapshot;
  ASSERT_TRUE(BackUp(SourceOptions(), &snapshot, [&](Moment moment, const auto&) {
                if (moment == Moment::kRead && changes++ == 0) {
                  WriteFileAt(source_ + "/file", std::string(2 << 20, 'b'));
                }
              }).ok());
  EXPECT_GT(changes, 1);
  EXPECT_EQ(snapshot.ContentOf("file"), std::string(2 << 20, 'b')) << "never a mix of both";
  EXPECT_TRUE(snapshot.skipped().empty());
}

TEST_F(FilesFaultTest, Row80FileThatAlwaysChangesIsKeptAsInconsistent) {
  WriteFileAt(source_ + "/log", "line\n");
  WriteFileAt(source_ + "/quiet", "quiet");
  int begun = 0;
  const auto grow = [&](Moment moment, const std::string&) {
    if (moment == Moment::kBegun) ++begun;
    if (moment != Moment::kRead) return;
    const UniqueFd fd(::open((source_ + "/log").c_str(), O_WRONLY | O_APPEND));
    ASSERT_EQ(::write(fd.get(), "more\n", 5), 5);
  };
  MemorySnapshot snapshot;
  ASSERT_TRUE(BackUp(SourceOptions(), &snapshot, grow).ok());
  EXPECT_EQ(begun, 4 + 1) << "one attempt and three retries, and one for the quiet file";
  ASSERT_EQ(snapshot.skipped().size(), 1u);
  EXPECT_EQ(snapshot.skipped()[0].path, "log");
  EXPECT_TRUE(snapshot.info().partial);
  EXPECT_TRUE(snapshot.entries().at("log").inconsistent);
  EXPECT_EQ(snapshot.ContentOf("log").substr(0, 10), "line\nmore\n");

  const auto report = Restore(snapshot, SinkOptions());
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(StatusOf(*report).ok()) << Render(StatusOf(*report));

  MemorySnapshot next(&snapshot);
  ASSERT_TRUE(BackUp(source_, &next).ok());
  EXPECT_EQ(next.reused_count(), 1u) << "the inconsistent one is read again";
  EXPECT_EQ(next.ContentOf("log"), ReadFileAt(source_ + "/log"));
}

TEST_F(FilesFaultTest, Row81VanishedFileIsListed) {
  WriteFileAt(source_ + "/a", "a");
  WriteFileAt(source_ + "/b", "b");
  MemorySnapshot snapshot;
  ASSERT_TRUE(BackUp(SourceOptions(), &snapshot, [&](Moment moment, const std::string& path) {
                if (moment == Moment::kLookedUp && path == "a") {
                  ASSERT_EQ(::unlink((source_ + "/a").c_str()), 0);
                }
              }).ok());
  ASSERT_EQ(snapshot.skipped().size(), 1u);
  EXPECT_EQ(snapshot.skipped()[0].path, "a");
  EXPECT_EQ(snapshot.ContentOf("b"), "b");
  EXPECT_EQ(snapshot.entries().count("a"), 0u);
}

TEST_F(FilesFaultTest, Row81UnreadableFilesAreListedUpToALimit) {
  for (const char* name : {"a", "b", "c"}) {
    WriteFileAt(source_ + "/" + name, name);
    ASSERT_EQ(::chmod((source_ + "/" + name).c_str(), 0), 0);
  }
  ASSERT_EQ(::mkdir((source_ + "/closed").c_str(), 0), 0);
  WriteFileAt(source_ + "/open", "open");
  ASSERT_EQ(::chmod(directory_.path().c_str(), 0755), 0);
  ::setfsuid(65534);  // this thread only: root may read everything
  MemorySnapshot snapshot;
  const absl::Status status = BackUp(source_, &snapshot);
  MemorySnapshot limited;
  auto options = SourceOptions();
  options.max_skipped = 3;
  const absl::Status too_many = BackUp(options, &limited);
  ::setfsuid(::geteuid());

  ASSERT_TRUE(status.ok()) << Render(status);
  EXPECT_EQ(snapshot.skipped().size(), 4u);
  EXPECT_EQ(snapshot.ContentOf("open"), "open");
  EXPECT_EQ(snapshot.entries().count("closed"), 1u) << "the directory itself is known";
  EXPECT_EQ(ExitCodeOf(too_many), 10);
  EXPECT_EQ(CodeOf(too_many), 2303);
}

TEST_F(FilesFaultTest, Row81MissingOrForeignRootIsNoEmptySnapshot) {
  WriteFileAt(source_ + "/a", "a");
  MemorySnapshot snapshot;
  ASSERT_TRUE(BackUp(source_, &snapshot).ok());

  auto options = SourceOptions();
  options.expected_device = snapshot.entries().at("").device_id;
  MemorySnapshot same(&snapshot);
  EXPECT_TRUE(BackUp(options, &same).ok());
  options.expected_device = *options.expected_device + 1;
  MemorySnapshot other(&snapshot);
  const absl::Status moved = BackUp(options, &other);
  EXPECT_EQ(ExitCodeOf(moved), 10);
  EXPECT_EQ(CodeOf(moved), 2302);
  EXPECT_NE(HintOf(moved).find("unmounted"), std::string::npos);

  // Empty, and not the directory of last time: what an unmounted volume leaves.
  ASSERT_EQ(::rename(source_.c_str(), (directory_ / "moved").c_str()), 0);
  ASSERT_EQ(::mkdir(source_.c_str(), 0755), 0);
  MemorySnapshot empty(&snapshot);
  EXPECT_EQ(CodeOf(BackUp(source_, &empty)), 2302);

  ASSERT_EQ(::rmdir(source_.c_str()), 0);
  MemorySnapshot none(&snapshot);
  const absl::Status missing = BackUp(source_, &none);
  EXPECT_EQ(ExitCodeOf(missing), 10);
  EXPECT_EQ(CodeOf(missing), 2301);
}

TEST_F(FilesFaultTest, Row82SpecialFilesNeverBlock) {
  ASSERT_EQ(::mkfifo((source_ + "/fifo").c_str(), 0600), 0);
  WriteFileAt(source_ + "/becomes-fifo", "x");
  MemorySnapshot snapshot;
  ASSERT_TRUE(BackUp(SourceOptions(), &snapshot, [&](Moment moment, const std::string& path) {
                if (moment == Moment::kLookedUp && path == "becomes-fifo") {
                  ASSERT_EQ(::unlink((source_ + "/becomes-fifo").c_str()), 0);
                  ASSERT_EQ(::mkfifo((source_ + "/becomes-fifo").c_str(), 0600), 0);
                }
              }).ok());
  EXPECT_EQ(snapshot.entries().at("fifo").type, EntryType::kFifo);
  ASSERT_EQ(snapshot.skipped().size(), 1u);
  EXPECT_EQ(snapshot.skipped()[0].path, "becomes-fifo");
}

TEST_F(FilesFaultTest, Row82EndlessFilesOfTheKernelEnd) {
  // procfs says size 0 of everything; some of its files never end.
  auto options = SourceOptions();
  options.root = "/proc/self/net";
  MemorySnapshot snapshot;
  const absl::Status status = BackUp(options, &snapshot);
  ASSERT_TRUE(status.ok()) << Render(status);
  EXPECT_EQ(snapshot.read_bytes(), 0u);
  EXPECT_GT(snapshot.entries().size(), 3u);
}

TEST_F(FilesFaultTest, Row83HugeSparseFileIsCheapAndComesBack) {
  const std::string path = source_ + "/huge";
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT, 0644));
  constexpr off_t kSize = off_t{8} << 40;
  ASSERT_EQ(::ftruncate(fd.get(), kSize), 0);
  ASSERT_EQ(::pwrite(fd.get(), "middle", 6, kSize / 2), 6);
  ASSERT_EQ(::pwrite(fd.get(), "end", 3, kSize - 3), 3);
  MemorySnapshot snapshot;
  ASSERT_TRUE(BackUp(source_, &snapshot).ok());
  EXPECT_LE(snapshot.ContentOf("huge").size(), 2 * 65536u);
  const auto report = Restore(snapshot, SinkOptions());
  ASSERT_TRUE(report.ok()) << Render(report.status());
  EXPECT_TRUE(StatusOf(*report).ok()) << Render(StatusOf(*report));
  EXPECT_EQ(TreeDifferences(source_, target_), "");
}

TEST_F(FilesFaultTest, Row84TruncatedWhileReadIsNoCrash) {
  WriteFileAt(source_ + "/file", std::string(4 << 20, 'a'));
  int reads = 0;
  MemorySnapshot snapshot;
  ASSERT_TRUE(BackUp(SourceOptions(), &snapshot, [&](Moment moment, const auto&) {
                if (moment == Moment::kRead && reads++ == 0) {
                  ASSERT_EQ(::truncate((source_ + "/file").c_str(), 100), 0);
                }
              }).ok());
  EXPECT_EQ(snapshot.ContentOf("file"), std::string(100, 'a'));
  EXPECT_EQ(snapshot.entries().at("file").size_bytes, 100u);
  EXPECT_TRUE(snapshot.skipped().empty());
}

TEST_F(FilesFaultTest, Row85LinksAreStoredNotFollowed) {
  ASSERT_EQ(::mkdir((source_ + "/d").c_str(), 0755), 0);
  ASSERT_EQ(::symlink("..", (source_ + "/d/up").c_str()), 0);
  ASSERT_EQ(::symlink("self", (source_ + "/self").c_str()), 0);
  ASSERT_EQ(::symlink(directory_.path().c_str(), (source_ + "/out").c_str()), 0);
  MemorySnapshot snapshot;
  ASSERT_TRUE(BackUp(source_, &snapshot).ok());
  EXPECT_EQ(snapshot.entries().size(), 5u);
  EXPECT_EQ(snapshot.entries().at("d/up").link_target, "..");
  EXPECT_EQ(snapshot.entries().at("self").link_target, "self");
}

TEST_F(FilesFaultTest, Row85OtherFileSystemsAreNamedAndNotEntered) {
  // /dev holds mounts of its own (pts, shm) wherever these tests run.
  auto options = SourceOptions();
  options.root = "/dev";
  options.include = {"pts"};
  MemorySnapshot snapshot;
  source::FilesSource files(options, RealClock());
  const auto result = files.Read(snapshot, {});
  ASSERT_TRUE(result.ok()) << Render(result.status());
  ASSERT_EQ(result->notes.size(), 1u);
  EXPECT_NE(result->notes[0].find("'pts' is a mount point"), std::string::npos);
  EXPECT_EQ(snapshot.entries().size(), 2u) << "the root and the empty directory";
}

}  // namespace
}  // namespace holdfast::test
