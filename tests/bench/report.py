#!/usr/bin/env python3
"""Writes the table of results (compare.sh --json) into docs/PERFORMANCE.md, between its two markers.

usage: report.py [--page PAGE.md] RESULT.json...

Several results are of the same machine and release, of one data set or more each; the date is the last one's.
"""

import json
import os
import sys

from table import facts, result_table

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/PERFORMANCE.md")
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def read_results(paths):
    reports = []
    for path in paths:
        with open(path) as f:
            reports.append(json.load(f))
    report = max(reports, key=lambda one: one["date"])
    for part in ("sizes", "blocks"):
        report[part] = {key: value for one in reports for key, value in one[part].items()}
    report["results"] = [row for one in reports for row in one["results"]]
    return report


def main(arguments):
    page = PAGE
    if arguments[:1] == ["--page"]:
        page, arguments = "".join(arguments[1:2]), arguments[2:]
    if not arguments or not page:
        sys.stderr.write(__doc__)
        return 2
    report = read_results(arguments)
    with open(page) as f:
        before, begin, rest = f.read().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.stderr.write(f"error: '{page}' lacks the lines '{BEGIN}' and '{END}'\n")
        return 1
    with open(page, "w") as f:
        f.write(f"{before}{BEGIN}\n{facts(report)}\n\n{result_table(report)}\n{END}{after}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
