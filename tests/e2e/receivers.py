"""What alerts are sent to: an HTTP server for Slack, PagerDuty and webhooks, and a mail server.

Both listen on 127.0.0.1, note what they get, and answer as the test says.
"""

import base64
import email
import email.policy
import hashlib
import hmac
import http.server
import json
import logging
import os
import ssl
import subprocess
import threading
import time

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

from rig import free_port

logging.getLogger("mail.log").setLevel(logging.CRITICAL)

SECRET = b"a webhook's secret, long enough to be one"
WHSEC = "whsec_" + base64.b64encode(SECRET).decode()


def check_signature(request, now=None):
    """The Standard Webhooks convention, written anew from its description."""
    stamp = int(request["headers"]["webhook-timestamp"])
    assert abs((now or time.time()) - stamp) < 300, "the timestamp is not now"
    signed = f"{request['headers']['webhook-id']}.{stamp}.".encode() + request["body"]
    expected = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
    given = request["headers"]["webhook-signature"].split(" ")
    assert f"v1,{expected}" in given, "no signature fits"


class HttpReceiver:
    """answer(path) -> (status, headers, body), or None: no answer until the connection ends."""

    def __init__(self, port=0):
        self.requests = []
        self.lock = threading.Lock()
        self.answer = lambda path: (200, {}, b"ok")
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with receiver.lock:
                    receiver.requests.append({"path": self.path, "body": body,
                                              "headers": {k.lower(): v for k, v in self.headers.items()}})
                answer = receiver.answer(self.path)
                if answer is None:
                    self.rfile.read(1)  # until the other side gives up
                    self.close_connection = True
                    return
                status, headers, text = answer
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)
                except OSError:
                    self.close_connection = True  # it has read enough

            do_GET = do_POST

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def got(self, path):
        with self.lock:
            return [request for request in self.requests if request["path"] == path]

    def messages(self, path):
        return [json.loads(request["body"]) for request in self.got(path)]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def make_certificate(directory):
    """A self-signed certificate for localhost: (certificate, key)."""
    certificate, key = os.path.join(directory, "smtp.pem"), os.path.join(directory, "smtp.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    return certificate, key


class MailReceiver:
    """Wants STARTTLS and a login (u, p); keeps mails as parsed messages."""

    def __init__(self, directory):
        self.certificate, key = make_certificate(directory)
        self.mails = []
        self.refuse = {}  # recipient -> answer
        receiver = self
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, key)

        class Handler:
            async def handle_RCPT(self, server, session, envelope, address, options):
                if address in receiver.refuse:
                    return receiver.refuse[address]
                envelope.rcpt_tos.append(address)
                return "250 OK"

            async def handle_DATA(self, server, session, envelope):
                assert session.ssl is not None
                receiver.mails.append({
                    "from": envelope.mail_from, "to": envelope.rcpt_tos,
                    "mail": email.message_from_bytes(envelope.content, policy=email.policy.default)})
                return "250 OK"

        def login(server, session, envelope, mechanism, data):
            return AuthResult(success=data.login == b"u" and data.password == b"p", handled=False)

        class MailServer(Controller):
            def factory(self):
                return SMTP(self.handler, tls_context=context, require_starttls=True,
                            auth_require_tls=True, authenticator=login, auth_required=True,
                            hostname="localhost")

        self.port = free_port()
        self.controller = MailServer(Handler(), hostname="127.0.0.1", port=self.port)
        self.controller.start()

    def stop(self):
        if self.controller is not None:
            self.controller.stop()
        self.controller = None
