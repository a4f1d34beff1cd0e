"""Fault row 47: the catalog is lost, malformed, empty or newer; then the whole controller but its store.

Proves: the daemon refuses to start on such a catalog and says what to do; `rebuild-catalog` makes it anew
from the store alone: the same snapshots, every one restores byte for byte, the next backup stores less
than one percent, an agent that was removed stays removed. Without the controller's own keys the kit reads
the store, and a new controller on the old store takes its agents back.
"""

import contextlib
import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import unittest

from answers import operator, recover, run, write_random
from damage_faults_test import Store, read
from rig import BIN, Redis, Rig, compare_trees, wait_for

DAYS = 4


class Rebuild(unittest.TestCase):
    def setUp(self):
        self.rig = Rig("rebuild")
        self.addCleanup(self.rig.__exit__, None, None, None)
        self.rng = random.Random(47)
        self.files = self.rig.path("files")
        self.digests = {}

    def rebuild(self, expect=0):
        answer = run("holdfast-controller", "--config", self.rig.path("controller.yaml"), "rebuild-catalog")
        self.assertEqual(expect, answer.code, answer)
        return answer.stdout

    def catalog(self, name="catalog.db"):
        return os.path.join(self.rig.data, "catalog", name)

    def refuses(self, code, *texts):
        answer = run("holdfast-controller", "--config", self.rig.path("controller.yaml"))
        return answer.must_be(code, *texts)

    def change(self, day):
        """A ledger of which 1 % of the lines change, so that there are deltas; one new file a day."""
        if day == 1:
            self.lines = [self.rng.randbytes(48).hex().encode() for _ in range(30_000)]
            write_random(f"{self.files}/large", 6 << 20, 1)
            for i in range(200):
                write_random(f"{self.files}/small/{i}", 300 + i, 1000 + i)
        for at in self.rng.sample(range(len(self.lines)), len(self.lines) // 100):
            self.lines[at] = self.rng.randbytes(48).hex().encode()
        with open(f"{self.files}/ledger", "wb") as f:
            f.write(b"\n".join(self.lines))
        write_random(f"{self.files}/day-{day}", 50_000, day)
        self.redis.cli("set", f"day-{day}", "x" * 1000)
        shutil.copytree(self.files, self.rig.path(f"kept-{day}"), copy_function=shutil.copy2)
        self.digests[day] = self.redis.digest()

    def set_up(self):
        rig = self.rig
        self.redis = Redis(rig.directory)
        rig.daemons.append(self.redis)
        for i in range(0, 4000, 100):
            self.redis.cli("mset", *[text for k in range(i, i + 100)
                                     for text in (f"key{k}", self.rng.randbytes(300).hex())])
        os.makedirs(self.files)
        for day in range(1, DAYS + 1):
            self.change(day)
            if day == 1:
                rig.setup([{"name": "uploads", "kind": "files", "root": self.files},
                           {"name": "cache", "kind": "redis", "port": self.redis.port}])
            rig.cli("backup")

    def snapshots(self):
        rows = []
        for source in ("uploads", "cache"):
            for row in self.rig.snapshots(source):
                row.pop("verified_at", None)
                rows.append(row)
        return rows

    def restores_everything(self, label):
        rig = self.rig
        for day in range(1, DAYS + 1):
            target = rig.path("restore", f"{label}-{day}")
            rig.cli("restore", f"uploads@{day}", "--target", target)
            compare_trees(rig.path(f"kept-{day}"), target)
            rdb = rig.path("restore", f"{label}-{day}.rdb")
            rig.cli("restore", f"cache@{day}", "--rdb", rdb)
            name = f"from-{label}-{day}"
            os.makedirs(rig.path("rdb", name))
            shutil.copy(rdb, rig.path("rdb", name, "dump.rdb"))
            os.makedirs(rig.path(name + "-dir"), exist_ok=True)
            restored = Redis(rig.path(name + "-dir"), extra=("--dir", rig.path("rdb", name)))
            try:
                self.assertEqual(self.digests[day], restored.digest())
            finally:
                restored.stop()

    def stored_of_next_backup(self):
        first = {s: self.rig.snapshots(s)[-1]["stored_bytes"] for s in ("uploads", "cache")}
        self.rig.cli("backup")
        for source, stored in first.items():
            again = self.rig.snapshots(source)[0]["stored_bytes"]
            print(f"{source}: {again} bytes stored after the rebuild, {stored} at first")
            self.assertLess(again, stored // 100, source)

    def test_the_catalog_is_lost(self):
        rig = self.rig
        self.set_up()
        before = self.snapshots()
        deltas = sum(1 for path, at, _, _, _ in Store(rig.data).objects() if read(path)[at + 72])
        self.assertGreater(deltas, 3, "the test needs deltas")
        rig.agents["agent"].stop()
        rig.controller.kill()
        os.unlink(rig.socket)
        shutil.rmtree(os.path.join(rig.data, "catalog"))
        self.refuses(5, "catalog.db", "rebuild-catalog")
        text = self.rebuild()
        print(text)
        self.assertRegex(text, r"rebuilt the catalog in .* 8 snapshots, 1 agents")
        self.assertIn("Nothing expires until", text)
        self.assertNotIn("damaged", text)
        rig.start_controller()
        rig.start_agent("agent")
        self.assertEqual(before, self.snapshots())
        for source in ("uploads", "cache"):
            self.assertIn("--keep-within 36500d", rig.cli("retention", "show", source).stdout)
        self.assertIn("ledger", rig.cli("ls", "uploads@2").stdout)
        self.restores_everything("rebuilt")
        rig.cli("verify", "uploads")
        self.stored_of_next_backup()
        rig.cli("verify", "uploads@5")
        rig.cli("restore", "uploads@5", "--target", rig.path("restore", "next"))
        compare_trees(rig.path(f"kept-{DAYS}"), rig.path("restore", "next"))

    def settings(self):
        """All that was set by command, as operators see it."""
        rig = self.rig
        schedules = json.loads(rig.cli("schedule", "list", "--json").stdout)["schedules"]
        objectives = json.loads(rig.cli("objective", "list", "--json", expect=None).stdout)["sources"]
        return {
            "schedules": [[row["source"], row["cron"], row["zone"], row["paused"], row["paused_by"]]
                          for row in schedules],
            "objectives": [[row["source"], row["rpo"], row["rto"]] for row in objectives],
            "retention": rig.cli("retention", "show", "uploads").stdout,
            "silences": [[row["subject"], row["until"], row["by"], row["reason"]]
                         for row in json.loads(rig.cli("alert", "list", "--json").stdout)["silences"]],
            "audit": [row for row in json.loads(rig.cli("audit", "list", "--json").stdout)["audit"]
                      if row["action"] not in ("catalog.rebuild", "agent.adopt-key")],
        }

    def test_what_was_set_by_command_survives_the_catalog(self):
        rig = self.rig
        write_random(f"{self.files}/a", 100_000, 1)
        rig.setup([{"name": "uploads", "kind": "files", "root": self.files},
                   {"name": "other", "kind": "files", "root": self.files}])
        rig.cli("backup")
        rig.cli("schedule", "set", "uploads", "--cron", "0 3 * * *", "--zone", "Europe/Berlin")
        rig.cli("schedule", "pause", "other")
        rig.cli("objective", "set", "uploads", "--rpo", "30h", "--rto", "3h")
        rig.cli("alert", "silence", "uploads", "--for", "3h", "--reason", "moving")
        rig.cli("retention", "set", "uploads", "--keep-last", "3")
        before = self.settings()
        # At once after the last command: what it said is in the store by then.
        rig.controller.kill()
        os.unlink(rig.socket)
        rig.agents["agent"].stop()
        shutil.rmtree(os.path.join(rig.data, "catalog"))
        text = self.rebuild()
        self.assertIn("what was set by command is as it was at", text)
        rig.start_controller()
        rig.start_agent("agent")
        self.assertEqual(before, self.settings())
        self.assertEqual(rig.cli("audit", "list").stdout.count("catalog.rebuild"), 1)
        self.assertIn("--keep-within 36500d", rig.cli("retention", "show", "other").stdout)

        # Another machine, with the store alone: only when somebody says that it is his.
        rig.agents["agent"].stop()
        rig.controller.stop()
        shutil.rmtree(os.path.join(rig.data, "catalog"))
        shutil.move(os.path.join(rig.data, "identity"), rig.path("identity-away"))
        self.assertIn("--accept-settings", self.rebuild())
        answer = run("holdfast-controller", "--config", rig.path("controller.yaml"), "rebuild-catalog",
                     "--accept-settings")
        self.assertEqual(0, answer.code, answer)
        self.assertIn("what was set by command is as it was at", answer.stdout)
        # The catalog is that of a new controller now, which the old keys are not for (HF-5078).
        shutil.move(rig.path("identity-away"), os.path.join(rig.data, "identity"))
        run("holdfast-controller", "--config", rig.path("controller.yaml")).must_be(7, "HF-5078")
        self.rebuild()
        rig.start_controller()
        rig.start_agent("agent")
        self.assertEqual(before, self.settings())

    def test_the_catalog_is_damaged(self):
        rig = self.rig
        write_random(f"{self.files}/a", 100_000, 1)
        rig.setup([{"name": "uploads", "kind": "files", "root": self.files}])
        rig.cli("backup")
        before = rig.snapshots("uploads")
        answer = run("holdfast-controller", "--config", rig.path("controller.yaml"), "rebuild-catalog")
        answer.must_be(7, "another process")  # the controller runs
        rig.agents["agent"].stop()
        rig.controller.stop()
        good = read(self.catalog())
        cases = {
            "malformed": (5, good[:4096] + bytes(len(good) - 4096)),
            "foreign": (2, b"SQLite format 3\0" + b"x" * 5000),
            "empty": (5, b""),
            "text": (5, b"not a database at all\n" * 400),
        }
        for name, (code, content) in cases.items():
            with self.subTest(name=name):
                with open(self.catalog(), "wb") as f:
                    f.write(content)
                answer = run("holdfast-controller", "--config", rig.path("controller.yaml"))
                self.assertIn(answer.code, (code, 5), answer)
                answer.must_be(answer.code, "rebuild-catalog")
                self.assertEqual(content, read(self.catalog()), "the file is kept")
        aside = re.search(r"kept as (.*)", self.rebuild()).group(1)
        self.assertEqual(cases["text"][1], read(aside))
        rig.start_controller()
        rig.start_agent("agent")
        self.assertEqual(before, rig.snapshots("uploads"))
        rig.agents["agent"].stop()
        rig.controller.stop()

        with contextlib.closing(sqlite3.connect(self.catalog())) as database:
            database.execute("PRAGMA user_version=999")
        self.refuses(2, "downgrade unsupported", "newer version")
        # Meant so, the rebuild makes one that this version knows.
        self.rebuild()
        rig.start_controller()
        rig.start_agent("agent")
        self.assertEqual(before, rig.snapshots("uploads"))

    def test_a_removed_agent_stays_removed(self):
        rig = self.rig
        write_random(f"{self.files}/a", 100_000, 1)
        rig.setup([{"name": "uploads", "kind": "files", "root": self.files}])
        rig.cli("backup")
        rig.cli("agent", "remove", "agent", "--yes")
        rig.agents["agent"].stop()
        rig.controller.stop()
        shutil.rmtree(os.path.join(rig.data, "catalog"))
        self.assertIn("1 snapshots, 0 agents", self.rebuild())
        rig.start_controller()
        rig.start_agent("agent", wait=False)
        wait_for("the refusal", lambda: "was removed" in rig.controller.text())
        agents = json.loads(rig.cli("agent", "list", "--json", "--all").stdout)["agents"]
        self.assertEqual([("agent", True)], [(a["name"], a["removed"]) for a in agents])

    def test_everything_but_the_store_is_lost(self):
        rig = self.rig
        self.set_up()
        before = self.snapshots()
        rig.agents["agent"].stop()
        rig.controller.stop()
        os.rename(rig.data, rig.data + ".gone")
        os.makedirs(rig.data, mode=0o700)
        shutil.copytree(os.path.join(rig.data + ".gone", "store"), os.path.join(rig.data, "store"))
        # The kit alone.
        self.assertEqual(0, recover(rig, "--store", os.path.join(rig.data, "store"), "--source", "uploads",
                                    "--seq", "2", "--target", rig.path("recovered")).code)
        compare_trees(rig.path("kept-2"), rig.path("recovered"))
        # A new controller on the old store.
        self.refuses(5, "rebuild-catalog")
        text = self.rebuild()
        self.assertIn("--keep-identity", text)
        rig.start_controller()
        self.assertEqual(2 * DAYS, len(json.loads(rig.cli("snapshots", "--json").stdout)["snapshots"]))
        token = rig.path("again.token")
        operator(rig, "enroll", "agent", "--output", token).must_be(5, "--replaced-controller")
        rig.cli("enroll", "agent", "--replaced-controller", "--output", token)
        config = rig.path("agent.yaml")
        done = subprocess.run([f"{BIN}/holdfast-agent", "--config", config, "enroll", "--keep-identity",
                               "--token-file", token], capture_output=True, text=True)
        self.assertEqual(0, done.returncode, done.stderr)
        rig.start_agent("agent")
        self.assertEqual(before, self.snapshots())
        self.restores_everything("anew")
        self.stored_of_next_backup()
        # Its name is taken now, and the certificate of the lost controller is worth nothing.
        run_again = subprocess.run([f"{BIN}/holdfast-agent", "--config", config, "enroll",
                                    "--keep-identity", "--token-file", token], capture_output=True, text=True)
        self.assertEqual(12, run_again.returncode, run_again.stderr)


if __name__ == "__main__":
    unittest.main()
