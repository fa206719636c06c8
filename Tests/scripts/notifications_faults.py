"""Receivers that fail in every way, for a while, for two hours and for ever: what is delivered, when, in which order and how often."""

import collections
import email.utils
import time

import receivers
import tocsin
from notifications_place import (
    ENDED, SCHEDULE, SPREAD, Place, moment, note, out_of_order, overlaps, stamp, told_twice, unequal_copies,
)
from receivers import CUT_OFF, GARBAGE, HANG_UP, LONG_HEAD, PACKED, RESET, STALL, code, drip, flood, redirect, slow, status
from receivers_mail import Authority, MailStep
from receivers_vendors import DingTalk, Feishu, Slack, Webhook, WeCom

SLACK = 45  # seconds of the moved clock: on a machine with much to do it runs ahead of the server
READ = (64 << 10) + (4 << 20)  # bytes of an endless answer that may leave the receiver: what is read, and buffers on the way


class Fault:
    """A way to fail: how often, what the record says of it, and bounds of the wait after it, where they are not the schedule's."""

    def __init__(self, vendor, step, failures, number=None, waits=None, is_slow=False, may_be_taken=False):
        self.vendor, self.step, self.failures, self.number, self.waits = vendor, step, failures, number, waits
        self.is_slow, self.may_be_taken = is_slow, may_be_taken
        self.name = f"{vendor.kind} {step}"


def table(place, trap):
    web, status_, broken = Webhook, ["http_status"], ["connection_broken"]
    date = email.utils.formatdate(place.clock.now + 300, usegmt=True)
    return [
        *(Fault(web(), status(number), status_, number) for number in (400, 401, 404, 500, 502, 503)),
        *(Fault(web(), redirect(trap.url, number), status_, number) for number in (301, 302, 303, 307, 308)),
        Fault(web(), status(429), ["rate_limited"], 429),
        Fault(web(), status(429, Retry_After="90"), ["rate_limited"], 429, waits=(90, 90 * 1.2)),
        Fault(web(), status(503, Retry_After="120"), ["http_status", "rate_limited"], 503, waits=(120, 120 * 1.2)),
        Fault(web(), status(429, Retry_After=date), ["rate_limited"], 429, waits=(200, 300 * 1.2)),
        Fault(web(), status(429, Retry_After="999999"), ["rate_limited"], 429, waits=(3_600 * 0.8, 3_600 * 1.2)),
        Fault(web(), RESET, broken), Fault(web(), HANG_UP, broken), Fault(web(), CUT_OFF, broken + ["timeout"], may_be_taken=True),
        Fault(web(), GARBAGE, broken), Fault(web(), LONG_HEAD, broken),
        Fault(web(), STALL, ["timeout"], is_slow=True), Fault(web(), drip(), ["timeout"], is_slow=True, may_be_taken=True),
        Fault(web(), flood(), None, 200, may_be_taken=True), Fault(web(), flood(number=500), status_ + broken, 500),
        Fault(web(), PACKED, None, 200, may_be_taken=True), Fault(web(), slow(2), None, 200, may_be_taken=True),
        Fault(DingTalk("SECfault"), code(310000), ["refused_by_receiver"], 200), Fault(DingTalk("SECfault"), code(130101), ["rate_limited"], 200),
        Fault(DingTalk("SECfault"), status(502), status_, 502), Fault(DingTalk("SECfault"), GARBAGE, broken),
        Fault(DingTalk("SECfault"), flood(), ["refused_by_receiver"] + broken, None),
        Fault(Feishu("fault"), code(19021), ["refused_by_receiver"], 200), Fault(Feishu("fault"), code(9499), ["refused_by_receiver"], 200),
        Fault(Feishu("fault"), code(11232), ["rate_limited"], 200),
        Fault(WeCom(), code(45009), ["rate_limited"], 200), Fault(WeCom(), code(40008), ["refused_by_receiver"], 200),
        Fault(Slack(), code("invalid_blocks"), status_ + ["refused_by_receiver"], 400),
        Fault(Slack(), code("no_service"), status_ + ["refused_by_receiver"], 404),
        Fault(Slack(), code("rate_limited"), ["rate_limited"], 429, waits=(30, 36)),
        *mail_faults(place),
    ]


