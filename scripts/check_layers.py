#!/usr/bin/env python3
"""Fails on an #include that crosses a layer: the design's edges, read from the source itself.

Outer layers: common <- agent, common <- controller, never agent <-> controller; controller/cli uses
proto and common only. Inside a layer a folder may include itself, folders above it (a driver may use
the contract of its parent) and what EDGES allows.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LAYERS = ("common", "agent", "controller")
INCLUDE = re.compile(r'^\s*#\s*include\s+"((?:common|agent|controller|proto)/[^"]+)"')

# folder -> folders it may include besides itself and its parents. "common/*" means every folder of
# common: for the layers on top of it.
EDGES = {
    "common/base": set(),
    "common/env": {"common/base"},
    "common/concurrency": {"common/base", "common/env"},
    "common/log": {"common/base"},
    "common/crypto": {"common/base", "common/env"},
    "common/config": {"common/base", "common/env", "common/crypto"},
    "common/rate": {"common/base", "common/env", "common/config"},
    "common/s3": {"common/base", "common/env", "common/crypto", "common/config"},
    "common/notify": {"common/base", "common/env", "common/crypto", "common/config"},
    "common/enrolment": {"common/base", "common/crypto"},
    "common/format": {"common/base", "common/env", "common/crypto", "proto"},
    "common/snapshot": {"common/base", "common/env", "common/concurrency", "common/crypto",
                        "common/format", "proto"},
    "common/metrics": {"common/base", "common/env"},
    "common/report": {"common/base"},
    "common/report/messages": {"common/base", "proto"},
    "common/rpc": {"common/base", "common/env", "common/crypto", "common/concurrency",
                   "common/format", "common/log", "proto"},
    "agent/source": {"common/*"},
    "agent/source/files": {"common/*"},
    "agent/source/postgres": {"common/*"},
    "agent/source/redis": {"common/*"},
    "agent/restore": {"common/*"},
    "agent/restore/files": {"common/*", "agent/source/files"},
    "agent/restore/postgres": {"common/*", "agent/source/postgres"},
    "agent/restore/redis": {"common/*", "agent/source/redis"},
    "agent/chunker": {"common/*"},
    "agent/sealer": {"common/*"},
    "agent/delta": {"common/*"},
    "agent/pipeline": {"common/*", "proto", "agent/source", "agent/chunker", "agent/sealer",
                       "agent/delta"},
    "agent/transport": {"common/*", "proto", "agent/pipeline"},
    "agent/daemon": {"common/*", "proto", "agent/*"},
    "agent": {"common/*", "agent/*"},
    "controller/catalog": {"common/*"},
    "controller/store": {"common/*"},
    "controller/rebuild": {"common/*", "controller/catalog", "controller/store"},
    "controller/scrub": {"common/*", "controller/catalog", "controller/store"},
    "controller/retention": {"common/*", "controller/catalog", "controller/store"},
    "controller/alert": {"common/*", "controller/catalog", "controller/store",
                         "controller/retention"},
    "controller/schedule": {"common/*", "controller/catalog"},
    "controller/objective": {"common/*", "controller/catalog", "controller/schedule"},
    "controller/quota": {"common/*", "controller/catalog", "controller/schedule"},
    "controller/http": {"common/*", "controller/catalog", "controller/store"},
    "controller/ingest": {"common/*", "proto", "controller/catalog", "controller/store",
                          "controller/quota"},
    "controller/operator": {"common/*", "proto", "controller/catalog", "controller/store",
                            "controller/control", "controller/ingest", "controller/retention",
                            "controller/schedule", "controller/objective", "controller/alert",
                            "controller/scrub", "controller/quota"},
    "controller/control": {"common/*", "proto", "controller/catalog", "controller/store"},
    "controller/restore": {"common/*", "proto", "controller/catalog", "controller/store",
                           "controller/control"},
    "controller/cli": {"common/*", "proto"},
    "controller/daemon": {"common/*", "proto", "controller/*"},
    "controller": {"common/*", "controller/*"},
}


def allowed(folder, target):
    if target == folder or folder.startswith(target + "/"):
        return True
    if target == "controller/cli" or (target == "proto" and "proto" not in EDGES[folder]):
        return False
    layer = target.split("/")[0]
    return target in EDGES[folder] or layer + "/*" in EDGES[folder]


def check(root):
    findings = []
    for layer in LAYERS:
        for path in sorted((root / layer).rglob("*")):
            if path.suffix not in (".h", ".cpp"):
                continue
            name = path.relative_to(root)
            folder = str(name.parent)
            # controller/cli/commands and the like belong to the folder of the table above them.
            while folder not in EDGES and "/" in folder:
                folder = folder.rsplit("/", 1)[0]
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                match = INCLUDE.match(line)
                if not match:
                    continue
                target = match.group(1).rsplit("/", 1)[0]
                while target not in EDGES and "/" in target:
                    target = target.rsplit("/", 1)[0]
                if not allowed(folder, target):
                    findings.append(f"{name}:{number}: {folder} may not include {match.group(1)}")
    return findings


def self_test():
    """The fence itself: known good and bad edges, so that a broken rule cannot pass in silence."""
    good = [("agent/pipeline", "agent/source"), ("common/snapshot", "common/format"),
            ("controller/cli", "common/snapshot"), ("agent/source/files", "agent/source"),
            ("controller/daemon", "controller/store"), ("controller/cli", "proto")]
    bad = [("common/format", "common/snapshot"), ("agent/pipeline", "controller/store"),
           ("controller/store", "agent/source"), ("controller/cli", "controller/catalog"),
           ("common/base", "common/env"), ("controller/store", "proto"),
           ("agent/source", "agent/pipeline"), ("controller/daemon", "controller/cli")]
    wrong = [f"{a} -> {b} should be allowed" for a, b in good if not allowed(a, b)]
    return wrong + [f"{a} -> {b} should be refused" for a, b in bad if allowed(a, b)]


def main():
    findings = self_test() + check(ROOT)
    for finding in findings:
        print(finding)
    print(f"check_layers: {len(findings)} finding(s)", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
