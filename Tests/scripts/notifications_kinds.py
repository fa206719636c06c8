"""Every kind of notifier against a receiver with its vendor's rules: messages, limits, secrets, verdicts, templates, signatures."""

import base64
import contextlib
import os
import re
import secrets
import time
import urllib.request

import tocsin
from notifications_place import CHANGES, Place, StandardWebhooks, moment, note
from receivers_vendors import DingTalk, Feishu, Slack, Webhook, WeCom

FIELDS = {
    "change", "account_id", "account_name", "channel_id", "channel_name", "integration_id", "integration_name", "alert_id", "event_id",
    "alert_key", "title", "description", "link", "severity", "max_severity", "status", "labels", "annotations", "first_seen_at",
    "last_seen_at", "ended_at", "event_count", "url", "supersedes", "message_title", "message_text",
}
# What would call everybody, make a link, or a header, if it were taken as it is.
HOSTILE = (
    "<!channel> <@all> <at id=all></at> @all [pay](https://evil.example.com) <https://evil.example.com|pay> **x** `\r\n"
    "Bcc: evil@example.com\r\n"
)
SECRET_KEYS = ("SEC" + secrets.token_hex(24), "Feishu" + secrets.token_hex(12), "pass-" + secrets.token_hex(12))


class Sides:
    """A room and a notifier of each kind: with and without a secret, in both languages."""

    def __init__(self, place):
        dingtalk, feishu, password = SECRET_KEYS
        mail = place.mail_server(login=("alerts", password))
        vendors = [
            (Webhook(), "en"), (DingTalk(dingtalk), "en"), (DingTalk(), "zh-CN"), (Feishu(feishu), "en"), (Feishu(), "zh-CN"),
            (WeCom(), "zh-CN"), (Slack(), "en"), (mail, "en"), (place.mail_server(security="tls"), "zh-CN"),
        ]
        self.place, self.hidden, self.notifiers = place, [*SECRET_KEYS], []
        for vendor, language in vendors:
            endpoint, name = None, "hush" + secrets.token_hex(8)
            if vendor.kind != "email":
                endpoint = place.receivers.endpoint(vendor, name)
                self.hidden.append(name)
            notifier = place.room(f"{vendor.kind} {language}").notifier(vendor, endpoint, template={"language": language})
            notifier.language = language
            self.notifiers.append(notifier)
            if notifier.secret:
                self.hidden.append(notifier.secret.removeprefix("whsec_"))

    def each(self, what, act, more=1):
        """Does something in every room and waits for `more` messages in each."""
        before = [len(notifier.taken) for notifier in self.notifiers]
        for notifier in self.notifiers:
            act(notifier)
        missing = [n.vendor.kind for n, count in zip(self.notifiers, before) if not n.wait(count + more)]
        self.place.checks.equal(missing, [], f"{what}: each of {len(self.notifiers)} receivers took it")


def kinds(checks, options):
    with Place(checks, options, "Kinds") as place:
        health, sides = Health(checks, place), Sides(place)
        tests(checks, sides)
        changes(checks, sides)
        record(checks, sides)
        long_messages(checks, sides)
        hostile_words(checks, sides)
        hidden(checks, sides)
        verdicts(checks, place)
        templates(checks, place)
        health.check(checks)


def tests(checks, sides):
    for notifier in sides.notifiers:
        result = notifier.test()
        detail = {key: result.get(key) for key in ("sent", "failure", "detail", "status_code", "response")}
        checks.check(result["sent"] and len(notifier.taken) == 1, f"test of {notifier.room.name}: sent", f"{detail} {notifier.endpoint.refused}")
        words = notifier.words(notifier.taken[0]).lower() if notifier.taken else ""
        mark = "测试" if notifier.language == "zh-CN" else "test"
        checks.check(mark in words, f"test of {notifier.room.name}: says that it is one", words[:200])
    webhook = sides.notifiers[0]
    checks.equal(webhook.news()[0].type if webhook.taken else None, "notifier.test", "test of the webhook: its type")


