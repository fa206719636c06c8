#!/usr/bin/env python3
"""Random `kill -9` under load: what was acknowledged is there after the restart, and nothing is there twice.

    kill9.py [--postgres] [--cycles 30] [--senders 8] [--load SECONDS] [--check-every N] [--seed N]
    kill9.py --cycles 200 --load 0.3            the full form, about 3 minutes

Senders push unique, repeated and multi-alert bodies and firing/resolved pairs without a pause; each push carries its own number
in an annotation, so that a stored delivery can be traced back to the one push it came from. A push counts as acknowledged
only when its 2xx was read to the end. No push is ever sent again, so every number may occur once.

After each restart every push acknowledged since the last one is looked up, some of them down to the raw body; at the end all
deliveries, events and alerts are compared. Every few kills the file, as the kill left it, is copied and checked for damage.
"""

import argparse
import itertools
import json
import os
import random
import shutil
import sqlite3
import statistics
import tempfile
import threading
import time
from collections import Counter

import postgres
import tocsin

REPEATED_KEYS = 20
LOOKED_AT = 20  # pushes whose raw body is read after a restart


class Push:
    """One body, sent once. `resolves`: it recovers its keys."""

    def __init__(self, number, keys, resolves=False):
        self.number, self.keys, self.resolves = number, keys, resolves
        self.delivery = None

    def body(self):
        times = {"status": "resolved", "ends": "2026-03-02T10:30:00.000000000Z"} if self.resolves else {}
        return tocsin.arms_body([tocsin.arms_alert(key, push=str(self.number), **times) for key in self.keys])


class Load:
    """The senders, and what each push came to."""

    def __init__(self, push_url, port, senders, acks):
        self.push_url, self.port, self.acks = push_url, port, acks
        self.numbers = itertools.count(1)
        self.lock = threading.Lock()
        self.acknowledged, self.doubtful, self.refused, self.unexpected = {}, {}, {}, []
        self.up, self.ended = threading.Event(), False
        self.threads = [threading.Thread(target=self.work, args=(n,), daemon=True) for n in range(senders)]

    def work(self, number):
        sender = tocsin.Sender(self.push_url, self.port)
        for count in itertools.count():
            self.up.wait()
            if self.ended:
                return
            turn = ("unique", "repeated", "multi", "pair")[count % 4]
            own, shared = f"{turn}-{number}-{count}", f"repeated-{random.randrange(REPEATED_KEYS)}"
            if turn == "multi":
                self.send(sender, [shared] + [f"{own}-{n}" for n in range(4)])
            elif turn == "repeated":
                self.send(sender, [shared])
            elif self.send(sender, [own]) and turn == "pair":
                self.send(sender, [own], resolves=True)

    def send(self, sender, keys, resolves=False):
        """True when it was acknowledged."""
        push = Push(next(self.numbers), keys, resolves)
        try:
            status, answer = sender.push(push.body())
        except tocsin.NotSent:
            time.sleep(0.005)
            return False
        except tocsin.Unanswered:
            with self.lock:
                self.doubtful[push.number] = push
            return False
        with self.lock:
            if status == 200:
                push.delivery = answer["data"]["delivery_id"]
                self.acknowledged[push.number] = push
                print(push.number, push.delivery, *push.keys, file=self.acks, flush=True)
            elif status == 503:  # by contract not stored
                self.refused[push.number] = push
            else:
                self.unexpected.append((status, answer))
        return status == 200

    def pause(self):
        self.up.clear()

    def end(self):
        self.ended = True
        self.up.set()
        for thread in self.threads:
            thread.join(15)


