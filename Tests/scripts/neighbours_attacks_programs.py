"""Attacks of neighbours.py by what the server runs for a tenant: templates, conditions, patterns."""

import json
import random
import string

from neighbours_attacker import Storm, attack

NOWHERE = "http://127.0.0.1:9/"  # the discard port: nobody listens
MARK = "\u0301"


def preview(attacker, **template):
    return attacker.request("POST", f"{attacker.notifiers}/preview", {"kind": "webhook", "template": template})


def nested(name, depth, inner="{{name}}"):
    return f"{{{{#{name}}}}}" * depth + inner + f"{{{{/{name}}}}}" * depth


def condition(values, key="labels.big", operator="in"):
    return {"key": key, "operator": operator, "values": values}


def groups(values, operator="in"):
    """Conditions for which each value has to be tried. Up to 20 groups of up to 20 conditions of up to 100 values, none of which may match."""
    parts = [condition(values[n:n + 100], operator=operator) for n in range(0, len(values), 100)]
    if operator == "not_in":  # each holds, so the next is tried, and the last group is as dear as the first
        return [[*parts[n:n + 19], condition(["*"], "labels.none")] for n in range(0, len(parts), 19)]
    return [parts[n::20] for n in range(min(20, len(parts)))]


def wildcards(count, end=""):
    """Distinct ones that a label of `a` alone all but matches, again and again. `end`: `*` for those that no index by their ends can leave out."""
    return [f"*{'a' * (600 - n % 300)}{'b' * (1 + n // 300)}{end}" for n in range(count)]


def alerts(count, size, letters="a", seed=0):
    """A push of alerts with one big label."""
    random.seed(seed)
    word = lambda: "".join(random.choices(letters, k=size)) if len(letters) > 1 else letters * size
    return json.dumps({"alerts": [{"labels": {"alertname": f"big {seed}", "pod": f"{seed}-{n}", "big": word()}} for n in range(count)]}).encode()


# MARK: Templates


@attack("templates", issue=1)
def template_hidden_tags(attacker):
    """previews whose tags hide behind a combining mark: {{ U+0301 {{="""
    hidden = ["{{" + MARK, "{{" + MARK + "x ", "{{\u200d", "{{\ufe0f", "{{\u20dd "]
    texts = [start + "{{=| |=}}" + rest for start in hidden for rest in ("|#link||/link|", "|/", "|^x||/x||", "|>x|", "|&title|", "|{title}|")]
    texts += [start + rest for start in hidden for rest in ("{{=", "{{= }}", "{{=a", "{{={ }=}}{#link}{/link}", "{{%x:y}}", "{{<x}}{{/x}}", "{{>*x}}")]
    return [Storm(attacker, [preview(attacker, text=text) for text in texts] + [preview(attacker, title=text) for text in texts], threads=2)]


@attack("templates", issue=2)
def template_nested_lists(attacker):
    """previews of {{#labels_list.}} nested 20 to 40 times"""
    texts = [nested(name, depth) for depth in (20, 30, 40) for name in ("labels_list.", "annotations_list..", ".labels_list", "main_labels.")]
    return [Storm(attacker, [preview(attacker, text=text) for text in texts], threads=2)]


@attack("templates", issue=2)
def template_nested_stored(attacker):
    """the same stored in a notifier that hears of pushes"""
    for n, name in enumerate(("labels_list.", "labels_list", ".labels_list")):
        attacker.webhook(f"nested {n}", NOWHERE, template={"text": nested(name, 30)})
        attacker.webhook(f"hidden {n}", NOWHERE, template={"text": ("{{" + MARK) * n + "{{="})
    return [Storm(attacker, [attacker.push(alerts(4, 20, seed=n), attacker.plain_push) for n in range(4)], pause=0.05)]


@attack("templates", is_short=False)
def template_braces(attacker):
    """previews of 8 kB of braces, of sections 100 and 800 deep, of tags that never end"""
    texts = [
        "{{" * 4096, "{{{" * 2700, "{{#" * 2700, "{" * 8192, "{{title}}" * 900, "{{^link}}" * 900, "{{!" * 2700,
        "{{#link}}" * 400 + "{{/link}}" * 400,
    ]
    texts += [nested("link", 100, "x"), nested("labels", 100, "x"), "{{" + "a." * 4000 + "}}", "{{#labels." + "a" * 8000 + "}}"]
    return [Storm(attacker, [preview(attacker, text=text[:8192]) for text in texts], threads=8)]


