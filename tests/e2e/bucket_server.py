"""An S3 service for tests: Ceph's radosgw with a monitor and a store in memory, on 127.0.0.1.

Bucket speaks to it without Holdfast's code: a signer of its own (AWS Signature Version 4) over http.client.
"""

import datetime
import hashlib
import hmac
import http.client
import os
import pwd
import socket
import shutil
import subprocess
import time
import unittest
import urllib.parse
import uuid
import xml.etree.ElementTree as ElementTree

from answers import run
from rig import Daemon, Rig, compare_trees, free_port, wait_for

ACCESS, SECRET, REGION = "HOLDFASTTESTKEY00000", "holdfastTestSecretKey0000000000000000000", "us-east-1"
USER = "nobody"

CONFIG = """\
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{monitor_port}]
public network = 127.0.0.0/8
ms bind ipv4 = true
ms bind ipv6 = false
ms bind msgr1 = false
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon warn on pool no redundancy = false
osd crush chooseleaf type = 0
mon osd full ratio = 0.99
mon osd nearfull ratio = 0.98
osd failsafe full ratio = 0.995
mon data avail crit = 1
run dir = {directory}/run
admin socket = {directory}/run/$name.asok
log file = {directory}/$name.log
log to stderr = false
mon cluster log file = {directory}/cluster.log
debug ms = 0
ms mon client mode = crc
paxos propose interval = 0.1
paxos min wait = 0.01
mon tick interval = 1
osd op num shards = 1
keyring = {directory}/keyring
[mon.a]
mon data = {directory}/mon
[osd.0]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
osd data = {directory}/osd
osd objectstore = memstore
memstore device bytes = 2147483648
osd memory target = 939524096
osd class load list = *
osd class default list = *
[client.rgw]
ms mon client mode = crc
auth client required = none
rgw data = {directory}/rgw
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw enable ops log = false
rgw enable usage log = false
rgw thread pool size = 32
rgw num rados handles = 1
rgw override bucket index max shards = 1
rgw dynamic resharding = false
rgw run sync thread = false
"""


class BucketServer:
    def __init__(self, directory):
        self.directory = os.path.join(directory, "s3")
        self.port = free_port()
        for part in ("mon", "osd", "rgw", "run"):
            os.makedirs(os.path.join(self.directory, part))
        self.config = os.path.join(self.directory, "ceph.conf")
        with open(self.config, "w") as f:
            f.write(CONFIG.format(fsid=uuid.uuid4(), monitor_port=free_port(), port=self.port,
                                  directory=self.directory))
        open(os.path.join(self.directory, "keyring"), "w").close()
        if os.geteuid() == 0:
            entry = pwd.getpwnam(USER)
            for root, names, files in os.walk(self.directory):
                for name in [".", *names, *files]:
                    os.chown(os.path.join(root, name), entry.pw_uid, entry.pw_gid)
        self.daemons = []
        self._start()

    def _run(self, *argv):
        if os.geteuid() == 0:
            argv = ["runuser", "-u", USER, "--", *argv]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, cwd="/",
                              env={**os.environ, "CEPH_CONF": self.config})
        assert done.returncode == 0, f"{argv}: {done.stderr}"

    def _daemon(self, name, *argv):
        self.daemons.append(Daemon([*argv, "-c", self.config, "-f"], f"{self.directory}.{name}.log", user=USER))

    def _start(self):
        fsid = next(line.split()[2] for line in open(self.config) if line.startswith("fsid"))
        monitor = next(line.split(" = ")[1].strip() for line in open(self.config) if line.startswith("mon host"))
        monitors = os.path.join(self.directory, "monmap")
        self._run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", monitor, "--enable-all-features",
                  "--set-min-mon-release", "pacific", monitors)
        self._run("ceph-mon", "--cluster", "ceph", "-i", "a", "--mkfs", "--monmap", monitors, "-c", self.config)
        self._daemon("mon", "ceph-mon", "-i", "a")
        store = str(uuid.uuid4())
        self._run("ceph", "-c", self.config, "--connect-timeout", "20", "osd", "new", store)
        self._run("ceph-osd", "-i", "0", "-c", self.config, "--mkfs", "--osd-uuid", store)
        self._daemon("osd", "ceph-osd", "-i", "0")
        self._run("radosgw-admin", "-c", self.config, "-n", "client.rgw", "user", "create", "--uid=holdfast",
                  "--display-name=holdfast", "--access-key", ACCESS, "--secret-key", SECRET)
        self._daemon("rgw", "radosgw", "-n", "client.rgw")
        wait_for("radosgw", self._answers, 60)

    def _answers(self):
        assert self.daemons[-1].alive(), self.daemons[-1].text()
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        for daemon in reversed(self.daemons):
            daemon.stop()

    close = stop


