"""What the parts of notifications.py share: a server that may reach loopback, a moved clock for it and its receivers, rooms, and the drive.

A room is a channel with an integration to push to and the notifiers of that channel. The drive moves the clock from one attempt that is due to
the next, so that a schedule of a day passes in seconds; it never moves it while a message is on its way, which would look like a slow one.
"""

import contextlib
import datetime
import http.client
import itertools
import json
import math
import os
import subprocess
import sys
import time

import faults
import nodes
import postgres
import receivers
import receivers_mail
import tocsin
from receivers_vendors import Vendor, Webhook

CHANGES = ["opened", "updated", "recovered", "closed"]
SCHEDULE = [0, 5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200]  # seconds between two attempts; 0: at once
SPREAD = 0.2
LONGEST_PAUSE = 5_000  # seconds: an hour that a receiver may ask for, and a step of the clock
ENDED = ("recovered", "closed")
HIGH = 100_000  # a storm limit that nothing here reaches
RECOVERED_AT = "2026-03-02T10:30:00.000000000Z"


def moment(text):
    """Unix seconds of a time as the API writes it."""
    return datetime.datetime.fromisoformat(text).timestamp()


def stamp(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def note(text):
    print(f"      {text}", flush=True)


class Place:
    """A server with one account, receivers, and one clock for all of them. Not `is_moved`: the true one, which costs the server less."""

    def __init__(self, checks, options, name, is_moved=True):
        self.checks, self.options, self.name = checks, options, name
        self.server = tocsin.Server(options.parent, database=postgres.fresh(options.cluster))
        self.clock = faults.ShiftedClock(self.server.directory)
        self.authority = receivers_mail.Authority(self.server.directory)
        self.server.environment = {"TOCSIN_OUTBOUND_ALLOW": "127.0.0.0/8", "TOCSIN_OUTBOUND_TRUST": self.authority.roots}
        if is_moved:
            self.server.environment |= self.clock.environment
        self.receivers = receivers.Receivers(clock=lambda: self.clock.now)
        self.mail_servers, self.numbers = [], itertools.count(1)

    def __enter__(self):
        self.receivers.__enter__()
        try:
            self.server.start()
            self.account = tocsin.Account(self.server, self.name)
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        self.api, self.path = self.account.api, self.account.path
        return self

    def __exit__(self, *problem):
        if self.checks.failed and self.options.log:
            self.server.print_log(self.options.log)
        self.server.__exit__(None, None, None)
        for server in self.mail_servers:
            server.shut()
        self.receivers.__exit__(*problem)

    def mail_server(self, **more):
        server = receivers_mail.MailServer(self.authority.context(), clock=lambda: self.clock.now, **more)
        server.open()
        self.mail_servers.append(server)
        return server

    def room(self, name=None):
        return Room(self, name or f"Room {next(self.numbers)}")

    def notifications(self, **query):
        return self.account.items("notifications", **query)

    def notification(self, name):
        return self.api.get(f"{self.path}/notifications/{name}")

    @property
    def active(self):
        """Requests that receivers have in work."""
        return self.receivers.active + sum(server.active for server in self.mail_servers)

    def waiting(self):
        return self.notifications(state="waiting")

    def drive(self, until=None, seconds=60, horizon=100 * 3600, patience=1.5):
        """Moves the clock to what is due next until `until()`, or until nothing waits; false when it gave up.

        `seconds`: of true time; `horizon`: of moved time. What is due and not begun after `patience` true seconds is held back, because its
        receiver asked for a pause or failed often: the clock goes on in longer and longer steps, though not past what else is due. Held back
        for longer than any pause is a failed check.
        """
        end, last, since, held = time.monotonic() + seconds, self.clock.now + horizon, time.monotonic(), 0
        while True:
            waiting = self.waiting()
            if until() if until else not waiting:
                return True
            now = self.clock.now
            if time.monotonic() > end or now > last or held > LONGEST_PAUSE:
                return self.checks.check(held <= LONGEST_PAUSE, f"{self.name}: what is due is attempted", f"{waiting[-1:]}") or False
            due = {item["id"]: moment(item["next_attempt_at"]) if item["next_attempt_at"] else now for item in waiting}
            later = [when for when in due.values() if when > now + 0.5]
            if self.active or not waiting:
                since = time.monotonic()
            elif len(later) == len(due):
                self.skip(max(1, math.ceil(min(later) - now)))
                since, held = time.monotonic(), 0
            elif time.monotonic() - since > patience:
                step = max(1, min([*(math.ceil(when - now) for when in later), max(30, held)]))
                self.skip(step)
                since, held = time.monotonic() - patience + 0.4, held + step
            time.sleep(0.1)

    def applied(self):
        """Waits until no push waits in the node's spool. One is answered from there when its account's row can't be had in time."""
        if self.server.database:
            tocsin.wait_until("the spool is empty", lambda: not self.spooled(), 30, every=0.02)

    def spooled(self):
        """How many pushes wait in the spool; None when nobody says: the server was killed."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            return (nodes.readiness(self.server.port)[1].get("spool") or {}).get("pushes")

    def skip(self, seconds):
        """Moves the clock ahead, whatever waits."""
        self.clock.set(self.clock.offset + seconds)

    def coast(self, seconds, step, until=None, pause=0.15):
        """Moves the clock ahead in steps, with time between them for what is due, until `until()`; false when that never came."""
        end = self.clock.now + seconds
        while self.clock.now < end:
            if until and until():
                return True
            self.skip(step)
            time.sleep(pause)
            tocsin.wait_until("what was begun has ended", lambda: not self.active, 30, every=0.02)
        return bool(until and until())


class Room:
    def __init__(self, place, name):
        self.place, self.name = place, name
        self.channel = place.account.channel(name)
        integration = place.account.dedicated("aliyun-arms", f"ARMS of {name}", self.channel)
        self.integration = integration["id"]
        self.sender = tocsin.Sender(integration["push_url"], place.server.port)
        self.path = f"{place.path}/channels/{self.channel}/notifiers"

    def notifier(self, vendor, endpoint=None, settings=None, **more):
        """A new notifier; `vendor`: the rules of its receiver, or a mail server, which is its own endpoint."""
        if endpoint is None:
            endpoint = self.place.receivers.endpoint(vendor) if isinstance(vendor, Vendor) else vendor
        if settings is None:
            settings = vendor.settings(endpoint) if isinstance(vendor, Vendor) else vendor.settings()
        body = {
            "name": f"{vendor.kind} {next(self.place.numbers)}", "kind": vendor.kind, "settings": settings, "changes": CHANGES,
            "storm_limit": HIGH, **more,
        }
        return Notifier(self, vendor, endpoint, self.place.api.post(self.path, body))

    def webhook(self, **more):
        return self.notifier(Webhook(), **more)

    def push(self, *keys, **form):
        """One push of one or more alerts; (its delivery, its keys)."""
        return self.push_alerts([self.alert(key, **form) for key in keys])

    def alert(self, key, title=None, recovered=False, severity="critical", **notes):
        times = {"status": "resolved", "ends": RECOVERED_AT} if recovered else {}
        alert = tocsin.arms_alert(key, severity=severity, **times, **notes)
        alert["labels"]["alertname"] = title or f"Title of {key}"
        return alert

    def push_alerts(self, alerts):
        """The delivery. A kept connection may have been closed since: then a new one, once."""
        for attempt in (1, 2):
            try:
                status, answer = self.sender.push(tocsin.arms_body(alerts))
                break
            except tocsin.Unanswered:
                if attempt == 2:
                    raise
        if status != 200:
            raise RuntimeError(f"push: {status} {answer}")
        self.place.applied()
        return answer["data"]["delivery_id"]

    def alert_of(self, key):
        """The newest alert of this key."""
        return next(iter(self.place.account.items("alerts", channel_id=self.channel, alert_key=key)), None)

    def close_alert(self, key):
        self.place.api.post(f"{self.place.path}/alerts/{self.alert_of(key)['id']}/close")

    def event_of(self, delivery):
        return self.place.account.items("events", delivery_id=delivery)[0]["id"]

    def verdicts(self, delivery):
        """What became of a push in this room: [{notifier_id, verdict, ..}]."""
        return self.place.api.get(f"{self.place.path}/events/{self.event_of(delivery)}/notifications")["items"]


class Notifier:
    """One notifier and the receiver behind it. `secret`: the signing secret of a webhook."""

    def __init__(self, room, vendor, endpoint, created):
        self.room, self.place, self.vendor, self.endpoint, self.created = room, room.place, vendor, endpoint, created
        self.id, self.path = created["id"], f"{room.path}/{created['id']}"
        self.secret = created.get("signing_secret")
        if self.secret:
            vendor.secrets.append(self.secret)

    def get(self):
        return self.place.api.get(self.path)

    def change(self, **fields):
        return self.place.api.call("PATCH", self.path, fields)

    def test(self):
        return self.place.api.post(f"{self.path}/test")

    @property
    def received(self):
        return list(self.endpoint.received)

    def words(self, received):
        """What people read of a message."""
        if isinstance(self.vendor, Vendor):
            return self.vendor.text(received.parsed)
        return f"{received.subject}\n{received.text}"

    @property
    def taken(self):
        return self.endpoint.taken

    def notifications(self, **query):
        return self.place.notifications(notifier_id=self.id, **query)

    def wait(self, count, what="messages are taken", seconds=8.0):
        """Waits until so many messages were taken; says so when they were not."""
        good = self.place.receivers.wait(what, lambda: len(self.taken) >= count, seconds)
        if not good:
            self.place.checks.check(False, f"{self.vendor.kind}: {count} {what}", f"{len(self.taken)} were, refused {self.endpoint.refused[:3]}")
        return good

    def news(self):
        """What a generic webhook took, in order: (id, change, alert, body). A digest has no alert."""
        return [News(received) for received in self.taken]


class News:
    """One message that a generic webhook took."""

    def __init__(self, received):
        self.received, self.id, self.body, self.at = received, received.id, received.body, received.at
        self.type, self.data = received.parsed["type"], received.parsed["data"]
        self.change = self.data.get("change") or self.type.partition(".")[2]
        self.alert, self.key = self.data.get("alert_id"), self.data.get("alert_key")

    def __repr__(self):
        return f"{self.change} {self.key}"


def out_of_order(news):
    """Messages of an alert that say that it fires after one that said that it has ended; a repeated one (same id) counts by its first time."""
    ended, seen, found = {}, set(), []
    for each in news:
        if each.id in seen or each.alert is None:
            continue
        seen.add(each.id)
        if each.alert in ended and each.change not in ENDED:
            found.append((each.key, ended[each.alert], each.change))
        if each.change in ENDED:
            ended[each.alert] = each.change
    return found


def overlaps(requests):
    """Alerts of which two requests were under way at one time."""
    ended, found = {}, []
    for received in requests:
        alert = received.parsed["data"].get("alert_id")
        if alert and received.refused is None:
            if alert in ended and (ended[alert] is None or received.moment < ended[alert] - 0.001):
                found.append(alert)
            ended[alert] = received.ended
    return found


def unequal_copies(news):
    """Ids that came with two bodies."""
    bodies, found = {}, []
    for each in news:
        if bodies.setdefault(each.id, each.body) != each.body:
            found.append(each.id)
    return found


def told_twice(news):
    """(alert, change, event) that came under two ids."""
    names, found = {}, []
    for each in news:
        what = (each.alert, each.change, each.data.get("event_id"), each.data.get("event_count"))
        if each.alert and names.setdefault(what, each.id) != each.id:
            found.append(what)
    return found


class StandardWebhooks:
    """The PyPI package `standardwebhooks`, in a process of its own that sees the moved clock. `reason`: why there is none."""

    def __init__(self, place):
        directory = os.path.join(place.server.directory, "python")
        command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--target", directory]
        command.append("standardwebhooks")
        self.process = self.reason = None
        try:
            found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            self.reason = found.stderr.strip()[-200:] if found.returncode else None
        except (OSError, subprocess.TimeoutExpired) as error:
            self.reason = str(error)
        if self.reason is None:
            script = str(tocsin.ROOT / "Tests/scripts/notifications_verify.py")
            environment = {**os.environ, **place.clock.environment, "PYTHONPATH": directory}
            self.process = subprocess.Popen(
                [*tocsin.WITH_US, sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.stdin.close()
            self.process.wait(10)
            self.process.stdout.close()

    def problem(self, secret, received):
        """None when it verifies, else what the package says."""
        headers = {name: value for name, value in received.headers.items() if name.startswith("webhook-")}
        request = {"secret": secret, "headers": headers, "body": received.body.decode()}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())
