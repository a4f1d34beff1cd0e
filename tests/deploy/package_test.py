#!/usr/bin/env python3
"""Goal: the Debian packages install into a clean Debian 12, back up, survive an upgrade with running daemons, and
leave behind on remove and purge what is documented and nothing else.

Needs root, debootstrap and Debian's archive. The clean root is made once, in BUILD/clean-root, and copied. systemd
does not run in a chroot: the daemons are started by the ExecStart= of their units, as the units' users; what systemd
itself would do at an upgrade is read from the maintainer scripts.

    HOLDFAST_BUILD=build/release tests/deploy/package_test.py
"""

import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ["HOLDFAST_BUILD"])
CLEAN = os.path.join(BUILD, "clean-root")
PASSPHRASE = "correct horse battery staple\n"
PACKAGES = ("holdfast-controller", "holdfast-agent", "holdfast")


def run(argv, **options):
    done = subprocess.run(argv, capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def build_packages(directory, revision):
    run([os.path.join(ROOT, "deploy/package.sh"), "--build", BUILD, "--output", directory, "--revision", revision])
    return {name: glob.glob(f"{directory}/{name}_*-{revision}_*.deb")[0] for name in PACKAGES}


class CleanRoot:
    """A copy of a Debian without anything, with /proc, that goes away at the end."""

    def __init__(self):
        if not os.path.exists(CLEAN + "/etc/debian_version"):
            shutil.rmtree(CLEAN, ignore_errors=True)
            run(["debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", CLEAN])
        self.path = tempfile.mkdtemp(prefix="clean-root-", dir=BUILD)
        run(["cp", "-a", CLEAN + "/.", self.path])
        run(["mount", "-t", "proc", "proc", self.path + "/proc"])
        self.daemons = []

    def close(self):
        for daemon in self.daemons:
            if daemon.poll() is None:
                daemon.terminate()
                daemon.wait(timeout=60)
        # What apt fetched serves the next run.
        os.makedirs(CLEAN + "/var/cache/apt/archives", exist_ok=True)
        for package in glob.glob(self.path + "/var/cache/apt/archives/*.deb"):
            shutil.copy(package, CLEAN + "/var/cache/apt/archives/")
        run(["umount", self.path + "/proc"])
        shutil.rmtree(self.path)

    def chroot(self, *argv, user="root", check=True):
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive",
                       "HOME": "/root", "LC_ALL": "C.UTF-8",
                       "HOLDFAST_PASSPHRASE_FILE": "/root/passphrase"}
        done = subprocess.run(["chroot", "--userspec", user, self.path, *argv], capture_output=True, text=True,
                              env=environment, stdin=subprocess.DEVNULL)
        if check:
            assert done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done

    def file(self, path):
        return self.path + path

    def read(self, path):
        with open(self.file(path)) as f:
            return f.read()

    def write(self, path, text, mode=0o644):
        with open(self.file(path), "w") as f:
            f.write(text)
        os.chmod(self.file(path), mode)

    def install(self, packages):
        for package in packages.values():
            shutil.copy(package, self.file("/root/"))
        names = [f"/root/{os.path.basename(package)}" for package in packages.values()]
        return self.chroot("apt-get", "-q", "-y", "--no-install-recommends", "install", *names)

    def start(self, name):
        """By the unit's own words."""
        unit = dict(re.findall(r"^(\w+)=(.*)$", self.read(f"/lib/systemd/system/{name}.service"), re.M))
        user = unit.get("User", "root")
        log = open(self.file(f"/root/{name}.log"), "ab")
        daemon = subprocess.Popen(["chroot", "--userspec", f"{user}:{user}", self.path, *unit["ExecStart"].split()],
                                  stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                  env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"})
        log.close()
        self.daemons.append(daemon)
        return daemon

    def wait(self, what, condition):
        for _ in range(600):
            if condition():
                return
            time.sleep(0.1)
        raise AssertionError(f"waited for {what}: " + self.read("/root/holdfast-controller.log")[-2000:])


class Packages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.output = tempfile.mkdtemp(prefix="packages-", dir=BUILD)
        cls.first = build_packages(cls.output, "1")
        cls.second = build_packages(cls.output, "2")
        cls.root = CleanRoot()

    @classmethod
    def tearDownClass(cls):
        cls.root.close()
        shutil.rmtree(cls.output)

    def test_1_install(self):
        root = self.root
        root.install(self.first)
        self.assertRegex(root.read("/etc/passwd"), r"(?m)^holdfast:.*:/usr/sbin/nologin$")
        for name in ("holdfast-controller", "holdfast-agent"):
            self.assertTrue(os.path.islink(root.file(f"/etc/systemd/system/multi-user.target.wants/{name}.service")))
            conffiles = root.chroot("dpkg-query", "-W", "-f", "${Conffiles}", name).stdout
            self.assertIn(f"/etc/holdfast/{name.split('-')[1]}.yaml", conffiles)
        for path in ("/usr/share/man/man1/holdfast.1.gz", "/usr/share/man/man8/holdfast-agent.8.gz",
                     "/usr/share/man/man8/holdfast-controller.8.gz"):
            self.assertIn(b".SH", run_bytes(["zcat", root.file(path)]))
        completed = root.chroot("bash", "-c", ". /usr/share/bash-completion/completions/holdfast; "
                                "COMP_WORDS=(holdfast stat); COMP_CWORD=1; _holdfast; echo ${COMPREPLY[@]}").stdout
        self.assertEqual(completed, "status\n")
        state = os.stat(root.file("/var/lib/holdfast/controller"))
        self.assertEqual(state.st_mode & 0o777, 0o700)
        self.assertNotEqual(state.st_uid, 0)

    def test_2_back_up(self):
        root = self.root
        ports = {port: free_port() for port in ("7443", "7444", "7445")}
        config = root.read("/etc/holdfast/controller.yaml")
        config += f"listen: 127.0.0.1:{ports['7443']}\nlisten_enrollment: 127.0.0.1:{ports['7444']}\n"
        root.write("/etc/holdfast/controller.yaml", config.replace("7445", str(ports["7445"])))
        os.makedirs(root.file("/srv/files"))
        root.write("/srv/files/one", "content\n" * 10_000)
        root.write("/etc/holdfast/agent.yaml", root.read("/etc/holdfast/agent.yaml") +
                   "sources:\n  - {name: files, kind: files, root: /srv/files}\n")
        root.write("/root/passphrase", PASSPHRASE, 0o600)
        root.start("holdfast-controller")
        root.wait("the controller", lambda: os.path.exists(root.file("/run/holdfast/controller.sock")))
        root.chroot("holdfast", "init", "--kit", "/root/kit.txt", "--recovery-confirmed")
        root.chroot("holdfast", "enroll", "web-1", "--output", "/root/web-1.token")
        self.assertFalse(os.path.exists(root.file("/var/lib/holdfast/agent/identity")))
        root.chroot("holdfast-agent", "--config", "/etc/holdfast/agent.yaml", "enroll", "--token-file",
                    "/root/web-1.token")
        self.assertTrue(os.path.exists(root.file("/var/lib/holdfast/agent/identity")), "the unit's condition")
        root.start("holdfast-agent")
        root.wait("the agent", self.connected)
        root.chroot("holdfast", "backup")
        self.assertEqual(len(self.snapshots()), 1)

    def test_3_upgrade(self):
        root = self.root
        before = root.read("/etc/holdfast/controller.yaml")
        root.install(self.second)
        for name in PACKAGES:
            self.assertTrue(root.chroot("dpkg-query", "-W", "-f", "${Version}", name).stdout.endswith("-2"))
        self.assertEqual(root.read("/etc/holdfast/controller.yaml"), before)
        for name in ("holdfast-controller", "holdfast-agent"):
            script = root.read(f"/var/lib/dpkg/info/{name}.postinst")
            self.assertIn("_dh_action=restart", script)
            self.assertIn(f"deb-systemd-invoke $_dh_action '{name}.service'", script)
        # The daemons of the old packages still run; now as systemd would do it.
        for daemon in root.daemons:
            self.assertIsNone(daemon.poll())
            daemon.send_signal(signal.SIGTERM)
            self.assertEqual(daemon.wait(timeout=60), 0)
        root.start("holdfast-controller")
        root.wait("the controller", lambda: root.chroot("holdfast", "status", check=False).returncode == 0)
        root.start("holdfast-agent")
        root.wait("the agent", self.connected)
        root.chroot("holdfast", "backup")
        self.assertEqual(len(self.snapshots()), 2)
        os.makedirs(root.file("/srv/restore"))
        root.chroot("holdfast", "restore", "files@1", "--target", "/srv/restore/files")
        self.assertEqual(root.read("/srv/restore/files/one"), root.read("/srv/files/one"))

    def test_4_remove_and_purge(self):
        root = self.root
        for daemon in root.daemons:
            if daemon.poll() is None:
                daemon.send_signal(signal.SIGTERM)
                self.assertEqual(daemon.wait(timeout=60), 0)
        root.chroot("apt-get", "-q", "-y", "remove", *PACKAGES)
        self.assertFalse(os.path.exists(root.file("/usr/bin/holdfast-controller")))
        for path in ("/etc/holdfast/controller.yaml", "/etc/holdfast/agent.yaml", "/var/lib/holdfast/agent/identity"):
            self.assertTrue(os.path.exists(root.file(path)), path)
        packs = glob.glob(root.file("/var/lib/holdfast/controller/store/packs/**/*"), recursive=True)
        self.assertTrue(packs)
        said = root.chroot("apt-get", "-q", "-y", "purge", *PACKAGES)
        self.assertIn("The backups stay in /var/lib/holdfast/controller", said.stdout + said.stderr)
        self.assertEqual(packs, glob.glob(root.file("/var/lib/holdfast/controller/store/packs/**/*"), recursive=True))
        for path in ("/etc/holdfast", "/var/lib/holdfast/agent",
                     "/etc/systemd/system/multi-user.target.wants/holdfast-agent.service"):
            self.assertFalse(os.path.lexists(root.file(path)), path)

    def test_5_lintian(self):
        """Errors only; what is left out here has its reason."""
        done = subprocess.run(["lintian", "--fail-on", "error", "--suppress-tags", "no-copyright-file,bogus-mail-host",
                               *self.first.values()], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def connected(self):
        done = self.root.chroot("holdfast", "agent", "list", "--json", check=False)
        return done.returncode == 0 and any(one["connected"] for one in json.loads(done.stdout)["agents"])

    def snapshots(self):
        return json.loads(self.root.chroot("holdfast", "snapshots", "--json").stdout)["snapshots"]


def run_bytes(argv):
    return subprocess.run(argv, capture_output=True, check=True).stdout


if __name__ == "__main__":
    unittest.main()
