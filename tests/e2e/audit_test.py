"""Who changed what: every change by command, by policy and by enrolment leaves a row, through kills, and a row that was
changed by other means shows."""

import json
import os
import sqlite3
import unittest

from rig import Rig


class Audit(unittest.TestCase):
    def rows(self, rig, expect=0):
        return json.loads(rig.cli("audit", "list", "--json", expect=expect).stdout)["audit"]

    def test_changes_leave_rows_that_outlive_a_kill(self):
        with Rig("audit") as rig:
            root = rig.path("root")
            os.makedirs(root)
            rig.setup([{"name": "uploads", "kind": "files", "root": root}])
            self.assertEqual([row["action"] for row in self.rows(rig)], ["agent.enrol", "agent.token", "owner.set"])
            for name in ("one", "two", "three"):
                rig.write(f"root/{name}", name)
                rig.cli("backup", "uploads")
            before = len(self.rows(rig))
            rig.cli("schedule", "set", "uploads", "--cron", "0 3 * * *")
            rig.cli("schedule", "pause", "uploads")
            rig.cli("objective", "set", "uploads", "--rpo", "4h")
            rig.cli("retention", "set", "uploads", "--keep-last", "2")
            rig.cli("forget", "uploads@1", "--yes")
            rig.cli("undelete", "uploads@1")
            rig.cli("schedule", "set", "uploads", "--cron", "0 0 31 2 *", expect=2)
            rig.cli("forget", "uploads@3", "--yes", expect=4)
            rig.controller.kill()
            os.remove(rig.socket)
            rig.start_controller()
            rows = self.rows(rig)
            self.assertEqual([row["action"] for row in rows[:-before]][-6:],
                             ["snapshot.undelete", "snapshot.forget", "retention.set", "objective.set",
                              "schedule.pause", "schedule.set"])
            self.assertEqual({row["object"] for row in rows[:-before]}, {"agent/uploads"})
            self.assertEqual(rows[-before - 1]["detail"], "cron 0 3 * * * (was not set)")
            self.assertNotIn("", [row["by"] for row in rows])
            # What the policy removes is written down too, as its own doing.
            rig.cli("gc")
            expired = self.rows(rig)[0]
            self.assertEqual((expired["action"], expired["by"]), ("snapshot.expire", "the retention policy"))
            self.assertIn("snapshot 1, in the trash until ", expired["detail"])
            self.assertIn("snapshot.forget", rig.cli("audit", "list").stdout)
            rig.cli("agent", "remove", "agent", "--yes")
            self.assertEqual(self.rows(rig)[0]["action"], "agent.remove")

            rig.controller.stop()
            with sqlite3.connect(rig.path("controller", "catalog", "catalog.db")) as database:
                database.execute("UPDATE audit SET made_by=CAST('somebody else' AS BLOB) WHERE action=CAST(? AS BLOB)",
                                 ("schedule.pause",))
            database.close()
            rig.start_controller()
            self.assertIn("HF-5097", rig.cli("audit", "list", expect=5).stderr)


if __name__ == "__main__":
    unittest.main()
