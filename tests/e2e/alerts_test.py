"""The right person is told: failures, absence, kills at the worst moment, a silent controller."""

import datetime
import json
import os
import shutil
import unittest
import urllib.error
import urllib.request

from rig import Rig, free_port
from receivers import WHSEC, HttpReceiver


class Alerted(Rig):
    """A controller with a webhook, and an agent with one source that can be made to fail."""

    def __init__(self, name, settings="no_success: 7d"):
        super().__init__(name, moved=True)
        self.http = HttpReceiver()
        self.root = self.path("uploads")
        os.makedirs(self.root)
        with open(os.path.join(self.root, "file"), "w") as f:
            f.write("content")
        self.write("hook.url", self.http.url("/hook"), 0o600)
        self.write("agent.url", self.http.url("/agent"), 0o600)
        self.write("hook.secret", WHSEC, 0o600)
        self.controller_settings = f"""
alerts:
  {settings}
  disk_free: 1
  allow_private_addresses: true
  channels:
    - {{name: hook, kind: webhook, url_file: hook.url, secret_file: hook.secret}}
contacts:
  - {{name: ana, role: databases, channels: [hook], time_zone: Europe/Berlin}}
providers:
  - {{name: Example Cloud, service: servers, support: "https://cloud.example/support"}}
"""

    def __exit__(self, kind, value, trace):
        super().__exit__(kind, value, trace)
        self.http.stop()

    def set_up(self, agent_settings=""):
        self.start_controller()
        self.init()
        config = self.enroll_agent("agent", [{"name": "uploads", "kind": "files", "root": self.root}])
        with open(config, "a") as f:
            f.write(agent_settings)
        self.start_agent("agent")

    def break_source(self):
        shutil.move(self.root, self.root + ".away")

    def mend_source(self):
        shutil.move(self.root + ".away", self.root)

    def told(self, kind, action="trigger", path="/hook"):
        return [m["data"] for m in self.http.messages(path)
                if m["data"]["kind"] == kind and m["data"]["action"] == action]

    def alerts(self, *arguments):
        return json.loads(self.cli("alert", "list", "--json", *arguments).stdout)["alerts"]


