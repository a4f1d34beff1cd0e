"""A fresh Holdfast installation per pair: controller, agent and operator of the end-to-end tests."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

from contestant import RESTORE, Contestant  # noqa: E402
from measure import Stage, Watched, tree_bytes  # noqa: E402
from rig import BIN, Rig  # noqa: E402


class WithoutDeltas:
    """The same installation, for what deltas save and cost."""

    name = "holdfast without deltas"
    role = "variant"
    delta = {"delta": {"enabled": False}}


class Holdfast(Contestant):
    """Subclasses say which sources there are and what a restore is."""

    name = "holdfast"
    role = "holdfast"
    source = "data"
    delta = {}  # options of the source

    def sources(self):
        raise NotImplementedError

    def restore_arguments(self):
        raise NotImplementedError

    def begin(self):
        self.serial = 0
        self.rig = Rig("bench")
        self.rig.setup(self.sources())
        self.environment = {"HOLDFAST_HOME": self.rig.home, "HOLDFAST_SOCKET": self.rig.socket,
                            "HOLDFAST_PASSPHRASE_FILE": self.rig.passphrase}

    def perform(self, operation, meter):
        arguments = (["restore", f"{self.source}@latest", *self.restore_arguments()]
                     if operation == RESTORE else ["backup", self.source])
        meter.run(Stage("cli", [f"{BIN}/holdfast", *arguments]), env=self.environment)

    def watched(self):
        return [Watched("agent", self.rig.agents["agent"].process.pid),
                Watched("controller", self.rig.controller.process.pid)]

    def repository(self):
        return self.rig.data

    def stored_bytes(self):
        # All that the controller keeps. SQLite's log is emptied into the catalog and used again.
        return tree_bytes(self.rig.data, skip=("-wal", "-shm"))

    def end(self, keep=False):
        if not keep:
            self.rig.__exit__(None, None, None)
            return
        for daemon in [*self.rig.agents.values(), self.rig.controller]:
            daemon.stop()
