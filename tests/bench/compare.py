#!/usr/bin/env python3
"""Runs Holdfast and its peers alternately on the same data and prints one table.

Started by compare.sh, which installs the peers. docs/PERFORMANCE.md says what is measured and how.
"""

import argparse
import contextlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time

BINARIES = ("holdfast", "holdfast-agent", "holdfast-controller")
QUICK_SCALE = 20
SETS = ("tree", "small", "big", "pgbench", "wide", "redis")


def parse(arguments):
    temporary = os.environ.get("TMPDIR", "/var/tmp")
    parser = argparse.ArgumentParser(prog="compare.sh", description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, help="measured runs per operation and program "
                                                  "(default 5; 1 with --quick)")
    parser.add_argument("--quick", action="store_true", help="a twentieth of the size, one pair")
    parser.add_argument("--only", metavar="NAME[,NAME]", default=",".join(SETS),
                        help=f"data sets: {', '.join(SETS)}")
    parser.add_argument("--programs", metavar="NAME[,NAME]", default="",
                        help="only these, named as in the table; Holdfast always takes part")
    parser.add_argument("--cache", choices=("warm", "cold"), default="warm",
                        help="before every run: read everything once, or drop the page cache (root)")
    parser.add_argument("--json", metavar="FILE", help="write the results here too, for report.py")
    parser.add_argument("--keep", action="store_true", help="keep the last repositories")
    parser.add_argument("--data", metavar="DIR", default=os.path.join(temporary, "holdfast-bench-data"),
                        help="where file data sets are built and used again (default %(default)s)")
    options = parser.parse_args(arguments)
    options.only = options.only.split(",")
    unknown = set(options.only) - set(SETS)
    if unknown:
        parser.error(f"unknown data set {', '.join(sorted(unknown))}; there are: {', '.join(SETS)}")
    options.programs = {"holdfast", *options.programs.split(",")} if options.programs else None
    options.scale = QUICK_SCALE if options.quick else 1
    options.pairs = options.pairs or (1 if options.quick else 5)
    if options.pairs < 1:
        parser.error("--pairs must be at least 1")
    if options.cache == "cold" and not os.access("/proc/sys/vm/drop_caches", os.W_OK):
        parser.error("--cache cold needs to write /proc/sys/vm/drop_caches")
    return options


def copy_binaries(work):
    """A build that finishes meanwhile does not change what is measured."""
    source = os.environ["HOLDFAST_BIN"]
    missing = [name for name in BINARIES if not os.path.exists(os.path.join(source, name))]
    if missing:
        sys.exit(f"error: no {', '.join(missing)} in '{source}'\n"
                 "hint: cmake --preset release && cmake --build build/release, or set HOLDFAST_BIN.")
    target = os.path.join(work, "bin")
    os.makedirs(target)
    for name in BINARIES:
        shutil.copy2(os.path.join(source, name), target)
    os.environ["HOLDFAST_BIN"] = target


def first_line(*argv):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout.strip().splitlines()[0] if done.stdout.strip() else "unknown"


def versions():
    return {"holdfast": first_line(os.environ["HOLDFAST_BIN"] + "/holdfast", "--version").split()[-1],
            "restic": first_line("restic", "version").split()[1],
            "borg": first_line("borg", "--version").split()[-1],
            "pgbackrest": first_line("pgbackrest", "version").split()[-1],
            "PostgreSQL": first_line("psql", "--version").split()[2],
            "Redis": first_line("redis-cli", "--version").split()[1],
            "zstd": first_line("zstd", "--version").split(" v")[-1].split(",")[0],
            "tar": first_line("tar", "--version").split()[-1]}


def machine(work):
    with open("/proc/cpuinfo") as f:
        models = [line.split(":", 1)[1].strip() for line in f if line.startswith("model name")]
    return {"cpu": models[0] if models else platform.machine(), "cores": os.cpu_count(),
            "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "kernel": f"Linux {platform.release()}",
            "disk": first_line("stat", "-f", "-c", "%T", work)}


