#!/usr/bin/env python3
"""Style as a failing test: what a reader of this project may rely on in every file.

Prints "file:line: rule: explanation" per finding and ends with status 1 when there is one. An
exception stands in EXCEPTIONS with its reason; one that is no longer needed is a finding too, so the
table only shrinks.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("common", "agent", "controller", "tests")

# (file, rule) -> reason.
EXCEPTIONS = {}

SOURCE_LINES = 600     # soft limit 400: see check.sh --sizes
HEADER_LINES = 200
TEST_LINES = 500
FUNCTION_LINES = 70
COLUMNS = 100

# What reaches past the seams of common/env. `tests` may use some of it to set a scene.
BANNED = [
    (re.compile(r"::now\s*\("), "now", "time comes from Clock (common/env/clock.h)", False),
    (re.compile(r"\babsl::Now\s*\("), "now", "time comes from Clock (common/env/clock.h)", False),
    (re.compile(r"\bsleep_for\b|\bsleep_until\b|\busleep\s*\(|\bnanosleep\s*\("), "sleep",
     "waiting comes from Clock::SleepFor", True),
    (re.compile(r"\brandom_device\b"), "random", "randomness comes from Rng (common/env/random.h)",
     True),
    (re.compile(r"(?<![\w:.>])rand\s*\(|\bstd::rand\b"), "random",
     "randomness comes from Rng (common/env/random.h)", True),
    (re.compile(r"\bstd::filesystem\b"), "filesystem", "files come from FileSystem", False),
    (re.compile(r"(?<!\w)::open(?:at)?\s*\("), "open", "files come from FileSystem", False),
]
# Not anywhere, common/env and tests included.
BANNED_EVERYWHERE = [
    (re.compile(r"(?<![\w:.>])(?:std::)?system\s*\("), "shell", "no shell: RunProcess takes argv"),
    (re.compile(r"\bpopen\s*\("), "shell", "no shell: RunProcess takes argv"),
    (re.compile(r"(?<![\w:.>])(?:std::)?(?:strcpy|strcat|sprintf|gets)\s*\("), "unbounded",
     "a bounded copy or std::string"),
]
# The files source and sink walk by descriptor: that is their point (file_system.h says so).
BY_DESCRIPTOR = ("agent/source/files/", "agent/restore/files/")
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")
GENERATED = re.compile(r'#\s*include\s+"proto/[^"]+\.pb\.h"')
TEST_HARM = re.compile(r"\bGTEST_SKIP\b|\bDISABLED_|\bEXPECT_TRUE\(true\)|\bASSERT_TRUE\(true\)")


def strip_literals(line, in_comment):
    """The line without string literals and comments, as spaces, and whether a /* is still open."""
    out = []
    i = 0
    while i < len(line):
        if in_comment:
            end = line.find("*/", i)
            if end < 0:
                return "".join(out), True
            in_comment, i = False, end + 2
        elif line.startswith("//", i):
            break
        elif line.startswith("/*", i):
            in_comment, i = True, i + 2
        elif line[i] in "\"'":
            quote, begin = line[i], i
            # 1'000 is a number, not a character.
            if quote == "'" and begin > 0 and line[begin - 1].isalnum():
                i += 1
                continue
            i += 1
            while i < len(line) and line[i] != quote:
                i += 2 if line[i] == "\\" else 1
            i += 1
            out.append('""')
        else:
            out.append(line[i])
            i += 1
    return "".join(out), in_comment


def code_lines(text):
    """Lines without comments and literals; raw strings are blanked first."""
    text = re.sub(r'R"(\w*)\(.*?\)\1"', lambda m: '""' + "\n" * m.group(0).count("\n"), text,
                  flags=re.S)
    result, in_comment = [], False
    for line in text.split("\n"):
        code, in_comment = strip_literals(line, in_comment)
        result.append(code)
    return result


FUNCTION_START = re.compile(r"\)[^;={}]*\{\s*$|\)\s*(?::[^;]*)?\{\s*$")
NOT_A_FUNCTION = re.compile(r"^\s*(?:\}?\s*else\b|if\b|for\b|while\b|switch\b|do\b|catch\b|try\b"
                            r"|namespace\b|class\b|struct\b|enum\b|union\b|extern\b)")


def long_functions(lines):
    """(line, length) of function bodies above the limit, by clang-format's layout: a body ends at
    the closing brace with the indentation of the line where the function begins."""
    begin = None
    for index, line in enumerate(lines):
        if line.strip() == "" or line.lstrip().startswith("#"):
            continue
        indent = len(line) - len(line.lstrip())
        if begin is None:
            if indent <= 2 and re.search(r"\w\s*\(", line) and not NOT_A_FUNCTION.match(line):
                begin = (index, indent)
                opened = line.rstrip().endswith("{")
                if line.rstrip().endswith((";", "}")):
                    begin = None
            continue
        start, base = begin
        if not opened:
            if line.rstrip().endswith("{"):
                opened = True
            elif line.rstrip().endswith(";") or line.strip() == "}":
                begin = None
            continue
        if indent <= base and line.lstrip().startswith("}"):
            if index - start + 1 > FUNCTION_LINES:
                yield start + 1, index - start + 1
            begin = None


