"""Attacks of neighbours.py by what a push makes: channels, routes and notifiers times alerts, large bodies, replays; and by what goes out."""

import json
import socket

from neighbours_attacker import Held, Storm, attack
from neighbours_attacks_documents import document

NOWHERE = "http://127.0.0.1:9/"


def new_alerts(attacker, count, labels="", path=None):
    """Six pushes, each of other alerts."""
    head, _, _ = attacker.push(b"", path).partition(b"Content-Length")

    def make(turn):
        body = ",".join(f'{{"labels":{{"alertname":"x","n":"{turn}-{n}"{labels}}}}}' for n in range(count))
        body = f'{{"alerts":[{body}]}}'.encode()
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body

    return [make(turn) for turn in range(6)]


def channels_for_all(attacker, count):
    """Routes that send everything to `count` channels, a hundred each."""
    names = ["Main", *(f"c{n}" for n in range(count - 1))]
    routes = [{"conditions": [], "channels": names[n:n + 100]} for n in range(0, count, 100)]
    return attacker.call("PUT", f"{attacker.path}/config", document(routes, count))


def routes_for_all(attacker, count):
    """Routes that all match everything."""
    every = [[{"key": "labels.n", "operator": "in", "values": ["*"]}]]
    drafts = [{"name": f"{n}", "conditions": every, "channel_ids": [attacker.channel]} for n in range(count)]
    return attacker.call("PUT", attacker.routes, {"routes": drafts})


# MARK: Fan-out


@attack("fan-out", issue=8, on_postgres=True)
def alerts_times_channels(attacker):
    """pushes of 300 alerts, each to up to 2,000 channels"""
    attacker.most("channels", (2000, 500, 100), lambda count: channels_for_all(attacker, count))
    return [Storm(attacker, new_alerts(attacker, 300), threads=2)]


@attack("fan-out", issue=8)
def alerts_times_routes(attacker):
    """pushes of 3,000 alerts, each matched by up to 10,000 routes"""
    attacker.most("routes", (10_000, 2000, 300), lambda count: routes_for_all(attacker, count))
    return [Storm(attacker, new_alerts(attacker, 3000), threads=2)]


@attack("fan-out", issue=8)
def reading_large_deliveries(attacker):
    """a delivery of 1,000 alerts times as many routes and channels as goes, read by 8 at once, with its events"""
    attacker.most("channels", (1000, 100), lambda count: channels_for_all(attacker, count))
    said = attacker.exchange(new_alerts(attacker, 60)[0], patience=30)[1]
    attacker.most("routes", (3000, 300), lambda count: routes_for_all(attacker, count))
    other = attacker.exchange(new_alerts(attacker, 1000)[1], patience=30)[1]
    requests = []
    for answer in (said, other):
        delivery = json.loads(answer or b"{}").get("data", {}).get("delivery_id")
        requests.append(attacker.request("GET", f"{attacker.path}/deliveries/{delivery}"))
        requests.append(attacker.request("GET", f"{attacker.path}/events?limit=200&delivery_id={delivery}"))
        requests.append(attacker.request("GET", f"{attacker.path}/deliveries?limit=200"))
    return [Storm(attacker, requests, threads=8)]


@attack("fan-out", issue=8)
def alerts_times_notifiers(attacker):
    """pushes of 300 alerts to a channel with as many notifiers as it may have"""
    made = sum(attacker.webhook(f"n{n}", NOWHERE, storm_limit=1_000_000)[0] == 201 for n in range(50))
    attacker.note(f"{made} notifiers taken")
    return [Storm(attacker, new_alerts(attacker, 300, path=attacker.plain_push), threads=2, pause=0.05)]


@attack("fan-out", issue=8, is_short=False)
def alerts_times_five_hundred_notifiers(attacker):
    """pushes of 300 alerts to 10 channels with 50 notifiers each"""
    channels_for_all(attacker, 10)
    listed = attacker.call("GET", f"{attacker.path}/channels?limit=200")[1] or {"items": []}
    paths = [f"{attacker.path}/channels/{item['id']}/notifiers" for item in listed["items"]]
    made = sum(attacker.webhook(f"n{n}", NOWHERE, path, storm_limit=1_000_000)[0] == 201 for path in paths for n in range(50))
    attacker.note(f"{made} notifiers taken")
    return [Storm(attacker, new_alerts(attacker, 300), threads=2)]


# MARK: Bodies


@attack("pushes", issue=14)
def empty_alerts(attacker):
    """pushes of 10,000 {} (30 kB), 8 at a time"""
    body = b'{"alerts":[' + b",".join([b"{}"] * 10_000) + b"]}"
    return [Storm(attacker, attacker.push(body), threads=4, lines=2)]


@attack("pushes", issue=14)
def pushes_of_four_megabytes(attacker):
    """pushes of 10,000 new alerts and 4 MB, 24 at a time"""
    requests = new_alerts(attacker, 10_000, f',"more":"{"m" * 330}"')
    return [Storm(attacker, requests, threads=6, lines=4)]


