"""Controller and agent are killed at random while they back up, restore, forget and collect.

Proves: a backup that was called done is there and comes back byte for byte until it is forgotten; a snapshot that is
listed is whole, also one that nobody was told of; a restore that was called done is right. What a snapshot must be is
known from hashes taken here. 40 s by default, HOLDFAST_SOAK_SECONDS=600 for a long run; HOLDFAST_SOAK_SEED repeats the
draws (not the moments: those are the machine's).
"""

import hashlib
import json
import os
import random
import shutil
import threading
import time
import unittest

from answers import operator
from rig import Rig, wait_for

SECONDS = float(os.environ.get("HOLDFAST_SOAK_SECONDS", "40"))
SEED = int(os.environ.get("HOLDFAST_SOAK_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
SOURCE = "uploads"


def hashes(root):
    """Of every file by path: what a tree is, by code that shares nothing with Holdfast."""
    found = {}
    for directory, _, names in os.walk(root):
        for name in names:
            path = os.path.join(directory, name)
            with open(path, "rb") as f:
                found[os.path.relpath(path, root)] = hashlib.sha256(f.read()).hexdigest()
    return found


class Chaos(threading.Thread):
    """Kills one daemon or both, starts them again, and waits for 0.1 to 3 s."""

    def __init__(self, rig, seed):
        super().__init__(daemon=True)
        self.rig = rig
        self.random = random.Random(seed)
        self.lock = threading.Lock()  # held while daemons come and go
        self.over = threading.Event()
        self.kills = {"controller": 0, "agent": 0}
        self.error = None

    def run(self):
        try:
            while not self.over.wait(0.1 + 2.9 * self.random.random() ** 2):
                who = self.random.choice([["agent"], ["agent"], ["controller"], ["controller"],
                                          ["controller", "agent"]])
                with self.lock:
                    for name in who:
                        self.kill(name)
                    for name in who:
                        self.start_again(name)
        except Exception as error:  # the main thread reports it
            self.error = error

    def kill(self, name):
        daemon = self.rig.controller if name == "controller" else self.rig.agents[name]
        # One that ended by itself is a finding, not a kill.
        assert daemon.alive(), f"{name} ended by itself:\n{daemon.text()[-2000:]}"
        daemon.kill()
        self.kills[name] += 1

    def start_again(self, name):
        if name == "controller":
            if os.path.exists(self.rig.socket):
                os.remove(self.rig.socket)  # of the dead one: its return shall mean something
            self.rig.start_controller()
        else:
            self.rig.start_agent(name, wait=False)


class Soak(unittest.TestCase):
    def setUp(self):
        print(f"soak: HOLDFAST_SOAK_SEED={SEED} HOLDFAST_SOAK_SECONDS={SECONDS:g}", flush=True)
        self.random = random.Random(SEED)
        self.rig = Rig("soak")
        self.addCleanup(self.rig.__exit__, None, None, None)
        self.rig.controller_settings = "retention: {trash: 1s, delay: 1s}\n"
        self.root = self.rig.path("uploads")
        os.makedirs(self.root)
        self.version = 0
        self.trees = {}     # version: hashes
        self.promised = {}  # seq: version, of backups that were called done
        self.going = set()  # seqs that somebody asked to forget
        self.counts = dict.fromkeys(("backups", "restores", "forgets", "undeletes", "collections"), 0)
        for i in range(20):
            self.put(f"steady-{i}", 60_000)
        self.put("large", 5 << 20)
        self.change()
        self.rig.setup([{"name": SOURCE, "kind": "files", "root": self.root}])
        self.rig.cli("retention", "set", SOURCE, "--keep-last", "1000")
        self.chaos = Chaos(self.rig, SEED + 1)

    def put(self, name, size):
        with open(os.path.join(self.root, name), "wb") as f:
            f.write(self.random.randbytes(size))

    def change(self):
        self.version += 1
        for i in self.random.sample(range(20), 3):
            self.put(f"steady-{i}", self.random.randrange(1000, 120_000))
        if self.random.random() < 0.5:
            self.put("large", self.random.randrange(1 << 20, 8 << 20))
        else:  # a part of it: a delta
            with open(os.path.join(self.root, "large"), "r+b") as f:
                f.seek(self.random.randrange(1 << 19))
                f.write(self.random.randbytes(1000))
        with open(os.path.join(self.root, "VERSION"), "w") as f:
            f.write(str(self.version))
        self.trees[self.version] = hashes(self.root)

    def result(self, answer):
        for line in answer.stdout.splitlines():
            event = json.loads(line)
            if event.get("event") == "result":
                return event
        return None

    # --- what is done, whatever dies meanwhile --------------------------------------------------------

    def backup(self):
        answer = operator(self.rig, "backup", SOURCE, "--json", timeout=300)
        if answer.code == 0:
            seq = self.result(answer)["report"]["seq"]
            self.assertEqual(self.version, self.promised.setdefault(seq, self.version), answer)
            self.counts["backups"] += 1
        else:
            # The job may go on unseen. The tree changes only when nobody reads it any more.
            self.assertIn(answer.code, (1, 6, 7, 8, 10), answer)
            with self.chaos.lock:
                self.chaos.kill("agent")
                self.change()
                self.chaos.start_again("agent")
            return
        self.change()

    def listed(self):
        answer = operator(self.rig, "snapshots", SOURCE, "--json")
        if answer.code != 0:
            return None
        rows = json.loads(answer.stdout)
        return sorted(row["seq"] for row in (rows["snapshots"] if isinstance(rows, dict) else rows))

    def compare(self, seq, target):
        """A whole tree of one version; the one that was promised, if one was."""
        found = hashes(target)
        with open(os.path.join(target, "VERSION")) as f:
            version = int(f.read())
        self.assertEqual(self.trees[version], found, f"snapshot {seq} is no tree that was ever there")
        self.assertEqual(version, self.promised.get(seq, version), f"snapshot {seq} is of another time")

    def restore(self, seq, must=False):
        target = os.path.join(self.rig.restore_root, f"at-{seq}-{self.random.randrange(1 << 30)}")
        answer = operator(self.rig, "restore", f"{SOURCE}@{seq}", "--target", target, timeout=300)
        if answer.code == 0:
            self.compare(seq, target)
            self.counts["restores"] += 1
        else:
            self.assertFalse(must, answer)
            # Never damaged: nothing of it is wrong, it was only cut off, or is forgotten meanwhile.
            self.assertIn(answer.code, (1, 6, 7, 8) if seq not in self.going else (1, 5, 6, 7, 8), answer)
        shutil.rmtree(target, ignore_errors=True)

    def restore_one(self):
        seqs = self.listed()
        if seqs:
            self.restore(self.random.choice(seqs))

    def forget(self):
        seqs = [seq for seq in (self.listed() or [])[:-3] if seq not in self.going]
        if len(seqs) < 2:
            return
        chosen = self.random.sample(seqs, self.random.randrange(1, len(seqs)))
        self.going.update(chosen)
        answer = operator(self.rig, "forget", *[f"{SOURCE}@{seq}" for seq in chosen], "--yes")
        self.counts["forgets"] += answer.code == 0
        if self.random.random() < 0.5:
            answer = operator(self.rig, "undelete", f"{SOURCE}@{chosen[0]}")
            if answer.code == 0:
                self.going.discard(chosen[0])
                self.counts["undeletes"] += 1

    def collect(self):
        answer = operator(self.rig, "gc", "--json")
        self.assertIn(answer.code, (0, 1, 6, 7, 8), answer)
        self.counts["collections"] += answer.code == 0

    # --- what must hold -------------------------------------------------------------------------------

    def check_all(self):
        """With both daemons alive: everything promised is listed, everything listed is whole."""
        wait_for("the agent", lambda: self.rig.is_connected("agent"), seconds=120)
        seqs = self.listed()
        lost = [seq for seq in self.promised if seq not in seqs and seq not in self.going]
        self.assertEqual([], lost, f"LOST; listed are {seqs}")
        for seq in seqs:
            self.restore(seq, must=True)

    def test_killed_at_random(self):
        self.backup()
        self.chaos.start()
        end = time.monotonic() + SECONDS
        looked = time.monotonic()
        while time.monotonic() < end and self.chaos.error is None:
            what = self.random.choices([self.backup, self.restore_one, self.forget, self.collect],
                                       [4, 3, 2, 2])[0]
            what()
            if time.monotonic() - looked > 60:
                with self.chaos.lock:
                    self.check_all()
                looked = time.monotonic()
        self.chaos.over.set()
        self.chaos.join()
        if self.chaos.error is not None:
            raise self.chaos.error
        self.check_all()
        for _ in range(4):
            time.sleep(1.3)  # trash, then delay, are over
            self.rig.cli("gc")
        self.check_all()
        self.rig.cli("backup", SOURCE)
        print(f"soak: {SECONDS:g} s, kills {self.chaos.kills}, {self.counts}, "
              f"{len(self.listed())} snapshots listed", flush=True)
        # Else it would prove nothing.
        self.assertGreater(self.counts["backups"], 2)
        self.assertGreater(sum(self.chaos.kills.values()), SECONDS / 4)


if __name__ == "__main__":
    unittest.main()
