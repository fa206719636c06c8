#!/usr/bin/env python3
"""Tocsin next to Prometheus Alertmanager: the same alerts, the same machine, one run, in turn. Prints a Markdown table.

Each measurement starts its server anew on an empty directory, warms it up for two seconds, and measures with wrk on loopback.
Which of the two goes first alternates from round to round. Tocsin writes and syncs every push (SQLite, synchronous=FULL) before it
answers and takes the longer ARMS form; Alertmanager keeps the alerts in memory and takes its own (POST /api/v2/alerts).
"""

import argparse
import http.client
import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests/scripts"))
import tocsin  # noqa: E402  (needs the path above)
from alertmanager import Alertmanager  # noqa: E402

# name, wrk mode, alerts in a push, what it is
PUSHES = [
    ("repeated", "repeated", 1, "one alert, the same each time"),
    ("unique", "unique", 1, "one alert, a new one each time"),
    ("hundred", "unique", 100, "100 alerts, all new each time"),
    ("hundred-repeated", "repeated", 100, "100 alerts, the same each time"),
]
# A null receiver and no cluster; everything else as Alertmanager has it by default.
NULL_CONFIG = "route:\n  receiver: nobody\n  group_by: [alertname]\nreceivers:\n  - name: nobody\n"
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class TocsinSide:
    """A fresh Tocsin with one dedicated ARMS integration."""

    name = "Tocsin"

    def __init__(self, parent):
        self.server = tocsin.Server(parent)

    def __enter__(self):
        self.server.start()
        self.port, self.pid = self.server.port, self.server.process.pid
        self.account = tocsin.Account(self.server, "Bench")
        self.integration = self.account.dedicated("aliyun-arms", "ARMS", self.account.channel("Bench"))
        self.path = tocsin.Sender(self.integration["push_url"], self.port).path
        return self

    def __exit__(self, *problem):
        if self.server.process.poll() is None and not any(problem):
            status, seconds = self.server.stop(60)
            if status != 0:
                note(f"Tocsin ended with {status} after {seconds:.0f} s")
        self.server.__exit__(*problem)

    def body(self, keys):
        return tocsin.arms_body([tocsin.arms_alert(key) for key in keys])


class AlertmanagerSide:
    """A fresh Alertmanager with a null receiver."""

    name = "Alertmanager"
    path = "/api/v2/alerts"

    def __init__(self, parent):
        self.directory = tempfile.mkdtemp(prefix="tocsin-bench-", dir=parent)
        self.manager = Alertmanager(self.directory, "unused")
        pathlib.Path(self.manager.config).write_text(NULL_CONFIG, encoding="utf-8")

    def __enter__(self):
        self.manager.__enter__()
        self.port, self.pid = self.manager.port, self.manager.process.pid
        return self

    def __exit__(self, *problem):
        self.manager.__exit__(*problem)
        shutil.rmtree(self.directory, ignore_errors=True)

    def body(self, keys):
        kept = ("labels", "annotations", "startsAt")  # no endsAt: Alertmanager's resolve_timeout holds, the alert is firing
        alerts = [tocsin.arms_alert(key) for key in keys]
        return json.dumps([{name: alert[name] for name in kept} for alert in alerts], ensure_ascii=False).encode()


def note(text):
    print(text, file=sys.stderr, flush=True)