@attack("pushes")
def one_label_of_four_megabytes(attacker):
    """pushes of 4 MB in one label, in 100,000 labels, in one annotation, nested, 8 at a time"""
    big = b"x" * 4_100_000
    bodies = [
        b'{"alerts":[{"labels":{"alertname":"%s"}}]}' % big,
        b'{"alerts":[{"labels":{' + b",".join(b'"l%d":"%d"' % (n, n) for n in range(200_000)) + b"}}]}"
    ]
    bodies += [
        b'{"alerts":[{"labels":{"a":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}}]}",
        b'{"commonLabels":{' + b",".join(b'"l%d":"%d"' % (n, n) for n in range(100_000)) + b'},"alerts":[' + b",".join([b"{}"] * 10_000) + b"]}"
    ]
    bodies += [
        b'{"alerts":[{"labels":{"pod":"1"},"annotations":{"description":"' + b"\\u0001" * 600_000 + b'"}}]}', b"\xff" * 4_000_000,
        b"[" * 4_000_000,
    ]
    return [Storm(attacker, [attacker.push(body) for body in bodies], threads=8)]


@attack("pushes")
def replays_of_a_large_delivery(attacker):
    """a delivery of 10,000 alerts replayed again and again, one by one and by many"""
    said = [attacker.exchange(attacker.push(request.partition(b"\r\n\r\n")[2]), patience=30)[1] for request in new_alerts(attacker, 10_000)[:3]]
    names = [json.loads(answer or b"{}").get("data", {}).get("delivery_id") for answer in said]
    requests = [attacker.request("POST", f"{attacker.path}/deliveries/{name}/replay") for name in names]
    requests.append(attacker.request("POST", f"{attacker.path}/deliveries/replay", {"limit": 500}))
    return [Storm(attacker, requests, threads=6)]


@attack("pushes")
def closing_many_alerts(attacker):
    """alerts closed by 32 at once, opened again by pushes of 10,000"""
    attacker.fill(10_000)
    names, cursor = [], ""
    for _ in range(5):
        page = attacker.call("GET", f"{attacker.path}/alerts?limit=200{cursor}")[1] or {"items": [], "next_cursor": ""}
        names += [item["id"] for item in page["items"]]
        if not page["next_cursor"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    requests = [attacker.request("POST", f"{attacker.path}/alerts/{name}/close") for name in names]
    return [Storm(attacker, requests, threads=4, lines=8), Storm(attacker, new_alerts(attacker, 10_000))]


@attack("pushes", is_short=False)
def alerts_that_flap(attacker):
    """10,000 alerts that fire and recover in turn"""
    firing = new_alerts(attacker, 10_000)[0].partition(b"\r\n\r\n")[2]
    recovered = firing.replace(b'{"labels"', b'{"status":"resolved","labels"')
    return [Storm(attacker, [attacker.push(firing), attacker.push(recovered)], threads=3)]


# MARK: What goes out


def deaf(count=512):
    """A receiver that takes connections and never says a word."""
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    made.listen(count)
    return made


@attack("outbound")
def dead_receivers(attacker):
    """50 notifiers whose receivers take the connection and never answer, pushes of 100 alerts"""
    receiver = deaf()
    url = f"http://127.0.0.1:{receiver.getsockname()[1]}/"
    made = sum(attacker.webhook(f"d{n}", f"{url}{n}", storm_limit=1_000_000)[0] == 201 for n in range(50))
    attacker.note(f"{made} notifiers taken")
    keep = Held(lambda held: held.held.append(receiver))
    return [keep, Storm(attacker, new_alerts(attacker, 100, path=attacker.plain_push), pause=0.1)]


@attack("outbound")
def dead_names(attacker):
    """50 notifiers with names that do not resolve, pushes of 100 alerts, tests of them by 16 at once"""
    made = [attacker.webhook(f"d{n}", f"https://{'x' * 60}{n}.dead{n}.invalid/", storm_limit=1_000_000) for n in range(50)]
    names = [answer["id"] for status, answer in made if status == 201]
    attacker.note(f"{len(names)} notifiers taken")
    tests = [attacker.request("POST", f"{attacker.notifiers}/{name}/test") for name in names] or [attacker.request("GET", attacker.notifiers)]
    return [Storm(attacker, new_alerts(attacker, 100, path=attacker.plain_push), pause=0.1), Storm(attacker, tests, threads=16)]


@attack("outbound", is_short=False)
def tests_of_a_deaf_receiver(attacker):
    """tests of a notifier whose receiver never answers, 60 at once"""
    receiver = deaf()
    status, made = attacker.webhook("deaf", f"http://127.0.0.1:{receiver.getsockname()[1]}/")
    test = attacker.request("POST", f"{attacker.notifiers}/{made['id'] if status == 201 else 'none'}/test")
    return [Held(lambda held: held.held.append(receiver)), Storm(attacker, test, threads=60)]
