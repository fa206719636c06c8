#!/usr/bin/env python3
"""From SQLite to PostgreSQL: `tocsin move` carries everything over, in one transaction, and refuses what it must not do.

    move.py [--seed N]

An installation with something of everything is stopped and moved; a node on PostgreSQL then gives the same answers to every GET, row for row the
tables are equal, push URLs and keys go on working, and a message that waited goes out with the id that it had. Refused: a source that is in use, a
target that holds an installation. A move that is killed leaves nothing behind.
"""

import argparse
import collections
import datetime
import json
import os
import pathlib
import random
import re
import shutil
import sqlite3
import subprocess
import time
import urllib.parse

import kill9
import postgres
import receivers
import tocsin
from nodes import exchange, note
from receivers_vendors import Webhook

BODIES = pathlib.Path(__file__).resolve().parent / "arms"
OWN = {"schema_migrations"}  # tables that each database has of its own
# What moves by itself: the key that asks is used by asking, and that a push URL was shown is recorded, which takes up bytes. How many there are
# before and after the move is compared row for row.
BY_ITSELF = {"api-keys": {"last_used_at"}, "operator-keys": {"last_used_at"}, "accounts": {"stored_bytes"}}
CHANGES = ["opened", "updated", "recovered", "closed"]
LEVELS = ["critical", "error", "page", "sev1", "odd"]
SINCE = "2020-01-01T00:00:00Z"


# --- something of everything


