"""Rows 12 and 14 of field_reports.py: moments as senders write them, and the page of a source."""

from field_reports_life import iso
from field_reports_place import Corner, alert, event, group

# --- row 12

MOMENT = "2026-11-30T10:00:00Z"
SECONDS = 1_796_032_800  # the same
FRACTION = "2026-11-30T10:00:00.250Z"
EARLIER = "2026-11-30T02:00:00Z"  # ten o'clock in China

READ = [
    (SECONDS, MOMENT), (SECONDS * 1_000, MOMENT), (SECONDS * 1_000 + 250, FRACTION), (SECONDS * 1_000_000, MOMENT),
    (SECONDS * 1_000_000 + 250_000, FRACTION),
    (SECONDS * 1_000_000_000, MOMENT), (SECONDS + 0.25, FRACTION), (float(SECONDS), MOMENT), (SECONDS * 1_000 + 0.5, MOMENT),
    (str(SECONDS), MOMENT), (f" {SECONDS} ", MOMENT), (str(SECONDS * 1_000), MOMENT), (str(SECONDS * 1_000_000), MOMENT),
    (str(SECONDS * 1_000_000_000), MOMENT),
    (f"{SECONDS}.25", FRACTION), (f"{SECONDS}.0", MOMENT), (1_000_000_000, "2001-09-09T01:46:40Z"), (9_999_999_999, "2286-11-20T17:46:39Z"),
    (MOMENT, MOMENT), ("2026-11-30T10:00:00.25Z", FRACTION), ("2026-11-30T10:00:00.250999999Z", FRACTION), (f"  {MOMENT}\n", MOMENT),
    ("2026-11-30T10:00:00+00:00", MOMENT), ("2026-11-30T10:00:00-00:00", MOMENT), ("2026-11-30T10:00:00+08:00", EARLIER),
    ("2026-11-30T10:00:00+0800", EARLIER),
    ("2026-11-30T10:00:00.000+0800", EARLIER), ("2026-11-30T10:00:00+08", EARLIER), ("2026-11-30T02:00:00-0800", MOMENT),
    ("2026-11-30T15:30:00+0530", MOMENT),
    ("2026-11-30 10:00:00Z", MOMENT), ("2026-11-30 10:00:00+08:00", EARLIER), ("2026-11-30 10:00:00+0800", EARLIER),
    ("2026-11-30 10:00:00 +08:00", EARLIER),
    ("2026-11-30 10:00:00 +0800", EARLIER), ("2026-11-30T10:00:00 +0800", EARLIER), ("2026-11-30 10:00:00 +0800 CST", EARLIER),
    ("2026-11-30 10:00:00.25 +0000 UTC", FRACTION),
    ("2026-11-30 10:00:00 +0000 UTC", MOMENT), ("2026-11-30 02:00:00 -0800 PST", MOMENT), ("2026-11-30 10:00:00.25 +0000 UTC m=+0.000012", FRACTION),
    ("2026-11-30 10:00:00 UTC", MOMENT), ("2026-11-30T10:00:00 UTC", MOMENT), ("2026-11-30 10:00:00 GMT", MOMENT),
    ("2026-11-30 10:00:00.25 UTC", FRACTION),
]
NOTHING = [None, "", " ", 0, "0", "0001-01-01T00:00:00Z", "0001-01-01 00:00:00 +0000 UTC", "0001-01-01T00:00:00.000Z", 0.0]
UNREADABLE = [
    "2026-11-30 10:00:00", "2026-11-30T10:00:00", "2026-11-30 10:00:00.25", "2026-11-30", "10:00:00", "soon", "now", "30/11/2026 10:00",
    "Nov 30 10:00:00",
    "2026-11-30 10:00:00 CST", "2026-11-30 10:00:00 EST", "2026-11-30 10:00:00 Asia/Shanghai", "2026-13-30T10:00:00Z", "2026-02-30T10:00:00Z",
    "2026-11-30T25:00:00Z",
    "2026-11-30T10:00:00+8", "2026-11-30T10:00:00+99:00", "x" * 100, MOMENT + " " * 50 + "x", "12", 12, 99_999_999, -1, "-1796032800", -SECONDS, 1e30,
    12345678901,
    True, False, [], {}, [MOMENT], {"seconds": SECONDS}, "NaN", "1796032800s", "$startsAt", "{{ .StartsAt }}", "1.2.3", ".", "1e9",
    "２０２６-11-30T10:00:00Z",
]
# Read or flagged, as it comes; never another moment without a word.
EITHER = [
    ("2026-11-30t10:00:00z", MOMENT), ("2026-11-30 10:00:00 Z", MOMENT), ("Mon, 30 Nov 2026 10:00:00 GMT", MOMENT), ("20261130T100000Z", MOMENT),
    ("2026-11-30T10:00:00,250Z", FRACTION), ("2026-11-30T10:00Z", MOMENT), ("2026-11-30 10:00:00 +0800 +08", EARLIER),
    ("2026-11-30 07:00:00 -0300 -03", MOMENT),
    ("2026-11-30 10:00:00 utc", MOMENT), ("2026-11-30T10:00:00Z UTC", MOMENT), ("2026-11-30  10:00:00  +0800", EARLIER),
    ("2026-11-30T10:00:00+08:00[Asia/Shanghai]", EARLIER), ("1.7960328e9", MOMENT), ("+1796032800", MOMENT), ("2026/11/30 10:00:00 +0800", EARLIER),
]