def mail_faults(place):
    refused, broken = ["refused_by_receiver", "http_status", "rate_limited"], ["connection_broken"]
    steps = [
        (MailStep("RCPT", "451 4.7.1 greylisted"), refused, 451), (MailStep("MAIL", "452 4.2.2 full"), refused, 452),
        (MailStep("message", "554 5.7.1 spam"), refused, 554), (MailStep("AUTH", "454 4.7.0 later"), refused, 454),
        (MailStep("greeting", "421 4.3.2 closing"), refused + broken, 421), (MailStep("message", fault="reset"), broken, None),
        (MailStep("STARTTLS", "454 4.7.0 no TLS"), refused + ["tls_failed"], 454),
        (MailStep("STARTTLS", fault="inject"), broken + ["tls_failed"] + refused, None),
        (MailStep("taken", fault="reset"), broken, None), (MailStep("EHLO", fault="flood"), broken + refused, None),
        (MailStep("greeting", fault="stall"), ["timeout"], None),
    ]
    for step, failures, number in steps:
        # What was injected may be thrown away: then the mail goes out at once.
        yield Fault(place.mail_server(), step, failures, number, is_slow=step.fault == "stall", may_be_taken=step.fault == "inject")


class Trial:
    """One fault, its notifier, and what came of it. Webhooks are told of two alerts, one of which recovers while they fail."""

    def __init__(self, place, fault, long):
        self.place, self.fault, self.room = place, fault, place.room(f"{fault.name}, {next(place.numbers)}")
        self.notifier = self.room.notifier(fault.vendor)
        self.times = 1 if fault.is_slow and not long else 2
        self.is_webhook = isinstance(fault.vendor, Webhook)
        self.has_pair = self.is_webhook and not fault.is_slow
        self.counts = collections.Counter()
        if self.is_webhook:
            self.notifier.endpoint.script(then=self.choose)
        else:
            self.notifier.endpoint.script(*[fault.step] * self.times)

    def choose(self, received):
        self.counts[received.id] += 1
        return self.fault.step if self.counts[received.id] <= self.times else receivers.OK

    def push(self):
        self.room.push("lasting", *(["passing"] if self.has_pair else []))

    def recover(self):
        if self.has_pair:
            self.room.push("passing", recovered=True)

    @property
    def is_over(self):
        if not self.is_webhook:
            return bool(self.notifier.taken)
        last = {each.key: each.change for each in self.notifier.news()}
        return "lasting" in last and (not self.has_pair or last.get("passing") in ENDED)

    def check(self, checks):
        name, notifier = self.fault.name, self.notifier
        taken = notifier.taken
        items = notifier.notifications()
        first = items[-1] if self.has_pair is False else next((i for i in items if i["title"] == "Title of lasting"), items[-1])
        one = self.place.notification(first["id"])
        checks.equal(one["state"], "sent", f"{name}: is delivered")
        attempts = sorted(one["attempts"], key=lambda attempt: attempt["at"])
        self.check_attempts(checks, attempts)
        if self.is_webhook:
            news = notifier.news()
            checks.equal((out_of_order(news), told_twice(news), unequal_copies(news)), ([], [], []), f"{name}: in order, none twice")
            copies = collections.Counter(received.body for received in notifier.received if received.id == one["id"])
            checks.equal(len(copies), 1, f"{name}: every attempt has the same body")
        else:
            ids = {mail.id for mail in notifier.received} if notifier.vendor.kind == "email" else {1}
            checks.check(len(taken) >= 1 and len(ids) == 1, f"{name}: no copy under another id", f"{len(taken)} {ids}")
        if self.fault.step.__class__ is receivers.Step and self.fault.step.kind == "flood":
            poured = max(received.poured for received in notifier.received)
            checks.check(poured <= READ, f"{name}: of 10 GB {poured >> 10} KiB leave the receiver")

    def check_attempts(self, checks, attempts):
        fault = self.fault
        failed = [attempt for attempt in attempts if attempt["failure"]]
        if fault.may_be_taken and not failed:
            checks.equal(len(attempts), 1, f"{fault.name}: taken at once")
            return
        found = len(failed), len(attempts) - len(failed)
        # What fails on a kept connection may be that connection's fault: then it is sent once more within the attempt.
        is_good = found == (self.times, 1) or found == (1, 1) and fault.failures[0] == "connection_broken"
        checks.check(is_good, f"{fault.name}: {self.times} attempt(s) failed, then one did not", f"{found} {attempts}")
        names, allowed = {attempt["failure"] for attempt in failed}, fault.failures or []
        checks.check(names <= set(allowed), f"{fault.name}: recorded as {' or '.join(allowed)}", f"{names} {failed[:1]}")
        numbers = {attempt["status_code"] for attempt in failed}
        if fault.number:
            checks.equal(numbers, {fault.number}, f"{fault.name}: recorded with its status")
        for number, (earlier, later) in enumerate(zip(attempts, attempts[1:]), 1):
            low, high = fault.waits or (SCHEDULE[number] * (1 - SPREAD), SCHEDULE[number] * (1 + SPREAD))
            if fault.waits and number > 1:  # a date that has passed by then
                low = min(low, SCHEDULE[number] * (1 - SPREAD))
            gap = moment(later["at"]) - moment(earlier["at"])
            is_good = low - 1.1 <= gap <= high + SLACK + (earlier["latency_ms"] or 0) / 1000
            checks.check(is_good, f"{fault.name}: attempt {number + 1} in its time", f"{gap:.1f} s, {low:.0f}-{high:.0f}")


