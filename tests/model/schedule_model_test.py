"""Sixty simulated days of schedules, retention, objectives and alerts, decided a second time.

simulate_schedules runs the real components in a world with outages, crashes, agents that are away,
clocks that are set and runs that fail, and prints what happened. This model decides from the same
happenings what must be done, with Python's own calendar and zones, and compares every decision.
HOLDFAST_SCHEDULE_SEED=n replays one seed; each failure names its own.
"""

import bisect
import datetime
import json
import os
import subprocess
import tempfile
import unittest
import zoneinfo

SIMULATE = os.environ["HOLDFAST_SIMULATE"]
UTC = datetime.timezone.utc
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

# As in the configuration of simulate.cpp: minute, hour (None: every one), zone, jitter, objective.
PLANS = {
    "db": ((15,), (0, 6, 12, 18), "Europe/Berlin", 600, 6 * HOUR),
    "cache": ((0, 30), None, "America/New_York", 0, HOUR),
    "uploads": ((30,), (2,), "Europe/Berlin", 300, DAY),
}
RETRIES = (5 * MINUTE, 10 * MINUTE, 20 * MINUTE)
PASSING = {1, 7, 8, 10, 11}  # exit codes of what another attempt may mend
KEPT_DAYS = {"postgres": 7, "redis": 7, "files": 30}
SPRING = datetime.datetime(2026, 2, 25, tzinfo=UTC)  # New York goes forward on 8 March, Berlin on 29 March
AUTUMN = datetime.datetime(2026, 10, 1, tzinfo=UTC)  # Berlin goes back on 25 October, New York on 1 November


def instants(plan, begin, end):
    """All times of a plan between two instants, in milliseconds, by walking the zone's minutes."""
    minutes, hours, zone_name = plan[:3]
    zone = zoneinfo.ZoneInfo(zone_name)
    found = set()
    if hours is None:  # every hour that passes
        at = begin
        while at < end:
            if at.astimezone(zone).minute in minutes:
                found.add(at)
            at += datetime.timedelta(minutes=1)
    else:
        day = begin.astimezone(zone).date() - datetime.timedelta(days=1)
        while day <= end.astimezone(zone).date():
            for hour in hours:
                for minute in minutes:
                    found.add(instant_of(datetime.datetime(day.year, day.month, day.day, hour, minute), zone))
            day += datetime.timedelta(days=1)
    return sorted(int(at.timestamp()) * 1000 for at in found if begin <= at < end)


def instant_of(wall, zone):
    """The first instant that a clock shows this; when none does, the one at which it goes forward."""
    at = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) == wall:
        return at
    # In the gap: go back until the clock shows less than `wall`, then forward to the leap.
    at = at.replace(second=0) - datetime.timedelta(hours=3)
    before = at.astimezone(zone).replace(tzinfo=None)
    while True:
        at += datetime.timedelta(minutes=1)
        now = at.astimezone(zone).replace(tzinfo=None)
        if before < wall < now:
            return at
        before = now


