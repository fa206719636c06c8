#!/usr/bin/env python3
"""Retention under load: what is due goes, nothing else does, the file stops growing and pushes go on.

    retention.py [--rounds 6] [--seconds 4] [--rate 120] [--senders 4] [--spread]
    retention.py --rounds 8 --seconds 60 --rate 300 --spread          the full form: a quarter of an hour

Each round pushes alerts and their recoveries for some seconds, while what former rounds pushed is purged. Between two rounds the server is
stopped and the stored times, those in identifiers included, are moved back: what is one round old loses its bodies in the next, what is
two rounds old its deliveries and events, what is three rounds old its ended alerts, what is four rounds old its audit. Without --spread
all that is due of a round is due at once when the server starts; with it, row by row, as it was pushed.
A second account keeps everything. It gets pushes, and some alerts stay open, in the first two rounds only: later as much goes as comes.

Printed for each round: the sizes of the files, and the p99 of pushes while rows are being purged and while none are.
"""

import argparse
import itertools
import os
import re
import sqlite3
import threading
import time
import urllib.request
from collections import Counter

import tocsin

DAY = 86_400_000  # milliseconds
AGES = [0, 7 * DAY, 30 * DAY, 90 * DAY, 200 * DAY]  # how old a round is made before each of the rounds after it
KEEP = {"body_days": 7, "event_days": 30, "alert_days": 90, "audit_days": 200}
KEEP_ALL = {"body_days": 400, "event_days": 400, "alert_days": 4000, "audit_days": 4000}
TIMES = {  # the columns to move: identifiers, times
    "deliveries": (["id", "last_event_id"], ["received_at"]),
    "events": (["id", "delivery_id"], ["received_at", "occurred_at"]),
    "alerts": (["id"], ["first_seen_at", "last_seen_at", "ended_at"]),
    "audit": (["id"], ["at"]),
}


class Load:
    """Senders that fire and recover unique alerts at a given rate until told to stop.

    `lasting`: of every tenth alert the second account is told, and every tenth stays open.
    """

    def __init__(self, integrations, port, senders, rate, lasting):
        self.port, self.rate, self.lasting = port, rate, lasting
        self.lock, self.ended = threading.Lock(), threading.Event()
        self.acknowledged, self.problems, self.latencies = Counter(), [], []
        self.threads = [threading.Thread(target=self.send, args=(integrations, index, senders)) for index in range(senders)]

    def send(self, integrations, index, senders):
        ways = {name: tocsin.Sender(url, self.port) for name, url in integrations.items()}
        at = time.monotonic() + index / self.rate
        for number in itertools.count():
            if self.ended.wait(max(0, at - time.monotonic())):
                break
            name = "long" if self.lasting and number % 10 == 3 else "short"
            key = f"{time.time_ns()}-{index}"
            self.push(ways[name], name, [tocsin.arms_alert(key)])
            if number % 10 or not self.lasting:
                recovery = tocsin.arms_alert(key, "resolved", ends="2026-03-02T10:30:00.000000000Z")
                self.push(ways[name], name, [recovery])
            at = max(at + 2 * senders / self.rate, time.monotonic() - 1)
        for way in ways.values():
            way.close()

    def push(self, way, name, alerts):
        began = time.monotonic()
        try:
            status, answer = way.push(tocsin.arms_body(alerts))
        except (tocsin.NotSent, tocsin.Unanswered) as error:
            status, answer = None, str(error)
        with self.lock:
            self.latencies.append((began, time.monotonic() - began))
            if status == 200:
                self.acknowledged[name] += 1
            else:
                self.problems.append((status, answer))

    def run(self, seconds, look):
        """Runs for `seconds`; `look` is called every tenth of a second."""
        end = time.monotonic() + seconds
        for thread in self.threads:
            thread.start()
        while time.monotonic() < end:
            look()
            time.sleep(0.1)
        self.ended.set()
        for thread in self.threads:
            thread.join(30)


