"""Fault rows 13, 14, 17, 18, 20, 21, 22, 26: the network and the certificates are not as they should be.

Proves: an agent waits for its controller and comes back by itself; a connection that is cut, even right at
the commit, gives one snapshot and not two; an agent says what is wrong when something else answers, or
when a certificate is old, foreign or does not fit its key; nothing of it hurts an earlier snapshot.
"""

import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
import unittest

from answers import operator, recover, run, write_random
from rig import CuttingProxy, Postgres, Redis, Rig, compare_trees, wait_for


def point_agent_at(rig, port, name="agent"):
    """The agent's `controller:` line; the rig writes the rest."""
    path = rig.path(f"{name}.yaml")
    with open(path) as f:
        lines = [line for line in f.read().splitlines() if not line.startswith("controller:")]
    with open(path, "w") as f:
        f.write("\n".join([f"controller: 127.0.0.1:{port}"] + lines) + "\n")


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


class NetworkFaults(unittest.TestCase):
    def setUp(self):
        self.rig = Rig("network")
        self.addCleanup(self.rig.__exit__, None, None, None)
        self.files = self.rig.path("files")
        write_random(f"{self.files}/a", 2 << 20, 1)

    def begin(self):
        self.rig.setup([{"name": "uploads", "kind": "files", "root": self.files}])
        self.rig.cli("backup")
        return self.rig

    def last_line_with(self, text, seconds=45):
        log = self.rig.agents["agent"]
        wait_for(f"'{text}' in the agent's log", lambda: text in log.text(), seconds)
        return [line for line in log.text().splitlines() if text in line][-1]

    def first_still_restores(self):
        target = self.rig.path("restore", f"at-{time.monotonic_ns()}")
        self.rig.cli("restore", "uploads@1", "--target", target)
        with open(f"{target}/a", "rb") as restored, open(f"{self.files}/a", "rb") as kept:
            self.assertEqual(kept.read(), restored.read())

    # --- row 13 ----------------------------------------------------------------------------------

    def test_the_controller_is_down(self):
        rig = self.begin()
        rig.controller.stop()
        operator(rig, "status").must_be(8, rig.socket)
        operator(rig, "backup").must_be(8, "controller")
        operator(rig, "status", "--json").must_be_json(8)
        self.last_line_with("unable to reach the controller")
        self.assertTrue(rig.agents["agent"].alive())
        lines = rig.agents["agent"].text().count("unable to reach the controller")
        time.sleep(2.5)  # said once, not at every try
        self.assertEqual(lines, rig.agents["agent"].text().count("unable to reach the controller"))
        rig.start_controller()
        wait_for("the agent to come back", lambda: rig.is_connected("agent"), 30)
        rig.cli("backup")
        self.assertEqual([2, 1], [s["seq"] for s in rig.snapshots("uploads")])
        self.first_still_restores()

    def test_an_agent_that_starts_before_its_controller(self):
        rig = self.begin()
        rig.agents["agent"].stop()
        rig.controller.stop()
        rig.start_agent("agent", wait=False)
        self.last_line_with("unable to reach the controller")
        rig.start_controller()
        wait_for("the agent", lambda: rig.is_connected("agent"), 30)

    def test_the_agent_is_away(self):
        rig = self.begin()
        rig.agents["agent"].stop()
        wait_for("the agent to be away", lambda: not rig.is_connected("agent"))
        for words in (["backup"], ["restore", "uploads", "--target", rig.restore_root + "/x"],
                      ["verify", "uploads"]):
            with self.subTest(words=words):
                operator(rig, *words).must_be(8, "agent")
        self.assertEqual(1, len(rig.snapshots("uploads")))
        status = json.loads(rig.cli("status", "--json").stdout)
        self.assertFalse(status["sources"][0]["connected"])

    # --- rows 14, 17 -----------------------------------------------------------------------------

    def proxied(self, size):
        rig = self.rig
        write_random(f"{self.files}/a", size, 1)
        rig.start_controller()
        rig.init()
        rig.enroll_agent("agent", [{"name": "uploads", "kind": "files", "root": self.files}])
        proxy = CuttingProxy(rig.port)
        self.addCleanup(proxy.close)
        point_agent_at(rig, proxy.port)
        rig.start_agent("agent")
        return rig, proxy

    def one_snapshot(self, seq):
        snapshots = self.rig.snapshots("uploads")
        self.assertEqual(list(range(seq, 0, -1)), [s["seq"] for s in snapshots])
        return snapshots[0]

    def test_cut_in_the_middle(self):
        rig, proxy = self.proxied(48 << 20)
        done = []
        backup = threading.Thread(target=lambda: done.append(operator(rig, "backup", timeout=120)))
        backup.start()
        for part in (8 << 20, 24 << 20):
            wait_for("bytes on the wire", lambda: proxy.forwarded > part or done, 60)
            proxy.cut()
        backup.join()
        self.assertEqual(0, done[0].code, done[0])
        self.assertIs(False, self.one_snapshot(1)["partial"])
        rig.cli("restore", "uploads", "--target", rig.path("restore", "cut"))
        compare_trees(self.files, rig.path("restore", "cut"))

    # --- row 66 ----------------------------------------------------------------------------------

    def test_a_lost_connection_to_the_store_is_read_again(self):
        rig = self.rig
        postgres = Postgres(rig.directory)
        rig.daemons.append(postgres)
        postgres.sql("CREATE DATABASE pos")
        postgres.sql("CREATE TABLE t AS SELECT i, md5(i::text) || repeat('x', 100) AS v "
                     "FROM generate_series(1, 100000) i", "pos")
        proxy = CuttingProxy(postgres.port, cut_after=5 << 20)
        self.addCleanup(proxy.close)
        rig.setup([{"name": "db", "kind": "postgres", "host": "127.0.0.1", "port": proxy.port,
                    "database": "pos", "user": "postgres"}])
        rig.cli("backup", "db")
        self.assertIsNone(proxy.cut_after, "nothing was cut")
        self.assertIn("is read again from the start", rig.agents["agent"].text())
        self.assertEqual([(1, False)], [(s["seq"], s["partial"]) for s in rig.snapshots("db")])
        rig.cli("restore", "db", "--database", "again")
        rows = "SELECT count(*), sum(hashtextextended(t::text, 0)::numeric) FROM t"
        self.assertEqual(postgres.sql(rows, "pos"), postgres.sql(rows, "again"))

    def test_the_reply_to_the_commit_is_lost(self):
        rig, proxy = self.proxied(2 << 20)
        for seq in range(1, 7):
            with open(f"{self.files}/more", "wb") as f:
                f.write(os.urandom(100_000))
            record = os.path.join(rig.data, "store", "records")
            done = []
            backup = threading.Thread(target=lambda: done.append(operator(rig, "backup")))
            backup.start()
            # The record is on the disk, and the reply is on its way: cut as near to it as we can.
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline and not done:
                names = [n for _, _, files in os.walk(record) for n in files]
                if f"{seq:020}.record" in names:
                    break
            time.sleep(0.002 * (seq - 1))
            proxy.cut()
            backup.join()
            self.assertEqual(0, done[0].code, done[0])
            newest = self.one_snapshot(seq)
            if rig.agents["agent"].text().count("connecting to") > seq:
                self.assertEqual(seq, newest["seq"])
            wait_for("the agent", lambda: rig.is_connected("agent"))
        rig.cli("restore", "uploads", "--target", rig.path("restore", "lost"))
        compare_trees(self.files, rig.path("restore", "lost"))

    # --- row 18 ----------------------------------------------------------------------------------

    def says(self, port, *texts):
        rig = self.rig
        rig.agents["agent"].stop()
        point_agent_at(rig, port)
        log = open(rig.path("agent.log"), "wb")
        log.close()
        rig.start_agent("agent", wait=False)
        line = self.last_line_with("unable to")
        for text in texts:
            self.assertIn(text, line)
        self.assertTrue(rig.agents["agent"].alive())
        return line

    def test_something_else_answers(self):
        rig = self.begin()
        secret = b"banner-of-another-service-4711"

        def echo(server):
            while True:
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                peer.sendall(secret + b"\r\n")

        plain = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(plain.close)
        threading.Thread(target=echo, args=(plain,), daemon=True).start()
        web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
        web.RequestHandlerClass.log_message = lambda *_: None
        self.addCleanup(web.server_close)
        self.addCleanup(web.shutdown)
        threading.Thread(target=web.serve_forever, daemon=True).start()
        redis = Redis(rig.directory)
        self.addCleanup(redis.stop)
        for port in (plain.getsockname()[1], web.server_address[1], redis.port):
            line = self.says(port, "not a holdfast controller", f"127.0.0.1:{port}")
            self.assertNotIn(secret.decode(), line)
        rig.agents["agent"].stop()
        point_agent_at(rig, rig.port)
        rig.start_agent("agent")
        self.first_still_restores()

    def test_the_enrolment_port_instead_of_the_agents(self):
        rig = self.begin()
        line = self.says(rig.enrollment_port, "unable to")
        self.assertIn(str(rig.enrollment_port), line)

    # --- rows 20, 21, 22, 26 ---------------------------------------------------------------------

    def agent_refuses_to_start(self, *texts):
        answer = run("holdfast-agent", "--config", self.rig.path("agent.yaml"), timeout=20)
        answer.must_be(12, *texts)

    def test_a_certificate_that_is_too_old_or_not_yet_valid(self):
        rig = self.begin()
        rig.agents["agent"].stop()
        agent, ca = rig.path("agent"), os.path.join(rig.data, "identity")
        shutil.copy(f"{agent}/tls.pem", rig.path("good.pem"))
        rig.write("ca.conf", "[ca]\ndefault_ca = d\n[d]\ndatabase = " + rig.write("index.txt", "") +
                  "\nserial = " + rig.write("serial", "01\n") + "\nnew_certs_dir = " + rig.directory +
                  "\npolicy = p\ndefault_md = sha256\n[p]\n")
        openssl("req", "-new", "-key", f"{agent}/tls.key", "-subj", "/", "-out", rig.path("a.csr"))
        for start, end, year in (("20200101000000Z", "20210101000000Z", "2021"),
                                 ("20700101000000Z", "20710101000000Z", "2070")):
            openssl("ca", "-batch", "-config", rig.path("ca.conf"), "-cert", f"{ca}/ca.pem", "-keyfile",
                    f"{ca}/ca.key", "-in", rig.path("a.csr"), "-out", rig.path("old.pem"), "-notext",
                    "-startdate", start, "-enddate", end, "-subj", "/CN=agent")
            shutil.copy(rig.path("old.pem"), f"{agent}/tls.pem")
            self.agent_refuses_to_start("our certificate", year, "clock")
        shutil.copy(rig.path("good.pem"), f"{agent}/tls.pem")
        rig.start_agent("agent")
        self.first_still_restores()

    def certify(self, *extensions, key=None, ca=None):
        """A certificate for the agent's key (or another), signed by our CA, another, or by itself."""
        rig = self.rig
        identity = os.path.join(rig.data, "identity")
        key = key or rig.path("agent", "tls.key")
        openssl("req", "-new", "-key", key, "-subj", "/CN=agent", "-out", rig.path("new.csr"))
        extfile = rig.write("extensions", "\n".join(extensions) + "\n")
        signer = (["-signkey", key] if ca == "itself" else
                  ["-CA", f"{identity}/ca.pem", "-CAkey", f"{identity}/ca.key", "-CAcreateserial",
                   "-CAserial", rig.path("ca.srl")])
        openssl("x509", "-req", "-in", rig.path("new.csr"), "-days", "1", "-extfile", extfile,
                "-out", rig.path("agent", "tls.pem"), *signer)

    def test_certificates_that_are_no_agents(self):
        rig = self.begin()
        rig.agents["agent"].stop()
        shutil.copy(rig.path("agent", "tls.pem"), rig.path("good.pem"))
        self.certify(ca="itself")
        self.agent_refuses_to_start("not signed by the CA")
        self.certify("extendedKeyUsage = serverAuth")
        self.agent_refuses_to_start("not one for clients")
        # Only the controller can tell that a name is not an agent's: it refuses and says whom.
        self.certify("extendedKeyUsage = clientAuth", "subjectAltName = URI:spiffe://elsewhere/agent/1")
        rig.start_agent("agent", wait=False)
        self.last_line_with("unable to log in")
        self.assertFalse(rig.is_connected("agent"))
        fingerprint = subprocess.run(
            ["openssl", "x509", "-in", rig.path("agent", "tls.pem"), "-noout", "-fingerprint", "-sha256"],
            check=True, capture_output=True, text=True).stdout.split("=")[1].replace(":", "").strip().lower()
        refusals = [line for line in rig.controller.text().splitlines() if fingerprint in line]
        self.assertEqual(1, len(refusals), rig.controller.text())  # once a minute, however often it tries
        self.assertIn("refused a login from", refusals[0])
        self.assertIn("127.0.0.1", refusals[0])
        rig.agents["agent"].stop()
        shutil.copy(rig.path("good.pem"), rig.path("agent", "tls.pem"))
        rig.start_agent("agent")
        self.first_still_restores()

    def test_refused_handshakes_are_logged_at_a_bounded_rate(self):
        rig = self.begin()
        foreign, server = rig.path("foreign.pem"), rig.path("server.pem")
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", rig.path("foreign.key"),
                "-subj", "/CN=agent", "-days", "1", "-out", foreign)
        shutil.copy(rig.path("agent", "tls.pem"), rig.path("good.pem"))
        self.certify("extendedKeyUsage = serverAuth")
        shutil.move(rig.path("agent", "tls.pem"), server)
        shutil.copy(rig.path("good.pem"), rig.path("agent", "tls.pem"))
        for certificate, key in ((foreign, rig.path("foreign.key")), (server, rig.path("agent", "tls.key"))):
            for _ in range(20):
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
                context.set_alpn_protocols(["h2"])
                context.load_cert_chain(certificate, key)
                got = b""
                try:
                    with socket.create_connection(("127.0.0.1", rig.port), timeout=20) as raw:
                        with context.wrap_socket(raw) as tls:
                            got = tls.recv(100)
                except (ssl.SSLError, ConnectionError):
                    pass
                self.assertEqual(b"", got, "the controller spoke HTTP/2 to a stranger")
        wait_for("a line about it", lambda: "at the TLS handshake" in rig.controller.text())
        lines = [line for line in rig.controller.text().splitlines() if "at the TLS handshake" in line]
        self.assertLess(len(lines), 5, lines)
        self.assertIn("certificate", lines[0])
        self.assertTrue(rig.is_connected("agent"))
        self.first_still_restores()

    def test_a_key_that_does_not_match(self):
        rig = self.begin()
        rig.agents["agent"].stop()
        key = rig.path("agent", "tls.key")
        shutil.copy(key, rig.path("good.key"))
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
        os.chmod(key, 0o600)
        self.agent_refuses_to_start("does not fit the private key")
        os.chmod(key, 0o644)
        self.agent_refuses_to_start(key, "chmod 600")
        for text in ("", "-----BEGIN PRIVATE KEY-----\nAAAA\n", "\0" * 100):
            rig.write("agent/tls.key", text, 0o600)
            self.agent_refuses_to_start("key")
        shutil.copy(rig.path("good.key"), key)
        os.chmod(key, 0o600)
        rig.start_agent("agent")
        self.first_still_restores()

    def test_the_controllers_key_does_not_match(self):
        rig = self.begin()
        rig.controller.stop()
        identity = os.path.join(rig.data, "identity")
        key = next(os.path.join(identity, n) for n in sorted(os.listdir(identity))
                   if n.endswith(".key") and n != "ca.key")
        shutil.copy(key, rig.path("good.key"))
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
        os.chmod(key, 0o600)
        run("holdfast-controller", "--config", rig.path("controller.yaml"),
            timeout=20).must_be(12, "does not fit the private key")
        shutil.copy(rig.path("good.key"), key)
        os.chmod(key, 0o600)
        rig.start_controller()
        wait_for("the agent", lambda: rig.is_connected("agent"))
        self.first_still_restores()

    def test_the_agent_of_another_installation(self):
        rig = self.begin()
        with Rig("foreign") as foreign:
            foreign.setup([{"name": "uploads", "kind": "files", "root": self.files}])
            foreign.agents["agent"].stop()
            point_agent_at(foreign, rig.port)
            foreign.start_agent("agent", wait=False)
            log = foreign.agents["agent"]
            wait_for("a refusal", lambda: "unable to trust the controller" in log.text())
            self.assertIn("certificate", log.text())
            self.assertTrue(rig.is_connected("agent"))
            # Its files under the other one's name do not help either (row 26).
            foreign.agents["agent"].stop()
            shutil.copy(rig.path("agent", "ca.pem"), foreign.path("agent", "ca.pem"))
            run("holdfast-agent", "--config", foreign.path("agent.yaml"),
                timeout=20).must_be(12, "not signed by the CA")
        self.first_still_restores()

    def test_an_agent_that_was_removed(self):
        rig = self.begin()
        operator(rig, "agent", "remove", "agent").must_be(4, "agent", "--yes")
        rig.cli("agent", "remove", "agent", "--yes")
        self.last_line_with("unable to log in", 70)
        self.assertNotIn('"connected":true', rig.cli("agent", "list", "--json").stdout)
        answer = operator(rig, "backup")
        self.assertNotEqual(0, answer.code, answer)
        answer.must_be(answer.code)
        rig.agents["agent"].stop()
        rig.start_agent("agent", wait=False)
        self.last_line_with("unable to log in")
        target = rig.path("recovered")
        rig.recover("--store", rig.data, "--source", "uploads", "--target", target)
        compare_trees(self.files, target)

    def test_another_agent_has_no_key_to_the_snapshots_of_a_removed_one(self):
        rig = self.begin()
        snapshot = rig.snapshots("uploads")[0]
        old = snapshot["source_id"]
        rig.cli("agent", "remove", "agent", "--yes")
        other = rig.path("other-files")
        write_random(f"{other}/b", 100_000, 2)
        rig.enroll_agent("second", [{"name": "uploads", "kind": "files", "root": other}])
        rig.start_agent("second")
        target = rig.path("restore", "by-another")
        answer = operator(rig, "restore", snapshot["id"][:12], "--on", "second", "--target", target)
        answer.must_be(12, "key")
        self.assertFalse(os.path.exists(target))
        # The recovery kit has the key, and tells the two sources of one name apart by their ids.
        rig.cli("backup")
        store = ("--store", rig.data)
        recover(rig, *store, "--source", "uploads", "--target", target).must_be(2, "--list")
        listed = json.loads(rig.recover(*store, "--list", "--json").stdout)["snapshots"]
        self.assertEqual(2, len({one["source_id"] for one in listed}))
        self.assertIn(old, [one["source_id"] for one in listed])
        self.assertIn(old, rig.recover(*store, "--list").stdout)
        rig.recover(*store, "--source", old, "--target", target)
        compare_trees(self.files, target)
        error = recover(rig, *store, "--source", "nothing", "--target", target, "--json").must_be_json(6)
        self.assertIn("nothing", error["message"])

    def test_a_second_agent_of_the_same_name(self):
        rig = self.begin()
        answer = operator(rig, "enroll", "agent", "--output", rig.path("again.token"))
        if answer.code == 0:  # a token may be made; joining with it must not replace the first
            rig.write("second.yaml", f"data_directory: {rig.path('second')}\n")
            done = run("holdfast-agent", "--config", rig.path("second.yaml"), "enroll", "--token-file",
                       rig.path("again.token"))
            self.assertNotEqual(0, done.code, done)
            done.must_be(done.code)
            self.assertFalse(os.path.exists(rig.path("second", "identity")))
        self.assertTrue(rig.is_connected("agent"))
        rig.cli("backup")
        self.first_still_restores()

    def test_a_join_token_works_once(self):
        rig = self.begin()
        rig.cli("enroll", "other", "--output", rig.path("other.token"))
        for name, code in (("other", 0), ("third", 12)):
            config = rig.write(f"{name}.yaml", f"data_directory: {rig.path(name)}\n")
            answer = run("holdfast-agent", "--config", config, "enroll", "--token-file",
                         rig.path("other.token"))
            self.assertEqual(code, answer.code, answer)
        answer.must_be(12)
        self.assertFalse(os.path.exists(rig.path("third", "identity")))


if __name__ == "__main__":
    unittest.main()
