"""Data sets of files: a tree of a system, many small files, one big incompressible file."""

import json
import os
import random
import subprocess
import sys
import zlib

from contestant import FIRST, RESTORE, UNCHANGED, Contestant, DataSet
from installation import Holdfast
from measure import Failed, Stage, quiet, remove_tree, tree_bytes
from stream_peers import Borg, Restic
from texts import SEED, text_of

COMPARE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support/compare_trees.py")
TREE_SOURCES = ("/usr/lib", "/usr/include", "/usr/share/doc")


class FilesSet(DataSet):
    """Built once below the data directory and used again: nothing writes to it."""

    limits = {FIRST: "tar+zstd", UNCHANGED: "find", RESTORE: "tar+zstd"}

    def open(self):
        self.root = os.path.join(self.context.data, f"{self.name}-{self.context.scale}")
        facts = self.root + ".json"
        if not os.path.exists(facts):
            remove_tree(self.root)
            os.makedirs(self.root)
            self.build()
            found = {"bytes": tree_bytes(self.root),
                     "files": sum(len(names) for _, _, names in os.walk(self.root))}
            with open(facts, "w") as f:
                json.dump(found, f)
        with open(facts) as f:
            self.facts = json.load(f)

    def build(self):
        raise NotImplementedError

    def paths(self):
        return [self.root]

    def size_text(self):
        return f"{self.facts['files']:,} files, {self.facts['bytes'] / 2**20:,.0f} MiB"

    def everyone(self):
        return HoldfastFiles, ResticFiles, BorgFiles, Tar, Find, Read


class Tree(FilesSet):
    """Files of the system, chosen by a hash of their paths where there is more than is wanted."""

    name = "tree"
    wanted_bytes = 1_400_000_000

    def build(self):
        found = []
        for source in TREE_SOURCES:
            for directory, _, names in os.walk(source):
                found += [os.path.join(directory, name) for name in names]
        # A file of a tenth of the whole would make the set a set of that file.
        wanted = self.wanted_bytes // self.context.scale
        found = [path for path in found if os.lstat(path).st_size <= wanted // 10]
        found.sort(key=lambda path: zlib.crc32(os.fsencode(path)))
        chosen, total = [], 0
        while found and total < wanted:
            chosen.append(found.pop())
            total += os.lstat(chosen[-1]).st_size
        listed = b"\0".join(os.fsencode(path[1:]) for path in sorted(chosen))
        packed = subprocess.Popen(["tar", "-c", "--format=posix", "-C", "/", "--null", "-T", "-", "-f",
                                   self.root + ".tar"], stdin=subprocess.PIPE)
        packed.communicate(listed)
        quiet(["tar", "-x", "-p", "-C", self.root, "-f", self.root + ".tar"])
        os.unlink(self.root + ".tar")


class Small(FilesSet):
    """Many small files of text."""

    name = "small"
    quick = ("holdfast", "borg", "tar+zstd", "find")

    def build(self):
        rng = random.Random(SEED)
        pool = text_of((64 << 20) // self.context.scale).encode()
        for i in range(200_000 // self.context.scale):
            directory = f"{self.root}/{i // 5000}/{i // 100 % 50}"
            if i % 100 == 0:
                os.makedirs(directory)
            length = rng.randrange(1 << 10, 8 << 10)
            at = rng.randrange(len(pool) - length)
            with open(f"{directory}/note-{i}.txt", "wb") as f:
                f.write(b"note %d\n" % i + pool[at:at + length - 16])


class Big(FilesSet):
    """Nothing to compress, nothing to deduplicate: hashing and encryption are what is left."""

    name = "big"
    quick = ("holdfast", "restic", "tar+zstd", "find")
    limits = {FIRST: "blocks", UNCHANGED: "find", RESTORE: "tar+zstd"}

    def build(self):
        rng = random.Random(SEED)
        with open(f"{self.root}/big", "wb") as f:
            for _ in range((4 << 10) // self.context.scale):
                f.write(rng.randbytes(1 << 20))


class FilesContestant:
    """Restores into a directory of its own, which is compared and deleted."""

    def prepare(self, operation):
        super().prepare(operation)
        self.target = self.context.directory("restored") if operation == RESTORE else None

    def restored(self):
        """Where the data set's root is in the restored directory."""
        return self.target + self.data_set.root

    def check(self, operation):
        if operation != RESTORE:
            return
        done = subprocess.run([sys.executable, COMPARE, "--ignore-holes", self.data_set.root,
                               self.restored()], capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"{self.name}: the restored files differ: {done.stdout[:2000]}{done.stderr}")

    def clean(self, operation):
        if self.target:
            remove_tree(self.target)
            self.target = None


class HoldfastFiles(FilesContestant, Holdfast):
    def prepare(self, operation):
        super().prepare(operation)
        if operation == RESTORE:
            os.rmdir(self.target)
            self.target = os.path.join(self.rig.restore_root, str(self.serial))

    def sources(self):
        return [{"name": self.source, "kind": "files", "root": self.data_set.root}]

    def restore_arguments(self):
        return ["--target", self.target, "--preserve-privileged"]

    def restored(self):
        return self.target


class ResticFiles(FilesContestant, Restic):
    def perform(self, operation, meter):
        arguments = (("restore", "latest", "--target", self.target) if operation == RESTORE
                     else ("backup", self.data_set.root))
        meter.run(self.stage(*arguments), env=self.environment)


class BorgFiles(FilesContestant, Borg):
    def perform(self, operation, meter):
        if operation == RESTORE:
            meter.run(Stage("borg", ["borg", "extract", "--numeric-ids", self.newest()]),
                      env=self.environment, cwd=self.target)
        else:
            meter.run(self.create(self.data_set.root), env=self.environment)


class Tar(FilesContestant, Contestant):
    """No encryption, no deduplication, no fsync: what reading, compressing and writing alone cost."""

    name = "tar+zstd"
    role = "limit"
    operations = (FIRST, RESTORE)

    def perform(self, operation, meter):
        root = self.data_set.root
        if operation == RESTORE:
            meter.run(Stage("zstd", ["zstd", "-q", "-d", "-c", self.repository()]),
                      Stage("tar", ["tar", "-x", "-p", "-C", self.target, "-f", "-"]))
        else:
            meter.run(Stage("tar", ["tar", "-c", "--format=posix", "-C", "/", "-f", "-", root[1:]]),
                      Stage("zstd", ["zstd", "-q", "-1", "-T2", "-c"]), stdout=self.repository())

    def stored_bytes(self):
        return os.path.getsize(self.repository()) if os.path.exists(self.repository()) else 0


class Find(Contestant):
    """Looks at every file, reads none: the least an unchanged backup has to do."""

    name = "find"
    role = "limit"
    operations = (UNCHANGED,)

    def perform(self, operation, meter):
        meter.run(Stage("find", ["find", self.data_set.root, "-printf", "%i %s %T@ %C@\\n"]))

    def stored_bytes(self):
        return 0


class Read(Contestant):
    """Reads every file and writes nothing."""

    name = "read"
    role = "limit"
    operations = (FIRST,)

    def perform(self, operation, meter):
        meter.run(Stage("tar", ["tar", "-c", "-f", "-", self.data_set.root]), Stage("cat", ["cat"]),
                  stdout=os.devnull)

    def stored_bytes(self):
        return 0