def all_faults(checks, options):
    with Place(checks, options, "Faults") as place:
        trap = place.receivers.endpoint(Webhook())
        trials = [Trial(place, fault, options.long) for fault in table(place, trap)]
        forever, gone, health = Forever(place), Gone(place), Health(place)
        began = time.monotonic()
        for trial in trials:
            trial.push()
        forever.begin()
        gone.begin()
        time.sleep(0.5)
        for trial in trials:
            trial.recover()
        place.drive(lambda: all(trial.is_over for trial in trials), seconds=150 if options.long else 90, horizon=6 * 3600)
        late = [trial.fault.name for trial in trials if not trial.is_over]
        took = f"{time.monotonic() - began:.0f} s, {place.clock.offset} s by the moved clock"
        checks.equal(late, [], f"faults: all {len(trials)} receivers have it in the end ({took})")
        for trial in trials:
            trial.check(checks)
        checks.equal(len(trap.received), 0, "faults: no redirect is followed")
        problems = [p for t in trials if not t.is_webhook for p in t.notifier.endpoint.refused if "TLS" not in p]
        checks.equal(problems, [], "faults: no message broke a receiver's rule")
        gone.check(checks)
        forever.check(checks)
        health.check(checks)
        transport(checks, place)


class Forever:
    """A receiver that never takes anything: every attempt of the schedule, then none; and a replay."""

    def __init__(self, place):
        self.place, self.room = place, place.room("Forever")
        self.notifier = self.room.webhook()
        self.notifier.endpoint.script(then=status(500, b"out of \x1b[31morder\x00" + b"x" * 2_000))

    def begin(self):
        self.room.push("forever")

    def check(self, checks):
        self.place.drive(lambda: not self.notifier.notifications(state="waiting"), seconds=60)
        item = self.place.notification(self.notifier.notifications()[0]["id"])
        checks.equal((item["state"], item["attempt_count"]), ("dead", len(SCHEDULE)), f"forever: dead after {len(SCHEDULE)} attempts")
        times = [received.at for received in self.notifier.received]
        gaps = [later - earlier for earlier, later in zip(times, times[1:])]
        off = [
            (number, round(gap, 1), wanted) for number, (gap, wanted) in enumerate(zip(gaps, SCHEDULE[1:]), 1)
            if not wanted * (1 - SPREAD) - 1.1 <= gap <= wanted * (1 + SPREAD) + SLACK
        ]
        checks.equal((off, len(gaps)), ([], len(SCHEDULE) - 1), "forever: each attempt in its time")
        note(f"forever: gaps of {', '.join(f'{gap:.0f}' for gap in gaps)} s")
        shown = item["attempts"][0]["response"]
        checks.check(shown.isprintable() and len(shown) <= 512, "forever: of the answer at most 512 printable bytes are kept", repr(shown))
        self.replay(checks, item)

    def replay(self, checks, item):
        count = len(self.notifier.received)
        self.place.receivers.wait("", lambda: False, 0.5)
        checks.equal(len(self.notifier.received), count, "forever: a dead one is left alone")
        self.notifier.endpoint.script()
        self.place.api.post(f"{self.place.path}/notifications/{item['id']}/replay")
        self.place.drive(lambda: self.notifier.taken, seconds=20, horizon=1_300)
        good = self.notifier.wait(1, "messages after a replay are taken", 1)
        bodies = {(received.id, received.body) for received in self.notifier.received}
        checks.check(good and len(bodies) == 1, "replay: delivered, the same id and body", f"{len(bodies)} different")
        checks.equal(self.place.notification(item["id"])["state"], "sent", "replay: the record says sent")
        self.replay_many(checks)

    def replay_many(self, checks):
        """All that is dead of one notifier."""
        self.notifier.endpoint.script(then=status(410))
        self.room.push(*[f"dead-{number}" for number in range(5)])
        self.place.drive(lambda: len(self.notifier.notifications(state="dead")) == 5, seconds=20, horizon=3_600)
        checks.equal(len(self.notifier.notifications(state="dead")), 5, "replay: 410 makes them dead at once")
        self.notifier.endpoint.script()
        self.notifier.change(status="enabled")
        answer = self.place.api.post(f"{self.place.path}/notifications/replay", {"notifier_id": self.notifier.id})
        checks.equal(answer, {"replayed": 5}, "replay: all dead ones of a notifier")
        self.place.drive(lambda: len(self.notifier.taken) >= 6, seconds=20, horizon=3_600)
        keys = [f"dead-{number}" for number in range(5)]
        checks.equal(sorted(n.key for n in self.notifier.news()), [*keys, "forever"], "replay: all are delivered")