def changes(checks, sides):
    """An alert that is updated and recovers, and one that is closed by a caller."""
    sides.each("opened", lambda n: n.room.push("first", "second"), more=2)
    sides.each("updated", lambda n: n.room.push("first", severity="warning"))
    sides.each("recovered", lambda n: n.room.push("first", severity="warning", recovered=True))
    sides.each("closed", lambda n: n.room.close_alert("second"))
    for notifier in sides.notifiers:
        texts = [notifier.words(received) for received in notifier.taken[1:]]
        titles = ["second" if "Title of second" in text else "first" if "Title of first" in text else "?" for text in texts]
        name = notifier.room.name
        wanted = ["first", "second"], ["first", "first", "second"]
        checks.equal((sorted(titles[:2]), titles[2:]), wanted, f"{name}: each message names its alert, in order")
        checks.equal(notifier.endpoint.refused, [], f"{name}: every message keeps the receiver's rules")
        whole = [received.body.decode() if notifier.vendor.kind == "webhook" else text for received, text in zip(notifier.taken[1:], texts)]
        links = ["https://alerts.example.com/" in text for text in whole]
        checks.check(all(links), f"{name}: every message links the source's page", f"{links} {texts[:1]}")
        checks.check(not any("/v1/" in text for text in texts), f"{name}: no message links what people can't open", str(texts[:1]))
    news = sides.notifiers[0].news()[1:]
    checks.equal(sorted(each.change for each in news), sorted(["opened", "opened", *CHANGES[1:]]), "webhook: the changes")
    checks.equal([each.type for each in news], [f"alert.{each.change}" for each in news], "webhook: the types")
    missing = [sorted(FIELDS - set(each.data)) for each in news if FIELDS - set(each.data)]
    checks.equal(missing[:1], [], "webhook: every field is there")
    checks.check(all(abs(moment(each.received.parsed["timestamp"]) - each.at) < 10 for each in news), "webhook: the timestamp is the change's")
    first = sides.notifiers[0].room.alert_of("first")
    told = next(each.data for each in news if each.change == "recovered")
    same = {key: told[key] for key in ("title", "severity", "status", "labels", "event_count", "first_seen_at")}
    checks.equal(same, {key: first[key] for key in same}, "webhook: a message says what the API says")


