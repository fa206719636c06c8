#!/usr/bin/env python3
"""Simulation, ingest and replay are one pipeline: random deliveries come to the same by each of the three.

    agreement.py [--deliveries 10000] [--worlds 4] [--seed N] [--postgres]

A world is a pair of accounts with one random configuration, applied as one document. In the first every body is simulated and then pushed.
In the second it is kept out by a pinned label that no alert has, so that it is quarantined; then its replay is tried (dry run) and done.
Now and then both are replayed once more, and both get another configuration. All results must be the same: severity, outcome, channels and
trace of every event; and in the end the alerts of both accounts. Channels are compared by name, in any order; other ids are left out.
"""

import argparse
import base64
import contextlib
import gzip
import json
import multiprocessing
import random
import re
import time

import postgres
import tocsin

TYPES = ("aliyun-arms", "prometheus", "standard")
CHANNELS = ["Payments", "搜索", "Ops", "Night"]
NAMES = ["CPU", "Disk full", "磁盘", "a" * 300, "", "Pod/restart"]
WORDS = ["critical", "Critical", "P1", "P2", "warning", "error", "info", "bogus", "", "Ok", "严重", "OK", "Recovered", "normal"]
NAMESPACES = ["pay", "search", "ops", "pay-2", "10.1.2.3", "7", "Payments", "Night"]
TIMES = [
    "2026-03-02T10:00:00Z", "2026-03-02T10:05:00.123Z", "2026-03-02T09:00:00+08:00", tocsin.NEVER, "soon", None, 5, 1772445600,
    "1772445600123", "2026-03-02 10:00:00 +0000 UTC", "2026-03-02T18:00:00+0800", "2026-03-02 10:00:00",
]
RECONFIGURED = 0.02  # of all deliveries
REPLAYED_AGAIN = 0.2
STEPS = ["decode", "severity", "route", "reduce"]
EFFECTS = {"opened", "updated", "duplicate", "recovered"}
ID = re.compile(r"\b(rout|alrt|evnt|dlvr|intg)_[0-9a-z]{26}")


# MARK: Random configurations


def condition(chance):
    key, values = chance.choice([
        ("labels.namespace", [*NAMESPACES, "*", "pay*", "/^pay-?[0-9]*$/", "cidr:10.0.0.0/8", "num:gt:5", "literal:*"]),
        ("severity", ["Critical", "Warning", "Info"]), ("title", [*NAMES[:3], "*U", "/isk/"]), ("alert_key", ["k1", "k*", "/[02468]$/"]),
        ("description", ["*", "/memory/"]),
    ])
    return {"key": key, "operator": chance.choice(["in", "not_in"]), "values": chance.sample(values, chance.randint(1, min(3, len(values))))}


def route(chance, channels):
    conditions = [[condition(chance) for _ in range(chance.randint(1, 2))] for _ in range(chance.randint(0, 2))]
    common = {"conditions": conditions, "on_match": chance.choice(["stop", "continue"])}
    if chance.random() < 0.2:
        return {**common, "mode": "name_mapping", "name_mapping_label": "namespace"}
    return {**common, "mode": "standard", "channels": chance.sample(channels, chance.randint(1, len(channels)))}


def configuration(chance):
    channels = {name: {"status": chance.choices(["enabled", "disabled"], [9, 1])[0]} for name in CHANNELS}
    limit = {"pushes_per_second": 100_000, "burst": 100_000}
    integrations = {
        f"All of {kind}": {
            "type": kind, "mode": "shared", "rate_limit": limit, "default_channels": chance.sample(CHANNELS, chance.randint(0, 2)),
            "routes": [route(chance, CHANNELS) for _ in range(chance.randint(0, 6))],
        }
        for kind in TYPES
    }
    integrations["One"] = {"type": "aliyun-arms", "mode": "dedicated", "rate_limit": limit, "channel": chance.choice(CHANNELS)}
    levels = chance.sample(["critical", "P1", "P2", "warning", "error", "bogus", "严重", "normal"], 3)
    entries = [{"level": level, "severity": chance.choice(["Critical", "Warning", "Info", "Ok"])} for level in levels]
    tables = {kind: {"entries": entries, "fallback": chance.choice(["Warning", "Info"])} for kind in TYPES if chance.random() < 0.4}
    return {"channels": channels, "integrations": integrations, "severity_tables": tables}


# MARK: Random bodies


def without_nothing(members):
    return {name: value for name, value in members.items() if value is not None}