class Installation:
    """What is on SQLite before the move."""

    def __init__(self, server, inbox):
        self.server, self.inbox = server, inbox
        self.operator = tocsin.API(server.port, server.operator_key())
        self.pushes, self.paths = 0, {}
        self.accounts = [self.account("Acme 支付 🚨"), self.account("Beta")]
        self.operator.post("/v1/operator-keys", {"name": "Second operator"})
        days = {"body_days": 3, "event_days": 14, "alert_days": 90, "audit_days": 730}
        self.operator.call("PATCH", self.accounts[0].path, {"external_id": "acme-1", "labels": {"tier": "gold"}, "retention": days})
        self.operator.call("PATCH", tocsin.Account(server, "Suspended").path, {"status": "suspended"})
        self.waiting()

    def account(self, name):
        account = tocsin.Account(self.server, name)
        api, path = account.api, account.path
        later = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=30)).strftime("%Y-%m-%dT00:00:00Z")
        api.post(f"{path}/api-keys", {"name": "viewer", "role": "viewer", "expires_at": later})
        gone = api.post(f"{path}/api-keys", {"name": "gone", "role": "viewer"})
        api.call("DELETE", f"{path}/api-keys/{gone['id']}")
        self.channels = [account.channel(f"Channel {number} of {name}") for number in range(3)]
        api.call("PATCH", f"{path}/channels/{self.channels[2]}", {"status": "disabled", "description": "line\nbreak | pipe \\ 'quote' \"两\" 🙂"})
        api.call("PUT", f"{path}/severity-tables/aliyun-arms", {"entries": [{"level": "sev1", "severity": "Critical"}], "fallback": "Info"})
        self.notifiers(account)
        self.dedicated(account)
        self.shared(account)
        self.others(account)
        return account

    def notifiers(self, account):
        path = f"{account.path}/channels/{self.channels[0]}/notifiers"
        endpoint = self.inbox.endpoint(Webhook())
        created = account.api.post(
            path, {"name": "Hook", "kind": "webhook", "settings": Webhook().settings(endpoint), "changes": CHANGES, "storm_limit": 10_000,
                   "conditions": [[{"key": "severity", "operator": "in", "values": ["Critical", "Warning", "Info"]}]]},
        )
        account.api.post(f"{path}/{created['id']}/rotate-secret")

    def push(self, path, body, expected=200):
        self.pushes += 1
        status, _, answer = exchange(self.server.port, "POST", path, body, {"Content-Type": tocsin.ARMS_TYPE})
        if status != expected:
            raise RuntimeError(f"push: {status} {answer[:300]}")
        return json.loads(answer)

    def dedicated(self, account):
        api, integration = account.api, account.dedicated("aliyun-arms", "ARMS", self.channels[0])
        urls = f"{account.path}/integrations/{integration['id']}/push-urls"
        path = urllib.parse.urlsplit(integration["push_url"]).path
        soon = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=2)).strftime("%Y-%m-%dT00:00:00Z")
        second = api.post(urls, {"description": "Until soon", "expires_at": soon})
        revoked = api.post(urls, {"description": "Revoked"})
        for name in sorted(os.listdir(BODIES)):
            self.push(path, (BODIES / name).read_bytes())
        for name in sorted(os.listdir(BODIES)):
            self.push(urllib.parse.urlsplit(second["url"]).path, (BODIES / name).read_bytes())
        self.push(urllib.parse.urlsplit(revoked["url"]).path, tocsin.arms_body([tocsin.arms_alert("revoked")]))
        api.call("DELETE", f"{urls}/{revoked['id']}")
        for number in range(120):
            self.push(path, tocsin.arms_body([tocsin.arms_alert(f"key-{number % 50}", severity=random.choice(LEVELS))]))
        self.push(path, tocsin.arms_body([tocsin.arms_alert(f"group-{number}-\u00e9\u4e2d") for number in range(100)]))
        self.push(path, tocsin.arms_body([tocsin.arms_alert(f"key-{n}", "resolved", ends="2026-03-02T11:00:00Z") for n in range(0, 50, 5)]))
        self.push(path, b'{"broken": ', 400)
        self.push(path, b"\xff\x00 no text at all", 400)
        for alert in account.items("alerts", integration_id=integration["id"], active="true")[:5]:
            api.post(f"{account.path}/alerts/{alert['id']}/close")
        self.paths[account.id] = {"good": path, "revoked": urllib.parse.urlsplit(revoked["url"]).path}

    def shared(self, account):
        integration = account.shared("aliyun-arms", "ARMS of all", [self.channels[1], self.channels[0]])
        routes = [
            {"name": "orders", "conditions": [[{"key": "labels.namespace", "operator": "in", "values": ["orders", "/^pay/", "*shop*"]}]],
             "channel_ids": self.channels[:2], "on_match": "continue"},
            {"name": "by name", "conditions": [], "mode": "name_mapping", "name_mapping_label": "clustername", "on_match": "stop"},
        ]
        account.api.call("PUT", f"{account.path}/integrations/{integration['id']}/routes", {"routes": routes})
        path = urllib.parse.urlsplit(integration["push_url"]).path
        for number in range(20):
            self.push(path, tocsin.arms_body([tocsin.arms_alert(f"shared-{number}")]))

    def others(self, account):
        prometheus = account.dedicated("prometheus", "Prometheus", self.channels[1])
        self.push(urllib.parse.urlsplit(prometheus["push_url"]).path, tocsin.arms_body([tocsin.arms_alert("prometheus")]))
        standard = account.dedicated("standard", "Standard", self.channels[1])
        body = {"event_status": "Critical", "title_rule": "Standard 标准", "alert_key": "standard-1", "labels": {"a": "b"}}
        self.push(urllib.parse.urlsplit(standard["push_url"]).path, json.dumps(body).encode())
        disabled = account.dedicated("aliyun-arms", "Disabled", self.channels[1])
        change = {"status": "disabled", "labels": {"team": "x"}, "external_id": "off"}
        account.api.call("PATCH", f"{account.path}/integrations/{disabled['id']}", change)
        # Refused, and kept for its owner.
        self.push(urllib.parse.urlsplit(disabled["push_url"]).path, tocsin.arms_body([tocsin.arms_alert("disabled")]), 401)

    def waiting(self):
        """An account with a message that its receiver does not take before the move."""
        self.late = tocsin.Account(self.server, "Waiting")
        channel = self.late.channel("Waiting")
        # Not in the others, whose refused pushes would raise alerts whenever it is time for them.
        self.late.api.call("PUT", f"{self.late.path}/health-alerts", {"channel_id": channel})
        self.hook = self.inbox.endpoint(Webhook()).script(then=receivers.status(503))
        settings = {"name": "Late", "kind": "webhook", "settings": Webhook().settings(self.hook), "changes": ["opened"]}
        self.late.api.post(f"{self.late.path}/channels/{channel}/notifiers", settings)
        self.late_path = urllib.parse.urlsplit(self.late.dedicated("aliyun-arms", "Late", channel)["push_url"]).path

    def settle(self):
        """Waits until every message was taken, and what is written lazily is written."""
        for account in self.accounts:
            tocsin.wait_until("every message is taken", lambda account=account: not account.items("notifications", state="waiting"), 60)
        time.sleep(4)