class Gone:
    """410: the notifier is disabled, and says why nobody is told."""

    def __init__(self, place):
        self.place, self.room = place, place.room("Gone")
        self.notifier = self.room.webhook()
        self.notifier.endpoint.script(then=status(410))

    def begin(self):
        self.room.push("gone")

    def check(self, checks):
        item = self.place.notification(self.notifier.notifications()[0]["id"])
        checks.equal((item["state"], item["last_failure"], item["attempt_count"]), ("dead", "gone", 1), "410: one attempt, then dead")
        shown = self.notifier.get()
        checks.equal((shown["status"], shown.get("disabled_reason")), ("disabled", "gone"), "410: the notifier is disabled")
        found = self.room.verdicts(self.room.push("after"))
        checks.equal([i["verdict"] for i in found], ["notifier_disabled"], "410: the next one is not told, and why")
        checks.equal(len(self.notifier.received), 1, "410: nothing more is sent")


class Health:
    """A notifier that fails for long raises an alert in the channel of the account's choice."""

    def __init__(self, place):
        self.place, room = place, place.room("Health")
        self.notifier = room.webhook()
        place.api.call("PUT", f"{place.path}/health-alerts", {"channel_id": room.channel})

    def check(self, checks):
        # The server looks every few seconds of real time, whatever its clock says.
        end = time.monotonic() + 25
        while not self.notifier.taken and time.monotonic() < end:
            self.place.drive(lambda: self.notifier.taken, seconds=5, horizon=60)
            time.sleep(0.5)
        titles = [each.data.get("title") for each in self.notifier.news()]
        checks.check(bool(titles), "health: a notifier that failed for a day raised an alert")
        note(f"health: {titles[:4]}")


def transport(checks, place):
    """What a connection can fail with before anything is said: by the test of a notifier, so once each."""
    other = Authority(place.server.directory, "other")
    closed = f"http://127.0.0.1:{tocsin.free_port()}/hook"
    contexts = [
        ("trusted", place.authority.context()), ("of an unknown authority", other.context()),
        ("for another name", place.authority.context("DNS:other.example")),
    ]
    servers = [(name, receivers.Receivers(clock=lambda: place.clock.now, tls=context)) for name, context in contexts]
    room = place.room("Transport")
    try:
        urls = [(closed, "connect_failed", "a closed port"), (place.receivers.origin.replace("http:", "https:"), "tls_failed", "no TLS behind https")]
        for name, server in servers:
            server.__enter__()
            urls.append((server.endpoint(Webhook()).url, None if name == "trusted" else "tls_failed", f"a certificate {name}"))
        for url, expected, what in urls:
            result = room.notifier(Webhook(), settings={"url": url}).test()
            checks.equal((result["sent"], result["failure"]), (expected is None, expected), f"transport: {what}")
    finally:
        for _, server in servers:
            if server.thread.is_alive():
                server.__exit__()


# --- down for two hours