def alert(chance):
    """One of Alertmanager's form, as ARMS sends it, or a bit off it."""
    labels = {
        "alertname": chance.choice([*NAMES, None]), "namespace": chance.choice([*NAMESPACES, None]),
        chance.choice(["severity", "priority", "level", "_aliyun_arms_alert_level"]): chance.choice([*WORDS, None, 3]),
    }
    found = {
        "status": chance.choices(["firing", "resolved", "FIRING", None, "odd", "Resolved", " ok "], [8, 6, 1, 1, 1, 1, 1])[0], "labels": without_nothing(labels),
        "annotations": chance.choice([{}, {"message": "too much memory"}, {"summary": chance.choice(NAMES), "description": "x" * 3000}, None]),
        "startsAt": chance.choice(TIMES), "endsAt": chance.choice(TIMES),
        "fingerprint": chance.choices([f"k{chance.randint(0, 9)}", None, 12], [12, 2, 1])[0],
        "generatorURL": chance.choice(["https://arms.example.com/x", "javascript:1", "http://bare:9090", None]),
    }
    return without_nothing(found)


def event(chance):
    """One of the standard form."""
    found = {
        "title_rule": chance.choice([*NAMES, None]), "event_status": chance.choice([*WORDS, "Ok", "Ok", None]),
        "alert_key": chance.choices([f"k{chance.randint(0, 9)}", None], [6, 1])[0], "description": chance.choice(["memory", None]),
        "labels": chance.choice([{"namespace": chance.choice(NAMESPACES)}, {}, None]),
    }
    return without_nothing(found)


def body(chance, kind):
    dice = chance.random()
    if dice < 0.02:
        unread = [b"", b"{", b"[]", b"nonsense", b'{"alerts":[]}', b'{"alerts":[1,"x"]}', b"[[[[1]]]]"]
        return chance.choice(unread + 5 * [b"$alertmanager_content"])
    if kind == "standard":
        events = [event(chance) for _ in range(chance.choice([1, 1, 1, 2, 5]))]
        data = json.dumps(events if len(events) > 1 else events[0], ensure_ascii=False)
    else:
        alerts = [alert(chance) for _ in range(chance.choice([1, 1, 1, 2, 3, 6]))]
        whole = {"status": chance.choice(["firing", "firing", "Resolved"]), "alerts": alerts, "commonLabels": chance.choice([{}, {"namespace": "ops"}, {"team": "x"}])}
        whole["externalURL"] = chance.choice(["", "http://:9093", "http://alertmanager:9093", "https://alerts.example.com"])
        data = json.dumps(whole, ensure_ascii=chance.random() < 0.5)
    data = data.encode()
    if dice < 0.04:  # what only a repair can read
        data = data.replace(b"memory", b"mem\xff\xfeory").replace(b'"x":1', b'"x":99999999999999999999')
    elif dice < 0.1:  # as script-made senders send it
        data = misshapen(chance, data)
    return data


def misshapen(chance, data):
    """What is nearly JSON, with one to three faults."""
    faults = [
        lambda text: text.replace(b"memory", b"mem\nor\ty"), lambda text: text.replace(b"}", b",}", 1), lambda text: text.replace(b"]", b" , ]", 1),
        lambda text: b"\xef\xbb\xbf\xef\xbb\xbf" + text, lambda text: text + b"\0\0", lambda text: text.replace(b'"status"', b'"v": NaN, "w": -Infinity, "status"', 1),
        lambda text: json.dumps(text.decode(errors="replace")).encode(),
    ]
    for fault in chance.sample(faults, chance.randint(1, 3)):
        data = fault(data)
    return data


class Sent:
    """A body on its way: its bytes, their charset, and how they are packed."""

    def __init__(self, chance, data):
        self.plain, self.content_type, self.headers = data, "application/json", {}
        dice = chance.random()
        charset = chance.choice(["GBK", "gb18030", "ISO-8859-1", "utf-16", "UTF-8", "odd"])
        if dice < 0.1:
            with contextlib.suppress(UnicodeError, LookupError):
                self.plain = data.decode().encode(charset if charset != "odd" else "latin-1")
            self.content_type = chance.choice(["application/json", "text/plain"]) + f"; charset={charset}"
        self.wire = self.plain
        if 0.1 < dice < 0.15:
            self.wire, self.headers = gzip.compress(self.plain), {"Content_Encoding": chance.choice(["gzip", "X-Gzip", "gzip, UTF-8"])}
        elif 0.15 < dice < 0.18:
            self.headers = {"Content_Encoding": chance.choice(["UTF-8", "identity", "none"])}


