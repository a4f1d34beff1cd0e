"""Runs commands and tells what they cost: wall time, CPU of every process, peak memory per process.

A command's CPU comes from wait4, its peak from GNU time: a process started by Python itself would
inherit Python's own peak. A daemon's CPU is the growth of its tree in /proc/PID/stat, its peak is
VmHWM, reset at the begin. What a daemon starts (PostgreSQL's backends, pg_dump) is sampled.
"""

import concurrent.futures
import os
import subprocess
import tempfile
import threading
import time

TICK = 1.0 / os.sysconf("SC_CLK_TCK")
SAMPLE_SECONDS = 0.1
SETTLE_SECONDS = 0.2
SETTLE_LIMIT_SECONDS = 10
REMOVERS = 64


class Failed(Exception):
    """A command ended with an error, or what came back is not what was backed up."""


class Stage:
    """One process of a pipeline, with the name its peak memory is listed under."""

    def __init__(self, name, argv):
        self.name, self.argv = name, [str(a) for a in argv]


class Watched:
    """A running daemon. What a `server` does goes on its own account: both sides make it work."""

    def __init__(self, name, pid, server=False, fresh=False):
        self.name, self.pid, self.server = name, pid, server
        self.cpu_before = 0.0 if fresh else tree_cpu_seconds(pid)


def as_user(user, argv):
    return ["runuser", "-u", user, "--", *argv] if os.geteuid() == 0 else list(argv)


def quiet(argv, **options):
    """A command that is not measured; its output is shown only when it fails."""
    done = subprocess.run([str(a) for a in argv], capture_output=True, **options)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, argv))}: exit {done.returncode}: "
                     f"{done.stderr.decode(errors='replace')[-2000:]}"
                     f"{done.stdout.decode(errors='replace')[-500:]}")
    return done.stdout.decode(errors="replace")


# --- /proc ---------------------------------------------------------------------------------------


def read_proc(pid, name):
    try:
        with open(f"/proc/{pid}/{name}", "rb") as f:
            return f.read()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def tree(pid):
    """The process and all below it; each thread has the children it made."""
    found = [pid]
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except (FileNotFoundError, ProcessLookupError):
        return found
    for task in tasks:
        for child in read_proc(pid, f"task/{task}/children").split():
            found += tree(int(child))
    return found


def tree_cpu_seconds(pid):
    """User and system time of the living tree and of all children it has waited for."""
    total = 0
    for each in tree(pid):
        fields = read_proc(each, "stat").rpartition(b") ")[2].split()
        if fields:
            total += sum(int(f) for f in fields[11:15])
    return total * TICK


