"""The attacker of neighbours.py: an account of its own with an editor's key, raw connections, and storms of requests made beforehand.

An attack is a function that gets a fresh `Attacker`, sets up what it needs and returns storms; its first line of documentation says what it does.
Its connections come from 127.0.0.2, so that what the server allows an address is not the neighbour's.
"""

import contextlib
import json
import os
import socket
import threading
import time
from collections import Counter

import tocsin

ATTACKS = {}
ADDRESS = "127.0.0.2"
PATIENCE = 10.0  # seconds for an answer
KEPT = 1 << 20  # bytes of an answer that are kept
PLAIN = b'{"alerts":[{"labels":{"alertname":"plain","pod":"%d"}}]}'


class Attack:
    """`issue`: the row of the table in the issue "No tenant can stop another" that it is of, 0 for another. `is_short`: a part of the short
    form; `on_postgres`: there, too."""

    def __init__(self, group, function, issue, is_short, on_postgres):
        self.group, self.function, self.issue, self.is_short, self.on_postgres = group, function, issue, is_short, on_postgres
        self.name = function.__name__.replace("_", "-")
        self.what = function.__doc__.partition("\n")[0]


def attack(group, issue=0, is_short=True, on_postgres=False):
    """Registers a function as an attack."""

    def register(function):
        made = Attack(group, function, issue, is_short, on_postgres)
        ATTACKS[made.name] = made
        return function

    return register


class Closed(Exception):
    """The connection ended before the answer did."""


class Line:
    """One connection of the attacker. `said`: the beginning of the last answer's body."""

    def __init__(self, port, source=ADDRESS, patience=PATIENCE):
        self.port, self.source, self.patience = port, source, patience
        self.socket, self.said, self.was_answered, self.is_cut = None, b"", False, False

    def send(self, data):
        if self.is_cut:
            raise Closed("cut")
        if self.socket is None:
            self.socket, self.was_answered = open_socket(self.port, self.source, self.patience), False
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused before its end: the answer is there to be read
            self.socket.sendall(data)

    def answer(self):
        """The status of the answer, which is read to its end; in words where it is not what it should be."""
        try:
            head, rest = self.head()
            status, lower = int(head[9:12]), head.lower()
            if b"\r\ntransfer-encoding: chunked" in lower:
                self.chunks(rest)
            else:
                self.body(rest, int(lower.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0] or 0))
            if b"\r\nconnection: close" in lower:
                self.close()
            self.was_answered = True
            return "503 without Retry-After" if status == 503 and b"\r\nretry-after:" not in lower else status
        except OSError as error:
            raise Closed(type(error).__name__) from error

    def head(self):
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.receive()
        head, _, rest = data.partition(b"\r\n\r\n")
        return head, rest

    def receive(self):
        if self.socket is None:
            raise Closed("closed")
        data = self.socket.recv(1 << 18)
        if not data:
            raise Closed("closed")
        return data

    def body(self, data, length):
        self.said, count = data, len(data)
        while count < length:
            data = self.receive()
            count += len(data)
            if len(self.said) < KEPT:
                self.said += data

    def chunks(self, data):
        self.said, end = data, data[-7:]
        while not end.endswith(b"\r\n0\r\n\r\n") and self.said != b"0\r\n\r\n":
            data = self.receive()
            end = (end + data)[-7:]
            if len(self.said) < KEPT:
                self.said += data

    def exchange(self, data):
        """The status, or why there is none. A kept connection may have been closed since: then once more on a new one."""
        was_answered = self.socket is not None and self.was_answered
        try:
            self.send(data)
            return self.answer()
        except (Closed, OSError) as error:
            self.close()
            if was_answered and isinstance(error, Closed) and str(error) == "closed":
                return self.exchange(data)
            return str(error) if isinstance(error, Closed) else type(error).__name__

    def close(self):
        kept, self.socket = self.socket, None
        if kept:
            with contextlib.suppress(OSError):
                kept.close()

    def cut(self):
        """From another thread: whoever reads or writes here stops."""
        self.is_cut = True
        if kept := self.socket:
            with contextlib.suppress(OSError):
                kept.shutdown(socket.SHUT_RDWR)


