#!/usr/bin/env python3
"""Hostile clients against a running server: each gets the documented answer or is cut off, and a neighbour is served meanwhile.

    hostile.py [--long] [--only GROUP...] [--corpus DIRECTORY] [--nginx PATH] [--parent DIRECTORY]

The neighbour, another tenant, pushes 50 alerts a second on connections of its own: a push of it that is not a 200 is a failure. Its latency
is printed for each group beside its value in quiet (goal: a p99 of at most three times that) and not asserted; the attacker runs on the
same cores. The server has to be alive after each group, its memory bounded, and to hold no more files at the end than before.

--long: more connections, and every attack until the server ends it. --corpus (or TOCSIN_JSON_CORPUS): a checkout of JSONTestSuite's
`test_parsing`. --nginx: Debian's nginx, for the comparison of what a front proxy and the server behind it see. Both are left out with a
note where they are missing.
"""

import argparse
import base64
import collections
import concurrent.futures
import errno
import http.client
import itertools
import json
import os
import pathlib
import resource
import select
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse

import hostile_http
import hostile_json
import pace
import raw
import tocsin

GOAL = 3.0
MEMORY = 1 << 30  # bytes that the server may hold at its peak: 256 MiB of bodies at a time, each parsed and copied
ANSWER = 4  # seconds: ARMS gives up after 5
CPU = 3.0  # seconds that one body may take of a core: what is not linear takes more (the goal: 0.1; the rest is for slow machines)
AT_LEAST = 2  # seconds of a group, repeated if need be, for the neighbour's p99 to mean something
IDLE = 10_000
CONNECTIONS = 4_096  # what the server takes at a time
TICKS = os.sysconf("SC_CLK_TCK")
REFUSED = 24 << 20  # bytes that may be got rid of behind a refusal: at most 8 MiB that the server reads, the rest lies in buffers


class FailuresOnly:
    """Checks that are made again: only what fails is printed."""

    def __init__(self, checks):
        self.checks = checks

    def check(self, good, what, detail=""):
        if good:
            self.checks.passed += 1
        else:
            self.checks.check(good, what, detail)

    def equal(self, found, expected, what):
        self.check(found == expected, what, f"found {found!r}, expected {expected!r}")


