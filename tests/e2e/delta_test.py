"""The next day costs little: changed data is stored as deltas of the day before.

Proves: after 1 % scattered updates of a table and of a file, less than 4 % of the first backup is stored
again; every day restores and compares equal, also from a copy of the store with the kit alone; a base
that is lost is named, and what depends on it with it, until the next backup heals it; off means off.
"""

import os
import random
import shutil
import unittest

from answers import operator, recover
from damage_faults_test import Store, flip, read, remove_parity
from rig import Postgres, Rig, compare_trees

ROWS = 200_000
FILE_ROWS = 800_000  # 64 MB
SUM = "SELECT count(*), sum(hashtextextended(t::text, 0)::numeric) FROM orders t"


def row(rng):
    return f"{rng.randrange(10**12):012d};{rng.randbytes(20).hex()};a text of every row;pad\n".encode()


class Delta(unittest.TestCase):
    def setUp(self):
        self.rig = Rig("delta")
        self.addCleanup(self.rig.__exit__, None, None, None)
        self.rng = random.Random(20261125)

    def write_file(self):
        os.makedirs(self.files, exist_ok=True)
        with open(f"{self.files}/ledger", "wb") as f:
            f.write(b"".join(self.rows))

    def change_file(self):
        for at in self.rng.sample(range(len(self.rows)), len(self.rows) // 100):
            self.rows[at] = row(self.rng)
        self.write_file()

    def keep(self, day):
        shutil.copytree(self.files, self.rig.path(f"kept-{day}"), copy_function=shutil.copy2)

    def deltas(self):
        """Chunk id to base ids of every delta in the store."""
        found = {}
        for path, at, _, _, chunk in Store(self.rig.data).objects():
            content = read(path)
            count = content[at + 72]
            if count:
                found[chunk] = [content[at + 73 + 32 * i:at + 105 + 32 * i] for i in range(count)]
        return found

    def stored(self, source):
        return self.rig.snapshots(source)[0]["stored_bytes"]

    def test_table_and_file(self):
        rig = self.rig
        self.files = rig.path("files")
        self.rows = [row(self.rng) for _ in range(FILE_ROWS)]
        self.write_file()
        postgres = Postgres(rig.directory)
        rig.daemons.append(postgres)
        postgres.sql("CREATE DATABASE pos")
        postgres.sql(f"""
            CREATE TABLE orders(id int PRIMARY KEY, customer int, code text, note text, total numeric(12,2))
              WITH (fillfactor = 80);
            INSERT INTO orders SELECT i, i % 9973, md5(i::text) || md5((i * 7)::text),
              'delivered to the front door, order ' || i, i * 1.07 FROM generate_series(1, {ROWS}) i;
            VACUUM ANALYZE orders;""", "pos")
        rig.setup([{"name": "uploads", "kind": "files", "root": self.files},
                   {"name": "db", "kind": "postgres", "host": "127.0.0.1", "port": postgres.port,
                    "database": "pos", "user": "postgres"}])
        sums, first = {}, {}
        for day in (1, 2, 3):
            if day > 1:
                self.change_file()
                postgres.sql(f"UPDATE orders SET code = md5(random()::text), total = total + 1 "
                             f"WHERE hashint4(id + {day} * 1000003) % 100 = 0", "pos")
            self.keep(day)
            sums[day] = postgres.sql(SUM, "pos")
            rig.cli("backup")
            for source in ("uploads", "db"):
                stored = self.stored(source)
                first.setdefault(source, stored)
                print(f"day {day} {source}: {stored} bytes stored, "
                      f"{100 * stored / first[source]:.2f} % of the first")
                if day > 1:
                    self.assertLess(stored, 0.04 * (day - 1) * first[source], f"day {day} {source}")
        self.assertGreater(len(self.deltas()), 50)
        for name in ("agent", "controller"):
            daemon = rig.agents[name] if name == "agent" else rig.controller
            self.assertLess(daemon.peak_memory_bytes(), 256 << 20, name)
        rig.cli("verify", "uploads")
        rig.cli("verify", "db")
        for day in (1, 2, 3):
            target = rig.path("restore", f"day-{day}")
            rig.cli("restore", f"uploads@{day}", "--target", target)
            compare_trees(rig.path(f"kept-{day}"), target)
            rig.cli("restore", f"db@{day}", "--database", f"pos_{day}")
            self.assertEqual(sums[day], postgres.sql(SUM, f"pos_{day}"))
        self.assertEqual(read(f"{rig.path('kept-2')}/ledger"),
                         rig.cli("cat", "uploads@2", "ledger", text=False).stdout)
        self.recovery(postgres, sums)

    def recovery(self, postgres, sums):
        rig = self.rig
        rig.agents["agent"].stop()
        rig.controller.stop()
        copy = rig.path("copy")
        shutil.copytree(rig.data, copy)
        shutil.rmtree(os.path.join(copy, "catalog"))
        os.rename(rig.data, rig.data + ".gone")
        for day in (2, 3):
            rig.recover("--store", copy, "--source", "uploads", "--seq", str(day), "--target",
                        rig.path(f"recovered-{day}"))
            compare_trees(rig.path(f"kept-{day}"), rig.path(f"recovered-{day}"))
            rig.recover("--store", copy, "--source", "db", "--seq", str(day), "--database",
                        f"recovered_{day}", "--postgres-host", "127.0.0.1", "--postgres-port",
                        str(postgres.port))
            self.assertEqual(sums[day], postgres.sql(SUM, f"recovered_{day}"))

    def two_days_of_a_file(self, **options):
        self.files = self.rig.path("files")
        self.rows = [row(self.rng) for _ in range(100_000)]
        self.write_file()
        self.rig.setup([{"name": "uploads", "kind": "files", "root": self.files, **options}])
        self.keep(1)
        self.rig.cli("backup")
        self.change_file()
        self.keep(2)
        self.rig.cli("backup")

    def test_off(self):
        self.two_days_of_a_file(delta={"enabled": False})
        self.assertEqual({}, self.deltas())
        self.assertGreater(self.stored("uploads"), 1 << 20)

    def test_without_cache_bases_are_fetched(self):
        self.two_days_of_a_file(delta={"cache": "0"})
        self.assertTrue(self.deltas())
        self.rig.cli("restore", "uploads@2", "--target", self.rig.path("restore", "all"))
        compare_trees(self.rig.path("kept-2"), self.rig.path("restore", "all"))

    def test_a_lost_base_is_named_and_healed(self):
        rig = self.rig
        self.two_days_of_a_file()
        remove_parity(rig.data)
        deltas = self.deltas()
        base = sorted(bases[0] for bases in deltas.values())[0]
        path, at, length = next(o[:3] for o in Store(rig.data).objects() if o[4] == base)
        flip(path, at + length - 20)
        answer = operator(rig, "verify", "uploads@2")
        answer.must_be(5)
        answer = operator(rig, "restore", "uploads@2", "--target", rig.path("restore", "bad"))
        answer.must_be(5, "ledger", base.hex())
        # From a copy, where the controller does not look first.
        copy = rig.path("copy")
        shutil.copytree(rig.data, copy)
        answer = recover(rig, "--store", copy, "--source", "uploads", "--seq", "2", "--target",
                         rig.path("recovered"))
        answer.must_be(5, "ledger", base.hex())
        rig.cli("backup")
        rig.cli("verify", "uploads@3")
        rig.cli("restore", "uploads@3", "--target", rig.path("restore", "healed"))
        compare_trees(rig.path("kept-2"), rig.path("restore", "healed"))
        rig.cli("restore", "uploads@2", "--target", rig.path("restore", "healed-2"))
        compare_trees(rig.path("kept-2"), rig.path("restore", "healed-2"))


if __name__ == "__main__":
    unittest.main()
