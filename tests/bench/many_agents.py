#!/usr/bin/env python3
"""Many agents back up to one controller at once: throughput, fairness, memory.

    HOLDFAST_BIN=build/release/bin tests/bench/many_agents.py [AGENTS] [LARGE]

AGENTS (50) real agents, LARGE (5) of them with 256 MiB that cannot be compressed, the others with
4 MiB. First one small agent alone, as a measure; then all at the same moment. Small ones must not
wait for the large ones: the last small one is to be done long before the last large one.
"""

import concurrent.futures
import json
import os
import random
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

from rig import Rig  # noqa: E402

SMALL_BYTES, LARGE_BYTES = 4 << 20, 256 << 20


def write(directory, size, rng):
    os.makedirs(directory)
    for number in range(0, size, 4 << 20):
        with open(os.path.join(directory, f"part-{number >> 22}"), "wb") as f:
            f.write(rng.randbytes(4 << 20))


def backup(rig, name):
    began = time.monotonic()
    done = rig.cli("backup", f"files-{name}", "--json", expect=None)
    return name, time.monotonic() - began, done.returncode


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    large = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    rng = random.Random(1)
    with Rig("many") as rig:
        rig.start_controller()
        rig.init()
        names = [f"large-{i}" for i in range(large)] + [f"small-{i}" for i in range(count - large)]
        for name in [*names, "alone"]:
            size = LARGE_BYTES if name.startswith("large") else SMALL_BYTES
            write(rig.path(f"data-{name}"), size, rng)
            rig.enroll_agent(name, [{"name": f"files-{name}", "kind": "files",
                                     "root": rig.path(f"data-{name}")}])
            rig.start_agent(name)
        idle = rig.controller.peak_memory_bytes()
        alone = backup(rig, "alone")[1]
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            results = list(pool.map(lambda name: backup(rig, name), names))
        wall = time.monotonic() - began
        failed = [name for name, _, code in results if code != 0]
        seconds = {kind: [s for name, s, _ in results if name.startswith(kind)]
                   for kind in ("small", "large")}
        total = large * LARGE_BYTES + (count - large) * SMALL_BYTES
        report = {
            "agents": count, "large": large, "failed": failed, "bytes": total, "wall_s": round(wall, 2),
            "MiB_per_s": round(total / wall / 2**20, 1), "one_small_alone_s": round(alone, 2),
            "small_median_s": round(statistics.median(seconds["small"]), 2),
            "small_last_s": round(max(seconds["small"]), 2),
            "large_first_s": round(min(seconds["large"]), 2) if large else None,
            "large_last_s": round(max(seconds["large"]), 2) if large else None,
            "small_last_of_all": round(max(seconds["small"]) / wall, 2),
            "controller_idle_MiB": idle >> 20,
            "controller_peak_MiB": rig.controller.peak_memory_bytes() >> 20,
            "agent_peak_MiB": max(a.peak_memory_bytes() for a in rig.agents.values()) >> 20}
        print(json.dumps(report, indent=1))
        return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