# --- every answer


class Dump:
    """The answers to every GET of the API: {path: (status, ETag, body)}."""

    def __init__(self, port, operator, accounts):
        self.port, self.operator, self.answers = port, operator, {}
        self.list("/v1/operator-keys", operator)
        self.list("/v1/accounts", operator)
        for account in accounts:
            self.account(account.path, account.key)

    def account(self, path, key):
        self.get("/v1/me", key, name=f"{path} /v1/me")
        self.list(f"{path}/api-keys", key)
        for channel in self.list(f"{path}/channels", key):
            self.list(f"{path}/channels/{channel}/notifiers", key)
        for integration in self.list(f"{path}/integrations", key):
            inside = f"{path}/integrations/{integration}"
            for url in self.list(f"{inside}/push-urls", key):
                self.get(f"{inside}/push-urls/{url}/reveal", key, "POST")
            self.list(f"{inside}/routes", key)
        for kind in ("aliyun-arms", "prometheus", "standard"):
            self.get(f"{path}/severity-tables/{kind}", key)
        self.list(f"{path}/deliveries", key)
        for event in self.list(f"{path}/events", key):
            self.get(f"{path}/events/{event}/notifications", key)
        self.list(f"{path}/alerts", key)
        self.list(f"{path}/notifications", key)
        self.get(f"{path}/health-alerts", key)
        filters = {
            "alerts": [
                "active=true", "active=false", "severity=Critical", "status=Ok", "q=memory", "label=namespace:orders", "alert_key=key-1",
                f"since={SINCE}",
            ],
            "events": ["severity=Info", "status=Ok", "alert_key=key-0", f"since={SINCE}"],
            "deliveries": ["outcome=quarantined", "outcome=test", "outcome=refused", f"since={SINCE}"],
            "channels": ["external_id=none"], "integrations": ["label=team:x", "external_id=off"],
            "notifications": ["state=sent", "state=superseded"],
        }
        for collection, queries in filters.items():
            for query in queries:
                self.pages(f"{path}/{collection}?{query}", key)

    def list(self, path, key):
        """Every page of a list, and every item by itself; the ids."""
        names = [item["id"] for item in self.pages(path, key)]
        for name in names:
            self.get(f"{path}/{name}", key)
        return names

    def pages(self, path, key):
        items, cursor = [], ""
        while True:
            body = self.get(f"{path}{'&' if '?' in path else '?'}limit=50{cursor}", key, keep=False)[2]
            if not body or "items" not in body:
                self.answers[path] = body
                return []
            items += body["items"]
            if body["next_cursor"] is None:
                self.answers[path] = items
                return items
            cursor = f"&cursor={urllib.parse.quote(body['next_cursor'])}"

    def get(self, path, key, method="GET", keep=True, name=None):
        for _ in range(20):
            status, headers, text = exchange(self.port, method, path, None, {"Authorization": f"Bearer {key}"}, timeout=20)
            if status != 429:
                break
            time.sleep(min(float(headers.get("retry-after") or 1), 5))
        body = json.loads(text) if text else None
        kinds = [kind for kind in BY_ITSELF if f"/{kind}" in path]
        for item in (body.get("items", [body]) if kinds and body else []):
            for field in BY_ITSELF[kinds[0]]:
                item.pop(field, None)
        if isinstance(body, dict):
            for field in ("request_id", *(["last_used_at"] if path == "/v1/me" else [])):
                body.pop(field, None)
        answer = (status, headers.get("etag"), body)
        if keep:
            self.answers[name or path] = answer
        return answer


def differences(before, after):
    """[(path, before, after)], as far as they differ."""
    found = []
    for path in dict.fromkeys([*before, *after]):
        old, new = before.get(path), after.get(path)
        if old != new:
            found.append((path, short(old, new), short(new, old)))
    return found


def short(value, other):
    """What is worth to be shown of two values that differ: the first element that does."""
    if isinstance(value, (list, tuple)) and isinstance(other, (list, tuple)) and len(value) == len(other):
        return next((short(a, b) for a, b in zip(value, other) if a != b), value)
    if isinstance(value, dict) and isinstance(other, dict):
        return {key: short(value[key], other.get(key)) for key in value if value[key] != other.get(key)}
    return str(value)[:300]


