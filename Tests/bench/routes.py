"""What ten thousand routes cost an alert: one integration with one route, others with many, the same pushes to each in turn."""

import http.client
import json
import time

import report
import tocsin
from sides import TocsinSide, note, per_alert, push_path, wrk

ALERTS = 100  # in a push
GOAL = "≤ 20 µs"
# name, what it is, how many of a hundred routes ask for a wildcard and for a pattern; the others for exact values
TABLES = [
    ("exact", "{:,} routes, exact values", 0, 0),
    ("mixed", "{:,} routes, 10 % wildcards, 5 % regular expressions", 10, 5),
]


def condition(number, wildcards, patterns):
    """What route `number` asks for: no alert of the load satisfies it, and none can be decided by its first letters alone."""
    place = number % 100
    namespace = f"orders-{number}"
    if place < wildcards:
        values = [f"{namespace}-*"]
    elif place < wildcards + patterns:
        values = [f"/^{namespace}-(prod|stage)-[0-9]+$/"]
    else:
        values = [f"{namespace}-prod", f"{namespace}-stage"]
    group = [{"key": "labels.namespace", "operator": "in", "values": values}]
    if number % 5 == 0:
        group.append({"key": "severity", "operator": "in", "values": ["Critical", "Warning"]})
    return [group]


def table(count, channel, wildcards, patterns):
    """`count` routes, of which only the last one matches the load."""
    routes = [
        {"name": f"team {n}", "conditions": condition(n, wildcards, patterns), "channel_ids": [channel], "on_match": "stop"}
        for n in range(count - 1)
    ]
    last = [[{"key": "labels.namespace", "operator": "in", "values": ["orders"]}]]
    return routes + [{"name": "the last", "conditions": last, "channel_ids": [channel], "on_match": "stop"}]


class Integration:
    """A shared integration with its routes, and the push that goes to it."""

    def __init__(self, server, name, routes, directory):
        # No default channel: an alert that the last route does not match would be no alert.
        made = server.account.shared("aliyun-arms", name, [])
        began = time.monotonic()
        call(server, "PUT", f"{server.account.path}/integrations/{made['id']}/routes", {"routes": routes})
        self.replaced_in = time.monotonic() - began
        self.path, self.results = push_path(made), []
        self.body = f"{directory}/{name}"
        body = server.body([f"{name}-{n}" for n in range(ALERTS)])
        with open(self.body, "wb") as file:
            file.write(body)
        began = time.monotonic()
        status, answer = tocsin.Sender(made["push_url"], server.port).push(body)
        self.first_push = time.monotonic() - began
        if status != 200:
            raise RuntimeError(f"{name}: {status} {answer}")
        alerts = server.account.items("alerts", integration_id=made["id"])
        if len(alerts) != ALERTS:
            raise RuntimeError(f"{name}: {len(alerts)} alerts, not {ALERTS}: the last route does not match")


def call(server, method, path, body):
    """One call that may take long."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    headers = {"Authorization": f"Bearer {server.account.key}", "Content-Type": "application/json"}
    connection.request(method, path, json.dumps(body).encode(), headers)
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    if response.status != 200:
        raise RuntimeError(f"{method} {path}: {response.status} {answer[:300]}")


def rows(options, directory):
    with TocsinSide(options.data_parent) as server:
        found = {"one": Integration(server, "one", table(1, server.channel, 0, 0), directory)}
        for name, _, wildcards, patterns in TABLES:
            routes = table(options.routes, server.channel, wildcards, patterns)
            found[name] = Integration(server, name, routes, directory)
            note(f"routes, {name}: replaced in {found[name].replaced_in:.2f} s, first push after it {found[name].first_push * 1000:.0f} ms")
        for turn in range(options.rounds):
            for name in list(found)[:: 1 if turn % 2 == 0 else -1]:
                wrk(options, server.port, found[name].path, ["repeated", found[name].body], seconds=1)
                used = server.cpu()
                result = wrk(options, server.port, found[name].path, ["repeated", found[name].body])
                found[name].results.append(per_alert(result, ALERTS, server, used))
                note(f"routes, {name}, round {turn + 1}: {result['alerts_rate']:,.0f} alerts/s, CPU {result['cpu_us']:.1f} µs/alert")
    yield from lines(options, found)


def lines(options, found):
    one = found["one"].results
    for name, integration in found.items():
        for result in integration.results:
            del result["memory"]  # of all three
        title = "1 route" if name == "one" else next(form for key, form, *_ in TABLES if key == name).format(options.routes)
        title = f"100 alerts, the same; {title}"
        yield report.row(title, "Tocsin", integration.results)
        if name == "one":
            continue
        yield report.row(f"{title}: the PUT of all", "Tocsin", [report.times([integration.replaced_in])])
        yield report.row(f"{title}: the first push after it", "Tocsin", [report.times([integration.first_push])])
        used = report.median(integration.results, "cpu_us") - report.median(one, "cpu_us")
        slower = 1e6 / report.median(integration.results, "alerts_rate") - 1e6 / report.median(one, "alerts_rate")
        cells = {"cpu_us": f"**{used:+.1f}**", "alerts_rate": f"{slower:+.1f} µs/alert"}
        yield report.difference(f"{title}, over 1 route", cells, GOAL)