def open_socket(port, source=ADDRESS, patience=PATIENCE, receive_buffer=None):
    made = socket.socket()
    try:
        if receive_buffer:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.settimeout(patience)
        made.bind((source, 0))
        made.connect(("127.0.0.1", port))
    except BaseException:
        made.close()
        raise
    return made


class Storm:
    """Threads that repeat requests until they are told to end. `requests`: bytes, or functions of a number that make them."""

    def __init__(self, attacker, requests, threads=1, lines=1, pause=0.0):
        self.attacker, self.requests, self.pause = attacker, requests if isinstance(requests, list) else [requests], pause
        self.lines = [[Line(attacker.port) for _ in range(lines)] for _ in range(threads)]
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(n,), daemon=True) for n in range(threads)]

    def begin(self):
        for thread in self.threads:
            thread.start()

    def end(self):
        """Cuts what is under way: the server may still be at it."""
        self.ended.set()
        for line in [line for lines in self.lines for line in lines]:
            line.cut()
        for thread in self.threads:
            thread.join(15)

    def work(self, number):
        step_back()
        lines, turn = self.lines[number], number
        while not self.ended.is_set():
            for line in lines:
                request = self.requests[turn % len(self.requests)]
                line.request = request(turn) if callable(request) else request
                turn += len(self.threads)
            if len(lines) == 1:
                self.count(lines[0], lines[0].exchange(lines[0].request))
            else:
                self.together(lines)
            self.ended.wait(self.pause)
        for line in lines:
            line.close()

    def together(self, lines):
        """Sends on all lines, then reads from all."""
        for line in lines:
            with contextlib.suppress(OSError, Closed):
                line.send(line.request)
        for line in lines:
            try:
                self.count(line, line.answer())
            except Closed as error:
                line.close()
                self.count(line, str(error))

    def count(self, line, status):
        if not self.ended.is_set():
            self.attacker.count(status, line.said)


class Held:
    """Something that is opened when the attack begins, held, and closed at its end. `open(hold)`: calls `hold` with each thing."""

    def __init__(self, open_all):
        self.open_all, self.held, self.ended = open_all, [], threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)

    def begin(self):
        self.thread.start()

    def work(self):
        step_back()
        with contextlib.suppress(OSError):
            self.open_all(self)

    def end(self):
        self.ended.set()
        self.thread.join(15)
        for each in self.held:
            each.close()