class Comparison:
    """All results so far; one row per data set, operation and program."""

    def __init__(self, options, work):
        from blocks import machine_blocks
        self.options, self.work = options, work
        self.rows = {}
        self.report = {
            "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
            "machine": machine(work), "versions": versions(), "sizes": {}, "errors": [],
            "options": {"scale": options.scale, "pairs": options.pairs, "cache": options.cache},
            "blocks": machine_blocks(), "results": []}

    def row(self, data_set, operation, contestant):
        key = (data_set.name, operation, contestant.name)
        if key not in self.rows:
            self.rows[key] = {"data": data_set.name, "operation": operation, "name": contestant.name,
                              "role": contestant.role, "limit": data_set.limits.get(operation, ""),
                              "runs": []}
        return self.rows[key]

    def run_set(self, data_set):
        progress(f"{data_set.name}: building")
        data_set.open()
        try:
            self.report["sizes"][data_set.name] = data_set.size_text()
            progress(f"{data_set.name}: {data_set.size_text()}")
            contestants = data_set.contestants()
            for operation in data_set.operations:  # the table's order, whatever the runs' order
                for contestant in contestants:
                    if operation in contestant.operations:
                        self.row(data_set, operation, contestant)
            self.add_bound(data_set)
            for pair in range(self.options.pairs):
                self.run_pair(data_set, contestants, pair)
        finally:
            data_set.close()

    def run_pair(self, data_set, contestants, pair):
        order = contestants if pair % 2 == 0 else contestants[::-1]
        last = pair == self.options.pairs - 1
        with contextlib.ExitStack() as stack:
            running = []
            for contestant in order:
                with self.failures(data_set, "setup", contestant):
                    stack.callback(contestant.end, self.options.keep and last)
                    contestant.begin()
                    running.append(contestant)
            for operation in data_set.operations:
                data_set.before(operation, pair)
                for contestant in list(running):
                    if operation not in contestant.operations:
                        continue
                    with self.failures(data_set, operation, contestant, running):
                        run = self.measure(data_set, operation, contestant)
                        self.row(data_set, operation, contestant)["runs"].append(run)
                        progress(f"{data_set.name}: {operation}: {contestant.name}: "
                                 f"{run['wall']:.2f} s (pair {pair + 1} of {self.options.pairs})")

    def measure(self, data_set, operation, contestant):
        from contestant import RESTORE
        from measure import Meter, prepare_cache
        contestant.prepare(operation)
        paths = [contestant.repository()] if operation == RESTORE else data_set.paths()
        prepare_cache(self.options.cache, paths)
        before = 0 if contestant.full else contestant.stored_bytes()
        try:
            with Meter([*contestant.watched(), *data_set.servers()]) as meter:
                contestant.perform(operation, meter)
            grown = 0 if operation == RESTORE else contestant.stored_bytes() - before
            run = dict(meter.result, stored=max(0, grown))
            contestant.check(operation)
            return run
        finally:
            contestant.clean(operation)

    @contextlib.contextmanager
    def failures(self, data_set, operation, contestant, running=None):
        """A program that fails, or restores something else, has no number here and no further turn."""
        try:
            yield
        except Exception as error:  # whatever it is: the others go on, and the exit status is 1
            text = f"{data_set.name}: {operation}: {contestant.name}: {error}"
            progress(f"error: {text}")
            self.report["errors"].append(text[:1000])
            if running is not None:
                running.remove(contestant)

    def add_bound(self, data_set):
        """What the building blocks alone would take, where the data set's bytes are known."""
        from blocks import files_bound_seconds, zstd_bytes_per_second
        from contestant import FIRST
        if not hasattr(data_set, "facts"):
            return
        self.report["blocks"][f"zstd -1, {data_set.name}"] = zstd_bytes_per_second(data_set.root)
        bound = files_bound_seconds(self.report["blocks"], data_set)
        self.rows[(data_set.name, FIRST, "blocks")] = {
            "data": data_set.name, "operation": FIRST, "name": "blocks", "role": "limit",
            "limit": data_set.limits[FIRST], "computed": True,
            "runs": [{"wall": bound, "cpu": 0, "cpu_server": 0, "peak": {}, "stored": 0}]}

    def finish(self):
        order = {name: index for index, name in enumerate(SETS)}
        rows = list(self.rows.values())
        first_seen = {}
        for row in rows:
            first_seen.setdefault((row["data"], row["operation"]), len(first_seen))
        self.report["results"] = sorted(
            rows, key=lambda r: (order[r["data"]], first_seen[(r["data"], r["operation"])]))
        return self.report


def progress(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def data_sets(context, names):
    from files_sets import Big, Small, Tree
    from postgres_sets import PgBench, Wide
    from redis_sets import RedisSet
    everyone = (Tree, Small, Big, PgBench, Wide, RedisSet)
    return [each(context) for each in everyone if each.name in names]


def main(arguments):
    options = parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # servers are stopped on the way out
    work = tempfile.mkdtemp(prefix="hf-bench-", dir=os.environ.get("TMPDIR", "/var/tmp"))
    os.chmod(work, 0o755)  # PostgreSQL's user passes through
    tempfile.tempdir = work
    os.makedirs(options.data, exist_ok=True)
    try:
        copy_binaries(work)
        from contestant import Context
        from table import facts, result_table
        comparison = Comparison(options, work)
        context = Context(work, options.data, options.scale, options.programs)
        for data_set in data_sets(context, options.only):
            with comparison.failures(data_set, "data set", data_set):
                comparison.run_set(data_set)
        report = comparison.finish()
        if options.json:
            with open(options.json, "w") as f:
                json.dump(report, f, indent=1)
        print(facts(report), result_table(report), sep="\n\n")
        return 1 if report["errors"] else 0
    finally:
        if options.keep:
            progress(f"kept: {work}")
        else:
            from measure import remove_tree
            remove_tree(work)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
