#!/usr/bin/env python3
"""Makes the quickstart's uploads, and changes them as a day of work would.

usage: make_files.py make|change DIRECTORY

The same files in every run: 2,200 of 1 KiB to 20 MiB, about 320 MB. Photos are random bytes, as
compressed pictures are to a backup; menus, exports and logs are text.
"""
import json
import os
import random
import sys

KIB, MIB = 1 << 10, 1 << 20
BEGIN_NS = 1_760_000_000_123_456_789  # mtimes are data too: fixed, with nanoseconds
WORDS = ("table order kitchen served receipt espresso void total tip card voucher terrace guest "
         "reservation delivery invoice tax").split()


def log_uniform(rng, low, high):
    return int(low * (high / low) ** rng.random())


def photo(rng, size):
    return b"\xff\xd8\xff\xe0\x00\x10JFIF" + rng.randbytes(size - 12) + b"\xff\xd9"


def text(rng, size):
    lines, length = [], 0
    while length < min(size, 256 * KIB):
        line = "%08x;%s\n" % (rng.getrandbits(32), ";".join(rng.choices(WORDS, k=12)))
        lines.append(line)
        length += len(line)
    block = "".join(lines).encode()
    # Long ones repeat a block with a changing stamp, as exports and logs do.
    parts = [block]
    while len(block) * len(parts) < size:
        parts.append(b"%08x;" % rng.getrandbits(32) + block[9:])
    return b"".join(parts)[:size]


def menu(rng, size):
    items = []
    while len(items) * 90 < size:
        items.append({"id": rng.getrandbits(24), "name": " ".join(rng.choices(WORDS, k=3)),
                      "price": round(rng.uniform(2, 60), 2), "available": rng.random() < 0.9})
    return json.dumps({"items": items}, indent=1).encode()[:size].ljust(size)


KINDS = {"photos": (photo, "jpg"), "exports": (text, "csv"), "menus": (menu, "json")}


def write(path, data, stamp):
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, 0o640)
    os.utime(path, ns=(BEGIN_NS + stamp, BEGIN_NS + stamp))


def make(root):
    rng = random.Random(20260101)
    for kind in KINDS:
        for month in range(1, 13):
            os.makedirs("%s/%s/2025-%02d" % (root, kind, month))
    kinds = rng.choices(list(KINDS), weights=(70, 18, 12), k=2200)
    for number, kind in enumerate(kinds):
        if number == 0:
            size, kind = 20 * MIB, "photos"
        elif number < 30 and kind == "photos":
            size = log_uniform(rng, 512 * KIB, 20 * MIB)
        elif number < 110 and kind == "exports":
            size = log_uniform(rng, 256 * KIB, 8 * MIB)
        else:
            size = log_uniform(rng, KIB, 512 * KIB if kind == "photos" else 96 * KIB)
        generate, ending = KINDS[kind]
        write("%s/%s/2025-%02d/%05d.%s" % (root, kind, number % 12 + 1, number, ending),
              generate(rng, size), number * 7_000_000_001)
    write(root + "/photos/Speisekarte für Straße № 5.jpg", photo(rng, 30 * KIB), 1)
    os.symlink("photos/2025-12", root + "/latest")
    first = sorted(os.listdir(root + "/photos/2025-06"))[0]
    os.link("%s/photos/2025-06/%s" % (root, first), root + "/logo.jpg")
    with open(root + "/register.img", "wb") as file:  # a till's image: mostly a hole
        file.write(b"till")
        file.seek(6 * MIB)
        file.write(b"end")
        file.truncate(8 * MIB)
    os.utime(root + "/register.img", ns=(BEGIN_NS, BEGIN_NS))


def change(root):
    rng = random.Random(20260102)
    names = sorted(os.path.join(directory, name) for directory, _, files in os.walk(root)
                   for name in files if directory != root and not name.startswith("Speise"))
    chosen = rng.sample(names, 100)
    for path in chosen[:20]:
        os.unlink(path)
    for path in chosen[20:60]:
        with open(path, "r+b") as file:  # in the middle
            file.seek(os.path.getsize(path) // 2)
            file.write(rng.randbytes(200))
    for path in chosen[60:80]:
        with open(path, "ab") as file:
            file.write(text(rng, 4 * KIB))
    for path in chosen[80:90]:
        os.rename(path, path + ".old")
    for path in chosen[90:]:
        os.chmod(path, 0o600)
    os.makedirs(root + "/photos/2026-01")
    for number in range(60):
        write("%s/photos/2026-01/%05d.jpg" % (root, number),
              photo(rng, log_uniform(rng, KIB, 512 * KIB)), 10**15 + number)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("make", "change"):
        sys.exit(__doc__)
    {"make": make, "change": change}[sys.argv[1]](sys.argv[2])
