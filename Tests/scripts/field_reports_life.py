"""Rows 8, 9, 10 and 11 of field_reports.py: what an alert says of its state and its times, and what becomes of it."""

import datetime

from field_reports_place import Corner, alert, elsewhere, event, group
from notifications_place import moment

ZERO = "0001-01-01T00:00:00Z"

# --- row 8

WORDS = ["ok", "resolved", "recovered", "recovery", "closed", "normal"]
NO_WORDS = ["okay", "not ok", "resolve", "unresolved", "firing", "open", "Critical", "0", "o k", "ok!", "closing"]
# What the formats say themselves; the same word with blanks around it is either's.
DOCUMENTED = {"standard": "Ok", "prometheus": "resolved", "aliyun-arms": "resolved"}


def spellings(word):
    return [word, word.upper(), word.capitalize(), f" {word} ", f"\t{word.swapcase()}\n", f"{word[0]}{word[1:].upper()}"]


def with_status(kind, status):
    return event("k", status) if kind == "standard" else group(alert("k", status))


def words_for_the_end(checks, place):
    for kind, documented in DOCUMENTED.items():
        corner = Corner(place, kind)
        for status in dict.fromkeys(each for word in WORDS for each in spellings(word)):
            what = f"row 8, {kind}, {status!r}"
            corner.outcome(with_status(kind, "Critical" if kind == "standard" else "firing"))
            found = corner.results(with_status(kind, status))[0]
            checks.equal((found["status"], found["outcome"], corner.status_of("k")), ("Ok", "recovered", "Ok"), f"{what}: the end")
            if status.strip() != documented:
                checks.equal(found["flags"], ["recovery_word"], f"{what}: flagged")
            elif status == documented:
                checks.equal(found["flags"], [], f"{what}: the documented word, not flagged")
        for status in NO_WORDS:
            found = Corner(place, kind).results(with_status(kind, status))[0]
            checks.check(found["status"] != "Ok" and found["outcome"] == "opened", f"row 8, {kind}, {status!r}: no end", str(found)[:200])
        found = Corner(place, kind).results(with_status(kind, "RESOLVED"))[0]
        checks.equal((found["outcome"], found["flags"]), ("ignored", ["recovery_word"]), f"row 8, {kind}: an end of nothing opens nothing")
    words_of_groups(checks, place)


def words_of_groups(checks, place):
    corner = Corner(place, "prometheus")
    corner.results(group(alert("a"), alert("b"), alert("c")))
    found = corner.results(group(alert("a", None), alert("b", " OK "), alert("c", "firing"), status="Resolved"))
    checks.equal([each["status"] for each in found], ["Ok", "Ok", "Critical"], "row 8: the group's word counts where the alert has none")
    checks.equal([each["flags"] for each in found], [["recovery_word"], ["recovery_word"], []], "row 8: and is flagged there")


