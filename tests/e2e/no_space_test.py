"""Full disks under real daemons: small tmpfs mounts.

Proves: what does not fit ends with exit 11 and says where; nothing that was committed is lost, restores go on, nobody
has to start anything again when there is space. Without the right to mount the tests are skipped and say so.
"""

import json
import os
import shutil
import unittest

from answers import operator, tree_paths, write_random
from rig import BIN, Daemon, Rig, compare_trees, wait_for
from small_disk import SmallDisk, can_mount

MIB = 1 << 20


@unittest.skipUnless(can_mount(), "needs root with the right to mount a tmpfs")
class NoSpace(unittest.TestCase):
    def setUp(self):
        self.rig = Rig("no-space")
        self.disks = []
        self.addCleanup(self.end)
        self.files = self.rig.path("files")
        write_random(f"{self.files}/first", 2 * MIB, 1)

    def end(self):
        # Before the rig removes its directory; and not while a daemon needs the mount to end well.
        for daemon in [*self.rig.agents.values(), self.rig.controller]:
            if daemon is not None and daemon.alive():
                daemon.stop()
        for disk in self.disks:
            disk.unmount()
        self.rig.__exit__(None, None, None)

    def mount(self, path, mebibytes):
        self.disks.append(SmallDisk(path, mebibytes))
        return self.disks[-1]

    def setup(self):
        self.rig.setup([{"name": "uploads", "kind": "files", "root": self.files}])

    def restores(self, seq, expected):
        target = self.rig.path("restore", f"at-{seq}-{len(os.listdir(self.rig.restore_root))}")
        self.rig.cli("restore", f"uploads@{seq}", "--target", target)
        compare_trees(expected, target)

    def copy(self):
        copy = self.rig.path(f"copy-{len(os.listdir(self.rig.directory))}")
        shutil.copytree(self.files, copy, copy_function=shutil.copy2)
        shutil.copystat(self.files, copy)
        return copy

    def test_the_store_is_full_of_packs(self):
        disk = self.mount(self.rig.data, 80)
        self.setup()
        self.rig.cli("backup")
        first = self.copy()
        write_random(f"{self.files}/large", 60 * MIB, 2)
        operator(self.rig, "backup", timeout=300).must_be(11, "unable to", "free")
        self.assertEqual([1], [row["seq"] for row in self.rig.snapshots("uploads")])
        self.restores(1, first)
        self.assertGreater(disk.free(), 16 * MIB, "the reserve is gone")
        disk.resize(200)
        self.rig.cli("backup")
        self.restores(1, first)
        self.restores(2, self.files)

    def test_no_inode_is_left(self):
        """There is room, but not for one more file (fault row 36)."""
        disk = self.mount(self.rig.data, 200)
        self.setup()
        self.rig.cli("backup")
        first = self.copy()
        disk.limit_inodes(os.statvfs(disk.path).f_files - os.statvfs(disk.path).f_ffree)
        self.assertGreater(disk.free(), 100 * MIB)
        write_random(f"{self.files}/second", 8 * MIB, 3)
        operator(self.rig, "backup", timeout=300).must_be(11, "No space left")
        self.assertTrue(self.rig.controller.alive())
        self.assertEqual([1], [row["seq"] for row in self.rig.snapshots("uploads")])
        self.restores(1, first)
        disk.limit_inodes(100_000)
        self.rig.cli("backup")
        self.restores(1, first)
        self.restores(2, self.files)

    def test_not_a_byte_is_left_for_catalog_and_log(self):
        disk = self.mount(self.rig.data, 80)
        self.setup()
        self.rig.cli("backup")
        first = self.copy()
        disk.fill()
        write_random(f"{self.files}/second", MIB, 3)
        operator(self.rig, "backup", timeout=300).must_be(11, "unable to")
        self.restores(1, first)
        self.assertTrue(self.rig.controller.alive())
        disk.clear()
        self.rig.cli("backup")
        self.restores(1, first)
        self.restores(2, self.files)
        status = json.loads(self.rig.cli("status", "--json").stdout)
        self.assertEqual("", status["sources"][0]["last_error"])

    def test_forgetting_makes_room_on_a_full_store(self):
        self.rig.controller_settings = "retention: {trash: 1s, delay: 1s}\n"
        disk = self.mount(self.rig.data, 96)
        self.setup()
        write_random(f"{self.files}/large", 40 * MIB, 4)
        self.rig.cli("backup")
        write_random(f"{self.files}/large", 40 * MIB, 5)
        operator(self.rig, "backup", timeout=300).must_be(11, "unable to")
        # What the failed run stored goes; then a backup without the large file fits, and the first can go.
        os.remove(f"{self.files}/large")

        def fits():
            self.rig.cli("gc")
            return disk.free() > 40 * MIB
        wait_for("what the failed run stored to be collected", fits, seconds=60)
        self.rig.cli("backup")
        self.rig.cli("forget", "uploads@1", "--yes")

        def room():
            self.rig.cli("gc")
            return disk.free() > 75 * MIB
        wait_for("room", room, seconds=60)
        write_random(f"{self.files}/large", 30 * MIB, 6)
        self.rig.cli("backup")
        self.restores(3, self.files)

    def test_a_controller_starts_and_ends_on_a_full_disk(self):
        disk = self.mount(self.rig.data, 80)
        self.setup()
        self.rig.cli("backup")
        first = self.copy()
        self.rig.controller.kill()
        os.unlink(self.rig.socket)
        disk.fill()
        daemon = self.rig.start_controller(wait=False)
        wait_for("a start or its end",
                 lambda: os.path.exists(self.rig.socket) or not daemon.alive(), 30)
        if not daemon.alive():
            # What a crash left may need space; then it says so and changes nothing.
            self.assertEqual(11, daemon.stop(), daemon.text())
            disk.clear()
            self.rig.start_controller()
        else:
            disk.clear()
        wait_for("the agent", lambda: self.rig.is_connected("agent"), 90)
        self.restores(1, first)
        self.rig.cli("backup")

    def test_the_log_is_full(self):
        disk = self.mount(self.rig.path("log"), 1)
        self.setup()
        self.rig.controller.stop()
        disk.fill()
        config = self.rig.path("controller.yaml")
        self.rig.controller = Daemon([f"{BIN}/holdfast-controller", "--config", config],
                                     os.path.join(disk.path, "controller.log"))
        wait_for("the agent", lambda: os.path.exists(self.rig.socket)
                 and self.rig.is_connected("agent"), 90)
        self.rig.cli("backup")
        self.restores(1, self.files)
        self.assertEqual(0, self.rig.controller.stop())

    def test_the_agent_cannot_keep_its_state(self):
        disk = self.mount(self.rig.path("agent"), 8)
        self.setup()
        self.rig.cli("backup")
        disk.fill()
        write_random(f"{self.files}/second", MIB, 7)
        # The snapshot is whole and counts; only the next run has to ask more.
        self.rig.cli("backup")
        self.restores(2, self.files)
        disk.clear()
        write_random(f"{self.files}/third", MIB, 8)
        self.rig.cli("backup")
        self.restores(3, self.files)
        self.assertIn("uploads", self.rig.cli("status").stdout)
        self.assertFalse([p for p in tree_paths(disk.path) if p.endswith(".tmp")])

    def test_the_target_of_a_restore_is_full(self):
        disk = self.mount(os.path.join(self.rig.restore_root, "small"), 4)
        write_random(f"{self.files}/large", 8 * MIB, 9)
        self.setup()
        self.rig.cli("backup")
        target = os.path.join(disk.path, "all")
        operator(self.rig, "restore", "uploads", "--target", target).must_be(11, "unable to")
        for path in tree_paths(target):
            self.assertFalse(os.path.basename(path).startswith(".holdfast-"), "a temporary file stays")
            if os.path.isfile(os.path.join(target, path)):
                with open(os.path.join(target, path), "rb") as a, \
                        open(os.path.join(self.files, path), "rb") as b:
                    self.assertEqual(a.read(), b.read(), f"{path} was restored in part")
        disk.resize(32)
        self.rig.cli("restore", "uploads", "--target", target, "--overwrite", "changed")
        compare_trees(self.files, target)


if __name__ == "__main__":
    unittest.main()
