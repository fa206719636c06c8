"""One node and two on one PostgreSQL, next to Alertmanager: the most that they take, and what a sender waits at half of one node's most.

PostgreSQL is a cluster of its own, as durable as in production (fsync, synchronous_commit), on the disk of the data directories. Each
measurement has a new database in it; the one before was dropped, which also writes out what is in memory. Two nodes are loaded by one wrk
that has a thread and half of the connections for each, so their latencies are merged as they are. An account's pushes wait for each other (its
lock), so the same load is also spread over eight accounts.

CPU is that of the nodes and of every process of PostgreSQL, of which the line below a side's shows PostgreSQL's part. Memory is apart: the
nodes' resident one, and PostgreSQL's proportional one (PSS), which counts what its processes share once.
"""

import contextlib
import os
import subprocess
import sys
import tempfile

import nodes
import postgres
import report
import tocsin
from offered import UNIQUE, form_rows
from pushes import PUSHES, compared, maximum
from sides import AlertmanagerSide, TocsinSide, cpu_seconds, push_path

ACCOUNTS = 8
LOG_MB = 1_024  # of PostgreSQL's log: more than one measurement writes
# The forms that are pushed, and what the rate of one node over Alertmanager's should be.
GOALS = {"repeated": "", "unique": "rate ≥ 0.5", "hundred": ""}
WAIT_GOAL = "p99 < 50 ms"
COMPARED = ("rate", "alerts_rate", "p50_ms", "p99_ms", "max_ms", "cpu_us")


class OnPostgres:
    """A side: so many nodes, and the load spread over so many accounts."""

    def __init__(self, cluster, count, accounts=1):
        self.cluster, self.count, self.accounts = cluster, count, accounts
        self.name = ("one node" if count == 1 else f"{count} nodes") + (f", {accounts} accounts" if accounts > 1 else "")

    def __call__(self, _):
        return Running(self.cluster, self.count, self.accounts)


class Running(TocsinSide):
    """Fresh nodes on a new database. Their directories are where the cluster's is."""

    def __init__(self, cluster, count, accounts):
        self.cluster, self.accounts = cluster, accounts
        self.place = nodes.Nodes(cluster, tocsin.Checks(), roles=["all"] * count)
        self.servers, self.server = self.place.all, self.place[0]

    def start(self):
        super().start()
        self.place.start_others(self.servers[1:])
        others = [tocsin.Account(self.server, f"Bench {n}") for n in range(1, self.accounts)]
        self.paths = [self.path, *(push_path(other.dedicated("aliyun-arms", "ARMS", other.channel("Bench"))) for other in others)]

    def __exit__(self, *problem):
        super().__exit__(*problem)
        if not any(problem):
            self.cluster.sql(f"DROP DATABASE {self.place.database} WITH (FORCE)")

    def places(self, generator):
        paths = generator.write("paths", "".join(f"{path}\n" for path in self.paths).encode())
        return [f"paths={paths}", "ports=" + ",".join(str(node.port) for node in self.servers)]

    def cpu(self):
        database = cpu_of(self.cluster)
        return {"cpu_us": database + sum(cpu_seconds(node.process.pid) for node in self.servers), "database_cpu_us": database}

    def memory(self):
        return {"memory": sum(node.resident_memory() for node in self.servers), "database_memory": total(self.cluster.processes(), share_of_memory)}


def cpu_of(cluster):
    """CPU seconds of all processes of the cluster so far. The parent waits for those that end and so knows what they used."""
    while True:
        parent, *children = cluster.processes()
        before = cpu_seconds(parent, with_ended=True)
        found = before + total(children, cpu_seconds)
        if cpu_seconds(parent, with_ended=True) == before:  # else one may have ended in between, and count twice or not at all
            return found


def share_of_memory(pid):
    """Bytes, in which a page of several processes counts for each by its share (PSS)."""
    return int(report.field(f"/proc/{pid}/smaps_rollup", r"^Pss:\s+(\d+)")) * 1024


def total(pids, measure):
    """The sum over those that are still there."""
    found = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            found += measure(pid)
    return found


@contextlib.contextmanager
def cluster_in(parent):
    """A durable cluster below `parent`, as everything else that names no directory of its own meanwhile.

    Its log has been written once: a server that has run for a while uses the files of its log again, while a new one makes a file of 16 MB for
    each 16 MB, and every commit waits for that (0.7 to 2 s on a disk that has other work).
    """
    kept, tempfile.tempdir = tempfile.tempdir, parent
    try:
        with postgres.PostgreSQL(settings=[f"min_wal_size = {LOG_MB}MB"]) as cluster:
            cluster.sql(
                f"SELECT pg_logical_emit_message(false, 'fill', repeat('x', 1 << 20)) FROM generate_series(1, {LOG_MB});"
                "CHECKPOINT; SELECT pg_switch_wal(); CHECKPOINT;",
                seconds=300,
            )
            yield cluster
    finally:
        tempfile.tempdir = kept


def check(options):
    """Ends the run, before anything is measured, if there is no PostgreSQL or it could not use the disk."""
    postgres.find_binaries()
    if subprocess.run([*postgres.PostgreSQL().user, "test", "-x", options.data_parent], check=False).returncode:
        sys.exit(f"the user postgres can't enter {options.data_parent}: name another directory with --data-parent, or use --without server")


def conditions():
    version = report.first_line(os.path.join(postgres.find_binaries(), "postgres"), "--version")
    return f"{version}, fsync and synchronous_commit on, min_wal_size {LOG_MB} MB and that much written before, other settings its defaults"


def push_rows(options, generator, cluster, one, maxima):
    two = OnPostgres(cluster, 2)
    spread = {node: OnPostgres(cluster, node.count, ACCOUNTS) for node in (one, two)}
    for form in PUSHES:
        name, _, _, what, _ = form
        if name not in options.pushes or name not in GOALS:
            continue
        sides = (one, two, AlertmanagerSide, *(spread.values() if name == "unique" else ()))
        results = compared(options, generator, sides, form, maxima)
        yield from report.rows(what, results)
        pairs = [(one, AlertmanagerSide, GOALS[name]), (two, AlertmanagerSide, ""), (two, one, "")]
        pairs += [(spread[one], one, ""), (spread[two], two, ""), (spread[two], spread[one], "")] if name == "unique" else []
        for ours, theirs, goal in pairs:
            title = f"{what}: {ours.name} / {theirs.name}"
            yield report.ratio(title, results[ours], results[theirs], goal, names=COMPARED, bold=("rate",) if goal else ())


def rows(options, generator):
    with cluster_in(options.data_parent) as cluster:
        one, maxima = OnPostgres(cluster, 1), {}
        yield from push_rows(options, generator, cluster, one, maxima)
        rate = options.offered_rate or max(100, round(maximum(options, generator, one, maxima) / 2, -2))
        yield from form_rows(options, generator, (one, AlertmanagerSide), UNIQUE, rate, first_goal=WAIT_GOAL, names=COMPARED)