def words_of_tables(checks, place):
    """(kind, entries, event, status, flags)"""
    place = elsewhere(place, "Tables of levels")
    level = lambda word: {"labels": {"alertname": "T", "severity": word}}
    entries = [
        {"level": "Cleared", "severity": "Ok"}, {"level": "Normal", "severity": "Warning"}, {"level": "resolved", "severity": "Info"},
        {"level": "Down", "severity": "Critical"},
    ]
    for kind in DOCUMENTED:
        path = f"{place.path}/severity-tables/{kind}"
        shown = place.api.call("PUT", path, {"entries": entries, "fallback": "Info"})
        checks.equal(shown["entries"], entries, f"row 8, {kind}: a table may map a level to Ok")
    table = [
        ("standard", "Cleared", "Ok", ["recovery_by_table"]), ("standard", "CLEARED", "Ok", ["recovery_by_table"]),
        ("standard", " cleared ", "Ok", ["recovery_by_table"]),
        ("standard", "Normal", "Warning", []), ("standard", "NORMAL", "Warning", []), ("standard", "Resolved", "Info", []),
        ("standard", "Down", "Critical", []),
        ("standard", "Ok", "Ok", []), ("standard", "ok", "Ok", ["recovery_word"]), ("standard", "closed", "Ok", ["recovery_word"]),
    ]
    for kind, word, status, flags in table:
        corner = Corner(place, kind)
        corner.outcome(event("k", "Down"))
        found = corner.results(event("k", word))[0]
        checks.equal((found["status"], found["flags"]), (status, flags), f"row 8, {kind}, by a table: {word!r}")
        checks.equal(corner.status_of("k"), status, f"row 8, {kind}, by a table: {word!r}, the alert")
    for kind in ("prometheus", "aliyun-arms"):
        for state, word, status, flags in (
            ("firing", "cleared", "Ok", ["recovery_by_table"]), ("firing", "Normal", "Warning", []), ("resolved", "Down", "Ok", []),
            ("Resolved", "Normal", "Ok", ["recovery_word"])
        ):
            corner = Corner(place, kind)
            corner.outcome(group(alert("k", **level("down"))))
            found = corner.results(group(alert("k", state, **level(word))))[0]
            checks.equal(
                (found["status"], found["flags"], corner.status_of("k")), (status, flags, status), f"row 8, {kind}, by a table: {state}, {word}"
            )
    corner = Corner(place)
    draft = {"entries": [{"level": "Down", "severity": "Ok"}], "fallback": "Info"}
    found = corner.simulate(event("k", "Down"), severity_table=draft)["results"][0]
    checks.equal((found["status"], found["flags"]), ("Ok", ["recovery_by_table"]), "row 8: a table that is simulated")
    document = place.api.get(f"{place.path}/config")
    place.api.call("PUT", f"{place.path}/config", document)
    checks.equal(
        place.api.get(f"{place.path}/severity-tables/standard")["entries"], entries, "row 8: such a table goes through a configuration document"
    )


# --- row 9: alerts at minutes of one day; (status, startsAt, endsAt, outcome)


def at(minute, rest="00Z"):
    return f"2026-03-02T{10 + minute // 60:02}:{minute % 60:02}:{rest}"


def fire(minute, outcome="opened"):
    return ("firing", at(minute) if isinstance(minute, int) else minute, None, outcome)


def end(starts, ends=None, outcome="recovered"):
    return ("resolved", at(starts) if isinstance(starts, int) else starts, at(ends) if isinstance(ends, int) else ends, outcome)


OLD = "2025-11-30T08:00:00Z"
EPISODES = {
    "its own start, an earlier end": [fire(30), end(30, 10)],
    "its own start, an end at the same moment": [fire(30), end(30, 30)],
    "made by hand: start and end months ago": [fire(30), end(OLD, OLD)],
    "a renewed start, ended by the first": [fire(30), fire(40, "duplicate"), end(30)],
    "a renewed start, ended by the last": [fire(30), fire(40, "duplicate"), end(40)],
    "three starts, ended by the one between": [fire(30), fire(40, "duplicate"), fire(50, "duplicate"), end(40)],
    "a start that goes back, ended by the first": [fire(30), fire(20, "duplicate"), end(30)],
    "no start": [fire(30), end(None)], "no start, an old end": [fire(30), end(None, OLD)], "the zero of Go": [fire(30), end(ZERO, ZERO)],
    "the firing had no start": [fire(None), end(30, 40)], "neither has": [fire(None), end(None)],
    "a start cut to seconds": [fire(at(30, "00.123456789Z")), end(30, 40)],
    "a start in another zone": [fire(30), end("2026-03-02T18:30:00+08:00", 40)],
    "a start of the future": [fire(30), end(50)], "a start that can't be read": [fire(30), end("soon", 40)],
    "of the episode before, late": [fire(30), end(30), fire(40), end(30, 35, "ignored")],
    "late, then its own": [fire(30), end(30), fire(40), end(30, 35, "ignored"), end(40)],
    "of the episode before that": [fire(30), end(30), fire(40), end(40), fire(50), end(30, 35, "ignored"), end(40, 45, "ignored"), end(50)],
    "of an episode whose start was renewed": [fire(20), fire(30, "duplicate"), end(30), fire(40), end(30, 35, "ignored"), end(40)],
    "the first start of an episode whose start was renewed": [fire(20), fire(30, "duplicate"), end(30), fire(40), end(20, 35, "ignored"), end(40)],
    "of both, since the open one began with it, too": [fire(30), end(30), fire(40), fire(30, "duplicate"), end(30)],
    "an episode before, ended by hand": [fire(30), end(30), fire(40), end(OLD, OLD)],
    "an episode before, no start": [fire(30), end(30), fire(40), end(None)],
    "twice": [fire(30), end(30), end(30, 40, "duplicate")],
    "of the last of eight episodes": [
        *(step for n in range(8) for step in (fire(n), end(n))), fire(30), end(0, 1, "ignored"), end(7, 8, "ignored"), end(30),
    ],
}


