#!/usr/bin/env python3
"""Notifications against receivers that behave, and fail, as the real ones do.

    notifications.py [--postgres] [--long] [--only PART...] [--parent DIRECTORY] [--seed N] [--log LINES]

kinds: every kind of notifier by its receiver's own rules, limits, secrets, verdicts, templates. rotation: the PyPI package `standardwebhooks`
verifies all (needs pip and its index; without them the receiver's own check stands alone). faults: every way to fail, and the whole schedule.
down: a receiver that is away for two hours. kill: `kill -9` while delivering. storm: digests. speed: figures, not asserted. addresses: what
must not be reached. The wall clock of the server and of the receivers is moved, so that hours pass in seconds.
"""

import argparse
import random
import subprocess
import time
import traceback

import postgres
import tocsin
from notifications_addresses import addresses
from notifications_faults import all_faults, down
from notifications_kill import kills
from notifications_kinds import kinds, rotation
from notifications_storm import speed, storm

PARTS = {
    "kinds": kinds, "rotation": rotation, "faults": all_faults, "down": down, "kill": kills, "storm": storm, "speed": speed, "addresses": addresses,
}


def main(options, checks):
    random.seed(options.seed)
    print(f"seed {options.seed}, {', '.join(options.only)}")
    with postgres.engine(options.postgres) as options.cluster:
        for name in options.only:
            part(name, options, checks)


def part(name, options, checks):
    began = time.monotonic()
    print(f"-- {name}", flush=True)
    try:
        PARTS[name](checks, options)
    except (tocsin.APIError, tocsin.NotSent, tocsin.Unanswered, OSError, RuntimeError, LookupError, subprocess.SubprocessError) as error:
        frames = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
        checks.check(False, f"{name} went through", f"{type(error).__name__}: {error} at {' '.join(frames[-5:])}")
    print(f"-- {name}: {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL in place of SQLite, a new database for each part")
    parser.add_argument("--long", action="store_true", help="50 kills, 1,000 signatures, two rounds of slow faults, 10 s at 1,000/s")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), metavar="PART")
    parser.add_argument("--parent", help="where the data directories are made: a real disk, for figures")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--log", type=int, default=0, help="lines of the server's log to show after a part with failures")
    parsed = parser.parse_args()
    tocsin.run(lambda checks: main(parsed, checks), seconds=1500 if parsed.long else 400)
