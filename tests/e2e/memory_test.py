"""Neither a big file nor many small ones make a daemon big.

Proves: agent and controller stay below 256 MiB of resident memory (VmHWM) over backup, unchanged backup,
verify and restore. 512 MiB and 20,000 files by default; 4 GiB and 200,000 with HOLDFAST_E2E_FULL.
"""

import os
import random
import unittest

from answers import write_random
from rig import Rig, compare_trees

FULL = bool(os.environ.get("HOLDFAST_E2E_FULL"))
BIG_FILE_BYTES = (4 << 30) if FULL else (512 << 20)
FILE_COUNT = 200_000 if FULL else 20_000
LIMIT = 256 << 20


class Memory(unittest.TestCase):
    def setUp(self):
        self.rig = Rig("memory")
        self.addCleanup(self.rig.__exit__, None, None, None)
        self.files = self.rig.path("files")

    def measure(self, check):
        rig = self.rig
        rig.setup([{"name": "uploads", "kind": "files", "root": self.files}])
        self.within("start")
        rig.cli("backup")
        self.within("first backup")
        rig.cli("backup")
        self.within("unchanged backup")
        rig.cli("verify", "uploads")
        self.within("verify")
        rig.cli("restore", "uploads", "--target", rig.path("restore", "all"))
        self.within("restore")
        check(rig.path("restore", "all"))

    def within(self, step):
        for name, daemon in (("agent", self.rig.agents["agent"]), ("controller", self.rig.controller)):
            peak = daemon.peak_memory_bytes()
            self.assertGreater(peak, 1 << 20, f"{name} after {step}: measured the wrong process")
            self.assertLessEqual(peak, LIMIT, f"{name} after {step}: {peak >> 20} MiB")

    def test_one_big_file(self):
        write_random(f"{self.files}/big", BIG_FILE_BYTES, 1)
        self.measure(lambda target: compare_trees(self.files, target))

    def test_many_small_files(self):
        rng = random.Random(2)
        for i in range(FILE_COUNT):
            directory = f"{self.files}/{i // 1000}/{i // 100 % 10}"
            if i % 100 == 0:
                os.makedirs(directory)
            with open(f"{directory}/file-{i}", "wb") as f:
                f.write(rng.randbytes(rng.randrange(0, 4000)))
        self.measure(lambda target: compare_trees(self.files, target))


if __name__ == "__main__":
    unittest.main()
