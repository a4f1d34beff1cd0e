"""The one table: a row per data set, operation and program, from the results of compare.py."""

from statistics import median

MIB = 1 << 20
HEADERS = ("data set", "operation", "program", "wall s", "min..max", "CPU s", "of it server",
           "peak MiB per process", "stored", "wall : best peer", "wall : limit",
           "stored : best peer")


def seconds(value):
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def size_text(value):
    for unit in ("B", "KiB", "MiB"):
        if value < 1000:
            return f"{value:.1f} {unit}" if unit != "B" and value < 10 else f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.2f} GiB"


def wall(row):
    return median(run["wall"] for run in row["runs"])


def stored(row):
    return median(run["stored"] for run in row["runs"])


def ratio(value, reference):
    return f"{value / reference:.2f}" if reference and reference > 0 else ""


def named(row, peers, key):
    """Which peer was the best one, beside Holdfast's own ratio."""
    if row["role"] != "holdfast" or not peers:
        return ""
    return f" ({min(peers, key=key)['name']})"


def peaks(row):
    highest = {}
    for run in row["runs"]:
        for name, size in run["peak"].items():
            highest[name] = max(size, highest.get(name, 0))
    return ", ".join(f"{name} {size / MIB:.0f}" for name, size in highest.items())


def cells(row, group):
    """One line of the table; `group` is all rows of the same data set and operation."""
    peers = [r for r in group if r["role"] == "peer" and r["runs"]]
    best_wall = min((wall(r) for r in peers), default=None)
    best_stored = min((stored(r) for r in peers), default=None)
    limit = [wall(r) for r in group if r["name"] == row["limit"] and r["runs"]]
    runs = row["runs"]
    backup = row["operation"] != "restore" and row["role"] != "limit"
    computed = row.get("computed", False)
    mark = {"holdfast": "**", "limit": "_"}.get(row["role"], "")
    name = mark + row["name"] + mark
    walls = [run["wall"] for run in runs]
    return (row["data"], row["operation"], name, seconds(wall(row)),
            "computed" if computed else f"{seconds(min(walls))}..{seconds(max(walls))}",
            "" if computed else seconds(median(run["cpu"] for run in runs)),
            "" if computed else seconds(median(run["cpu_server"] for run in runs)),
            peaks(row),
            size_text(stored(row)) if backup or row["role"] == "limit" and stored(row) else "",
            ratio(wall(row), best_wall) + named(row, peers, wall),
            ratio(wall(row), limit[0] if limit else None),
            ratio(stored(row), best_stored) + named(row, peers, stored) if backup else "")


def result_table(report):
    lines = [HEADERS]
    for row in report["results"]:
        group = [r for r in report["results"]
                 if (r["data"], r["operation"]) == (row["data"], row["operation"])]
        if row["runs"]:
            lines.append(cells(row, group))
    return aligned(lines)


def aligned(lines):
    """Markdown that is also readable as text."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    out = []
    for index, line in enumerate(lines):
        out.append("| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths)) + " |")
        if index == 0:
            out.append("|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(out)


def facts(report):
    """Machine, versions, sizes and building blocks: what the table depends on."""
    machine, options = report["machine"], report["options"]
    lines = [f"{report['date']}; {machine['cpu']}, {machine['cores']} cores, "
             f"{machine['memory'] / 2**30:.0f} GiB; {machine['kernel']}; file system {machine['disk']}.",
             f"Size 1/{options['scale']}, {options['pairs']} pair(s), {options['cache']} page cache.",
             "Versions: " + "; ".join(f"{k} {v}" for k, v in report["versions"].items()) + ".",
             "One core: " + ", ".join(f"{name} {speed / 1e9:.2f} GB/s"
                                      for name, speed in report["blocks"].items()) + "."]
    lines += [f"{name}: {size}." for name, size in report["sizes"].items()]
    lines += [f"**Failed**: {error}" for error in report["errors"]]
    return "\n".join(f"- {line}" for line in lines)