class Source:
    def __init__(self, name, kind, source_id, begin, end):
        self.name, self.kind = name, kind
        self.plan = PLANS[name]
        self.times = instants(self.plan, begin, end)
        self.offset = int(source_id[:16], 16) % (self.plan[3] + 1) * 1000
        # What a restart keeps.
        self.due = None
        self.handled = None
        self.claimed = False     # a run whose result is not known
        self.committed = False   # … made a snapshot
        self.in_row = 0
        self.first_seen = None
        self.retries = 0         # attempts after the first, the coming one included
        self.retry_at = None     # by the clock on the wall, of the coming one
        # What it forgets.
        self.forget()
        # The catalog.
        self.snapshots = {}  # seq -> [taken, committed at, verified]
        self.failure = False     # the last run failed, and no snapshot came since
        self.missed_at = None    # a run was late or skipped, and no backup succeeded since
        self.watched_since = None

    def forget(self):
        self.state = "idle"
        self.waiting_since = None
        self.told_late = False
        self.late_since = None
        self.retry_due = None    # as retry_at, by the running clock

    def no_retry(self):
        self.retries, self.retry_at, self.retry_due = 0, None, None

    def ended(self, exit_code, now, running):
        """A claimed run is over."""
        if exit_code not in PASSING or self.retries == len(RETRIES):
            self.no_retry()
            return
        wait = RETRIES[self.retries]
        self.retries += 1
        self.retry_at, self.retry_due = now + wait, running + wait

    def take_up(self, now, running):
        """After a restart: what is left of the wait, but never more than it was."""
        if self.retry_at is not None:
            self.retry_due = running + min(max(self.retry_at - now, 0), RETRIES[self.retries - 1])

    def decide_retry(self, running, connected):
        if self.retry_due is None or running < self.retry_due or self.state != "idle":
            return []
        self.retry_at = self.retry_due = None
        self.claimed, self.committed = True, False
        self.state = "running" if connected else "waiting"
        if not connected:
            self.waiting_since, self.told_late = running, False
        return [("claimed again", None)]

    def age(self, now):
        """Of the newest restorable point."""
        seq = max(self.snapshots, default=0)
        return max(0, now - (min(self.snapshots[seq][:2]) if seq else self.first_seen))

    def objective(self, now):
        age, rpo = self.age(now), self.plan[4]
        return "met" if age <= rpo else "late" if age <= rpo + rpo // 24 else "broken"

    def wrong(self, now):
        """The kinds of alert that must be open."""
        if self.watched_since is None:
            self.watched_since = now
        success = self.snapshots[max(self.snapshots)][1] if self.snapshots else None
        if self.missed_at is not None and success is not None and success > self.missed_at:
            self.missed_at = None
        if now - max(success or 0, self.watched_since) > 25 * HOUR:
            yield "no-success"
        if self.failure:
            yield "failure"
        if self.missed_at is not None:
            yield "missed"
        if self.objective(now) == "broken":
            yield "objective"

    def next_after(self, at):
        return self.times[bisect.bisect_right(self.times, at)]

    def decide(self, now, running, connected):
        """What one look must do, in order; and the new state."""
        did = []
        if self.waiting_since is not None:
            if self.state != "waiting":
                if self.told_late:
                    did.append(("caught up", self.handled))
                self.waiting_since, self.told_late = None, False
            elif not self.told_late and running - self.waiting_since >= 15 * MINUTE:
                self.told_late = True
                did.append(("late", None))
        if self.first_seen is None:
            self.first_seen = now
        if self.due is None or self.due > now:
            small_step = self.handled is not None and now < self.handled <= now + HOUR
            self.due = self.next_after(self.handled if small_step else now)
            self.late_since = None
            return did + self.decide_retry(running, connected)
        if now < self.due + self.offset:
            self.late_since = None
            return did + self.decide_retry(running, connected)
        late = now - self.due - self.offset > 2 * MINUTE
        if late:
            if self.late_since is None:
                self.late_since = running
            if running - self.late_since < self.offset:
                return did
        self.late_since = None
        last = self.times[bisect.bisect_right(self.times, now - self.offset) - 1]
        passed = bisect.bisect_left(self.times, last) - bisect.bisect_left(self.times, self.due)
        self.handled, self.due = last, self.next_after(last)
        self.no_retry()
        if self.state == "running":
            self.in_row += 1
            did.append(("skipped", self.in_row))
        elif self.state == "waiting":
            passed += 1
        else:
            did.append(("claimed", None))
            self.claimed, self.committed = True, False
            self.state = "running" if connected else "waiting"
            if connected and late:
                did.append(("caught up", last))
            if not connected:
                self.waiting_since, self.told_late = running, False
        if passed:
            did.append(("missed", passed))
        return did


