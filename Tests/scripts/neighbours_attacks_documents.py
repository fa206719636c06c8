"""Attacks of neighbours.py by what the server reads, compares and keeps: documents, names, lists of routes, bad fields."""

import json
import urllib.parse

from neighbours_attacker import Storm, attack

MARK, MIXED = "\u0301", "\u0301\u0323"  # alike, and of two classes in the wrong order: what compares text as text has to sort them
YAML = "application/yaml"


def condition(value, key="labels.k"):
    return {"key": key, "operator": "in", "values": [value]}


def document(routes, channels=1):
    """The attacker's configuration with other routes. The integrations are those that it has."""
    return {
        "channels": {"Main": {}, **{f"c{n}": {} for n in range(channels - 1)}}, "severity_tables": {},
        "integrations": {
            "Plain": {"type": "aliyun-arms", "mode": "dedicated", "channel": "Main"},
            "Shared": {"type": "aliyun-arms", "mode": "shared", "default_channels": ["Main"], "routes": routes},
        },
    }


def some_routes(count, word):
    return [{"name": f"{word} {n}", "conditions": [[condition(f"{word}-{n}")]], "channels": ["Main"]} for n in range(count)]


def drafts(attacker, count, word, size=0):
    """The same for the list of routes; `size`: bytes more in each."""
    more = "x" * size
    return [{"name": f"{n}", "conditions": [[condition(f"{word}-{n}{more}")]], "channel_ids": [attacker.channel]} for n in range(count)]


def plan(attacker, body, kind="application/json"):
    return attacker.request("POST", f"{attacker.path}/config/plan", body, kind=kind)


# MARK: YAML


@attack("documents", issue=6)
def yaml_aliases_in_keys(attacker):
    """plans of 460 bytes to 1.2 kB of YAML whose mapping keys are aliases of aliases"""
    keys = ("? *a{n}\n: 1\n", "*a{n} : 1\n", "? [*a{n}, *a{n}]\n: 1\n", "x: *a{n}\n", "? {{*a{n} : *a{n}}}\n: 1\n")
    texts = [laughs(depth, key) for depth in (6, 9, 12, 20) for key in keys]
    texts.append("a: &a\n  ? *a\n  : *a\n")
    return [Storm(attacker, [plan(attacker, text.encode(), YAML) for text in texts], threads=2)]


def laughs(depth, key):
    """Each anchor holds nine of the one before."""
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]\n"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, depth)]
    return "".join(lines) + key.format(n=depth - 1)


@attack("documents", issue=6)
def yaml_duplicate_keys(attacker):
    """plans with 400,000 duplicate keys, with as many distinct ones, in YAML and JSON"""
    same, others = b"channels:\n" + b"  a: {}\n" * 400_000, b"channels:\n" + b"".join(b"  c%d: {}\n" % n for n in range(400_000))
    flow = b"{channels: {" + b"a: {}," * 400_000 + b"}}"
    doubled = b'{"channels":{' + b",".join([b'"a":{}'] * 400_000) + b'},"integrations":{},"severity_tables":{}}'
    top = b"{" + b",".join([b'"a":1'] * 400_000) + b"}"
    requests = [plan(attacker, body, YAML) for body in (same, others, flow)] + [plan(attacker, body) for body in (doubled, top)]
    return [Storm(attacker, requests, threads=3)]


@attack("documents", issue=6, is_short=False)
def yaml_deep_and_odd(attacker):
    """plans of YAML that nests 100,000 deep in every way, long scalars, tags, many documents"""
    count = 100_000
    texts = ["[" * count, "{a: " * count, "- " * count, "? " * count, "".join(" " * n + "a:\n" for n in range(2000)), "!!a " * count, "&a " * count]
    texts += [
        "---\n" * count, "a: |\n" + "  \n" * count, "a: >\n" + " x\n" * count, "a: \"" + "\\x41" * count + "\"", "a: '" + "''" * count + "'",
        "#\n" * count,
    ]
    texts += [
        "%TAG ! tag:x,2000:\n" * 1000 + "---\na", "a: " + "1" * count, "a: 0x" + "f" * count, "a: 1e" + "9" * count,
        "? |\n" + " x\n" * count + ": 1",
    ]
    return [Storm(attacker, [plan(attacker, text.encode(), YAML) for text in texts], threads=3)]


