"""Goal: both daemons tell systemd the truth: ready when they are, alive while nothing is stuck, reloading,
stopping; and with the settings of their units they start."""

import os
import signal
import socket
import sqlite3
import unittest

from rig import BIN, Daemon, Rig, wait_for


class Notifications:
    """The socket that systemd would listen on."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)

    def next(self, seconds=30):
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(4096).decode()
        except TimeoutError:
            return None

    def until(self, wanted, seconds=30):
        """What came before `wanted`, which must come."""
        seen = []
        while (text := self.next(seconds)) is not None:
            if text.startswith(wanted):
                return seen
            seen.append(text)
        raise AssertionError(f"no {wanted} after {seen}")


class Service(unittest.TestCase):
    def check(self, rig, notifications, daemon):
        self.assertEqual(notifications.next(), "READY=1")
        for _ in range(3):
            self.assertEqual(notifications.next(), "WATCHDOG=1")
        os.kill(daemon.process.pid, signal.SIGHUP)
        notifications.until("RELOADING=1\nMONOTONIC_USEC=")
        notifications.until("READY=1")
        self.assertIn("WATCHDOG=1", [notifications.next(), notifications.next()])
        os.kill(daemon.process.pid, signal.SIGTERM)
        notifications.until("STOPPING=1")
        self.assertEqual(daemon.process.wait(timeout=60), 0)
        while (text := notifications.next(0.2)) is not None:
            self.assertEqual(text, "WATCHDOG=1")

    def environment(self, notifications):
        return dict(os.environ, NOTIFY_SOCKET=notifications.path, WATCHDOG_USEC="200000")

    def test_both_daemons(self):
        with Rig("service") as rig:
            tree = rig.path("files")
            os.makedirs(tree)
            rig.setup([{"name": "files", "kind": "files", "root": tree}])
            rig.agents.pop("agent").stop()
            notifications = Notifications(rig.path("notify"))
            agent = Daemon([f"{BIN}/holdfast-agent", "--config", rig.path("agent.yaml")],
                           rig.path("agent.log"), self.environment(notifications))
            rig.daemons.append(agent)
            self.check(rig, notifications, agent)
            self.assertEqual(rig.controller.stop(), 0)
            controller = Daemon([f"{BIN}/holdfast-controller", "--config", rig.path("controller.yaml")],
                                rig.path("controller.log"), self.environment(notifications))
            rig.daemons.append(controller)
            self.check(rig, notifications, controller)

    def test_a_controller_that_cannot_write_its_catalog_still_answers(self):
        """The watchdog is about locks that are stuck, not about disks: a new start would not help."""
        with Rig("service-busy") as rig:
            notifications = Notifications(rig.path("notify"))
            rig.start_controller()
            rig.init()
            self.assertEqual(rig.controller.stop(), 0)
            controller = Daemon([f"{BIN}/holdfast-controller", "--config", rig.path("controller.yaml")],
                                rig.path("controller.log"), self.environment(notifications))
            rig.daemons.append(controller)
            notifications.until("READY=1")
            database = sqlite3.connect(os.path.join(rig.data, "catalog", "catalog.db"), timeout=10)
            database.execute("BEGIN IMMEDIATE")
            for _ in range(5):
                self.assertEqual(notifications.next(), "WATCHDOG=1")
            database.rollback()
            database.close()
            wait_for("the socket", lambda: os.path.exists(rig.socket))


if __name__ == "__main__":
    unittest.main()
