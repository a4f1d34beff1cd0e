#!/usr/bin/env python3
"""Writes the table of a result (compare.sh --json) into docs/PERFORMANCE.md, between its two markers.

usage: report.py RESULT.json [PAGE.md]
"""

import json
import os
import sys

from table import facts, result_table

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/PERFORMANCE.md")
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def main(arguments):
    if len(arguments) not in (1, 2):
        sys.stderr.write(__doc__)
        return 2
    page = arguments[1] if len(arguments) == 2 else PAGE
    with open(arguments[0]) as f:
        report = json.load(f)
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
