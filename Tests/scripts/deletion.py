#!/usr/bin/env python3
"""An account with many alerts is deleted: its pushes are refused at once, its rows go to the last one and are counted, a neighbour goes on.

    deletion.py [--alerts 10000] [--quiet 5] [--rate 100] [--kills 2] [--watch SECONDS] [--parent DIRECTORY]
    deletion.py --alerts 1000000 --quiet 60 --rate 200 --kills 0 --watch 120 --parent DIRECTORY    the full form, on a real disk

The server is killed (kill -9) some times while it removes rows: the counts stay exact. Printed and not asserted: the neighbour's latency in
quiet and while rows are removed (goal: a p99 of at most 1.2 times the quiet one), and how long it all took. --watch: the neighbour is
watched for so long at most; the rest is waited for.
"""

import argparse
import http.client
import pathlib
import sqlite3
import sys
import tempfile
import time

import pace
import tocsin

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))
import load  # noqa: E402

GOAL = 1.2
ALERTS = 100  # in a push


class Victim:
    """The account that is deleted."""

    def __init__(self, server, alerts):
        self.account = tocsin.Account(server, "Leaving")
        self.pushes, self.alerts = alerts // ALERTS, alerts // ALERTS * ALERTS
        integration = self.account.dedicated("aliyun-arms", "Many", self.account.channel("Many"))
        self.account.api.call("PATCH", f"{self.account.path}/integrations/{integration['id']}", {"rate_limit": {"pushes_per_second": 100_000, "burst": 100_000}})
        self.url = integration["push_url"]
        self.operator = tocsin.API(server.port, server.operator_key())
        self.operator.call("PATCH", self.account.path, {"stored_bytes_limit": 1 << 40})

    def fill(self, port):
        """Pushes of a hundred new alerts each."""
        body = tocsin.arms_body([tocsin.arms_alert(f"{load.ID}-{n:02d}") for n in range(ALERTS)])
        path = "/p/" + self.url.rsplit("/", 1)[1]
        with tempfile.TemporaryDirectory(prefix="tocsin-test-") as directory:
            result = load.Generator(directory).run(port, load.post(path, body), limit=1800, connections=16, count=self.pushes)
        if result["bad"] or result["requests"] != self.pushes:
            raise RuntimeError(f"filling: {result}")

    def deletion(self):
        return self.operator.get(f"/v1/deletions/{self.account.id}")

    def is_finished(self):
        try:
            return self.deletion()["status"] == "finished"
        except (OSError, http.client.HTTPException):
            return False


def number_of(path, account):
    """The number under which the rows of an account are kept."""
    digits = account.split("_")[1]
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    value = 0
    for digit in digits:
        value = value << 5 | alphabet.index(digit)
    with sqlite3.connect(path) as database:
        return database.execute("SELECT account_id FROM accounts WHERE id = ?", (value.to_bytes(16, "big"),)).fetchone()[0]


def rows_of(path, number):
    """{table: rows of the account}, without what stays."""
    with sqlite3.connect(path) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        counts = {}
        for name in names:
            columns = {row[1] for row in database.execute(f"PRAGMA table_info({name})")}
            if "account_id" in columns and name not in ("accounts", "account_deletions", "account_deletion_counts"):
                counts[name] = database.execute(f"SELECT COUNT(*) FROM {name} WHERE account_id = ?", (number,)).fetchone()[0]
        return counts


def delete(victim, server, checks):
    """Answers when it began, and what was held then."""
    held = victim.operator.get(victim.account.path)["stored_bytes"]
    began = time.monotonic()
    answer = victim.operator.call("DELETE", victim.account.path)
    checks.equal((answer["status"], answer["stored_bytes"]), ("running", held), "the deletion is answered at once, and is running")
    sender = tocsin.Sender(victim.url, server.port)
    checks.equal(sender.push(tocsin.arms_body([tocsin.arms_alert("late")]))[0], 401, "a push right after it is refused")
    sender.close()
    return began


