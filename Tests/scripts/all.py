#!/usr/bin/env python3
"""Runs the script tests in their short form, two at a time where they don't disturb each other, and ends with `N passed, N failed`.

    all.py [--long | --fast] [--only SCRIPT...] [--jobs 2] [--failed NAME]... [--took NAME SECONDS]... [--notes FILE]

--long: the full forms: 200 kill -9, every fault, 70 restarts. --fast: what takes a few seconds. --only: those scripts. --jobs 1: one after
the other. --failed, --took: a part that ran before this and failed, and how long a part took: the last lines count it.
What a script prints is shown when it ends. What failed is told again at the end, after what FILE holds of what failed before.
"""

import argparse
import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
# What receivers do wrong is the same on any engine.
ON_BOTH_ENGINES = ("kinds", "rotation", "down", "kill", "storm")
SLOWEST = 10

# What a script needs. ALONE: it measures times or memory, comes near its bounds, or builds. CLOCK: what it waits for has to come within seconds,
# and comes in a fraction of them. CPU: it keeps a core or more busy. WAITS: it mostly waits, and has no bound that a busy machine could pass.
ALONE, CLOCK, CPU, WAITS = "alone", "clock", "cpu", "waits"
BESIDE = {(WAITS, WAITS), (WAITS, CPU), (CPU, WAITS), (WAITS, CLOCK), (CLOCK, WAITS)}


@dataclasses.dataclass(frozen=True)
class Script:
    """`needs`: see above. `usual`: seconds that its short form takes, for the order. `limit`: seconds it may take. `fast`: a part of --fast."""

    file: str
    needs: str
    usual: int
    limit: int
    arguments: tuple = ()
    fast: bool = False

    @property
    def name(self):
        return " ".join([self.file, *self.arguments])


def scripts(long):
    def either(in_full, in_short):
        return in_full if long else in_short

    kills = either(("--cycles", "200", "--load", "0.3"), ("--cycles", "5"))
    in_full = either(("--long",), ())
    both = either(in_full, ("--only", *ON_BOTH_ENGINES))
    return [
        Script("load_generator.py", ALONE, 10, 90, fast=True),
        Script("manifests.py", WAITS, 5, 60, fast=True),
        Script("arms_table.py", CPU, 15, 200, fast=True),
        Script("field_reports.py", WAITS, 60, 400, fast=True),
        Script("alertmanager.py", WAITS, 30, 320),
        Script("quickstart.py", ALONE, 30, 2400),
        Script("agreement.py", CPU, 30, either(1060, 360), either((), ("--deliveries", "3000"))),
        Script("contract.py", CPU, 75, either(3100, 400), in_full),
        Script("generated_client.py", CPU, 20, 200),
        Script("kill9.py", CPU, 20, either(900, 250), kills, fast=True),
        Script("slices.py", CPU, 20, either(1700, 200), either(("--kills", "40"), ()), fast=True),
        Script("powercut.py", CPU, 30, either(3600, 300), in_full),
        Script("faults.py", CLOCK, 55, either(900, 300), either(("--full",), ())),
        Script("restarts.py", ALONE, 30, either(800, 140), either(("--restarts", "50", "--upgrades", "20"), ())),
        Script("tls.py", CLOCK, 30, either(500, 160), in_full),
        Script("hostile.py", ALONE, 65, either(1800, 400), in_full),
        Script("fairness.py", ALONE, 30, either(900, 200), either(("--seconds", "15", "--rounds", "3"), ())),
        Script("neighbours.py", ALONE, 210, either(2700, 700), in_full),
        Script("fuzz.py", ALONE, 15, either(760, 130), either(("--seconds", "600"), ())),
        *([Script("fuzz.py", ALONE, 120, 3600, ("--swift", "120"))] if long else []),
        Script("retention.py", CPU, 25, 120),
        Script("deletion.py", CPU, 25, 160),
        Script("receivers.py", WAITS, 10, 300, ("--self-test",), fast=True),
        Script("notifications.py", ALONE, 70, either(1800, 400), in_full),
        Script("cluster.py", CLOCK, 95, either(960, 330), in_full),
        Script("outage.py", CLOCK, 110, either(1060, 450), in_full),
        Script("move.py", WAITS, 50, 300),
        Script("arms_table.py", CPU, 20, 220, ("--postgres",)),
        Script("field_reports.py", WAITS, 75, 480, ("--postgres",)),
        Script("kill9.py", CPU, 30, either(1200, 270), ("--postgres", *kills)),
        Script("slices.py", CPU, 30, either(1000, 200), ("--postgres", "--kills", either("20", "3"))),
        Script("neighbours.py", ALONE, 60, either(2000, 400), ("--postgres", *in_full)),
        Script("notifications.py", ALONE, 30, either(1900, 450), ("--postgres", *both)),
    ]