def moments(checks, place):
    corner = Corner(place, "prometheus")
    numbers = iter(range(1_000_000))

    def said(value, **more):
        """(starts_at, its flags, outcome, occurred_at is the time of receipt) of an alert with this start."""
        key = f"m{next(numbers)}"
        body = alert(key, **more)
        body["startsAt"] = value
        found = corner.results(group(body))[0]
        return corner.alert_of(key)["starts_at"], found["flags"], found["outcome"]

    for value, wanted in READ:
        checks.equal(said(value), (iso(wanted), [], "opened"), f"row 12: {value!r} is read")
    for value in NOTHING:
        checks.equal(said(value), (None, [], "opened"), f"row 12: {value!r} says that there is none")
    for value in UNREADABLE:
        checks.equal(said(value), (None, ["unreadable_time"], "opened"), f"row 12: {value!r} is flagged")
    for value, wanted in EITHER:
        found = said(value)
        checks.check(
            found in ((iso(wanted), [], "opened"), (None, ["unreadable_time"], "opened")), f"row 12: {value!r} is read or flagged", str(found)
        )
    ends(checks, place)


def ends(checks, place):
    """An end is read as a start is; what can't be read is no reason not to recover."""
    for value, wanted, flags in [
        (SECONDS, MOMENT, []), (str(SECONDS * 1_000), MOMENT, []), ("2026-11-30 10:00:00 +0000 UTC", MOMENT, []), ("soon", None, ["unreadable_time"]),
        (True, None, ["unreadable_time"]),
    ]:
        for kind in ("prometheus", "aliyun-arms"):
            corner = Corner(place, kind)
            corner.outcome(group(alert("k", starts="2026-11-30T09:00:00Z")))
            found = corner.results(group({**alert("k", "resolved", "2026-11-30T09:00:00Z"), "endsAt": value}))[0]
            shown = corner.alert_of("k")
            checks.equal(
                (found["flags"], shown["status"], shown["ends_at"]), (flags, "Ok", wanted and iso(wanted)), f"row 12, {kind}: an end of {value!r}"
            )
    corner = Corner(place, "prometheus")
    event_id = corner.event_after(group(alert("k", starts="soon")))
    shown = place.api.get(f"{place.path}/events/{event_id}")
    checks.equal(shown["occurred_at"], shown["received_at"], "row 12: the time of receipt stands in")
    corner.outcome(group(alert("two", starts=SECONDS)))
    checks.equal(corner.outcome(group(alert("two", "resolved", MOMENT))), "recovered", "row 12: a number and a text that say the same")
    found = corner.results(group(alert("both", starts="soon", ends="later")))[0]
    checks.equal(found["flags"], ["unreadable_time"], "row 12: flagged once")


# --- row 14: (externalURL, generatorURL, link)

