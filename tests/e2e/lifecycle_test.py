"""The main job: back up files, PostgreSQL and Redis; lose everything; get it all back.

Also: nothing readable in the controller's directory, recovery from a copy of it with the kit alone,
and a second backup of unchanged data that stores next to nothing.
"""

import contextlib
import io
import json
import os
import random
import shutil
import subprocess
import tarfile
import unittest

from rig import Postgres, Redis, Rig, compare_trees

SECRET = "zanzibar-marmalade-7391"
SECRET_IN_NAME = "quixotic-filename-5510"
SECRET_TABLE = "plutonium_ledger"
SECRET_KEY = "flamingo:key:8842"

SQL = f"""
CREATE TYPE state AS ENUM ('open', 'paid', 'void');
CREATE TABLE {SECRET_TABLE}(id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, s state NOT NULL,
  tags text[], doc jsonb, total numeric(12,2), twice numeric GENERATED ALWAYS AS (total * 2) STORED);
INSERT INTO {SECRET_TABLE}(s, tags, doc, total)
  SELECT (ARRAY['open','paid','void']::state[])[1 + i % 3], ARRAY['a' || i, NULL, '{SECRET}'],
         jsonb_build_object('n', i, 's', repeat('x', i % 50)), i / 7.0 FROM generate_series(1, 50000) i;
CREATE TABLE child(id int PRIMARY KEY, parent bigint REFERENCES {SECRET_TABLE});
INSERT INTO child SELECT i, i FROM generate_series(1, 1000) i;
CREATE TABLE part(k state, v int) PARTITION BY HASH (k);
CREATE TABLE part_0 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE part_1 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO part SELECT (ARRAY['open','paid','void']::state[])[1 + i % 3], i FROM generate_series(1, 999) i;
CREATE MATERIALIZED VIEW sums AS SELECT s, sum(total) FROM {SECRET_TABLE} GROUP BY s;
SELECT lo_from_bytea(0, convert_to('{SECRET} in a large object', 'UTF8'));
"""
SUMS = (f"SELECT count(*), sum(hashtextextended(t::text, 0)::numeric) FROM {SECRET_TABLE} t",
        "SELECT count(*), sum(hashtextextended(t::text, 0)::numeric) FROM child t",
        "SELECT count(*), sum(hashtextextended(t::text, 0)::numeric) FROM part t",
        "SELECT count(*), sum(hashtextextended(t::text, 0)::numeric) FROM sums t",
        "SELECT string_agg(encode(lo_get(oid), 'hex'), ',' ORDER BY oid) FROM pg_largeobject_metadata")


def make_files(root):
    rng = random.Random(20261124)
    os.makedirs(f"{root}/sub/deep")
    for i in range(300):
        with open(f"{root}/sub/file-{i}", "wb") as f:
            f.write(rng.randbytes(rng.randrange(1, 60000)))
    with open(f"{root}/sub/{SECRET_IN_NAME}", "w") as f:
        f.write(SECRET * 1000)
    with open(f"{root}/big", "wb") as f:
        for _ in range(12):
            f.write(rng.randbytes(1 << 20))
    with open(os.fsencode(root) + b"/sub/\xff\xfe\n\x1b name", "wb") as f:
        f.write(b"bytes")
    os.link(f"{root}/big", f"{root}/sub/hard")
    os.symlink("../nowhere", f"{root}/sub/deep/link")
    os.mkfifo(f"{root}/sub/fifo")
    with open(f"{root}/sparse", "wb") as f:
        f.seek(5 << 20)
        f.write(b"after a hole")
        f.truncate(9 << 20)
    os.utime(f"{root}/big", ns=(1_600_000_000_123_456_789, 1_600_000_000_987_654_321))


def fill_redis(redis):
    lines = [f"SET {SECRET_KEY} {SECRET}", "SELECT 3"]
    for i in range(5000):
        lines += [f"SET k{i} {i}", f"HSET h{i % 50} f{i} v{i}", f"ZADD z{i % 20} {i} m{i}",
                  f"SADD s{i % 20} {i}", f"RPUSH l{i % 20} {i}"]
    lines += ["XADD stream * a 1", "XGROUP CREATE stream g 0", "SET ttl x EX 86400", "PFADD hll a b c"]
    redis.cli(stdin="\n".join(lines))
    redis.cli("-x", "FUNCTION", "LOAD",
              stdin="#!lua name=lib\nredis.register_function('f', function() return 1 end)")