def down(checks, options):
    count = 300 if options.long else 45
    with Place(checks, options, "Down") as place, receivers.Receivers(clock=lambda: place.clock.now) as away:
        room = place.room("Down")
        notifier = room.notifier(Webhook(), away.endpoint(Webhook()))
        keys = [f"down-{number}" for number in range(count)]
        thirds = keys[0::3], keys[1::3], keys[2::3]
        began = place.clock.now
        away.shut()
        for start in range(0, count, 15):
            room.push(*keys[start:start + 15])
        place.coast(600, 60)
        for start in range(0, len(thirds[1]), 15):
            room.push(*thirds[1][start:start + 15], severity="warning")
        place.coast(3_000, 300)
        for key in thirds[1] + thirds[2]:
            room.push(key, recovered=True)
        for key in thirds[2]:
            room.push(key, title="Again")
        place.coast(began + 7_200 - place.clock.now, 300)
        checks.equal(len(notifier.received), 0, "down: nothing arrived for two hours")
        away.open()
        drained = place.coast(14 * 3600, 600, lambda: not notifier.notifications(state="waiting"))
        checks.check(drained, f"down: all is delivered by {(place.clock.now - began) / 3600:.1f} h", str(notifier.notifications(state="waiting")[:1]))
        check_last_words(checks, place, room, [notifier], "down")
        items = notifier.notifications()
        states = collections.Counter(item["state"] for item in items)
        wanted = count + len(thirds[1]) * 2 + len(thirds[2]) * 2
        checks.equal((len(items), set(states) <= {"sent", "superseded"}), (wanted, True), f"down: the record has all {wanted} changes")
        superseded = {item["id"]: item["superseded_by"] for item in items if item["state"] == "superseded"}
        sent = {item["id"] for item in items if item["state"] == "sent"}
        chain = [name for name, by in superseded.items() if by not in sent and by not in superseded]
        checks.equal(chain, [], f"down: each of {len(superseded)} superseded ones names what was sent instead")
        told = {name for news in notifier.news() for name in news.data["supersedes"]}
        checks.equal(sorted(set(superseded) - told)[:3], [], "down: and is named by it")
        note(f"down: {dict(states)}, {len(notifier.received)} requests after two hours, from {stamp(began)}")
        one_at_a_time(checks, place)


def one_at_a_time(checks, place):
    """A receiver that is slow with one alert: what follows about it waits, other alerts at most for what is under way."""
    room = place.room("Slow")
    notifier = room.webhook()
    notifier.endpoint.script(then=lambda received: slow(1.5) if received.parsed["data"]["alert_key"] == "slow" else receivers.OK)
    room.push("slow")
    place.receivers.wait("it is told", lambda: notifier.received)
    began = time.monotonic()
    room.push("slow", severity="warning")
    room.push("other")
    room.push("slow", recovered=True)
    notifier.wait(3)
    place.drive(seconds=10)
    news = notifier.news()
    other = next((each.received.moment - began for each in news if each.key == "other"), 99)
    checks.check(other < 3, f"order: another alert is told after {other:.2f} s")
    checks.equal(overlaps(notifier.received), [], "order: of one alert one message at a time")
    told = [each.change for each in sorted(news, key=lambda each: each.received.ended) if each.key == "slow"]
    checks.check(told[:1] == ["opened"] and told[-1:] == ["recovered"] and len(told) <= 3, "order: the latest comes last", str(told))


def check_last_words(checks, place, room, notifiers, when):
    """What each receiver was told last of each alert is how it stands, and nobody reads that it fires after it has ended."""
    alerts = {alert["id"]: alert for alert in place.account.items("alerts", channel_id=room.channel)}
    for notifier in notifiers:
        news = notifier.news()
        last = {}
        for each in news:
            last[each.alert] = each
        lost = [alert["alert_key"] for name, alert in alerts.items() if name not in last]
        checks.equal((len(lost), lost[:3]), (0, []), f"{when}: of {len(alerts)} alerts none is lost")
        is_wrong = [
            (alert["alert_key"], last[name].change, alert["status"]) for name, alert in alerts.items()
            if name in last and (last[name].change in ENDED) != (alert["status"] == "Ok")
        ]
        checks.equal(is_wrong[:3], [], f"{when}: the last message of each alert says how it stands")
        checks.equal(out_of_order(news)[:3], [], f"{when}: none fires after it has ended")
        checks.equal(overlaps(notifier.received)[:3], [], f"{when}: of one alert one message at a time")
        checks.equal((told_twice(news)[:3], unequal_copies(news)[:3]), ([], []), f"{when}: none twice under another id, every copy is equal")
