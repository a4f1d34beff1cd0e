"""Quotas: what an agent may keep in the store, who says so, and how room comes back (fault row 54).

Trash and delay are a second long, so that a test sees their end.
"""

import json
import os
import random
import shutil
import time
import unittest

from rig import Rig, compare_trees, wait_for

OVER = 1.3  # seconds until trash, or delay, is over


class Installation(Rig):
    def __init__(self, name, settings=""):
        super().__init__(name)
        self.controller_settings = "retention: {trash: 1s, delay: 1s}\n" + settings
        self.root = self.path("uploads")
        self.random = random.Random(20261129)
        os.makedirs(self.root)
        self.put("steady", 300_000)

    def put(self, name, size):
        with open(os.path.join(self.root, name), "wb") as f:
            f.write(self.random.randbytes(size))

    def quota(self, name="agent"):
        rows = json.loads(self.cli("quota", "list", "--json").stdout)["quotas"]
        return next(row for row in rows if row["agent"] == name)

    def seqs(self):
        return sorted(row["seq"] for row in self.snapshots("uploads"))

    def check_restores(self, seq, tree):
        target = os.path.join(self.restore_root, f"at-{seq}")
        shutil.rmtree(target, ignore_errors=True)
        self.cli("restore", f"uploads@{seq}", "--target", target)
        compare_trees(tree, target)


class Quota(unittest.TestCase):
    def test_a_full_quota_refuses_what_is_new_and_deleting_makes_room(self):
        with Installation("quota") as rig:
            rig.setup([{"name": "uploads", "kind": "files", "root": rig.root}])
            rig.cli("backup", "uploads")
            first = rig.path("first")
            shutil.copytree(rig.root, first, symlinks=True)
            shutil.copystat(rig.root, first)
            self.assertEqual(rig.quota()["limit"], {"value": "none", "origin": "default"})
            self.assertIsNone(rig.quota()["left_bytes"])

            rig.put("large", 4 << 20)
            rig.cli("backup", "uploads")
            stored = rig.quota()["stored_bytes"]
            self.assertGreater(stored, 4 << 20)
            shown = rig.cli("quota", "set", "agent", str(stored + 100_000))
            self.assertIn("command: ", shown.stdout)
            self.assertEqual(rig.quota()["left_bytes"], 100_000)

            # Another 4 MiB do not fit: exit 11, said plainly, and nothing that is there changes.
            rig.put("large", 4 << 20)
            refused = rig.cli("backup", "uploads", expect=11)
            self.assertIn("HF-5036", refused.stderr)
            self.assertIn(f"its quota of {stored + 100_000} is used up", refused.stderr)
            self.assertIn("holdfast quota set", refused.stderr)
            self.assertEqual(rig.seqs(), [1, 2])
            rig.check_restores(1, first)
            status = rig.cli("status", expect=None)
            self.assertIn("nine tenths of its quota", status.stdout + status.stderr)

            # What adds nothing needs no room.
            os.remove(os.path.join(rig.root, "large"))
            rig.cli("quota", "set", "agent", "0")
            self.assertEqual(rig.quota()["left_bytes"], 0)
            rig.put("fresh", 50_000)
            rig.cli("backup", "uploads", expect=11)
            os.remove(os.path.join(rig.root, "fresh"))
            rig.cli("quota", "set", "agent", str(stored + 2_000_000))

            # The second snapshot goes, with its 4 MiB, and those that the refused run left: there
            # is room again.
            rig.cli("backup", "uploads")
            rig.cli("forget", "uploads@2", "--yes")
            for _ in range(3):
                time.sleep(OVER)
                rig.cli("gc")
            self.assertLess(rig.quota()["stored_bytes"], 2 << 20)
            rig.put("large", 4 << 20)
            rig.cli("backup", "uploads")
            self.assertEqual(rig.seqs()[-1], 4)
            rig.check_restores(4, rig.root)
            rig.check_restores(1, first)

    def test_the_file_says_it_for_all_and_a_command_for_one(self):
        with Installation("quota-file", "quota: 100kB\n") as rig:
            rig.setup([{"name": "uploads", "kind": "files", "root": rig.root}])
            self.assertEqual(rig.quota()["limit"],
                             {"value": "100kB", "origin": "file", "place": "quota"})
            rig.cli("backup", "uploads", expect=11)
            rig.cli("quota", "set", "agent", "much", expect=2)
            rig.cli("quota", "set", "nobody", "1GiB", expect=6)
            rig.cli("quota", "set", "agent", "none")
            self.assertEqual(rig.quota()["limit"]["origin"], "command")
            rig.cli("backup", "uploads")

            # A restart keeps what was set; taken back, the file counts again.
            rig.controller.stop()
            os.path.exists(rig.socket) and os.remove(rig.socket)
            rig.start_controller()
            wait_for("the agent", lambda: rig.is_connected("agent"))
            self.assertEqual(rig.quota()["limit"]["value"], "none")
            rig.cli("quota", "clear", "agent")
            self.assertEqual(rig.quota()["limit_bytes"], 100_000)
            rig.cli("backup", "uploads")  # nothing new
            rig.put("more", 50_000)
            rig.cli("backup", "uploads", expect=11)


if __name__ == "__main__":
    unittest.main()
