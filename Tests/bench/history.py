"""One account with many alerts next to one with few: the same reads and recoveries, in turn on two servers that both run.

The alerts come as they would: pushes of a hundred. Reads are asked for on a schedule below the limit of an API key.
"""

import time

import report
import tocsin
from load import ID, get, post
from sides import TocsinSide, note

FEW = 1000
ALERTS = 100  # in a push
RATE = 200  # reads and recoveries a second
PAGE = 50
DEEP = 1000  # the page that a deep read asks for, or the last one
GOAL = "p50, p99 ≤ 1.3"


class Store:
    """A server with `count` open alerts in one account."""

    def __init__(self, options, count):
        self.side, self.count = TocsinSide(options.data_parent), count

    def __enter__(self):
        self.side.__enter__()
        self.port, self.account = self.side.port, self.side.account
        return self

    def __exit__(self, *problem):
        self.side.__exit__(*problem)

    def fill(self, generator):
        """Seconds. Alert n of push p is `pppppppppp-n`."""
        request = post(self.side.path, self.side.body([f"{ID}-{n:02d}" for n in range(ALERTS)]))
        began = time.monotonic()
        result = generator.run(self.port, request, limit=900, connections=16, count=self.count // ALERTS)
        if result["bad"]:
            raise RuntimeError(f"filling: {result}")
        return time.monotonic() - began

    def look(self):
        """Finds what the reads ask for: the cursor of a deep page, and alerts all over the store."""
        path, cursor, self.ids = f"{self.account.path}/alerts", {}, []
        self.pages = min(DEEP, self.count // PAGE)
        every = max(1, self.pages // 20)
        for page in range(1, self.pages + 1):
            if page == self.pages:
                self.deep = cursor["cursor"]
            answer = self.account.api.get(path, limit=PAGE, **cursor)
            if len(answer["items"]) != PAGE:
                raise RuntimeError(f"page {page} of {self.count} alerts has {len(answer['items'])}")
            if page % every == 0:
                self.ids += [item["id"] for item in answer["items"]]
            cursor = {"cursor": answer["next_cursor"]}
        # The pages are of the newest; an event names its alert, and events are found by their key.
        step = max(1, self.count // ALERTS // 200)
        for push in range(0, self.count // ALERTS, step):
            (event,) = self.account.api.get(f"{self.account.path}/events", alert_key=f"{push:010d}-{push % ALERTS:02d}")["items"]
            self.ids.append(event["channels"][0]["alert_id"])

    def search(self):
        """Seconds until the oldest alert is found by its key, page by page."""
        began = time.monotonic()
        found = list(self.account.api.items(f"{self.account.path}/alerts", alert_key=f"{0:010d}-00"))
        if len(found) != 1:
            raise RuntimeError(f"{len(found)} alerts have the first key")
        return time.monotonic() - began

    def requests(self):
        """name -> (request, values)"""
        path, key = f"{self.account.path}/alerts", self.account.key
        return {
            "first": (get(f"{path}?limit={PAGE}", key), None),
            "deep": (get(f"{path}?limit={PAGE}&cursor={self.deep}", key), None),
            "active": (get(f"{path}?limit={PAGE}&active=true", key), None),
            "get": (get(f"{path}/{ID}", key), self.ids),
        }

    def recovery(self, start, count):
        """A recovery of one alert a push, and the keys: all over the store, none twice."""
        ended = tocsin.arms_alert(ID, status="resolved", ends="2026-03-02T10:30:00.000000000Z")
        step = self.count // FEW
        numbers = range(start * step, (start + count) * step, step)
        keys = [f"{n // ALERTS:010d}-{n % ALERTS:02d}" for n in numbers]
        return post(self.side.path, tocsin.arms_body([ended]), len(keys[0])), keys


MEASURED = {
    "first": "first page of the list", "deep": "page 1,000 of the list (last of the small one)", "active": "first page of the open ones",
    "get": "one alert", "search": "the oldest alert by its `alert_key`, all pages", "recovery": "a recovery pushed",
}


def measure(options, generator, store, name, turn):
    if name == "search":
        return report.times([store.search()])
    if name == "recovery":
        count = min(RATE * options.seconds, FEW // options.rounds)
        request, values = store.recovery(turn * count, count)
    else:
        count = RATE * options.seconds
        request, values = store.requests()[name]
        # What is asked for is warm, in both.
        generator.run(store.port, request, values=values, connections=2, rate=RATE, count=RATE // 8)
    result = generator.run(store.port, request, values=values, connections=2, rate=RATE, count=count)
    return {column: result[column] for column in ("rate", "p50_ms", "p99_ms", "max_ms", "bad")}


def rows(options, generator):
    with Store(options, FEW) as small, Store(options, options.alerts) as large:
        stores = (large, small)
        for store in stores:
            seconds = store.fill(generator)
            store.look()
            note(f"{store.count:,} alerts of one account, filled in {seconds:.0f} s: {store.count / seconds:,.0f} alerts/s")
        memory = [(store, tocsin.resident_memory(store.side.pid)) for store in stores]
        for name, what in MEASURED.items():
            results = {store: [] for store in stores}
            for turn in range(options.rounds):
                for store in stores[:: 1 if turn % 2 == 0 else -1]:
                    result = measure(options, generator, store, name, turn)
                    results[store].append(result)
                    note(f"{what}, {store.count:,} alerts, round {turn + 1}: p50 {result['p50_ms']:.2f} ms, max {result['max_ms']:.2f} ms")
            for store in stores:
                yield report.row(f"{what}; {store.count:,} alerts stored", "Tocsin", results[store])
            yield report.ratio(what, results[large], results[small], GOAL, names=("p50_ms", "p99_ms", "max_ms"), bold=("p50_ms", "p99_ms"))
        check_recovered(small, options)
        for store, used in memory:
            yield report.row(f"{store.count:,} alerts of one account, just filled", "Tocsin", [{"memory": used}])


def check_recovered(store, options):
    """The recoveries did recover: else their latency would be that of something else."""
    expected = min(RATE * options.seconds, FEW // options.rounds) * options.rounds
    found = sum(item["status"] == "Ok" for item in store.account.items("alerts"))
    if found != expected:
        note(f"warning: {found} of {store.count} alerts are recovered, not {expected}")
