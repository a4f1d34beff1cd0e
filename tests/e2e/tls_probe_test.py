"""Who is not enrolled gets nothing out of the agents' port, and does not hurt those who are.

Proves: mutual TLS shields what lies behind it. A client without a certificate, or with one of another
authority, is hung up on (gRPC sends no alert) and never hears HTTP/2, as an enrolled one does; old protocols and plain text get no further;
connections that are made and dropped by the thousand, or that say nothing, leave neither file
descriptors nor a controller that does not answer.
"""

import os
import socket
import ssl
import subprocess
import unittest

from answers import write_random
from rig import Rig, wait_for

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
ABORTED = 2000
SILENT = 100


def context(minimum=ssl.TLSVersion.TLSv1_2, maximum=ssl.TLSVersion.TLSv1_3):
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    client.set_alpn_protocols(["h2"])
    client.set_ciphers("ALL:@SECLEVEL=0")
    client.minimum_version = minimum
    client.maximum_version = maximum
    return client


def read_all(connection):
    """What came until the other side ended it; fails when it does not."""
    content = b""
    try:
        while part := connection.recv(4096):
            content += part
    except (ssl.SSLError, ConnectionError):
        pass
    return content


class TlsProbe(unittest.TestCase):
    def setUp(self):
        self.rig = Rig("tls-probe")
        self.addCleanup(self.rig.__exit__, None, None, None)
        write_random(f"{self.rig.path('files')}/a", 1 << 20, 1)
        self.rig.setup([{"name": "uploads", "kind": "files", "root": self.rig.path("files")}])
        self.pid = self.rig.controller.process.pid

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.rig.port), timeout=20)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def send_preface(self, client):
        """Handshake as far as it goes, HTTP/2 preface, and what came back."""
        with self.connect() as plain, client.wrap_socket(plain) as connection:
            try:
                connection.sendall(PREFACE)
            except (ssl.SSLError, ConnectionError):
                pass  # ended already: reading says why
            return read_all(connection)

    def hears_http2(self, client):
        """Whether HTTP/2's settings, type 4, come after the preface."""
        with self.connect() as plain, client.wrap_socket(plain) as connection:
            connection.sendall(PREFACE)
            return connection.recv(9)[3:4] == b"\x04"

    def still_works(self):
        self.assertTrue(self.rig.controller.alive())
        self.rig.cli("backup")

    def foreign_certificate(self):
        key, certificate = self.rig.path("foreign.key"), self.rig.path("foreign.crt")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-nodes", "-days", "2", "-subj", "/CN=agent", "-keyout", key, "-out", certificate],
                       check=True, capture_output=True)
        return certificate, key

    def agent_certificate(self):
        return self.rig.path("agent", "tls.pem"), self.rig.path("agent", "tls.key")

    def test_without_a_certificate_of_ours_nothing_of_http2_is_heard(self):
        self.assertEqual(b"", self.send_preface(context()))
        foreign = context()
        foreign.load_cert_chain(*self.foreign_certificate())
        self.assertEqual(b"", self.send_preface(foreign))
        enrolled = context()
        enrolled.load_cert_chain(*self.agent_certificate())
        self.assertTrue(self.hears_http2(enrolled), "else this proves nothing")
        self.still_works()

    def test_tls_1_2_demands_a_certificate_in_the_handshake(self):
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            with self.connect() as plain:
                context(maximum=ssl.TLSVersion.TLSv1_2).wrap_socket(plain)
        self.still_works()

    def test_older_protocols_are_refused(self):
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            with self.subTest(version=version.name), self.assertRaises((ssl.SSLError, ConnectionError)):
                with self.connect() as plain:
                    context(version, version).wrap_socket(plain)
        self.still_works()

    def test_plain_text_is_not_answered_in_kind(self):
        for hello in (PREFACE, b"GET / HTTP/1.1\r\nHost: holdfast\r\n\r\n", os.urandom(64)):
            with self.subTest(hello=hello[:8]), self.connect() as plain:
                plain.sendall(hello)
                content = b""
                try:
                    while part := plain.recv(4096):
                        content += part
                except ConnectionError:
                    pass
                # At most an alert of TLS: type 21, seven bytes.
                self.assertLessEqual(len(content), 7)
                self.assertIn(content[:1], (b"", b"\x15"))
        self.still_works()

    def test_connections_that_are_dropped_or_silent_cost_nothing_that_stays(self):
        self.still_works()
        before = self.descriptors()
        for i in range(ABORTED):
            with self.connect() as plain:
                if i % 4 == 0:
                    plain.sendall(b"\x16\x03\x01\x02\x00\x01")  # the beginning of a hello
        silent = [self.connect() for _ in range(SILENT)]
        self.still_works()
        for plain in silent:
            plain.close()
        wait_for("the descriptors to be given back", lambda: self.descriptors() <= before + 5, 30)
        self.still_works()
        target = self.rig.path("restore", "files")
        self.rig.cli("restore", "uploads@1", "--target", target)
        with open(f"{target}/a", "rb") as restored, open(self.rig.path("files", "a"), "rb") as kept:
            self.assertEqual(kept.read(), restored.read())


if __name__ == "__main__":
    unittest.main()
