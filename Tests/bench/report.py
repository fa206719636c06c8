"""The table: its columns, a row of measurements, a row of ratios with the goal; and the conditions of a run."""

import os
import pathlib
import re
import statistics
import subprocess
import time

import tocsin

# name in a result, title, form. A result may lack any of them.
COLUMNS = [
    ("rate", "requests/s", "{:,.0f}"), ("alerts_rate", "alerts/s", "{:,.0f}"),
    ("p50_ms", "p50 ms", "{:,.2f}"), ("p99_ms", "p99 ms", "{:,.2f}"), ("max_ms", "max ms", "{:,.1f}"),
    ("cpu_us", "CPU µs/alert", "{:,.1f}"), ("bad", "errors", "{:,.0f}"), ("memory", "memory MB", "{:,.0f}"),
]
HEAD = ["| measured | server | " + " | ".join(title for _, title, _ in COLUMNS) + " | goal |", "|---" * (len(COLUMNS) + 3) + "|"]


def row(what, who, results, goal=""):
    """The medians of `results`; the rate with its lowest and highest, the worst maximum, all errors."""
    cells = []
    for name, _, form in COLUMNS:
        values = [result[name] for result in results if result.get(name) is not None]
        if not values:
            cells.append("")
            continue
        value = {"bad": sum, "max_ms": max}.get(name, statistics.median)(values)
        text = form.format(value / 1e6 if name == "memory" else value)
        if name == "rate" and len(values) > 1:
            text += f" ({min(values):,.0f} to {max(values):,.0f})"
        cells.append(text)
    return line(what, who, cells, goal)


def rows(what, results, goal=""):
    """A row for each side, and one for its database if that counts by itself; `goal`: of the first."""
    for side, found in results.items():
        yield row(what, side.name, found, goal)
        goal = ""
        database = [{"cpu_us": result["database_cpu_us"], "memory": result["database_memory"]} for result in found if "database_memory" in result]
        if database:
            yield row(what, "its PostgreSQL (CPU: of the above)", database)


def ratio(what, ours, theirs, goal="", names=("rate", "alerts_rate", "p50_ms", "p99_ms", "max_ms", "cpu_us", "memory"), bold=()):
    """The medians of `ours` over those of `theirs`. `bold`: what the goal is about."""
    cells = []
    for name, _, _ in COLUMNS:
        above, below = median(ours, name), median(theirs, name)
        text = f"{above / below:.2f}" if name in names and above is not None and below else ""
        cells.append(f"**{text}**" if text and name in bold else text)
    return line(what, "**ratio**", cells, goal)


def difference(what, cells, goal):
    """A row that is neither: `cells` by name of column."""
    return line(what, "**difference**", [cells.get(name, "") for name, _, _ in COLUMNS], goal)


def line(what, who, cells, goal):
    return "|" + "|".join(f" {cell} " if cell else " " for cell in [what, who, *cells, goal]) + "|"


def median(results, name):
    values = [result[name] for result in results if result.get(name) is not None]
    return statistics.median(values) if values else None


def times(seconds):
    """A result made of single durations."""
    ordered = sorted(value * 1000 for value in seconds)
    return {"p50_ms": statistics.median(ordered), "max_ms": ordered[-1]}


def first_line(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return ((done.stdout or done.stderr).strip().splitlines() or ["unknown"])[0].strip()


def fsync_times(directory):
    """Milliseconds (p50, p99) of 200 times append 4 KiB + fdatasync."""
    path, durations = os.path.join(directory, "fsync"), []
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for _ in range(200):
        began = time.perf_counter()
        os.write(file, bytes(4096))
        os.fdatasync(file)
        durations.append((time.perf_counter() - began) * 1000)
    os.close(file)
    os.unlink(path)
    durations.sort()
    return durations[100], durations[198]


def field(path, pattern):
    match = re.search(pattern, pathlib.Path(path).read_text(encoding="utf-8"), re.MULTILINE)
    return match[1].strip() if match else "unknown"


def conditions(options, directory, note):
    p50, p99 = fsync_times(directory)
    file_system = first_line("findmnt", "-n", "-o", "FSTYPE", "--target", options.data_parent)
    sqlite = first_line("dpkg-query", "-W", "-f", "${Version}", "libsqlite3-0")
    alertmanager = first_line("dpkg-query", "-W", "-f", "${Version}", "prometheus-alertmanager")
    if file_system in ("tmpfs", "ramfs"):
        note("warning: the data directory is in memory; --data-parent names a directory on a disk")
    memory = int(field("/proc/meminfo", r"^MemTotal:\s+(\d+)")) / 1024 / 1024
    return [
        f"{field('/proc/cpuinfo', r'^model name[^:]*:(.*)$')}, {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"Linux {os.uname().release}, {field('/etc/os-release', r'^PRETTY_NAME=.(.*).$')}",
        f"{first_line('swift', '--version')}; Tocsin {first_line(tocsin.binary(), '--version')}, release; SQLite {sqlite}, synchronous=FULL; "
        f"Alertmanager {alertmanager}; {' '.join(first_line('wrk', '-v').split()[:2])}",
        f"disk ({file_system}): append 4 KiB + fdatasync p50 {p50:.2f} ms, p99 {p99:.2f} ms",
        f"load on the same cores: {options.connections} connections, {options.seconds} s each, "
        f"median of {options.rounds} rounds (lowest to highest); wrk with {options.threads} threads",
        f"load average when it began {os.getloadavg()[0]:.1f}",
    ]