class Model:
    def __init__(self, test, begin):
        self.test = test
        self.begin = begin - datetime.timedelta(days=10)
        self.end = begin + datetime.timedelta(days=400)
        self.sources = {}
        self.connected = True
        self.now = self.running = None
        self.expected = []   # (source, what, detail) of the look that is under way
        self.cut = False
        self.counts = {}
        self.started = self.agent_seen = 0   # by the clock on the wall
        self.open = {}      # (kind, subject) -> since when, by the running clock
        self.told = {}      # (kind, subject) -> key, of what people were told and not that it is over
        self.steady_since = 0  # the clock was set or the controller started: waits by the wall's clock differ

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def take(self, line):
        key = next(iter(line))
        if key not in ("did", "claimed", "sent", "die"):
            self.test.assertEqual(self.expected, [], f"was not done, before {line}")
        if key == "tick":
            self.nobody_was_forgotten()
        getattr(self, "on_" + key)(line)

    def on_source(self, line):
        name = line["source"]
        self.sources[name] = Source(name, line["kind"], line["id"], self.begin, self.end)

    def on_start(self, line):
        self.now, self.running = line["start"], line["running"]
        self.started, self.steady_since = self.now, self.running
        for source in self.sources.values():
            source.forget()
            source.take_up(self.now, self.running)
            if source.claimed and source.committed:
                source.claimed, source.in_row = False, 0
                source.no_retry()
            if source.claimed:
                source.state = "waiting"
                source.waiting_since = self.running

    def on_die(self, line):
        # Between a claim and what would follow: the rest of the look never happened.
        self.expected = []
        self.count("die")

    def on_agent(self, line):
        self.connected = line["agent"] == "back"
        self.count("agent " + line["agent"])

    def on_tick(self, line):
        if self.now is not None and line["tick"] - self.now != line["running"] - self.running:
            self.steady_since = line["running"]
        self.now, self.running = line["tick"], line["running"]

    def on_settled(self, line):
        for name in sorted(self.sources):
            source = self.sources[name]
            self.expected += [(name, *one) for one in source.decide(self.now, self.running, self.connected)]

    def did(self, name, what, detail):
        self.test.assertTrue(self.expected, f"{name}: {what} {detail} at {self.now} was not expected")
        self.test.assertEqual(self.expected.pop(0), (name, what, detail), f"at {self.now}")
        self.count(what)
        if what == "late" or (what == "skipped" and detail >= 2):
            self.sources[name].missed_at = self.now

    def on_claimed(self, line):
        again = bool(self.expected) and self.expected[0][1] == "claimed again"
        self.did(line["claimed"], "claimed again" if again else "claimed", None)

    def on_did(self, line):
        detail = line.get("count") or line.get("in_row") or line.get("planned")
        self.did(line["source"], line["did"], detail)

    def on_sent(self, line):
        self.test.assertTrue(self.connected, "a run reached an agent that is away")
        source = self.sources[line["sent"]]
        self.test.assertTrue(source.claimed, "a run without a claim")
        source.state = "running"

    def on_result(self, line):
        source = self.sources[line["result"]]
        source.state = "idle"
        source.claimed = False
        if line["exit"] == 0:
            source.in_row = 0
            source.failure, source.missed_at = False, None
        source.ended(line["exit"], line["at"], line["running"])
        self.count("result")

    def on_committed(self, line):
        source = self.sources[line["committed"]]
        self.test.assertTrue(source.claimed, "a snapshot without a claim")
        self.test.assertFalse(source.committed, "a run was made twice")
        source.committed = True
        source.failure = False
        source.snapshots[line["seq"]] = [line["taken"], line["at"], False]
        self.count("committed")

    def on_failed(self, line):
        self.sources[line["failed"]].failure = True
        self.count("failed")

    def on_alerts(self, line):
        if self.connected:
            self.agent_seen = self.now
        expected = {(kind, name) for name, source in self.sources.items() for kind in source.wrong(self.now)}
        if not self.connected and self.now - max(self.agent_seen, self.started) > 15 * MINUTE:
            expected.add(("agent-silent", "host-1"))
        found = {tuple(alert) for alert in line["alerts"] if alert[0] != "disk"}  # the disk is this machine's
        self.test.assertEqual(found, expected, f"alerts at {self.now}")
        self.open = {alert: self.open.get(alert, self.running) for alert in expected}
        for kind, _ in expected:
            self.count("alert " + kind)

    def on_told(self, line):
        """A message: about what is wrong, or once that it is over."""
        alert = (line["kind"], line["subject"])
        if alert[0] == "disk":
            return
        self.count("told " + line["told"])
        if line["told"] == "resolve":
            self.test.assertEqual(self.told.pop(alert, None), line["key"], f"nobody was told of {alert}, or otherwise")
            self.test.assertNotIn(alert, self.open, "said to be over")
            return
        self.test.assertEqual(line["told"], "trigger")
        self.test.assertIn(alert, self.open, "people are told of what is not so")
        self.told[alert] = line["key"]

    def nobody_was_forgotten(self):
        """At the end of a look: what is wrong for long was told, what is over for long was said to be."""
        for alert, since in self.open.items():
            if self.running - max(since, self.steady_since) > 10 * MINUTE:
                self.test.assertIn(alert, self.told, f"wrong since {since}, and nobody was told")
        for alert in self.told:
            if self.running - self.steady_since > 10 * MINUTE and alert not in self.open:
                raise AssertionError(f"{alert} is over, and nobody was told")

    def on_verified(self, line):
        self.sources[line["verified"]].snapshots[line["seq"]][2] = True

    def on_objective(self, line):
        source = self.sources[line["objective"]]
        seq = max(source.snapshots, default=0)
        state = source.objective(self.now)
        self.test.assertEqual((line["state"], line["age"], line["seq"]), (state, source.age(self.now), seq), source.name)
        self.count("objective " + state)

    def on_retained(self, line):
        source = self.sources[line["retained"]]
        days = KEPT_DAYS[source.kind]
        newest_first = sorted(source.snapshots, reverse=True)
        kept = set(newest_first[:1])
        kept |= set([seq for seq in newest_first if source.snapshots[seq][2]][:1])
        kept |= {seq for seq in newest_first if self.now - source.snapshots[seq][1] < days * DAY}
        seen = []
        for seq in newest_first:
            day = source.snapshots[seq][1] // DAY
            if day not in seen and len(seen) < days:
                seen.append(day)
                kept.add(seq)
        going = [seq for seq in newest_first if seq not in kept]
        self.test.assertEqual(line["kept"], [seq for seq in newest_first if seq in kept], source.name)
        self.test.assertEqual(line["going"], going, source.name)
        for seq in going:
            del source.snapshots[seq]
        self.counts["expired"] = self.counts.get("expired", 0) + len(going)

    def on_end(self, line):
        self.ended = True


