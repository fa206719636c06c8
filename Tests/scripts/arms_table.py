#!/usr/bin/env python3
"""ARMS as it really is, through a running server: the table of results, a tenant's own severity table, a route that is edited
between firing and recovery, and a stop in the middle of the load.

    arms_table.py [--postgres] [--seconds 2]     seconds of load before the stop
"""

import argparse
import json
import pathlib
import threading
import time
from collections import Counter

import postgres
import tocsin

BODIES = pathlib.Path(__file__).resolve().parent / "arms"

# (body, [(severity, status, outcome, guessed) of each alert]); a body stands for one push, in this order, to a fresh integration.
# None where the row says nothing about it.
TABLE = [
    ("firing-p1.json", [("Critical", "Critical", "opened", False)]),
    ("firing-p2.json", [("Warning", "Warning", "opened", False)]),
    ("firing-p3.json", [("Warning", "Warning", "opened", False)]),
    ("firing-p4.json", [("Info", "Info", "opened", False)]),
    ("firing-one-error.json", [("Warning", "Warning", "opened", False)]),
    ("firing-one-error.json", [(None, None, "duplicate", None)]),
    ("resolved-one-error.json", [("Warning", "Ok", "recovered", False)]),
    ("resolved-one-error.json", [(None, None, "duplicate", None)]),
    ("firing-one-error.json", [(None, None, "ignored", None)]),
    (
        "firing-group-mixed.json",
        [
            ("Critical", "Critical", "opened", False),
            ("Warning", "Warning", "opened", False),
            ("Info", "Ok", "ignored", False),
        ],
    ),
    ("firing-no-severity-no-fingerprint.json", [("Warning", "Warning", "opened", True)]),
    ("firing-unknown-severity.json", [("Warning", "Warning", "opened", True)]),
    ("console-test.txt", None),
    ("console-test-wrapped.json", None),
]


def read(name):
    return (BODIES / name).read_bytes()


def results(account, answer):
    """[(severity, status, outcome, guessed)] of the delivery that an answer names."""
    delivery = account.delivery(answer["data"]["delivery_id"])
    return [(r["severity"], r["status"], r["outcome"], r["severity_guessed"]) for r in delivery["results"]]


def matches(found, expected):
    return len(found) == len(expected) and all(
        e is None or f == e for rows in zip(found, expected) for f, e in zip(*rows)
    )


def check_table(checks, server, content_type):
    """Every row of the table, with one content type."""
    account = tocsin.Account(server, f"Table, {content_type}")
    integration = account.dedicated("aliyun-arms", "ARMS", account.channel("Orders"))
    sender = tocsin.Sender(integration["push_url"], server.port)
    for number, (name, expected) in enumerate(TABLE, 1):
        what = f"row {number}, {name}, {content_type}"
        status, answer = sender.push(read(name), content_type)
        if status != 200:
            checks.check(False, what, f"{status} {answer}")
        elif expected is None:
            check_console_test(checks, account, answer, what)
        else:
            found = results(account, answer)
            checks.check(matches(found, expected), what, f"found {found}, expected {expected}")
            told = set(answer["data"]) - {"delivery_id", "test", "event_count", "alert_keys"}
            if told:
                checks.check(False, f"{what}: the answer tells no alert state", str(told))
    events = account.items("events", integration_id=integration["id"])
    outcomes = Counter(event["outcome"] for event in events)
    expected = {"opened": 9, "recovered": 1, "ignored": 2}
    checks.equal(dict(outcomes), expected, f"events: one for each row but duplicates and tests, {content_type}")
    bare = [e["alert_key"] for e in events if e["labels"].get("namespace") == "batch"]
    _, answer = sender.push(read("firing-no-severity-no-fingerprint.json"), content_type)
    checks.equal(answer["data"]["alert_keys"], bare, f"without a fingerprint the key is the same each time, {content_type}")


def check_console_test(checks, account, answer, what):
    delivery = account.delivery(answer["data"]["delivery_id"])
    found = (answer["data"]["test"], answer["data"]["event_count"], delivery["outcome"], delivery["results"] or [])
    checks.equal(found, (True, 0, "test", []), f"{what}: a test delivery, no event")


def renamed(name, key):
    """A body with another fingerprint, so that it is another alert."""
    body = json.loads(read(name))
    for alert in body["alerts"]:
        alert["fingerprint"] = key
    return json.dumps(body, ensure_ascii=False).encode()


def check_severity_tables(checks, server):
    """A table of one account changes nothing for another."""
    senders = {}
    for name in ("Own table", "Default table"):
        account = tocsin.Account(server, name)
        integration = account.dedicated("aliyun-arms", "ARMS", account.channel("Orders"))
        senders[name] = (account, tocsin.Sender(integration["push_url"], server.port))
    mine, other = senders["Own table"], senders["Default table"]

    def severity(of, body, key):
        account, sender = of
        _, answer = sender.push(renamed(body, key))
        return results(account, answer)[0][0]

    path = f"{mine[0].path}/severity-tables/aliyun-arms"
    entries = [{"level": "P1", "severity": "Info"}, {"level": "catastrophe", "severity": "Critical"}]
    mine[0].api.call("PUT", path, {"entries": entries, "fallback": "Info"})
    checks.equal(severity(mine, "firing-p1.json", "t1"), "Info", "an own table: P1 is Info")
    checks.equal(severity(mine, "firing-unknown-severity.json", "t2"), "Critical", "an own table: an own word")
    checks.equal(severity(mine, "firing-p2.json", "t3"), "Info", "an own table: its fallback")
    checks.equal(severity(other, "firing-p1.json", "t1"), "Critical", "the other account: P1 is Critical as before")
    checks.equal(severity(other, "firing-unknown-severity.json", "t2"), "Warning", "the other account: the default fallback")
    mine[0].api.call("DELETE", path)
    checks.equal(severity(mine, "firing-p1.json", "t4"), "Critical", "after a reset: P1 is Critical again")