class Verifier:
    """Compares what the API shows with what the senders know."""

    def __init__(self, checks, account, integration, load):
        self.checks, self.account, self.integration, self.load = checks, account, integration, load
        self.seen = set()
        self.problems = []

    def look_after_restart(self):
        """Every push that was acknowledged since the last look."""
        new = [push for push in list(self.load.acknowledged.values()) if push.number not in self.seen]
        if not new:
            return
        listed = self.newest_since(min(push.delivery for push in new))
        for push in new:
            self.seen.add(push.number)
            item = listed.get(push.delivery)
            if item is None:
                self.problems.append(f"push {push.number} was acknowledged and is lost: {push.delivery} is not listed")
            elif (item["outcome"], item["event_count"]) != ("accepted", len(push.keys)):
                self.problems.append(f"delivery {push.delivery}: {item['outcome']}, {item['event_count']} events")
        for push in random.sample(new, min(len(new), LOOKED_AT)):
            self.look_at(push)

    def newest_since(self, oldest):
        """The deliveries from `oldest` on, by id: ids ascend in the order of storing, lists show the last first."""
        deliveries = self.account.api.items(f"{self.account.path}/deliveries", integration_id=self.integration)
        return {item["id"]: item for item in itertools.takewhile(lambda item: item["id"] >= oldest, deliveries)}

    def look_at(self, push):
        try:
            delivery = self.account.delivery(push.delivery)
        except tocsin.APIError as error:
            self.problems.append(f"push {push.number} was acknowledged and is lost: {error}")
            return
        numbers, keys = content(delivery)
        if (numbers, keys) != ({push.number}, push.keys):
            self.problems.append(f"delivery {push.delivery} of push {push.number} holds {numbers} {keys}")
        if random.random() < 1 / LOOKED_AT:  # the rest is compared in one go at the end
            key = random.choice(push.keys)
            if not self.account.items("alerts", integration_id=self.integration, alert_key=key):
                self.problems.append(f"push {push.number} is kept, but there is no alert {key}")

    def look_at_the_end(self):
        self.look_after_restart()
        self.checks.equal(self.problems[:5], [], f"all {len(self.seen)} acknowledged pushes were there after each restart")
        stored = self.deliveries()
        self.alerts(stored)
        self.events()

    def deliveries(self):
        """Compares the list of deliveries; returns the pushes that are stored, the doubtful ones among them included."""
        acknowledged = {push.delivery: push for push in self.load.acknowledged.values()}
        listed = [item["id"] for item in self.account.items("deliveries", integration_id=self.integration)]
        twice = [name for name, count in Counter(listed).items() if count > 1]
        self.checks.equal(twice[:5], [], "no delivery id is listed twice")
        self.checks.equal(len(acknowledged), len(self.load.acknowledged), "no two pushes were given one delivery id")
        missing = set(acknowledged) - set(listed)
        self.checks.equal(sorted(missing)[:5], [], f"all {len(acknowledged)} acknowledged deliveries are listed")
        stored, strangers = dict(self.load.acknowledged), []
        for name in set(listed) - set(acknowledged):
            numbers, _ = content(self.account.delivery(name))
            number = min(numbers, default=None)
            if number in self.load.doubtful and number not in stored:
                stored[number] = self.load.doubtful[number]
            else:
                strangers.append((name, number))
        self.checks.equal(strangers[:5], [], "every other delivery is one push that was never answered")
        print(f"      of {len(self.load.doubtful)} unanswered pushes {len(stored) - len(acknowledged)} are stored")
        return stored.values()

    def alerts(self, stored):
        fired = Counter(key for push in stored if not push.resolves for key in push.keys)
        resolved = {key for push in stored if push.resolves for key in push.keys}
        alerts = self.account.items("alerts", integration_id=self.integration)
        active = self.account.items("alerts", integration_id=self.integration, active="true")
        rows, opened = Counter(a["alert_key"] for a in alerts), Counter(a["alert_key"] for a in active)
        self.checks.equal([k for k, n in opened.items() if n > 1][:5], [], "at most one open alert per key")
        self.checks.equal(different(rows, Counter(fired.keys())), [], f"one alert for each of {len(fired)} keys, none twice")
        counts = Counter({a["alert_key"]: a["event_count"] for a in alerts if a["alert_key"] not in resolved})
        expected = Counter({key: count for key, count in fired.items() if key not in resolved})
        self.checks.equal(different(counts, expected), [], "every alert counts exactly the pushes that are stored")
        still = [key for key in resolved if key in opened]
        self.checks.equal(still[:5], [], f"the {len(resolved)} alerts whose recovery is stored are recovered")
        lost = [key for key in fired if key not in resolved and key not in opened]
        self.checks.equal(lost[:5], [], "every other alert is open")

    def events(self):
        events = self.account.items("events", integration_id=self.integration)
        pairs = Counter((event["delivery_id"], event["alert_key"]) for event in events)
        self.checks.equal([p for p, n in pairs.items() if n > 1][:5], [], f"none of {len(events)} events is there twice")
        opened = Counter(event["alert_key"] for event in events if event["outcome"] == "opened")
        self.checks.equal([k for k, n in opened.items() if n > 1][:5], [], "no alert was opened twice")


def content(delivery):
    """The push numbers and the alert keys in a delivery's raw body."""
    alerts = json.loads(delivery["body"])["alerts"]
    return {int(alert["annotations"]["push"]) for alert in alerts}, [alert["fingerprint"] for alert in alerts]