class ScheduleModel(unittest.TestCase):
    def simulate(self, seed, begin):
        model = Model(self, begin)
        model.ended = False
        memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
        with tempfile.TemporaryDirectory(dir=memory) as directory:
            errors = open(os.path.join(directory, "errors"), "w+")
            process = subprocess.Popen([SIMULATE, str(seed), str(int(begin.timestamp())), directory],
                                       stdout=subprocess.PIPE, stderr=errors, text=True)
            try:
                for number, line in enumerate(process.stdout):
                    try:
                        model.take(json.loads(line))
                    except AssertionError as error:
                        raise AssertionError(f"HOLDFAST_SCHEDULE_SEED={seed}, line {number + 1}: {error}") from None
            finally:
                process.kill()
                process.wait()
                process.stdout.close()
                errors.seek(0)
                text = errors.read()
                errors.close()
        self.assertTrue(model.ended, text)
        return model.counts

    def test_sixty_days(self):
        given = os.environ.get("HOLDFAST_SCHEDULE_SEED")
        seeds = [int(given)] if given else [1, 2]
        total = {}
        for seed in seeds:
            begin = AUTUMN if seed % 2 else SPRING
            print(f"seed {seed}, from {begin:%Y-%m-%d}")
            for what, count in self.simulate(seed, begin).items():
                total[what] = total.get(what, 0) + count
        print(total)
        if given:
            return
        for what in ("die", "agent away", "claimed", "claimed again", "skipped", "missed", "late", "caught up", "committed",
                     "failed", "expired", "alert no-success", "alert failure", "alert missed", "alert objective",
                     "alert agent-silent", "told trigger", "told resolve", "objective met", "objective late", "objective broken"):
            self.assertGreater(total.get(what, 0), 3, f"the simulation hardly had any '{what}': {total}")


if __name__ == "__main__":
    unittest.main()
