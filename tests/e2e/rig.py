"""A whole installation in a temporary directory: controller, agents, PostgreSQL, Redis, operator.

Used by the end-to-end tests. Servers listen on 127.0.0.1 on free ports and die with the rig.
HOLDFAST_BIN names the directory with the binaries.
"""

import json
import mmap
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

BIN = os.environ["HOLDFAST_BIN"]
SOURCE_DIR = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, condition, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s for {what}")


def mapped_zeros(path, size):
    """A new file of zeros, mapped: what a preloaded library and its test both see."""
    with open(path, "w+b") as f:
        f.truncate(size)
        return mmap.mmap(f.fileno(), size)


class MovedClock:
    """One clock for all processes of a rig, which the test moves on: fast_clock.c.

    Moving it is as if all had slept meanwhile. Waiting moves it in small steps, so that what has to be answered within
    seconds is, and looks at the condition after each.
    """

    STEP = 0.5      # seconds, …
    PAUSE = 0.03    # … after so many real ones

    def __init__(self, path):
        self.path = path
        self.map = mapped_zeros(path, 8)
        self.nanoseconds = memoryview(self.map).cast("q")

    def time(self):
        return time.time() + self.nanoseconds[0] / 1e9

    def move(self, seconds):
        """At once: the machine sleeps."""
        self.nanoseconds[0] += int(seconds * 1e9)

    def run(self, seconds, step=STEP):
        end = self.time() + seconds
        while (left := end - self.time()) > 0:
            self.move(min(step, left))
            time.sleep(self.PAUSE)

    def wait_for(self, what, condition, seconds=30, step=STEP):
        """As wait_for, with seconds of this clock. Large steps are for when nothing is on its way.

        What is due by then may still need its time on a busy machine: it has some, while the clock is not moved.
        """
        end = self.time() + seconds
        while self.time() <= end:
            if condition():
                return
            self.move(step)
            time.sleep(self.PAUSE)
        wait_for(f"{what}, after {seconds} s of the moved clock", condition)


class SickDisk:
    """System calls of a rig's daemons that fail as the test says: sick_disk.c."""

    COUNT_AT = 4088

    def __init__(self, path):
        self.path = path
        self.map = mapped_zeros(path, 4096)

    def fail(self, *rules):
        """Each rule is "call errno part-of-a-path"; none at all is a disk that is well again."""
        text = "\n".join(rules).encode()
        self.map[0:self.COUNT_AT] = text.ljust(self.COUNT_AT, b"\0")

    def heal(self):
        self.fail()

    def failed(self):
        return int.from_bytes(self.map[self.COUNT_AT:4096], "little")


def read_up_to(stream, size):
    """Less than size where the rest cannot be read, such as a guard page or a file's missing end."""
    parts = []
    try:
        while size > 0 and (part := stream.read(min(size, 16 << 20))):
            parts.append(part)
            size -= len(part)
    except OSError:
        pass
    return b"".join(parts)


