#!/usr/bin/env python3
"""Goal: the systemd units are ones that systemd takes, shut their daemons in, and name what the packages bring.

Needs no running systemd: systemd-analyze reads files."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UNITS = os.path.join(ROOT, "deploy", "systemd")
NAMES = ("holdfast-controller", "holdfast-agent")
# Exposure as systemd-analyze counts it, in tenths: what is reached today. Root costs the agent one point.
EXPOSURE = {"holdfast-controller": 14, "holdfast-agent": 26}


def settings(name):
    """[(key, value)] in the order of the file."""
    with open(os.path.join(UNITS, name + ".service")) as f:
        return re.findall(r"^(\w+)=(.*)$", f.read(), re.M)


class Units(unittest.TestCase):
    def test_systemd_takes_them(self):
        with tempfile.TemporaryDirectory() as directory:
            for name in NAMES:
                program = shutil.copy("/bin/true", os.path.join(directory, name))
                with open(os.path.join(UNITS, name + ".service")) as f:
                    text = f.read()
                self.assertIn(f"ExecStart=/usr/bin/{name} ", text)
                with open(os.path.join(directory, name + ".service"), "w") as f:
                    f.write(text.replace(f"/usr/bin/{name}", program))
            done = subprocess.run(
                ["systemd-analyze", "verify", "--man=no", *[f"{directory}/{name}.service" for name in NAMES]],
                capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_verification_finds_mistakes(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "holdfast-controller.service")
            with open(os.path.join(UNITS, "holdfast-controller.service")) as f:
                text = f.read().replace("/usr/bin/holdfast-controller", "/bin/true")
            with open(path, "w") as f:
                f.write(text.replace("PrivateTmp=yes", "PrivateTemp=yes"))
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", path], capture_output=True,
                                  text=True)
            self.assertIn("PrivateTemp", done.stdout + done.stderr)

    def test_exposure_stays_low(self):
        for name in NAMES:
            done = subprocess.run(
                ["systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE[name]}",
                 os.path.join(UNITS, name + ".service")], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, f"{name}: {done.stdout[-300:]}{done.stderr}")

    def test_daemons_are_watched_and_told_apart(self):
        for name in NAMES:
            unit = settings(name)
            for wanted in [("Type", "notify"), ("WatchdogSec", "60s"), ("Restart", "on-failure"),
                           ("LoadCredential", "holdfast:/etc/holdfast/credentials"),
                           ("StateDirectory", name.replace("-", "/")), ("NoNewPrivileges", "yes")]:
                self.assertIn(wanted, unit, name)
        self.assertIn(("CapabilityBoundingSet", ""), settings("holdfast-controller"))

    def test_users_and_directories_are_made(self):
        with open(os.path.join(UNITS, "holdfast-controller.sysusers")) as f:
            users = re.findall(r"^u (\w+)", f.read(), re.M)
        self.assertEqual(users, [dict(settings("holdfast-controller"))["User"]])
        for name in NAMES:
            with tempfile.TemporaryDirectory() as directory, open(os.path.join(UNITS, name + ".tmpfiles")) as f:
                # Nobody but root is known in an empty root.
                lines = [line.replace("holdfast holdfast", "root root") for line in f]
                own = os.path.join(directory, "lines.conf")
                with open(own, "w") as out:
                    out.writelines(lines)
                done = subprocess.run(["systemd-tmpfiles", "--create", f"--root={directory}", own],
                                      capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)
                for path in ("etc/holdfast/credentials", f"var/lib/{name.replace('-', '/')}"):
                    self.assertEqual(os.stat(os.path.join(directory, path)).st_mode & 0o777, 0o700, path)


if __name__ == "__main__":
    unittest.main()
