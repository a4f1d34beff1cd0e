"""Goal: over HTTP a monitor hears what is true: before the first backup, after it, when something is wrong, while
the controller stops; the API says what the command line says; TLS and token keep strangers out."""

import http.client
import json
import os
import signal
import ssl
import subprocess
import unittest

from rig import Rig, free_port, wait_for

TOKEN = "0123456789abcdef0123456789abcdef"


class Monitor:
    def __init__(self, port, token=TOKEN, tls=None):
        self.port, self.token, self.tls = port, token, tls

    def get(self, path, token=True, timeout=30):
        """(status, body, headers)"""
        if self.tls is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        else:
            connection = http.client.HTTPSConnection("localhost", self.port, timeout=timeout, context=self.tls)
        headers = {"Authorization": f"Bearer {self.token}"} if token else {}
        try:
            connection.request("GET", path, headers=headers)
            reply = connection.getresponse()
            return reply.status, reply.read().decode(), reply.headers
        finally:
            connection.close()

    def json(self, path):
        status, body, _ = self.get(path)
        assert status == 200, (status, body)
        return json.loads(body)

    def health(self):
        status, body, _ = self.get("/health/backup", token=False)
        told = json.loads(body)
        assert status == (200 if told["backup_system"] == "healthy" else 503), (status, told)
        return told


def with_http(rig, extra=""):
    """A Monitor for a controller that `rig` starts later."""
    port = free_port()
    rig.write("http.token", TOKEN + "\n", 0o600)
    rig.controller_settings += f"http: {{listen: '127.0.0.1:{port}', token_file: http.token{extra}}}\n"
    return Monitor(port)


