"""Rows 1, 2, 3, 13 and 19 of field_reports.py: who is told, with which words."""

import html
import json
import re

import receivers
from field_reports_life import at, local
from field_reports_place import Corner, alert, event, group
from receivers_vendors import DingTalk, Feishu, Slack, WeCom

LINK = "https://alerts.example.com/detail/7"


def when(key, *values, operator="in"):
    return [[{"key": key, "operator": operator, "values": list(values)}]]


# --- row 1: (case, conditions, the pushes, who hears what)

DBA = {"team": "dba"}
HEARD = [
    ("a recovery without the label", when("labels.team", "dba"), [event("k", labels=DBA), event("k", "Ok")], ["opened", "recovered"]),
    (
        "a recovery with another label", when("labels.team", "dba"), [event("k", labels=DBA), event("k", "Ok", labels={"team": "web"})],
        ["opened", "recovered"]
    ),
    ("a recovery with another title", when("title", "Title*"), [event("k"), event("k", "Ok", title="Gone")], ["opened", "recovered"]),
    ("a recovery with another description", when("description", "disk"), [event("k", description="disk"), event("k", "Ok")], ["opened", "recovered"]),
    (
        "Critical alone: Critical, Warning, Ok", when("severity", "Critical"), [event("k"), event("k", "Warning"), event("k", "Ok")],
        ["opened", "recovered"]
    ),
    (
        "Critical alone: Warning, Critical, Ok", when("severity", "Critical"), [event("k", "Warning"), event("k"), event("k", "Ok")],
        ["updated", "recovered"]
    ),
    (
        "Critical alone: Warning, Critical, Warning, Critical, Ok", when("severity", "Critical"),
        [event("k", "Warning"), event("k"), event("k", "Info"), event("k"), event("k", "Ok")], ["updated", "updated", "recovered"]
    ),
    ("Critical alone: Warning, Ok", when("severity", "Critical"), [event("k", "Warning"), event("k", "Ok")], []),
    ("status Critical alone", when("status", "Critical"), [event("k"), event("k", "Ok")], ["opened", "recovered"]),
    (
        "the label goes before the end", when("labels.team", "dba"), [event("k", labels=DBA), event("k", labels={}), event("k", "Ok")],
        ["opened", "recovered"]
    ),
    ("the label comes before the end", when("labels.team", "dba"), [event("k"), event("k", labels=DBA), event("k", "Ok")], ["updated", "recovered"]),
    ("the recovery alone has the label", when("labels.team", "dba"), [event("k"), event("k", "Ok", labels=DBA)], []),
    (
        "all but a team, which the recovery names", when("labels.team", "dba", operator="not_in"), [event("k"), event("k", "Ok", labels=DBA)],
        ["opened", "recovered"]
    ),
    ("all but a team, which the firing names", when("labels.team", "dba", operator="not_in"), [event("k", labels=DBA), event("k", "Ok")], []),
    ("by another word", when("labels.team", "dba"), [event("k", labels=DBA), event("k", "RESOLVED")], ["opened", "recovered"]),
    (
        "a second episode that is not for it", when("labels.team", "dba"), [event("k", labels=DBA), event("k", "Ok"), event("k"), event("k", "Ok")],
        ["opened", "recovered"]
    ),
    ("no conditions", [], [event("k", labels=DBA), event("k", "Ok")], ["opened", "recovered"]),
]


def who_hears(checks, place):
    for case, conditions, pushes, wanted in HEARD:
        corner = Corner(place)
        notifier, everything = corner.webhook(conditions=conditions), corner.webhook()
        for body in pushes:
            made = corner.event_after(body)
            corner.settle()
        checks.equal(len(everything.taken), len(pushes), f"row 1: {case}: who asks for no condition hears all")
        checks.equal([each.change for each in notifier.news()], wanted, f"row 1: {case}")
        heard = (notifier.id, "told") in corner.told(made)
        checks.equal(heard, wanted[-1:] == ["recovered"] and "second" not in case, f"row 1: {case}: the explanation says so")
    closed_and_changed(checks, place)
    other_formats(checks, place)