@attack("templates")
def template_big_lists(attacker):
    """50 notifiers with the most tags in lists, alerts with as many and as large labels as are kept"""
    text = "{{#labels_list}}{{name}}={{value}}{{name}}={{value}}{{value}}{{/labels_list}}"
    text += "{{#annotations_list}}{{value}}{{name}}{{value}}{{/annotations_list}}"
    text += "".join("{{labels.l%d}}{{title}}{{description}}" % n for n in range(25))
    made = sum(attacker.webhook(f"big {n}", NOWHERE, template={"text": text[:8192]}, storm_limit=100_000)[0] == 201 for n in range(50))
    attacker.note(f"{made} notifiers taken")
    labels = {f"l{n}": "<&\"*_[]`" * 250 for n in range(60)}
    large = [{"labels": {"alertname": f"t{n}" * 100, "pod": str(n)}, "annotations": labels} for n in range(25)]
    body = json.dumps({"commonLabels": labels, "alerts": large})
    return [
        Storm(attacker, attacker.push(body.encode(), attacker.plain_push), pause=0.1),
        Storm(attacker, preview(attacker, text=text[:8192], title=text[:8192]), threads=4),
    ]


# MARK: Conditions


@attack("conditions", issue=3, on_postgres=True)
def wildcards_in_a_notifier(attacker):
    """a notifier with up to 1,520 wildcards *aaa..b, then pushes of 5 alerts with a label of 2 kB"""
    attempt = lambda size: attacker.webhook(f"wild {size}", NOWHERE, conditions=groups(wildcards(size)))
    attacker.most("wildcards", (1520, 500, 150, 50), attempt)
    return [Storm(attacker, [attacker.push(alerts(5, 2048, seed=n), attacker.plain_push) for n in range(20)], threads=2)]


