"""Who backs up PostgreSQL: logical (dumps) and physical (files of the cluster)."""

import os
import pwd

from contestant import (DAY_2, DAY_2_ROWS, FIRST, RESTORE, UNCHANGED, Contestant)
from installation import Holdfast, WithoutDeltas
from measure import Failed, Stage, as_user, quiet, remove_tree, tree_bytes
from servers import RestoredCluster
from stream_peers import PASSWORD, BorgStream, ResticStream

RESTORED = "bench_restored"
BACKUPS = (FIRST, UNCHANGED, DAY_2, DAY_2_ROWS)


def compare_sums(name, expected, actual):
    if expected != actual:
        raise Failed(f"{name}: rows or checksums differ: expected {expected}, found {actual}")


class LogicalContestant:
    """Restores into a new database of the same server."""

    operations = (*BACKUPS, RESTORE)

    @property
    def server(self):
        return self.data_set.server

    def check(self, operation):
        if operation == RESTORE:
            compare_sums(self.name, self.data_set.state,
                         self.data_set.checksums(self.server, RESTORED))

    def clean(self, operation):
        if operation == RESTORE:
            self.server.sql(f"DROP DATABASE IF EXISTS {RESTORED} WITH (FORCE)")
            self.server.sql("CHECKPOINT")

    def create_database(self, meter):
        meter.run(Stage("createdb", [self.server.tool("createdb"), *self.server.arguments(), "-T",
                                     "template0", RESTORED]))

    def dump(self, *options):
        return Stage("pg_dump", [self.server.tool("pg_dump"), *self.server.arguments(), *options,
                                 self.data_set.database])

    def load(self):
        return Stage("psql", ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *self.server.arguments(),
                              "-d", RESTORED])


class HoldfastPostgres(LogicalContestant, Holdfast):
    def sources(self):
        return [{"name": self.source, "kind": "postgres", "host": "127.0.0.1", "user": "postgres",
                 "port": self.server.port, "database": self.data_set.database, **self.delta}]

    def restore_arguments(self):
        return ["--database", RESTORED]


class PlainPostgres(WithoutDeltas, HoldfastPostgres):
    pass


class DumpFile(LogicalContestant, Contestant):
    """pg_dump into files that replace the last ones; restored by pg_restore with two jobs."""

    options = ()
    full = True

    def prepare(self, operation):
        super().prepare(operation)
        if operation != RESTORE and os.path.exists(self.repository()):
            os.rename(self.repository(), self.repository() + ".old")

    def perform(self, operation, meter):
        if operation == RESTORE:
            self.create_database(meter)
            meter.run(Stage("pg_restore", [self.server.tool("pg_restore"), "-j2",
                                           *self.server.arguments(), "-d", RESTORED,
                                           self.repository()]))
        else:
            meter.run(self.dump(*self.options, "-f", self.repository()))

    def clean(self, operation):
        super().clean(operation)
        old = self.repository() + ".old"
        if os.path.isdir(old):
            remove_tree(old)
        elif os.path.exists(old):
            os.unlink(old)

    def stored_bytes(self):
        path = self.repository()
        if os.path.isdir(path):
            return tree_bytes(path)
        return os.path.getsize(path) if os.path.exists(path) else 0


class Custom(DumpFile):
    name = "pg_dump -Fc"
    options = ("-Fc",)


class DirectoryDump(DumpFile):
    name = "pg_dump -Fd -j2"
    options = ("-Fd", "-j2")


class PlainDump(LogicalContestant, Contestant):
    name = "pg_dump+zstd"
    role = "limit"
    full = True

    def perform(self, operation, meter):
        if operation == RESTORE:
            self.create_database(meter)
            meter.run(Stage("zstd", ["zstd", "-q", "-d", "-c", self.repository()]), self.load())
        else:
            meter.run(self.dump("-Fp"), Stage("zstd", ["zstd", "-q", "-1", "-T2", "-c"]),
                      stdout=self.repository())

    def stored_bytes(self):
        return os.path.getsize(self.repository()) if os.path.exists(self.repository()) else 0


class ReadDump(LogicalContestant, Contestant):
    """Reads every row through the server and writes nothing."""

    name = "read"
    role = "limit"
    operations = BACKUPS

    def perform(self, operation, meter):
        meter.run(self.dump("-Fp"), stdout=os.devnull)

    def stored_bytes(self):
        return 0


class ResticDump(LogicalContestant, ResticStream):
    name = "pg_dump+restic"

    def producer(self):
        return self.dump("-Fp")

    def consume(self, stage, meter):
        self.create_database(meter)
        meter.run(stage, self.load(), env=self.environment)