def closed_and_changed(checks, place):
    corner = Corner(place)
    notifier = corner.webhook(conditions=when("severity", "Critical"))
    corner.results(event("k"))
    notifier.wait(1)
    corner.results(event("k", "Warning"))
    corner.close_alert("k")
    notifier.wait(2)
    checks.equal([each.change for each in notifier.news()], ["opened", "closed"], "row 1: who heard of the firing hears that it was closed")
    corner = Corner(place)
    notifier = corner.webhook(conditions=when("labels.team", "dba"))
    corner.results(event("k", labels=DBA))
    notifier.wait(1)
    notifier.change(conditions=when("labels.team", "web"))
    corner.results(event("k", "Ok", labels=DBA))
    notifier.wait(2)
    checks.equal([each.change for each in notifier.news()], ["opened", "recovered"], "row 1: whatever the conditions say now")
    corner = Corner(place)
    notifier = corner.webhook(changes=["opened"], conditions=when("labels.team", "dba"))
    corner.results(event("k", labels=DBA))
    notifier.wait(1)
    made = corner.event_after(event("k", "Ok"))
    checks.equal(corner.told(made), [(notifier.id, "change_not_wanted")], "row 1: who wants no recoveries gets none")


def other_formats(checks, place):
    for kind in ("prometheus", "aliyun-arms"):
        corner = Corner(place, kind)
        notifier = corner.webhook(conditions=when("labels.team", "dba"))
        labels = {"alertname": "T", "team": "dba", "severity": "critical"}
        corner.results(group(alert("k", starts=at(1), labels=labels)))
        notifier.wait(1)
        corner.results(group(alert("k", "resolved", starts=at(1), labels={"alertname": "T"})))
        notifier.wait(2)
        checks.equal([each.change for each in notifier.news()], ["opened", "recovered"], f"row 1, {kind}: a recovery with fewer labels")


# --- row 2

FULL = {
    "labels": {"alertname": "T", "host": "db-7", "severity": "critical"}, "annotations": {"message": "The disk is full", "runbook": "r7"},
    "generatorURL": LINK,
}
THIN = [
    ("no annotations, fewer labels", {"annotations": {}, "labels": {"alertname": "T"}, "generatorURL": None}),
    ("nothing at all", {"annotations": None, "labels": None, "generatorURL": None}),
    ("null", {"annotations": None, "labels": {}}),
    (
        "other texts",
        {"annotations": {"message": "over"}, "labels": {"alertname": "Other", "host": "db-8"}, "generatorURL": "https://other.example.com/"}
    ),
    ("all of it", FULL),
]


def thin_recoveries(checks, place):
    for kind in ("prometheus", "aliyun-arms"):
        for case, rest in THIN:
            corner, what = Corner(place, kind), f"row 2, {kind}, {case}"
            notifier = corner.webhook()
            corner.results(group(alert("k", starts=at(1), **FULL)))
            notifier.wait(1)
            corner.results(group(alert("k", "resolved", at(1), at(2), **rest)))
            notifier.wait(2)
            told, shown = notifier.news()[-1].data, corner.alert_of("k")
            names = (
                "title", "description", "link", "labels", "annotations", "severity", "status", "generator_url", "external_url", "starts_at", "ends_at"
            )
            checks.equal({name: told[name] for name in names}, {name: shown[name] for name in names}, f"{what}: API and message say the same")
            found = (told["description"], told["labels"].get("host"), told["annotations"].get("runbook"), told["link"], told["change"])
            checks.equal(found, ("The disk is full", "db-7", "r7", LINK, "recovered"), f"{what}: what it leaves out is the alert's")
            checks.check(
                "The disk is full" in told["message_text"] and "db-7" in told["message_text"], f"{what}: in the text, too", told["message_text"]
            )
    corner = Corner(place)
    notifier = corner.webhook()
    corner.results(event("k", description="The disk is full", labels={"host": "db-7"}))
    notifier.wait(1)
    corner.results({"event_status": "Ok", "alert_key": "k"})
    notifier.wait(2)
    told = notifier.news()[-1].data
    found = (told["title"], told["description"], told["labels"])
    checks.equal(found, ("Title of k", "The disk is full", {"host": "db-7"}), "row 2, standard: title, description and labels are the alert's")
    corner = Corner(place)
    notifier = corner.webhook(changes=["opened", "recovered", "closed"])
    corner.results(event("k", description="first", labels={"host": "a"}))
    corner.results(event("k", "Warning", description="second", labels={"host": "b"}))
    notifier.wait(1)
    corner.results(event("k", "Ok"))
    notifier.wait(2)
    told = notifier.news()[-1].data
    checks.equal((told["description"], told["labels"]), ("second", {"host": "b"}), "row 2: of the latest firing")


