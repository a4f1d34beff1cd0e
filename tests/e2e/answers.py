"""What an error looks like (docs/FAULT_MODEL.md): one assertion for all end-to-end tests.

An answer has the required exit code, says `error: …` with the thing and the cause, a `hint:` and a
stable HF code, and carries no secret and no raw control character.
"""

import json
import os
import random
import re
import subprocess

from rig import BIN


class Answer:
    def __init__(self, code, stdout, stderr, what):
        self.code, self.stdout, self.stderr, self.what = code, stdout, stderr, what

    def __str__(self):
        return f"{self.what}: exit {self.code}\nstdout: {self.stdout}\nstderr: {self.stderr}"

    def must_be(self, code, *texts, hint=True):
        """The required exit code, and every one of `texts` in the message."""
        assert self.code == code, f"expected exit {code}\n{self}"
        lines = [line for line in self.stderr.splitlines() if line.startswith("error: ")]
        assert lines, f"no `error:` line\n{self}"
        for text in texts:
            assert text in self.stderr, f"'{text}' is not in the message\n{self}"
        assert re.search(r"HF-\d{4}", self.stderr), f"no stable code\n{self}"
        if hint:
            assert "hint: " in self.stderr, f"no hint\n{self}"
        raw = [c for c in self.stderr if ord(c) < 0x20 and c not in "\n\t"]
        assert not raw, f"raw control characters {raw}\n{self}"
        assert len(self.stderr) < 8000, f"a message of {len(self.stderr)} characters: {self.what}"
        return self

    def must_be_json(self, code):
        """The same as one JSON line on stderr; nothing half-written on stdout."""
        assert self.code == code, f"expected exit {code}\n{self}"
        for line in self.stdout.splitlines():
            json.loads(line)
        error = json.loads(self.stderr.splitlines()[-1])["error"]
        assert error["message"] and re.fullmatch(r"HF-\d{4}", error["code"]), self
        assert error["exit"] == code, self
        return error


def run(program, *arguments, timeout=60, env=None, stdin=None):
    """One run of a binary to its end; a daemon that starts instead of refusing is a failure."""
    what = f"{program} {' '.join(repr(a)[:120] for a in arguments)}"
    argv = [os.fsencode(os.path.join(BIN, program))]
    argv += [a if isinstance(a, bytes) else os.fsencode(a) for a in arguments]
    try:
        done = subprocess.run(argv, capture_output=True, timeout=timeout, env=env,
                              stdin=stdin or subprocess.DEVNULL)
    except subprocess.TimeoutExpired as expired:
        raise AssertionError(f"{what}: still running after {timeout} s") from expired
    return Answer(done.returncode, done.stdout.decode(errors="replace"),
                  done.stderr.decode(errors="replace"), what)


def operator(rig, *arguments, **options):
    """`holdfast …` against the rig's controller."""
    env = dict(os.environ, HOLDFAST_HOME=rig.home, HOLDFAST_SOCKET=rig.socket,
               HOLDFAST_PASSPHRASE_FILE=rig.passphrase)
    return run("holdfast", *arguments, env=env, **options)


def recover(rig, *arguments, kit=None):
    return run("holdfast-agent", "recover", "--kit", kit or rig.kit, *arguments)


def write_random(path, size, seed):
    """A file that neither compression nor deduplication makes smaller."""
    rng = random.Random(seed)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        for at in range(0, size, 1 << 20):
            f.write(rng.randbytes(min(1 << 20, size - at)))


def tree_paths(root):
    """Every path below `root`: to see that nothing was left behind."""
    found = set()
    for directory, names, files in os.walk(root):
        for name in names + files:
            found.add(os.path.relpath(os.path.join(directory, name), root))
    return found
