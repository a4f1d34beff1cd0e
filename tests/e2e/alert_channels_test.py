"""Channels against real servers: what arrives, and what happens to messages that are not taken."""

import json
import os
import unittest

from rig import Rig, wait_for
from receivers import WHSEC, HttpReceiver, MailReceiver, check_signature


class Channels(Rig):
    """A controller with every kind of channel, and no agent."""

    def __init__(self, name):
        super().__init__(name)
        self.http = HttpReceiver()
        self.mail = MailReceiver(self.directory)
        self.write("slack.url", self.http.url("/services/T0/SLACK-SECRET"), 0o600)
        self.write("hook.url", self.http.url("/hook"), 0o600)
        self.write("pager.key", "PAGER-SECRET", 0o600)
        self.write("hook.secret", WHSEC, 0o600)
        self.write("mail.password", "p\n", 0o600)
        self.siren = self.path("siren.json")
        script = self.write("siren.sh", f"#!/bin/sh\ncat >> {self.siren}\n", 0o755)
        self.mail_settings = f"password_file: mail.password, ca_file: {self.mail.certificate}"
        self.configure(script)

    def configure(self, script, private="true"):
        self.controller_settings = f"""
alerts:
  allow_private_addresses: {private}
  channels:
    - {{name: ops, kind: slack, url_file: slack.url}}
    - {{name: pager, kind: pagerduty, routing_key_file: pager.key, url: "{self.http.url('/v2/enqueue')}"}}
    - {{name: hook, kind: webhook, url_file: hook.url, secret_file: hook.secret}}
    - {{name: mail, kind: email, server: "smtp://localhost:{self.mail.port}", user: u, {self.mail_settings},
       from: backup@example.com, to: [ana@example.com, ben@example.com]}}
    - {{name: siren, kind: command, argv: [{script}]}}
"""

    def __exit__(self, kind, value, trace):
        super().__exit__(kind, value, trace)
        self.http.stop()
        self.mail.stop()

    def test(self, *arguments, expect=0):
        done = self.cli("alert", "test", *arguments, "--json", expect=expect)
        return {row["channel"]: row for row in json.loads(done.stdout)["deliveries"]}