GOOD, PAGE = "https://alerts.example.com/#/alerts", "https://prometheus.example.com/graph?g0.expr=up"
LINKS = [
    (GOOD, PAGE, GOOD), (GOOD, None, GOOD), (None, PAGE, PAGE), ("", PAGE, PAGE), (" ", PAGE, PAGE), ("http://:9093", PAGE, PAGE),
    ("http://", PAGE, PAGE),
    ("https:///x", PAGE, PAGE), ("http://alertmanager-main-0:9093", PAGE, PAGE), ("http://alertmanager", PAGE, PAGE),
    ("http://alertmanager:9093/#/alerts", PAGE, PAGE),
    ("alertmanager:9093", PAGE, PAGE), ("javascript:alert(1)", PAGE, PAGE), ("JavaScript:alert(1)", PAGE, PAGE), ("data:text/html,x", PAGE, PAGE),
    ("ftp://example.com/", PAGE, PAGE),
    ("//example.com/x", PAGE, PAGE), ("/alerts", PAGE, PAGE), ("http://user@:9093/", PAGE, PAGE), ("http://a b.example.com/", PAGE, PAGE),
    ("https://exam\nple.com/", PAGE, PAGE),
    ("http://:9093", "http://prometheus-0:9090/graph", "http://prometheus-0:9090/graph"),
    ("http://alertmanager:9093", "javascript:1", "http://alertmanager:9093"),
    ("http://alertmanager:9093", None, "http://alertmanager:9093"),
    ("http://alertmanager:9093", "http://prometheus:9090", "http://alertmanager:9093"),
    ("http://alertmanager:9093", "http://10.0.0.7:9090/graph", "http://10.0.0.7:9090/graph"), ("http://10.0.0.7:9093", PAGE, "http://10.0.0.7:9093"),
    ("http://[2001:db8::1]:9093/", PAGE, "http://[2001:db8::1]:9093/"), ("http://localhost:9093/", PAGE, "http://localhost:9093/"),
    ("http://user@alerts.example.com:8443/", PAGE, "http://user@alerts.example.com:8443/"),
    ("HTTPS://ALERTS.EXAMPLE.COM/", PAGE, "HTTPS://ALERTS.EXAMPLE.COM/"), ("http://am.monitoring.svc:9093", PAGE, "http://am.monitoring.svc:9093"),
    ("http://alertmanager.:9093", PAGE, PAGE), (f" {GOOD} ", PAGE, GOOD), ("http://alertmanager?x=a.b", PAGE, PAGE),
    ("http://alertmanager/a.b", PAGE, PAGE), ("http://.:9093", PAGE, PAGE),
    ("http://a.b@alertmanager", PAGE, PAGE), (None, None, None), ("http://:9093", "javascript:1", None),
    ("https://" + "a" * 3_000 + ".example.com/", PAGE, PAGE),
]


def links(checks, place):
    for kind in ("prometheus", "aliyun-arms"):
        corner = Corner(place, kind)
        for number, (external, generator, link) in enumerate(LINKS):
            what, key = f"row 14, {kind}: {str(external)[:50]!r} and {generator!r}", f"l{number}"
            body = group(alert(key, generatorURL=generator), **({} if external is None else {"externalURL": external}))
            shown = [place.api.get(f"{place.path}/events/{corner.event_after(body)}"), corner.alert_of(key)]
            checks.equal([each["link"] for each in shown], [link, link], f"{what}: the link")
            kept = [(each["external_url"], each["generator_url"]) for each in shown]
            wanted = (external if external and external.strip() else None, generator)
            if external is None or len(external) < 2_000:
                checks.equal(kept, [wanted, wanted], f"{what}: both are kept")
    corner = Corner(place)
    corner.results(event("k"))
    shown = corner.alert_of("k")
    checks.equal([shown[name] for name in ("link", "external_url", "generator_url")], [None] * 3, "row 14: standard gives none")
    corner = Corner(place, "prometheus")
    notifier = corner.webhook(template={"language": "en", "title": "t", "text": "{{link}} {{external_url}} {{generator_url}}"})
    corner.results(group(alert("k", generatorURL=PAGE), externalURL="http://:9093"))
    notifier.wait(1)
    told = notifier.news()[0].data
    checks.equal(
        [told[name] for name in ("link", "external_url", "generator_url")], [PAGE, "http://:9093", PAGE], "row 14: in the payload of a webhook"
    )
    checks.equal(told["message_text"], f"{PAGE} http://:9093 {PAGE}", "row 14: names of a template")
