"""A disk of a few MiB, for tests of what happens when it is full, read-only or forgets."""

import os
import subprocess
import tempfile

MIB = 1 << 20


def succeeds(*argv):
    try:
        return subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    except FileNotFoundError:
        return False


def can_mount():
    with tempfile.TemporaryDirectory() as place:
        if os.geteuid() != 0 or not succeeds("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place):
            return False
        return succeeds("umount", place)


class SmallDisk:
    """A tmpfs of a few MiB that can be filled up and made larger."""

    def __init__(self, path, mebibytes):
        self.path = path
        self.filler = os.path.join(path, "filler")
        os.makedirs(path, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=0755", "tmpfs", path],
                       check=True)

    def resize(self, mebibytes):
        subprocess.run(["mount", "-o", f"remount,size={mebibytes}m", self.path], check=True)

    def limit_inodes(self, count):
        subprocess.run(["mount", "-o", f"remount,nr_inodes={count}", self.path], check=True)

    def free(self):
        info = os.statvfs(self.path)
        return info.f_bavail * info.f_frsize

    def fill(self, leave=0):
        """Until `leave` bytes are left."""
        with open(self.filler, "ab", buffering=0) as f:
            while (rest := self.free() - leave) > 0:
                try:
                    f.write(b"\xff" * min(rest, MIB))
                except OSError:
                    return

    def clear(self):
        os.remove(self.filler)

    def make_read_only(self):
        subprocess.run(["mount", "-o", "remount,ro", self.path], check=True)

    def unmount(self):
        subprocess.run(["umount", "-l", self.path], check=False)
