"""Fault row 15: a network that swallows everything without closing a connection.

Proves: both ends give up such a connection by their own pings (agent: after 30 and 20 seconds, controller: 60 and 20), the
run goes on over a new one and gives one snapshot, and the dead connections do not stay.
"""

import socket
import threading
import time
import unittest

from answers import operator, write_random
from rig import CuttingProxy, Rig, compare_trees, wait_for


class SwallowingProxy(CuttingProxy):
    """Can swallow what the connections of a moment say, without closing them."""

    def __init__(self, target_port):
        self.swallowed = set()
        self.closed = set()  # of the swallowed: what their other end has closed by itself
        super().__init__(target_port)

    def swallow(self):
        with self.lock:
            pairs, self.pairs = self.pairs, []
            self.swallowed.update(each for pair in pairs for each in pair)
        return pairs

    def _pump(self, source, sink, count):
        try:
            while data := source.recv(1 << 16):
                if source in self.swallowed:
                    continue
                sink.sendall(data)
                if count:
                    self.forwarded += len(data)
        except OSError:
            pass
        if source in self.swallowed:
            self.closed.add(source)
            return
        for each in (source, sink):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class BlackHole(unittest.TestCase):
    def test_both_ends_give_up_and_the_run_goes_on(self):
        rig = Rig("black-hole")
        self.addCleanup(rig.__exit__, None, None, None)
        files = rig.path("files")
        write_random(f"{files}/a", 48 << 20, 1)
        rig.start_controller()
        rig.init()
        rig.enroll_agent("agent", [{"name": "uploads", "kind": "files", "root": files}])
        proxy = SwallowingProxy(rig.port)
        self.addCleanup(proxy.close)
        with open(rig.path("agent.yaml"), "a") as f:
            f.write(f"controller: 127.0.0.1:{proxy.port}\n")
        rig.start_agent("agent")

        done = []
        backup = threading.Thread(target=lambda: done.append(operator(rig, "backup", timeout=300)))
        backup.start()
        wait_for("bytes on the wire", lambda: proxy.forwarded > 8 << 20 or done, 60)
        self.assertFalse(done, "the backup was done before the network went")
        swallowed = proxy.swallow()
        self.assertGreaterEqual(len(swallowed), 2, "the stream of jobs and that of the backup")
        went = time.monotonic()
        backup.join()
        self.assertEqual(0, done[0].code, done[0])
        self.assertGreater(time.monotonic() - went, 15, "the network was not gone")
        self.assertEqual([1], [row["seq"] for row in rig.snapshots("uploads")])
        rig.cli("restore", "uploads", "--target", rig.path("restore", "all"))
        compare_trees(files, rig.path("restore", "all"))
        self.assertTrue(rig.is_connected("agent"))

        wait_for("the agent to close what is dead",
                 lambda: all(client in proxy.closed for client, _ in swallowed), 120)
        wait_for("the controller to close what is dead",
                 lambda: all(server in proxy.closed for _, server in swallowed), 150)


if __name__ == "__main__":
    unittest.main()