# MARK: Two accounts


class Side:
    """One of the two accounts of a world."""

    def __init__(self, server, name, pinned):
        self.account = tocsin.Account(server, name)
        self.api, self.path, self.port, self.pinned = self.account.api, self.account.path, server.port, pinned
        operator = tocsin.API(server.port, server.operator_key())
        operator.call("PATCH", self.path, {"limits": {"calls_per_second": 100_000, "call_burst": 200_000}})
        operator.close()
        self.senders, self.ids, self.names = {}, {}, {}

    def configure(self, document):
        document = json.loads(json.dumps(document))
        for integration in document["integrations"].values():
            integration["pinned_labels"] = self.pinned
        self.api.call("PUT", f"{self.path}/config", document)
        self.names = {channel["id"]: channel["name"] for channel in self.api.items(f"{self.path}/channels")}
        if not self.senders:
            for integration in self.api.items(f"{self.path}/integrations"):
                issued = self.api.post(f"{self.path}/integrations/{integration['id']}/push-urls", {})
                self.ids[integration["name"]] = integration["id"]
                self.senders[integration["name"]] = tocsin.Sender(issued["url"], self.port)

    def plain(self, results):
        """Without ids; channels by their names, in the order of these."""
        text = json.dumps(results, ensure_ascii=False)
        for channel, name in self.names.items():
            text = text.replace(channel, name)
        plain = json.loads(ID.sub(r"\1", text))
        for result in plain:
            result["channel_ids"].sort()
            result["trace"].sort(key=lambda step: (STEPS.index(step["step"]), step.get("channel_id", "")))
        return plain

    def push(self, integration, data):
        """(status, the delivery)"""
        status, answer = self.senders[integration].push(data.wire, data.content_type, **data.headers)
        delivery = answer["data"]["delivery_id"] if status == 200 else answer["error"].get("delivery_id")
        return status, self.account.delivery(delivery)

    def simulate(self, integration, data):
        encoded = {"body": base64.b64encode(data.plain).decode(), "body_encoding": "base64", "content_type": data.content_type}
        return self.api.post(f"{self.path}/integrations/{self.ids[integration]}/simulate", encoded)

    def replay(self, delivery, **query):
        return self.api.call("POST", f"{self.path}/deliveries/{delivery}/replay", **query)

    def alerts(self):
        """What both sides must have in common of every alert."""
        found = []
        for item in self.account.items("alerts"):
            alert = {name: value for name, value in item.items() if not name.endswith(("_at", "_id")) and name != "id"}
            found.append((self.names[item["channel_id"]], alert))
        return sorted(found, key=json.dumps)