# --- row 3

DOWN = receivers.status(503)


def first_words(checks, place):
    began, ended = at(1), at(9)
    for language, mark in (("en", "Fired and recovered"), ("zh-CN", "曾触发，已恢复")):
        notifier, told = after_outage(place, [("firing", None), ("resolved", ended)], language)
        what = f"row 3, {language}"
        checks.equal([each.change for each in told], ["recovered"], f"{what}: one message")
        if not told:
            continue
        data = told[0].data
        checks.equal((data["is_first_word"], len(data["supersedes"])), (True, 1), f"{what}: which is the first word of it")
        checks.check(mark in data["message_title"], f"{what}: its title", data["message_title"])
        times = [local(began) in data["message_text"], local(ended) in data["message_text"]]
        checks.equal(times, [True, True], f"{what}: both times are in its text: {data['message_text']!r}")
    # (case, pushes while it is down, the changes told, is_first_word of each)
    table = [
        ("fired, changed and recovered", [("firing", None), ("changed", None), ("resolved", ended)], ["recovered"], [True]),
        ("fired and closed", [("firing", None), ("close", None)], ["closed"], [True]),
        ("only fired", [("firing", None)], ["opened"], [False]),
        (
            "told before, then recovered", [("up", None), ("firing", None), ("down", None), ("resolved", ended)], ["opened", "recovered"],
            [False, False]
        ),
        (
            "told before, then changed and recovered", [("up", None), ("firing", None), ("down", None), ("changed", None), ("resolved", ended)],
            ["opened", "recovered"], [False, False]
        ),
    ]
    for case, steps, changes, flags in table:
        notifier, told = after_outage(place, steps)
        checks.equal([each.change for each in told], changes, f"row 3: {case}")
        checks.equal([each.data["is_first_word"] for each in told], flags, f"row 3: {case}: is_first_word")
        words = ["Fired and" in each.data["message_title"] for each in told]
        checks.equal(words, flags, f"row 3: {case}: its title")
    own = {"language": "en", "title": "{{#is_first_word}}first{{/is_first_word}}{{^is_first_word}}again{{/is_first_word}}", "text": "x"}
    for steps, wanted in (
        ([("firing", None), ("resolved", ended)], ["first"]), ([("up", None), ("firing", None), ("resolved", ended)], ["again", "again"])
    ):
        _, told = after_outage(place, steps, template=own)
        checks.equal([each.data["message_title"] for each in told], wanted, f"row 3: the flag of a template, {wanted}")
    given_up(checks, place)


def given_up(checks, place):
    """The receiver was down until its firing was given up; then it is up, and the alert recovers."""
    corner = Corner(place, "prometheus")
    notifier = corner.webhook()
    notifier.endpoint.script(then=DOWN)
    corner.results(group(alert("k", starts=at(1))))
    place.drive(until=lambda: not notifier.notifications(state="waiting"), seconds=40)
    checks.equal([item["state"] for item in notifier.notifications()], ["dead"], "row 3: the firing is given up after its last attempt")
    notifier.endpoint.script(then=receivers.OK)
    corner.results(group(alert("k", "resolved", at(1), at(9))))
    place.drive(until=lambda: not notifier.notifications(state="waiting"), seconds=20)
    found = [(each.change, each.data["is_first_word"], "Fired and recovered" in each.data["message_title"]) for each in notifier.news()]
    checks.equal(found, [("recovered", True, True)], "row 3: given up, then recovered: the first word of it")


def after_outage(place, steps, language="en", template=None):
    """(a webhook whose receiver was down while the steps were made, what it took in the end)."""
    corner = Corner(place, "prometheus")
    notifier = corner.webhook(template=template or {"language": language})
    notifier.endpoint.script(then=DOWN)
    for step, ended in steps:
        if step in ("up", "down"):
            notifier.endpoint.script(then=receivers.OK if step == "up" else DOWN)
        elif step == "close":
            corner.close_alert("k")
        else:
            more = {"labels": {"alertname": "Changed", "severity": "warning"}} if step == "changed" else {}
            corner.results(group(alert("k", "resolved" if step == "resolved" else "firing", at(1), ended, **more)))
            count = len(notifier.received) + 1
            place.receivers.wait("a try", lambda count=count: len(notifier.received) >= count, 1.0)
    notifier.endpoint.script(then=receivers.OK)
    place.drive(until=lambda: not notifier.notifications(state="waiting"), seconds=20)
    return notifier, notifier.news()