class Running:
    """A script in a session of its own. After its limit it is told to end, and a minute later it and what it started are ended."""

    def __init__(self, script):
        self.script, self.began, self.told, self.status = script, time.monotonic(), None, None
        self.took = self.cpu = 0.0  # seconds, once it has ended
        # A file and no pipe: a process that a script left behind may hold it open, and nobody waits for that.
        self.output = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [sys.executable, "-u", str(HERE / script.file), *script.arguments],
            start_new_session=True, stdin=subprocess.DEVNULL, stdout=self.output, stderr=subprocess.STDOUT,
        )

    def has_ended(self):
        if self.status is None:
            pid, status, used = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                self.status = self.process.returncode = os.waitstatus_to_exitcode(status)
                self.took, self.cpu = time.monotonic() - self.began, used.ru_utime + used.ru_stime
            elif self.told is None and time.monotonic() - self.began > self.script.limit:
                self.end()
            elif self.told is not None and time.monotonic() - self.told > 60:
                os.killpg(self.process.pid, signal.SIGKILL)
        return self.status is not None

    def end(self):
        self.told = time.monotonic()
        # Not by the process object: it would reap a script that has just ended, whose status `has_ended` is after.
        os.kill(self.process.pid, signal.SIGTERM)

    @property
    def passed(self):
        return self.status == 0 and self.told is None

    def lines(self):
        self.output.seek(0)
        found = self.output.read().decode(errors="replace").splitlines()
        late = [f"FAIL  {self.script.file} was still running after {self.script.limit} s"] if self.told else []
        return found + late


class Run:
    """All scripts of a run: the longest first, each beside those that it does not disturb."""

    def __init__(self, wanted, jobs):
        # Those that run alone come last, so that no other waits for them to end.
        self.waiting = sorted(wanted, key=lambda script: (script.needs == ALONE, -script.usual))
        self.jobs, self.running, self.ended = jobs, [], []

    def may_begin(self, script):
        return all((script.needs, each.script.needs) in BESIDE for each in self.running)

    def step(self):
        """Starts what may run now, and returns what has ended."""
        for script in list(self.waiting):
            if len(self.running) < self.jobs and self.may_begin(script):
                self.waiting.remove(script)
                print(f"-- {script.name} begins", flush=True)
                self.running.append(Running(script))
        ended = [each for each in self.running if each.has_ended()]
        self.running = [each for each in self.running if each not in ended]
        self.ended += ended
        return ended

    def goes_on(self):
        return bool(self.waiting or self.running)

    def end(self):
        """Ends what runs, in good order as far as it goes along; shows what it printed."""
        for each in self.running:
            each.end()
        until = time.monotonic() + 60
        while self.running and time.monotonic() < until:
            for each in [each for each in self.running if each.has_ended()]:
                self.running.remove(each)
                show(each)
            time.sleep(0.1)


def show(ended):
    """Prints what a script printed, and returns what it said of failures."""
    lines = ended.lines()
    print("\n".join([f"\n== {ended.script.name}", *lines]))
    how = f"{'passed' if ended.passed else 'FAILED'} in {ended.took:.0f} s ({ended.cpu:.0f} s of CPU)"
    print(f"== {ended.script.name} {how}", flush=True)
    return [] if ended.passed else [f"{ended.script.name}: {line}" for line in lines if line.startswith(("FAIL", "Traceback"))]


def chosen(arguments):
    wanted = scripts(arguments.long)
    known = {script.file.removesuffix(".py") for script in wanted}
    for name in [*(arguments.only or []), *arguments.without]:
        if name.removesuffix(".py") not in known:
            sys.exit(f"all.py: there is no script {name}")
    if arguments.only:
        return [script for script in wanted if script.file.removesuffix(".py") in [name.removesuffix(".py") for name in arguments.only]]
    return [script for script in wanted if (script.fast or not arguments.fast) and script.file not in arguments.without]


def report_slowest(took):
    print("\nThe slowest parts:")
    for seconds, name in sorted(took, reverse=True)[:SLOWEST]:
        print(f"{seconds:6.0f} s  {name}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--only", nargs="+", default=[], metavar="SCRIPT")
    parser.add_argument("--without", action="append", default=[], metavar="SCRIPT", help="one that ran before")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--failed", action="append", default=[], metavar="NAME")
    parser.add_argument("--took", action="append", default=[], nargs=2, metavar=("NAME", "SECONDS"))
    parser.add_argument("--notes", type=pathlib.Path, metavar="FILE")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    notes = arguments.notes.read_text(errors="replace").splitlines() if arguments.notes else []
    run = Run(chosen(arguments), arguments.jobs)
    try:
        while run.goes_on():
            for ended in run.step():
                notes += show(ended)
            time.sleep(0.1)
    finally:  # Ctrl-C does not reach another session
        run.end()
    report_slowest([(float(seconds), name) for name, seconds in arguments.took] + [(each.took, each.script.name) for each in run.ended])
    before = [name for name in arguments.without if not any(part.startswith(name) for part in arguments.failed)]
    passed = before + [each.script.name for each in run.ended if each.passed]
    failed = arguments.failed + [each.script.name for each in run.ended if not each.passed]
    if failed:
        print("\n" + "\n".join(notes[:100]))
        print(f"\nfailed: {', '.join(failed)}")
    print(f"{len(passed)} passed, {len(failed)} failed", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
