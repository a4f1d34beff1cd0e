"""What all agents together may send is limited by the controller (`ingest` of controller.yaml).

Proves: a backup takes at least the time that the limit leaves it, and is whole; a change of the limit comes
with SIGHUP; a small agent is done while a large one is still being held back; a controller that is told to
stop does not wait for what it holds back.
"""

import os
import signal
import threading
import time
import unittest

from answers import write_random
from rig import Rig, compare_trees, wait_for

MIB = 1 << 20


class IngestLimit(unittest.TestCase):
    def setUp(self):
        self.rig = Rig("ingest")
        self.addCleanup(self.rig.__exit__, None, None, None)

    def files(self, name, size, seed):
        root = self.rig.path(name)
        write_random(f"{root}/content", size, seed)
        return [{"name": name, "kind": "files", "root": root}]

    def limit(self, text):
        self.rig.controller_settings = f"ingest: {{limit: {text}}}\n" if text else ""

    def reload(self, text):
        self.limit(text)
        path = self.rig.path("controller.yaml")
        with open(path) as f:
            kept = [line for line in f if not line.startswith("ingest:")]
        with open(path, "w") as f:
            f.write("".join(kept) + self.rig.controller_settings)
        os.kill(self.rig.controller.process.pid, signal.SIGHUP)

    def test_a_backup_takes_the_time_that_it_is_given(self):
        self.limit("8 MiB")
        self.rig.setup(self.files("large", 32 * MIB, 1))
        begun = time.monotonic()
        self.rig.cli("backup", "large")
        # One second's worth passes at once, and so does the last message (4 MiB).
        self.assertGreater(time.monotonic() - begun, (32 - 8 - 4) / 8 - 0.1)
        target = self.rig.path("restore", "large")
        self.rig.cli("restore", "large@latest", "--target", target)
        compare_trees(self.rig.path("large"), target)

    def test_a_small_agent_takes_its_turn_and_a_reload_lets_the_large_one_go(self):
        self.limit("2 MiB")
        self.rig.setup(self.files("large", 400 * MIB, 2), name="first")
        self.rig.enroll_agent("second", self.files("small", MIB, 3))
        self.rig.start_agent("second")
        large = threading.Thread(target=self.rig.cli, args=("backup", "large"))
        large.start()
        self.rig.cli("backup", "small")
        self.assertTrue(large.is_alive(), "200 s of work were done in the time of a small backup")
        self.reload(None)
        large.join(timeout=120)
        self.assertFalse(large.is_alive(), "the limit is gone, and the backup is still held back")
        self.assertEqual([1], [row["seq"] for row in self.rig.snapshots("large")])

    def test_a_controller_that_stops_does_not_wait(self):
        self.limit("64 KiB")
        self.rig.setup(self.files("large", 32 * MIB, 4))
        backup = threading.Thread(target=self.rig.cli, args=("backup", "large"), kwargs={"expect": None})
        backup.start()
        staging = os.path.join(self.rig.data, "staging")
        end = time.monotonic() + 30
        while not any(name.endswith(".open") for name in os.listdir(staging)):
            self.assertLess(time.monotonic(), end, "nothing arrives")
            time.sleep(0.05)
        begun = time.monotonic()
        self.assertEqual(0, self.rig.controller.stop())
        self.assertLess(time.monotonic() - begun, 30, "the messages held back need minutes")
        # The agent goes on where it was, and the one who waits is told, or that it is not known.
        self.limit(None)
        self.rig.start_controller()
        wait_for("the snapshot", lambda: self.rig.snapshots("large"), seconds=90)
        backup.join(timeout=90)
        self.assertFalse(backup.is_alive())


if __name__ == "__main__":
    unittest.main(verbosity=2)