def wrk(options, port, path, arguments, seconds=None):
    """What push.lua prints about one run of wrk."""
    seconds = seconds or options.seconds
    command = [
        "wrk", f"-t{options.threads}", f"-c{options.connections}", f"-d{seconds}s", "--timeout", "10s",
        "-s", str(ROOT / "Tests/bench/push.lua"), f"http://127.0.0.1:{port}{path}", "--", *arguments,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    match = re.search(r"^RESULT (.*)$", done.stdout, re.MULTILINE)
    if not match:
        raise RuntimeError(f"wrk gave no result: {done.stdout}{done.stderr}")
    result = json.loads(match[1])
    result["rate"] = result["requests"] / result["seconds"]
    return result


def write(directory, name, data):
    path = os.path.join(directory, name)
    with open(path, "wb") as file:
        file.write(data)
    return path


def measure(options, side, directory, mode, alerts):
    """One push form on one fresh server."""
    with side(options.data_parent) as server:
        keys = [f"bench-@ID@-{n}" if mode == "unique" else f"bench-{n}" for n in range(alerts)]
        body = write(directory, "body", server.body(keys))
        wrk(options, server.port, server.path, [mode, body, "w"], seconds=2)
        result = wrk(options, server.port, server.path, [mode, body, "m"])
        result["memory"] = tocsin.resident_memory(server.pid)
        result["alerts_rate"] = (result["requests"] - result["not_2xx"]) * alerts / result["seconds"]
    return result


def measure_memory(options, side):
    """Resident memory with equally many open alerts, all different."""
    with side(options.data_parent) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        for start in range(0, options.memory_alerts, 100):
            body = server.body([f"memory-{n}" for n in range(start, min(start + 100, options.memory_alerts))])
            connection.request("POST", server.path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
            if response.status != 200:
                raise RuntimeError(f"{side.name} answered {response.status}: {answer[:200]}")
        connection.close()
        time.sleep(3)
        return tocsin.resident_memory(server.pid)


def forged_token():
    """A well-formed push token (version 1, scope 1, kid 1, no expiry, right checksum) with a MAC made of chance."""
    raw = bytes([0x11, 1]) + secrets.token_bytes(13) + bytes(2) + secrets.token_bytes(16)
    text = "tpu_" + "".join(base62(int.from_bytes(raw[at : at + 11], "big"), 15) for at in (0, 11, 22))
    return text + base62(zlib.crc32(text.encode()), 6)


def base62(number, digits):
    text = ""
    for _ in range(digits):
        number, digit = divmod(number, 62)
        text = BASE62[digit] + text
    return text


def measure_forged(options, directory):
    """(forged pushes, GET /healthz) in requests/s, in turn on one server."""
    rates = {"forged": [], "healthz": []}
    with TocsinSide(options.data_parent) as server:
        body = write(directory, "body", server.body(["forged"]))
        paths = write(directory, "paths", "".join(f"/p/{forged_token()}\n" for _ in range(512)).encode())
        for _ in range(options.rounds):
            forged = wrk(options, server.port, "/", ["lines", paths, body])
            if forged["not_2xx"] != forged["requests"] or forged["broken"]:
                note(f"warning: forged tokens were not all refused, or connections broke: {forged}")
            rates["forged"].append(forged["rate"])
            rates["healthz"].append(wrk(options, server.port, "/healthz", ["get"])["rate"])
    return statistics.median(rates["forged"]), statistics.median(rates["healthz"])


def first_line(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return ((done.stdout or done.stderr).strip().splitlines() or ["unknown"])[0].strip()


def fsync_times(directory):
    """Milliseconds (p50, p99) of 200 times append 4 KiB + fdatasync."""
    path, times = os.path.join(directory, "fsync"), []
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for _ in range(200):
        began = time.perf_counter()
        os.write(file, bytes(4096))
        os.fdatasync(file)
        times.append((time.perf_counter() - began) * 1000)
    os.close(file)
    os.unlink(path)
    times.sort()
    return times[100], times[198]


def field(path, pattern):
    match = re.search(pattern, pathlib.Path(path).read_text(encoding="utf-8"), re.MULTILINE)
    return match[1].strip() if match else "unknown"


def conditions(options):
    p50, p99 = fsync_times(options.data_parent)
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
        f"wrk on the same cores: {options.connections} connections, {options.threads} threads, {options.seconds} s each, "
        f"median of {options.rounds} rounds (lowest to highest)",
    ]


def middle(results, name):
    return statistics.median(result[name] for result in results)


def row(what, server, results):
    rates = [result["rate"] for result in results]
    return (
        f"| {what} | {server} | {statistics.median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f}) | {middle(results, 'alerts_rate'):,.0f} "
        f"| {middle(results, 'p50_ms'):.1f} | {middle(results, 'p99_ms'):.1f} "
        f"| {sum(r['not_2xx'] + r['broken'] for r in results):,} | {middle(results, 'memory') / 1e6:,.0f} |"
    )


def ratio_row(what, ours, theirs):
    def of(name):
        return middle(ours, name) / middle(theirs, name)

    return (
        f"| {what} | **ratio** | **{of('rate'):.2f}** | **{of('alerts_rate'):.2f}** | {of('p50_ms'):.2f} | **{of('p99_ms'):.2f}** | "
        f"| {of('memory'):.2f} |"
    )


def compare(options, directory):
    """The lines of the table, each as soon as it is known, so that a run that breaks off has not measured in vain."""
    yield "| a push holds | server | requests/s | alerts/s | p50 ms | p99 ms | not 2xx | memory MB |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, mode, alerts, what in PUSHES:
        if name not in options.pushes:
            continue
        results = {TocsinSide: [], AlertmanagerSide: []}
        for turn in range(options.rounds):
            for side in list(results)[:: 1 if turn % 2 == 0 else -1]:
                result = measure(options, side, directory, mode, alerts)
                results[side].append(result)
                note(f"{name}, round {turn + 1}, {side.name}: {result['rate']:,.0f}/s, p99 {result['p99_ms']:.1f} ms")
        for side, rows in results.items():
            yield row(what, side.name, rows)
        yield ratio_row(what, *results.values())
    if options.memory_alerts:
        note("memory")
        ours, theirs = (measure_memory(options, side) / 1e6 for side in (TocsinSide, AlertmanagerSide))
        what = f"{options.memory_alerts:,} open alerts, at rest"
        yield f"| {what} | Tocsin | | | | | | {ours:,.0f} |"
        yield f"| {what} | Alertmanager | | | | | | {theirs:,.0f} |"
        yield f"| {what} | **ratio** | | | | | | **{ours / theirs:.2f}** |"
    if options.forged:
        note("forged tokens")
        forged, healthz = measure_forged(options, directory)
        yield f"| forged tokens, all refused | Tocsin | {forged:,.0f} | | | | | |"
        yield f"| `GET /healthz` | Tocsin | {healthz:,.0f} | | | | | |"
        yield f"| forged / healthz | **ratio** | **{forged / healthz:.2f}** | | | | | |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [push[0] for push in PUSHES]
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pushes", nargs="*", choices=names, default=names, help="which forms (default: all)")
    parser.add_argument("--memory-alerts", type=int, default=100_000, help="0 leaves that measurement out")
    parser.add_argument("--no-forged", dest="forged", action="store_false")
    parser.add_argument("--data-parent", default=str(ROOT / ".build"), help="where the data directories are made (a real disk)")
    options = parser.parse_args()
    for tool in ("wrk", "prometheus-alertmanager"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is not installed: deploy/bench installs it")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tocsin.binary()
    directory = tempfile.mkdtemp(prefix="tocsin-bench-", dir=options.data_parent)
    try:
        found = conditions(options)
        for line in compare(options, directory):
            print(line, flush=True)
        print("\nConditions: " + ". ".join(found) + ".")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