def kill_while_removing(victim, server, options, checks):
    """Kills and starts the server while rows are being removed."""
    for kill in range(options.kills):
        seen = sum(victim.deletion()["removed"].values())
        goes = lambda seen=seen: victim.is_finished() or sum(victim.deletion()["removed"].values()) > seen
        tocsin.wait_until("rows go", goes, 30, every=0.05)
        checks.check(not victim.is_finished(), f"kill {kill + 1}: rows are still being removed")
        server.kill()
        server.start()


def watch(victim, neighbour, options):
    """The neighbour's figures while rows are removed."""
    neighbour.section("purge")
    end = time.monotonic() + options.watch
    while time.monotonic() < end and not victim.is_finished():
        time.sleep(0.5)
    return neighbour.section("between")


def report(quiet, busy):
    print("| | pushes | p50 ms | p99 ms | max ms |\n|---|---|---|---|---|")
    for name, figures in (("quiet", quiet), ("while rows are removed", busy)):
        numbers = " | ".join(f"{pace.percentile([figures], part):.2f}" for part in (50, 99, 100))
        print(f"| {name} | {len(figures['times'])} | {numbers} |")
    ratio = pace.percentile([busy], 99) / pace.percentile([quiet], 99)
    print(f"      p99: {ratio:.2f} times the quiet one (goal: {GOAL}), on the same cores as the neighbour itself", flush=True)


def check_proof(victim, checks):
    end = victim.deletion()
    removed = end["removed"]
    found = [removed[name] for name in ("deliveries", "events", "alerts", "integrations", "channels", "account_usage")]
    checks.equal(found, [victim.pushes, victim.alerts, victim.alerts, 1, 1, 1], "each row was counted once")
    entry = victim.operator.get("/v1/audit", action="account.purge", resource=victim.account.id)["items"]
    checks.equal([item["detail"]["removed"] for item in entry], [removed], "the installation's record has the same, once")


def main(options, checks):
    with tocsin.Server(options.parent) as server:
        server.start()
        stays = tocsin.Account(server, "Staying")
        integration = stays.dedicated("aliyun-arms", "Steady", stays.channel("Steady"))
        victim = Victim(server, options.alerts)
        began = time.monotonic()
        victim.fill(server.port)
        print(f"      {victim.alerts} alerts in {victim.pushes} pushes, stored in {time.monotonic() - began:.1f} s", flush=True)
        with pace.Neighbour(integration["push_url"], server.port, options.rate) as neighbour:
            neighbour.watch("warm-up", 2)
            quiet = neighbour.watch("quiet", options.quiet)
            began = delete(victim, server, checks)
            busy = watch(victim, neighbour, options)
        wrong = [example for figures in (quiet, busy) for example in figures["examples"]] + [f for f in (quiet, busy) if f["unfinished"]]
        checks.equal(wrong, [], "each of the neighbour's pushes was a 200")
        kill_while_removing(victim, server, options, checks)
        tocsin.wait_until("the deletion is finished", victim.is_finished, options.patience, every=0.2)
        print(f"      finished {time.monotonic() - began:.1f} s after the call", flush=True)
        report(quiet, busy)
        check_proof(victim, checks)
        status, _ = server.stop()
        checks.equal(status, 0, "SIGTERM ends the server in good order")
        path = f"{server.data}/tocsin.db"
        left = rows_of(path, number_of(path, victim.account.id))
        checks.check(len(left) > 20 and not any(left.values()), f"no row is left in {len(left)} tables", str({k: v for k, v in left.items() if v}))
        kept = rows_of(path, number_of(path, stays.id))
        checks.check(kept["alerts"] == pace.KEYS and kept["deliveries"] >= len(quiet["times"]), "the neighbour's rows are there", str(kept))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--alerts", type=int, default=10_000)
    parser.add_argument("--quiet", type=float, default=3)
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--watch", type=float, default=1.5)
    parser.add_argument("--parent", help="where the data directory is made: a real disk, for figures")
    parsed = parser.parse_args()
    parsed.patience = 60 + parsed.alerts // 500
    tocsin.run(lambda checks: main(parsed, checks), seconds=120 + int(parsed.quiet + parsed.watch) + parsed.alerts // 250)
