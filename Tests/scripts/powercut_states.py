"""Rebuilds the states that a recorded server could have left behind and looks at each of them with SQLite."""

import ctypes
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import tempfile
from collections import Counter

import powercut_rows
from powercut_disk import Disk
from powercut_trace import Acknowledged, Sync

DATABASE = "tocsin.db"
SQLITE_FILES = (DATABASE, DATABASE + "-wal", DATABASE + "-journal")
SECRETS = ("root.secret", "operator.key")
KINDS = ("kill", "power cut", "torn")
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
# In a long row of writes without a sync, a checkpoint or a large commit, every boundary up to here and then every n-th.
EVERY_ONE, THEN_EVERY = 128, 16
FULL_CHECK_EVERY, RESTART_EVERY = 5, 25


class Plan:
    """At which boundaries to cut, and how often: about `states` states between the events `start` and the end, with all in `always`."""

    def __init__(self, events, states, seed, start=0, always=range(0), ignore_syncs_of=()):
        self.events, self.seed, self.ignored = events, seed, ignore_syncs_of
        boundaries = self.boundaries(start)
        self.all = len(boundaries)
        if len(boundaries) * 3 > states:
            boundaries = sorted(random.Random(seed).sample(boundaries, states // 3))
        self.cuts = {*boundaries, *always}
        self.torn = min(16, max(1, round(states / max(1, len(boundaries))) - 2))

    def boundaries(self, start):
        disk, result = Disk(ignore_syncs_of=self.ignored), []
        for index, event in enumerate(self.events):
            disk.apply(index, event)
            if index < start:
                continue
            count, following = disk.unsynced(), self.events[index + 1 : index + 2]
            if count <= EVERY_ONE or index % THEN_EVERY == 0 or (following and isinstance(following[0], Sync)):
                result.append(index)
        return result


class Findings:
    """What the states came to. Added up over the processes."""

    def __init__(self):
        self.states, self.keys, self.damaged, self.lossy = Counter(), set(), 0, 0
        self.lost_most, self.full, self.restarted = 0, 0, 0
        self.examples = []

    def add(self, other):
        self.states += other.states
        self.keys |= other.keys
        self.damaged += other.damaged
        self.lossy += other.lossy
        self.full += other.full
        self.restarted += other.restarted
        self.lost_most = max(self.lost_most, other.lost_most)
        self.examples = sorted(self.examples + other.examples)[:8]

    def bad(self, where, what):
        self.examples = sorted([*self.examples, f"event {where[0]:6} ({where[1]}): {what}"])[:8]

    def __str__(self):
        total, each = sum(self.states.values()), ", ".join(f"{kind} {self.states[kind]}" for kind in KINDS)
        return (
            f"{total} states ({each}), {len(self.keys)} different; {self.lossy} lost something acknowledged (at most {self.lost_most} "
            f"at once), {self.damaged} damaged; integrity_check on {self.full}, recovered as at a start {self.restarted}"
        )


class Worker:
    """Goes through the events with files in memory and cuts where it is this worker's turn."""

    def __init__(self, folder, plan, secrets, strangers):
        self.folder, self.plan, self.secrets, self.strangers = folder, plan, secrets, strangers
        self.shown = os.path.join(folder, "state")
        os.mkdir(self.shown)
        self.disk = Disk(folder, plan.ignored)
        self.bound, self.results = {}, {}
        told = dict.fromkeys(event.id for event in plan.events if isinstance(event, Acknowledged))
        self.known = {name: 1 << bit for bit, name in enumerate(told)}
        self.findings = Findings()

    def run(self, number, workers):
        acknowledged = epoch = 0
        for index, event in enumerate(self.plan.events):
            self.disk.apply(index, event)
            epoch += isinstance(event, Sync)
            if isinstance(event, Acknowledged):
                acknowledged |= self.known[event.id]
            if index in self.plan.cuts and epoch % workers == number:
                self.cut(index, acknowledged)
        return self.findings

    def cut(self, index, acknowledged):
        luck = random.Random(f"{self.plan.seed} {index}")
        self.compare((index, "kill"), self.disk.all_written(), acknowledged)
        self.compare((index, "power cut"), self.disk.all_lost(), acknowledged)
        for _ in range(self.plan.torn):
            self.compare((index, "torn"), self.disk.some_lost(luck), acknowledged)

    def compare(self, where, state, acknowledged):
        """Looks at one state and compares it with what was acknowledged before it."""
        patches = {name: (file, file.durable.patched(changes)) for name, (file, changes) in state.items()}
        key = hash(tuple(sorted((name, patch[3]) for name, (_, patch) in patches.items())))
        self.findings.states[where[1]] += 1
        self.findings.keys.add(key)
        if key not in self.results:
            self.results[key] = self.look(patches)
        stored, problems = self.results[key]
        problems = list(problems)
        if acknowledged:
            problems += [f"{name} is not whole" for name in self.secrets if not self.is_whole(name, state)]
        missing = (acknowledged & ~stored).bit_count()
        self.findings.lossy += bool(missing)
        self.findings.lost_most = max(self.findings.lost_most, missing)
        self.findings.damaged += bool(problems)
        if missing:
            self.findings.bad(where, f"{missing} of {acknowledged.bit_count()} acknowledged are lost")
        for problem in problems:
            self.findings.bad(where, problem)

    def is_whole(self, name, state):
        return name in state and self.disk.contents({name: state[name]})[name] == self.secrets[name]

    def look(self, patches):
        """(mask of the known ids that are stored, problems) of a state not seen before."""
        patches = {name: patch for name, patch in patches.items() if name in SQLITE_FILES}
        self.bind({name: file for name, (file, _) in patches.items()})
        for file, (size, kept, pages, _) in patches.values():
            file.durable.show(size, kept, pages)
        try:
            return self.verdict()
        finally:
            for file, (_, kept, pages, _) in patches.values():
                file.durable.hide(kept, pages)

    def bind(self, files):
        """Gives the files their names of this state."""
        if os.path.exists(shared := os.path.join(self.shown, DATABASE + "-shm")):
            os.unlink(shared)
        for name in SQLITE_FILES:
            path, file = os.path.join(self.shown, name), files.get(name)
            if self.bound.get(name) is file and os.path.exists(path) == (file is not None):
                continue
            if os.path.exists(path):
                os.unlink(path)
            if file:
                os.link(file.path, path)
            self.bound[name] = file

    def verdict(self):
        count = len(self.results)
        path, journal = (os.path.join(self.shown, name) for name in (DATABASE, DATABASE + "-journal"))
        if not os.path.exists(path):
            return 0, []
        has_journal = os.path.exists(journal) and os.path.getsize(journal) > 0
        if not has_journal:
            # Read-only: it recovers the log in memory and leaves the files alone.
            self.findings.full += (is_full := count % FULL_CHECK_EVERY == 0)
            result = self.opened(path, "mode=ro", is_full)
            if count % RESTART_EVERY:
                return result
        copy = os.path.join(self.folder, "copy")
        shutil.copytree(self.shown, copy, ignore=shutil.ignore_patterns("*-shm"))
        self.findings.restarted += 1
        again = self.opened(os.path.join(copy, DATABASE), "mode=rw", True)
        shutil.rmtree(copy)
        if not has_journal and (again[0] != result[0] or bool(again[1]) != bool(result[1])):
            again[1].append("a checkpoint as at the start changes what is there")
        return again

    def opened(self, path, mode, is_full):
        try:
            database = sqlite3.connect(f"file:{path}?{mode}", uri=True, isolation_level=None)
            try:
                if mode == "mode=rw":
                    database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                check = "integrity_check" if is_full else "quick_check"
                problems = [row[0] for row in database.execute(f"PRAGMA {check}(3)") if row[0] != "ok"]
                deliveries, configuration, more = powercut_rows.read(database)
            finally:
                database.close()
        except (sqlite3.DatabaseError, ValueError) as error:
            return 0, [f"cannot be read: {error}"]
        stored = sum(map(self.known.get, self.known.keys() & (deliveries | configuration)))
        return stored, problems + more + self.judge(deliveries)

    def judge(self, deliveries):
        strangers = sum(name not in self.known for name in deliveries)
        return [f"{strangers} deliveries that nobody was told of"] if strangers > self.strangers else []


def examine(plan, secrets, strangers, workers=2):
    """The findings of all states of a plan, made by some processes that end with this one."""
    context = multiprocessing.get_context("fork")
    folder = tempfile.mkdtemp(prefix="tocsin-powercut-", dir=MEMORY)
    processes, pipes = [], []
    try:
        for number in range(workers):
            mine, theirs = context.Pipe(duplex=False)
            place = os.path.join(folder, str(number))
            process = context.Process(target=work, args=(theirs, place, plan, secrets, strangers, number, workers), daemon=True)
            process.start()
            theirs.close()
            processes.append(process)
            pipes.append(mine)
        findings = Findings()
        for pipe in pipes:
            findings.add(pipe.recv())
        return findings
    finally:
        for process in processes:
            process.join(2)
            if process.is_alive():
                process.kill()
                process.join(5)
        shutil.rmtree(folder, ignore_errors=True)


def work(pipe, folder, plan, secrets, strangers, number, workers):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.alarm(0)
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: not without the script
    os.mkdir(folder)
    pipe.send(Worker(folder, plan, secrets, strangers).run(number, workers))
