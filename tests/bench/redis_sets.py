"""The data set of Redis: a million keys; 1 % of the values change, then the server is restarted."""

import os
import random
import subprocess

from contestant import (DAY_2, FIRST, RESTARTED, RESTORE, UNCHANGED, Contestant, DataSet)
from installation import Holdfast, WithoutDeltas
from measure import Failed, Stage, remove_tree
from servers import BenchRedis, LoadedRedis
from stream_peers import BorgStream, ResticStream
from texts import SEED, text_of

BACKUPS = (FIRST, UNCHANGED, DAY_2, RESTARTED)
HASH_SHARE = 50  # one key of so many is a hash of ten fields


class RedisSet(DataSet):
    name = "redis"
    quick = ("holdfast", "redis-cli --rdb", "redis-cli+zstd", "redis-cli+restic", "read")
    operations = (*BACKUPS, RESTORE)
    limits = {operation: "read" for operation in BACKUPS} | {RESTORE: "redis-cli --rdb"}

    def open(self):
        self.home = self.context.directory("redis")
        self.server = BenchRedis(self.home, extra=("--repl-backlog-size", "16mb"))
        self.count = 1_000_000 // self.context.scale
        rng = random.Random(SEED)
        self.text = text_of(4 << 20)
        self.send(range(self.count), rng)
        self.state = self.server.digest()

    def close(self):
        self.server.stop()

    def send(self, numbers, rng):
        """Sets these keys to new values, in the protocol of `redis-cli --pipe`."""
        loader = subprocess.Popen(["redis-cli", "-h", "127.0.0.1", "-p", str(self.server.port),
                                   "--pipe"], stdin=subprocess.PIPE,
                                  stdout=subprocess.DEVNULL, text=True)
        for i in numbers:
            if i % HASH_SHARE:
                words = ["SET", f"session:{i}", self.value(rng, 60, 200)]
            else:
                words = ["HSET", f"cart:{i}"]
                for field in range(10):
                    words += [f"item{field}", self.value(rng, 10, 40)]
            loader.stdin.write(f"*{len(words)}\r\n" + "".join(f"${len(w)}\r\n{w}\r\n" for w in words))
        loader.stdin.close()
        if loader.wait() != 0:
            raise Failed("redis-cli --pipe did not take every command")

    def value(self, rng, least, most):
        at = rng.randrange(len(self.text) - most)
        return self.text[at:at + rng.randrange(least, most)]

    def before(self, operation, pair):
        if operation == DAY_2:
            rng = random.Random(SEED + 1 + pair)
            self.send(sorted(rng.sample(range(self.count), self.count // 100)), rng)
        if operation == RESTARTED:
            self.server.restart()
        if operation in (DAY_2, RESTARTED):
            self.state = self.server.digest()

    def servers(self):
        return self.server.watched()

    def size_text(self):
        used = [line for line in self.server.cli("info", "memory").splitlines()
                if line.startswith("used_memory:")][0]
        return f"{self.count:,} keys, {int(used.split(':')[1]) / 2**20:,.0f} MiB in memory"

    def everyone(self):
        return HoldfastRedis, PlainRedis, Rdb, RdbZstd, ResticRdb, BorgRdb, ReadRdb


class RedisContestant:
    """Restores into another server, which is asked for its digest."""

    operations = (*BACKUPS, RESTORE)
    loaded = None

    def rdb(self, target):
        return Stage("redis-cli", ["redis-cli", "-h", "127.0.0.1", "-p", self.data_set.server.port,
                                   "--rdb", target])

    def start(self, meter):
        """redis-server on the restored file, until it has loaded it."""
        self.loaded = LoadedRedis(self.target)
        meter.watch(self.loaded.watched())
        self.loaded.wait()

    def prepare(self, operation):
        super().prepare(operation)
        if operation == RESTORE:
            self.target = self.context.directory("loaded")

    def check(self, operation):
        if operation == RESTORE:
            found = self.loaded.cli("debug", "digest")
            if found != self.data_set.state:
                raise Failed(f"{self.name}: digest {found}, expected {self.data_set.state}")

    def clean(self, operation):
        if operation == RESTORE:
            if self.loaded:
                self.loaded.daemon.stop()
                self.loaded = None
            remove_tree(self.target)


class HoldfastRedis(RedisContestant, Holdfast):
    """Loads into an empty server that is running already."""

    def begin(self):
        self.empty_home = self.context.directory("empty")
        self.loaded = LoadedRedis(self.empty_home)
        self.loaded.wait()
        super().begin()

    def sources(self):
        return [{"name": self.source, "kind": "redis", "host": "127.0.0.1",
                 "port": self.data_set.server.port, **self.delta},
                {"name": "empty", "kind": "redis", "host": "127.0.0.1", "port": self.loaded.port}]

    def restore_arguments(self):
        return ["--into-server", "--connection", "empty"]

    def watched(self):
        loaded = self.loaded.watched()
        return [*super().watched(), loaded]

    def clean(self, operation):
        if operation == RESTORE:
            self.loaded.cli("flushall")
            remove_tree(self.target)

    def end(self, keep=False):
        super().end(keep)
        self.loaded.daemon.stop()
        remove_tree(self.empty_home)


class PlainRedis(WithoutDeltas, HoldfastRedis):
    pass


class Rdb(RedisContestant, Contestant):
    name = "redis-cli --rdb"
    full = True

    def perform(self, operation, meter):
        if operation == RESTORE:
            meter.run(Stage("cp", ["cp", self.repository(), f"{self.target}/dump.rdb"]))
            self.start(meter)
        else:
            meter.run(self.rdb(self.repository()))

    def stored_bytes(self):
        return os.path.getsize(self.repository()) if os.path.exists(self.repository()) else 0


class RdbZstd(Rdb):
    name = "redis-cli+zstd"

    def perform(self, operation, meter):
        if operation == RESTORE:
            meter.run(Stage("zstd", ["zstd", "-q", "-d", "-c", self.repository()]),
                      stdout=f"{self.target}/dump.rdb")
            self.start(meter)
        else:
            meter.run(self.rdb("-"), Stage("zstd", ["zstd", "-q", "-1", "-T2", "-c"]),
                      stdout=self.repository())


class ResticRdb(RedisContestant, ResticStream):
    name = "redis-cli+restic"

    def producer(self):
        return self.rdb("-")

    def consume(self, stage, meter):
        meter.run(stage, env=self.environment, stdout=f"{self.target}/dump.rdb")
        self.start(meter)


class BorgRdb(RedisContestant, BorgStream):
    name = "redis-cli+borg"

    def producer(self):
        return self.rdb("-")

    def consume(self, stage, meter):
        meter.run(stage, env=self.environment, stdout=f"{self.target}/dump.rdb")
        self.start(meter)


class ReadRdb(RedisContestant, Contestant):
    """Takes the whole RDB from the server and writes nothing."""

    name = "read"
    role = "limit"
    operations = BACKUPS

    def perform(self, operation, meter):
        meter.run(self.rdb("-"), stdout=os.devnull)

    def stored_bytes(self):
        return 0
