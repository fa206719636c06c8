#!/usr/bin/env python3
"""Power cuts, simulated on the unmodified server: after any of them what was acknowledged is there, whole, once.

    powercut.py [--long] [--states N] [--only trace|controls|errors] [--faults TEXT] [--rewrite-log] [--seed N]
                [--workers 2]

The server runs under `strace`, which records every change of its data directory and every answer. From that the files are rebuilt
as they could have been left behind at each system call: by a kill (every write is there), by a power cut (only what was synced) and by
a power cut that let through any part of the rest, torn at sectors. Each state is opened with SQLite and compared with the answers.

Controls run the same on a server that breaks a promise (synchronous NORMAL, OFF; no rewriting and no checkpoint at the start after a failed sync) and
on a disk that lies about syncs; each of them must be found out. Then syncs are made to fail, one at a time.
"""

import argparse
import base64
import itertools
import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter

import powercut_rows
import powercut_trace
import tocsin
from powercut_disk import Disk
from powercut_states import DATABASE, MEMORY, SECRETS, Plan, examine
from powercut_trace import Acknowledged, InFlight, Sync, Write

HERE = os.path.dirname(os.path.abspath(__file__))
LOG = DATABASE + "-wal"
REPEATED_KEYS = 12
LARGE = 240_000  # bytes that do not compress, in an annotation: the log reaches a checkpoint's 4,096 pages in some 90 pushes
EXIT_DISK = 70


class Traced(tocsin.Server):
    """A server under strace."""

    shim = None

    def launch(self, trace, inject=None, environment=()):
        command = [*tocsin.WITH_US, "strace", "-o", trace, *powercut_trace.OPTIONS]
        if inject:
            command += ["-e", f"inject={inject}"]
        if not inject or "signal=" not in inject:
            command.append("--seccomp-bpf")  # faster, but a signal is not delivered then
        for name, value in environment:
            command += ["-E", f"{name}={value}"]
        if environment:
            command += ["-E", f"LD_PRELOAD={self.shim}"]
        command += [*tocsin.WITH_US, tocsin.binary(), "serve", "--data-dir", self.data, "--listen", f"127.0.0.1:{self.port}"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory, env=tocsin.clean_environment()
            )

    def start(self, seconds=60, **how):
        self.launch(**how)
        tocsin.wait_until("the server is ready", self.is_ready, seconds, every=0.02)

    def send_signal(self, number):
        """To the server: strace ends with it, and as it did."""
        for child in children(self.process.pid):
            os.kill(child, number)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.send_signal(signal.SIGKILL)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        if self.process:
            self.process.wait(10)

    def stop(self, seconds=25):
        self.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return []


class Recording:
    """A data directory through several runs of the server, and all that happened to it."""

    def __init__(self, server):
        self.server = server
        self.events, self.disk = [], Disk()
        self.account = self.integration = None
        self.old_log = b""

    def start(self, **how):
        self.trace = os.path.join(self.server.directory, "trace")
        self.server.start(trace=self.trace, **how)

    def set_up(self):
        self.account = tocsin.Account(self.server, "Power cut")
        self.channel = self.account.channel("Power cut")
        self.integration = self.account.dedicated("aliyun-arms", "ARMS over power cuts", self.channel)

    def end(self, how):
        """Ends the run, by `kill` or by `stop`, and reads its trace."""
        how()
        start = len(self.events)
        self.events += powercut_trace.Reader(self.server.data, start).read(self.trace)
        os.unlink(self.trace)
        for index in range(start, len(self.events)):
            if isinstance(self.events[index], InFlight):
                self.events[index] = self.landed(self.events[index].write)
            if self.old_log and isinstance(self.events[index], Write):
                self.events[index] = self.unless_old(self.events[index])
            self.disk.apply(index, self.events[index])
        self.compare()
        return start

    def rewrite_log(self):
        """As if the log was written again and synced, with its folder: for the question whether that would be enough."""
        for event in (Write(LOG, 0, self.files().get(LOG, b"")), Sync(LOG, True, len(self.events) + 1, b"", "fdatasync")):
            if LOG in self.disk.names:
                self.take(event)
        self.take(Sync(powercut_trace.DIRECTORY, True, len(self.events), b"", "fsync"))

    def take(self, event):
        self.disk.apply(len(self.events), event)
        self.events.append(event)

    def forget_rewriting(self):
        """From now on what the next start writes into the log as it was there already counts as not written."""
        self.old_log = self.files().get(LOG, b"")

    def unless_old(self, write):
        is_old = write.name == LOG and write.data and self.old_log[write.offset : write.offset + len(write.data)] == write.data
        return Write(write.name, write.offset, b"") if is_old else write

    def landed(self, write):
        """A write that a kill interrupted, if it reached the file."""
        data = self.files().get(write.name, b"")[write.offset : write.offset + len(write.data)]
        return write if data == write.data else Write(write.name, write.offset, b"")

    def files(self):
        result = {}
        for name in os.listdir(self.server.data):
            if not powercut_trace.IGNORED.search(name):
                with open(os.path.join(self.server.data, name), "rb") as file:
                    result[name] = file.read()
        return result

    def compare(self):
        """The rebuilt files must be the real ones, or the trace missed something."""
        real, rebuilt = self.files(), self.disk.contents(self.disk.all_written())
        for name in {**real, **rebuilt}:
            if real.get(name) != rebuilt.get(name):
                raise powercut_trace.Unreadable(f"{name} as rebuilt from the trace is not the file on the disk")

    def acknowledged(self):
        return {event.id for event in self.events if isinstance(event, Acknowledged)}

    def secrets(self):
        files = self.files()
        return {name: files[name] for name in SECRETS}