class Lifecycle(unittest.TestCase):
    def test_everything_comes_back(self):
        with Rig("life", tapped=("controller", "agent")) as rig:
            postgres, redis = Postgres(rig.directory), Redis(rig.directory)
            rig.daemons += [postgres, redis]
            files = rig.path("files")
            make_files(files)
            postgres.sql("CREATE DATABASE pos")
            postgres.sql(SQL, "pos")
            fill_redis(redis)
            rig.setup([
                {"name": "uploads", "kind": "files", "root": files},
                {"name": "db", "kind": "postgres", "host": "127.0.0.1", "port": postgres.port,
                 "database": "pos", "user": "postgres"},
                {"name": "cache", "kind": "redis", "host": "127.0.0.1", "port": redis.port}])
            before = {"sums": [postgres.sql(q, "pos") for q in SUMS], "schema": postgres.schema("pos"),
                      "digest": redis.digest()}

            rig.cli("backup")
            self.second_backup_stores_nothing(rig)
            self.reading_in_the_cli(rig, files)
            self.export_is_classic(rig)
            rig.cli("verify", "db")
            rig.cli("verify", "uploads", "--sample-percent", "50")
            self.nothing_readable(rig)

            subprocess.run(["cp", "-a", files, rig.path("kept")], check=True)
            shutil.rmtree(files)
            postgres.sql("DROP DATABASE pos")
            redis.cli("FLUSHALL")
            redis.cli("FUNCTION", "FLUSH")

            rig.cli("restore", "uploads", "--target", rig.path("restore", "uploads"))
            compare_trees(rig.path("kept"), rig.path("restore", "uploads"))
            rig.cli("restore", "db@latest", "--database", "pos")
            self.check_database(postgres, "pos", before)
            rig.cli("restore", "cache", "--into-server")
            self.assertEqual(before["digest"], redis.digest())
            self.single_things(rig, postgres)
            self.nothing_readable_crosses(rig)

            self.recovery_from_a_copy(rig, postgres, before)
            self.recovery_from_a_living_controller(rig)
            self.assertEqual(0, rig.agents["agent"].stop())
            self.assertEqual(0, rig.controller.stop())

    def check_database(self, postgres, database, before):
        self.assertEqual(before["sums"], [postgres.sql(q, database) for q in SUMS])
        self.assertEqual(before["schema"], postgres.schema(database))

    def second_backup_stores_nothing(self, rig):
        rig.cli("backup")
        for source in ("uploads", "db", "cache"):
            newest, first = rig.snapshots(source)[:2]
            self.assertEqual((2, 1), (newest["seq"], first["seq"]))
            # The RDB has its time and memory in it, and JSON facts; everything else is known.
            limit = 0.01 * first["stored_bytes"] if source != "cache" else first["stored_bytes"] * 1.1
            self.assertLess(newest["stored_bytes"], max(limit, 20_000), source)

    def reading_in_the_cli(self, rig, files):
        names = rig.cli("ls", "uploads", "sub").stdout
        self.assertIn(SECRET_IN_NAME, names)
        content = rig.cli("cat", "uploads@1", "big", text=False).stdout
        with open(f"{files}/big", "rb") as f:
            self.assertEqual(f.read(), content)
        self.assertIn(SECRET_IN_NAME, rig.cli("find", "uploads", "**/quixotic*").stdout)
        self.assertIn("CREATE TABLE", rig.cli("cat", "db", "pre-data.sql").stdout)
        self.assertNotIn("big", rig.cli("diff", "uploads@1", "uploads@2").stdout)
        status = json.loads(rig.cli("status", "--json").stdout)
        self.assertEqual({"uploads", "db", "cache"}, {s["name"] for s in status["sources"]})

    def export_is_classic(self, rig):
        rig.cli("export", "--output", rig.path("all.tar"))
        with tarfile.open(rig.path("all.tar")) as archive:
            members = {m.name.removeprefix("./"): m for m in archive.getmembers()}
            self.assertTrue({"database.sql", "redis.rdb", "uploads.tar.gz"} <= set(members), members)
            sql = archive.extractfile(members["database.sql"]).read()
            self.assertIn(SECRET.encode(), sql)
            inner = tarfile.open(fileobj=io.BytesIO(archive.extractfile(members["uploads.tar.gz"]).read()))
            self.assertTrue(any(SECRET_IN_NAME in n for n in inner.getnames()))

    def needles(self, rig):
        """What the controller must never hold: planted strings, private keys as text and as bytes."""
        needles = [needle.encode() for needle in (SECRET, SECRET_IN_NAME, SECRET_TABLE, SECRET_KEY)]
        with open(rig.kit, "rb") as f:
            needles += [line.strip() for line in f if line.strip().startswith(b"hf-")]
        with open(rig.path("agent", "tls.key"), "rb") as f:
            needles += [line.strip() for line in f if not line.startswith(b"-----")]
        return needles + self.agent_keys(rig)

    def agent_keys(self, rig):
        """Signing seed, X25519 secret, id key and chunker key: before the sum that ends agent_state.h's `identity`."""
        with open(rig.path("agent", "identity"), "rb") as f:
            identity = f.read()
        rest, keys = identity[:-32], []
        for skip in (0, 0, 16, 0):  # the domain's id stands between the pairs
            rest = rest[:len(rest) - skip]
            self.assertEqual((32).to_bytes(4, "little"), rest[-36:-32])
            keys.append(rest[-32:])
            rest = rest[:-36]
        self.assertEqual(4, len(set(keys)))
        return keys

    def nothing_readable(self, rig):
        needles = self.needles(rig)
        self.assertGreater(self.search(rig.data, needles), 10 << 20)
        self.assertNotIn(SECRET, rig.controller.text())
        self.assertNotIn(SECRET_TABLE, rig.controller.text())

    def search(self, root, needles):
        """Fails on the first needle in any file or file name below root; the bytes that were searched."""
        searched = 0
        for directory, _, names in os.walk(root):
            for name in names:
                with open(os.path.join(directory, name), "rb") as f:
                    content = f.read() + os.fsencode(name)
                searched += len(content)
                for needle in needles:
                    self.assertFalse(needle in content, f"{needle} in {directory}/{name}")
        return searched

    def nothing_readable_crosses(self, rig):
        """Searches all that passed the controller's sockets, TLS opened, and its memory; the same
        search of the agent finds what was planted, so it would here."""
        needles = self.needles(rig)
        self.assertGreater(self.search(rig.tap("controller"), needles), 30 << 20)
        self.assertRaises(AssertionError, self.search, rig.tap("agent"), [SECRET.encode()])
        self.assertRaises(AssertionError, self.search, rig.tap("controller"), [b"uploads"])
        if os.geteuid() != 0:  # then nobody but root may look: that is what the daemons ask for
            self.assertRaises(PermissionError, list, rig.controller.memory())
            return
        for mapping, content in rig.controller.memory():
            for needle in needles:
                self.assertFalse(needle in content, f"{needle} in the controller's memory, {mapping}")
        self.assertTrue(any(self.agent_keys(rig)[0] in content
                            for _, content in rig.agents["agent"].memory()))

    def single_things(self, rig, postgres):
        rig.cli("restore", "uploads@1", "--target", rig.path("restore", "one"), "--path", "sub/file-7")
        with open(rig.path("restore", "one", "sub/file-7"), "rb") as a, \
                open(rig.path("kept", "sub/file-7"), "rb") as b:
            self.assertEqual(a.read(), b.read())
        self.assertEqual(["file-7"], os.listdir(rig.path("restore", "one", "sub")))
        rig.cli("restore", "db", "--database", "pos", "--table", "public.child",
                "--into-table", "public.child_again")
        self.assertEqual("1000", postgres.sql("SELECT count(*) FROM child_again", "pos"))
        rig.cli("restore", "db", "--sql", rig.path("restore", "db.sql"))
        postgres.sql("CREATE DATABASE from_sql")
        subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p",
                        str(postgres.port), "-U", "postgres", "-d", "from_sql", "-f",
                        rig.path("restore", "db.sql")], check=True, stdout=subprocess.DEVNULL)
        self.assertEqual(postgres.sql(SUMS[0], "pos"), postgres.sql(SUMS[0], "from_sql"))

    def recovery_from_a_copy(self, rig, postgres, before):
        rig.agents["agent"].stop()
        rig.controller.stop()
        copy = rig.path("copy")
        shutil.copytree(rig.data, copy)
        shutil.rmtree(os.path.join(copy, "catalog"))  # a cache of the store
        os.rename(rig.data, rig.data + ".gone")
        listing = rig.recover("--store", copy, "--list").stdout
        for source in ("uploads", "db", "cache"):
            self.assertIn(source, listing)
        rig.recover("--store", copy, "--source", "uploads", "--target", rig.path("recovered"))
        compare_trees(rig.path("kept"), rig.path("recovered"))
        rig.recover("--store", copy, "--source", "db", "--database", "pos_recovered",
                    "--postgres-host", "127.0.0.1", "--postgres-port", str(postgres.port))
        self.check_database(postgres, "pos_recovered", before)
        with contextlib.closing(Redis(rig.directory, "fresh")) as fresh:
            rig.recover("--store", copy, "--source", "cache", "--into-server",
                        "--redis-port", str(fresh.port))
            self.assertEqual(before["digest"], fresh.digest())
        os.rename(rig.data + ".gone", rig.data)

    def recovery_from_a_living_controller(self, rig):
        rig.start_controller()
        rig.start_agent("agent")
        rig.recover("--controller", f"127.0.0.1:{rig.enrollment_port}", "--source", "uploads",
                    "--target", rig.path("recovered-live"))
        compare_trees(rig.path("kept"), rig.path("recovered-live"))


if __name__ == "__main__":
    unittest.main()
