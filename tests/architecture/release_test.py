#!/usr/bin/env python3
"""Fails when a program that is delivered holds a fail point: its name, its environment variables or its code.

    release_test.py DIRECTORY      the one with holdfast, holdfast-agent and holdfast-controller

The names are read from the sources, so that a new point is looked for unasked.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
POINT = re.compile(r'HOLDFAST_(?:FAIL|KILL)_POINT\("([^"]+)"\)')
PROGRAMS = ("holdfast", "holdfast-agent", "holdfast-controller")
# The code's own name (in symbols), and what the environment would say.
ALWAYS = (b"fail_point", b"HOLDFAST_FAILPOINT")
PRESENT = b"unable to "  # in every program: else nothing was searched


def names_of_points():
    names = set()
    for layer in ("common", "agent", "controller"):
        for file in (ROOT / layer).rglob("*.cpp"):
            names.update(POINT.findall(file.read_text()))
    return {name.encode() for name in names}


def findings(content, names):
    # A name stands alone: between the zeros that end strings.
    for text in ALWAYS:
        if text in content:
            yield text
    for name in sorted(names):
        if b"\0" + name + b"\0" in content:
            yield name


def main():
    directory = pathlib.Path(sys.argv[1])
    names = names_of_points()
    problems = [] if len(names) > 20 else [f"only {len(names)} fail points were found in the sources"]
    # The search itself: it must see what it looks for.
    some = min(names, default=b"x")
    if list(findings(b"..\0" + some + b"\0..", names)) != [some] or not list(findings(ALWAYS[1], names)):
        problems.append("the search finds nothing in a text that holds it")
    for program in PROGRAMS:
        content = (directory / program).read_bytes()
        if PRESENT not in content:
            problems.append(f"{program} holds not even '{PRESENT.decode()}'")
        problems += [f"{program} holds '{text.decode()}'" for text in findings(content, names)]
    for problem in problems:
        print(problem)
    print(f"release: {len(names)} names looked for, {len(problems)} finding(s)", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