class Purges:
    """How many rows the server says it purged, over time."""

    def __init__(self, port):
        self.port = port
        self.seen = []  # (moment, count of each kind)

    def look(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        counts = {kind: int(count) for kind, count in re.findall(r'^tocsin_purged_total\{kind="(\w+)"\} (\d+)', text, re.M)}
        self.seen.append((time.monotonic(), counts))
        return counts

    def busy(self):
        """The spans between two looks in which rows were purged."""
        pairs = zip(self.seen, self.seen[1:])
        return [(before[0], after[0]) for before, after in pairs if sum(before[1].values()) < sum(after[1].values())]


class Store:
    """The database of a stopped server."""

    def __init__(self, server):
        self.path = os.path.join(server.data, "tocsin.db")

    def __enter__(self):
        self.database = sqlite3.connect(self.path, isolation_level=None)
        self.database.create_function("earlier", 2, earlier, deterministic=True)
        return self

    def __exit__(self, *_):
        self.database.close()

    def age(self, first, last, by):
        """Moves rows with identifiers made from `first` until before `last` (milliseconds) back in time."""
        execute = self.database.execute
        execute("BEGIN")
        for table, (identifiers, times) in TIMES.items():
            moves = [f"{column} = earlier({column}, {by})" for column in identifiers] + [f"{column} = {column} - {by}" for column in times]
            execute(f"UPDATE {table} SET {', '.join(moves)} WHERE account_id <> 0 AND id >= ? AND id < ?", (lowest(first), lowest(last)))
        marked = "bodies_purged_to >= ? AND bodies_purged_to < ?"
        execute(f"UPDATE account_usage SET bodies_purged_to = earlier(bodies_purged_to, {by}) WHERE {marked}", (lowest(first), lowest(last)))
        execute("COMMIT")

    def rows(self):
        """{table: {(account, id): what of it is checked}}"""
        found = {}
        for table, what in [("deliveries", "body IS NOT NULL"), ("events", "1"), ("alerts", "ended_at"), ("audit", "1")]:
            rows = self.database.execute(f"SELECT account_id, id, {what} FROM {table} WHERE account_id <> 0")
            found[table] = {(account, identifier): value for account, identifier, value in rows}
        return found

    def number(self, account):
        """The number inside of the account that has this name."""
        return self.database.execute("SELECT account_id FROM accounts WHERE name = ?", (account,)).fetchone()[0]

    def stored_bytes(self):
        """[(account, bytes it is said to keep, bytes it keeps)]"""
        return self.database.execute(
            "SELECT u.account_id, u.stored_bytes + COALESCE((SELECT a.record_bytes FROM accounts a"
            " WHERE a.account_id = u.account_id), 0),"
            " (SELECT COALESCE(SUM(LENGTH(d.body)), 0) FROM deliveries d WHERE d.account_id = u.account_id)"
            " + (SELECT COALESCE(SUM(r.bytes), 0) FROM audit r WHERE r.account_id = u.account_id)"
            " + (SELECT COALESCE(SUM(k.bytes), 0) FROM idempotency_keys k WHERE k.account_id = u.account_id)"
            " FROM account_usage u"
        ).fetchall()

    def pages(self):
        return [self.database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")]

    def integrity(self):
        return self.database.execute("PRAGMA integrity_check").fetchall()


def moment(identifier):
    return int.from_bytes(identifier[:6], "big")


def lowest(milliseconds):
    return max(0, milliseconds).to_bytes(6, "big") + bytes(10)


def earlier(identifier, by):
    return None if identifier is None else (moment(identifier) - by).to_bytes(6, "big") + identifier[6:]


def now():
    return time.time_ns() // 1_000_000


class Round:
    """When it began and ended, and how far it was moved back since."""

    def __init__(self):
        self.began = now()
        self.ended = self.moved = 0

    def age(self, store, age, start, spread):
        """Moves it back so that it is `age` old at `start`, or becomes so from then on, row by row."""
        moved = age - (start - self.began) if spread else age
        store.age(self.began - self.moved, self.ended + 1 - self.moved, moved - self.moved)
        self.moved = moved


def after_purge(rows, account, at):
    """What must be left of `rows` at this time, and how many rows of each kind go."""
    left, gone = {table: {} for table in rows}, Counter()
    body, event, alert, audit = (at - age for age in AGES[1:])
    for (owner, identifier), has_body in rows["deliveries"].items():
        made = moment(identifier)
        if owner == account and made < event:
            gone["deliveries"] += 1
            continue
        purged = owner == account and has_body and made < body
        gone["bodies"] += bool(purged)
        left["deliveries"][owner, identifier] = 0 if purged else has_body
    for table, bound in [("events", event), ("audit", audit)]:
        left[table] = {key: value for key, value in rows[table].items() if key[0] != account or moment(key[1]) >= bound}
    left["alerts"] = {key: end for key, end in rows["alerts"].items() if key[0] != account or end is None or end >= alert}
    for table in ("events", "audit", "alerts"):
        gone[table] = len(rows[table]) - len(left[table])
    return left, gone


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1000 if values else float("nan")


def spans_of(load, busy):
    """The latencies of pushes that met a purge, and of the others."""
    met, others, spans = [], [], iter(busy)
    span = next(spans, None)
    for began, took in sorted(load.latencies):
        while span and span[1] < began:
            span = next(spans, None)
        (met if span and span[0] <= began + took else others).append(took)
    return met, others


class Test:
    def __init__(self, arguments, checks, server):
        self.arguments, self.checks, self.server = arguments, checks, server
        self.rounds, self.sizes, self.used, self.met, self.others = [], [], [], [], []
        self.account = None
        self.urls = {}

    def set_up(self):
        for name, retention in [("short", KEEP), ("long", KEEP_ALL)]:
            account = tocsin.Account(self.server, name)
            self.urls[name] = account.dedicated("aliyun-arms", "ARMS", account.channel("All"))["push_url"]
            operator = tocsin.API(self.server.port, self.server.operator_key())
            operator.call("PATCH", account.path, {"retention": retention})
            operator.close()

    def run(self):
        for index in range(self.arguments.rounds):
            before = self.age()
            self.round(index, before)

    def age(self):
        """Moves the former rounds back; what the store then holds."""
        if not self.rounds:
            return None
        with Store(self.server) as store:
            start = now() + 2_000
            for age, former in zip(AGES[1:], reversed(self.rounds)):
                former.age(store, age, start, self.arguments.spread)
            self.account = store.number("short")
            return store.rows()

    def round(self, index, before):
        this = Round()
        self.rounds.append(this)
        self.server.start()
        purges = Purges(self.server.port)
        if not self.urls:
            self.set_up()
        load = Load(self.urls, self.server.port, self.arguments.senders, self.arguments.rate, index < 2)
        load.run(self.arguments.seconds, purges.look)
        # Rounds that are due row by row are all due by now, except for the time that the start took.
        time.sleep(3 if self.arguments.spread else 0)
        expected, gone = after_purge(before, self.account, now()) if before else ({}, Counter())
        self.wait_for(gone, purges)
        self.server.stop()
        this.ended = now()
        self.look(index, this, expected, gone, purges, load)

    def wait_for(self, gone, purges):
        """Waits until as many rows as are due were purged, and a little longer."""

        def is_done():
            seen = purges.look()
            return all(seen.get(kind, 0) >= count for kind, count in gone.items())

        try:
            tocsin.wait_until("all that is due was purged", is_done, 150 if self.arguments.spread else 20)
        except TimeoutError as error:
            print(f"      {error}: {dict(gone)} due, {purges.seen[-1][1]} purged")
        time.sleep(0.2)

    def look(self, index, this, expected, gone, purges, load):
        with Store(self.server) as store:
            found, bytes_kept, integrity = store.rows(), store.stored_bytes(), store.integrity()
            pages, free, size = store.pages()
        self.sizes.append(pages * size)
        self.used.append((pages - free) * size)
        what = f"round {index}: "
        for table, rows in expected.items():
            old = {key: value for key, value in found[table].items() if moment(key[1]) < this.began}
            lost, extra = rows.keys() - old.keys(), old.keys() - rows.keys()
            wrong = [key for key in rows.keys() & old.keys() if rows[key] != old[key]]
            self.checks.check(not lost, what + f"none of {len(rows)} {table} that are kept is gone", f"{len(lost)} are")
            self.checks.check(not extra, what + f"all {gone[table]} {table} that are due are gone", f"{len(extra)} are left")
            if table == "deliveries":
                self.checks.check(not wrong, what + f"{gone['bodies']} bodies are gone, where due and nowhere else", str(len(wrong)))
        new = sum(has_body for (_, identifier), has_body in found["deliveries"].items() if moment(identifier) >= this.began)
        self.checks.equal(new, sum(load.acknowledged.values()), what + "every push of the round is kept whole")
        self.checks.equal(load.problems[:3], [], what + "every push was answered with 200")
        wrong = [row for row in bytes_kept if row[1] != row[2]]
        self.checks.equal(wrong, [], what + "stored_bytes is what is kept")
        self.checks.equal(purges.seen[-1][1], {**dict.fromkeys(purges.seen[-1][1], 0), **gone}, what + "nothing more was purged than was due")
        self.checks.equal(integrity, [("ok",)], what + "PRAGMA integrity_check")
        met, others = spans_of(load, purges.busy())
        self.met, self.others = self.met + met, self.others + others
        print(
            f"      {pages * size / 1e6:.1f} MB ({free * size / 1e6:.1f} MB of it free), {len(load.latencies)} pushes; p99 while purging "
            f"{percentile(met, 0.99):.1f} ms ({len(met)} pushes), else {percentile(others, 0.99):.1f} ms ({len(others)})"
        )

    def sum_up(self):
        print("size after each round, MB:", *[f"{size / 1e6:.1f}" for size in self.sizes])
        for share, name in [(0.5, "p50"), (0.99, "p99")]:
            met, others = percentile(self.met, share), percentile(self.others, share)
            print(f"{name} of pushes: {met:.1f} ms while rows are purged, {others:.1f} ms else, ratio {met / others:.2f}")
        if len(self.sizes) > 5:
            # What comes before the first purge of a round takes new pages, which are free afterwards: once more than in the rounds before.
            for name, sizes, share in [("used part of the file", self.used, 1.05), ("file", self.sizes, 1.1)]:
                grown = sizes[-1] / sizes[3]
                self.checks.check(grown <= share, f"the {name} no longer grows once as much goes as comes (by {100 * grown - 100:.0f} %)")


def main(arguments, checks):
    began = time.monotonic()
    with tocsin.Server() as server:
        test = Test(arguments, checks, server)
        test.run()
        test.sum_up()
        if checks.failed:
            server.print_log()
    print(f"{time.monotonic() - began:.0f} s in all")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rate", type=float, default=120, help="pushes a second")
    parser.add_argument("--senders", type=int, default=4)
    parser.add_argument("--spread", action="store_true", help="what is due becomes so row by row")
    parsed = parser.parse_args()
    tocsin.run(lambda checks: main(parsed, checks), seconds=60 + int(parsed.rounds * (parsed.seconds + 160)))
