"""PostgreSQL and Redis for the benchmark: quiet servers, restarts, and waiting that costs nothing."""

import os
import socket
import time

from installation import BIN  # noqa: F401  (makes the end-to-end tests' modules importable)
from measure import Failed, Watched, as_user, quiet
from rig import Daemon, Postgres, Redis, free_port, wait_for

WAIT_SECONDS = 120


class QuietPostgres(Postgres):
    """Without autovacuum, so that a neighbour's run is not disturbed; with WAL archived on demand."""

    def __init__(self, directory):
        super().__init__(directory)
        self.archive_switch = os.path.join(directory, "pgbackrest-archive")
        for setting, value in (("autovacuum", "off"), ("archive_mode", "on"),
                               ("archive_command", f"test ! -e {self.archive_switch} || "
                                                   f"sh {self.archive_switch} %p")):
            self.sql(f"ALTER SYSTEM SET {setting} = '{value}'")
        argv, log = self.daemon.process.args, self.daemon.log_path
        self.stop()
        self.daemon = Daemon(argv, log)
        self.wait(self.port)

    def wait(self, port):
        wait_for("PostgreSQL", lambda: os.system(
            f"{self.binaries}/pg_isready -q -h 127.0.0.1 -p {port}") == 0, WAIT_SECONDS)

    def arguments(self, user="postgres"):
        return ["-h", "127.0.0.1", "-p", str(self.port), "-U", user]

    def tool(self, name):
        return f"{self.binaries}/{name}"

    def watched(self):
        return [Watched("postgres", self.daemon.process.pid, server=True)]


class RestoredCluster:
    """A second server on a restored data directory, to ask it what it holds."""

    def __init__(self, postgres, data, log):
        self.postgres, self.port = postgres, free_port()
        self.daemon = Daemon(
            as_user("postgres", [postgres.tool("postgres"), "-D", data, "-p", str(self.port), "-h",
                                 "127.0.0.1", "-k", data, "-c", "archive_mode=off", "-c", "fsync=off"]),
            log)
        deadline = time.monotonic() + WAIT_SECONDS
        while self.sql("SELECT pg_is_in_recovery()", check=False) != "f":
            if time.monotonic() > deadline or not self.daemon.alive():
                raise Failed("the restored cluster does not start: " + self.daemon.text()[-2000:])
            time.sleep(0.1)

    def sql(self, text, database="postgres", check=True):
        try:
            return quiet(["psql", "-X", "-q", "-A", "-t", "-h", "127.0.0.1", "-p", self.port, "-U",
                          "postgres", "-d", database, "-c", text]).strip()
        except Failed:
            if check:
                raise
            return ""

    def stop(self):
        self.daemon.stop(2)


class BenchRedis(Redis):
    """A server that can be restarted on what it saved."""

    def watched(self):
        return [Watched("redis-server", self.daemon.process.pid, server=True)]

    def restart(self):
        before = self.digest()
        # Refused while a child still writes what a backup asked for.
        wait_for("redis to save", lambda: self.cli("save") == "OK", WAIT_SECONDS)
        argv, log = self.daemon.process.args, self.daemon.log_path
        self.daemon.stop()
        self.daemon = Daemon(argv, log)
        wait_for("redis", lambda: self.cli("ping") == "PONG", WAIT_SECONDS)
        if self.digest() != before:
            raise Failed("the restarted server has other data than before")


class LoadedRedis:
    """A server that starts on an RDB file; ready when it has loaded all of it."""

    def __init__(self, directory):
        self.port = free_port()
        self.daemon = Daemon(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", directory,
             "--save", "", "--enable-debug-command", "yes"], os.path.join(directory, "redis.log"))

    def wait(self):
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline and self.daemon.alive():
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                    connection.sendall(b"PING\r\n")
                    if connection.recv(64).startswith(b"+PONG"):
                        return
            except OSError:
                pass
            time.sleep(0.005)
        raise Failed("redis-server does not load: " + self.daemon.text()[-2000:])

    def watched(self):
        return Watched("redis-server", self.daemon.process.pid, server=True, fresh=True)

    def cli(self, *arguments):
        return quiet(["redis-cli", "-h", "127.0.0.1", "-p", self.port, *arguments]).strip()
