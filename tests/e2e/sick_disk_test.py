"""System calls that fail under real daemons (sick_disk.c): EIO, EDQUOT, EMFILE, on whatever file; threads that are refused.

Proves: what fails is told with its cause and the right exit code, nothing that was committed is lost, what could not be
read is not taken for damaged, and everything goes on by itself when the disk is well again.
"""

import errno
import os
import shutil
import threading
import unittest

from answers import operator, tree_paths, write_random
from rig import Rig, compare_trees, wait_for

MIB = 1 << 20


class SickDisk(unittest.TestCase):
    def setUp(self):
        self.rig = Rig("sick", sick=("controller", "agent"))
        self.addCleanup(self.rig.__exit__, None, None, None)
        self.addCleanup(self.rig.disk.heal)
        self.files = self.rig.path("files")
        write_random(f"{self.files}/first", 2 * MIB, 1)
        self.rig.setup([{"name": "uploads", "kind": "files", "root": self.files}])
        self.rig.cli("backup")
        self.first = self.rig.path("first")
        shutil.copytree(self.files, self.first, copy_function=shutil.copy2)
        shutil.copystat(self.files, self.first)

    def fail(self, call, error, part=""):
        self.before = self.rig.disk.failed()
        self.rig.disk.fail(f"{call} {error} {part}")

    def heal(self):
        self.rig.disk.heal()
        self.assertGreater(self.rig.disk.failed(), self.before, "nothing failed")

    def restores(self, seq, expected):
        target = self.rig.path("restore", f"at-{seq}-{len(os.listdir(self.rig.restore_root))}")
        self.rig.cli("restore", f"uploads@{seq}", "--target", target)
        compare_trees(expected, target)

    def sound(self, seq):
        """All that was kept comes back, and nothing is marked."""
        self.rig.cli("scrub", "--all")
        self.assertNotIn("lost or damaged", self.rig.cli("status").stdout)
        self.restores(1, self.first)
        self.restores(seq, self.files)
        self.assertEqual(list(range(seq, 0, -1)), [row["seq"] for row in self.rig.snapshots("uploads")])

    # --- the controller's disk -------------------------------------------------------------------

    def test_a_quota_ends_what_is_written(self):
        """Fault row 36: under the catalog and its log, and under packs and records; of all files, or of each."""
        cases = [(errno.EDQUOT, part) for part in ("catalog.db", "/controller/staging", "/store/records", "/controller/")]
        cases += [(errno.EFBIG, part) for part in ("catalog.db", "/controller/staging")]
        for seq, (error, part) in enumerate(cases, 2):
            with self.subTest(part=part, error=error):
                write_random(f"{self.files}/more-{seq}", MIB, seq)
                self.fail("write", error, part)
                operator(self.rig, "backup", timeout=300).must_be(11, "unable to", os.strerror(error), "quota")
                self.restores(1, self.first)
                self.heal()
                self.rig.cli("backup")
        self.sound(1 + len(cases))

    def test_a_sync_that_fails_is_waited_out(self):
        """Nothing is confirmed until a probe has passed; then the same run goes on."""
        for seq, part in enumerate(("/store/records", "/controller/staging", "/store/"), 2):
            with self.subTest(part=part):
                write_random(f"{self.files}/more-{seq}", MIB, seq)
                self.fail("fsync", errno.EIO, part)
                self.backs_up_when_it_is_well()
        self.assertIn("Input/output error", self.rig.controller.text())
        # What was synced where packs are written need not be sent again, nor be moved now.
        write_random(f"{self.files}/more-5", MIB, 5)
        self.fail("fsync", errno.EIO, "/store/packs")
        self.rig.cli("backup")
        self.restores(5, self.files)
        self.heal()
        self.sound(5)

    def backs_up_when_it_is_well(self):
        """A run that waits until it may go on, and restores meanwhile."""
        done = []
        backup = threading.Thread(target=lambda: done.append(operator(self.rig, "backup", timeout=120)))
        backup.start()
        wait_for("a failure", lambda: self.rig.disk.failed() > self.before)
        self.restores(1, self.first)
        self.assertFalse(done, f"it ended while nothing could be written: {done and done[0]}")
        self.heal()
        backup.join()
        self.assertTrue(done, "it did not end")
        self.assertEqual(0, done[0].code, done[0])

    def test_a_sync_of_the_catalog_that_fails(self):
        write_random(f"{self.files}/more", MIB, 2)
        self.fail("fsync", errno.EIO, "catalog.db")
        answer = operator(self.rig, "backup", timeout=300)
        self.assertIn(answer.code, (1, 8), answer)
        self.assertIn("HF-", answer.stderr)
        self.heal()
        self.rig.cli("backup")
        self.sound(self.rig.snapshots("uploads")[0]["seq"])

    def test_packs_that_cannot_be_read_are_not_damaged(self):
        self.fail("read", errno.EIO, "/store/packs")
        operator(self.rig, "restore", "uploads", "--target", self.rig.path("restore", "bad")).must_be(
            1, "unable to read", "Input/output error")
        operator(self.rig, "scrub", "--all")
        self.heal()
        self.rig.cli("backup")
        self.sound(2)

    def test_no_descriptor_is_left_for_files(self):
        """Fault row 35."""
        write_random(f"{self.files}/more", MIB, 2)
        self.fail("open", errno.EMFILE, "/controller/staging")
        self.backs_up_when_it_is_well()
        self.assertIn("Too many open files", self.rig.controller.text())
        self.sound(2)

    def test_no_descriptor_is_left_for_connections(self):
        """Fault row 35: the controller takes connections again when it has descriptors."""
        self.rig.agents["agent"].stop()
        self.fail("accept", errno.EMFILE)
        self.rig.start_agent("agent", wait=False)
        wait_for("a refused connection", lambda: self.rig.disk.failed() > self.before)
        operator(self.rig, "status", timeout=120)
        self.heal()
        wait_for("the agent", lambda: self.rig.is_connected("agent"), 120)
        self.rig.cli("backup")
        self.sound(2)

    def test_no_thread_is_left(self):
        """Fault row 35: what is new is refused or waits, neither daemon dies, and both go on by themselves."""
        daemons = (self.rig.controller, self.rig.agents["agent"])
        for seq, program in enumerate(("holdfast-controller", "holdfast-agent"), 2):
            with self.subTest(program=program):
                write_random(f"{self.files}/more-{seq}", MIB, seq)
                self.fail("thread", errno.EAGAIN, program)
                done = []
                backup = threading.Thread(target=lambda: done.append(operator(self.rig, "backup", timeout=120)))
                backup.start()
                wait_for("a refused thread", lambda: self.rig.disk.failed() > self.before)
                for daemon in daemons:
                    self.assertTrue(daemon.alive())
                self.heal()
                backup.join()
                self.assertIn(done[0].code, (0, 8), done[0])
                self.assertTrue(all(daemon.alive() for daemon in daemons))
                wait_for("the agent", lambda: self.rig.is_connected("agent"), 120)
                self.rig.cli("backup")
        self.sound(self.rig.snapshots("uploads")[0]["seq"])

    # --- the agent's disk ------------------------------------------------------------------------

    def test_the_agent_cannot_keep_its_state(self):
        for seq, (call, error) in enumerate((("write", errno.EIO), ("fsync", errno.EIO), ("write", errno.EDQUOT),
                                             ("rename", errno.EIO)), 2):
            with self.subTest(call=call, error=error):
                write_random(f"{self.files}/more-{seq}", MIB, seq)
                self.fail(call, error, "/agent/")
                self.rig.cli("backup")  # the snapshot is whole and counts
                self.heal()
        write_random(f"{self.files}/last", MIB, 9)
        self.rig.cli("backup")
        self.sound(6)

    def test_the_target_of_a_restore_fails(self):
        """What ends the restore, or leaves a file out; a file is never there in part."""
        for call, error, part, code in (("write", errno.EDQUOT, "/restore/", 11), ("write", errno.EIO, "/restore/", 3),
                                        ("fsync", errno.EIO, "/restore/", 1), ("rename", errno.EIO, "", 3),
                                        ("open", errno.EMFILE, "/restore/", 1)):
            with self.subTest(call=call, error=error):
                target = self.rig.path("restore", f"{call}-{error}")
                self.fail(call, error, part)
                operator(self.rig, "restore", "uploads", "--target", target).must_be(
                    code, "unable to", os.strerror(error))
                self.heal()
                for path in tree_paths(target) if os.path.exists(target) else ():
                    if call != "fsync":  # whole, and perhaps not durable
                        self.assertFalse(os.path.isfile(os.path.join(target, path)), f"{path} stays")
                self.rig.cli("restore", "uploads", "--target", target, "--overwrite", "changed")
                compare_trees(self.files, target)

    def test_a_file_that_cannot_be_read_is_listed(self):
        write_random(f"{self.files}/unread", MIB, 2)
        self.fail("read", errno.EIO, "/unread")
        answer = operator(self.rig, "backup")
        self.assertEqual(3, answer.code, answer)
        self.assertIn("unread", answer.stdout + answer.stderr)
        self.heal()
        self.rig.cli("backup")
        self.restores(3, self.files)


if __name__ == "__main__":
    unittest.main()
