#!/usr/bin/env python3
"""Runs the script tests one after the other, in their short form, and ends with `N passed, N failed`.

    all.py [--long] [--failed NAME]... [--notes FILE]

--long: the full forms: 200 kill -9, every fault, 70 restarts. --failed: something that failed before, so that the last line counts it.
What failed is told again at the end, after what FILE holds of what failed before.
"""

import argparse
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent


# What receivers do wrong is the same on any engine.
ON_BOTH_ENGINES = ("kinds", "rotation", "down", "kill", "storm")


def scripts(long):
    """(script, arguments, seconds it may take)"""
    kills = ["--cycles", "200", "--load", "0.3"] if long else ["--cycles", "5"]
    return [
        ("load_generator.py", [], 90),
        ("manifests.py", [], 60),
        ("arms_table.py", [], 200),
        ("field_reports.py", [], 400),
        ("alertmanager.py", [], 320),
        ("quickstart.py", [], 1600),
        ("agreement.py", [] if long else ["--deliveries", "3000"], 1060 if long else 360),
        ("contract.py", ["--long"] if long else [], 3100 if long else 400),
        ("generated_client.py", [], 200),
        ("kill9.py", kills, 900 if long else 250),
        ("slices.py", ["--kills", "40"] if long else [], 1700 if long else 200),
        ("powercut.py", ["--long"] if long else [], 3600 if long else 300),
        ("faults.py", ["--full"] if long else [], 900 if long else 300),
        ("restarts.py", ["--restarts", "50", "--upgrades", "20"] if long else [], 800 if long else 140),
        ("tls.py", ["--long"] if long else [], 500 if long else 160),
        ("hostile.py", ["--long"] if long else [], 1800 if long else 400),
        ("fairness.py", ["--seconds", "15", "--rounds", "3"] if long else [], 900 if long else 200),
        ("neighbours.py", ["--long"] if long else [], 2700 if long else 700),
        ("fuzz.py", ["--seconds", "600"] if long else [], 760 if long else 130),
        *([("fuzz.py", ["--swift", "120"], 3600)] if long else []),
        ("retention.py", [], 120),
        ("deletion.py", [], 160),
        ("receivers.py", ["--self-test"], 300),
        ("notifications.py", ["--long"] if long else [], 1800 if long else 400),
        ("cluster.py", ["--long"] if long else [], 960 if long else 330),
        ("outage.py", ["--long"] if long else [], 1060 if long else 450),
        ("move.py", [], 300),
        ("arms_table.py", ["--postgres"], 220),
        ("field_reports.py", ["--postgres"], 480),
        ("kill9.py", ["--postgres", *kills], 1200 if long else 270),
        ("slices.py", ["--postgres", "--kills", "20" if long else "3"], 1000 if long else 200),
        ("neighbours.py", ["--postgres", *(["--long"] if long else [])], 2000 if long else 400),
        ("notifications.py", ["--postgres", *(["--long"] if long else ["--only", *ON_BOTH_ENGINES])], 1900 if long else 450),
    ]


def tell(stream, notes):
    """Passes on what a script prints, and keeps what it says of failures."""
    for line in stream:
        print(line, end="", flush=True)
        if line.startswith(("FAIL", "Traceback")):
            notes.append(line.rstrip())


def passes(script, arguments, seconds, notes):
    """Runs one script in a session of its own; after `seconds` it and what it started are ended."""
    process = subprocess.Popen(
        [sys.executable, "-u", str(HERE / script), *arguments],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    # A process that a script left behind may hold the pipe open: nobody waits for it.
    reader = threading.Thread(target=tell, args=(process.stdout, notes), daemon=True)
    reader.start()
    try:
        status = process.wait(seconds)
        reader.join(5)
        return status == 0
    except subprocess.TimeoutExpired:
        print(f"FAIL  {script} was still running after {seconds} s", flush=True)
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
        return False
    except BaseException:  # Ctrl-C does not reach another session
        process.terminate()
        process.wait(60)
        raise


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--failed", action="append", default=[], metavar="NAME")
    parser.add_argument("--notes", type=pathlib.Path, metavar="FILE")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    passed, failed = [], list(arguments.failed)
    notes = arguments.notes.read_text(errors="replace").splitlines() if arguments.notes else []
    for script, options, seconds in scripts(arguments.long):
        print(f"\n== {script} {' '.join(options)}", flush=True)
        began = time.monotonic()
        found = []
        good = passes(script, options, seconds, found)
        notes += [f"{script}: {line}" for line in found]
        (passed if good else failed).append(" ".join([script, *options]))
        print(f"== {script} {'passed' if good else 'FAILED'} in {time.monotonic() - began:.0f} s", flush=True)
    if failed:
        print("\n" + "\n".join(notes[:100]))
        print(f"\nfailed: {', '.join(failed)}")
    print(f"{len(passed)} passed, {len(failed)} failed", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
