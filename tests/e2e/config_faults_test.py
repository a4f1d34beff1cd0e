"""Fault rows 1-3: a configuration that is not right stops a daemon at once.

Proves for holdfast-controller and holdfast-agent: exit 2 (12 for secrets with wrong rights), a message
that names the file and the place in it, the nearest valid key, and nothing created on the disk.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
import unittest

from answers import Answer, run, tree_paths
from rig import BIN

PROGRAMS = ("holdfast-controller", "holdfast-agent")
# For each program a key with a typing error, what is meant, and a key with a value of a wrong type.
MISSPELT = {"holdfast-controller": ("listen_enrolment", "listen_enrollment"),
            "holdfast-agent": ("restore_rots", "restore_roots")}
WRONG_TYPE = {"holdfast-controller": "listen: [1, 2]\n",
              "holdfast-agent": "restore_roots: {a: 1}\n"}


class ConfigFaults(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="holdfast-config-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.config = os.path.join(self.directory, "under-test.yaml")
        self.state = os.path.join(self.directory, "state")

    def head(self):
        return f"data_directory: {self.state}\n"

    def write(self, content):
        with open(self.config, "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())

    def refused(self, program, code, *texts, hint=True):
        before = tree_paths(self.directory)
        answer = run(program, "--config", self.config, timeout=20)
        answer.must_be(code, *texts, hint=hint)
        self.assertEqual(before, tree_paths(self.directory), f"{program} created something")
        return answer

    def for_each(self, content, *texts, code=2):
        self.write(content)
        for program in PROGRAMS:
            with self.subTest(program=program):
                self.refused(program, code, "under-test.yaml", *texts)

    # --- row 1 -----------------------------------------------------------------------------------

    def test_missing(self):
        for program in PROGRAMS:
            with self.subTest(program=program):
                self.refused(program, 2, self.config, "No such file")

    def test_directory(self):
        os.mkdir(self.config)
        for program in PROGRAMS:
            with self.subTest(program=program):
                self.refused(program, 2, self.config, "not a regular file")

    @unittest.skipUnless(os.geteuid() == 0, "root becomes nobody to be without rights")
    def test_unreadable(self):
        self.write(self.head())
        os.chmod(self.config, 0o000)
        os.chmod(self.directory, 0o755)
        nobody = pwd.getpwnam("nobody")
        # The binaries may lie below a directory that nobody may not enter: copied out.
        for program in PROGRAMS:
            with self.subTest(program=program):
                copy = os.path.join(self.directory, program)
                shutil.copy(os.path.join(BIN, program), copy)
                os.chmod(copy, 0o755)
                before = tree_paths(self.directory)
                done = subprocess.run([copy, "--config", self.config], capture_output=True, text=True,
                                      user=nobody.pw_uid, group=nobody.pw_gid, timeout=20)
                answer = Answer(done.returncode, done.stdout, done.stderr, program)
                answer.must_be(2, self.config, "Permission denied")
                self.assertEqual(before, tree_paths(self.directory))

    # --- row 2 -----------------------------------------------------------------------------------

    def test_unknown_key_names_the_nearest(self):
        for program in PROGRAMS:
            wrong, right = MISSPELT[program]
            self.write(self.head() + f"{wrong}: x\n")
            with self.subTest(program=program):
                self.refused(program, 2, "under-test.yaml:2:1", wrong, f"'{right}'")

    def test_unknown_key_of_a_source(self):
        self.write(self.head() + "sources:\n  - name: a\n    kind: files\n    rot: /srv\n")
        self.refused("holdfast-agent", 2, "under-test.yaml:5:5", "'rot'", "'root'")

    def test_wrong_type(self):
        for program in PROGRAMS:
            self.write(self.head() + WRONG_TYPE[program])
            with self.subTest(program=program):
                self.refused(program, 2, "under-test.yaml:2:")

    def test_values_of_sources_that_make_no_sense(self):
        cases = (
            ("{name: a, kind: postgres, database: d, port: 70000}", "1 to 65535"),
            ("{name: a, kind: postgres, database: d, port: five}", "number"),
            ("{name: a, kind: postgres}", "database"),
            ("{name: a, kind: files, root: srv}", "absolute"),
            ("{name: a, kind: oracle}", "oracle"),
            ("{name: '../a', kind: files, root: /srv}", "name"),
            ("{name: a, kind: files, root: /srv, one_file_system: 1}", "true or false"),
            ("{name: a, kind: redis, timeout: -1s}", "duration"),
            ("{name: a, kind: redis, mode: sync}", "psync"),
            ("just text", "map"),
        )
        for text, cause in cases:
            with self.subTest(text=text):
                self.write(self.head() + f"sources:\n  - {text}\n")
                self.refused("holdfast-agent", 2, "under-test.yaml:3:", cause)

    def test_two_sources_of_one_name(self):
        one = "  - {name: a, kind: files, root: /srv}\n"
        self.write(self.head() + "sources:\n" + one + one)
        self.refused("holdfast-agent", 2, "under-test.yaml:4:", "'a'")

    def test_duplicate_key(self):
        self.for_each(self.head() + self.head(), "under-test.yaml:2:1", "data_directory")

    def test_tab_as_indentation(self):
        self.for_each(self.head() + "log:\n\tlevel: info\n", "under-test.yaml:3:1", "tab")

    def test_nul_byte(self):
        self.for_each(self.head().encode() + b"listen: a\0b\n", "under-test.yaml:2:")

    def test_escape_sequence_is_not_printed_raw(self):
        self.for_each(self.head().encode() + b"\x1b[31mlisten: a\n", "under-test.yaml:2:")

    def test_byte_order_mark(self):
        # Read as if it were not there, or refused by name; never a key that looks right and is not.
        self.write(b"\xef\xbb\xbf" + self.head().encode() + b"no_such_key: 1\n")
        for program in PROGRAMS:
            with self.subTest(program=program):
                answer = self.refused(program, 2, "under-test.yaml:")
                self.assertTrue("byte order mark" in answer.stderr or "no_such_key" in answer.stderr,
                                answer)

    def test_invalid_utf8(self):
        self.for_each(self.head().encode() + b"log: {level: \xff\xfe}\n", "under-test.yaml", "\\xff\\xfe")

    def test_too_large(self):
        self.for_each(self.head() + "# filler\n" * ((2 << 20) // 9), "larger than 1048576 bytes")

    def test_nested_too_deeply(self):
        self.for_each(self.head() + "log: " + "[" * 10_000 + "]" * 10_000 + "\n", "nest")
        self.for_each(self.head() + "log: " + "{a: " * 10_000 + "1" + "}" * 10_000 + "\n", "nest")

    def test_aliases_do_not_multiply(self):
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
        self.for_each(self.head() + "\n".join(lines) + "\n", "under-test.yaml:2:")

    def test_not_a_map(self):
        self.for_each("- a\n- b\n", "under-test.yaml:1:1")
        self.for_each("just text\n", "under-test.yaml:1:1")

    def test_unfinished_text(self):
        self.for_each(self.head() + 'listen: "127.0.0.1:1\n', "under-test.yaml:")

    def test_log_level_that_does_not_exist(self):
        self.for_each(self.head() + "log: {level: loud}\n", "loud", code=2)

    # --- row 3 -----------------------------------------------------------------------------------

    def secret_source(self, path):
        self.write(self.head() + "sources:\n"
                   f"  - {{name: db, kind: postgres, database: d, password_file: {path}}}\n")

    def secret(self, name, mode):
        path = os.path.join(self.directory, name)
        with open(path, "w") as f:
            f.write("hunter2-must-not-show\n")
        os.chmod(path, mode)
        return path

    def secret_refused(self, path, *texts, code=12):
        self.secret_source(path)
        answer = self.refused("holdfast-agent", code, path, *texts)
        self.assertNotIn("hunter2", answer.stderr + answer.stdout)

    def test_secret_file_that_others_read(self):
        for mode in (0o644, 0o640, 0o604, 0o660):
            with self.subTest(mode=oct(mode)):
                self.secret_refused(self.secret("password", mode), "chmod 600")

    def test_secret_file_that_is_a_link(self):
        target = self.secret("password", 0o600)
        link = os.path.join(self.directory, "link")
        os.symlink(target, link)
        self.secret_refused(link, "link")

    @unittest.skipUnless(os.geteuid() == 0, "only root gives a file away, and root may read its own")
    def test_secret_file_of_another_user(self):
        path = self.secret("password", 0o600)
        os.chown(path, pwd.getpwnam("nobody").pw_uid, -1)
        self.secret_refused(path, "own")

    def test_secret_file_that_is_not_there(self):
        self.secret_refused(os.path.join(self.directory, "none"), "No such file", code=2)

    def test_secret_in_the_configuration_itself(self):
        self.write(self.head() + "sources:\n"
                   "  - {name: db, kind: postgres, database: d, password: hunter2}\n")
        answer = self.refused("holdfast-agent", 2, "under-test.yaml:3:", "password")
        self.assertNotIn("hunter2", answer.stderr)


if __name__ == "__main__":
    unittest.main()