def step_back():
    """This thread takes what the server and the neighbour leave of the cores: an attacker sits elsewhere."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


class Attacker:
    """A fresh account with a plain integration, an integration with routes, and an editor's key."""

    def __init__(self, server, name):
        self.server, self.port, self.got, self.examples, self.lock = server, server.port, Counter(), {}, threading.Lock()
        self.notes = []
        made = self.onboard(name)
        self.id, self.channel, self.plain_id = made["account"]["id"], made["channel"]["id"], made["integration"]["id"]
        self.path, self.admin = f"/v1/accounts/{self.id}", made["api_key"]["secret"]
        self.plain_push = tocsin.Sender(made["integration"]["push_url"], self.port).path
        admin = tocsin.API(self.port, self.admin)
        self.key = admin.post(f"{self.path}/api-keys", {"name": "editor", "role": "editor"})["secret"]
        shared = {"type": "aliyun-arms", "mode": "shared", "name": "Shared", "default_channel_ids": [self.channel]}
        shared = admin.post(f"{self.path}/integrations", shared)
        admin.close()
        self.shared, self.shared_push = shared["id"], tocsin.Sender(shared["push_url"], self.port).path
        self.routes = f"{self.path}/integrations/{self.shared}/routes"
        self.notifiers = f"{self.path}/channels/{self.channel}/notifiers"

    def onboard(self, name):
        operator = tocsin.API(self.port, self.server.operator_key())
        body = {
            "account": {"name": name}, "api_key": {"name": "admin", "role": "admin"}, "channel": {"name": "Main"},
            "integration": {"type": "aliyun-arms", "name": "Plain"},
        }
        made = operator.post("/v1/onboarding", body)
        operator.close()
        return made

    def count(self, status, said=b""):
        """Notes what a request got, and an example of each refusal."""
        with self.lock:
            self.got[status] += 1
            if isinstance(status, int) and status >= 400 or status == "503 without Retry-After":
                self.examples.setdefault(status, said[:300].decode(errors="replace"))

    def note(self, text):
        """Something about the set-up, printed with what the attack got."""
        self.notes.append(text)

    def request(self, method, path, body=None, kind="application/json", key=None, more=""):
        """The bytes of a management call. `body`: bytes, or what becomes JSON."""
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: tocsin\r\nAuthorization: Bearer {key or self.key}\r\n{more}"
        if body is not None:
            head += f"Content-Type: {kind}\r\n"
        return (head + f"Content-Length: {len(data)}\r\n\r\n").encode() + data

    def push(self, body, path=None):
        """The bytes of a push to the integration with routes."""
        head = f"POST {path or self.shared_push} HTTP/1.1\r\nHost: tocsin\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body

    def exchange(self, request, patience=PATIENCE):
        """(status or why there is none, the beginning of the answer's body) of one request of the set-up. It waits when it is told to."""
        line = Line(self.port, patience=patience)
        for _ in range(8):
            status = line.exchange(request)
            if status not in (429, 503, "closed", "ConnectionResetError"):
                break
            time.sleep(0.3)
        line.close()
        return status, line.said

    def call(self, method, path, body=None, **more):
        """(status, the decoded answer) of a management call of the set-up. It may take long: whom it hurts meanwhile is seen."""
        status, said = self.exchange(self.request(method, path, body, **more), patience=40)
        with self.lock:
            self.got[f"set-up {status}"] += 1
        if not isinstance(status, int) or status >= 400:
            self.examples.setdefault(f"set-up {status}", said[:300].decode(errors="replace"))
        with contextlib.suppress(ValueError):
            return status, json.loads(said)
        return status, None

    def most(self, what, sizes, attempt):
        """The largest of these sizes that the server takes; `attempt(size)` answers (status, ..). None when it takes none."""
        for size in sizes:
            status = attempt(size)[0]
            if isinstance(status, int) and status < 400:
                self.note(f"{size:,} {what} taken")
                return size
        self.note(f"{what}: none of {sizes} taken")
        return None

    def webhook(self, name, url, path=None, **more):
        """(status, answer) of making a notifier."""
        body = {"name": name, "kind": "webhook", "settings": {"url": url}, "storm_limit": 1000, **more}
        return self.call("POST", path or self.notifiers, body)

    def fill(self, count, labels=""):
        """New alerts by pushes of 10,000 at most; (status of the last)."""
        for first in range(0, count, 10_000):
            some = range(first, min(first + 10_000, count))
            body = ",".join(f'{{"labels":{{"alertname":"a{n}","pod":"{n}"{labels}}}}}' for n in some)
            status, _ = self.exchange(self.push(f'{{"alerts":[{body}]}}'.encode(), self.plain_push), patience=30)
            with self.lock:
                self.got[f"fill {status}"] += 1
        # What is acknowledged is applied in slices.
        end = time.monotonic() + 60
        while time.monotonic() < end:
            _, said = self.exchange(self.request("GET", f"{self.path}/deliveries?limit=1"), patience=10)
            items = json.loads(said or b"{}").get("items") or [{}]
            if not items[0].get("pending_event_count"):
                return
            time.sleep(0.2)

    def clean(self):
        """Takes away what it stored and could keep hurting: routes, notifiers, tables."""
        self.exchange(self.request("PUT", self.routes, {"routes": []}))
        status, said = self.exchange(self.request("GET", f"{self.path}/channels?limit=200"))
        channels = json.loads(said)["items"] if status == 200 and len(said) < KEPT else [{"id": self.channel}]
        for channel in channels[:50]:
            path = f"{self.path}/channels/{channel['id']}/notifiers"
            status, said = self.exchange(self.request("GET", f"{path}?limit=200"))
            with contextlib.suppress(ValueError, TypeError, KeyError):
                for notifier in json.loads(said)["items"]:
                    self.exchange(self.request("DELETE", f"{path}/{notifier['id']}"))

    def plain_works(self, seconds=10.0):
        """Whether a plain push is taken, within a time in which it is sent again."""
        end, number, status = time.monotonic() + seconds, 0, None
        while time.monotonic() < end:
            number += 1
            status, _ = self.exchange(self.push(PLAIN % number, self.plain_push), patience=5)
            if status == 200:
                return True
            time.sleep(0.2)
        self.note(f"a plain push afterwards: {status}")
        return False
