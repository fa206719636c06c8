"""What a database must hold, whatever happened to it: the only file of the power-cut test that knows tables.

A delivery is whole when its outcomes are as many as its events, the alerts that they name exist and count them, and each event
that was more than a repeat has its row.
"""

import functools
import sqlite3
from collections import Counter

CONFIGURATION = ("accounts", "api_keys", "channels", "integrations", "push_urls")
IGNORED, REPEATED = 1, 2  # codes of outcomes: at most `IGNORED` changed nothing, `REPEATED` has no event row


@functools.lru_cache(maxsize=100_000)
def says(delivery, packed):
    """What a delivery's outcomes say: how many events, which of them have rows, and which alerts count them."""
    if packed[:1] != b"\1":
        raise ValueError("unknown version of outcomes")
    rows, alerts, count, at = [], [], 0, 1
    while at < len(packed):
        end = at + 3 + 34 * int.from_bytes(packed[at + 1 : at + 3], "big")
        channels = [packed[start : start + 34] for start in range(at + 3, end, 34)]
        if max((channel[32] for channel in channels), default=0) != REPEATED:
            rows.append((delivery, count))
        alerts += [channel[16:32] for channel in channels if channel[32] > IGNORED]
        count, at = count + 1, end
    if at != len(packed):
        raise ValueError("outcomes end in the middle")
    return count, rows, alerts


def read(database):
    """(ids of deliveries, ids of configuration, problems found)"""
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables & {"deliveries", "events", "alerts"}:
        return set(), set(), []
    stored, configuration, problems = set(), set(), []
    for table in CONFIGURATION:
        configuration.update(row[0] for row in database.execute(f"SELECT id FROM {table}"))
    expected, counted = set(), []
    for delivery, count, packed in database.execute("SELECT id, event_count, outcomes FROM deliveries"):
        if delivery in stored:
            problems.append("a delivery is there twice")
        stored.add(delivery)
        found, rows, alerts = says(delivery, packed) if packed else (0, (), ())
        if found != count:
            problems.append("a delivery's outcomes are not as many as its events")
        expected.update(rows)
        counted += alerts
    rows = database.execute("SELECT delivery_id, position FROM events").fetchall()
    events = set(rows)
    if len(events) != len(rows):
        problems.append(f"{len(rows) - len(events)} events are there twice")
    if events != expected:
        problems.append(f"{len(expected - events)} events are missing, {len(events - expected)} are too many")
    alerts = dict(database.execute("SELECT id, event_count FROM alerts"))
    if alerts != Counter(counted):
        problems.append("the alerts do not count what the deliveries say")
    return stored, configuration, problems


# Changes by hand, each of which `read` must notice, or the test could not fail.
DAMAGES = {
    "a delivery without a row": "DELETE FROM deliveries WHERE id = (SELECT max(id) FROM deliveries)",
    "an event without a row": "DELETE FROM events WHERE id = (SELECT max(id) FROM events)",
    "an alert without a row": "DELETE FROM alerts WHERE id = (SELECT max(id) FROM alerts)",
    "an event counted twice": "UPDATE alerts SET event_count = event_count + 1 WHERE id = (SELECT max(id) FROM alerts)",
    "an event of another delivery": "UPDATE events SET position = position + 1 WHERE id = (SELECT max(id) FROM events)",
    "half of the outcomes": "UPDATE deliveries SET outcomes = substr(outcomes, 1, 38) WHERE event_count > 1",
}


def unnoticed(path):
    """Names of the damages that `read` would not notice on this database, which is left as it is."""
    result = []
    for name, statement in DAMAGES.items():
        with sqlite3.connect(path) as database:
            if database.execute(statement).rowcount < 1 or not read(database)[2]:
                result.append(name)
            database.rollback()
    return result
