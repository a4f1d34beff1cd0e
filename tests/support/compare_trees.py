#!/usr/bin/env python3
"""Compares two directory trees completely, sharing no code with Holdfast.

usage: compare_trees.py [--ignore-owner] [--ignore-holes] [--only-regular] EXPECTED ACTUAL

Names and link targets as bytes, types, modes, owners, mtimes in ns (directories too), content,
extended attributes with ACLs, hardlink groups, device numbers, and where holes are. Prints one
line per difference and exits 1, or prints the number of entries compared and exits 0.
"""
import errno
import hashlib
import os
import stat
import sys

PIECE = 1 << 20


class Directories:
    """Opens directories at any depth: keeps a descriptor every few levels of the current path."""

    STEP = 12  # components per open: shorter than PATH_MAX whatever their names

    def __init__(self, root):
        self.kept = [(b"", os.open(root, os.O_RDONLY | os.O_DIRECTORY))]

    def open(self, path):
        while not (self.kept[-1][0] == b"" or (path + b"/").startswith(self.kept[-1][0] + b"/")):
            os.close(self.kept.pop()[1])
        prefix, kept_fd = self.kept[-1]
        fd = os.dup(kept_fd)
        parts = [part for part in path[len(prefix):].split(b"/") if part]
        while parts:
            step, parts = parts[:self.STEP], parts[self.STEP:]
            next_fd = os.open(b"/".join(step), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW,
                              dir_fd=fd)
            os.close(fd)
            fd = next_fd
            if parts:
                prefix = path[:len(path) - len(b"/".join(parts)) - 1]
                self.kept.append((prefix, os.dup(fd)))
        return fd

    def close(self):
        for _, fd in self.kept:
            os.close(fd)


def walk(root):
    """Everything below root, by its path as bytes relative to root; no recursion."""
    found = {}
    stack = [b""]
    directories = Directories(root)
    try:
        while stack:
            path = stack.pop()
            fd = directories.open(path)
            try:
                found[path] = describe(fd, None)
                for name in os.listdir(fd):
                    name = os.fsencode(name)
                    child = path + b"/" + name if path else name
                    info = os.stat(name, dir_fd=fd, follow_symlinks=False)
                    if stat.S_ISDIR(info.st_mode):
                        stack.append(child)
                    else:
                        found[child] = describe(fd, name)
            finally:
                os.close(fd)
    finally:
        directories.close()
    return found


def describe(directory_fd, name):
    """What is compared of one entry. `name` None: the directory itself."""
    if name is None:
        info = os.fstat(directory_fd)
        where = directory_fd
    else:
        info = os.stat(name, dir_fd=directory_fd, follow_symlinks=False)
        where = b"/proc/self/fd/%d/%s" % (directory_fd, name)
    kind = stat.S_IFMT(info.st_mode)
    facts = {
        "type": kind,
        "mode": stat.S_IMODE(info.st_mode),
        "owner": (info.st_uid, info.st_gid),
        "mtime": info.st_mtime_ns,
        "xattrs": xattrs(where),
        "links": info.st_nlink if kind != stat.S_IFDIR else 0,
        "identity": (info.st_dev, info.st_ino),
    }
    if kind == stat.S_IFREG:
        facts["size"] = info.st_size
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=directory_fd)
        try:
            facts["holes"], facts["content"] = content(fd, info.st_size)
        finally:
            os.close(fd)
    elif kind == stat.S_IFLNK:
        facts["target"] = os.readlink(name, dir_fd=directory_fd)
        facts["mode"] = 0
    elif kind in (stat.S_IFCHR, stat.S_IFBLK):
        facts["device"] = info.st_rdev
    return facts


def xattrs(where):
    follow = isinstance(where, int)
    try:
        names = os.listxattr(where, follow_symlinks=follow)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return {}
        raise
    return {name: os.getxattr(where, name, follow_symlinks=follow) for name in names}


def content(fd, size):
    """The holes as (begin, end), and a hash of the data with the holes' zeros left out of reading
    but not out of the hash: a hole equals zeros there."""
    digest = hashlib.sha256()
    holes = []
    at = 0
    while at < size:
        try:
            data = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            data = size
        if data > at:
            holes.append((at, data))
            # Zeros of huge holes are hashed as their length; content equal and holes equal is the
            # normal case, and --ignore-holes is for small files.
            if data - at <= 64 * PIECE:
                left = data - at
                while left:
                    digest.update(bytes(min(left, PIECE)))
                    left -= min(left, PIECE)
            else:
                digest.update(b"hole %d" % (data - at))
        if data >= size:
            break
        end = min(os.lseek(fd, data, os.SEEK_HOLE), size)
        while data < end:
            piece = os.pread(fd, min(PIECE, end - data), data)
            if not piece:
                raise OSError("file ended while it was read")
            digest.update(piece)
            data += len(piece)
        at = end
    return holes, digest.hexdigest()


def groups(tree):
    """Which paths are one file, for files with several names within the tree."""
    by_identity = {}
    for path, facts in tree.items():
        if facts["type"] == stat.S_IFREG:
            by_identity.setdefault(facts["identity"], []).append(path)
    return {tuple(sorted(paths)) for paths in by_identity.values() if len(paths) > 1}


def main(arguments):
    options = {a for a in arguments if a.startswith("--")}
    known = {"--ignore-owner", "--ignore-holes", "--only-regular"}
    roots = [a for a in arguments if not a.startswith("--")]
    if len(roots) != 2 or options - known:
        sys.stderr.write(__doc__)
        return 2
    expected, actual = (walk(os.fsencode(root)) for root in roots)
    skip = {"identity", "links"}
    if "--ignore-owner" in options:
        skip.add("owner")
    if "--ignore-holes" in options:
        skip.add("holes")
    if "--only-regular" in options:
        wanted = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)
        expected = {p: f for p, f in expected.items() if f["type"] in wanted}
        actual = {p: f for p, f in actual.items() if f["type"] in wanted}
    differences = []
    for path in sorted(expected.keys() | actual.keys()):
        if path not in actual:
            differences.append((path, "missing"))
        elif path not in expected:
            differences.append((path, "unexpected"))
        else:
            for key in sorted((expected[path].keys() | actual[path].keys()) - skip):
                left, right = expected[path].get(key), actual[path].get(key)
                if left != right:
                    differences.append((path, "%s: expected %.200r, is %.200r"
                                        % (key, left, right)))
    for group in sorted(groups(expected) ^ groups(actual)):
        differences.append((group[0], "hardlinks differ: %r" % (group,)))
    for path, what in differences:
        print("%r: %s" % (path, what))
    if differences:
        return 1
    print("%d entries equal" % len(expected))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
