"""Backups that run by themselves: schedules, hooks, objectives, and configurations read again. Fault rows 5, 6, 13,
88, 89."""

import json
import os
import signal
import subprocess
import time
import unittest

from rig import BIN, Rig, wait_for

EVERY_MINUTE = 'schedule: {cron: "* * * * *", jitter: 0s}\n'


class Installation(Rig):
    def __init__(self, name, settings="", moved=False):
        super().__init__(name, moved=moved)
        self.controller_settings = settings
        self.root = self.path("root")
        os.makedirs(self.root)
        self.put("one")

    def put(self, name):
        with open(os.path.join(self.root, name), "w") as f:
            f.write(name * 1000)

    def source(self, name="uploads", **more):
        return {"name": name, "kind": "files", "root": self.root, **more}

    def schedule(self, name="uploads"):
        rows = json.loads(self.cli("schedule", "list", name, "--json").stdout)["schedules"]
        return rows[0]

    def status(self, expect=0):
        return json.loads(self.cli("status", "--json", expect=expect).stdout)

    def seqs(self, name="uploads"):
        return [row["seq"] for row in self.snapshots(name)]

    def warnings(self, expect=0):
        return "\n".join(one["text"] for one in self.status(expect)["warnings"])


class Schedule(unittest.TestCase):
    def test_it_runs_by_itself_and_through_a_kill(self):
        with Installation("runs", EVERY_MINUTE, moved=True) as rig:
            rig.setup([rig.source()])
            begun = rig.clock.time()
            rig.clock.wait_for("a run by itself", lambda: rig.seqs(), 90, step=2)
            # Killed again and again, the controller neither loses nor doubles a minute.
            for _ in range(3):
                rig.controller.kill()
                os.remove(rig.socket)
                rig.start_controller()
                rig.clock.wait_for("the agent", lambda: rig.is_connected("agent"), 120)
                rig.clock.run(20, step=1)
            rig.clock.wait_for("a second run", lambda: len(rig.seqs()) >= 2, 90, step=1)
            wait_for("the last run", lambda: not rig.schedule()["running_since"], 60)
            row = rig.schedule()
            minutes = int(rig.clock.time() // 60) - int(begun // 60)
            made = len(rig.seqs())
            self.assertLessEqual(made, minutes)
            self.assertGreaterEqual(made + row["missed"] + row["skipped"], minutes - 2, (made, row))

    def test_an_agent_that_is_away_gets_its_run_when_it_is_back(self):
        with Installation("away", EVERY_MINUTE, moved=True) as rig:
            rig.setup([rig.source()])
            rig.cli("backup", "uploads")
            rig.agents["agent"].stop()
            rig.clock.wait_for("the next minute", lambda: rig.schedule()["waiting"], 90, step=2)
            self.assertIn("its agent is away", rig.warnings())
            before = len(rig.seqs())
            rig.controller.kill()  # what waits is not forgotten
            os.remove(rig.socket)
            rig.start_controller()
            self.assertTrue(rig.schedule()["waiting"])
            rig.start_agent("agent")
            wait_for("the run", lambda: len(rig.seqs()) > before, 20)
            self.assertFalse(rig.schedule()["waiting"])

    def test_a_run_that_failed_is_tried_again_after_5_10_and_20_minutes(self):
        """Fault row 105."""
        with Installation("retry", 'schedule: {cron: "0 2 * * *", jitter: 0s}\n', moved=True) as rig:
            rig.setup([rig.source()])
            os.rename(rig.root, rig.root + ".away")
            rig.clock.move(86_400 - (rig.clock.time() - 7_190) % 86_400)  # to 01:59:50
            rig.clock.wait_for("the failed run", lambda: rig.schedule()["retries"] == 1, 60)
            failed = rig.clock.time()
            self.assertEqual(rig.seqs(), [])
            row = rig.schedule()
            self.assertEqual(row["next"][0], row["retry_at"])
            self.assertIn("retry 1 of 3", rig.cli("schedule", "list").stdout)
            self.assertEqual(json.loads(rig.cli("schedule", "next", "--json").stdout)["runs"][0]["retry"], 1)
            rig.clock.run(120, step=5)
            rig.controller.kill()  # what is planned is not forgotten, and the time counts
            os.remove(rig.socket)
            rig.start_controller()
            rig.clock.wait_for("the agent", lambda: rig.is_connected("agent"), 120)
            rig.clock.wait_for("the second failure", lambda: rig.schedule()["retries"] == 2, 300, step=5)
            self.assertGreaterEqual(rig.clock.time() - failed, 300 - 10)
            second = rig.clock.time()
            os.rename(rig.root + ".away", rig.root)
            rig.clock.wait_for("the snapshot", lambda: rig.seqs(), 660, step=5)
            self.assertGreaterEqual(rig.clock.time() - second, 600 - 10)
            rig.clock.wait_for("the end of the run", lambda: rig.schedule()["retries"] == 0)
            row = rig.schedule()
            self.assertEqual((row["retries"], row["retry_at"], row["missed"], row["skipped"]), (0, "", 0, 0))

    def test_schedules_are_set_paused_and_explained(self):
        with Installation("set", 'schedule:\n  zone: Europe/Berlin\n  jitter: 0s\n  groups:\n'
                                 '    - {name: files, sources: [uploads], cron: "30 2 * * *"}\n') as rig:
            rig.setup([rig.source(), rig.source("other")])
            row = rig.schedule()
            self.assertEqual((row["cron"]["value"], row["cron"]["origin"], row["cron"]["place"]),
                             ("30 2 * * *", "file", "group 'files'"))
            self.assertEqual(rig.schedule("other")["cron"]["origin"], "default")
            self.assertEqual(len(row["next"]), 3)
            shown = rig.cli("schedule", "set", "other", "--cron", "0 12 * * mon").stdout
            self.assertEqual(shown.count("12:00 CE"), 3, shown)
            for bad in ("0 0 31 2 *", "* * *", "61 * * * *", "@sometimes"):
                answer = rig.cli("schedule", "set", "other", "--cron", bad, expect=2)
                self.assertIn("HF-5090", answer.stderr)
            self.assertIn("HF-5091",
                          rig.cli("schedule", "set", "other", "--zone", "Mars/Olympus", expect=2).stderr)
            rig.cli("schedule", "set", "--group", "none", "--cron", "@daily", expect=6)
            rig.cli("schedule", "pause", "other")
            self.assertIn("the schedule of source 'other' is paused", rig.warnings())
            rig.controller.stop()
            rig.start_controller()
            row = rig.schedule("other")
            self.assertEqual(row["cron"]["value"], "0 12 * * mon")
            self.assertEqual(row["cron"]["origin"], "command")
            self.assertTrue(row["cron"]["set_by"])
            self.assertTrue(row["paused"])
            rig.cli("schedule", "resume", "--all")
            rig.cli("schedule", "set", "other", "--default")
            self.assertEqual(rig.schedule("other")["cron"]["origin"], "default")
            runs = json.loads(rig.cli("schedule", "next", "--count", "2", "--json").stdout)["runs"]
            self.assertEqual(len(runs), 4)
            self.assertEqual(sorted(run["at"] for run in runs), [run["at"] for run in runs])

    def test_objectives_are_shown_and_broken_ones_are_exit_9(self):
        with Installation("objective", "objectives:\n  systems:\n    - {name: shop, sources: [uploads]}\n",
                          moved=True) as rig:
            rig.setup([rig.source()])
            rig.cli("backup", "uploads")
            report = json.loads(rig.cli("objective", "list", "--json").stdout)
            self.assertFalse(report["broken"])
            self.assertEqual(report["sources"][0]["rto"]["value"], "2h")
            self.assertEqual(report["systems"][0]["system"], "shop")
            self.assertFalse(report["sources"][0]["restore_measured"])
            rig.cli("restore", "uploads@latest", "--target", os.path.join(rig.restore_root, "all"))
            report = json.loads(rig.cli("objective", "list", "--json").stdout)
            self.assertTrue(report["sources"][0]["restore_measured"])
            rig.cli("objective", "set", "uploads", "--rpo", "1m")
            rig.clock.wait_for("a broken objective",
                               lambda: rig.cli("objective", "list", expect=None).returncode == 9, 90, step=2)
            self.assertEqual(rig.status(9)["objectives_broken"], ["uploads"])
            self.assertTrue(rig.cli("status", expect=9).stdout.startswith("OBJECTIVES BROKEN: uploads\n"))
            rig.cli("backup", "uploads")
            self.assertEqual(rig.status()["objectives_broken"], [])
            rig.cli("objective", "set", "--system", "none", "--rpo", "1h", expect=6)
            rig.cli("objective", "set", "uploads", "--rpo", "soon", expect=2)


class Hooks(unittest.TestCase):
    def hook(self, rig, name, code=0):
        """A command that notes its environment."""
        notes = rig.path(name + ".notes")
        script = rig.write(name + ".sh", f"#!/bin/sh\nenv | grep ^HOLDFAST_ | sort > {notes}\n"
                                         f"echo the {name} command speaks >&2\nexit {code}\n", 0o755)
        return script, notes

    def test_commands_around_a_backup(self):
        with Installation("hooks") as rig:
            before, before_notes = self.hook(rig, "before")
            after, after_notes = self.hook(rig, "after", 1)
            rig.setup([rig.source(hooks={"before": {"run": [before]}, "after": {"run": [after]}})])
            done = rig.cli("backup", "uploads")
            self.assertIn("the after command speaks", done.stdout + done.stderr)  # a warning
            with open(before_notes) as f:
                self.assertEqual(f.read().splitlines()[-1], "HOLDFAST_SOURCE=uploads")
            with open(after_notes) as f:
                text = f.read()
            self.assertIn("HOLDFAST_OUTCOME=done\n", text)
            self.assertIn("HOLDFAST_SNAPSHOT=uploads@1\n", text)

            self.hook(rig, "before", 4)
            failed = rig.cli("backup", "uploads", expect=10)
            self.assertIn("HF-2020", failed.stderr)
            self.assertIn("the before command speaks", failed.stderr)
            self.assertEqual(rig.seqs(), [1])
            with open(after_notes) as f:
                self.assertIn("HOLDFAST_EXIT_CODE=10\nHOLDFAST_KIND=files\nHOLDFAST_OUTCOME=failed\n", f.read())


class Reload(unittest.TestCase):
    def hang_up(self, daemon):
        os.kill(daemon.process.pid, signal.SIGHUP)

    def test_the_controller_reads_its_schedule_again(self):
        with Installation("reload") as rig:
            rig.setup([rig.source()])
            path = rig.path("controller.yaml")
            with open(path) as f:
                good = f.read()
            self.assertEqual(rig.schedule()["cron"]["value"], "0 0 29 2 *")

            def write(schedule):
                rig.write("controller.yaml", good.replace('"0 0 29 2 *"', schedule))
                self.hang_up(rig.controller)

            write('"0 5 * * *"')
            wait_for("the new schedule", lambda: rig.schedule()["cron"]["value"] == "0 5 * * *")
            write('"0 0 31 2 *"')
            wait_for("the trouble", lambda: "no such day ever comes" in rig.warnings())
            self.assertIn("controller.yaml:5:18", rig.warnings())
            self.assertEqual(rig.schedule()["cron"]["value"], "0 5 * * *")
            self.assertIn("the configuration stays as it was", rig.controller.text())
            rig.cli("backup", "uploads")
            write('"0 6 * * *"')
            wait_for("the next schedule", lambda: rig.schedule()["cron"]["value"] == "0 6 * * *")
            self.assertNotIn("configuration", rig.warnings())

    def test_an_agent_reads_its_sources_again(self):
        with Installation("agent-reload") as rig:
            rig.setup([rig.source()])
            rig.agent_config("agent", [rig.source(), rig.source("more")])
            self.hang_up(rig.agents["agent"])
            wait_for("the new source", lambda: len(rig.status()["sources"]) == 2)
            wait_for("the agent", lambda: rig.is_connected("agent"))
            rig.cli("backup", "more")
            with open(rig.path("agent.yaml"), "a") as f:
                f.write("colour: red\n")
            self.hang_up(rig.agents["agent"])
            wait_for("the trouble", lambda: "cannot use its changed configuration" in rig.warnings())
            rig.cli("backup", "more")
            rig.agent_config("agent", [rig.source("more")])
            self.hang_up(rig.agents["agent"])
            wait_for("the old source to go", lambda: len(rig.status()["sources"]) == 1)
            wait_for("the agent", lambda: rig.is_connected("agent"))
            self.assertNotIn("configuration", rig.warnings())


class ConfigCheck(unittest.TestCase):
    def check(self, path, *options):
        return subprocess.run([f"{BIN}/holdfast", "config", "check", path, *options], capture_output=True,
                              text=True, stdin=subprocess.DEVNULL)

    def test_files_are_judged_as_at_the_start(self):
        with Installation("check") as rig:
            good = rig.write("good.yaml", 'schedule:\n  cron: "0 2 * * *"\n  groups:\n'
                                          '    - {name: db, sources: [db], cron: "@hourly", zone: Asia/Tokyo}\n')
            answer = self.check(good)
            self.assertEqual(answer.returncode, 0, answer.stderr)
            self.assertEqual(answer.stdout.count(" 02:00 UTC"), 3, answer.stdout)
            self.assertEqual(answer.stdout.count(":00 JST"), 3, answer.stdout)
            report = json.loads(self.check(good, "--json").stdout)
            self.assertEqual(len(report["schedules"][1]["next"]), 3)

            bad = rig.write("bad.yaml", 'listen: 127.0.0.1:1\nschedule:\n  cron: "0 0 31 2 *"\n')
            answer = self.check(bad)
            self.assertEqual(answer.returncode, 2)
            self.assertIn("bad.yaml:3:9", answer.stderr)
            error = json.loads(self.check(bad, "--json").stderr)["error"]
            self.assertEqual(error["exit"], 2)

            agent = rig.write("agent-file.yaml", f"sources:\n  - {json.dumps(rig.source())}\n")
            answer = self.check(agent)
            self.assertEqual(answer.returncode, 0, answer.stderr)
            self.assertIn("source 'uploads' (files)", answer.stdout)
            self.assertEqual(self.check(agent, "--as", "controller").returncode, 2)
            agent = rig.write("agent-file.yaml", "sources:\n  - {name: a, kind: files, root: relative}\n")
            answer = self.check(agent)
            self.assertEqual(answer.returncode, 2)
            self.assertIn("agent-file.yaml:2:34", answer.stderr)
            self.assertEqual(self.check(rig.path("absent.yaml")).returncode, 2)


if __name__ == "__main__":
    unittest.main()