class Daemon:
    """A process whose output goes to a file; stopped with SIGTERM, checked for a clean end."""

    def __init__(self, argv, log_path, env=None, user=None):
        self.log_path = log_path
        self.log = open(log_path, "ab")
        if user and os.geteuid() == 0:
            argv = ["runuser", "-u", user, "--"] + argv
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log, env=env, start_new_session=True)

    def text(self):
        with open(self.log_path, "rb") as f:
            return f.read().decode(errors="replace")

    def alive(self):
        return self.process.poll() is None

    def stop(self, sig=signal.SIGTERM):
        if self.alive():
            os.killpg(self.process.pid, sig)
        status = self.process.wait(timeout=60)
        self.log.close()
        return status

    def kill(self):
        return self.stop(signal.SIGKILL)

    def memory(self):
        """What the process can read, mapping by mapping, while it stands still."""
        pid = self.process.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
                for line in maps:
                    span, rights = line.split()[:2]
                    if rights[0] == "r" and not line.rstrip().endswith(("[vvar]", "[vsyscall]")):
                        begin, end = (int(part, 16) for part in span.split("-"))
                        memory.seek(begin)
                        yield line.rstrip(), read_up_to(memory, end - begin)
        finally:
            os.kill(pid, signal.SIGCONT)

    def peak_memory_bytes(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            for line in f:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        raise AssertionError("no VmHWM")


class Postgres:
    def __init__(self, directory):
        self.data = os.path.join(directory, "pg")
        self.port = free_port()
        self.binaries = sorted(
            os.path.join("/usr/lib/postgresql", v, "bin") for v in os.listdir("/usr/lib/postgresql"))[-1]
        os.makedirs(self.data)
        if os.geteuid() == 0:
            entry = pwd.getpwnam("postgres")
            os.chown(self.data, entry.pw_uid, entry.pw_gid)
        self._make_cluster()
        self.daemon = Daemon(
            [f"{self.binaries}/postgres", "-D", self.data, "-p", str(self.port), "-h", "127.0.0.1",
             "-k", self.data, "-c", "fsync=off", "-c", "max_wal_size=4GB"],
            os.path.join(directory, "postgres.log"), user="postgres")
        wait_for("postgres", lambda: subprocess.run(
            [f"{self.binaries}/pg_isready", "-h", "127.0.0.1", "-p", str(self.port)],
            stdout=subprocess.DEVNULL).returncode == 0)

    def _make_cluster(self):
        """As initdb makes it: copied from the first one of this build directory, which is faster."""
        kept = os.path.join(BIN, f"../postgres-e2e-{os.path.basename(os.path.dirname(self.binaries))}")
        if os.path.exists(kept):
            subprocess.run(["cp", "-a", f"{kept}/.", self.data], check=True)
            return
        self._as_postgres([f"{self.binaries}/initdb", "-D", self.data, "-U", "postgres", "-A", "trust",
                           "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"])
        subprocess.run(["cp", "-a", self.data, f"{kept}.{os.getpid()}"], check=True)
        try:
            os.rename(f"{kept}.{os.getpid()}", kept)
        except OSError:  # another test was faster
            shutil.rmtree(f"{kept}.{os.getpid()}")

    def _as_postgres(self, argv):
        if os.geteuid() == 0:
            argv = ["runuser", "-u", "postgres", "--"] + argv
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, cwd="/")

    def sql(self, text, database="postgres"):
        done = subprocess.run(
            ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p",
             str(self.port), "-U", "postgres", "-d", database, "-f", "-"],
            input=text, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def schema(self, database):
        done = subprocess.run([f"{self.binaries}/pg_dump", "-s", "-h", "127.0.0.1", "-p", str(self.port),
                               "-U", "postgres", database], capture_output=True, text=True, check=True)
        return [line for line in done.stdout.splitlines()
                if not line.startswith(("\\restrict", "\\unrestrict"))]

    def stop(self):
        self.daemon.stop(signal.SIGINT)


class Redis:
    def __init__(self, directory, name="redis", extra=()):
        self.directory = os.path.join(directory, name)
        os.makedirs(self.directory)
        self.port = free_port()
        self.daemon = Daemon(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.directory,
             "--save", "", "--enable-debug-command", "yes", "--databases", "16",
             "--repl-diskless-sync-delay", "0", *extra],
            os.path.join(directory, f"{name}.log"))
        wait_for("redis", lambda: self.cli("ping") == "PONG")

    def cli(self, *arguments, stdin=None):
        done = subprocess.run(["redis-cli", "-h", "127.0.0.1", "-p", str(self.port), *arguments],
                              capture_output=True, text=True, input=stdin)
        return done.stdout.strip()

    def digest(self):
        return self.cli("debug", "digest")

    def stop(self):
        self.daemon.stop()

    close = stop


