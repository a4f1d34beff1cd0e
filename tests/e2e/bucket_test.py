"""The store in a bucket: its life (rows 37, 38 and 43; the answers of a service one by one: tests/unit/common/s3).

Proves against Ceph's radosgw: backups of files and Redis restore byte for byte from the bucket, also after the
controller was killed at many moments; what a snapshot needs is in the bucket when it counts; damaged and lost
objects are found, named and stored again; a lost controller comes back from the bucket alone, and two
controllers never write to one bucket.
"""

import os
import random
import shutil
import threading
import time
import unittest

from answers import operator, recover, run, write_random
from bucket_server import BucketCase
from rig import Redis, compare_trees, wait_for


class Life(BucketCase):
    DAYS = 3

    def set_up(self):
        rig = self.rig
        self.bucket = self.new_bucket()
        rig.controller_settings = self.settings(self.bucket.name, more=", prefix: production")
        self.redis = Redis(rig.directory)
        rig.daemons.append(self.redis)
        rng = random.Random(7)
        for i in range(2000):
            self.redis.cli("set", f"key{i}", rng.randbytes(100).hex()) if i % 50 == 0 else None
        write_random(f"{self.files}/large", 40 << 20, 1)
        for i in range(100):
            write_random(f"{self.files}/small/{i}", 300 + i, 100 + i)
        rig.setup([{"name": "uploads", "kind": "files", "root": self.files},
                   {"name": "cache", "kind": "redis", "port": self.redis.port}])
        self.kept = {}
        for day in range(1, self.DAYS + 1):
            write_random(f"{self.files}/day-{day}", 200_000, day)
            rig.cli("backup")
            self.kept[day] = self.keep(f"kept-{day}")

    def restores_everything(self):
        for day, kept in self.kept.items():
            self.restores(f"uploads@{day}", kept)

    def test_a_lost_controller_comes_back_from_the_bucket(self):
        rig = self.rig
        self.set_up()
        self.assertEqual([], self.staged())
        self.assertFalse(os.path.exists(os.path.join(rig.data, "store")), "nothing of the store is on the disk")
        self.restores_everything()
        rig.cli("verify", "uploads")
        rdb = rig.path("restore", "cache.rdb")
        rig.cli("restore", "cache", "--rdb", rdb)
        os.makedirs(rig.path("again", "redis"))
        shutil.copy(rdb, rig.path("again", "redis", "dump.rdb"))
        restored = Redis(rig.path("again"), name="other", extra=("--dir", rig.path("again", "redis")))
        rig.daemons.append(restored)
        self.assertEqual(self.redis.digest(), restored.digest())

        # Another one that is given the same bucket by mistake.
        own = rig.path("controller.yaml")
        with open(own) as f:
            text = f.read()
        other = rig.write("other.yaml", text.replace(rig.data, rig.path("other")).replace(rig.socket, rig.path("o.sock"))
                          .replace(f":{rig.port}", ":0").replace(f":{rig.enrollment_port}", ":0"))
        run("holdfast-controller", "--config", other).must_be(7, "belongs to the controller on", "take-store")

        # The machine is gone but its keys; the bucket is all there is.
        before = rig.snapshots("uploads")
        rig.agents["agent"].stop()
        rig.controller.kill()
        os.unlink(rig.socket)
        os.rename(rig.data, rig.data + ".gone")
        os.makedirs(rig.data, mode=0o700)
        shutil.copytree(os.path.join(rig.data + ".gone", "identity"), os.path.join(rig.data, "identity"))
        run("holdfast-controller", "--config", own, "rebuild-catalog").must_be(7, "take-store")
        answer = run("holdfast-controller", "--config", own, "take-store")
        self.assertEqual(0, answer.code, answer)
        self.controller().must_be(5, "rebuild-catalog")
        answer = run("holdfast-controller", "--config", own, "rebuild-catalog")
        self.assertEqual(0, answer.code, answer)
        self.assertIn(f"{2 * self.DAYS} snapshots", answer.stdout)
        rig.start_controller()
        rig.start_agent("agent")
        for row in (*before, *(again := rig.snapshots("uploads"))):
            row.pop("verified_at", None)
        self.assertEqual(before, again)
        self.restores_everything()
        rig.cli("backup")
        self.assertLess(rig.snapshots("uploads")[0]["stored_bytes"], 100_000)
        # The one that was taken for lost comes back.
        with open(own) as f:
            text = f.read()
        back = rig.write("back.yaml", text.replace(f"data_directory: {rig.data}\n", f"data_directory: {rig.data}.gone\n")
                         .replace(rig.socket, rig.path("b.sock")).replace(f":{rig.port}", ":0")
                         .replace(f":{rig.enrollment_port}", ":0"))
        run("holdfast-controller", "--config", back).must_be(7, "belongs to the controller on")
        # And with the kit alone, from the bucket itself or a copy of it.
        self.assertEqual(0, recover(rig, "--bucket", own, "--source", "uploads", "--seq", "3", "--target",
                                    rig.path("from-bucket")).code)
        compare_trees(self.kept[3], rig.path("from-bucket"))
        copy = rig.path("copy")
        self.bucket.download("production/", copy)
        self.assertEqual(0, recover(rig, "--store", copy, "--source", "uploads", "--seq", "2", "--target",
                                    rig.path("recovered")).code)
        compare_trees(self.kept[2], rig.path("recovered"))

    def test_what_is_damaged_or_gone_is_named_and_stored_again(self):
        self.set_up()
        packs = sorted((key for key in self.bucket.keys("production/packs/")),
                       key=lambda key: len(self.bucket.get(key)))
        damaged, gone = packs[-1], packs[-2]
        content = bytearray(self.bucket.get(damaged))
        content[len(content) // 2] ^= 1
        self.bucket.put(damaged, bytes(content))
        self.bucket.delete(gone)
        time.sleep(11)  # what was read for the last restore are forgotten (ReadAhead::kKept)
        answer = operator(self.rig, "scrub", "--all").must_be(5, "damaged")
        print(answer)
        answer = operator(self.rig, "verify", "uploads")
        self.assertIn(answer.code, (5, 6), answer)
        # The source still has it all.
        operator(self.rig, "backup")
        self.rig.cli("backup")
        self.kept = {self.rig.snapshots("uploads")[0]["seq"]: self.keep("kept-after")}
        self.restores_everything()
        self.rig.cli("verify", "uploads")

    def test_kill_at_any_moment(self):
        self.set_up()
        rig, rng = self.rig, random.Random(3)
        for turn in range(4):
            write_random(f"{self.files}/turn-{turn}", 16 << 20, 50 + turn)
            done = []
            moment = rng.uniform(0.05, 1.2)
            backup = threading.Thread(target=lambda: done.append(rig.cli("backup", "uploads", expect=None)))
            backup.start()
            time.sleep(moment)
            rig.controller.kill()
            rig.start_controller(wait=False)
            backup.join()
            wait_for("the agent", lambda: os.path.exists(rig.socket) and
                     operator(rig, "agent", "list").code == 0 and rig.is_connected("agent"), 60)
            rig.cli("backup", "uploads")
            newest = rig.snapshots("uploads")[0]
            self.kept[newest["seq"]] = self.keep(f"kept-turn-{turn}")
            self.assertEqual([], [n for n in self.staged() if n.endswith(".open")])
        self.restores_everything()


if __name__ == "__main__":
    unittest.main()
