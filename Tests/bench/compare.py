#!/usr/bin/env python3
"""Tocsin next to Prometheus Alertmanager, and Tocsin at scale: the same machine, one run, in turn. Prints a Markdown table.

    compare.py [--quick] [--parts PART...] [--without PART...] [--rounds 3] [--seconds 10]

Each comparison starts its server anew on an empty directory, warms it up for two seconds, and measures on loopback. Which of the two
goes first alternates from round to round. Tocsin writes and syncs every push (SQLite, synchronous=FULL) before it
answers and takes the longer ARMS form; Alertmanager keeps the alerts in memory and takes its own (POST /api/v2/alerts).

parts
  pushes     the most that each can take (wrk)
  offered    both at one rate, unique and repeated: latency on a fixed schedule, without coordinated omission (load.c)
  memory     resident memory with equally many open alerts
  forged     forged tokens, next to an empty handler
  routes     what 10,000 routes cost an alert
  estate     100,000 integrations: start, memory at rest, first push of a cold account
  history    1,000,000 alerts in one account next to 1,000: lists, one alert, a recovery
  server     one node and two on PostgreSQL next to Alertmanager: the most they take, one account and eight; latency at half of one node's most
"""

import argparse
import http.client
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
import zlib

from sides import ROOT, SIDES, TocsinSide, note, wrk  # first: it extends the path
import estate
import history
import offered
import on_postgres
import pushes
import report
import routes
import tocsin
from load import Generator

PARTS = ["pushes", "offered", "memory", "forged", "routes", "estate", "history", "server"]
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# What --quick sets unless it is given.
QUICK = {"rounds": 1, "seconds": 1, "memory_alerts": 5_000, "routes": 1_000, "integrations": 10_000, "alerts": 50_000}
FULL = {"rounds": 3, "seconds": 10, "memory_alerts": 100_000, "routes": 10_000, "integrations": 100_000, "alerts": 1_000_000}


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
        time.sleep(options.settle)
        return {"memory": tocsin.resident_memory(server.pid)}


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


def measure_forged(options, generator):
    """Forged pushes and GET /healthz, in turn on one server."""
    results = {"forged": [], "healthz": []}
    with TocsinSide(options.data_parent) as server:
        body = generator.write("body", server.body(["forged"]))
        paths = generator.write("paths", "".join(f"/p/{forged_token()}\n" for _ in range(512)).encode())
        for _ in range(options.rounds):
            forged = wrk(options, server.port, "/", ["repeated", body, f"paths={paths}"])
            if forged["not_2xx"] != forged["requests"] or forged["broken"]:
                note(f"warning: forged tokens were not all refused, or connections broke: {forged}")
            forged["bad"] = forged["broken"]
            results["forged"].append(forged)
            results["healthz"].append(wrk(options, server.port, "/healthz", ["get"]))
    return results


def memory_rows(options):
    note("memory")
    what = f"{options.memory_alerts:,} open alerts, at rest"
    found = [measure_memory(options, side) for side in SIDES]
    for side, result in zip(SIDES, found):
        yield report.row(what, side.name, [result])
    yield report.ratio(what, found[:1], found[1:], "memory ≤ 0.17", bold=("memory",))


def forged_rows(options, generator):
    note("forged tokens")
    found = measure_forged(options, generator)
    yield report.row("forged tokens, all refused", "Tocsin", found["forged"])
    yield report.row("`GET /healthz`", "Tocsin", found["healthz"])
    yield report.ratio("forged / healthz", found["forged"], found["healthz"], "rate ≥ 0.8", names=("rate",), bold=("rate",))


def compare(options, generator):
    """The lines of the table, each as soon as it is known, so that a run that breaks off has not measured in vain."""
    maxima = {}
    parts = {
        "pushes": lambda: pushes.rows(options, generator, maxima),
        "offered": lambda: offered.rows(options, generator, maxima),
        "memory": lambda: memory_rows(options),
        "forged": lambda: forged_rows(options, generator),
        "routes": lambda: routes.rows(options, generator.directory),
        "estate": lambda: estate.rows(options, generator),
        "history": lambda: history.rows(options, generator),
        "server": lambda: on_postgres.rows(options, generator),
    }
    yield from report.HEAD
    for name in PARTS:
        if name in options.parts:
            began = time.monotonic()
            yield from parts[name]()
            note(f"-- {name}: {time.monotonic() - began:.0f} s")


def read_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = ", ".join(f"{name} {value:,}" for name, value in QUICK.items())
    parser.add_argument("--quick", action="store_true", help=f"a smoke run of a minute or two: {sizes}")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS, help="only these")
    parser.add_argument("--without", nargs="*", choices=PARTS, default=[], help="not these")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2, help="of wrk; an even number for `server`")
    parser.add_argument("--pushes", nargs="*", choices=pushes.NAMES, help="which forms (default: all; --quick: unique)")
    half = "half of Alertmanager's unique maximum, at most 70 %% of each maximum; `server`: half of one node's"
    parser.add_argument("--offered-rate", type=float, help=f"pushes/s (default: {half})")
    parser.add_argument("--memory-alerts", type=int, help="open alerts of `memory`")
    parser.add_argument("--routes", type=int, help="of one integration")
    parser.add_argument("--integrations", type=int, help="of `estate`, ten an account")
    parser.add_argument("--alerts", type=int, help="of the large store of `history`, at least 1,000")
    parser.add_argument("--data-parent", default=str(ROOT / ".build"), help="where the data directories are made (a real disk)")
    options = parser.parse_args()
    for name, value in (QUICK if options.quick else FULL).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    options.warm_up, options.settle = (1, 1) if options.quick else (2, 3)  # seconds, the second before memory is read
    if options.pushes is None:
        options.pushes = ["unique"] if options.quick else pushes.NAMES
    options.parts = [name for name in PARTS if name in options.parts and name not in options.without]
    options.data_parent = os.path.abspath(options.data_parent)
    if "server" in options.parts and options.threads % 2:
        parser.error("--threads: two nodes want an even number")
    if min(options.rounds, options.seconds) < 1 or options.alerts < history.FEW or options.routes < 2:
        parser.error("too small to be measured")
    return options


def main():
    options = read_options()
    for tool in ("wrk", "prometheus-alertmanager"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is not installed: deploy/bench installs it")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tocsin.binary()
    os.makedirs(options.data_parent, exist_ok=True)
    if "server" in options.parts:
        on_postgres.check(options)
    directory = tempfile.mkdtemp(prefix="tocsin-bench-", dir=options.data_parent)
    try:
        generator = Generator(directory)
        found = report.conditions(options, directory, note) + ([on_postgres.conditions()] if "server" in options.parts else [])
        for line in compare(options, generator):
            print(line, flush=True)
        print("\nConditions: " + ". ".join(found) + ".")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