def stale_recoveries(checks, place):
    for kind in ("prometheus", "aliyun-arms"):
        for case, steps in EPISODES.items():
            corner = Corner(place, kind)
            found = [corner.outcome(group(alert("k", status, starts, ends))) for status, starts, ends, _ in steps]
            checks.equal(found, [outcome for *_, outcome in steps], f"row 9, {kind}: {case}")
            standing = "Critical" if steps[-1][0] == "firing" or steps[-1][3] == "ignored" else "Ok"
            checks.equal(corner.status_of("k"), standing, f"row 9, {kind}: {case}: how it stands")
    corner = Corner(place, "prometheus")
    corner.outcome(group(alert("k", starts=at(30))))
    corner.close_alert("k")
    corner.outcome(group(alert("k", starts=at(40))))
    found = [corner.outcome(group(alert("k", "resolved", at(minute)))) for minute in (30, 40)]
    checks.equal(found, ["ignored", "recovered"], "row 9: of an alert that was closed by a caller")


# --- row 10


def early_recoveries(checks, place):
    for kind in ("prometheus", "aliyun-arms"):
        over = lambda starts, ends=50: group(alert("k", "resolved", at(starts), at(ends)))
        firing = lambda starts, **more: group(alert("k", starts=at(starts) if starts is not None else None, **more))
        corner, notifier = told_corner(place, kind)
        checks.equal(corner.outcome(over(30)), "ignored", f"row 10, {kind}: the recovery that comes first")
        made = corner.event_after(firing(30))
        shown = corner.alert_of("k")
        checks.equal(place.api.get(f"{place.path}/events/{made}")["outcome"], "opened", f"row 10, {kind}: its firing is opened")
        checks.check(shown and shown["status"] == "Ok" and shown["recovered_at"], f"row 10, {kind}: and over at once", str(shown))
        checks.equal(shown and (shown["starts_at"], shown["ends_at"]), (iso(at(30)), iso(at(50))), f"row 10, {kind}: with both times")
        checks.equal(corner.told(made), [(notifier.id, "already_over")], f"row 10, {kind}: nobody is told, and it says why")
        checks.equal(corner.outcome(firing(30)), "ignored", f"row 10, {kind}: a copy of the firing is a late copy")
        made = corner.event_after(firing(40))
        checks.equal((corner.status_of("k"), corner.told(made)), ("Critical", [(notifier.id, "told")]), f"row 10, {kind}: the next one fires")
        notifier.wait(1)
        checks.equal([each.change for each in notifier.news()], ["opened"], f"row 10, {kind}: and is the only one told")
        checks.equal(len(notifier.notifications()), 1, f"row 10, {kind}: in the record, too")
        # (case, pushes before, the firing, how its alert stands)
        table = [
            ("another start", [over(30)], firing(40), "Critical"), ("no start", [over(30)], firing(None), "Critical"),
            ("no start in the recovery", [group(alert("k", "resolved"))], firing(30), "Critical"),
            ("another key", [over(30)], group(alert("other", starts=at(30))), "Critical"),
            ("the recovery came twice", [over(30), over(30)], firing(30), "Ok"),
            ("the later of two recoveries", [over(30), over(40)], firing(40), "Ok"),
            ("the earlier of two recoveries", [over(30), over(40)], firing(30), "Ok"),
            ("an episode before", [firing(20), over(20), over(30)], firing(30), "Ok"),
            ("other labels", [over(30)], firing(30, labels={"alertname": "Other"}), "Ok"),
            ("in one push", [], group(*over(30)["alerts"], *firing(30)["alerts"]), "Ok"),
            ("in one push, in order", [], group(*firing(30)["alerts"], *over(30)["alerts"]), "Ok"),
            ("the start in another zone", [over(30)], group(alert("k", starts="2026-03-02T18:30:00+08:00")), "Ok"),
            ("another word for the end", [group(alert("k", "OK", at(30)))], firing(30), "Ok"),
        ]
        for case, before, last, standing in table:
            corner, notifier = told_corner(place, kind)
            for body in before:
                corner.results(body)
            corner.results(last)
            key = last["alerts"][-1]["fingerprint"]
            checks.equal(corner.status_of(key), standing, f"row 10, {kind}: {case}")
    across_time(checks, place)


