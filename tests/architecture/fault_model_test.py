#!/usr/bin/env python3
"""Fails when docs/FAULT_MODEL.md names a test that does not exist, or a test names a row that is not there.

Names are written `path`: Suite.Name, Suite.Name; `path`: …, in the last column of the table.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ROW = re.compile(r"^\| (\d+) \|.*\| ([^|]+) \|$", re.M)
GROUP = re.compile(r"`(tests/[^`]+)`: ([^;]+)")
NUMBERS = re.compile(r"[Ff]ault rows? ((?:\d+(?:\s*(?:,|-|and|to)[\s/#*]*(?=\d))?)+)")


def has_test(text, path, name):
    suite, _, test = name.partition(".")
    if path.endswith(".py"):
        return re.search(rf"^class {suite}\b", text, re.M) and re.search(rf"^    def {test}\(", text, re.M)
    return re.search(rf"^TEST(_F|_P)?\({suite},\s*{test}\)", text, re.M)


def problems_of_rows(rows):
    for number, cell in rows:
        groups = GROUP.findall(cell)
        if not groups:
            yield f"row {number} names no test"
        for path, names in groups:
            file = ROOT / path
            if not file.is_file():
                yield f"row {number}: there is no {path}"
                continue
            text = file.read_text()
            for name in re.split(r",\s*", names.strip()):
                if not has_test(text, path, name):
                    yield f"row {number}: there is no {name} in {path}"


def problems_of_tests(known):
    for file in sorted((ROOT / "tests").rglob("*")):
        if file.suffix not in (".cpp", ".h", ".py") or file == pathlib.Path(__file__).resolve():
            continue
        text = file.read_text()
        mentioned = {int(n) for each in NUMBERS.findall(text) for n in re.findall(r"\d+", each)}
        mentioned |= {int(n) for n in re.findall(r"^TEST_?[FP]?\(\w+,\s*Row(\d+)", text, re.M)}
        for number in sorted(mentioned - known):
            yield f"{file.relative_to(ROOT)} names fault row {number}, which is not in the table"


def main():
    rows = ROW.findall((ROOT / "docs" / "FAULT_MODEL.md").read_text())
    numbers = [int(number) for number, _ in rows]
    problems = list(problems_of_rows(rows)) + list(problems_of_tests(set(numbers)))
    if numbers != sorted(set(numbers)) or len(numbers) < 40:
        problems.append(f"the rows are not in order, or not all there: {numbers}")
    for problem in problems:
        print(f"docs/FAULT_MODEL.md: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