class AlertChannels(unittest.TestCase):
    def test_every_channel_takes_a_test(self):
        with Channels("channels") as rig:
            rig.start_controller()
            rows = rig.test()
            self.assertEqual({name: row["state"] for name, row in rows.items()},
                             dict.fromkeys(["ops", "pager", "hook", "mail", "siren"], "delivered"))
            slack = rig.http.messages("/services/T0/SLACK-SECRET")
            self.assertEqual(len(slack), 1)
            self.assertEqual(slack[0]["blocks"][0]["type"], "header")
            pager = rig.http.messages("/v2/enqueue")[0]
            self.assertEqual((pager["routing_key"], pager["event_action"]), ("PAGER-SECRET", "trigger"))
            check_signature(rig.http.got("/hook")[0])
            mail = rig.mail.mails[0]
            self.assertEqual(mail["to"], ["ana@example.com", "ben@example.com"])
            self.assertIn("test", mail["mail"]["Subject"])
            kinds = [part.get_content_type() for part in mail["mail"].walk()]
            self.assertIn("text/plain", kinds)
            self.assertIn("text/html", kinds)
            plain = mail["mail"].get_body(("plain",)).get_content()
            self.assertIn("Nothing is wrong.", plain)
            for header in ("Date", "Message-ID", "From", "To"):
                self.assertTrue(mail["mail"][header], header)
            with open(rig.siren) as f:
                self.assertEqual(json.loads(f.read())["data"]["kind"], "test")
            log = rig.controller.text()
            listed = rig.cli("alert", "list", "--json").stdout
            for secret in ("SLACK-SECRET", "PAGER-SECRET", WHSEC):
                self.assertNotIn(secret, log)
                self.assertNotIn(secret, listed)

    def test_what_a_channel_refuses_for_good_is_told_through_the_others(self):
        """Fault row 90."""
        with Channels("refusals") as rig:
            rig.http.answer = lambda path: (404, {}, b"no_service") if "services" in path else (202, {}, b"")
            rig.start_controller()
            rows = rig.test("ops", expect=9)
            self.assertEqual(rows["ops"]["state"], "dead")
            self.assertIn("404", rows["ops"]["error"])
            wait_for("the alert in the pager", lambda: any(
                "channel 'ops' does not take alerts" in m.get("payload", {}).get("summary", "")
                for m in rig.http.messages("/v2/enqueue")))
            wait_for("the mail", lambda: rig.mail.mails)
            self.assertEqual(len(rig.http.got("/services/T0/SLACK-SECRET")), 1)
            self.assertIn("1 open", rig.cli("status").stdout)
            rig.http.answer = lambda path: (200, {}, b"ok")
            rig.test("ops")
            wait_for("the end in the pager", lambda: any(
                m["event_action"] == "resolve" for m in rig.http.messages("/v2/enqueue")))
            self.assertIn("alerts: none open", rig.cli("status").stdout)

    def test_what_may_be_taken_later_is_tried_again(self):
        """Fault row 90."""
        with Channels("later") as rig:
            answers = {"/services/T0/SLACK-SECRET": [(429, {"Retry-After": "1"}, b"")],
                       "/hook": [(500, {}, b"x" * (10 << 20))]}

            def answer(path):
                left = answers.get(path)
                return left.pop(0) if left else (200, {}, b"ok")

            rig.http.answer = answer
            rig.start_controller()
            rows = rig.test(expect=3)
            self.assertEqual((rows["ops"]["state"], rows["hook"]["state"]), ("waiting", "waiting"))
            self.assertLess(len(rows["hook"]["error"]), 500)
            for path in answers:
                wait_for(f"the second attempt at {path}", lambda: len(rig.http.got(path)) == 2)
            first, second = rig.http.got("/hook")
            self.assertEqual(first["headers"]["webhook-id"], second["headers"]["webhook-id"])
            check_signature(second)

    def test_redirects_and_forbidden_addresses(self):
        """Fault row 90."""
        with Channels("forbidden") as rig:
            rig.http.answer = lambda path: (307, {"Location": rig.http.url("/elsewhere")}, b"")
            rig.start_controller()
            rows = rig.test("hook", expect=9)
            self.assertIn("redirect", rows["hook"]["error"])
            self.assertEqual(rig.http.got("/elsewhere"), [])
        with Channels("metadata") as rig:
            rig.write("hook.url", "http://169.254.169.254/latest/meta-data/", 0o600)
            rig.start_controller()
            rows = rig.test("hook", expect=9)
            self.assertIn("may not be connected to", rows["hook"]["error"])
        with Channels("private") as rig:
            rig.configure("/bin/true", private="false")
            controller = rig.start_controller(wait=False)
            self.assertEqual(controller.process.wait(timeout=30), 2, "http needs permission")
            self.assertNotIn("SLACK-SECRET", controller.text())

    def test_mail_servers_that_do_not_take_it(self):
        """Fault row 90."""
        with Channels("mail") as rig:
            rig.mail.refuse = {"ana@example.com": "550 no such user"}
            rig.start_controller()
            rig.test("mail")
            self.assertEqual(rig.mail.mails[0]["to"], ["ben@example.com"], "the others get it")
            rig.mail.refuse["ben@example.com"] = "550 no such user"
            rows = rig.test("mail", expect=9)
            self.assertEqual(rows["mail"]["state"], "dead")
            self.assertIn("550", rows["mail"]["error"])
            rig.mail.refuse = dict.fromkeys(rig.mail.refuse, "421 try later")
            self.assertEqual(rig.test("mail", expect=9)["mail"]["state"], "waiting")
            rig.mail.stop()
            self.assertEqual(rig.test("mail", expect=9)["mail"]["state"], "waiting")
        with Channels("login") as rig:
            rig.write("mail.password", "wrong\n", 0o600)
            rig.start_controller()
            rows = rig.test("mail", expect=9)
            self.assertIn("login", rows["mail"]["error"])
        with Channels("untrusted") as rig:
            rig.mail_settings = "password_file: mail.password"
            rig.configure("/bin/true")
            rig.start_controller()
            rows = rig.test("mail", expect=9)
            self.assertEqual(rows["mail"]["state"], "waiting")
            self.assertEqual(rig.mail.mails, [], "neither mail nor password without a trusted certificate")


if __name__ == "__main__":
    unittest.main(verbosity=2)