# --- row 13


def robots(place, **more):
    """A corner with a notifier of each kind."""
    corner = Corner(place, "prometheus")
    kinds = [DingTalk(rate=None), Feishu(rate=None), WeCom(rate=None), Slack(), place.mail_server()]
    return corner, [corner.webhook(**more), *(corner.notifier(kind, **more) for kind in kinds)]


def pages_for_people(checks, place):
    for language in ("en", "zh-CN"):
        corner, notifiers = robots(place, template={"language": language})
        long = {f"label_{n:02}": "y" * 600 for n in range(60)}
        bodies = [
            alert("k", starts=at(1), generatorURL=LINK, annotations={"message": "x" * 900}), alert("bare", starts=at(1)),
            alert("k", "resolved", at(1), at(2)),
            alert("long", starts=at(1), generatorURL=LINK, labels={"alertname": "L", **long}, annotations={"message": "z" * 2_000}),
        ]
        for body in bodies:
            corner.results(group(body))
            corner.settle()
        for notifier in notifiers:
            notifier.wait(4)
            words, kind = [notifier.words(each) for each in notifier.taken], f"{notifier.vendor.kind}, {language}"
            checks.equal([text for text in words if "/v1/" in text], [], f"row 13, {kind}: no address of the API is in a message")
            linked = [LINK in text for text in words if "Title of k" in text]
            checks.equal(linked, [True, True], f"row 13, {kind}: the source's page is")
            checks.equal(notifier.endpoint.refused, [], f"row 13, {kind}: nothing was refused")
        for each in notifiers[0].news():
            checks.equal(
                each.data["url"].partition("/v1/")[2], f"accounts/{place.account.id}/alerts/{each.alert}",
                f"row 13, {language}: the payload's url is the API's ({each.change})"
            )
    own_names(checks, place)
    digests(checks, place)


def own_names(checks, place):
    own = {"language": "en", "title": "t", "text": "{{url}}|{{api_url}}|{{#url}}a page{{/url}}"}
    corner, notifiers = robots(place, template=own)
    for body in (alert("k", starts=at(1), generatorURL=LINK), alert("bare", starts=at(1))):
        corner.results(group(body))
        corner.settle()
    for notifier in notifiers:
        texts = [notifier.words(each) for each in notifier.taken]
        forms = [
            rf"{re.escape(LINK)}\|https?://[^|]*/v1/accounts/{place.account.id}/alerts/alrt_\w+\|a page",
            r"(?m)^\|https?://[^|]*/v1/accounts/[^|]*\|$",
        ]
        found = [bool(re.search(form, text.replace("\r", ""))) for form, text in zip(forms, texts)]
        checks.equal(found, [True, True], f"row 13, {notifier.vendor.kind}: url and api_url of a template: {texts!r}"[:400])


def digests(checks, place):
    corner, notifiers = robots(place, storm_limit=1)
    for number in range(6):
        corner.results(group(alert(f"k{number}", starts=at(1), generatorURL=LINK)))
    place.coast(600, 10, lambda: not place.waiting())
    for notifier in notifiers:
        texts = [notifier.words(each) for each in notifier.taken]
        marked = [text for text in texts if "Digest" in text]
        checks.check(marked and not any("/v1/" in text for text in texts), f"row 13, {notifier.vendor.kind}: nor in a digest", str(texts)[:400])
    addresses = [each.data["url"] for each in notifiers[0].news() if each.type == "alert.digest"]
    checks.check(
        addresses and all("/v1/" in each and "digest_id=" in each for each in addresses), "row 13: the payload of a digest has the API's",
        str(addresses)
    )


# --- row 19

