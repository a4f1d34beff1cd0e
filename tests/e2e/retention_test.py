"""Forgetting: to the trash and back, and the space comes back without anything that is kept.

Trash and delay are a second long, so that a test sees their end.
"""

import json
import os
import random
import shutil
import subprocess
import time
import unittest

from rig import BIN, Redis, Rig, compare_trees, wait_for

OVER = 1.3  # seconds until trash, or delay, is over


class Installation(Rig):
    def __init__(self, name):
        super().__init__(name)
        self.controller_settings = "retention: {trash: 1s, delay: 1s}\n"
        self.root = self.path("uploads")
        self.random = random.Random(20261125)
        self.copies = {}
        os.makedirs(self.root)
        for i in range(40):
            self.put(f"steady-{i}", 40_000)

    def put(self, name, size):
        with open(os.path.join(self.root, name), "wb") as f:
            f.write(self.random.randbytes(size))

    def change(self):
        """One large file is replaced, a few small ones come, one goes."""
        self.put("large", 6 << 20)
        for i in range(5):
            self.put(f"new-{self.random.randrange(1000)}", 30_000)
        small = [name for name in sorted(os.listdir(self.root)) if name not in ("large", "huge")]
        os.remove(os.path.join(self.root, self.random.choice(small)))

    def backup(self):
        self.cli("backup", "uploads")
        self.keep_copy()

    def keep_copy(self):
        seq = self.snapshots("uploads")[0]["seq"]
        copy = self.path(f"copy-{seq}")
        subprocess.run(["cp", "-a", self.root, copy], check=True)
        self.copies[seq] = copy
        return seq

    def seqs(self):
        return sorted(row["seq"] for row in self.snapshots("uploads"))

    def gc(self, *arguments):
        return json.loads(self.cli("gc", "--json", *arguments).stdout)

    def gc_to_the_end(self):
        """Trash, then delay, each with its time over."""
        reports = []
        for _ in range(3):
            time.sleep(OVER)
            reports.append(self.gc())
        return reports

    def restart(self):
        if os.path.exists(self.socket):
            os.remove(self.socket)  # of a dead one: its return shall mean something
        self.start_controller()
        wait_for("the agent", lambda: self.is_connected("agent"))

    def store_bytes(self):
        return sum(os.path.getsize(os.path.join(directory, name))
                   for directory, _, names in os.walk(os.path.join(self.data, "store", "packs"))
                   for name in names)

    def check_all_kept(self):
        for seq in self.seqs():
            target = os.path.join(self.restore_root, f"at-{seq}")
            shutil.rmtree(target, ignore_errors=True)
            self.cli("restore", f"uploads@{seq}", "--target", target)
            compare_trees(self.copies[seq], target)
            self.cli("verify", f"uploads@{seq}")