class Target:
    """The server, and the tenant that attacks it."""

    def __init__(self, server, options, checks):
        self.server, self.port, self.options, self.checks = server, server.port, options, checks
        self.is_again = False
        self.deaf = None  # (sockets that the server held before, clients) of that group
        self.numbers = itertools.count(1)
        self.account = tocsin.Account(server, "Hostile")
        self.integration = self.account.dedicated("aliyun-arms", "Hostile", self.account.channel("Hostile"))
        self.path = urllib.parse.urlsplit(self.integration["push_url"]).path.encode()
        self.make = self.maker("smuggled")

    def maker(self, key):
        """Requests, and behind the bad ones a push of an alert with this key."""
        body, smuggled = (tocsin.arms_body([tocsin.arms_alert(name)]) for name in ("hostile", key))
        return hostile_http.Maker(self.path, body, smuggled)

    def note(self, text):
        if not self.is_again:
            print("      " + text, flush=True)

    def cpu(self):
        """Seconds that the server has used."""
        with open(f"/proc/{self.server.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def peak(self):
        """Bytes of memory at most since `reset_peak`."""
        with open(f"/proc/{self.server.process.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))

    def reset_peak(self):
        with open(f"/proc/{self.server.process.pid}/clear_refs", "w", encoding="ascii") as file:
            file.write("5")

    def sockets(self):
        """Sockets that the server holds."""
        count, directory = 0, f"/proc/{self.server.process.pid}/fd"
        for name in os.listdir(directory):
            try:
                count += os.readlink(f"{directory}/{name}").startswith("socket:")
            except OSError:  # closed meanwhile
                continue
        return count

    def files(self):
        return len(os.listdir(f"/proc/{self.server.process.pid}/fd"))

    def count(self, what, wrong):
        """One check for many like ones: `wrong` lists those that failed."""
        for name, detail in wrong[:20]:
            self.checks.check(False, name, detail)
        self.checks.check(not wrong, what, f"{len(wrong)} wrong")


# MARK: Framing and heads


def vectors(target, name, table):
    """Sends each vector of the table on a connection of its own."""
    key = f"smuggled-{name}-{next(target.numbers)}"
    make = target.maker(key)
    wrong, listed = [], list(table(make))
    for vector in listed:
        finals = sum(status >= 200 for status in vector.expected)
        heard = raw.say(target.port, vector.data, 99 if vector.closes else finals)
        found = heard.statuses()
        if found != vector.expected or heard.closed < vector.closes:
            end = "closed" if heard.closed else "kept"
            right = f"{vector.expected} closed" if vector.closes else f"{vector.expected}"
            wrong.append((f"{name}: {vector.name}", f"{found} {end}, expected {right}"))
    target.count(f"{name}: {len(listed)} requests are answered as they should be", wrong)
    target.checks.equal(seen(target, key), 0, f"{name}: no push behind a broken request was seen")
    raw.say(target.port, make.smuggled)
    target.checks.equal(seen(target, key), 1, f"{name}: it would have been seen")


def seen(target, key):
    return len(target.account.items("events", alert_key=key))


def heads(target):
    vectors(target, "heads", hostile_http.heads)


def framing(target):
    vectors(target, "framing", hostile_http.framing)


def unread(target):
    """A refused body is not swallowed: the answer comes at once, and the connection ends."""
    endless, much = b"Transfer-Encoding: chunked\r\n", b"Content-Length: 50000000000\r\n"
    chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
    forged, make = b"POST /p/none HTTP/1.1", target.make
    attacks = [
        ("401, announced", make.request(much, b"", forged), bytes(65536), 401), ("401, chunked", make.request(endless, b"", forged), chunk, 401),
        ("413, announced", make.request(much, b""), bytes(65536), 413), ("413, chunked", make.request(endless, b""), chunk, 413),
        ("413, chunked and packed", make.request(b"Content-Encoding: gzip\r\n" + endless, b""), chunk, 413),
        ("404, chunked", make.request(endless, b"", b"POST /nothing HTTP/1.1"), chunk, 404),
        ("405, announced", make.request(much, b"", b"PUT " + target.path + b" HTTP/1.1"), bytes(65536), 405),
        ("401 of the API, chunked", make.request(b"Content-Type: application/json\r\n" + endless, b"", b"POST /v1/accounts HTTP/1.1"), chunk, 401),
    ]
    most = 0
    for name, head, unit, status in attacks:
        heard = raw.pour(target.port, head, unit, 1 << 32, 4)
        most = max(most, heard.sent)
        # The end of the connection may overtake the answer, as TCP has it; an answer that came must be the right one.
        good = heard.statuses() in ([status], []) and heard.closed and heard.sent <= REFUSED and heard.seconds < 4
        detail = f"{heard.statuses()}, {heard.sent >> 20} MiB in {heard.seconds:.1f} s, {'closed' if heard.closed else 'open'}"
        target.checks.check(good, f"unread: {name} is answered and cut off", detail)
    target.note(f"at most {most / (1 << 20):.1f} MiB went out behind a refusal")


def endless(target):
    """Bytes that never become a part of a request. The time of a head or a body bounds them."""
    chunked, make = b"Transfer-Encoding: chunked\r\n", target.make
    attacks = [
        ("a chunk extension", make.request(chunked, b"5;"), b"e" * 65536), ("zeros before a chunk size", make.request(chunked, b""), b"0" * 65536),
        ("line ends before a request", b"", b"\r\n" * 32768),
        ("an extension of each of many chunks", make.request(chunked, b""), b"1;eeee\r\n \r\n" * 4096),
    ]
    seconds, heard = (20 if target.options.long else 3), {}

    def attack(name, head, unit):
        heard[name] = raw.pour(target.port, head, unit, 1 << 40, seconds)

    threads = [threading.Thread(target=attack, args=each, daemon=True) for each in attacks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + 10)
    for name, *_ in attacks:
        one = heard.get(name, raw.Heard())
        target.note(f"{name}: {one.sent >> 20} MiB in {one.seconds:.1f} s, {'closed' if one.closed else 'open'}")
        if target.options.long:
            target.checks.check(one.closed and one.seconds < 18, f"endless: {name} is ended", f"{one.seconds:.1f} s")


# MARK: Slow ones and many


class Slow:
    """Connections that are kept open; `drip`: a byte that each says once a second."""

    def __init__(self, name, target, count, head, drip=b"", most=18.0):
        self.name, self.drip, self.most = name, drip, most
        self.clients = [raw.connect(target.port) for _ in range(count)]
        self.count, self.ends, self.began = count, [], time.monotonic()
        for client in self.clients:
            client.sendall(head)
            client.setblocking(False)

    def turn(self):
        """Says one byte on each; notes which have ended."""
        for client in list(self.clients):
            try:
                if self.drip:
                    client.send(self.drip)
                ended = client.recv(65536) == b""
            except BlockingIOError:
                ended = False
            except OSError:
                ended = True
            if ended:
                self.ends.append(time.monotonic() - self.began)
                self.clients.remove(client)
                client.close()

    def report(self, target):
        latest = f"the last after {max(self.ends):.1f} s" if self.ends else "none"
        detail = f"{len(self.clients)} of {self.count} are open, {latest}"
        good = not self.clients and max(self.ends, default=0) <= self.most
        target.checks.check(good, f"slow: {self.name}: all {self.count} are ended, {latest}", detail)


def slow(target):
    """One byte a second, none at all, and none read: the server ends each of them while its client holds on."""
    n, make = (300 if target.options.long else 40), target.make
    before = target.sockets() if target.deaf is None else target.deaf[0]
    length, chunked = b"Content-Length: 1000\r\n", b"Transfer-Encoding: chunked\r\n"
    forged = make.request(length, b"{", b"POST /p/none HTTP/1.1")
    attacks = [
        Slow("silent connections", target, n, b""),
        Slow("heads, a byte a second", target, n, b"POST %s HTTP/1.1\r\nHost: t\r\nX: " % target.path, b"a"),
        Slow("request lines, a byte a second", target, n, b"POST /p/", b"a"),
        Slow("line ends before a request, one a second", target, n, b"\r\n", b"\n"),
        Slow("bodies, a byte a second", target, n, make.request(length, b"{"), b" ", 14),
        Slow("bodies of forged tokens, a byte a second", target, n, forged, b" ", 14),
        Slow("bodies that are awaited with 100-continue", target, 20, make.request(b"Expect: 100-continue\r\n" + length, b""), b"", 14),
        Slow("chunk sizes, a digit a second", target, 10, make.request(chunked, b"0"), b"0", 14),
        Slow("chunk extensions, a byte a second", target, 10, make.request(chunked, b"1;"), b"e", 14),
        Slow("trailers, a byte a second", target, 10, make.request(chunked, make.chunks[:-2] + b"X: "), b"a", 14),
    ]
    end = time.monotonic() + 18
    while time.monotonic() < end and any(attack.clients for attack in attacks):
        for attack in attacks:
            attack.turn()
        time.sleep(1)
    for attack in attacks:
        attack.report(target)
    target.checks.check(target.sockets() <= before, "slow: the server holds none of them any more", f"{before}, then {target.sockets()}")
    for client in [client for attack in attacks for client in attack.clients] + (target.deaf or (0, []))[1]:
        client.close()
    target.deaf = None


def deaf(target):
    """Clients that ask for much and read nothing. The server ends them 10 s after it could say no more; nothing tells the client."""
    before, began = target.sockets(), time.monotonic()
    clients = [deaf_client(target) for _ in range(20)]
    if "slow" in target.options.only and not target.options.long:  # that takes longer, and looks whether these have ended as well
        target.deaf = before, clients
        time.sleep(3)
        return
    while target.sockets() > before and time.monotonic() - began < 25:
        time.sleep(0.5)
    left, seconds = target.sockets(), time.monotonic() - began
    target.checks.check(left <= before, f"deaf: the server holds none of {len(clients)} any more after {seconds:.1f} s", f"{before}, then {left}")
    for client in clients:
        client.close()


def deaf_client(target):
    client = raw.connect(target.port, receive_buffer=4096)
    client.setblocking(False)
    requests = b"GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n" * 500
    for _ in range(20):
        try:
            client.send(requests)
        except BlockingIOError:
            break
    return client


def held_back(target):
    """Senders with a good token announce the largest body, or none, and send a byte of it: others need the room, too."""
    make, seconds = target.make, (13 if target.options.long else 4)
    head = make.request(b"Content-Length: %d\r\n" % hostile_json.LIMIT, b"{")
    chunked = make.request(b"Transfer-Encoding: chunked\r\n", b"1\r\n{\r\n")
    clients = [raw.connect(target.port) for _ in range(200)]
    for number, client in enumerate(clients):
        client.sendall(chunked if number % 2 else head)
    time.sleep(seconds)
    for client in clients:
        client.close()


def heavy(target):
    """One tenant pushes the largest bodies, which do not compress, on many connections."""
    body = hostile_json.alert(b'"' + os.urandom(2_000_000).hex().encode() + b'"')
    end = time.monotonic() + (10 if target.options.long else 3)
    results = collections.Counter()

    def push():
        sender = tocsin.Sender(target.integration["push_url"], target.port)
        while time.monotonic() < end:
            try:
                results[sender.push(body)[0]] += 1
            except (tocsin.Unanswered, tocsin.NotSent) as error:
                results[type(error).__name__] += 1
        sender.close()

    threads = [threading.Thread(target=push, daemon=True) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    target.note(f"bodies of 4 MB: {dict(results)}")
    time.sleep(1)  # the neighbour catches up, and the disk
    target.checks.check(results[200] > 0 and set(results) <= {200, 503}, "heavy: each is taken, or refused with 503", str(dict(results)))


def idle(target):
    """Far more connections than the server takes. The others wait in the kernel's queue; those that are taken end after 15 s."""
    room = resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 200
    count = min(IDLE, room)
    clients, refused = [], 0
    for _ in range(count):
        client = socket.socket()
        client.setblocking(False)
        clients.append(client)
        if client.connect_ex(("127.0.0.1", target.port)) not in (0, errno.EINPROGRESS):
            refused += 1
    time.sleep(2)
    poll = select.poll()
    for client in clients:
        poll.register(client, select.POLLOUT)
    events = [event for _, event in poll.poll(0)]
    connected = sum(event == select.POLLOUT for event in events)
    held = target.sockets()
    trying = count - connected - refused
    target.note(f"{count} idle connections: {connected} connected, {trying} still try, {refused} refused, {held} held by the server")
    # What it holds besides: where it listens, its own pairs, and what it took just before it stopped to take more.
    target.checks.check(held <= CONNECTIONS + 64, f"idle: the server holds no more than {CONNECTIONS} connections", str(held))
    target.checks.check(connected >= min(count, CONNECTIONS), "idle: it took what it takes", str(connected))
    began = time.monotonic()
    if target.options.long:
        status = patient_status(target.port, 90)
        target.note(f"a new client was answered {status} after {time.monotonic() - began:.0f} s, while they held on")
        target.checks.equal(status, 200, "idle: a new client is served while they hold on")
    for client in clients:
        client.close()
    began = time.monotonic()
    status = patient_status(target.port, 20)
    target.checks.equal(status, 200, "idle: a new client is served once they are gone")
    target.note(f"a new client was answered {time.monotonic() - began:.1f} s after they were gone")


def patient_status(port, seconds):
    end, status = time.monotonic() + seconds, None
    while status is None and time.monotonic() < end:
        status = tocsin.status_of(port, "/healthz")
    return status


# MARK: Bodies


class Pusher:
    """Pushes the bodies of a table on a kept connection and compares."""

    def __init__(self, target, group):
        self.target, self.group = target, group
        self.connection, self.wrong, self.costs, self.read_back = None, [], [], []

    def push(self, body):
        """(status, decoded answer)"""
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.target.port, timeout=10)
        try:
            self.connection.request("POST", self.target.path.decode(), body.data, {"Content-Type": "application/json"})
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before it was sent; the answer says why
        try:
            response = self.connection.getresponse()
            status, answer = response.status, json.loads(response.read())
            if response.will_close or status == 413:
                self.close()
            return status, answer
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            return type(error).__name__, {}

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def run(self, bodies):
        count = 0
        for body in bodies:
            count += 1
            began, cpu = time.monotonic(), self.target.cpu()
            status, answer = self.push(body)
            self.costs.append((time.monotonic() - began, self.target.cpu() - cpu, body.name))
            problem = self.problem(body, status, answer)
            if problem:
                self.wrong.append((f"{self.group}: {body.name}", problem))
        self.close()
        self.compare_events()
        self.target.count(f"{self.group}: {count} bodies are taken or refused as they should be", self.wrong)
        late = [(f"{seconds:.1f} s", name) for seconds, _, name in self.costs if seconds > ANSWER]
        self.target.checks.equal(late, [], f"{self.group}: each is answered within {ANSWER} s")
        dear = [(f"{cpu:.1f} s", name) for _, cpu, name in self.costs if cpu > CPU]
        self.target.checks.equal(dear, [], f"{self.group}: none takes more than {CPU} s of CPU")
        for seconds, cpu, name in sorted(self.costs, reverse=True)[:3]:
            self.target.note(f"slowest: {seconds * 1000:.0f} ms, {cpu * 1000:.0f} ms of CPU: {name}")

    def problem(self, body, status, answer):
        if status != body.status:
            return f"{status}, expected {body.status}: {str(answer)[:200]}"
        if status == 200 and not answer["data"]["event_count"]:
            return f"no event: {answer}"
        if status == 200 and body.reads is not None:
            self.read_back.append((body, answer["data"]["delivery_id"]))
        if status == 413 and answer["error"]["code"] != "EntityTooLarge" or status == 400 and answer["error"]["code"] != "InvalidParameter":
            return f"{answer}"
        if status == 400:
            return self.problem_of_quarantine(body, answer["error"].get("delivery_id"))
        return None

    def problem_of_quarantine(self, body, identifier):
        if identifier is None:
            return "no delivery_id in the answer"
        if len(body.data) > 100_000:
            return None
        delivery = self.target.account.delivery(identifier)
        kept = delivery["body"].encode() if delivery["body_encoding"] == "utf-8" else base64.b64decode(delivery["body"])
        if delivery["outcome"] != "quarantined" or kept != body.data:
            return f"it is kept as {delivery['outcome']}, {kept[:100]!r}"
        return None

    def compare_events(self):
        """What was taken reads as it was meant, or its form at the time of arrival was repaired as documented."""
        for body, identifier in self.read_back:
            found = [event["labels"].get("x") for event in self.target.account.items("events", delivery_id=identifier)]
            if found != [body.reads]:
                self.wrong.append((f"{self.group}: {body.name} reads right", f"{found!r}, expected {body.reads!r}"))


def spellings(target):
    Pusher(target, "spellings").run(hostile_json.small())


def bombs(target):
    Pusher(target, "bombs").run(hostile_json.bombs(target.options.long))


def unicode(target):
    for marks in (10_000, 100_000, 1_000_000) if target.options.long else (100_000,):
        Pusher(target, f"unicode, {marks} marks").run(hostile_json.unicode_bombs(marks))
    routed(target)
    heads_with_marks(target)


def routed(target):
    """The same through routes that compare, search and look channels up by name."""
    account = target.account
    name = f"Routed {next(target.numbers)}"
    channel = account.channel(name)
    integration = account.shared("aliyun-arms", name, [channel])
    marks = hostile_json.MARKS
    routes = [
        {
            "conditions": [[{"key": f"labels.{label}", "operator": operator, "values": [value]}]],
            "mode": "standard", "channel_ids": [channel], "on_match": "continue",
        }
        for label in ("x", "alertname") for operator in ("in", "not_in") for value in (marks * 20, f"*{marks * 9}*b", "/(a+)+$/")
    ]
    routes.append({"conditions": [], "mode": "name_mapping", "name_mapping_label": "x", "on_match": "continue"})
    account.api.call("PUT", f"{account.path}/integrations/{integration['id']}/routes", {"routes": routes})
    sender = tocsin.Sender(integration["push_url"], target.port)
    alerts = [{"fingerprint": f"{marks * 60}{n}", "labels": {"alertname": f"a{marks * 500}{n}", "x": f"a{marks * 500}{n}"}} for n in range(900)]
    began, cpu = time.monotonic(), target.cpu()
    status, _ = sender.push(json.dumps({"alerts": alerts}, ensure_ascii=False).encode())
    seconds = time.monotonic() - began
    sender.close()
    target.checks.check(status == 200 and seconds < 4, f"unicode: 900 alerts of marks go through 13 routes in {seconds * 1000:.0f} ms", str(status))
    target.note(f"{(target.cpu() - cpu) * 1000:.0f} ms of CPU for them")


def heads_with_marks(target):
    """The same in targets, fields and the bodies of the API."""
    make, marks = target.make, hostile_json.MARKS
    raw_marks, quoted = (marks * 1800).encode(), urllib.parse.quote(marks * 600).encode()
    key = b"Authorization: Bearer " + target.account.key.encode() + b"\r\n"
    path, compatible = target.account.path.encode(), b"POST /event/push/alert/"
    names = ("X-Request-Id", "Content-Type", "User-Agent", "X-Integration-Key", "Authorization", "Expect", "X-Forwarded-For", "Content-Encoding")
    requests = [(f"field {name}", make.good(name.encode() + b": " + raw_marks + b"\r\n"), {200, 400, 401, 415}) for name in names]
    requests += [
        ("the token", make.request(make.length, make.body, b"POST /p/" + quoted + b" HTTP/1.1"), {401}),
        ("the type", make.request(make.length, make.body, compatible + quoted + b" HTTP/1.1"), {401}),
        ("integration_key", make.request(make.length, make.body, compatible + b"aliyun-arms?integration_key=" + quoted + b" HTTP/1.1"), {401}),
        ("a path", make.request(b"", b"", b"GET /" + quoted + b" HTTP/1.1"), {404}),
        ("an account", make.request(key, b"", b"GET /v1/accounts/" + quoted + b" HTTP/1.1"), {404}),
    ]
    requests += [
        (f"query {name}", make.request(key, b"", b"GET " + path + b"/alerts?" + name + b"=" + quoted + b" HTTP/1.1"), {200, 400, 422})
        for name in (b"q", b"alert_key", b"label", b"cursor", b"limit", b"severity", b"since", b"x", quoted[:600])
    ]
    text = (marks * 100_000).encode()
    for what, operation, fields in (
        ("a name", b"POST " + path + b"/channels", b'{"name":"%s"}'), ("an unknown member", b"POST " + path + b"/channels", b'{"name":"n","%s":1}'),
        ("a description", b"POST " + path + b"/channels", b'{"name":"n","description":"%s"}'),
        ("a label's name", b"POST " + path + b"/channels", b'{"name":"n","labels":{"%s":"v"}}'),
        ("a level", b"PUT " + path + b"/severity-tables/aliyun-arms", b'{"entries":[{"level":"%s","severity":"Info"}],"fallback":"Info"}'),
        ("a key that is no key", b"POST /v1/accounts", b'{"name":"%s"}'),
    ):
        body = fields % text
        head = (b"" if what == "a key that is no key" else key) + b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
        requests.append((f"API: {what}", make.request(head, body, operation + b" HTTP/1.1"), {401} if what == "a key that is no key" else {422}))
    wrong, worst = [], (0.0, "")
    for name, data, expected in requests:
        heard = raw.say(target.port, data, linger=0)
        found = heard.statuses()
        worst = max(worst, (heard.seconds, name))
        if len(found) != 1 or found[0] not in expected or heard.seconds > 2:
            wrong.append((f"unicode: marks in {name}", f"{found} in {heard.seconds:.2f} s, expected one of {sorted(expected)}"))
    target.count(f"unicode: marks in {len(requests)} places of heads and of the API", wrong)
    target.note(f"slowest: {worst[0] * 1000:.0f} ms, {worst[1]}")


def json_corpus(target):
    directory = target.options.corpus
    if not directory or not pathlib.Path(directory).is_dir():
        target.note("left out: no JSONTestSuite (--corpus)")
        time.sleep(0.5)
        return
    Pusher(target, "corpus").run(hostile_json.corpus(pathlib.Path(directory)))


# MARK: Behind a front proxy


NGINX = """
daemon off; master_process off; pid {directory}/pid; error_log {directory}/error.log; worker_rlimit_nofile 1024;
events {{ worker_connections 512; }}
http {{
  log_format counted '$request_method $status $upstream_addr $upstream_status';
  access_log {directory}/access.log counted;
  client_body_temp_path {directory}/t1; proxy_temp_path {directory}/t2; fastcgi_temp_path {directory}/t3;
  uwsgi_temp_path {directory}/t4; scgi_temp_path {directory}/t5;
  client_max_body_size 5m; client_body_timeout 2s; client_header_timeout 2s; keepalive_timeout 2s;
  upstream back {{ server 127.0.0.1:{back}; keepalive 8; }}
  server {{ listen 127.0.0.1:{first}; location / {{ proxy_pass http://back; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}
  server {{ listen 127.0.0.1:{second}; location / {{ proxy_pass http://back; proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_request_buffering off; }} }}
}}
"""


def proxied(target):
    """nginx in front, buffering bodies and not: what it counts is what a server of our own behind it counts."""
    program = target.options.nginx or shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if not program:
        target.note("left out: no nginx (--nginx)")
        return
    with tocsin.Server(target.options.parent) as server:
        server.start()
        behind = Target(server, target.options, target.checks)
        ports = tocsin.free_port(), tocsin.free_port()
        config = os.path.join(server.directory, "nginx.conf")
        with open(config, "w", encoding="ascii") as file:
            file.write(NGINX.format(directory=server.directory, back=server.port, first=ports[0], second=ports[1]))
        command = [*tocsin.WITH_US, program, "-p", server.directory, "-c", config, "-e", os.path.join(server.directory, "early.log")]
        front = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            tocsin.wait_until("nginx answers", lambda: tocsin.status_of(ports[0], "/healthz") == 200, 10)
            through_the_front(behind, ports, os.path.join(server.directory, "access.log"))
        finally:
            front.kill()
            front.wait(10)


def through_the_front(behind, ports, log):
    listed = list(hostile_http.desync(behind.make))
    control = hostile_http.Vector("control", behind.make.good() + behind.make.smuggled, None)
    before, skip = pushes(behind.port), len(counted(log))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for port in ports:
            for vector in [control, *listed]:
                pool.submit(raw.say, port, vector.data, count=2, seconds=0.3, linger=0.02)
    tocsin.wait_until("nginx logged all", lambda: len(counted(log)) - skip >= 2 * len(listed), 10)
    time.sleep(0.3)
    after, lines = pushes(behind.port), counted(log)[skip:]
    passed = [line for line in lines if line[0] == "POST" and line[2] != "-"]  # all of them are pushes
    # nginx starts to send a body that it does not buffer before it knows that the rest is broken: those end in no answer.
    whole = [line for line in passed if line[3].isdigit() and line[1] == line[3]]
    back = {name: after.get(name, 0) - before.get(name, 0) for name in after}
    accepted = sum(line[3] == "200" for line in passed)
    behind.checks.check(accepted >= 4, "proxied: the control's two pushes were seen through both fronts", str(accepted))
    behind.checks.equal(back.get("accepted", 0), accepted, f"proxied: {accepted} pushes were taken in front, as many behind")
    total = sum(back.values())
    behind.checks.check(
        len(whole) <= total <= len(passed),
        f"proxied: of {2 * len(listed) + 2} hostile requests {len(passed)} were passed on, {total} counted behind",
        f"{len(whole)} whole, {len(passed)} passed on, {total} behind: {back}",
    )


def counted(log):
    """The fields of each line of nginx's log."""
    with open(log, encoding="utf-8", errors="replace") as file:
        return [line.split() for line in file]


def pushes(port):
    """The server's own count of pushes by result."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    lines = [line for line in text.splitlines() if line.startswith("tocsin_pushes_total{")]
    return {line.split('"')[1]: int(float(line.rsplit(" ", 1)[1])) for line in lines}


# MARK: The run


GROUPS = {
    "heads": heads, "framing": framing, "unread": unread, "spellings": spellings, "corpus": json_corpus, "unicode": unicode, "bombs": bombs,
    "endless": endless, "deaf": deaf, "slow": slow, "idle": idle, "held-back": held_back, "heavy": heavy, "proxied": proxied,
}

# A pass of these is long, or would leave the machine busy.
LONG_BY_THEMSELVES = ("bombs", "endless", "slow", "deaf", "idle", "held-back", "heavy", "proxied")


def attack(name, target, neighbour, quiet):
    """One group, with what the neighbour and the server had of it."""
    time.sleep(0.5)
    neighbour.section(name)
    target.reset_peak()
    began, cpu, own = time.monotonic(), target.cpu(), time.process_time()
    GROUPS[name](target)
    checks, target.checks, target.is_again = target.checks, FailuresOnly(target.checks), True
    while name not in LONG_BY_THEMSELVES and time.monotonic() - began < AT_LEAST * (4 if target.options.long else 1):
        GROUPS[name](target)
    target.checks, target.is_again = checks, False
    seconds, cpu, own = time.monotonic() - began, target.cpu() - cpu, time.process_time() - own
    figures, peak = neighbour.section("between"), target.peak()
    p50, p99 = (pace.percentile([figures], part) for part in (50, 99))
    ratio = p99 / pace.percentile([quiet], 99)
    print(
        f"      {name}: {seconds:.1f} s, CPU of the server {cpu:.1f} s, of the attacker {own:.1f} s, memory at most {peak >> 20} MiB; neighbour "
        f"p50 {p50:.1f}, p99 {p99:.1f}, max {pace.percentile([figures], 100):.1f} ms of {len(figures['times'])}, {ratio:.1f} times its quiet p99",
        flush=True,
    )
    examples = f"{figures['bad']} of {len(figures['times'])} were not, {figures['unfinished']} unanswered: {figures['examples']}"
    checks.check(not figures["bad"] and not figures["unfinished"], f"{name}: each of the neighbour's pushes was a 200", examples)
    checks.check(peak <= MEMORY, f"{name}: the server's memory is bounded", f"{peak >> 20} MiB")
    alive = target.server.process.poll() is None and tocsin.status_of(target.port, "/readyz")
    checks.equal(alive, 200, f"{name}: the server is ready")
    checks.equal(raw.say(target.port, target.make.good()).statuses(), [200], f"{name}: a push of the attacking tenant is taken afterwards")
    return name, p50, p99, ratio, cpu, peak


def main(options, checks):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # the server inherits it
    with tocsin.Server(options.parent) as server:
        server.start()
        target, other = Target(server, options, checks), tocsin.Account(server, "Neighbour")
        integration = other.dedicated("aliyun-arms", "Steady", other.channel("Steady"))
        with pace.Neighbour(integration["push_url"], server.port) as neighbour:
            neighbour.watch("warm-up", 1)
            quiet = neighbour.watch("quiet", 15 if options.long else 5)
            print(f"      neighbour in quiet: p50 {pace.percentile([quiet], 50):.1f}, p99 {pace.percentile([quiet], 99):.1f} ms")
            files = target.files()
            rows = [attack(name, target, neighbour, quiet) for name in GROUPS if name in options.only]
            # Ours are closed; those that the server keeps for us end after 15 s.
            time.sleep(1)
            left = wait_for_files(target, files + 4)
            checks.check(left <= files + 4, "the server holds no more files than before", f"{files} before, {left} now")
        told = other.api.get(f"{other.path}/integrations/{integration['id']}")["refusals"]
        checks.equal(told, [], "no refusal is on the neighbour's record")
        status, seconds = server.stop()
        checks.equal(status, 0, f"SIGTERM ends the server in good order ({seconds:.1f} s)")
        if checks.failed:
            server.print_log()
    print("| group | neighbour p50 ms | p99 ms | of its quiet p99 | server CPU s | memory MiB |\n|---|---|---|---|---|---|")
    print(f"| quiet | {pace.percentile([quiet], 50):.1f} | {pace.percentile([quiet], 99):.1f} | 1 | | |")
    for name, p50, p99, ratio, cpu, peak in rows:
        print(f"| {name} | {p50:.1f} | {p99:.1f} | {ratio:.1f} | {cpu:.1f} | {peak >> 20} |")
    print(f"The goal is {GOAL:.0f} times the quiet p99 at most; attacker, neighbour and server share {os.cpu_count()} cores.")


def wait_for_files(target, most):
    end = time.monotonic() + 20
    while target.files() > most and time.monotonic() < end:
        time.sleep(0.2)
    return target.files()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--only", nargs="+", choices=list(GROUPS), default=list(GROUPS), metavar="GROUP", help=", ".join(GROUPS))
    parser.add_argument("--corpus", default=os.environ.get("TOCSIN_JSON_CORPUS"))
    parser.add_argument("--nginx")
    parser.add_argument("--parent", help="where the data directory is made")
    parsed = parser.parse_args()
    tocsin.run(lambda checks: main(parsed, checks), seconds=900 if parsed.long else 300)
