"""Fault row 45: one flipped bit in every kind of file that controller and agent keep.

Proves: a restore gives the right bytes or an error, never wrong bytes. A pack is repaired from its parity,
by the read or by the scrub, and has its name again. A damaged document of the store, a damaged page of the
catalog and a damaged state of the agent are found, named, or of no consequence; the next backup is sound.
"""

import hashlib
import os
import shutil
import time
import unittest

from answers import operator, write_random
from damage_faults_test import CONTENT, Store, flip, read, write
from rig import Rig, compare_trees


class FlippedBits(unittest.TestCase):
    def setUp(self):
        self.rig = Rig("flips")
        self.addCleanup(self.rig.__exit__, None, None, None)
        self.files = self.rig.path("files")
        write_random(f"{self.files}/large", 3 << 20, 1)
        for i in range(20):
            write_random(f"{self.files}/small-{i}", 2000, 100 + i)
        self.rig.setup([{"name": "uploads", "kind": "files", "root": self.files}])
        self.rig.cli("backup")
        self.count = 0

    def restore(self):
        self.count += 1
        target = self.rig.path("restore", str(self.count))
        answer = operator(self.rig, "restore", "uploads", "--target", target)
        if answer.code == 0:
            compare_trees(self.files, target)
        else:
            for directory, _, names in os.walk(target):
                for name in names:
                    path = os.path.join(directory, name)
                    self.assertEqual(read(os.path.join(self.files, os.path.relpath(path, target))), read(path))
        shutil.rmtree(target, ignore_errors=True)
        return answer

    def restores(self):
        answer = self.restore()
        self.assertEqual(0, answer.code, answer)

    def restart(self):
        self.rig.agents["agent"].stop()
        self.rig.controller.stop()
        self.rig.start_controller()
        self.rig.start_agent("agent")

    def test_a_pack(self):
        rig = self.rig
        path, offset, length = next(o[:3] for o in Store(rig.data).objects() if o[3] == CONTENT)
        whole = read(path)
        places = {"pack header": 3, "magic": offset, "version": offset + 4, "codec": offset + 6,
                  "type": offset + 7, "domain": offset + 10, "key": offset + 30, "id": offset + 50,
                  "base count": offset + 72, "plain length": offset + 73, "sealed length": offset + 78,
                  "salt": offset + 85, "commitment": offset + 110, "sealed bytes": offset + length // 2,
                  "tag": offset + length - 3, "footer": len(whole) - 60, "footer length": len(whole) - 11,
                  "end": len(whole) - 2}
        for name, place in places.items():
            with self.subTest(region=name):
                flip(path, place)
                if name == "pack header":  # of no use to a read
                    self.assertIn("repaired from parity: 1 packs", rig.cli("scrub", "--all").stdout)
                self.restores()
                if read(path) != whole:  # its index was known already
                    self.assertIn("repaired from parity: 1 packs", rig.cli("scrub", "--all").stdout)
                self.assertEqual(os.path.basename(path), hashlib.sha256(read(path)).hexdigest() + ".pack")
        self.assertIn("repaired pack", rig.controller.text())
        rig.cli("scrub", "--all")

    def test_parity(self):
        rig = self.rig
        parity = Store(rig.data).files("packs", ".parity")[0]
        whole = read(parity)
        for place in (2, 20, 44, 50, 54, 70, len(whole) // 2, len(whole) - 1):
            with self.subTest(place=place):
                flip(parity, place)
                self.restores()
                self.assertIn("parity made: 1 packs", rig.cli("scrub", "--all").stdout)
                self.assertEqual(whole, read(parity))

    def test_more_than_parity_repairs(self):
        """Marked, named with the snapshot, shown by status, stored again by the next backup."""
        rig = self.rig
        path, offset, length = max((o[:3] for o in Store(rig.data).objects() if o[3] == CONTENT),
                                   key=lambda o: o[2])
        content = bytearray(read(path))
        for at in range(offset + 200, offset + length - 200, 997):
            content[at] ^= 1
        write(path, bytes(content))
        answer = operator(rig, "scrub", "--all")
        answer.must_be(5, "damaged beyond repair")
        self.assertIn("uploads@1", answer.stdout)
        self.assertIn("1 snapshots of source 'uploads'", rig.cli("status").stdout)
        self.assertEqual(5, self.restore().code)
        os.utime(f"{self.files}/large")
        rig.cli("backup")
        self.restores()
        self.assertNotIn("lost or damaged", rig.cli("status").stdout)
        rig.cli("restore", "uploads@1", "--target", rig.path("restore", "first"))
        self.assertEqual(read(f"{self.files}/large"), read(rig.path("restore", "first", "large")))

    def test_documents(self):
        store = Store(self.rig.data)
        documents = {name: store.files(folder, name)[0] for folder, name in (
            ("records", ".record"), ("records", ".refs"), ("records", ".commit"), ("envelopes", ".envelope"),
            ("domains", ".identity"), ("domains", ".secrets"), ("trust", f"recipients.{1:020}"))}
        for name, path in documents.items():
            whole = read(path)
            codes = set()
            for place in range(1, len(whole), max(len(whole) // 4, 1)):
                with self.subTest(name=name, place=place):
                    write(path, whole)
                    flip(path, place)
                    answer = self.restore()
                    codes.add(answer.code)
                    self.assertIn(answer.code, (0, 5, 6, 12), answer)
            write(path, whole)
            if name in (".record", ".identity"):
                self.assertNotIn(0, codes, f"{name}: a flip had no consequence")
            self.restores()

    def test_pages_of_the_catalog(self):
        rig = self.rig
        rig.agents["agent"].stop()
        rig.controller.stop()
        catalog = os.path.join(rig.data, "catalog", "catalog.db")
        whole = read(catalog)
        refused = 0
        for page in range(0, len(whole), 4096):
            if not any(whole[page:page + 4096]):
                continue
            damaged = bytearray(whole)
            damaged[page + (100 if page == 0 else 0) + 5] ^= 0x40  # the header of its tree
            damaged[page + 4000] ^= 0x10                            # a cell
            write(catalog, bytes(damaged))
            rig.start_controller(wait=False)
            while rig.controller.alive() and not os.path.exists(rig.socket):
                time.sleep(0.01)
            if not rig.controller.alive() or rig.controller.process.poll() is not None:
                refused += 1
                self.assertIn("rebuild-catalog", rig.controller.text())
            else:
                rig.start_agent("agent", wait=False)
                answer = self.restore()
                self.assertTrue(answer.code == 0 or "HF-" in answer.stderr, answer)
                rig.agents["agent"].stop()
                rig.controller.stop()
            os.path.exists(rig.socket) and os.unlink(rig.socket)
            for ending in ("-wal", "-shm"):
                os.path.exists(catalog + ending) and os.unlink(catalog + ending)
        self.assertGreater(refused, 5)
        write(catalog, whole)
        rig.start_controller()
        rig.start_agent("agent")
        self.restores()

    def test_state_of_the_agent(self):
        rig = self.rig
        for directory, _, names in sorted(os.walk(rig.path("agent"))):
            for name in sorted(names):
                path = os.path.join(directory, name)
                if name == "lock" or os.path.getsize(path) == 0:
                    continue
                with self.subTest(file=os.path.relpath(path, rig.path("agent"))):
                    rig.agents["agent"].stop()
                    whole = read(path)
                    flip(path, len(whole) // 2)
                    self.grow()
                    rig.start_agent("agent", wait=False)
                    deadline = 100
                    while deadline and rig.agents["agent"].alive() and not rig.is_connected("agent"):
                        deadline -= 1
                    if not rig.is_connected("agent"):
                        # Its keys or certificates: refused, and named.
                        self.assertIn("HF-", rig.agents["agent"].text())
                        rig.agents["agent"].stop()
                        write(path, whole)
                        rig.start_agent("agent")
                    operator(rig, "backup")
                    newest = rig.snapshots("uploads")[0]["seq"]
                    rig.cli("backup")
                    self.assertGreater(rig.snapshots("uploads")[0]["seq"], newest)
                    self.restores()

    def grow(self):
        with open(f"{self.files}/small-0", "ab") as f:
            f.write(b"more\n")


if __name__ == "__main__":
    unittest.main()