class RetentionTest(unittest.TestCase):
    def test_forget_undelete_purge_and_the_space_comes_back(self):
        with Installation("retention") as rig:
            rig.setup([{"name": "uploads", "kind": "files", "root": rig.root}])
            for _ in range(6):
                rig.change()
                rig.backup()
            self.assertEqual(rig.seqs(), [1, 2, 3, 4, 5, 6])

            refused = rig.cli("forget", "uploads@2", expect=4)
            self.assertIn("--yes", refused.stderr)
            rig.cli("forget", "uploads@6", "--yes", expect=4)  # the newest
            rig.cli("forget", "uploads@9", "--yes", expect=6)
            rig.cli("forget", "uploads@2", "uploads@3", "uploads@4", "--yes")
            self.assertEqual(rig.seqs(), [1, 5, 6])
            rig.cli("restore", "uploads@3", "--target", os.path.join(rig.restore_root, "x"), expect=6)
            trash = json.loads(rig.cli("undelete", "--json").stdout)["trash"]
            self.assertEqual([row["seq"] for row in trash], [2, 3, 4])
            rig.cli("undelete", "uploads@3")
            self.assertEqual(rig.seqs(), [1, 3, 5, 6])
            rig.cli("undelete", "uploads@5", expect=6)
            rig.check_all_kept()

            before = rig.store_bytes()
            time.sleep(OVER)
            planned = rig.gc("--dry-run")
            self.assertEqual(planned["purged"], ["uploads@2", "uploads@4"])
            self.assertGreater(planned["waiting_bytes"], 10 << 20)
            self.assertEqual(rig.store_bytes(), before)
            reports = rig.gc_to_the_end()
            purged = [name for report in reports for name in report["purged"]]
            self.assertLessEqual(set(purged), {"uploads@2", "uploads@4"})
            after = rig.store_bytes()
            self.assertLess(after, before - (10 << 20), reports)
            rig.cli("undelete", "uploads@2", expect=6)
            rig.check_all_kept()

            # What went is sent again when it comes back; numbers go on; a restart changes nothing.
            shutil.copy(os.path.join(rig.copies[2], "large"), rig.root)
            rig.backup()
            self.assertEqual(rig.seqs(), [1, 3, 5, 6, 7])
            rig.controller.stop()
            rig.restart()
            rig.check_all_kept()
            self.assertEqual(rig.gc()["freed_bytes"], 0)

    def test_the_policy_expires_what_it_says(self):
        with Installation("policy") as rig:
            rig.setup([{"name": "uploads", "kind": "files", "root": rig.root}])
            for _ in range(5):
                rig.change()
                rig.backup()
            shown = json.loads(rig.cli("retention", "show", "uploads", "--json").stdout)
            self.assertTrue(shown["default"])
            self.assertEqual(shown["policy"]["daily"], 30)
            rig.cli("retention", "set", "uploads", expect=2)  # it would keep nothing
            rig.cli("retention", "set", "uploads", "--keep-last", "1e99", expect=2)
            rig.cli("retention", "set", "uploads", "--keep-within", "1h", "--keep-last", "2")
            explained = json.loads(rig.cli("retention", "explain", "uploads", "--json").stdout)
            self.assertEqual(explained["removals"], 0)
            rig.cli("retention", "set", "uploads", "--keep-last", "2")
            explained = json.loads(rig.cli("retention", "explain", "uploads", "--json").stdout)
            # The controller's own run after the last backup may come in between and do it first.
            kept = [row["seq"] for row in explained["snapshots"] if row["keep"]]
            self.assertEqual(kept, [5, 4])
            self.assertIn("last 2 of 2", explained["snapshots"][1]["reason"])
            planned = rig.gc("--dry-run")["trashed"]
            rig.gc()
            trash = json.loads(rig.cli("undelete", "--json").stdout)["trash"]
            self.assertEqual([row["seq"] for row in trash], [1, 2, 3])
            self.assertIn(len(planned), (0, 3))
            self.assertEqual(rig.seqs(), [4, 5])
            rig.gc_to_the_end()
            rig.check_all_kept()
            rig.cli("retention", "set", "uploads", "--default")

    def test_redis_snapshots_go_and_the_last_one_comes_back(self):
        with Installation("retention-redis") as rig:
            redis = Redis(rig.directory)
            rig.daemons.append(redis)
            rig.setup([{"name": "cache", "kind": "redis", "host": "127.0.0.1", "port": redis.port}])
            for run in range(4):
                redis.cli(stdin="\n".join(
                    f"SET key-{run}-{i} {rig.random.randbytes(60).hex()}" for i in range(3000)))
                redis.cli(stdin="\n".join(f"SET same-{i} {run}" for i in range(500)))
                rig.cli("backup", "cache")
            digest = redis.digest()
            rig.cli("forget", "cache@1", "cache@2", "cache@3", "--yes")
            rig.gc_to_the_end()
            redis.cli("FLUSHALL")
            rig.cli("restore", "cache@latest", "--into-server")
            self.assertEqual(redis.digest(), digest)

    def test_backups_and_restores_run_beside_collection(self):
        with Installation("beside") as rig:
            rig.setup([{"name": "uploads", "kind": "files", "root": rig.root}])
            for _ in range(3):
                rig.change()
                rig.backup()
            for _ in range(3):
                seqs = rig.seqs()
                rig.cli("forget", f"uploads@{seqs[0]}", "--yes")
                rig.change()
                rig.put("huge", 40 << 20)
                environment = dict(os.environ, HOLDFAST_HOME=rig.home, HOLDFAST_SOCKET=rig.socket)
                backup = subprocess.Popen([f"{BIN}/holdfast", "backup", "uploads"], env=environment,
                                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                rounds = 0
                while backup.poll() is None:
                    rig.gc()
                    rounds += 1
                self.assertEqual(backup.returncode, 0, backup.stderr.read())
                backup.stderr.close()
                self.assertGreater(rounds, 0)
                rig.keep_copy()
            rig.gc_to_the_end()
            rig.check_all_kept()

    def test_killed_in_the_middle_it_goes_on(self):
        with Installation("killed") as rig:
            rig.setup([{"name": "uploads", "kind": "files", "root": rig.root}])
            rig.change()
            rig.backup()
            for round_ in range(4):
                for _ in range(3):
                    rig.change()
                    rig.backup()
                seqs = rig.seqs()
                rig.cli("forget", *[f"uploads@{seq}" for seq in seqs[:-2]], "--yes")
                time.sleep(OVER)
                rig.gc()  # purged and condemned
                time.sleep(OVER)
                environment = dict(os.environ, HOLDFAST_HOME=rig.home, HOLDFAST_SOCKET=rig.socket)
                collection = subprocess.Popen([f"{BIN}/holdfast", "gc"], env=environment,
                                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                time.sleep(0.01 * (1 + 2 * round_))
                rig.controller.kill()
                collection.wait()
                rig.restart()
                rig.check_all_kept()
            rig.gc_to_the_end()
            rig.check_all_kept()
            status = json.loads(rig.cli("status", "--json").stdout)
            on_disk = rig.store_bytes()
            self.assertGreater(on_disk, 0)
            self.assertEqual(status["store"]["packs"], sum(
                not name.endswith(".parity")
                for _, _, names in os.walk(os.path.join(rig.data, "store", "packs"))
                for name in names), status)


if __name__ == "__main__":
    unittest.main()