def peak_bytes(pid):
    for line in read_proc(pid, "status").splitlines():
        if line.startswith(b"VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def command_name(pid):
    return read_proc(pid, "comm").decode(errors="replace").strip()


def reset_peak(pid):
    try:
        with open(f"/proc/{pid}/clear_refs", "w") as f:
            f.write("5")
    except (FileNotFoundError, ProcessLookupError):
        pass


# --- one measured operation ----------------------------------------------------------------------


class Meter:
    """`with Meter(watched) as meter: meter.run(...)`; afterwards `result`."""

    def __init__(self, watched=()):
        self.watched = list(watched)
        self.peaks = {}
        self.cpu = 0.0
        self.result = None
        self.done = threading.Event()
        self.sampler = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self):
        for each in self.watched:
            for pid in tree(each.pid):
                reset_peak(pid)
            each.cpu_before = tree_cpu_seconds(each.pid)
        self.sampler.start()
        self.begin = time.monotonic()
        return self

    def __exit__(self, kind, value, trace):
        wall = time.monotonic() - self.begin
        server_cpu = sum(tree_cpu_seconds(w.pid) - w.cpu_before for w in self.watched if w.server)
        if kind is None:
            self._settle()
        self.done.set()
        self.sampler.join()
        self._take_peaks()
        cpu = self.cpu + sum(tree_cpu_seconds(w.pid) - w.cpu_before
                             for w in self.watched if not w.server)
        self.result = {"wall": wall, "cpu": cpu + server_cpu, "cpu_server": server_cpu,
                       "peak": dict(self.peaks)}

    def watch(self, daemon):
        """A daemon that was started inside the measured time."""
        self.watched = self.watched + [daemon]

    def run(self, *stages, env=None, cwd=None, stdin=None, stdout=None):
        """A pipeline; raises Failed unless every process of it ends with 0."""
        environment = dict(os.environ, **(env or {}))
        with tempfile.TemporaryDirectory() as scratch, \
                open(stdin or os.devnull, "rb") as source, \
                open(stdout or os.path.join(scratch, "out"), "wb") as sink, \
                open(os.path.join(scratch, "err"), "w+b") as errors:
            processes, previous = [], source
            for index, stage in enumerate(stages):
                last = index == len(stages) - 1
                argv = ["/usr/bin/time", "-q", "-f", "%M", "-o", f"{scratch}/{index}", *stage.argv]
                process = subprocess.Popen(argv, stdin=previous, env=environment, cwd=cwd,
                                           stdout=sink if last else subprocess.PIPE, stderr=errors)
                if previous is not source:
                    previous.close()
                previous = process.stdout
                processes.append(process)
            codes = [self._wait(process) for process in processes]
            for index, stage in enumerate(stages):
                with open(f"{scratch}/{index}") as f:
                    self._peak(stage.name, int(f.read().split()[-1]) * 1024)
            if any(codes):
                errors.seek(0)
                text = errors.read()[-2000:].decode(errors="replace")
                names = " | ".join(" ".join(s.argv) for s in stages)
                raise Failed(f"{names}: exit {codes}: {text}")

    def _wait(self, process):
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.cpu += usage.ru_utime + usage.ru_stime
        return process.returncode

    def _peak(self, name, size):
        self.peaks[name] = max(size, self.peaks.get(name, 0))

    def _settle(self):
        """Work that a daemon does after its answer is its work too: waits until it is idle."""
        deadline = time.monotonic() + SETTLE_LIMIT_SECONDS
        own = [w for w in self.watched if not w.server]
        before = None
        while own and time.monotonic() < deadline:
            now = sum(tree_cpu_seconds(w.pid) for w in own)
            if before is not None and now - before < 1.5 * TICK:
                return
            before = now
            time.sleep(SETTLE_SECONDS)

    def _sample(self):
        while not self.done.wait(SAMPLE_SECONDS):
            self._take_peaks()

    def _take_peaks(self):
        for each in self.watched:
            for pid in tree(each.pid):
                name = command_name(pid)
                if name == command_name(each.pid) or pid == each.pid:
                    name = each.name  # also a child that is about to become something else
                size = peak_bytes(pid)
                if size and name not in ("runuser", "time", "sh"):
                    self._peak(name, size)


# --- the same state before every run -------------------------------------------------------------


def prepare_cache(mode, paths):
    """Write-back of the neighbour is over; then all of `paths` is in the page cache, or nothing."""
    os.sync()
    if mode == "cold":
        with open("/proc/sys/vm/drop_caches", "w") as f:
            f.write("3")
    for path in paths if mode == "warm" else ():
        reader = subprocess.Popen(["tar", "--ignore-failed-read", "-cf", "-", path],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        subprocess.run(["cat"], stdin=reader.stdout, stdout=subprocess.DEVNULL, check=True)
        reader.stdout.close()
        reader.wait()


def tree_bytes(path, skip=()):
    """Sum of the sizes of all files, without those whose names end with one of `skip`."""
    total = 0
    for directory, _, names in os.walk(path):
        for name in names:
            if not name.endswith(tuple(skip)):
                try:
                    total += os.lstat(os.path.join(directory, name)).st_size
                except FileNotFoundError:  # the daemon's own temporary file
                    pass
    return total


def remove_tree(path):
    """Many at once: some file systems wait for the disk at every single removal."""
    files, levels = [], {}
    for directory, names, found in os.walk(path):
        links = [n for n in names if os.path.islink(os.path.join(directory, n))]
        files += [os.path.join(directory, name) for name in found + links]
        levels.setdefault(directory.count("/"), []).append(directory)
    with concurrent.futures.ThreadPoolExecutor(REMOVERS) as pool:
        list(pool.map(os.unlink, files, chunksize=1))
        for depth in sorted(levels, reverse=True):
            list(pool.map(os.rmdir, levels[depth]))