class Alerts(unittest.TestCase):
    def test_failures_are_counted_told_once_and_their_end_once(self):
        with Alerted("failures") as rig:
            rig.set_up()
            rig.break_source()
            for _ in range(10):
                rig.cli("backup", "uploads", expect=10)
            rig.clock.wait_for("the alert", lambda: rig.told("failure"), 60)
            self.assertEqual([m["count"] for m in rig.told("failure")], [10])
            message = rig.told("failure")[0]
            self.assertIn("Example Cloud", message["facts"])
            self.assertIn("HF-", message["text"])
            row, = rig.alerts()
            self.assertEqual((row["kind"], row["state"], row["count"]), ("failure", "open", 10))
            self.assertIn("1 open", rig.cli("status").stdout)
            rig.cli("alert", "ack", str(row["id"]), "--by", "ana")
            self.assertEqual(rig.alerts()[0]["acknowledged_by"], "ana")
            rig.clock.wait_for("the acknowledgement", lambda: rig.told("failure", "acknowledge"))
            rig.mend_source()
            rig.cli("backup", "uploads")
            rig.clock.wait_for("the recovery", lambda: rig.told("failure", "resolve"))
            self.assertEqual(rig.alerts(), [])
            self.assertEqual(rig.alerts("--all")[0]["state"], "resolved")
            rig.clock.run(30)
            self.assertEqual(len(rig.told("failure", "resolve")), 1)
            self.assertEqual(len(rig.told("failure")), 1)
            self.assertIn("ana", rig.cli("contact", "list").stdout)

    def test_the_button_behind_the_link_of_a_message_acknowledges(self):
        port = free_port()
        with Alerted("link", f"no_success: 7d\n  link: http://127.0.0.1:{port}/ack/") as rig:
            rig.controller_settings += f"http: {{listen: '127.0.0.1:{port}'}}\n"
            rig.set_up()
            rig.break_source()
            rig.cli("backup", "uploads", expect=10)
            rig.clock.wait_for("the message", lambda: rig.told("failure"), seconds=60)
            link = rig.told("failure")[0]["acknowledge_url"]
            with urllib.request.urlopen(link, timeout=10) as page:
                self.assertIn("<form method=", page.read().decode())
            self.assertEqual(rig.alerts()[0]["state"], "open", "mail scanners open links")
            with self.assertRaises(urllib.error.HTTPError) as forged:
                urllib.request.urlopen(link[:-1] + ("0" if link[-1] != "0" else "1"), data=b"", timeout=10)
            self.assertEqual(forged.exception.code, 403)
            with urllib.request.urlopen(link, data=b"", timeout=10) as page:
                self.assertIn("You take care of it", page.read().decode())
            self.assertEqual(rig.alerts()[0]["state"], "acknowledged")
            self.assertEqual(rig.alerts()[0]["acknowledged_by"], "the link sent through 'hook'")

    def test_no_success_is_the_alarm_though_nothing_happens(self):
        """Fault row 92."""
        with Alerted("absence", "no_success: 2s") as rig:
            rig.set_up()
            rig.clock.wait_for("the alert", lambda: rig.told("no-success"), 60)
            self.assertEqual(rig.told("no-success")[0]["severity"], "critical")
            made = json.loads(rig.cli("alert", "silence", "all", "--for", "1h", "--reason", "a test", "--json").stdout)
            since = datetime.datetime.fromisoformat(made["since"].replace("Z", "+00:00")).timestamp()
            self.assertLessEqual(since, rig.clock.time(), "the controller's clock is not ahead of the system's")
            self.assertIn("silence 1", rig.cli("alert", "list").stdout)
            rig.cli("alert", "unsilence", "1")
            rig.cli("alert", "unsilence", "1", expect=6)

    def test_25_hours_without_success_are_told_within_a_minute_step_by_step_and_their_end_once(self):
        """Fault row 92."""
        with Alerted("steps", "escalation:\n    - {after: 0m, contacts: [ana]}\n"
                              "    - {after: 30m, contacts: [ben]}\n  remind: 0") as rig:
            rig.write("ben.url", rig.http.url("/ben"), 0o600)
            rig.controller_settings = rig.controller_settings.replace(
                "contacts:\n  - {name: ana", "    - {name: second, kind: webhook, url_file: ben.url, "
                "secret_file: hook.secret}\ncontacts:\n  - {name: ben, channels: [second]}\n  - {name: ana")
            rig.set_up()
            rig.cli("backup", "uploads")
            succeeded = rig.clock.time()
            rig.clock.run(20)  # the rules have looked at the source
            rig.clock.move(25 * 3600 - 80)
            rig.clock.run(45)
            self.assertEqual(rig.told("no-success"), [], "the limit is not passed yet")
            # In small steps: what a busy machine takes longer counts little.
            rig.clock.wait_for("the alert", lambda: rig.told("no-success"), 120, step=0.1)
            self.assertLessEqual(rig.clock.time() - succeeded, 25 * 3600 + 60)
            self.assertEqual(rig.told("no-success", path="/ben"), [])
            told = rig.clock.time()
            rig.clock.move(29 * 60)
            rig.clock.wait_for("the second step", lambda: rig.told("no-success", path="/ben"), 180)
            self.assertGreaterEqual(rig.clock.time() - told, 30 * 60 - 45)
            self.assertEqual(len(rig.told("no-success")), 1)
            rig.clock.wait_for("the agent", lambda: rig.is_connected("agent"), 120)
            rig.cli("backup", "uploads")
            rig.clock.wait_for("the recovery", lambda: rig.told("no-success", "resolve"), 60)
            rig.clock.wait_for("the recovery for ben", lambda: rig.told("no-success", "resolve", "/ben"), 60)
            rig.clock.run(60)
            for path in ("/hook", "/ben"):
                self.assertEqual(len(rig.told("no-success", path=path)), 1, path)
                self.assertEqual(len(rig.told("no-success", "resolve", path)), 1, path)

    def test_killed_between_event_and_delivery(self):
        with Alerted("killed") as rig:
            port = rig.http.port
            rig.set_up()
            rig.http.stop()
            rig.break_source()
            rig.cli("backup", "uploads", expect=10)
            rig.clock.wait_for("attempts", lambda: rig.alerts()[0]["deliveries"][0]["attempts"] >= 1, 60)
            rig.controller.kill()
            os.unlink(rig.socket)
            rig.http = HttpReceiver(port)
            rig.start_controller()
            rig.clock.wait_for("the message", lambda: rig.told("failure"), 60)
            rig.clock.run(30)
            told = rig.told("failure")
            self.assertEqual(len(told), 1)
            self.assertFalse(told[0]["possibly_repeated"], "nobody was there before")

    def test_killed_while_it_is_sent(self):
        with Alerted("cut") as rig:
            rig.set_up()
            rig.http.answer = lambda path: None
            rig.break_source()
            rig.cli("backup", "uploads", expect=10)
            rig.clock.wait_for("the first attempt", lambda: rig.told("failure"), 60)
            rig.controller.kill()
            os.unlink(rig.socket)
            rig.http.answer = lambda path: (200, {}, b"ok")
            rig.start_controller()
            rig.clock.wait_for("the second attempt", lambda: len(rig.told("failure")) == 2, 60)
            rig.clock.run(30)
            first, second = rig.told("failure")
            self.assertFalse(first["possibly_repeated"])
            self.assertTrue(second["possibly_repeated"])
            self.assertEqual(first["id"], second["id"])

    def test_the_agent_says_that_its_controller_is_silent(self):
        """Fault rows 13 and 92."""
        with Alerted("silent") as rig:
            rig.set_up("alerts:\n  unreachable: 3s\n  allow_private_addresses: true\n  channels:\n"
                       "    - {name: own, kind: webhook, url_file: agent.url, secret_file: hook.secret}\n")
            rig.controller.kill()
            os.unlink(rig.socket)
            rig.clock.wait_for("the agent's alert", lambda: rig.told("controller-unreachable", path="/agent"), 60)
            rig.start_controller()
            rig.clock.wait_for("its end", lambda: rig.told("controller-unreachable", "resolve", "/agent"), 120)
            self.assertEqual(len(rig.told("controller-unreachable", path="/agent")), 1)

    def test_the_heartbeat_goes_out(self):
        with Alerted("beat") as rig:
            rig.write("beat.url", rig.http.url("/beat"), 0o600)
            rig.controller_settings = rig.controller_settings.replace(
                "  channels:\n", "  heartbeat: {url_file: beat.url, every: 1s}\n  channels:\n", 1)
            rig.start_controller()
            rig.clock.wait_for("three beats", lambda: len(rig.http.got("/beat")) >= 3)


if __name__ == "__main__":
    unittest.main(verbosity=2)
