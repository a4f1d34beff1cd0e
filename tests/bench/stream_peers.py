"""restic and borg: how they are called, and what they do with a stream (a dump) on stdin."""

import os

from contestant import RESTORE, Contestant
from measure import Stage, quiet

PASSWORD = "correct horse battery staple"


class Restic(Contestant):
    """Default settings, compression auto, everything it writes below its own directory."""

    name = "restic"

    def begin(self):
        super().begin()
        password = os.path.join(self.home, "password")
        with open(password, "w") as f:
            f.write(PASSWORD)
        self.environment = {"RESTIC_REPOSITORY": self.repository(), "RESTIC_PASSWORD_FILE": password,
                            "RESTIC_CACHE_DIR": os.path.join(self.home, "cache")}
        quiet(["restic", "init"], env=dict(os.environ, **self.environment))

    def stage(self, *arguments):
        return Stage("restic", ["restic", *arguments])


class Borg(Contestant):
    """zstd,1 and the encryption that suits the processor: SHA-256 where it has instructions for it."""

    name = "borg"

    def begin(self):
        super().begin()
        self.environment = {"BORG_REPO": self.repository(), "BORG_PASSPHRASE": PASSWORD,
                            "BORG_BASE_DIR": os.path.join(self.home, "base"),
                            "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes"}
        os.makedirs(self.environment["BORG_BASE_DIR"])
        with open("/proc/cpuinfo") as f:
            mode = "repokey" if " sha_ni" in f.read() else "repokey-blake2"
        quiet(["borg", "init", "--encryption", mode], env=dict(os.environ, **self.environment))

    def create(self, *what):
        return Stage("borg", ["borg", "create", "--compression", "zstd,1",
                              f"::backup-{self.serial}", *what])

    def newest(self):
        return f"::backup-{self.serial - 1}"  # the restore itself counted one


class ResticStream(Restic):
    """`producer | restic --stdin`. Subclasses say what produces and what consumes the stream."""

    def producer(self):
        raise NotImplementedError

    def consume(self, stage, meter):
        raise NotImplementedError

    def perform(self, operation, meter):
        if operation == RESTORE:
            self.consume(self.stage("dump", "latest", "stream"), meter)
        else:
            meter.run(self.producer(), self.stage("backup", "--stdin", "--stdin-filename", "stream"),
                      env=self.environment)


class BorgStream(Borg):
    """`producer | borg create … -`."""

    def producer(self):
        raise NotImplementedError

    def consume(self, stage, meter):
        raise NotImplementedError

    def perform(self, operation, meter):
        if operation == RESTORE:
            self.consume(Stage("borg", ["borg", "extract", "--stdout", self.newest()]), meter)
        else:
            meter.run(self.producer(), self.create("-"), env=self.environment)