class HttpEndpoints(unittest.TestCase):
    def fresh(self, monitor, condition):
        """Health is at most some seconds old."""
        wait_for("health", lambda: condition(monitor.health()), seconds=15)
        return monitor.health()

    def test_health_from_the_first_start_to_the_last_stop(self):
        with Rig("http") as rig:
            monitor = with_http(rig)
            tree = rig.path("files")
            os.makedirs(tree)
            rig.write("files/one", "content")
            rig.start_controller()
            self.assertEqual(monitor.get("/health", token=False)[:2], (200, '{"status":"ready"}\n'))
            self.assertEqual(monitor.health()["reasons"], ["this controller has no owner yet"])
            rig.init()
            rig.enroll_agent("web-1", [{"name": "files", "kind": "files", "root": tree}])
            rig.start_agent("web-1")
            told = self.fresh(monitor, lambda told: told["sources"])
            self.assertEqual((told["backup_system"], told["last_backup"]), ("degraded", None))
            self.assertEqual(told["sources"][0]["state"], "never")
            rig.cli("backup")
            told = self.fresh(monitor, lambda told: told["backup_system"] == "healthy")
            self.assertEqual(told["reasons"], [])
            self.assertEqual(told["sources"][0]["objective_seconds"], 24 * 3600)
            self.assertRegex(told["last_backup"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
            self.assertEqual((told["sources"][0]["name"], told["sources"][0]["agent"]), ("files", "web-1"))
            # A run that fails is told although the snapshot is young; the next good one ends that.
            os.rename(tree, tree + ".away")
            rig.cli("backup", expect=10)
            told = self.fresh(monitor, lambda told: told["backup_system"] == "degraded")
            self.assertEqual(told["sources"][0]["state"], "failed")
            self.assertIn("failed (HF-", told["reasons"][0])
            self.assertNotIn(tree, json.dumps(told), "what the agent said is sealed")
            os.rename(tree + ".away", tree)
            rig.cli("backup")
            self.fresh(monitor, lambda told: told["backup_system"] == "healthy")
            # While it stops it says so, or does not answer any more; it never says that all is well.
            rig.controller.process.send_signal(signal.SIGTERM)
            while rig.controller.alive():
                try:
                    status, body, _ = monitor.get("/health/backup", token=False)
                except OSError:
                    continue
                if "stopping" in body:
                    self.assertEqual(status, 503)
            self.assertEqual(rig.controller.stop(), 0)

    def test_schedules_objectives_and_a_refused_reload_are_told(self):
        with Rig("plans") as rig:
            monitor = with_http(rig)
            rig.controller_settings += "schedule: {}\n"
            tree = rig.path("files")
            os.makedirs(tree)
            rig.write("files/one", "content")
            rig.setup([{"name": "files", "kind": "files", "root": tree}])
            rig.cli("backup")
            told = self.fresh(monitor, lambda told: told["backup_system"] == "healthy")
            self.assertEqual(told["next_scheduled"], "02:00 UTC daily")
            self.assertRegex(told["sources"][0]["next_scheduled"], r"^20\d\d-\d\d-\d\dT02:0[0-2]:\d\dZ$")
            rig.cli("schedule", "set", "files", "--cron", "0 0 1 1 *", "--jitter", "0s")
            told = self.fresh(monitor, lambda told: told["next_scheduled"] != "02:00 UTC daily")
            self.assertRegex(told["next_scheduled"], r"^20\d\d-01-01T00:00:00Z$")
            rig.cli("schedule", "pause", "files")
            self.fresh(monitor, lambda told: told["next_scheduled"] is None)
            rig.cli("objective", "set", "files", "--rpo", "2h")
            told = self.fresh(monitor, lambda told: told["sources"][0]["objective_seconds"] == 7200)
            metrics = monitor.get("/metrics")[1]
            self.assertRegex(metrics, r"holdfast_source_objective_seconds\{[^}]*\} 7200\n")
            self.assertIn("\nholdfast_outbox_depth 0\n", metrics)
            path = rig.path("controller.yaml")
            with open(path) as f:
                good = f.read()
            rig.write("controller.yaml", good + "no_such_key: 1\n")
            os.kill(rig.controller.process.pid, signal.SIGHUP)
            told = self.fresh(monitor, lambda told: told["backup_system"] == "degraded")
            self.assertIn("the changed configuration is not used", told["reasons"][0])
            rig.write("controller.yaml", good)
            os.kill(rig.controller.process.pid, signal.SIGHUP)
            self.fresh(monitor, lambda told: told["backup_system"] == "healthy")

    def test_the_api_says_what_the_command_line_says(self):
        with Rig("api") as rig:
            monitor = with_http(rig)
            tree = rig.path("files")
            os.makedirs(tree)
            rig.write("files/one", "content" * 1000)
            rig.setup([{"name": "files", "kind": "files", "root": tree},
                       {"name": "other", "kind": "files", "root": tree}])
            rig.cli("backup")
            rig.cli("backup", "files")

            def steady(document):
                """Without what moves on by itself."""
                document.get("store", {}).pop("free_bytes", None)
                for agent in document.get("agents", []):
                    agent.pop("last_seen")
                for source in document.get("sources", []):
                    if "objective" in source:
                        self.assertEqual(source["objective"].pop("age_seconds") // 60, 0)
                return document

            def same(path, *arguments):
                ours = json.loads(rig.cli(*arguments, "--json").stdout)
                self.assertEqual(steady(ours), steady(monitor.json(path)))

            same("/api/v1/status", "status")
            same("/api/v1/snapshots", "snapshots")
            same("/api/v1/snapshots?source=files&limit=1", "snapshots", "files", "--limit", "1")
            same("/api/v1/sources", "source", "list")
            same("/api/v1/agents", "agent", "list")
            self.assertEqual(monitor.get("/api/v1/snapshots?source=none")[0], 404)
            self.assertEqual(monitor.get("/api/v1/status", token=False)[0], 401)
            self.assertEqual(Monitor(monitor.port, "wrong").get("/metrics")[0], 401)

    def test_tls(self):
        with Rig("https") as rig:
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                            "-nodes", "-days", "1", "-subj", "/CN=localhost", "-addext",
                            "subjectAltName=DNS:localhost", "-keyout", rig.path("http.key"), "-out",
                            rig.path("http.pem")], check=True, capture_output=True)
            monitor = with_http(rig, ", tls: {certificate: http.pem, key: http.key}")
            rig.start_controller()
            monitor.tls = ssl.create_default_context(cafile=rig.path("http.pem"))
            self.assertEqual(monitor.get("/health", token=False)[0], 200)
            self.assertIn("holdfast_build_info", monitor.get("/metrics")[1])
            with self.assertRaises(ssl.SSLError):
                Monitor(monitor.port, tls=ssl.create_default_context()).get("/health")
            with self.assertRaises((http.client.HTTPException, OSError)):
                Monitor(monitor.port).get("/health")  # plain text to a TLS port
            old = ssl.create_default_context(cafile=rig.path("http.pem"))
            old.minimum_version = ssl.TLSVersion.TLSv1
            old.maximum_version = ssl.TLSVersion.TLSv1_1
            with self.assertRaises(OSError):
                Monitor(monitor.port, tls=old).get("/health")
            self.assertEqual(monitor.get("/health", token=False)[0], 200)

    def test_without_the_section_nobody_listens(self):
        with Rig("nohttp") as rig:
            rig.start_controller()
            self.assertNotIn("health and metrics", rig.controller.text())


if __name__ == "__main__":
    unittest.main()
