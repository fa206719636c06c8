"""A storm that becomes a digest, and how fast it all is."""

import collections
import contextlib
import json
import pathlib
import re
import sys
import time
import urllib.request

import tocsin
from notifications_place import CHANGES, Place, moment, note
from receivers_vendors import DingTalk, Webhook

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))
import load  # noqa: E402  (needs the path above)
import sides  # noqa: E402

LIMIT, STORM = 20, 500
LEVELS = ("critical", "error", "page")


def storm(checks, options):
    with Place(checks, options, "Storm") as place:
        room = place.room("Storm")
        notifier = room.webhook(storm_limit=LIMIT)
        robot = place.room("Robot").notifier(DingTalk("SECstorm"), storm_limit=LIMIT)
        began = time.monotonic()
        for start in range(0, STORM, 10):
            keys = [f"storm-{number}" for number in range(start, start + 10)]
            for each in (room, robot.room):
                each.push_alerts([each.alert(key, f"Disk full in rack {n % 7}", severity=LEVELS[n % 3]) for n, key in enumerate(keys)])
        note(f"storm: {STORM} changes in {time.monotonic() - began:.1f} s")
        is_quiet = place.coast(600, 10, lambda: not place.waiting())
        checks.check(is_quiet, "storm: nothing waits ten minutes later", str(place.waiting()[:1]))
        check_digests(checks, place, notifier)
        check_robot(checks, robot)
        after_the_storm(checks, place, room, notifier)


def check_digests(checks, place, notifier):
    news = notifier.news()
    singles = [each for each in news if each.type != "alert.digest"]
    digests = [each.data for each in news if each.type == "alert.digest"]
    # Once more waits than fits, the last place of the minute is kept for the digest.
    checks.check(len(singles) in (LIMIT - 1, LIMIT), f"storm: {LIMIT - 1} or {LIMIT} are told one by one", len(singles))
    checks.check(1 <= len(digests) <= 3, f"storm: the rest in {len(digests)} digest(s)")
    rest = STORM - len(singles)
    sums = [sum(digest[name] for digest in digests) for name in ("changes", "alerts")]
    counts = sum(count["alerts"] for digest in digests for count in digest["counts"])
    checks.equal((sums, counts), ([rest, rest], rest), f"storm: the digests' counts add up to the other {rest}")
    by_severity = collections.Counter()
    for digest in digests:
        for count in digest["counts"]:
            by_severity[count["severity"]] += count["alerts"]
    items = [item for item in notifier.notifications() if item["change"] != "digest"]
    recorded = collections.Counter(item["severity"] for item in items if item["state"] == "digested")
    checks.equal(dict(by_severity), dict(recorded), "storm: by severity, too")
    states = collections.Counter(item["state"] for item in items)
    checks.equal(dict(states), {"sent": len(singles), "digested": rest}, f"storm: all {STORM} are in the record")
    names = {item["digest_id"] for item in items if item["state"] == "digested"}
    listed = [item["id"] for name in names for item in place.notifications(digest_id=name)]
    of_digests = {item["id"] for item in notifier.notifications(change="digest")}
    checks.equal((len(set(listed) - of_digests), names), (rest, of_digests), "storm: what a digest stands for can be listed by it")
    titles = [title for digest in digests for title in digest["titles"]]
    good = titles and all("Disk full" in title["title"] for title in titles) and len(titles) <= 20 * len(digests)
    checks.check(good, "storm: titles are named", str(titles)[:200])
    good = all(digest["url"] and 1 <= len(digest["alert_ids"]) <= 200 for digest in digests)
    checks.check(good, "storm: a digest says where all of it is to be had")
    told = {each.alert for each in singles} | {alert for digest in digests for alert in digest["alert_ids"]}
    note(f"storm: {len(told)} alerts are named by id; titles {[(t['title'], t['alerts']) for t in titles][:3]}")


def check_robot(checks, robot):
    """DingTalk takes 20 a minute: the digest fits in, so that nothing was refused."""
    checks.equal(robot.endpoint.refused, [], f"storm: DingTalk refused none of {len(robot.received)} messages")
    first = robot.received[0].at
    note(f"storm: DingTalk was told after {', '.join(f'{received.at - first:.1f}' for received in robot.received[LIMIT - 1:])} s")
    words = robot.words(robot.taken[-1]) if robot.taken else ""
    checks.check(len(robot.taken) <= LIMIT + 3 and "Disk full" in words, "storm: DingTalk's digest names titles", words[:300])


def after_the_storm(checks, place, room, notifier):
    """A minute later they are told one by one again."""
    place.skip(120)
    count = len(notifier.taken)
    room.push("calm")
    notifier.wait(count + 1)
    checks.equal(notifier.news()[-1].type, "alert.opened", "storm: once it is over a change is told by itself again")


# --- speed


CHANNELS = 50