@attack("conditions", issue=4)
def wildcards_in_routes(attacker):
    """two routes with up to 1,520 wildcards each, pushes of 4 alerts"""
    def make(size):
        return [{"conditions": groups(wildcards(size // 2, "*"))}, {"conditions": groups(wildcards(size // 2, "*b"), "not_in")}]

    most_routes(attacker, "wildcards", (3040, 1000, 300, 100), make)
    return [Storm(attacker, [attacker.push(alerts(4, 2048, seed=n)) for n in range(20)], threads=3)]


def most_routes(attacker, what, sizes, make):
    """Puts the largest list of routes that is taken; `make(size)`: drafts without channels."""

    def attempt(size):
        drafts = [{"channel_ids": [attacker.channel], **draft} for draft in make(size)]
        return attacker.call("PUT", attacker.routes, {"routes": drafts})

    return attacker.most(what, sizes, attempt)


def patterns(count, seed=0):
    """Distinct ones that are dear to compile: \\pL has 600 ranges."""
    return [f"/\\pL{{{40 - n % 3}}}{n + seed * 1000}/" for n in range(count)]


def routes_with(values, each=50):
    return [{"conditions": [[condition(values[n:n + each])]]} for n in range(0, len(values), each)]


@attack("conditions", issue=5)
def patterns_in_a_dry_run(attacker):
    """dry runs of routes with 600 patterns /\\pL{40}/, others each time"""
    bodies = [{"routes": [{"channel_ids": [attacker.channel], **route} for route in routes_with(patterns(600, seed))]} for seed in range(4)]
    dry = attacker.routes + "?dry_run=true"
    return [Storm(attacker, [attacker.request("PUT", dry, body) for body in bodies], threads=4)]


@attack("conditions", issue=5, on_postgres=True)
def patterns_while_the_revision_moves(attacker):
    """up to 600 patterns /\\pL{40}/ in routes, pushes, and a change of the configuration again and again"""
    most_routes(attacker, "patterns", (600, 300, 100, 30, 10), lambda size: routes_with(patterns(size)))
    changes = [attacker.request("PATCH", f"{attacker.path}/channels/{attacker.channel}", {"description": f"{n}"}) for n in range(2)]
    pushes = [attacker.push(alerts(4, 2000, string.ascii_letters, n)) for n in range(10)]
    return [Storm(attacker, changes, pause=0.02), Storm(attacker, pushes, threads=3)]


@attack("conditions", issue=5)
def patterns_that_thrash(attacker):
    """up to 400 patterns like /x.{20}y/ whose automata do not fit, over random labels of 2 kB"""
    make = lambda size: routes_with([f"/[xz].{{{10 + n % 20}}}y.{{{5 + n // 20}}}{n}/" for n in range(size)])
    most_routes(attacker, "patterns", (400, 150, 50, 15), make)
    pushes = [attacker.push(alerts(100, 2000, "xyz", n)) for n in range(10)]
    return [Storm(attacker, pushes, threads=4)]


@attack("conditions", issue=5)
def patterns_in_notifiers(attacker):
    """50 notifiers with as many patterns as they may have, pushes of 100 alerts"""
    size = attacker.most("patterns", (100, 40, 10), lambda size: attacker.webhook("p", NOWHERE, conditions=groups(patterns(size)))) or 5
    for n in range(49):
        attacker.webhook(f"p{n}", NOWHERE, conditions=groups(patterns(size, n + 1)))
    return [Storm(attacker, [attacker.push(alerts(100, 1000, "xyz", n), attacker.plain_push) for n in range(5)], threads=2)]


@attack("conditions", issue=10)
def conditions_that_grow(attacker):
    """notifiers and routes whose conditions grow when stored: \\b becomes \\u0008"""
    def attempt(size):
        values = [f"{n}" + "\b" * 170 for n in range(size // 340)]
        return attacker.webhook("grows", NOWHERE, conditions=groups(values))

    attacker.most("bytes of conditions", (7_000_000, 2_000_000, 500_000, 100_000), attempt)
    most_routes(attacker, "bytes of routes", (7_000_000, 500_000), lambda size: routes_with([f"{n}" + "\b" * 170 for n in range(size // 340)], 100))
    return [Storm(attacker, [attacker.push(alerts(2, 100, seed=n), attacker.plain_push) for n in range(5)], threads=2, pause=0.02)]


@attack("conditions")
def drafts_in_parallel(attacker):
    """simulate and backtest with drafts of 10,000 routes, 6 at a time"""
    attacker.fill(5000)
    routes = [{"channel_ids": [attacker.channel], "conditions": [[condition([f"v{n}", f"*x{n}*"], f"labels.k{n % 50}")]]} for n in range(10_000)]
    body = json.dumps({"alerts": [{"labels": {"alertname": "x", "pod": f"{n}", **{f"k{m}": f"axb{n}" for m in range(50)}}} for n in range(200)]})
    path = f"{attacker.path}/integrations/{attacker.shared}"
    requests = [attacker.request("POST", f"{path}/simulate", {"body": body, "routes": routes})]
    requests.append(attacker.request("POST", f"{path}/backtest", {"routes": routes, "deliveries": 1000}))
    return [Storm(attacker, requests, threads=6), Storm(attacker, attacker.push(body.encode()), pause=0.2)]


@attack("conditions", issue=8)
def simulations_of_everything(attacker):
    """simulations of 3,000 alerts with 2,000 routes that all match, 4 at a time"""
    routes = [{"name": f"{n}", "channel_ids": [attacker.channel], "conditions": []} for n in range(2000)]
    body = json.dumps({"alerts": [{"labels": {"pod": f"{n}"}} for n in range(3000)]})
    path = f"{attacker.path}/integrations/{attacker.shared}/simulate"
    return [Storm(attacker, attacker.request("POST", path, {"body": body, "routes": routes}), threads=4)]


@attack("conditions", is_short=False)
def tables_and_source_rules(attacker):
    """the largest severity table, 50 networks and 10 pinned labels, changed all the time under pushes of 10,000 alerts"""
    rows = [{"level": f"{'é' * 50}{n}", "severity": "Info"} for n in range(200)]
    table = attacker.request("PUT", f"{attacker.path}/severity-tables/aliyun-arms", {"entries": rows, "fallback": "Info"})
    pinned = {f"p{n}": "a" * 2000 for n in range(10)}
    rules = {"source_cidrs": [f"10.{n}.0.0/16" for n in range(49)] + ["127.0.0.0/8"], "pinned_labels": pinned}
    change = attacker.request("PATCH", f"{attacker.path}/integrations/{attacker.shared}", rules)
    body = json.dumps({"commonLabels": pinned, "alerts": [{"labels": {"severity": f"{'É' * 50}{n % 200}", "pod": str(n)}} for n in range(10_000)]})
    return [Storm(attacker, [table, change], pause=0.02), Storm(attacker, attacker.push(body.encode()), threads=3)]