def different(found, expected):
    return [(key, found[key], expected[key]) for key in {**found, **expected} if found[key] != expected[key]][:5]


def integrity(directory):
    """(file, what its checks say) of each SQLite file of a server that does not run: of copies, the files themselves stay untouched."""
    answers = []
    with tempfile.TemporaryDirectory(prefix="tocsin-check-") as copies:
        for parent, _, names in os.walk(directory):
            for name in names:
                path = os.path.join(parent, name)
                with open(path, "rb") as file:
                    if file.read(16) != b"SQLite format 3\0":
                        continue
                copy = shutil.copy(path, copies)
                if os.path.exists(path + "-wal"):  # the log is part of it, its index is made anew
                    shutil.copy(path + "-wal", copies)
                answers.append((name, verdict(copy)))
    return answers


def verdict(path):
    """What is wrong with a database, "ok" when nothing is."""
    database = sqlite3.connect(path)
    try:
        found = database.execute("PRAGMA integrity_check").fetchall() + database.execute("PRAGMA foreign_key_check").fetchall()
    except sqlite3.DatabaseError as error:
        found = str(error)
    finally:
        database.close()
    return "ok" if found == [("ok",)] else found


def check_files(checks, directory, when):
    answers = integrity(directory)
    checks.check(answers and all(answer == "ok" for _, answer in answers), f"{when}: integrity and foreign keys", str(answers)[:400])


def kill_cycles(server, load, verifier, arguments):
    restarts = []
    for cycle in range(arguments.cycles):
        load.up.set()
        time.sleep(random.uniform(0.02, arguments.load))
        server.kill()
        load.pause()
        if cycle % 4 == 3:  # now and then in the middle of a start, too
            server.launch()
            time.sleep(random.uniform(0, 0.2))
            server.kill()
        if (cycle + 1) % arguments.check_every == 0 and not server.database:
            check_files(verifier.checks, server.data, f"after kill {cycle + 1}")
        restarts.append(server.start())
        verifier.look_after_restart()
        if len(verifier.problems) > 20:
            break
    return restarts


def main(arguments, checks):
    random.seed(arguments.seed)
    print(f"seed {arguments.seed}, {arguments.cycles} cycles, {arguments.senders} senders")
    began = time.monotonic()
    with (
        postgres.engine(arguments.postgres) as cluster,
        tocsin.Server(database=postgres.fresh(cluster)) as server,
        open(os.path.join(server.directory, "acks.log"), "w", encoding="ascii") as acks,
    ):
        server.start()
        account = tocsin.Account(server, "Kill")
        integration = account.dedicated("aliyun-arms", "ARMS under kill -9", account.channel("Kill"))
        load = Load(integration["push_url"], server.port, arguments.senders, acks)
        verifier = Verifier(checks, account, integration["id"], load)
        for thread in load.threads:
            thread.start()
        restarts = kill_cycles(server, load, verifier, arguments)
        load.end()
        checks.equal(load.unexpected[:3], [], "every answer was 200 or 503")
        checks.check(len(load.acknowledged) > 10 * arguments.cycles, "the load was worth the name", str(len(load.acknowledged)))
        verifier.look_at_the_end()
        status, seconds = server.stop()
        checks.equal(status, 0, f"SIGTERM ends the server in good order ({seconds:.1f} s)")
        if cluster:
            checks.equal(cluster.log_lines("deadlock detected|PANIC|too many clients")[:3], [], "no deadlock in PostgreSQL's log")
        else:
            check_files(checks, server.data, "at the end")
        print(
            f"{len(restarts)} kills under load, {len(load.acknowledged)} pushes acknowledged, "
            f"{len(load.doubtful)} unanswered, {len(load.refused)} refused with 503; restart to ready "
            f"median {statistics.median(restarts):.2f} s, longest {max(restarts):.2f} s; {time.monotonic() - began:.0f} s in all"
        )
        if checks.failed:
            server.print_log()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL in place of SQLite; only the server is killed")
    parser.add_argument("--cycles", type=int, default=30)
    parser.add_argument("--senders", type=int, default=8)
    parser.add_argument("--load", type=float, default=0.8, help="seconds of load before a kill, at most")
    parser.add_argument("--check-every", type=int, default=5, help="kills between two checks of the file")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parsed = parser.parse_args()
    tocsin.run(lambda checks: main(parsed, checks), seconds=120 + 20 * parsed.cycles)
