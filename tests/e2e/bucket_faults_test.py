"""The store in a bucket whose service fails, or whose settings cannot work (rows 38, 39 and 44), on Ceph's radosgw."""

import os
import socket
import threading
import unittest

from answers import write_random
from bucket_server import SECRET, BucketCase
from rig import CuttingProxy, wait_for


class Switch(CuttingProxy):
    """A proxy whose server can be gone: connections are closed at once."""

    on = True

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if not self.on:
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self.target_port))
            with self.lock:
                self.pairs.append((client, server))
            for pair in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pump, args=pair, daemon=True).start()


class Faults(BucketCase):
    def test_the_service_is_gone_in_the_middle_of_a_run(self):
        rig = self.rig
        bucket = self.new_bucket()
        proxy = Switch(self.server.port)
        self.addCleanup(proxy.close)
        rig.controller_settings = self.settings(bucket.name, proxy.port)
        write_random(f"{self.files}/a", 96 << 20, 1)
        rig.setup([{"name": "uploads", "kind": "files", "root": self.files}])
        backup = threading.Thread(target=lambda: rig.cli("backup", expect=None))
        backup.start()
        wait_for("a pack in the bucket", lambda: bucket.keys("packs/"))
        # For longer than one request is tried: a pack stays behind on the disk.
        proxy.on = False
        proxy.cut()
        wait_for("the store to refuse writes", lambda: "HF-5100" in rig.controller.text(), 90)
        wait_for("the alert", lambda: "the store refuses writes" in rig.controller.text(), 60)
        proxy.on = True
        wait_for("the snapshot", lambda: rig.snapshots("uploads"), 120)
        backup.join()
        wait_for("nothing left behind", lambda: not self.staged(), 10)
        self.restores("uploads@1", self.files)

    def test_settings_that_cannot_work(self):
        rig = self.rig
        bucket = self.new_bucket()
        rows = {
            "key": (12, self.settings(bucket.name), "SignatureDoesNotMatch", "rotated"),
            "no such bucket": (12, self.settings("holdfast-nowhere"), "NoSuchBucket", "Make the bucket"),
            "no lock": (2, self.settings(bucket.name, more=", immutable: 1d"), "bucket has no Object Lock", "immutable"),
            "nobody there": (8, self.settings(bucket.name, port=1), "unable to", "endpoint"),
        }
        for name, (code, settings, cause, hint) in rows.items():
            with self.subTest(name=name):
                rig.write("s3.secret", ("wrong" if name == "key" else SECRET) + "\n", 0o600)
                rig.write("controller.yaml", f"data_directory: {rig.data}\nsocket: {rig.socket}\n"
                          f"listen: 127.0.0.1:{rig.port}\nlisten_enrollment: 127.0.0.1:{rig.enrollment_port}\n{settings}")
                self.controller().must_be(code, cause, hint)
                self.assertFalse(os.path.exists(os.path.join(rig.data, "catalog")))
        self.assertEqual([], [key for key in bucket.keys() if key != "probe"])

    def test_immutable(self):
        rig = self.rig
        bucket = self.new_bucket(locked=True)
        rig.controller_settings = self.settings(bucket.name, more=", immutable: 1d")
        write_random(f"{self.files}/a", 1 << 20, 1)
        rig.setup([{"name": "uploads", "kind": "files", "root": self.files}])
        rig.cli("backup")
        [pack] = [key for key in bucket.keys("packs/")]
        versions = bucket.request("GET", "", query={"versions": "", "prefix": pack}).decode()
        version = versions.split("<VersionId>")[1].split("<")[0]
        bucket.request("DELETE", pack, query={"versionId": version}, expect=(403,))
        self.restores("uploads@1", self.files)


if __name__ == "__main__":
    unittest.main()