def record(checks, sides):
    """The notifications of all that: sent at the first attempt."""
    for notifier in sides.notifiers:
        # What was sent is written a moment later.
        end = time.monotonic() + 5
        while notifier.notifications(state="waiting") and time.monotonic() < end:
            time.sleep(0.1)
        items = notifier.notifications()
        good = 250 if notifier.vendor.kind == "email" else 200
        found = {(item["state"], item["attempt_count"], item["last_failure"], item["last_status_code"]) for item in items}
        checks.equal((len(items), found), (5, {("sent", 1, None, good)}), f"{notifier.room.name}: the record has five, sent at once")
    notifier = sides.notifiers[0]
    item = sides.place.notification(notifier.notifications()[0]["id"])
    checks.equal([(a["failure"], a["status_code"]) for a in item["attempts"]], [(None, 200)], "the record of one has its attempt")
    ids = {item["id"] for item in notifier.notifications()}
    checks.equal({each.id for each in notifier.news()[1:]} - ids, set(), "webhook-id is the notification's id")
    with urllib.request.urlopen(f"http://127.0.0.1:{sides.place.server.port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    told = set(re.findall(r'^tocsin_notification_attempts_total\{.*kind="(\w+)".*\} [1-9]', text, re.M))
    checks.equal(told, {notifier.vendor.kind for notifier in sides.notifiers}, "metrics: attempts of every kind")
    checks.check("tocsin_notification_seconds" in text, "metrics: time from push to sent")


def long_messages(checks, sides):
    """An alert with as much in it as can be: each receiver gets what it takes, and where the rest is."""
    for form, filler in (("plain", "long words "), ("wide", "长" * 4), ("to be escaped", "<&>\"\\*_`")):

        def push(notifier, form=form, filler=filler):
            alert = notifier.room.alert(f"long {form}", title=(filler * 60)[:170], description=(filler * 300)[:650])
            alert["labels"] |= {f"label_{n:02}": (filler * 200)[:650] for n in range(80)}
            alert["annotations"]["message"] = (filler * 300)[:650]
            notifier.room.push_alerts([alert])

        sides.each(f"long, {form}", push)
    refused = {n.room.name: n.endpoint.refused[:2] for n in sides.notifiers if n.endpoint.refused}
    checks.equal(refused, {}, "long: no receiver refused any")
    for notifier in sides.notifiers[1:]:
        words = notifier.words(notifier.taken[-1])
        marks = "(cut", "（已截断", "https://alerts.example.com/"
        checks.check(any(mark in words for mark in marks), f"long: {notifier.room.name} is told that it was cut, or is told all", words[-300:])


def hostile_words(checks, sides):
    """Values that would mention everybody, or make links, in the markup of some receiver."""

    def push(notifier):
        alert = notifier.room.alert("hostile", title=f"Title {HOSTILE}", description=HOSTILE)
        alert["labels"]["namespace"] = HOSTILE
        alert["annotations"]["message"] = HOSTILE
        notifier.room.push_alerts([alert])

    sides.each("hostile", push)
    live = {
        "slack": ["<!channel>", "<https://evil.example.com|", "**x**", "`"], "wecom": ["<@all>", "[pay](https://evil", "**x**", "`"],
        "feishu": ["<at id=all>", "[pay](https://evil", "**x**", "`"], "dingtalk": ["[pay](https://evil", "<at id=all>", "**x**", "`"],
    }
    for notifier in sides.notifiers:
        received = notifier.taken[-1]
        marks = live.get(notifier.vendor.kind, [])
        found = [mark for mark in marks if mark in notifier.vendor.markup(received.parsed)]
        checks.equal(found, [], f"hostile: {notifier.room.name} shows it as text")
        if notifier.vendor.kind == "dingtalk":
            checks.check(not received.parsed.get("at", {}).get("isAtAll"), "hostile: DingTalk calls nobody")
        if notifier.vendor.kind == "email":
            checks.check(received.parsed["Bcc"] is None and received.receivers == ["oncall@example.com"], "hostile: no header is added to a mail")


def hidden(checks, sides):
    """Secrets and the addresses that carry them are shown never again, and are nowhere in the files or the log."""
    place, answers = sides.place, []
    for notifier in sides.notifiers:
        answers += [place.api.get(notifier.path), notifier.change(name=f"{notifier.room.name} again")]
    answers += [item for n in sides.notifiers for item in place.api.items(n.room.path)]
    answers += [place.notification(item["id"]) for item in place.notifications()[:40]]
    text = str(answers)
    checks.equal([each for each in sides.hidden if each in text], [], f"secrets: none of {len(sides.hidden)} is in an answer")
    settings = place.api.get(sides.notifiers[1].path)["settings"]
    checks.equal(settings, {"origin": place.receivers.origin, "has_secret": True}, "secrets: what is shown of a robot")
    leaked = []
    cluster = place.options.cluster
    if cluster:
        cluster.sql("CHECKPOINT")  # into the files
    directories = [place.server.data, *([cluster.data] if cluster else [])]
    files = [os.path.join(parent, name) for each in directories for parent, _, names in os.walk(each) for name in names]
    for path in [place.server.log, *files]:
        with contextlib.suppress(OSError), open(path, "rb") as file:
            data = file.read()
            leaked += [(os.path.basename(path), each) for each in sides.hidden if each.encode() in data]
            decoded = [base64.b64decode(s) for s in sides.hidden if len(s) == 44]
            leaked += [(os.path.basename(path), "key") for each in decoded if each in data]
    checks.equal(leaked[:5], [], "secrets: none is in a file or in the log as it is")


# --- why was nobody told


def verdicts(checks, place):
    info = [[{"key": "severity", "operator": "in", "values": ["Info"]}]]
    table = [
        ("no_notifier", None), ("conditions_not_met", {"conditions": info}), ("change_not_wanted", {"changes": ["recovered"]}),
        ("notifier_disabled", {"status": "disabled"}), ("told", {}),
    ]
    for expected, fields in table:
        room = place.room(f"Verdict {expected}")
        notifier = None if fields is None else room.webhook(**fields)
        found = room.verdicts(room.push("why"))
        name = notifier and notifier.id
        checks.equal([(item["notifier_id"], item["verdict"]) for item in found], [(name, expected)], f"why: {expected}")
        checks.equal(len(room.place.notifications(channel_id=room.channel)), int(expected == "told"), f"why: {expected}, in the record")
        if notifier and expected != "told":
            checks.equal(len(notifier.received), 0, f"why: {expected}, nothing is sent")
    notifier.wait(1)
    room.push("why", recovered=True)
    later = {"startsAt": "2026-03-02T12:00:00.000000000Z"}
    room.push_alerts([room.alert("why") | later])
    found = room.verdicts(room.push("why", recovered=True))  # of the alert before, by its start: passed over
    checks.equal([item["verdict"] for item in found], ["nothing_new"], "why: nothing_new")
    found = room.verdicts(room.push_alerts([room.alert("why", recovered=True) | later]))
    checks.check(found[0]["notification_id"] and found[0]["verdict"] == "told", "why: the notification is named", str(found))


# --- templates


def templates(checks, place):
    room = place.room()
    own = {"language": "en", "title": "{{severity}}: {{title}}", "text": "in {{channel_name}}{{#labels_list}} {{name}}={{value}};{{/labels_list}}"}
    notifier = room.webhook(template=own)
    room.push("worded")
    notifier.wait(1)
    data = notifier.news()[0].data if notifier.taken else {}
    checks.equal(data.get("message_title"), "Critical: Title of worded", "template: the title")
    text = data.get("message_text", "")
    checks.check(f"in {room.name}" in text and "pod_name=worded;" in text, "template: the text", text)
    for kind in ("webhook", "dingtalk", "feishu", "wecom", "slack", "email"):
        for change in CHANGES:
            shown = place.api.post(f"{room.path}/preview", {"kind": kind, "template": {"language": "zh-CN"}, "change": change})
            good = shown["title"] and shown["text"] and shown["body"] and shown["template_problem"] is None
            checks.check(good, f"preview: {kind}, {change}", str(shown)[:300])
    for what, text in (("not closed", "{{#title}}"), ("a partial", "{{> other}}"), ("an unknown name", "{{no_such_name}}"), ("nothing comes of it", "{{#is_closed}}x{{/is_closed}}")):
        problem = place_problem(place, room, text)
        checks.check(bool(problem), f"broken template: {what}", "nothing is said")
        note(f"{what}: {problem}")
    silent = room.place.room()
    notifier = silent.webhook(template={"language": "en", "title": "{{labels.nothing}}", "text": "{{labels.nothing}}"})
    silent.push("silent")
    notifier.wait(1)
    words = notifier.words(notifier.taken[0]) if notifier.taken else ""
    checks.check("Title of silent" in words, "broken template: the default takes its place", words)


def place_problem(place, room, text):
    """What preview says of a template: a refusal, or the problem."""
    try:
        return place.api.post(f"{room.path}/preview", {"kind": "slack", "template": {"language": "en", "text": text}})["template_problem"]
    except tocsin.APIError as error:
        return str(error)[-200:] if error.status == 422 else None


# --- Tocsin's own troubles


class Health:
    """A push that can't be read raises an alert in the channel of the account's choice. The server looks every 15 s."""

    def __init__(self, checks, place):
        self.place, self.room, sick = place, place.room("Health"), place.room("Sick")
        self.notifier = self.room.webhook()
        place.api.call("PUT", f"{place.path}/health-alerts", {"channel_id": self.room.channel})
        checks.equal(place.api.get(f"{place.path}/health-alerts")["channel_id"], self.room.channel, "health: the channel is set")
        status, _ = sick.sender.push(b"this is no JSON")
        checks.equal(status, 400, "health: a push that can't be read is quarantined")

    def check(self, checks):
        self.notifier.wait(1, "alert about a quarantined push is taken", 20)
        for each in self.notifier.news()[:3]:
            note(f"health: {each.data.get('title')!r}, {each.data.get('description')!r}")
        path = f"{self.place.path}/health-alerts"
        self.place.api.call("PUT", path, {"channel_id": None})
        checks.equal(self.place.api.get(path)["channel_id"], None, "health: the channel is cleared")


# --- signatures


def rotation(checks, options):
    """The PyPI package verifies every message, before, during and after a rotation."""
    each = 334 if options.long else 20
    with Place(checks, options, "Rotation") as place, StandardWebhooks(place) as package:
        if package.reason:
            note(f"the PyPI package is not to be had, the receiver's own check stands alone: {package.reason}")
        room = place.room()
        notifier = room.webhook()
        old = notifier.secret
        began = place.clock.now
        phase(checks, package, room, notifier, "before", each, [old], [])
        rotated = place.api.post(f"{notifier.path}/rotate-secret")
        new, ends = rotated["signing_secret"], moment(rotated["previous_ends_at"])
        checks.check(new != old and abs(ends - began - 86_400) < 60, "rotation: the old one signs along for 24 h", rotated["previous_ends_at"])
        notifier.vendor.secrets.append(new)
        phase(checks, package, room, notifier, "during", each, [old, new], [])
        place.skip(86_400 + 60)
        notifier.vendor.secrets.remove(old)
        phase(checks, package, room, notifier, "after", each, [new], [old])


def phase(checks, package, room, notifier, when, count, good, bad):
    before = len(notifier.taken)
    for number in range(0, count, 10):
        room.push(*[f"{when}-{n}" for n in range(number, min(number + 10, count))])
    notifier.wait(before + count, f"messages {when} are taken", 30)
    messages = notifier.taken[before:]
    checks.equal((len(messages), notifier.endpoint.refused), (count, []), f"rotation, {when}: every signature is good by the receiver's own check")
    if package.reason:
        return
    for secret in good:
        problems = [package.problem(secret, received) for received in messages]
        verified = problems.count(None)
        checks.equal((verified, [p for p in problems if p][:2]), (count, []), f"rotation, {when}: standardwebhooks verifies {verified} of {count}")
    for secret in bad:
        verified = [package.problem(secret, received) for received in messages].count(None)
        checks.equal(verified, 0, f"rotation, {when}: the old secret signs no more")