def check_edited_route(checks, server):
    """A recovery follows the open alerts, not the routes of the day."""
    account = tocsin.Account(server, "Routes")
    first, second, rest = (account.channel(name) for name in ("First", "Second", "Rest"))
    integration = account.shared("aliyun-arms", "ARMS of all teams", [rest])
    sender = tocsin.Sender(integration["push_url"], server.port)
    routes = f"{account.path}/integrations/{integration['id']}/routes"
    condition = {"key": "labels.namespace", "operator": "in", "values": ["orders"]}
    route = account.api.post(routes, {"conditions": [[condition]], "channel_ids": [first], "on_match": "stop"})

    def open_in():
        alerts = account.items("alerts", integration_id=integration["id"], active="true")
        return sorted(alert["channel_id"] for alert in alerts)

    sender.push(read("firing-one-error.json"))
    checks.equal(open_in(), [first], "a shared integration: the route's channel")
    account.api.call("PATCH", f"{routes}/{route['id']}", {"channel_ids": [second]})
    sender.push(read("resolved-one-error.json"))
    checks.equal(open_in(), [], "the route was edited between firing and recovery: no alert is left open")

    sender.push(renamed("firing-one-error.json", "again"))
    account.api.call("DELETE", f"{routes}/{route['id']}")
    sender.push(renamed("firing-one-error.json", "again"))
    checks.equal(open_in(), sorted([second, rest]), "the route was deleted between two firings: open in both channels")
    sender.push(renamed("resolved-one-error.json", "again"))
    checks.equal(open_in(), [], "one recovery closes both")


class StopLoad:
    """Senders that push until the server is gone; half of them on a new connection each time."""

    def __init__(self, push_url, port):
        self.acknowledged, self.refused, self.cut, self.others = {}, 0, 0, []
        self.lock = threading.Lock()
        self.threads = [
            threading.Thread(target=self.work, args=(n, tocsin.Sender(push_url, port, n % 2 == 0)), daemon=True)
            for n in range(8)
        ]

    def work(self, number, sender):
        for count in range(1_000_000):
            key = f"stop-{number}-{count}"
            try:
                status, answer = sender.push(tocsin.arms_body([tocsin.arms_alert(key)]))
            except tocsin.NotSent:
                return
            except tocsin.Unanswered:
                # The connection was closed before the server took the request. That is a refusal if it is not stored.
                with self.lock:
                    self.cut += 1
                continue
            with self.lock:
                if status == 200:
                    self.acknowledged[answer["data"]["delivery_id"]] = key
                elif status == 503:
                    self.refused += 1
                else:
                    self.others.append((status, answer))


def check_stop_under_load(checks, server, seconds):
    account = tocsin.Account(server, "Stop")
    integration = account.dedicated("aliyun-arms", "ARMS", account.channel("Stop"))
    load = StopLoad(integration["push_url"], server.port)
    for thread in load.threads:
        thread.start()
    time.sleep(seconds)
    status, took = server.stop()
    for thread in load.threads:
        thread.join(15)
    checks.equal(status, 0, f"SIGTERM under load ends the server in good order ({took:.1f} s)")
    checks.check(not any(thread.is_alive() for thread in load.threads), "no request was left without an end")
    checks.equal(load.others[:3], [], "every answer was 200 or 503")
    server.start()
    listed = {item["id"] for item in account.items("deliveries", integration_id=integration["id"])}
    lost, silent = set(load.acknowledged) - listed, listed - set(load.acknowledged)
    checks.equal(sorted(lost)[:5], [], f"all {len(load.acknowledged)} acknowledged pushes are there after the restart")
    checks.equal(sorted(silent)[:5], [], f"nothing is stored that was not answered ({load.cut} cut, {load.refused} refused)")
    keys = {alert["alert_key"] for alert in account.items("alerts", integration_id=integration["id"])}
    checks.equal(sorted(set(load.acknowledged.values()) - keys)[:5], [], "and each one's alert")


def main(arguments, checks):
    with postgres.engine(arguments.postgres) as cluster, tocsin.Server(database=postgres.fresh(cluster)) as server:
        server.start()
        check_table(checks, server, tocsin.ARMS_TYPE)
        check_table(checks, server, "application/json")
        check_severity_tables(checks, server)
        check_edited_route(checks, server)
        check_stop_under_load(checks, server, arguments.seconds)
        if checks.failed:
            server.print_log()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL in place of SQLite")
    parser.add_argument("--seconds", type=float, default=2)
    parsed = parser.parse_args()
    tocsin.run(lambda checks: main(parsed, checks), seconds=180)