class World:
    def __init__(self, server, name, seed):
        self.chance = random.Random(seed)
        self.pushed, self.replayed = Side(server, f"{name}, pushed", {}), Side(server, f"{name}, replayed", {"nobody": "has this"})
        self.count, self.events, self.tests, self.unread, self.differences = 0, 0, 0, 0, []

    def configure(self):
        document = configuration(self.chance)
        for side in (self.pushed, self.replayed):
            side.configure(document)

    def differ(self, what, data, first, second):
        if first != second:
            self.differences.append(f"{what}: {first} and {second} of {data and (data.plain[:2000], data.content_type)!r}")

    def step(self):
        if self.count == 0 or self.chance.random() < RECONFIGURED:
            self.configure()
        self.count += 1
        name = self.chance.choice(list(self.pushed.ids))
        data = Sent(self.chance, body(self.chance, "standard" if "standard" in name else "arms"))
        simulated = self.pushed.simulate(name, data)
        _, pushed = self.pushed.push(name, data)
        outcome = (pushed["outcome"], pushed["reason"])
        self.differ("simulation and ingest, outcome", data, (simulated["outcome"], simulated["reason"]), outcome)
        self.differ("simulation and ingest", data, self.pushed.plain(simulated["results"]), self.pushed.plain(pushed["results"]))
        _, kept = self.replayed.push(name, data)
        if pushed["outcome"] == "accepted":
            self.events += len(pushed["results"])
            self.differ("what is kept out", data, ("quarantined", "pinned_label"), (kept["outcome"], kept["reason"]))
        else:
            self.tests += pushed["outcome"] == "test"
            self.unread += pushed["outcome"] == "quarantined"
            self.differ("what can't be read", data, outcome, (kept["outcome"], kept["reason"]))
        self.replay(data, kept, pushed)

    def replay(self, data, kept, pushed):
        side = self.replayed
        tried = side.replay(kept["id"], dry_run="true")
        done = side.replay(kept["id"])
        pair = [(side.plain(answer["results"]), answer["applied"]) for answer in (tried, done)]
        self.differ("replay tried and done", data, *pair)
        if pushed["outcome"] == "accepted":
            self.differ("replay and ingest", data, pair[1][0], self.pushed.plain(pushed["results"]))
            if self.chance.random() < REPLAYED_AGAIN:
                self.replay_again(data, pair[1][0], kept, pushed)
        else:
            self.differ("a replay of nothing", data, 0, done["applied"])

    def replay_again(self, data, before, kept, pushed):
        """What took effect takes none again; what had none may have it now, on both sides."""
        sides = ((self.pushed, pushed), (self.replayed, kept))
        tried = self.replayed.replay(kept["id"], dry_run="true")
        again = [(side, side.replay(delivery["id"])) for side, delivery in sides]
        first, second = [(side.plain(answer["results"]), answer["applied"]) for side, answer in again]
        self.differ("both replayed again", data, first, second)
        self.differ("replay again tried and done", data, (self.replayed.plain(tried["results"]), tried["applied"]), second)
        lost = [one for one, other in zip(before, second[0]) if not effects(one) <= effects(other)]
        self.differ("what took effect before", data, [], lost)
        new = sum(len(effects(other) - effects(one)) for one, other in zip(before, second[0]))
        self.differ("count of new effects", data, new, second[1])

    def finish(self):
        first, second = self.pushed.alerts(), self.replayed.alerts()
        self.differ("number of alerts", None, len(first), len(second))
        for one, other in zip(first, second):
            self.differ("alerts", None, one, other)
        return {
            "deliveries": self.count, "events": self.events, "tests": self.tests, "unread": self.unread, "alerts": len(first),
            "differences": self.differences[:20], "different": len(self.differences),
        }


def effects(result):
    """{(channel, what became of its alert)}, of what changed something."""
    steps = [step for step in result["trace"] if step["step"] == "reduce"]
    return {(step["channel_id"], step["outcome"]) for step in steps if step.get("outcome") in EFFECTS}


def live(server, number, seed, deliveries, answers):
    """A world in a process of its own."""
    try:
        world = World(server, f"World {number}", seed)
        for _ in range(deliveries):
            world.step()
            if len(world.differences) > 100:
                break
        answers.put(world.finish())
    except BaseException as error:  # whatever it was, somebody waits for an answer
        answers.put({"error": f"{type(error).__name__}: {error}"})
        raise


def main(options, checks):
    seed = options.seed if options.seed is not None else random.randrange(10**9)
    print(f"      --seed {seed}", flush=True)
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(postgres.engine(options.postgres))
        server = stack.enter_context(tocsin.Server(database=postgres.fresh(cluster)))
        server.start()
        answers = multiprocessing.Queue()
        each = options.deliveries // options.worlds
        worlds = [
            multiprocessing.Process(target=live, args=(server, number, seed + number, each, answers), daemon=True)
            for number in range(options.worlds)
        ]
        began = time.monotonic()
        for world in worlds:
            world.start()
        found = [answers.get() for _ in worlds]
        for world in worlds:
            world.join(20)
        seconds = time.monotonic() - began
        errors = [answer["error"] for answer in found if "error" in answer]
        checks.equal(errors, [], "every world came to its end")
        found = [answer for answer in found if "error" not in answer]
        total = {name: sum(answer[name] for answer in found) for name in ("deliveries", "events", "tests", "unread", "alerts", "different")}
        print(f"      {total} in {seconds:.0f} s", flush=True)
        checks.equal(total["deliveries"], each * options.worlds, "all deliveries were made")
        few = [name for name in ("events", "alerts", "unread", "tests") if total[name] < options.deliveries // 1000]
        checks.equal(few, [], "there were many of each sort")
        differences = [difference for answer in found for difference in answer["differences"]]
        checks.equal(differences[:5], [], f"{total['different']} differences")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deliveries", type=int, default=10_000)
    parser.add_argument("--worlds", type=int, default=4)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--postgres", action="store_true")
    parsed = parser.parse_args()
    tocsin.run(lambda checks: main(parsed, checks), seconds=60 + parsed.deliveries // 10)