class Bucket:
    """One bucket, made when it is not there."""

    def __init__(self, port, name, locked=False):
        self.port, self.name = port, name
        self.request("PUT", "", headers={"x-amz-bucket-object-lock-enabled": "true"} if locked else {})

    def request(self, method, key, body=b"", headers=(), query=(), expect=(200, 204, 206)):
        path = urllib.parse.quote(f"/{self.name}/{key}" if key or query else f"/{self.name}")
        arguments = "&".join(f"{urllib.parse.quote(k, safe='')}={urllib.parse.quote(v, safe='')}"
                             for k, v in sorted(dict(query).items()))
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        digest = hashlib.sha256(body).hexdigest()
        sent = {**dict(headers), "host": f"127.0.0.1:{self.port}", "x-amz-date": now,
                "x-amz-content-sha256": digest}
        names = ";".join(sorted(sent))
        lines = "".join(f"{k}:{sent[k]}\n" for k in sorted(sent))
        canonical = "\n".join([method, path, arguments, lines, names, digest])
        scope = f"{now[:8]}/{REGION}/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        secret = ("AWS4" + SECRET).encode()
        for part in (*scope.split("/"), text):
            signature = hmac.new(secret, part.encode(), hashlib.sha256)
            secret = signature.digest()
        sent["authorization"] = (f"AWS4-HMAC-SHA256 Credential={ACCESS}/{scope},SignedHeaders={names},"
                                 f"Signature={signature.hexdigest()}")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path + ("?" + arguments if arguments else ""), body, sent)
        reply = connection.getresponse()
        content = reply.read()
        connection.close()
        assert reply.status in expect, f"{method} {key}: {reply.status} {content[:400]}"
        return content

    def keys(self, prefix=""):
        keys, token = [], ""
        while True:
            query = {"list-type": "2", "prefix": prefix, **({"continuation-token": token} if token else {})}
            answer = ElementTree.fromstring(self.request("GET", "", query=query))
            space = answer.tag[:answer.tag.index("}") + 1]
            keys += [each.findtext(f"{space}Key") for each in answer.iter(f"{space}Contents")]
            token = answer.findtext(f"{space}NextContinuationToken")
            if not token:
                return keys

    def get(self, key):
        return self.request("GET", key)

    def put(self, key, body, **more):
        self.request("PUT", key, body, **more)

    def delete(self, key):
        self.request("DELETE", key)

    def download(self, prefix, directory):
        for key in self.keys(prefix):
            path = os.path.join(directory, key[len(prefix):])
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as f:
                f.write(self.get(key))


class BucketCase(unittest.TestCase):
    """One S3 service for all tests of a class, one bucket for each test."""

    buckets = 0

    @classmethod
    def setUpClass(cls):
        cls.home = Rig("s3")
        cls.addClassCleanup(cls.home.__exit__, None, None, None)
        cls.server = BucketServer(cls.home.directory)
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        self.rig = Rig("bucket")
        self.addCleanup(self.rig.__exit__, None, None, None)
        self.files = self.rig.path("files")

    def new_bucket(self, locked=False):
        BucketCase.buckets += 1
        return Bucket(self.server.port, f"holdfast-{BucketCase.buckets}", locked)

    def settings(self, bucket, port=None, secret=SECRET, more=""):
        self.rig.write("s3.secret", secret + "\n", 0o600)
        return (f"store: {{s3: {{endpoint: 'http://127.0.0.1:{port or self.server.port}', bucket: {bucket},"
                f" region: {REGION}, access_key_id: {ACCESS}, secret_access_key_file: s3.secret{more}}}}}\n")

    def controller(self):
        return run("holdfast-controller", "--config", self.rig.path("controller.yaml"))

    def restores(self, name, kept):
        target = self.rig.path("restore", name.replace("@", "-") + f"-{time.monotonic_ns()}")
        self.rig.cli("restore", name, "--target", target)
        compare_trees(kept, target)

    def keep(self, name):
        path = self.rig.path(name)
        shutil.copytree(self.files, path, copy_function=shutil.copy2)
        return path

    def staged(self):
        return [name for name in os.listdir(os.path.join(self.rig.data, "staging"))
                if name.endswith((".open", ".finished"))]
