#!/usr/bin/env python3
"""What 1,000 requests a second on /health/backup cost a backup: pairs of runs, with and without, in turn.

Not a test. Needs `hey` (Debian), and both cores. The load generator runs on the same machine and takes its share too;
with --instead, the runs "without" have it ask another server, such as an nginx that returns a short text, so that the
ratio tells what the controller's answers cost rather than the questions.

    HOLDFAST_BIN=build/release/bin tests/bench/http_load.py [--pairs N] [--megabytes N] [--rate N] [--instead URL]
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

from http_test import with_http  # noqa: E402
from rig import Rig  # noqa: E402

CLIENTS = 10
FILES = 50


def new_content(directory, megabytes):
    """Random bytes in every file: nothing is known, nothing compresses."""
    for i in range(FILES):
        with open(os.path.join(directory, f"{i}"), "wb") as f:
            f.write(os.urandom(megabytes * 1024 * 1024 // FILES))
    os.sync()


def timed_backup(rig):
    begin = time.monotonic()
    rig.cli("backup")
    return time.monotonic() - begin


def loaded_backup(rig, url, rate):
    load = subprocess.Popen(["hey", "-z", "120s", "-c", str(CLIENTS), "-q", str(rate // CLIENTS),
                             url], stdout=subprocess.PIPE, text=True)
    time.sleep(1)
    seconds = timed_backup(rig)
    load.send_signal(2)  # ends it and makes it report
    report, _ = load.communicate(timeout=30)
    served = float(re.search(r"Requests/sec:\s+([\d.]+)", report).group(1))
    late = re.search(r"99% in ([\d.]+) secs", report)
    errors = re.findall(r"\[\d+\]\s+\S+.*(?:EOF|reset|refused|timeout).*", report)
    return seconds, served, float(late.group(1)) if late else float("nan"), len(errors)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--instead", metavar="URL")
    options = parser.parse_args()
    with Rig("load") as rig:
        health = f"http://127.0.0.1:{with_http(rig).port}/health/backup"
        directory = rig.path("files")
        os.makedirs(directory)
        new_content(directory, options.megabytes)
        rig.setup([{"name": "files", "kind": "files", "root": directory}])
        rig.cli("backup")
        ratios = []
        without = "with questions elsewhere" if options.instead else "alone"
        for pair in range(options.pairs):
            seconds = {}
            for loaded in (pair % 2 == 0, pair % 2 != 0):
                new_content(directory, options.megabytes)
                if loaded:
                    seconds[True], served, late, errors = loaded_backup(rig, health, options.rate)
                elif options.instead:
                    seconds[False] = loaded_backup(rig, options.instead, options.rate)[0]
                else:
                    seconds[False] = timed_backup(rig)
            ratios.append(seconds[True] / seconds[False])
            print(f"pair {pair + 1}: {seconds[False]:.2f} s {without}, {seconds[True]:.2f} s with {served:.0f} requests/s "
                  f"(99 % within {late * 1000:.0f} ms, {errors} kinds of error), ratio {ratios[-1]:.3f}", flush=True)
        print(f"median ratio {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