# --- every row


def sqlite_rows(directory):
    """{table: [row as a dict]} of a stopped installation; bytes as PostgreSQL writes them in JSON."""
    with sqlite3.connect(f"file:{os.path.join(directory, 'tocsin.db')}?mode=ro", uri=True) as database:
        database.row_factory = sqlite3.Row
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")]
        found = {}
        for name in names:
            rows = database.execute(f"SELECT * FROM {name}").fetchall()
            found[name] = [{key: "\\x" + row[key].hex() if isinstance(row[key], bytes) else row[key] for key in row.keys()} for row in rows]
    database.close()
    return found


def postgres_rows(cluster, database, tables):
    known = {name for (name,) in cluster.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'", database)}
    return {
        name: [json.loads(line) for line in cluster.sql(f"SELECT row_to_json(t) FROM {name} t", database).splitlines()]
        for name in tables if name in known
    }


def unequal(before, after):
    """What differs between two sets of tables, by the columns that both have."""
    found = []
    for name in sorted(set(before) - OWN):
        old, new = before[name], after.get(name)
        if new is None:
            if old:
                found.append(f"{name}: not there")
            continue
        columns = set(old[0]) & set(new[0]) if old and new else set()
        if old and new and set(old[0]) - columns:
            note(f"{name}: only in SQLite {sorted(set(old[0]) - columns)}")
        sets = [collections.Counter(json.dumps({key: row[key] for key in sorted(columns)}) for row in rows) for rows in (old, new)]
        if len(old) != len(new) or sets[0] != sets[1]:
            found.append(f"{name}: {len(old)} and {len(new)} rows, e.g. {list((sets[0] - sets[1]) or (sets[1] - sets[0]))[:1]}"[:500])
    return found


# --- the move


def move(directory, url, seconds=60):
    """(exit status, what it says, seconds)"""
    began = time.monotonic()
    command = [*tocsin.WITH_US, tocsin.binary(), "move", "--from", f"sqlite:{directory}", "--to", url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=tocsin.clean_environment(), cwd="/", check=False)
    return done.returncode, done.stdout + done.stderr, time.monotonic() - began


def refused(checks, what, directory, url):
    status, words, _ = move(directory, url)
    lines = words.strip().splitlines()
    checks.check(status != 0 and 1 <= len(lines) <= 3, f"refused: {what}", f"exit status {status}: {words[-400:]}")
    note(lines[-1] if lines else "nothing said")


def killed_moves(checks, cluster, directory, accounts, took):
    """In one transaction: afterwards there is everything or nothing, and what holds nothing can be moved to."""
    sums, wrong = collections.Counter(), []
    for number in range(6):
        url = cluster.create_database()
        command = [*tocsin.WITH_US, tocsin.binary(), "move", "--from", f"sqlite:{directory}", "--to", url]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=tocsin.clean_environment(), cwd="/")
        time.sleep(took * (number + 1) / 7)
        process.kill()
        process.wait(10)
        time.sleep(0.5)  # its connection ends
        has_table = cluster.sql("SELECT to_regclass('public.accounts') IS NOT NULL", url) == "t"
        found = int(cluster.sql("SELECT count(*) FROM accounts", url)) if has_table else 0
        sums["everything" if found else "nothing"] += 1
        if found not in (0, accounts):
            wrong.append((number, found))
        elif not found and number % 2:
            status, words, _ = move(directory, url)
            if status:
                wrong.append((number, status, words[-300:]))
    checks.equal(wrong, [], f"a move that is killed leaves everything or nothing, and can be made again ({dict(sums)})")


def report_of(words, tables):
    """The tables whose line does not say how many rows they have."""
    lines = [line.replace(",", "") for line in words.splitlines()]
    return [
        name for name, rows in tables.items()
        if rows and name not in OWN and not any(re.search(rf"\b{name}\b", line) and re.search(rf"\b{len(rows)}\b", line) for line in lines)
    ]