class Load:
    """Some senders at once with what a day brings; each push is sent once."""

    def __init__(self, recording, seed):
        self.recording, self.random = recording, random.Random(seed)
        self.lock, self.numbers = threading.Lock(), itertools.count()
        self.acknowledged, self.statuses, self.unanswered = [], Counter(), 0

    def bodies(self, name, count, large):
        """The bodies of one sender."""
        for number, turn in zip(range(count), itertools.cycle(("unique", "repeated", "pair", "many", "large" if large else "unique"))):
            key, shared = f"{turn}-{name}-{number}", f"repeated-{self.random.randrange(REPEATED_KEYS)}"
            if turn == "repeated":
                yield [tocsin.arms_alert(shared, severity=self.random.choice(("critical", "critical", "warning")))]
            elif turn == "many":
                yield [tocsin.arms_alert(shared)] + [tocsin.arms_alert(f"{key}-{n}") for n in range(self.random.randint(2, 9))]
            elif turn == "large":
                yield [tocsin.arms_alert(key, ballast=self.ballast())]
            else:
                yield [tocsin.arms_alert(key)]
            if turn == "pair":
                yield [tocsin.arms_alert(key, status="resolved", ends="2026-03-02T10:30:00.000000000Z")]

    def ballast(self):
        return base64.b64encode(self.random.randbytes(LARGE * 3 // 4)).decode()

    def run(self, pushes, senders=6, large=False, kill_after=None):
        """Sends; with `kill_after` the server is killed after so many answers, in the middle of the load."""
        plans = [list(self.bodies(f"{next(self.numbers)}", pushes // senders, large)) for _ in range(senders)]
        threads = [threading.Thread(target=self.send, args=(plan,), daemon=True) for plan in plans]
        goal = len(self.acknowledged) + (kill_after or 0)
        for thread in threads:
            thread.start()
        while kill_after and len(self.acknowledged) < goal and any(thread.is_alive() for thread in threads):
            time.sleep(0.001)
        if kill_after:
            self.recording.server.kill()
        for thread in threads:
            thread.join(120)

    def send(self, plan):
        sender = tocsin.Sender(self.recording.integration["push_url"], self.recording.server.port)
        for alerts in plan:
            if not self.push(sender, alerts):
                break
        sender.close()

    def push(self, sender, alerts):
        """False when there was no answer."""
        try:
            status, answer = sender.push(tocsin.arms_body(alerts))
        except tocsin.NotSent:
            return False
        except tocsin.Unanswered:
            with self.lock:
                self.unanswered += 1
            return False
        with self.lock:
            self.statuses[status] += 1
            if status == 200:
                self.acknowledged.append(powercut_trace.bytes_of(answer["data"]["delivery_id"]))
        return True


def record(seed, scale, environment=(), long=False):
    """A server's life: set up, load, killed, load, stopped; in the long form two checkpoints under load and a kill more."""
    with Traced() as server:
        recording = Recording(server)
        load = Load(recording, seed)
        recording.start(environment=environment)
        recording.set_up()
        load.run(scale, kill_after=scale // 2)
        recording.end(server.kill)
        recording.start(environment=environment)
        load.run(scale // 2)
        recording.end(server.stop)
        if long:
            recording.start(environment=environment)
            load.run(480, large=True)
            load.run(scale, kill_after=scale // 2)
            recording.end(server.kill)
            recording.start(environment=environment)
            load.run(scale // 4)
            recording.end(server.stop)
        recording.kept = recording.secrets()
        recording.load = load
        recording.copy = tempfile.mkdtemp(prefix="tocsin-powercut-", dir=MEMORY)
        shutil.copy(os.path.join(server.data, DATABASE), recording.copy)
        return recording


def checkpoints(events):
    """How often the log was carried over while the server took pushes: syncs of the database between two answers."""
    between, found = False, 0
    for event in events:
        if isinstance(event, Acknowledged):
            between = True
        elif isinstance(event, Sync) and event.name == DATABASE and between:
            between, found = False, found + 1
    return found


def trace_part(checks, arguments):
    began = time.monotonic()
    recording = record(arguments.seed, 300 if arguments.long else 120, long=arguments.long)
    try:
        load = recording.load
        syncs = sum(isinstance(event, Sync) for event in recording.events)
        print(
            f"      recorded {len(recording.events)} events, {syncs} syncs, {len(load.acknowledged)} pushes acknowledged, "
            f"{checkpoints(recording.events)} checkpoints, in {time.monotonic() - began:.0f} s"
        )
        checks.equal([status for status in load.statuses if status != 200], [], "every answer was 200")
        checks.check(set(load.acknowledged) <= recording.acknowledged(), "the trace shows every acknowledgement that a sender read")
        checks.check(checkpoints(recording.events) >= (4 if arguments.long else 2), "the log was carried over several times")
        path = os.path.join(recording.copy, DATABASE)
        checks.equal(powercut_rows.unnoticed(path), [], f"control: each of {len(powercut_rows.DAMAGES)} damages made by hand is noticed")
    finally:
        shutil.rmtree(recording.copy, ignore_errors=True)
    plan = Plan(recording.events, arguments.states, arguments.seed)
    findings = look(checks, "the server as it is", recording, plan, arguments)
    if arguments.long:
        checks.check(sum(findings.states.values()) >= 30_000, "at least 30,000 states")
    on_states(checks, recording, 12 if arguments.long else 3, arguments.seed)
    lying = Plan(recording.events, 600, arguments.seed, ignore_syncs_of=(LOG,))
    must_lose(checks, "a disk that lies about syncs of the log", recording, lying, arguments)


def look(checks, what, recording, plan, arguments):
    """Examines a plan in which nothing may be lost."""
    began = time.monotonic()
    findings = examine(plan, recording.kept, recording.load.unanswered, arguments.workers)
    print(f"      {what}: {len(plan.cuts)} of {plan.all} boundaries, {findings}, in {time.monotonic() - began:.0f} s")
    checks.equal((findings.lossy, findings.damaged), (0, 0), f"{what}: no state lost or damaged anything")
    print(*(f"        {example}" for example in findings.examples), sep="\n", end="\n" if findings.examples else "")
    return findings


def must_lose(checks, what, recording, plan, arguments):
    findings = examine(plan, recording.kept, recording.load.unanswered, arguments.workers)
    print(f"      {what}: {findings}")
    checks.check(findings.lossy > 0, f"control: {what} loses what was acknowledged, and it is seen")
    return findings


def on_states(checks, recording, count, seed):
    """Starts the server itself on some of the states after the set-up."""
    luck = random.Random(seed)
    ready = next(i for i, event in enumerate(recording.events) if event == Acknowledged(recording.load.acknowledged[0]))
    cuts = sorted(luck.sample(range(ready, len(recording.events)), count))
    disk, told, problems = Disk(), [], []
    pushed = set(recording.load.acknowledged)
    for index, event in enumerate(recording.events):
        disk.apply(index, event)
        if isinstance(event, Acknowledged) and event.id in pushed:
            told.append(event.id)
        if cuts and index == cuts[0]:
            cuts.pop(0)
            problems += start_on(recording, disk.contents(disk.some_lost(luck)), told)
    checks.equal(problems, [], f"the server starts on each of {count} torn states, shows what was acknowledged and takes a push")


def start_on(recording, files, told):
    with tocsin.Server() as server:
        os.mkdir(server.data, 0o700)
        for name, data in files.items():
            with open(os.path.join(server.data, name), "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                file.write(data)
        server.start()
        api = tocsin.API(server.port, recording.account.key)
        listed = {powercut_trace.bytes_of(item["id"]) for item in api.items(f"{recording.account.path}/deliveries")}
        status, _ = tocsin.Sender(recording.integration["push_url"], server.port).push(tocsin.arms_body([tocsin.arms_alert("after")]))
        api.close()
    problems = [f"{len(set(told) - listed)} of {len(told)} deliveries are not listed"] if set(told) - listed else []
    return problems + ([f"a push is answered {status}"] if status != 200 else [])


def controls_part(checks, arguments):
    for level in ("NORMAL", "OFF"):
        recording = record(arguments.seed, 90, environment=[("POWERCUT_SYNCHRONOUS", level)])
        shutil.rmtree(recording.copy, ignore_errors=True)
        plan = Plan(recording.events, 4_000 if arguments.long else 500, arguments.seed)
        must_lose(checks, f"synchronous={level}", recording, plan, arguments)


class SyncError:
    """A server whose n-th sync of a thread fails, and what follows: the end, a restart, 20 more pushes, a power cut."""

    def __init__(self, call, number, first_end="stop", mode="push", fault="error=EIO", environment=()):
        self.call, self.number, self.first_end, self.mode = call, number, first_end, mode
        self.fault, self.environment = fault, environment
        self.statuses, self.changes = Counter(), Counter()
        self.ended = self.failed = None

    def __str__(self):
        return f"{self.fault} at {self.call} {self.number} after {self.first_end}, {self.mode}"

    def run(self, seed, rewrite_log=False, forget_rewriting=False):
        inject = f"{self.call}:{self.fault}:when={self.number}"
        with Traced() as server:
            recording = self.recording = Recording(server)
            load = recording.load = Load(recording, seed)
            if self.first_end != "nothing":
                recording.start()
                recording.set_up()
                load.run(12, senders=2)
                recording.end(getattr(server, self.first_end))
            before = len(load.acknowledged)
            try:
                recording.start(inject=inject)
                self.during(load)
            except (RuntimeError, tocsin.APIError, OSError, tocsin.http.client.HTTPException):
                pass  # it did not become ready, or not so far that it takes pushes
            self.ended = server.process.poll()
            self.start = recording.end(server.kill)
            self.failed = next((event for event in recording.events[self.start :] if isinstance(event, Sync) and not event.good), None)
            self.taken = len(load.acknowledged) - before
            if rewrite_log:
                recording.rewrite_log()
            if forget_rewriting:
                recording.forget_rewriting()
            self.restart = len(recording.events)
            recording.start(environment=self.environment)
            if not recording.integration:
                recording.set_up()
            self.statuses += load.statuses
            load.statuses.clear()
            load.run(20, senders=1)
            self.after = +load.statuses
            recording.end(server.kill)
            recording.kept = recording.secrets()

    def start_again(self):
        """The events of the start after the fault, up to the first answer; of very many some hundreds."""
        events = self.recording.events
        answers = (index for index in range(self.restart, len(events)) if isinstance(events[index], Acknowledged))
        end = next(answers, len(events))
        return range(self.restart, end, max(1, (end - self.restart) // 300))

    def during(self, load):
        """Pushes, and in the other mode changes of the configuration, until the server ends or 40 went well."""
        recording = self.recording
        if not recording.integration:
            recording.set_up()
        sender = tocsin.Sender(recording.integration["push_url"], recording.server.port)
        api = tocsin.API(recording.server.port, recording.account.key)
        for number in range(90 if self.mode == "large" else 40):
            notes = {"ballast": load.ballast()} if self.mode == "large" else {}
            if self.mode == "changes" and not self.change(api, number):
                break
            if (self.mode != "changes" or number % 4 == 3) and not load.push(sender, [tocsin.arms_alert(f"during-{number}", **notes)]):
                break
        time.sleep(0.2)  # a server that ends after an answer has this long

    def change(self, api, number):
        path = f"{self.recording.account.path}/channels"
        try:
            status, _, _ = api.exchange("POST", path, {"name": f"Channel {number}"})
        except (OSError, tocsin.http.client.HTTPException):
            return False
        self.changes[status] += 1
        return True

    def sync_that_failed(self):
        if not self.failed:
            return "none"
        return {"": "the folder", DATABASE: "the database", LOG: "the log"}.get(self.failed.name, self.failed.name)


def errors_part(checks, arguments):
    cases = [SyncError("fdatasync", n) for n in range(3, 7)] + [SyncError("fdatasync", 5, "kill"), SyncError("fsync", 1, "nothing")]
    if arguments.long:
        cases = [SyncError("fdatasync", n) for n in range(1, 11)]
        cases += [SyncError("fdatasync", n, "kill") for n in range(1, 6)]
        cases += [SyncError("fdatasync", n, mode="changes") for n in range(2, 6)]
        cases += [SyncError("fsync", n, "nothing") for n in range(1, 5)]
        cases += [SyncError("fsync", n, "nothing", fault="signal=KILL") for n in range(1, 5)]
        cases += [SyncError("fdatasync", n, "nothing") for n in range(1, 9)]
        if arguments.faults in "large":
            cases += [SyncError("fdatasync", n, mode="large") for n in at_checkpoint(arguments.seed)]
    cases = [case for case in cases if arguments.faults in str(case)]
    for case in cases:
        case.run(arguments.seed, arguments.rewrite_log)
        sound(checks, case, arguments)
    if not arguments.faults:
        failed = any(case.failed and case.failed.name == LOG and case.taken for case in cases)
        checks.check(failed, "a sync of the log failed under pushes")
    case = SyncError("fdatasync", 6, environment=[("POWERCUT_KEEP_LOG", "1")])
    case.run(arguments.seed, forget_rewriting=True)
    plan = Plan(case.recording.events, 300, arguments.seed, start=case.start)
    must_lose(checks, "a start without rewriting and checkpoint of the log after a failed sync", case.recording, plan, arguments)


def at_checkpoint(seed):
    """Which syncs of the writing thread belong to the first checkpoint of large pushes; and those around them."""
    case = SyncError("fdatasync", 65_535, mode="large")
    case.run(seed)
    syncs = [event for event in case.recording.events[case.start :] if isinstance(event, Sync) and event.call == "fdatasync"]
    answered = next(i for i, event in enumerate(case.recording.events) if i >= case.start and isinstance(event, Acknowledged))
    at = next((event for event in syncs if event.name == DATABASE and event.since > answered), None)
    if not at:
        return []
    number = [event for event in syncs if event.thread == at.thread].index(at) + 1
    return [number - 2, number - 1, number, number + 1]


def sound(checks, case, arguments):
    states = 450 if arguments.long else 300
    plan = Plan(case.recording.events, states, arguments.seed, start=case.start, always=case.start_again())
    findings = examine(plan, case.recording.kept, case.recording.load.unanswered, arguments.workers)
    ended = {None: "it ran on", EXIT_DISK: "it ended with 70"}.get(case.ended, f"it ended with {case.ended}")
    answers = ", ".join(f"{count} x {status}" for status, count in sorted((case.statuses + case.changes).items()))
    print(f"      {case}: {case.sync_that_failed()}; {ended}; answers {answers or 'none'}; {findings}", flush=True)
    good = not findings.lossy and not findings.damaged and set(case.statuses) <= {200, 503} and case.after == {200: case.after[200]}
    good = good and set(case.changes) <= {201, 500, 503}
    good = good and case.after[200] >= 20
    checks.check(good, f"{case}: nothing acknowledged is lost", f"{case.statuses}, {case.changes}, {case.after}, {findings.examples}")


def main(arguments, checks):
    print(f"seed {arguments.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="tocsin-powercut-") as folder:
        Traced.shim = os.path.join(folder, "shim.so")
        source = os.path.join(HERE, "powercut_shim.c")
        subprocess.run(["cc", "-O1", "-Wall", "-shared", "-fPIC", "-o", Traced.shim, source, "-ldl"], check=True)
        for name, part in (("trace", trace_part), ("controls", controls_part), ("errors", errors_part)):
            if arguments.only in (None, name):
                began = time.monotonic()
                part(checks, arguments)
                print(f"      {name}: {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true", help="checkpoints under load, 30,000 states and more, a sweep of failing syncs")
    parser.add_argument("--states", type=int)
    parser.add_argument("--only", choices=("trace", "controls", "errors"))
    parser.add_argument("--faults", default="", metavar="TEXT", help="only failing syncs whose description holds this")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--rewrite-log", action="store_true", help="what if a start wrote the log again before it used it")
    parser.add_argument("--workers", type=int, default=2)
    parsed = parser.parse_args()
    parsed.states = parsed.states or (32_000 if parsed.long else 20_000)
    tocsin.run(lambda checks: main(parsed, checks), seconds=1_800 if parsed.long else 240)
