"""The controller is killed with SIGKILL: during a backup, and right after a commit.

Proves: it starts again by itself on what is on the disk; the agent goes on with the run it was in the middle
of, without sending again what was STORED; the snapshot is complete and restores; a committed one is there.
"""

import json
import os
import threading
import unittest

from answers import operator, write_random
from rig import Rig, compare_trees, wait_for


class Crash(unittest.TestCase):
    def setUp(self):
        self.rig = Rig("crash")
        self.addCleanup(self.rig.__exit__, None, None, None)
        self.files = self.rig.path("files")
        write_random(f"{self.files}/big", 96 << 20, 1)
        write_random(f"{self.files}/small", 1000, 2)
        self.rig.setup([{"name": "uploads", "kind": "files", "root": self.files}])

    def stored_bytes(self):
        total = 0
        for directory, _, names in os.walk(self.rig.data):
            for name in names:
                if name.endswith((".pack", ".open")):
                    try:
                        total += os.path.getsize(os.path.join(directory, name))
                    except FileNotFoundError:
                        pass  # an open pack was finished meanwhile
        return total

    def seqs(self):
        return [s["seq"] for s in self.rig.snapshots("uploads")]

    def restores(self, seq):
        target = self.rig.path("restore", f"seq-{seq}")
        # After a restart of the controller the agent's control stream comes back in its own time.
        wait_for("the agent", lambda: self.rig.is_connected("agent"), seconds=90)
        self.rig.cli("restore", f"uploads@{seq}", "--target", target)
        compare_trees(self.files, target)

    def test_killed_during_a_backup(self):
        rig = self.rig
        # Whoever watches loses sight of the job: it was known to the dead controller only.
        watcher = threading.Thread(target=lambda: operator(rig, "backup", timeout=120))
        watcher.start()
        for part in (16 << 20, 48 << 20):
            wait_for("a part of the backup", lambda: self.stored_bytes() > part, 60)
            rig.controller.kill()
            os.unlink(rig.socket)
            rig.start_controller()
        wait_for("the snapshot", lambda: self.seqs() == [1], 90)
        watcher.join()
        self.assertIs(False, rig.snapshots("uploads")[0]["partial"])
        self.assertLess(self.stored_bytes(), 1.6 * (96 << 20), "most was sent again")
        self.restores(1)
        wait_for("the agent", lambda: rig.is_connected("agent"), 60)
        rig.cli("backup")
        self.assertEqual([2, 1], self.seqs())

    def test_killed_right_after_the_commit(self):
        rig = self.rig
        rig.cli("backup")
        rig.controller.kill()
        os.unlink(rig.socket)
        rig.start_controller()
        self.assertEqual([1], self.seqs())
        wait_for("the agent", lambda: rig.is_connected("agent"), 60)
        self.restores(1)
        rig.cli("verify", "uploads@1")
        status = json.loads(rig.cli("status", "--json").stdout)
        self.assertEqual("", status["sources"][0]["last_error"])

    def test_a_second_controller_on_the_same_directory(self):
        rig = self.rig
        first = rig.controller
        second = rig.start_controller(wait=False)
        self.assertEqual(7, second.process.wait(timeout=20), second.text())
        rig.controller = first
        self.assertIn("unable to", second.text())
        rig.cli("backup")
        self.restores(1)


if __name__ == "__main__":
    unittest.main()
