#!/usr/bin/env python3
"""Goal: what Prometheus and Grafana are given fits what the controller says: the metrics are well formed, rules and
dashboard name metrics that exist, and the rule about old backups fires and resolves with a real Prometheus."""

import json
import os
import re
import subprocess
import sys
import unittest
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))

from http_test import with_http  # noqa: E402
from rig import Daemon, Rig, free_port, wait_for  # noqa: E402

OBSERVABILITY = os.path.join(ROOT, "deploy", "observability")
RULES = os.path.join(OBSERVABILITY, "holdfast.rules.yaml")
# Told only when there is something to tell: not by the small installation of this test.
NOT_YET = {"holdfast_scrub_completed_timestamp_seconds"}


def read(name):
    with open(os.path.join(OBSERVABILITY, name)) as f:
        return f.read()


class Observability(unittest.TestCase):
    def test_rules_and_configuration_are_valid(self):
        for argv in (["promtool", "check", "rules", RULES],
                     ["promtool", "check", "config", "--syntax-only", os.path.join(OBSERVABILITY, "prometheus.yaml")],
                     ["promtool", "test", "rules", os.path.join(ROOT, "tests", "deploy", "rules_test.yaml")]):
            done = subprocess.run(argv, capture_output=True, text=True, cwd=os.path.join(ROOT, "tests", "deploy"))
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_real_prometheus(self):
        with Rig("prometheus") as rig:
            monitor = with_http(rig)
            os.makedirs(rig.path("files"))
            rig.write("files/one", "content" * 1000)
            rig.setup([{"name": "files", "kind": "files", "root": rig.path("files")}], name="web-1")
            rig.cli("backup")
            wait_for("the snapshot", lambda: "age_seconds{" in monitor.get("/metrics")[1])
            self.check_form(monitor)
            self.check_names(monitor)
            self.check_freshness_rule(rig, monitor)

    def check_form(self, monitor):
        done = subprocess.run(["promtool", "check", "metrics"], input=monitor.get("/metrics")[1],
                              capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def check_names(self, monitor):
        exported = set(re.findall(r"^(holdfast_\w+)", monitor.get("/metrics")[1], re.M)) | NOT_YET
        dashboard = json.loads(read("holdfast.dashboard.json"))
        asked = " ".join(target["expr"] for panel in dashboard["panels"] for target in panel["targets"])
        self.assertEqual(len({panel["id"] for panel in dashboard["panels"]}), len(dashboard["panels"]))
        for text in (asked, "\n".join(re.findall(r"expr:[^#]*?(?=\n +(?:for|labels):)", read("holdfast.rules.yaml")))):
            named = set(re.findall(r"holdfast_\w+", text))
            self.assertGreater(len(named), 9)
            self.assertEqual(named - exported, set())

    def check_freshness_rule(self, rig, monitor):
        """The real rule, with seconds in place of hours."""
        long = "> holdfast_source_objective_seconds * 25 / 24\n        for: 5m"
        self.assertIn(long, read("holdfast.rules.yaml"))
        rig.write("holdfast.rules.yaml", read("holdfast.rules.yaml").replace(long, "> 10\n        for: 1s"))
        config = re.sub(r"127.0.0.1:\d+", f"127.0.0.1:{monitor.port}", read("prometheus.yaml"))
        config = config.replace("scrape_interval: 30s", "scrape_interval: 1s")
        rig.write("prometheus.yaml", "global: {evaluation_interval: 1s}\n" + config)
        port = free_port()
        prometheus = Daemon(["prometheus", f"--config.file={rig.path('prometheus.yaml')}",
                             f"--storage.tsdb.path={rig.path('tsdb')}", f"--web.listen-address=127.0.0.1:{port}"],
                            rig.path("prometheus.log"))
        rig.daemons.append(prometheus)

        def firing():
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/alerts", timeout=5) as reply:
                    alerts = json.load(reply)["data"]["alerts"]
            except OSError:
                return None
            return {(one["labels"]["alertname"], one["labels"].get("source")) for one in alerts
                    if one["state"] == "firing"}

        old = ("HoldfastBackupTooOld", "files")
        rig.cli("backup")
        wait_for("Prometheus", lambda: firing() is not None)
        wait_for("the alert", lambda: old in firing(), seconds=60)
        self.assertEqual(firing(), {old}, "and no other")
        rig.cli("backup")
        wait_for("the end of the alert", lambda: old not in firing(), seconds=60)
        self.assertIsNotNone(firing())


if __name__ == "__main__":
    unittest.main()