class Estate:
    """50 channels with a webhook each, and one shared integration that routes by the last two digits of the load generator's number."""

    def __init__(self, place):
        self.place = place
        self.channels = [place.account.channel(f"Speed {number}") for number in range(CHANNELS)]
        integration = place.account.shared("aliyun-arms", "Speed", self.channels[:1])
        path = f"{place.path}/integrations/{integration['id']}"
        place.api.call("PATCH", path, {"rate_limit": {"pushes_per_second": 20_000, "burst": 40_000}})
        routes = [
            {
                "conditions": [[{"key": "labels.pod_name", "operator": "in", "values": [f"*{number:02}", f"*{number + 50:02}"]}]],
                "mode": "standard", "channel_ids": [channel], "on_match": "stop",
            } for number, channel in enumerate(self.channels)
        ]
        place.api.call("PUT", f"{path}/routes", {"routes": routes})
        alert = tocsin.arms_alert("speed-@ID@")
        alert["labels"]["alertname"] = "Speed"
        self.request = load.post(tocsin.Sender(integration["push_url"], 0).path, tocsin.arms_body([alert]))
        self.endpoints, self.first, self.is_told = [], 1, False

    def add_notifiers(self):
        for number, channel in enumerate(self.channels):
            endpoint = self.place.receivers.endpoint(Webhook())
            body = {"name": f"Speed {number}", "kind": "webhook", "settings": {"url": endpoint.url}, "changes": CHANGES, "storm_limit": 1_000_000}
            created = self.place.api.post(f"{self.place.path}/channels/{channel}/notifiers", body)
            self.endpoints.append(endpoint)
            endpoint.path = f"{self.place.path}/channels/{channel}/notifiers/{created['id']}"
        self.is_told = True

    def enable(self, status):
        self.is_told = status == "enabled"
        for endpoint in self.endpoints:
            self.place.api.call("PATCH", endpoint.path, {"status": status})

    def measure(self, generator, rate, seconds):
        """(what the generator saw, milliseconds from received push to received message)."""
        marks = [len(endpoint.received) for endpoint in self.endpoints]
        used = sides.cpu_seconds(self.place.server.process.pid)
        result = generator.run(self.place.server.port, self.request, connections=64, rate=rate, seconds=seconds, first=self.first)
        self.first += result["requests"] + result["broken"] + result["unanswered"]
        wanted = (result["requests"] - result["not_2xx"]) * self.is_told
        news = []
        with contextlib.suppress(TimeoutError):
            tocsin.wait_until("all arrived", lambda: sum(len(e.received) for e in self.endpoints) - sum(marks) >= wanted, 15)
        result["cpu_us"] = (sides.cpu_seconds(self.place.server.process.pid) - used) * 1e6 / max(1, result["requests"])
        for endpoint, mark in zip(self.endpoints, marks):
            news += [(r.at - moment(json.loads(r.body)["timestamp"])) * 1000 for r in endpoint.received[mark:]]
        return result, sorted(news)


def percentile(values, part):
    return values[max(0, -(-len(values) * part // 100) - 1)] if values else 0.0


def speed(checks, options):
    rate, seconds, rounds = (1_000, 10, 3) if options.long else (500, 3, 1)
    with Place(checks, options, "Speed", is_moved=False) as place:
        estate, generator = Estate(place), load.Generator(place.server.directory)
        estate.measure(generator, rate, 2)  # warm-up
        rows = {"without": [], "with": []}
        for number in range(rounds):
            for side in ("without", "with"):
                if side == "with" and number == 0:
                    estate.add_notifiers()
                    time.sleep(0.3)
                elif estate.endpoints:
                    estate.enable("enabled" if side == "with" else "disabled")
                result, news = estate.measure(generator, rate, seconds)
                rows[side].append((result, news))
                checks.equal(result["bad"], 0, f"speed: round {number + 1}, {side} notifiers: every push was a 200 ({result['rate']:.0f}/s)")
                if side == "with":
                    checks.equal(len(news), result["requests"], f"speed: round {number + 1}: every push was told")
        report(place, rows)


def report(place, rows):
    print("| | pushes/s | push p50 ms | push p99 ms | CPU us a push | told p50 ms | told p99 ms | told max ms |\n|---|---|---|---|---|---|---|---|")
    for side, found in rows.items():
        for result, news in found:
            told = [f"{percentile(news, part):.0f}" if news else "" for part in (50, 99, 100)]
            print(f"| {side} notifiers | {result['rate']:,.0f} | {result['p50_ms']:.1f} | {result['p99_ms']:.1f} | {result['cpu_us']:.0f} | {' | '.join(told)} |")
    ratio = [with_["p99_ms"] / without["p99_ms"] for (with_, _), (without, _) in zip(rows["with"], rows["without"]) if without["p99_ms"]]
    note(f"push p99 with / without: {', '.join(f'{each:.2f}' for each in ratio)} (goal 1.2); told p99 (goal 2,000 ms). All on the same cores.")
    with urllib.request.urlopen(f"http://127.0.0.1:{place.server.port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    for line in re.findall(r'^tocsin_notification_attempts_total\{kind="webhook",\S+ [1-9]\d*|^tocsin_notification_seconds_(?:sum|count)\S* \S+', text, re.M):
        note(line)