class Rig:
    def __init__(self, name, tapped=(), moved=False, sick=()):
        self.tapped = tapped  # "controller" and names of agents whose traffic is copied, see tap()
        self.sick = sick  # "controller" and names of agents whose system calls fail, see disk
        self.directory = tempfile.mkdtemp(prefix=f"holdfast-{name}-")
        os.chmod(self.directory, 0o755)  # PostgreSQL's user passes through
        self.home = os.path.join(self.directory, "home")
        self.data = os.path.join(self.directory, "controller")
        self.socket = os.path.join(self.directory, "c.sock")
        self.restore_root = os.path.join(self.directory, "restore")
        os.makedirs(self.home, mode=0o700)
        os.makedirs(self.restore_root)
        self.kit = os.path.join(self.directory, "kit.txt")
        self.passphrase = self.write("passphrase", "correct horse battery staple\n", 0o600)
        self.clock = MovedClock(self.path("clock")) if moved else None
        self.disk = SickDisk(self.path("sick")) if sick else None
        self.port, self.enrollment_port = free_port(), free_port()
        self.controller_settings = ""  # more lines of controller.yaml
        self.controller = None
        self.agents = {}
        self.daemons = []

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            for name in sorted(os.listdir(self.directory)):
                if name.endswith(".log"):
                    with open(os.path.join(self.directory, name), errors="replace") as f:
                        print(f"--- {name}\n" + "".join(f.readlines()[-25:]))
        for daemon in [*self.agents.values(), self.controller, *self.daemons]:
            if daemon is not None:
                try:
                    daemon.stop()
                except Exception as error:  # the others still have to go
                    print("stopping:", error)
        shutil.rmtree(self.directory, ignore_errors=True)

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def write(self, name, text, mode=0o644):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    # --- daemons ---------------------------------------------------------------------------------

    def tap(self, name):
        """The directory with what crosses the sockets of that daemon, TLS opened: traffic_tap.c."""
        return self.path(f"tap-{name}")

    def _environment(self, name):
        environment, preloaded = dict(os.environ), []
        if name in self.tapped:
            os.makedirs(self.tap(name), exist_ok=True)
            environment["HOLDFAST_TAP"] = self.tap(name)
            preloaded.append(f"{BIN}/holdfast_traffic_tap.so")
        if self.clock:
            environment["HOLDFAST_CLOCK"] = self.clock.path
            preloaded.append(f"{BIN}/holdfast_fast_clock.so")
        if name in self.sick:
            environment["HOLDFAST_SICK_DISK"] = self.disk.path
            preloaded.append(f"{BIN}/holdfast_sick_disk.so")
        if preloaded:
            environment["LD_PRELOAD"] = " ".join(preloaded)
        return environment

    def start_controller(self, wait=True):
        # Nothing happens by itself unless a test wants it.
        still = "" if "schedule:" in self.controller_settings else 'schedule: {cron: "0 0 29 2 *"}\n'
        config = self.write("controller.yaml",
                            f"data_directory: {self.data}\nlisten: 127.0.0.1:{self.port}\n"
                            f"listen_enrollment: 127.0.0.1:{self.enrollment_port}\n"
                            f"socket: {self.socket}\n{still}{self.controller_settings}")
        self.controller = Daemon([f"{BIN}/holdfast-controller", "--config", config],
                                 self.path("controller.log"), self._environment("controller"))
        if wait:
            wait_for("the controller", lambda: os.path.exists(self.socket) or not self.controller.alive())
            assert self.controller.alive(), self.controller.text()
        return self.controller

    def init(self):
        return self.cli("init", "--kit", self.kit, "--recovery-confirmed")

    def agent_config(self, name, sources, controller=""):
        lines = [f"data_directory: {self.path(name)}", f"restore_roots: [{self.restore_root}]"]
        if controller:
            lines.append(f"controller: {controller}")
        lines.append("sources:")
        for source in sources:
            lines.append("  - " + json.dumps(source))
        return self.write(f"{name}.yaml", "\n".join(lines) + "\n")

    def enroll_agent(self, name, sources):
        config = self.agent_config(name, sources)
        token = self.path(f"{name}.token")
        self.cli("enroll", name, "--output", token)
        done = subprocess.run([f"{BIN}/holdfast-agent", "--config", config, "enroll", "--token-file", token],
                              capture_output=True, text=True, env=self._environment("enrolment"))
        assert done.returncode == 0, done.stderr
        return config

    def start_agent(self, name, wait=True):
        self.agents[name] = Daemon([f"{BIN}/holdfast-agent", "--config", self.path(f"{name}.yaml")],
                                   self.path(f"{name}.log"), self._environment(name))
        if wait:
            wait_for(f"agent {name}", lambda: self.is_connected(name))
        return self.agents[name]

    def is_connected(self, name):
        agents = json.loads(self.cli("agent", "list", "--json").stdout)
        rows = agents["agents"] if isinstance(agents, dict) else agents
        return any(row["name"] == name and row["connected"] for row in rows)

    def setup(self, sources, name="agent"):
        self.start_controller()
        self.init()
        self.enroll_agent(name, sources)
        self.start_agent(name)

    # --- the operator ----------------------------------------------------------------------------

    def cli(self, *arguments, expect=0, text=True, timeout=600):
        environment = dict(self._environment("operator"), HOLDFAST_HOME=self.home, HOLDFAST_SOCKET=self.socket,
                           HOLDFAST_PASSPHRASE_FILE=self.passphrase)
        done = subprocess.run([f"{BIN}/holdfast", *arguments], capture_output=True, text=text,
                              env=environment, timeout=timeout, stdin=subprocess.DEVNULL)
        if expect is not None:
            assert done.returncode == expect, (
                f"holdfast {' '.join(arguments)}: exit {done.returncode}, expected {expect}\n"
                f"stdout: {done.stdout}\nstderr: {done.stderr}")
        return done

    def recover(self, *arguments, expect=0):
        done = subprocess.run([f"{BIN}/holdfast-agent", "recover", "--kit", self.kit, *arguments],
                              capture_output=True, text=True, timeout=600)
        assert expect is None or done.returncode == expect, f"exit {done.returncode}: {done.stderr}"
        return done

    def snapshots(self, source):
        rows = json.loads(self.cli("snapshots", source, "--json").stdout)
        return rows["snapshots"] if isinstance(rows, dict) else rows