def told_corner(place, kind):
    corner = Corner(place, kind)
    return corner, corner.webhook()


def across_time(checks, place):
    over, firing = group(alert("k", "resolved", at(30))), group(alert("k", starts=at(30)))
    for seconds, standing in ((280, "Ok"), (320, "Critical")):
        corner = Corner(place, "prometheus")
        corner.results(over)
        place.skip(seconds)
        corner.results(firing)
        checks.equal(corner.status_of("k"), standing, f"row 10: its firing comes {seconds} s later")
    corner, other = Corner(place, "prometheus"), Corner(place, "prometheus")
    corner.results(over)
    other.results(firing)
    checks.equal(other.status_of("k"), "Critical", "row 10: a recovery of another integration is nothing to it")
    shared = Corner.shared(place, "prometheus", 3)
    for body in (over, firing):
        shared.results(body)
    standing = [each["status"] for each in place.account.items("alerts", integration_id=shared.integration)]
    checks.equal(standing, ["Ok"] * 3, "row 10: over in each of three channels")
    place.server.kill()
    place.server.start()
    corner.results(firing)
    checks.equal(corner.status_of("k"), "Ok", "row 10: remembered over kill -9")


# --- row 11


def iso(text):
    """As the API writes it."""
    when = datetime.datetime.fromisoformat(text).astimezone(datetime.timezone.utc)
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03}Z"


def local(text):
    """As messages write it: in the time of the machine."""
    return datetime.datetime.fromisoformat(text).astimezone().isoformat(timespec="seconds")