def goes_on(checks, node, installation, before):
    """Push URLs and keys work, and what is open is known."""
    for account in installation.accounts:
        paths, api = installation.paths[account.id], tocsin.API(node.port, account.key)
        alert = next(item for item in before.answers[f"{account.path}/alerts?active=true"] if item["alert_key"].startswith("key-"))
        body = tocsin.arms_body([tocsin.arms_alert(alert["alert_key"])])
        statuses = [exchange(node.port, "POST", paths[name], body, {"Content-Type": tocsin.ARMS_TYPE})[0] for name in ("good", "revoked")]
        checks.equal(statuses, [200, 401], f"{account.id}: its push URL works, the revoked one does not")
        after = api.get(f"{account.path}/alerts/{alert['id']}")
        checks.equal(after["event_count"], alert["event_count"] + 1, f"{account.id}: an alert that was open goes on")
        channel = api.post(f"{account.path}/channels", {"name": "After the move"})
        checks.check(channel["id"].startswith("chan_"), f"{account.id}: its key may still write")
        api.close()


def main(options, checks):
    random.seed(options.seed)
    print(f"seed {options.seed}")
    allow = {"TOCSIN_OUTBOUND_ALLOW": "127.0.0.0/8"}
    with receivers.Receivers() as inbox, postgres.PostgreSQL() as cluster, tocsin.Server(environment=allow) as old:
        old.start()
        installation = Installation(old, inbox)
        installation.settle()
        before = Dump(old.port, old.operator_key(), installation.accounts)
        checks.check(len(before.answers) > 500, f"{installation.pushes} pushes make {len(before.answers)} answers to compare")
        url = cluster.create_database()
        refused(checks, "a source that is in use", old.data, url)
        late = tocsin.Sender(installation.late_path, old.port)
        late.push(tocsin.arms_body([tocsin.arms_alert("late")]))
        inbox.wait("the first attempt", lambda: installation.hook.received)
        old.stop()
        installation.hook.script(then=receivers.OK)
        rows = sqlite_rows(old.data)
        status, words, took = move(old.data, url)
        checks.equal(status, 0, f"moved in {took:.1f} s, {sum(map(len, rows.values()))} rows")
        print(*(f"      {line}" for line in words.strip().splitlines()), sep="\n")
        if status:
            return
        checks.equal(report_of(words, rows), [], "it says of each table how many rows it has")
        checks.equal(unequal(rows, postgres_rows(cluster, url, rows)), [], f"row for row {len(rows)} tables are equal")
        kill9.check_files(checks, old.data, "the source after it")
        after_it(checks, cluster, old, installation, before, url)
        killed_moves(checks, cluster, old.data, len(rows["accounts"]), took)
        refused(checks, "a source that is not there", os.path.join(old.directory, "nowhere"), cluster.create_database())


def after_it(checks, cluster, old, installation, before, url):
    with tocsin.Server(environment=old.environment, database=url) as node:
        node.port = old.port  # the URLs that it shows begin with its address
        node.root_secret = shutil.copy(os.path.join(old.data, "root.secret"), node.directory)
        node.start()
        checks.check(not os.path.exists(os.path.join(node.data, "operator.key")), "a node on what was moved makes no new operator key")
        after = Dump(node.port, old.operator_key(), installation.accounts)
        for dump in (before, after):  # the account of the message that waits goes on by itself
            del dump.answers[installation.late.path]
            dump.answers["/v1/accounts"] = [item for item in dump.answers["/v1/accounts"] if item["id"] != installation.late.id]
        found = differences(before.answers, after.answers)
        checks.equal(found[:3], [], f"all {len(after.answers)} answers are the same ({len(found)} are not)")
        for path, was, now in found[:10]:
            print(f"      {path}\n        was {was}\n        now {now}")
        goes_on(checks, node, installation, before)
        hook = installation.hook
        taken = hook.receivers.wait("the message that waited", lambda: hook.taken, 60)
        ids = {received.id for received in hook.received}
        what = "a message that waited goes out after the move, with the id that it had"
        checks.check(taken and len(ids) == 1, what, f"{len(hook.received)} requests, {ids}")
        count = cluster.sql("SELECT count(*) FROM deliveries", url)
        refused(checks, "a target that holds an installation, while a node serves it", old.data, url)
        node.stop()
        refused(checks, "a target that holds an installation", old.data, url)
        checks.equal(cluster.sql("SELECT count(*) FROM deliveries", url), count, "and it is as it was")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parsed = parser.parse_args()
    tocsin.run(lambda checks: main(parsed, checks), seconds=280)