def compare_trees(a, b):
    """Everything about two trees, by code that shares nothing with Holdfast."""
    done = subprocess.run(["python3", os.path.join(SOURCE_DIR, "tests/support/compare_trees.py"), a, b],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


class CuttingProxy:
    """A TCP proxy that can cut all its connections and counts bytes toward the server.

    With cut_after it cuts all of them by itself, once, when so many bytes came from the server.
    """

    def __init__(self, target_port, cut_after=None):
        self.target_port = target_port
        self.cut_after = cut_after
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.forwarded = 0
        self.pairs = []
        self.lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target_port))
            except OSError:
                return
            with self.lock:
                self.pairs.append((client, server))
            threading.Thread(target=self._pump, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, False), daemon=True).start()

    def _pump(self, source, sink, count):
        try:
            while data := source.recv(1 << 16):
                sink.sendall(data)
                if count:
                    self.forwarded += len(data)
                elif self._reached(len(data)):
                    self.cut()
        except OSError:
            pass
        for each in (source, sink):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _reached(self, size):
        with self.lock:
            if self.cut_after is None:
                return False
            self.cut_after -= size
            if self.cut_after >= 0:
                return False
            self.cut_after = None
            return True

    def cut(self):
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for each in pair:
                try:
                    each.shutdown(socket.SHUT_RDWR)
                    each.close()
                except OSError:
                    pass

    def close(self):
        self.listener.close()
        self.cut()
