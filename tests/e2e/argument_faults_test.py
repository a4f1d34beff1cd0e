"""Fault rows 8-12: command lines that are wrong, ambiguous or dangerous.

Proves: exit 2 for what cannot be meant, 6 for what is not there (with the nearest name), 4, 7 or 12 for
targets that must not be written to; nothing is created or changed by any of them; untrusted text is
printed escaped; every verb has help with two examples; --json gives JSON, errors included.
"""

import json
import os
import re
import unittest

from answers import operator, recover, run, tree_paths, write_random
from rig import Rig

CONTROL = "x\n\x1b[31mred"
TOO_LONG = "a" * 65_536
INVALID = b"\xff\xfe\x80"


class ArgumentFaults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.rig = Rig("arguments")
        cls.addClassCleanup(cls.rig.__exit__, None, None, None)
        cls.files = cls.rig.path("files")
        write_random(f"{cls.files}/sub/a", 100_000, 1)
        write_random(f"{cls.files}/b", 100_000, 2)
        cls.rig.setup([{"name": "uploads", "kind": "files", "root": cls.files}])
        cls.rig.cli("backup")

    def verbs(self):
        """Every command of `holdfast`, found by walking the help, not by a list here."""
        found, waiting = [], [[]]
        while waiting:
            words = waiting.pop()
            found.append(words)
            text = operator(self.rig, *words, "--help").stdout
            listed = re.search(r"(?ms)^Subcommands:\n(.*?)(?:\n\n|\Z)", text)
            for line in listed[1].splitlines() if listed else []:
                name = re.match(r"  ([a-z]\S*)", line)
                if name:
                    waiting.append(words + [name[1]])
        self.assertGreater(len(found), 14)
        return found

    # --- help, JSON ------------------------------------------------------------------------------

    def test_every_help_ends_with_two_examples(self):
        for words in self.verbs():
            with self.subTest(verb=" ".join(words)):
                answer = operator(self.rig, *words, "--help")
                self.assertEqual((0, ""), (answer.code, answer.stderr))
                lines = answer.stdout.rstrip().splitlines()
                self.assertEqual("Examples:", lines[-3], answer)
                for line in lines[-2:]:
                    self.assertTrue(line.startswith("  " + " ".join(["holdfast"] + words)), line)
        for words in ([], ["enroll"], ["recover"]):
            lines = run("holdfast-agent", *words, "--help").stdout.rstrip().splitlines()
            self.assertEqual("Examples:", lines[-3], lines)

    def test_json_parses(self):
        cases = (["status"], ["snapshots"], ["snapshots", "uploads"], ["agent", "list"],
                 ["source", "list"], ["ls", "uploads"], ["find", "uploads", "**"],
                 ["diff", "uploads@1", "uploads@1"], ["backup"], ["verify", "uploads"],
                 ["restore", "uploads@1", "--target", self.rig.restore_root + "/json"],
                 ["export", "--output", self.rig.path("json.tar")])
        for words in cases:
            with self.subTest(words=words):
                answer = operator(self.rig, *words, "--json")
                self.assertEqual(0, answer.code, answer)
                if words[0] != "diff":  # nothing differs
                    self.assertTrue(answer.stdout.strip(), "no output")
                lines = answer.stdout.splitlines()
                whole = words[0] in ("status", "ls", "export", "agent", "source", "snapshots")
                for text in [answer.stdout] if whole else lines:  # streams: one document a line
                    json.loads(text)

    def test_errors_are_json_too(self):
        cases = ((2, ["frobnicate"]), (2, ["restore"]), (2, ["status", "--no-such"]),
                 (6, ["ls", "nothing"]), (6, ["snapshots", "nothing"]), (6, ["backup", "nothing"]),
                 (2, ["restore", "uploads", "--target", "relative"]),
                 (4, ["agent", "remove", "agent"]))
        for code, words in cases:
            with self.subTest(words=words):
                operator(self.rig, *words, "--json").must_be_json(code)
        answer = operator(self.rig, "restore", "uploads", "--target", "/", "--json")
        self.assertNotEqual(0, answer.code)
        answer.must_be_json(answer.code)

    # --- row 8 -----------------------------------------------------------------------------------

    def test_wrong_command_lines(self):
        cases = (["frobnicate"], [], ["--no-such"], ["status", "--no-such"], ["status", "extra"],
                 ["restore"], ["ls"], ["cat", "uploads"], ["diff", "uploads@1"], ["agent"],
                 ["agent", "frob"], ["export"], ["enroll"], ["verify", "uploads", "--sample-percent"],
                 ["restore", "uploads", "--overwrite", "perhaps", "--target", "/x"],
                 ["restore", "uploads"],
                 ["restore", "uploads", "--target", "/x", "--database", "y"],
                 ["restore", "uploads", "--sql", "/x"], ["restore", "uploads", "--into-server"])
        for words in cases:
            with self.subTest(words=words):
                answer = operator(self.rig, *words)
                answer.must_be(2)
                self.assertEqual("", answer.stdout)
                self.assertLess(answer.stderr.count("\n"), 6, answer)

    def test_a_typing_error_in_a_verb(self):
        operator(self.rig, "bakcup").must_be(2, "holdfast backup")
        operator(self.rig, "snapshot").must_be(2, "holdfast snapshots")

    def test_wrong_command_lines_of_the_daemons(self):
        cases = (("holdfast-agent", ["--no-such"]), ("holdfast-agent", ["frob"]),
                 ("holdfast-agent", ["recover"]), ("holdfast-agent", ["enroll"]),
                 ("holdfast-agent", ["recover", "--kit", "/x", "--store", "/y", "--controller", "z"]),
                 ("holdfast-agent", ["recover", "--kit", "/x", "--overwrite", "perhaps"]),
                 ("holdfast-agent", ["recover", "--kit", "/x", "--seq", "-1"]),
                 ("holdfast-controller", ["--no-such"]), ("holdfast-controller", ["frob"]))
        for program, words in cases:
            with self.subTest(program=program, words=words):
                answer = run(program, *words, timeout=20)
                answer.must_be(2)
                self.assertEqual("", answer.stdout)

    # --- row 9 -----------------------------------------------------------------------------------

    def test_what_is_not_there(self):
        operator(self.rig, "ls", "upload").must_be(6, "'upload'", "uploads")
        operator(self.rig, "ls", "uploads@99").must_be(6, "uploads@99")
        operator(self.rig, "ls", "uploads@2001-01-01").must_be(6, "uploads")
        operator(self.rig, "cat", "uploads@1", "sub/no").must_be(6, "sub/no")
        operator(self.rig, "backup", "nothing").must_be(6, "'nothing'")
        operator(self.rig, "restore", "uploads", "--target", self.rig.restore_root + "/none", "--on",
                 "nobody").must_be(6, "nobody")
        operator(self.rig, "restore", "uploads", "--target", self.rig.restore_root + "/none",
                 "--path", "no/such").must_be(6, "no/such")
        self.assertFalse(os.path.exists(self.rig.restore_root + "/none"))

    def test_references_that_cannot_be_read(self):
        for text in ("uploads@", "uploads@0", "uploads@-1", "uploads@1e3", "uploads@yesterday-ish",
                     "uploads@99999999999999999999", "@1", "", "uploads@1@2"):
            with self.subTest(text=text):
                operator(self.rig, "ls", text).must_be(2)

    # --- row 10 ----------------------------------------------------------------------------------

    def refused(self, target, codes, *extra):
        before = tree_paths(self.rig.directory)
        answer = operator(self.rig, "restore", "uploads", "--target", target, *extra)
        self.assertIn(answer.code, codes, answer)
        answer.must_be(answer.code)
        self.assertEqual(before, tree_paths(self.rig.directory))
        return answer

    def test_targets_that_are_never_written_to(self):
        link = self.rig.path("restore", "link")
        os.symlink("/", link)
        self.addCleanup(os.unlink, link)
        roots = self.rig.restore_root
        for target in ("/", "//", "/.", self.rig.path("agent"), self.rig.path("agent", "deep"),
                       self.rig.data, self.files, "/etc", roots + "/../outside", roots + "-beside",
                       link, link + "/tmp"):
            for extra in ((), ("--overwrite", "all")):
                with self.subTest(target=target, extra=extra):
                    self.refused(target, (2, 4, 7, 12), *extra)

    def test_a_target_that_is_not_empty(self):
        target = self.rig.path("restore", "full")
        write_random(f"{target}/mine", 1000, 3)
        answer = self.refused(target, (4, 7))
        self.assertIn("--overwrite", answer.stderr)
        self.assertEqual(["mine"], os.listdir(target))

    def test_a_target_that_is_a_file(self):
        target = self.rig.path("restore", "plain-file")
        write_random(target, 1000, 3)
        self.refused(target, (1, 2, 4, 7))
        self.assertEqual(1000, os.path.getsize(target))

    def test_recover_refuses_the_same(self):
        for target in ("/", self.rig.data, os.path.join(self.rig.data, "store", "new")):
            for extra in ((), ("--overwrite", "all")):
                with self.subTest(target=target):
                    before = tree_paths(self.rig.data)
                    answer = recover(self.rig, "--store", self.rig.data, "--source", "uploads",
                                     "--target", target, *extra)
                    self.assertIn(answer.code, (2, 4, 7), answer)
                    answer.must_be(answer.code)
                    gone = before - tree_paths(self.rig.data)
                    self.assertFalse(gone)
        full = self.rig.path("recover-full")
        write_random(f"{full}/mine", 1000, 3)
        answer = recover(self.rig, "--store", self.rig.data, "--source", "uploads", "--target", full)
        self.assertIn(answer.code, (4, 7), answer)
        self.assertEqual(["mine"], os.listdir(full))

    def test_recover_without_what_it_needs(self):
        store = ("--store", self.rig.data)
        recover(self.rig, *store, "--source", "nothing", "--target", "/x").must_be(6, "nothing")
        recover(self.rig, *store, "--source", "uploads", "--seq", "99", "--target",
                "/x").must_be(6, "99")
        recover(self.rig, *store, "--source", "uploads").must_be(2, "--target")
        recover(self.rig, *store).must_be(2, "source")
        recover(self.rig, "--store", "/no/such", "--list").must_be(6, "/no/such")
        recover(self.rig, *store, "--list", kit="/no/such/kit").must_be(6, "/no/such/kit")
        recover(self.rig, "--store", self.files, "--list").must_be(6, self.files)

    def test_an_archive_that_exists_is_not_replaced(self):
        output = self.rig.path("mine.tar")
        write_random(output, 1000, 4)
        operator(self.rig, "export", "--output", output).must_be(7, output)
        self.assertEqual(1000, os.path.getsize(output))

    # --- row 11 ----------------------------------------------------------------------------------

    def test_numbers_that_do_not_fit(self):
        for number in ("-1", "0", "101", "NaN", "9e18", "99999999999999999999", "1.5", ""):
            with self.subTest(number=number):
                operator(self.rig, "verify", "uploads", "--sample-percent", number).must_be(2)
        for number in ("-1", "NaN", "99999999999999999999999"):
            with self.subTest(number=number):
                operator(self.rig, "snapshots", "--limit", number).must_be(2)

    def test_hostile_names(self):
        for name in ("../../etc/passwd", CONTROL, TOO_LONG, INVALID, "a b", "-x", "$(id)", ";id"):
            with self.subTest(name=name[:40]):
                for words in (["ls", "--", name], ["backup", "--", name], ["enroll", "--", name],
                              ["agent", "remove", "--yes", "--", name]):
                    answer = operator(self.rig, *words)
                    self.assertIn(answer.code, (2, 6), answer.what)
                    answer.must_be(answer.code, hint=False)

    def test_hostile_paths(self):
        for path in ("../../etc/passwd", CONTROL, TOO_LONG, INVALID, "/etc/passwd"):
            with self.subTest(path=path[:40]):
                answer = operator(self.rig, "cat", "uploads", path)
                self.assertIn(answer.code, (2, 6), answer.what)
                answer.must_be(answer.code, hint=False)
        for target in (self.rig.restore_root + "/" + TOO_LONG, self.rig.restore_root + "/a/../../b"):
            answer = operator(self.rig, "restore", "uploads", "--target", target)
            self.assertIn(answer.code, (2, 12), answer.what)

    # --- row 12 ----------------------------------------------------------------------------------

    def test_secrets_on_the_command_line(self):
        for words in (["init", "--passphrase", "hunter2"], ["init", "--passphrase=hunter2"],
                      ["enroll", "x", "--password=hunter2"], ["cat", "uploads", "b", "--owner-key=hunter2"]):
            with self.subTest(words=words):
                answer = operator(self.rig, *words)
                answer.must_be(2, "secret")
                self.assertNotIn("hunter2", answer.stderr + answer.stdout)
        answer = run("holdfast-agent", "enroll", "--token", "hf-join-hunter2")
        answer.must_be(2)
        self.assertNotIn("hunter2", answer.stderr + answer.stdout)

    def test_zz_after_all_this_the_snapshot_restores(self):
        target = self.rig.path("restore", "at-last")
        self.rig.cli("restore", "uploads@1", "--target", target)
        self.assertEqual(tree_paths(self.files), tree_paths(target))


if __name__ == "__main__":
    unittest.main()