def sender_times(checks, place):
    now = datetime.datetime.fromtimestamp(int(place.clock.now), datetime.timezone.utc)
    began, ended = ((now - datetime.timedelta(minutes=minutes)).isoformat() for minutes in (120, 10))
    english = {"en": ("Since: {}", "Until: {}", "Lasts: 1h 50m"), "zh-CN": ("开始时间：{}", "结束时间：{}", "持续：1小时50分钟")}
    for language, (since, until, lasts) in english.items():
        corner = Corner(place, "prometheus")
        notifier = corner.webhook(template={"language": language})
        own = corner.webhook(template={"language": "en", "title": "t", "text": "{{starts_at}}|{{ends_at}}|{{duration}}"})
        corner.results(group(alert("k", starts=began)))
        notifier.wait(1)
        corner.results(group(alert("k", "resolved", began, ended)))
        notifier.wait(2)
        own.wait(2)
        opened, over = (each.data for each in notifier.news()[:2])
        checks.equal((opened["starts_at"], opened["ends_at"]), (iso(began), None), f"row 11, {language}: payload of the firing")
        checks.equal((over["starts_at"], over["ends_at"]), (iso(began), iso(ended)), f"row 11, {language}: payload of the recovery")
        text = over["message_text"]
        wanted = [since.format(local(began)), until.format(local(ended)), lasts]
        checks.equal([line for line in wanted if line not in text], [], f"row 11, {language}: the text has the sender's times: {text!r}")
        checks.check(
            since.format(local(began)) in opened["message_text"] and until.format("") not in opened["message_text"],
            f"row 11, {language}: of the firing, too", opened["message_text"]
        )
        texts = [each.data["message_text"] for each in own.news()]
        checks.equal(texts[1:], [f"{local(began)}|{local(ended)}|{'1h 50m'}"], f"row 11, {language}: names of a template")
        checks.check(texts[:1] and texts[0].startswith(f"{local(began)}||2h"), f"row 11, {language}: while it is open", str(texts))
        shown = corner.alert_of("k")
        checks.equal((shown["starts_at"], shown["ends_at"]), (iso(began), iso(ended)), f"row 11, {language}: the API says the same")
        checks.check(
            abs(moment(shown["first_seen_at"]) - place.clock.now) < 60, f"row 11, {language}: when it was received is another matter", str(shown)
        )
    without_times(checks, place, began, ended)
    unknown_names(checks, place)


def without_times(checks, place, began, ended):
    # (case, times of the firing, of the recovery, starts_at, ends_at)
    table = [
        ("none", (None, None), (None, None), None, None), ("the zero of Go", (ZERO, ZERO), (ZERO, ZERO), None, None),
        ("a start alone", (began, None), (began, None), began, None),
        ("an end alone", (None, None), (None, ended), None, ended), ("an end before the start", (ended, None), (ended, began), ended, None),
        ("an end that the firing foretells", (began, ended), (began, None), began, None),
    ]
    for case, first, last, starts, ends in table:
        corner = Corner(place, "prometheus")
        notifier = corner.webhook()
        corner.results(group(alert("k", "firing", *first)))
        notifier.wait(1)
        corner.results(group(alert("k", "resolved", *last)))
        notifier.wait(2)
        wanted = (starts and iso(starts), ends and iso(ends))
        shown, told = corner.alert_of("k"), notifier.news()[-1].data
        checks.equal((shown["starts_at"], shown["ends_at"]), wanted, f"row 11: {case}")
        checks.equal((told["starts_at"], told["ends_at"]), wanted, f"row 11: {case}: in the payload")
        since = local(starts) if starts else local(shown["first_seen_at"])
        checks.check(f"Since: {since}" in told["message_text"], f"row 11: {case}: where there is no start, the time of receipt", told["message_text"])
        checks.check("Lasts: -" not in told["message_text"], f"row 11: {case}: nothing lasts less than nothing", told["message_text"])
    corner = Corner(place)
    corner.results(event("k"))
    shown = corner.alert_of("k")
    checks.equal((shown["starts_at"], shown["ends_at"]), (None, None), "row 11: standard gives no times")


def unknown_names(checks, place):
    corner = Corner(place)
    for name in ("starts", "startsAt", "begins_at", "start_time", "firstword"):
        status, said = None, ""
        try:
            said = place.api.post(
                f"{corner.path}/preview", {"kind": "webhook", "template": {"language": "en", "text": "{{" + name + "}}"}}
            )["template_problem"]
        except Exception as error:  # an answer of 422 is raised
            status, said = getattr(error, "status", None), str(error)
        checks.check(status in (None, 422) and said and name in said, f"row 11: an unknown name is said: {name}", f"{status} {said}")
    names = "{{starts_at}}{{ends_at}}{{external_url}}{{generator_url}}{{api_url}}{{url}}{{#is_first_word}}x{{/is_first_word}}{{title}}"
    shown = place.api.post(f"{corner.path}/preview", {"kind": "webhook", "template": {"language": "en", "text": names}})
    checks.equal(shown["template_problem"], None, "row 11: the new names are known")
