"""Data sets of PostgreSQL: pgbench's tables, and one table with wide rows that changes day by day."""

import random
import subprocess

from contestant import DAY_2, DAY_2_ROWS, FIRST, RESTORE, UNCHANGED, DataSet
from measure import Failed, quiet
from postgres_contestants import (BorgDump, Custom, DirectoryDump, HoldfastPostgres, PgBackRest,
                                  PgBaseBackup, PlainDump, PlainPostgres, ReadDump, ResticDump)
from servers import QuietPostgres
from texts import SEED, text_of


class PostgresSet(DataSet):
    """A database in a server of its own, made anew from a seed at every start."""

    database = "bench"
    tables = ()
    limits = {FIRST: "read", UNCHANGED: "read",
              DAY_2: "read", DAY_2_ROWS: "read",
              RESTORE: "pg_dump+zstd"}

    def open(self):
        self.home = self.context.directory("postgres")
        self.server = QuietPostgres(self.home)
        self.server.sql(f"CREATE DATABASE {self.database}")
        self.build()
        self.server.sql("VACUUM (FREEZE, ANALYZE)", self.database)
        self.server.sql("CHECKPOINT")
        self.size = int(self.server.sql("SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c "
                                        "WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace",
                                        self.database))
        self.state = self.checksums(self.server)

    def close(self):
        self.server.stop()

    def build(self):
        raise NotImplementedError

    def change(self, operation, seed):
        raise NotImplementedError

    def before(self, operation, pair):
        if operation in (DAY_2, DAY_2_ROWS):
            self.change(operation, SEED + 2 * pair + (operation == DAY_2_ROWS))
            self.server.sql("VACUUM ANALYZE", self.database)
            self.server.sql("CHECKPOINT")
            self.state = self.checksums(self.server)

    def checksums(self, server, database=None):
        """Rows, content and indexes: of the server that is backed up, or of a restored one."""
        database = database or self.database
        sums = [server.sql("SELECT count(*), sum(hashtextextended(t::text, 0)::numeric) "
                           f"FROM {table} t", database) for table in self.tables]
        return sums + [server.sql("SELECT count(*) FROM pg_indexes WHERE schemaname = 'public'",
                                  database)]

    def servers(self):
        return self.server.watched()

    def paths(self):
        return [f"{self.server.data}/base"]  # without the WAL

    def size_text(self):
        return f"{self.size / 2**20:,.0f} MiB with indexes"

    def everyone(self):
        return (HoldfastPostgres, PlainPostgres, Custom, DirectoryDump, ResticDump, BorgDump,
                PgBaseBackup, PgBackRest, PlainDump, ReadDump)


class PgBench(PostgresSet):
    name = "pgbench"
    operations = (FIRST, UNCHANGED, DAY_2, RESTORE)
    quick = ("holdfast", "pg_dump -Fd -j2", "pg_dump+restic", "pgbackrest", "read")
    tables = ("pgbench_accounts", "pgbench_branches", "pgbench_tellers", "pgbench_history")

    def build(self):
        quiet([self.server.tool("pgbench"), "-i", "-q", "-s", max(1, 100 // self.context.scale),
               *self.server.arguments(), self.database])

    def change(self, operation, seed):
        self.server.sql("UPDATE pgbench_accounts SET abalance = abalance + 1 "
                        f"WHERE abs(hashint8extended(aid, {seed})) % 100 = 0", self.database)

    def size_text(self):
        return f"scale {max(1, 100 // self.context.scale)}, {super().size_text()}"


class Wide(PostgresSet):
    """Day 2 changes a small column in 1 % of the rows; then 1 % of the rows get new text."""

    name = "wide"
    operations = (FIRST, UNCHANGED, DAY_2, DAY_2_ROWS, RESTORE)
    tables = ("wide",)
    quick = ("holdfast", "pg_dump -Fc", "pg_dump+borg", "pg_basebackup", "pg_dump+zstd")

    def build(self):
        self.rows = 3_000_000 // self.context.scale
        self.server.sql("CREATE TABLE wide(id bigint PRIMARY KEY, customer int NOT NULL, "
                        "state smallint NOT NULL, amount numeric(12,2), created timestamptz, "
                        "note text, doc jsonb)", self.database)
        rng = random.Random(SEED)
        text = text_of((60 << 20) // self.context.scale)
        loader = subprocess.Popen(
            ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *self.server.arguments(), "-d", self.database,
             "-c", "COPY wide FROM STDIN"], stdin=subprocess.PIPE, text=True)
        below, last = rng.randrange, len(text) - 1000
        for i in range(self.rows):
            at = below(last)
            loader.stdin.write(
                f"{i}\t{below(200_000)}\t{below(8)}\t{below(10_000_000) / 100}\t"
                f"2026-01-01 00:{i // 60 % 60:02}:{i % 60:02}+00\t{text[at:at + 150 + at % 150]}\t"
                f'{{"seen": {below(1 << 40)}, "tag": "{text[at + 500:at + 600]}"}}\n')
        loader.stdin.close()
        if loader.wait() != 0:
            raise Failed("psql did not load the rows")
        self.server.sql("CREATE INDEX ON wide(customer); CREATE INDEX ON wide(created)", self.database)

    def change(self, operation, seed):
        what = ("state = (state + 1) % 8" if operation == DAY_2 else
                "customer = customer + 1, amount = amount + 1, note = reverse(note), "
                "doc = jsonb_build_object('seen', id * 7919, 'tag', reverse(doc->>'tag'))")
        self.server.sql(f"UPDATE wide SET {what} WHERE abs(hashint8extended(id, {seed})) % 100 = 0",
                        self.database)

    def size_text(self):
        return f"{self.rows:,} rows, {super().size_text()}"