# MARK: Names


@attack("documents", issue=7)
def marks_in_names(attacker):
    """64 to 256 kB of combining marks as names, keys and types of a configuration document"""
    bodies = []
    for count in (32_768, 131_072):
        name, other = "a" + MARK * count, "a" + MIXED * (count // 2)
        bodies += [
            {"channels": {name: {}, other: {}}, "integrations": {}, "severity_tables": {}},
            {"channels": {}, "integrations": {}, "severity_tables": {other: {"entries": [], "fallback": "Info"}, name: {}}},
            {"channels": {}, "integrations": {name: {"type": other, "mode": name}}, "severity_tables": {}},
            {"channels": {"a": {name: 1, other: 2}}, name: 1, "integrations": {}, "severity_tables": {}},
            {
                "channels": {},
                "integrations": {"x": {"type": name, "mode": "shared", "routes": [{"conditions": [[condition(name, name)]]}]}},
                "severity_tables": {},
            },
        ]
    requests = [plan(attacker, body) for body in bodies]
    requests += [plan(attacker, json.dumps(body, ensure_ascii=False).encode(), YAML) for body in bodies]
    return [Storm(attacker, requests, threads=3)]


@attack("documents", issue=7, is_short=False)
def marks_in_filters(attacker):
    """filters of combining marks, as long as an address may be: of the audit trail, of alerts, deliveries and channels"""
    requests = []
    for count in (300, 600, 620, 5000):
        text = urllib.parse.quote("a" + MIXED * count)
        for path in (
            "audit?action=", "audit?resource=", "alerts?q=", "alerts?label=", "alerts?alert_key=", "channels?label=a:",
            "channels?external_id=", "integrations?type=",
        ):
            requests.append(attacker.request("GET", f"{attacker.path}/{path}{text}", key=attacker.admin))
    attacker.fill(3000)
    return [Storm(attacker, requests, threads=8)]


@attack("documents", issue=7, is_short=False)
def marks_in_pushes(attacker):
    """pushes whose keys, labels and levels are combining marks"""
    def body(count, marks, is_raw):
        alert = lambda n: {"labels": {f"a{marks}": "x", "severity": marks, "alertname": marks, "pod": str(n)}, marks: marks}
        return json.dumps({"alerts": [alert(n) for n in range(count)]}, ensure_ascii=not is_raw).encode()

    bodies = [body(12, MIXED * 15_000, True), body(4, MIXED * 15_000, False), body(1000, MIXED * 150, True)]
    return [Storm(attacker, [attacker.push(each) for each in bodies], threads=3)]


# MARK: Plans and lists of routes


@attack("documents", issue=9, on_postgres=True)
def plan_of_other_routes(attacker):
    """10,000 routes, and plans of 10,000 others"""
    attacker.call("PUT", f"{attacker.path}/config", document(some_routes(10_000, "old")))
    bodies = [document(some_routes(10_000, f"new{n}")) for n in range(2)]
    bodies.append(document(list(reversed(some_routes(10_000, "old")))))
    return [Storm(attacker, [plan(attacker, body) for body in bodies], threads=4)]


@attack("documents", issue=9)
def put_of_other_documents(attacker):
    """documents with 10,000 other routes and 2,000 other channels, put in turn"""
    bodies = [document(some_routes(10_000, f"turn{n}"), channels=2000 if n else 1) for n in range(2)]
    requests = [attacker.request("PUT", f"{attacker.path}/config", body) for body in bodies]
    return [Storm(attacker, requests, threads=2), Storm(attacker, attacker.push(b'{"alerts":[{"labels":{"k":"turn0-9999"}}]}'), pause=0.02)]


@attack("documents", issue=9)
def put_of_many_integrations(attacker):
    """documents with 5,000 integrations and as many channels, put and taken away in turn"""
    many = document([], channels=5000)
    made = {f"i{n}": {"type": "aliyun-arms", "mode": "dedicated", "channel": f"c{n}"} for n in range(4999)}
    many["integrations"].update(made)
    requests = [attacker.request("PUT", f"{attacker.path}/config", body) for body in (many, document([]))]
    return [Storm(attacker, requests), Storm(attacker, attacker.push(b'{"alerts":[{"labels":{"k":"x"}}]}', attacker.plain_push), pause=0.02)]


@attack("documents", issue=15, on_postgres=True)
def put_of_large_routes(attacker):
    """a PUT of 10,000 routes of 1 kB, the same and others in turn, each with an idempotency key"""
    bodies = [json.dumps({"routes": drafts(attacker, 10_000, word, 900)}).encode() for word in ("one", "two")]
    prepared = [(attacker.request("PUT", attacker.routes, body, more="Idempotency-Key: @@@@@@@@@@@@\r\n")) for body in bodies]
    make = lambda which: lambda turn: prepared[which].replace(b"@@@@@@@@@@@@", b"%012d" % turn, 1)
    return [Storm(attacker, [make(0), make(0), make(1)], threads=3)]


@attack("documents", issue=15, is_short=False)
def put_of_equal_routes(attacker):
    """the same 10 MB of routes again and again"""
    request = attacker.request("PUT", attacker.routes, {"routes": drafts(attacker, 10_000, "same", 900)})
    return [Storm(attacker, request, threads=3)]


@attack("documents", is_short=False)
def routes_one_by_one(attacker):
    """routes added at the front of a long list, moved and removed one by one"""
    attacker.call("PUT", attacker.routes, {"routes": drafts(attacker, 9_000, "base")})
    draft = {"conditions": [[condition("x")]], "channel_ids": [attacker.channel], "position": 0}
    return [Storm(attacker, attacker.request("POST", attacker.routes, draft), threads=8)]


@attack("documents")
def restore_of_revisions(attacker):
    """large revisions listed, read and restored in turn"""
    for word in ("a", "b", "c"):
        attacker.call("PUT", f"{attacker.path}/config", document(some_routes(5_000, word)))
    listed = attacker.call("GET", f"{attacker.path}/config/revisions")[1] or {"items": []}
    numbers = [item["revision"] for item in listed["items"]][:3]
    path = f"{attacker.path}/config/revisions"
    requests = [attacker.request("POST", f"{path}/{number}/restore") for number in numbers]
    requests += [attacker.request("GET", f"{path}/{number}") for number in numbers] + [attacker.request("GET", f"{attacker.path}/config?format=yaml")]
    return [Storm(attacker, requests, threads=4)]


# MARK: Bad fields


@attack("documents", issue=11)
def a_million_bad_fields(attacker):
    """bodies of 16 MB with a million bad fields, four at once"""
    many = b",".join(b'"a%06d":1' % n for n in range(1_300_000))
    bodies = [
        ("POST", f"{attacker.path}/channels", b"{" + many[:15_900_000].rsplit(b",", 1)[0] + b"}"),
        ("PUT", attacker.routes, b'{"routes":[' + b",".join([b"1"] * 7_900_000) + b"]}"),
        ("PUT", attacker.routes, b'{"routes":[' + b",".join([b'{"conditions":[[{"key":"","operator":"","values":[]}]]}'] * 10_000) + b"]}"),
        ("POST", attacker.notifiers, b'{"conditions":[[' + b",".join([b"{}"] * 5_000_000) + b"]]}"),
        ("POST", f"{attacker.path}/config/plan", b'{"channels":{' + b",".join(b'"":{"a":%d}' % n for n in range(800_000)) + b"}}"),
        ("PUT", f"{attacker.path}/severity-tables/aliyun-arms", b'{"entries":[' + b",".join([b"{}"] * 5_000_000) + b"]}"),
    ]
    return [Storm(attacker, [attacker.request(*body) for body in bodies], threads=4)]


@attack("documents", is_short=False)
def json_of_many_nodes(attacker):
    """bodies of 16 MB of brackets, of empty lists, of numbers, of names that are escapes, four at once"""
    texts = [
        b"[" * 1000 + b"]" * 1000, b"[" + b"[]," * 5_200_000 + b"[]]", b"{" + b'"\\u0061":{},' * 1_200_000 + b'"b":1}', b"[" * 15_000_000,
        b'"' + b"\\u0001" * 2_600_000 + b'"',
    ]
    texts.append(b'{"name":"' + b"\\u0301" * 2_600_000 + b'"}')
    return [Storm(attacker, [attacker.request("POST", f"{attacker.path}/channels", text) for text in texts], threads=4)]