LINES = [
    "*bold* **bold** _it_ __it__ ~s~ ~~s~~ `code`", "# head", "## head", "> quote", ">>> quote", "| a | b |", "|---|---|", "| 1 | 2 |", "* item",
    "- item", "+ item", "1. item",
    "```", "block", "```", "---", "===", "***", "    four blanks", "[x](https://evil.example.com)", "![x](https://evil.example.com)",
    "<https://evil.example.com|x>", "<!channel> <@all> @all",
    "<at id=all></at>", "<font color=\"warning\">x</font>", "&lt;b&gt; &#42;x&#42; &amp;", "\\*x\\*", "***both*** *a*b _a_b", "~~~", "<b>x</b>", "*",
    "_", "`", "5 * 3 and up_time",
]
TITLES = [
    "*bold* `code`", "# head", "> quote", "| a | b |", "- item", "1. item", "_it_ ~s~", "```", "[x](https://evil.example.com)", "<!here>", "    four",
    "***", "&#42;x&#42;",
]
SPANS = [r"\*bold\*", r"_it_", r"~s~", r"`", r"\*both\*", r"\*a\*", r"_a_b"]
BLOCKS = [
    r"^[ \t]*#{1,6} head", r"^[ \t]*>+ ?quote", r"^[ \t]*\| a", r"^[ \t]*\|-", r"^[ \t]*[-*+] item", r"^[ \t]*1[.)] item",
    r"^[ \t]*(---|===|\*\*\*|~~~)[ \t]*$",
    r"\]\(https://evil", r"<b>", r"<font", r"<at id", r"<!?[@a-z]*(channel|here|all)>",
]
INDENTED = [r"^(\t| {4})four"]  # code in Markdown, not in WeCom's
SLACK = [r"^(>|&gt;)", r"<https://evil", r"<!", r"<@"]
LIVE = {"slack": SPANS + SLACK, "dingtalk": SPANS + BLOCKS + INDENTED, "feishu": SPANS + BLOCKS + INDENTED, "wecom": SPANS + BLOCKS}
# What stands for a mark, and the mark: a person reads the same.
LOOKS = {"∗": "*", "ˍ": "_", "∼": "~", "ˋ": "`", "˃": ">", "\u200b": "", "\u00a0": " "}
TEMPLATE = "{{title}}\n\n{{description}}\n\n{{#labels_list}}\n{{value}}\n{{/labels_list}}\n{{labels.first}}\n{{annotations.message}}\n"


def literal_values(checks, place):
    for own in (None, {"language": "en", "title": "{{title}}", "text": TEMPLATE}):
        corner = Corner(place, "prometheus")
        more = {"template": own} if own else {}
        notifiers = [corner.notifier(kind, **more) for kind in (Slack(), DingTalk(rate=None), Feishu(rate=None), WeCom(rate=None))]
        names = [(f"title {title!r}", {"alertname": title, "first": "x"}, "x") for title in TITLES]
        values = [(f"label {line!r}", {"alertname": "T", "first": line}, "x") for line in LINES]
        texts = [(f"line {line!r}", {"alertname": "T"}, line) for line in LINES] + [("all lines", {"alertname": "T"}, "\n".join(LINES))]
        cases = names + values + texts
        for number in range(0, len(cases), 10):
            corner.results(
                group(
                    *(
                        alert(f"k{number + n}", labels=labels, annotations={"message": text})
                        for n, (_, labels, text) in enumerate(cases[number:number + 10])
                    )
                )
            )
        for notifier in notifiers:
            notifier.wait(len(cases), seconds=40)
            live_marks(checks, notifier, cases, "own template" if own else "default")


def live_marks(checks, notifier, cases, which):
    what = f"row 19, {notifier.vendor.kind}, {which}"
    checks.equal(notifier.endpoint.refused, [], f"{what}: nothing is refused for what an alert says")
    seen = {item["id"]: item for item in notifier.notifications()}
    checks.equal(len(seen), len(cases), f"{what}: each was told")
    found = []
    for received in notifier.taken:
        text = notifier.vendor.markup(json.loads(received.body))
        found += [(form, re.search(form, text, re.M).group()) for form in LIVE[notifier.vendor.kind] if re.search(form, text, re.M)]
    checks.equal(sorted(set(found)), [], f"{what}: no value is markup")
    whole = "\n".join(readable(notifier.vendor.kind, notifier.vendor.text(received.parsed)) for received in notifier.taken)
    lost = [line for line in LINES if squeezed(line) not in squeezed(whole)]
    checks.equal(lost, [], f"{what}: people read what the sender wrote")


def readable(kind, text):
    """As it is shown: look-alikes as what they look like, entities undone once, where the receiver has them."""
    text = "".join(LOOKS.get(character, character) for character in text)
    if kind == "slack":
        return re.sub("&(lt|gt|amp);", lambda match: {"lt": "<", "gt": ">", "amp": "&"}[match[1]], text)
    return text if kind == "wecom" else html.unescape(text).replace("\u00a0", " ")


def squeezed(text):
    return re.sub(r"\s", "", text)
