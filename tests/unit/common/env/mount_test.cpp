// Goal: a data directory that forgets or that only seems to sync is known as such.
#include "common/env/mount.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(MountTest, KindsAreToldByTheirMagic) {
  EXPECT_EQ(MountKindOf(0x01021994), MountKind::kMemory);   // tmpfs
  EXPECT_EQ(MountKindOf(0x858458F6), MountKind::kMemory);   // ramfs
  EXPECT_EQ(MountKindOf(0x6969), MountKind::kNetwork);      // nfs
  EXPECT_EQ(MountKindOf(0xFF534D42), MountKind::kNetwork);  // cifs
  EXPECT_EQ(MountKindOf(static_cast<int>(0xFE534D42)), MountKind::kNetwork) << "f_type has a sign";
  EXPECT_EQ(MountKindOf(0xEF53), MountKind::kLocal);      // ext4
  EXPECT_EQ(MountKindOf(0x58465342), MountKind::kLocal);  // xfs
}

TEST(MountTest, OnlyWhatIsDoubtfulHasAWarning) {
  EXPECT_EQ(MountWarning(MountKind::kLocal, "/srv"), "");
  EXPECT_NE(MountWarning(MountKind::kMemory, "/run/x").find("'/run/x' lies in memory"),
            std::string::npos);
  EXPECT_NE(MountWarning(MountKind::kNetwork, "/mnt/x").find("network file system"),
            std::string::npos);
}

TEST(MountTest, APathThatIsNotThereIsAnError) {
  EXPECT_TRUE(FindMountKind("/").ok());
  EXPECT_FALSE(FindMountKind("/nowhere/at all").ok());
}

}  // namespace
}  // namespace holdfast