class BorgDump(LogicalContestant, BorgStream):
    name = "pg_dump+borg"

    def producer(self):
        return self.dump("-Fp")

    def consume(self, stage, meter):
        self.create_database(meter)
        meter.run(stage, self.load(), env=self.environment)


class PhysicalContestant(Contestant):
    """Restores a data directory; the server on it is started outside of the measured time."""

    operations = (*BACKUPS, RESTORE)
    cluster = None

    def begin(self):
        super().begin()
        self._give(self.home)

    def _give(self, path):
        if os.geteuid() == 0:
            entry = pwd.getpwnam("postgres")
            os.chown(path, entry.pw_uid, entry.pw_gid)

    def prepare(self, operation):
        super().prepare(operation)
        self.data_set.server.sql("CHECKPOINT")
        if operation == RESTORE:
            self.target = os.path.join(self.home, "restored")
            os.makedirs(self.target, mode=0o700)
            self._give(self.target)

    def check(self, operation):
        if operation != RESTORE:
            return
        cluster = RestoredCluster(self.data_set.server, self.target,
                                  os.path.join(self.home, "restored.log"))
        try:
            compare_sums(self.name, self.data_set.state, self.data_set.checksums(cluster))
        finally:
            cluster.stop()

    def clean(self, operation):
        if operation == RESTORE:
            remove_tree(self.target)


class PgBaseBackup(PhysicalContestant):
    """The whole cluster with the WAL it needs, zstd on the client."""

    name = "pg_basebackup"
    full = True

    def prepare(self, operation):
        super().prepare(operation)
        if operation != RESTORE:
            remove_tree(self.repository())

    def perform(self, operation, meter):
        if operation == RESTORE:
            meter.run(Stage("zstd", ["zstd", "-q", "-d", "-c", f"{self.repository()}/base.tar.zst"]),
                      Stage("tar", ["tar", "-x", "-p", "-C", self.target, "-f", "-"]))
        else:
            server = self.data_set.server
            meter.run(Stage("pg_basebackup", [
                server.tool("pg_basebackup"), *server.arguments(), "-D", self.repository(), "-Ft", "-X",
                "fetch", "-c", "fast", "--compress=client-zstd:level=1,workers=2"]))


class PgBackRest(PhysicalContestant):
    """Encrypted and compressed; full, then incremental by its default (whole changed files)."""

    name = "pgbackrest"

    def begin(self):
        super().begin()
        server = self.data_set.server
        self.config = os.path.join(self.home, "pgbackrest.conf")
        with open(self.config, "w") as f:
            f.write(f"[global]\nrepo1-path={self.repository()}\nrepo1-cipher-type=aes-256-cbc\n"
                    f"repo1-cipher-pass={PASSWORD.replace(' ', '-')}\ncompress-type=zst\n"
                    f"compress-level=1\nprocess-max=2\nstart-fast=y\nrepo1-retention-full=99\n"
                    f"log-level-file=off\nlog-level-console=warn\nlock-path={self.home}/lock\nspool-path={self.home}\n"
                    f"[bench]\npg1-path={server.data}\npg1-port={server.port}\n"
                    f"pg1-socket-path={server.data}\npg1-user=postgres\n")
        with open(server.archive_switch, "w") as f:
            f.write(f"exec pgbackrest --config={self.config} --stanza=bench archive-push \"$1\"\n")
        self._switch(False)
        quiet(self._command("stanza-create"), cwd="/")

    def _switch(self, on):
        """WAL goes to the repository while this contestant has its turn, and nowhere otherwise."""
        switch = self.data_set.server.archive_switch
        if on and os.path.exists(switch + ".off"):
            os.rename(switch + ".off", switch)
        if not on and os.path.exists(switch):
            os.rename(switch, switch + ".off")

    def _command(self, *arguments):
        return as_user("postgres", ["pgbackrest", f"--config={self.config}", "--stanza=bench",
                                    *arguments])

    def prepare(self, operation):
        super().prepare(operation)
        self._switch(operation != RESTORE)

    def perform(self, operation, meter):
        if operation == RESTORE:
            arguments = (f"--pg1-path={self.target}", "--archive-mode=off", "restore")
        else:
            arguments = (f"--type={'full' if operation == FIRST else 'incr'}", "backup")
        meter.run(Stage("pgbackrest", self._command(*arguments)), cwd="/")

    def clean(self, operation):
        super().clean(operation)
        self._switch(False)

    def end(self, keep=False):
        switch = self.data_set.server.archive_switch
        for path in (switch, switch + ".off"):
            if os.path.exists(path):
                os.unlink(path)
        super().end(keep)
