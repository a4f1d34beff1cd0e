"""Fault row 7: the data directory is not what it should be.

Proves: a directory that cannot be written is refused, one that forgets is warned of, and parts of another
installation (its store, its keys, no store at all) are a conflict that names them; when what belongs together is
back, everything is as before.
"""

import json
import os
import shutil
import unittest

from answers import run, write_random
from rig import Rig, compare_trees, wait_for
from small_disk import SmallDisk, can_mount


class DataDirectory(unittest.TestCase):
    def installation(self, name):
        rig = Rig(name)
        self.addCleanup(rig.__exit__, None, None, None)
        return rig

    def backed_up(self, name):
        """An installation with one snapshot, whose controller is stopped."""
        rig = self.installation(name)
        write_random(f"{rig.path('files')}/a", 1 << 20, 1)
        rig.setup([{"name": "uploads", "kind": "files", "root": rig.path("files")}])
        rig.cli("backup")
        self.assertEqual(0, rig.controller.stop())
        rig.controller = None
        return rig

    def refused(self, rig, code, *texts):
        return run("holdfast-controller", "--config", rig.path("controller.yaml")).must_be(code, *texts)

    def works_again(self, rig):
        rig.start_controller()
        wait_for("the agent", lambda: rig.is_connected("agent"), seconds=60)
        target = rig.path("restore", "again")
        rig.cli("restore", "uploads@1", "--target", target)
        compare_trees(rig.path("files"), target)

    def swap(self, first, second, part):
        """Exchanges `part` of two data directories; said again, it is undone."""
        a, b, between = (os.path.join(data, part) for data in (first.data, second.data, first.directory))
        os.rename(a, between)
        os.rename(b, a)
        os.rename(between, b)

    def test_another_installations_store_or_keys(self):
        mine, other = self.backed_up("mine"), self.backed_up("other")
        for part, code in (("store", "HF-5077"), ("identity", "HF-5078")):
            with self.subTest(part=part):
                self.swap(mine, other, part)
                self.refused(mine, 7, mine.data, code)
                self.swap(mine, other, part)
        self.works_again(mine)

    def test_the_volume_of_the_store_is_not_mounted(self):
        rig = self.backed_up("unmounted")
        store, away = os.path.join(rig.data, "store"), rig.path("away")
        os.rename(store, away)
        os.mkdir(store)
        self.refused(rig, 7, rig.data, "HF-5077", "mounted")
        shutil.rmtree(store)
        os.rename(away, store)
        self.works_again(rig)

    @unittest.skipUnless(can_mount(), "needs root with the right to mount a tmpfs")
    def test_in_memory_is_warned_of_and_read_only_is_refused(self):
        rig = self.installation("memory")
        disk = SmallDisk(rig.data, 200)
        self.addCleanup(disk.unmount)
        rig.start_controller()
        rig.init()
        self.assertIn("lies in memory", rig.controller.text())
        warnings = json.loads(rig.cli("status", "--json", expect=None).stdout)["warnings"]
        self.assertTrue(any("lies in memory" in json.dumps(warning) for warning in warnings), warnings)
        rig.controller.stop()
        rig.controller = None
        disk.make_read_only()
        self.refused(rig, 12, rig.data, "Read-only")


if __name__ == "__main__":
    unittest.main(verbosity=2)