def check_file(name, text):
    """Findings (line, rule, explanation) of one file, given as text so that it can be tested."""
    raw = text.split("\n")
    if raw and raw[-1] == "":
        raw.pop()
    lines = code_lines(text)
    is_header, is_test = name.endswith(".h"), name.startswith("tests/")
    limit = TEST_LINES if is_test else HEADER_LINES if is_header else SOURCE_LINES
    if len(raw) > limit:
        yield 1, "size", f"{len(raw)} lines, limit {limit}: it holds two ideas"
    for number, line in enumerate(raw, 1):
        if len(line) > COLUMNS:
            yield number, "columns", f"{len(line)} columns, limit {COLUMNS}"
        if line != line.rstrip():
            yield number, "space", "white space at the end of the line"
        if UNFINISHED.search(line):
            yield number, "unfinished", "finish it or leave it out"
        if is_header and not is_test and GENERATED.search(line):
            yield number, "generated", "generated protobuf headers belong into .cpp files"
    for number, line in enumerate(lines, 1):
        if not name.startswith("common/env/"):
            for pattern, rule, why, in_tests in BANNED:
                if is_test and not in_tests:
                    continue
                if rule == "open" and name.startswith(BY_DESCRIPTOR):
                    continue
                if pattern.search(line):
                    yield number, rule, why
        for pattern, rule, why in BANNED_EVERYWHERE:
            if pattern.search(line):
                yield number, rule, why
        if is_test and TEST_HARM.search(line):
            yield number, "test", "a test runs always and can fail"
    for number, length in long_functions(lines):
        yield number, "function", f"{length} lines, limit {FUNCTION_LINES}"
    if is_header:
        yield from check_header(name, text)
    elif name.endswith("_test.cpp") and not raw[0].startswith("// Goal:"):
        yield 1, "goal", "a test file begins with '// Goal: ' and what must hold"


def check_header(name, text):
    if not text.startswith("// "):
        yield 1, "contract", "a header begins with one noun phrase that says what it is"
        return
    if "#pragma once" not in text:
        yield 1, "contract", "#pragma once is missing"
    contract = text.split("#pragma once")[0]
    if not name.startswith("tests/") and "Threading:" not in contract:
        yield 1, "contract", "the contract says nothing of threads ('Threading:')"


def self_test():
    """Each rule fires on a line made for it and leaves its neighbour alone."""
    cases = [
        ("agent/x.cpp", "auto t = std::chrono::steady_clock::now();\n", "now"),
        ("agent/x.cpp", "std::this_thread::sleep_for(1s);\n", "sleep"),
        ("tests/unit/x.cpp", "std::this_thread::sleep_for(1s);\n", "sleep"),
        ("agent/x.cpp", "std::random_device device;\n", "random"),
        ("agent/x.cpp", "std::filesystem::remove(p);\n", "filesystem"),
        ("agent/x.cpp", "int fd = ::open(path, 0);\n", "open"),
        ("common/env/x.cpp", "system(text);\n", "shell"),
        ("agent/x.cpp", "popen(text, 0);\n", "shell"),
        ("agent/x.cpp", "strcpy(a, b);\n", "unbounded"),
        ("agent/x.cpp", "// TO" + "DO later\n", "unfinished"),
        ("agent/x.cpp", "x" * 101 + "\n", "columns"),
        ("agent/x.cpp", "int x; \n", "space"),
        ("agent/x.cpp", "\n" * 601, "size"),
        ("agent/x.h", "// A.\n// Threading: x\n#pragma once\n#include \"proto/a.pb.h\"\n", "generated"),
        ("agent/x.h", "#pragma once\n", "contract"),
        ("agent/x.h", "// A thing.\n#pragma once\n", "contract"),
        ("tests/unit/x_test.cpp", "#include <x>\n", "goal"),
        ("tests/unit/x_test.cpp", "// Goal: x\nGTEST_" + "SKIP();\n", "test"),
        ("agent/x.cpp", "void F() {\n" + "  Call();\n" * 70 + "}\n", "function"),
        ("agent/x.cpp", "class A {\n  int F(\n      int a) {\n" + "    Call();\n" * 70 + "  }\n};\n",
         "function"),
        ("common/env/x.cpp", "auto t = Clock::now();\n", None),
        ("agent/source/files/x.cpp", "int fd = ::openat(d, p, 0);\n", None),
        ("agent/x.cpp", 'Log("call ::open( and system(x)"); // std::filesystem\n', None),
        ("agent/x.cpp", "file.system(1); const int limit = 1'000; std::filesystem_t x;\n", None),
        ("agent/x.cpp", "void F() {\n" + "  Call();\n" * 68 + "}\n", None),
        ("tests/unit/x_test.cpp", "// Goal: x\nstd::filesystem::remove(p);\n", None),
        ("tests/support/x.h", "// A thing.\n#pragma once\n", None),
        ("tests/unit/x.h", "// A.\n#pragma once\n#include \"proto/a.pb.h\"\n", None),
    ]
    for name, text, rule in cases:
        rules = {finding[1] for finding in check_file(name, text)}
        if rules != ({rule} if rule else set()):
            yield f"tidy.py: self-test of {rule} on {text[:40]!r} gave {sorted(rules)}"


def main():
    findings, used = list(self_test()), set()
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix not in (".h", ".cpp", ".cc"):
                continue
            name = str(path.relative_to(ROOT))
            for number, rule, why in check_file(name, path.read_text(errors="replace")):
                if (name, rule) in EXCEPTIONS:
                    used.add((name, rule))
                else:
                    findings.append(f"{name}:{number}: {rule}: {why}")
    for name, rule in sorted(set(EXCEPTIONS) - used):
        findings.append(f"{name}: the exception from '{rule}' is no longer needed: remove it")
    for finding in findings:
        print(finding)
    print(f"tidy: {len(findings)} finding(s)", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
