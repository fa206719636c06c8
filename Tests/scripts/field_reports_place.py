"""What the parts of field_reports.py share: corners to push to with any body and headers, events in both forms, and their results.

A corner is a channel with one integration of any kind; each case has a corner or an alert key of its own.
"""

import base64
import copy
import http.client
import json
import urllib.parse

import tocsin
from notifications_place import Room

FREE = {"calls_per_second": 100_000, "call_burst": 200_000}


def unlimited(place):
    """The place, its account without a limit of calls."""
    operator = tocsin.API(place.server.port, place.server.operator_key())
    operator.call("PATCH", place.path, {"limits": FREE})
    operator.close()
    return place


def elsewhere(place, name):
    """The same place with another account."""
    other = copy.copy(place)
    other.account = tocsin.Account(place.server, name)
    other.api, other.path = other.account.api, other.account.path
    return unlimited(other)


def answer_of(port, method, target, body=None, headers=()):
    """(status, what came back). `headers`: pairs, so that one may come twice."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        data = response.read()
    finally:
        connection.close()
    try:
        return response.status, json.loads(data)
    except ValueError:
        return response.status, data


class Corner(Room):
    """A room whose integration is of any kind. Its alerts are asked for by their keys."""

    def __init__(self, place, kind="standard", **fields):
        self.place, self.kind, self.name = place, kind, f"Corner {next(place.numbers)}"
        self.channel = place.account.channel(self.name)
        body = {"type": kind, "mode": "dedicated", "name": self.name, "channel_id": self.channel, **fields}
        made = place.api.post(f"{place.path}/integrations", body)
        self.integration, self.target = made["id"], urllib.parse.urlsplit(made["push_url"]).path
        self.token = self.target.rpartition("/")[2]
        self.path = f"{place.path}/channels/{self.channel}/notifiers"

    @classmethod
    def shared(cls, place, kind, channels):
        """One whose integration leads to channels of its own, the first of which is the corner's."""
        corner = cls(place, kind)
        others = [place.account.channel(f"{corner.name}, {number}") for number in range(1, channels)]
        made = place.account.shared(kind, f"{corner.name}, shared", [corner.channel, *others])
        corner.integration, corner.target = made["id"], urllib.parse.urlsplit(made["push_url"]).path
        return corner

    def send(self, body, content_type="application/json", headers=(), target=None):
        """(status, answer) of one push."""
        types = [("Content-Type", content_type)] if content_type is not None else []
        found = answer_of(self.place.server.port, "POST", target or self.target, raw(body), [*types, *headers])
        self.place.applied()
        return found

    def delivery(self, answer):
        """The delivery that an answer names, also of one that was kept; {} when it names none."""
        part = answer.get("data") or answer.get("error") or {} if isinstance(answer, dict) else {}
        name = part.get("delivery_id")
        return self.place.account.delivery(name) if name else {}

    def results(self, body, content_type="application/json", headers=()):
        """What became of each event of a push that must be taken."""
        status, answer = self.send(body, content_type, headers)
        if status != 200:
            raise RuntimeError(f"push: {status} {answer} of {raw(body)[:300]!r}")
        return self.delivery(answer)["results"]

    def outcome(self, body):
        return self.results(body)[0]["outcome"]

    def event_after(self, body):
        """The id of the event that a push of one event made."""
        _, answer = self.send(body)
        return self.place.account.items("events", delivery_id=answer["data"]["delivery_id"])[0]["id"]

    def told(self, event):
        """[(notifier, verdict)] of an event."""
        items = self.place.api.get(f"{self.place.path}/events/{event}/notifications")["items"]
        return [(item["notifier_id"], item["verdict"]) for item in items]

    def settle(self):
        """Waits until nothing of the channel waits to be told, so that no message takes the place of one before it."""
        tocsin.wait_until("all is told", lambda: not self.place.notifications(channel_id=self.channel, state="waiting"), 20, every=0.02)

    def alerts(self):
        """Oldest first."""
        return sorted(self.place.account.items("alerts", channel_id=self.channel), key=lambda alert: alert["id"])

    def status_of(self, key):
        """How the newest alert of a key stands; None: there is none."""
        alert = self.alert_of(key)
        return alert and alert["status"]

    def simulate(self, body, content_type="application/json", **draft):
        fields = {"body": base64.b64encode(raw(body)).decode(), "body_encoding": "base64", **draft}
        if content_type is not None:
            fields["content_type"] = content_type
        return self.place.api.post(f"{self.place.path}/integrations/{self.integration}/simulate", fields)

    def refusals(self):
        """{reason: count}"""
        shown = self.place.api.get(f"{self.place.path}/integrations/{self.integration}")
        return {item["reason"]: item["count"] for item in shown["refusals"]}


def raw(body):
    return body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()


def event(key, status="Critical", title=None, **more):
    """One of the form `standard`."""
    return {"title_rule": title or f"Title of {key}", "event_status": status, "alert_key": key, **more}


def alert(key, status="firing", starts=None, ends=None, **more):
    """One of Alertmanager's form. `more`: its other members; one that is None is left out."""
    found = {
        "status": status, "labels": {"alertname": f"Title of {key}", "severity": "critical"}, "annotations": {"message": f"About {key}"},
        "fingerprint": key, "startsAt": starts, "endsAt": ends, **more,
    }
    return {name: value for name, value in found.items() if value is not None}


def group(*alerts, **more):
    return {"alerts": list(alerts), **more}


def plain(results):
    """Results without what is another's in another channel."""
    return [
        {
            **{name: value for name, value in result.items() if name not in ("channel_ids", "trace")},
            "trace": [(step["step"], step["detail"]) for step in result["trace"]],
        }
        for result in results
    ]


class Ways:
    """Two corners of one kind: what the first is sent, the second keeps out and gets by a replay. All ways must come to the same."""

    def __init__(self, checks, place, kind):
        self.checks = checks
        self.pushed, self.kept = Corner(place, kind), Corner(place, kind, pinned_labels={"nobody": "has this"})

    def run(self, what, body, content_type="application/json"):
        """The delivery as it was pushed."""
        api, path = self.kept.place.api, self.kept.place.path
        simulated = self.pushed.simulate(body, content_type)
        status, answer = self.pushed.send(body, content_type)
        delivery = self.pushed.delivery(answer)
        _, kept = self.kept.send(body, content_type)
        kept = self.kept.delivery(kept)
        found = [simulated, delivery]
        if status == 200:
            self.checks.equal(kept["reason"], "pinned_label", f"{what}: the pinned label keeps it out")
            tried = api.call("POST", f"{path}/deliveries/{kept['id']}/replay", dry_run="true")
            done = api.call("POST", f"{path}/deliveries/{kept['id']}/replay")
            found += [tried, done]
        results = [plain(each["results"]) for each in found]
        good = all(each == results[0] for each in results) and simulated["reason"] == delivery["reason"]
        self.checks.check(good, f"{what}: simulation, ingest and replay agree", str(results)[:800])
        return {"status": status, **delivery}
