#!/usr/bin/env python3
"""Prints what the quickstart measured.

usage: report.py DIRECTORY
DIRECTORY holds backup-1, backup-2 and restore-SOURCE, the JSON events of `holdfast`.
"""
import json
import os
import sys


def results(path):
    with open(path) as file:
        events = [json.loads(line) for line in file if line.startswith("{")]
    return [event for event in events if event.get("event") == "result"]


def size(count):
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return "%d B" % count if unit == "B" else "%.1f %s" % (count, unit)
        count /= 1024


def main(directory):
    def reports(name):
        return {event["source"]: event["report"] for event in results(os.path.join(directory, name))}

    first, second = reports("backup-1"), reports("backup-2")
    row = "%-8s  %10s  %10s  %8s  %10s  %9s  %8s  %9s"
    print(row % ("source", "size", "stored", "backup 1", "backup 2", "of it new", "backup 2",
                 "restore"))
    total = dict.fromkeys(("content", "stored", "again", "new"), 0)
    compared = []
    for name in first:
        one, two = first[name], second[name]
        restored = reports("restore-" + name)["%s@%d" % (name, two["seq"])]
        print(row % (name, size(one["content_bytes"]), size(one["stored_bytes"]),
                     "%.1f s" % one["seconds"], "+" + size(two["stored_bytes"]),
                     "%.1f %%" % (100 * two["new_bytes"] / max(two["content_bytes"], 1)),
                     "%.1f s" % two["seconds"], "%.1f s" % restored["seconds"]))
        total["content"] += one["content_bytes"]
        total["stored"] += one["stored_bytes"]
        total["again"] += two["content_bytes"]
        total["new"] += two["stored_bytes"]
        compared.append("%s: restored %d entries, %s; compared %s"
                        % (name, restored["restored_entries"], size(restored["restored_bytes"]),
                           restored["compared_what"]))
    print("first backup: %s stored as %s (%.1f : 1); second backup: %s stored as %s more (%.0f : 1)"
          % (size(total["content"]), size(total["stored"]),
             total["content"] / max(total["stored"], 1), size(total["again"]), size(total["new"]),
             total["again"] / max(total["new"], 1)))
    print("\n".join(compared))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
