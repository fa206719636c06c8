#!/usr/bin/env python3
"""Receivers of notifications on loopback, each with its vendor's rules, scripted per request to fail as receivers do.

    receivers.py --self-test

`Receivers` runs an event loop on a thread of its own. `endpoint(vendor)` makes an address; what came there is in its `received`, in order, with
the moment by the receivers' clock (which a test may move). A request that breaks the vendor's rules is answered as the vendor answers it and is
noted as `refused`; one that keeps them gets the next step of the endpoint's script: an answer, or a fault.
"""

import asyncio
import collections
import contextlib
import functools
import http
import itertools
import json
import os
import socket
import struct
import sys
import threading
import time
import urllib.parse

import tocsin

HEAD_LIMIT, BODY_LIMIT = 65_536, 4 << 20
CHUNK = bytes(65_536)
FLOOD = 10 << 30  # bytes


# --- what can be said to a request


class Step:
    """An answer, or a fault in its place. `kind` is how it is carried out, the rest is what it needs."""

    def __init__(self, kind, status=200, headers=(), body=b"", seconds=0.0, size=0, code=None, name=None):
        self.kind, self.status, self.headers, self.body = kind, status, tuple(headers), body
        self.seconds, self.size, self.code = seconds, size, code
        self.name = name or kind

    def __repr__(self):
        return self.name


OK = Step("ok")  # as the vendor says it


def status(number, body=b"", **headers):
    """`headers`: Retry_After="5" is Retry-After: 5."""
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Step("answer", status=number, headers=pairs, body=body, name=f"status {number}")


def code(number):
    """200, and the vendor's error code in the body."""
    return Step("code", code=number, name=f"code {number}")


def redirect(location, number=302):
    return Step("answer", status=number, headers=[("Location", location)], name=f"redirect {number}")


def slow(seconds):
    return Step("ok", seconds=seconds, name=f"slow {seconds} s")


def drip(period=0.5, size=4096):
    """A body that comes one byte each `period` seconds."""
    return Step("drip", seconds=period, size=size)


def flood(size=FLOOD, number=200):
    """An endless body."""
    return Step("flood", status=number, size=size)


STALL = Step("stall")  # takes the request and never answers
RESET = Step("reset")  # half of an answer, then a reset
HANG_UP = Step("hang up")  # closes without an answer
CUT_OFF = Step("cut off")  # a body that ends before its length
GARBAGE = Step("garbage")  # no HTTP
LONG_HEAD = Step("long head")  # a head of 8 MiB
PACKED = Step("packed")  # a small body that unpacks to a gigabyte


# --- what came


class Received:
    """One request. `at`: by the receivers' clock, `moment` and `ended`: when it came and was done with, by one that nobody moves.

    `answered`: the status, None while or when there was none.
    """

    __slots__ = ("at", "moment", "ended", "number", "method", "target", "head", "body", "refused", "step", "answered", "poured", "__dict__")

    def __init__(self, at, number, method, target, head, body):
        self.at, self.moment, self.number = at, time.monotonic(), number
        self.method, self.target, self.head, self.body = method, target, head, body
        self.ended = self.refused = self.step = self.answered = None
        self.poured = 0

    @functools.cached_property
    def headers(self):
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}

    @functools.cached_property
    def query(self):
        return dict(urllib.parse.parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    @functools.cached_property
    def parsed(self):
        """The body as JSON, None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def id(self):
        return self.headers.get("webhook-id")

    @property
    def was_taken(self):
        """The receiver said that it has it."""
        return self.refused is None and self.answered is not None and 200 <= self.answered < 300 and self.step.kind != "code"


class Endpoint:
    """One address of one vendor."""

    def __init__(self, receivers, vendor, target, route):
        self.receivers, self.vendor, self.target, self.route = receivers, vendor, target, route
        self.received, self.times = [], collections.deque()
        self.steps, self.then = collections.deque(), OK

    @property
    def url(self):
        return f"{self.receivers.origin}{self.target}"

    def script(self, *steps, then=OK):
        """The next requests get these, one each; all after them get `then`: a step, or what chooses one for a request."""
        self.then = then
        self.steps = collections.deque(steps)
        return self

    def next_step(self, received):
        if self.steps:
            return self.steps.popleft()
        return self.then(received) if callable(self.then) else self.then

    @property
    def taken(self):
        return [received for received in list(self.received) if received.was_taken]

    @property
    def refused(self):
        return [received.refused for received in list(self.received) if received.refused]

    def is_over_rate(self, now):
        """Counts one more request, unless there were too many. (count, seconds) is the vendor's limit."""
        if not self.vendor.rate:
            return False
        count, seconds = self.vendor.rate
        while self.times and self.times[0] <= now - seconds:
            self.times.popleft()
        if len(self.times) >= count:
            return True
        self.times.append(now)
        return False


# --- the wire


def answer(number, headers=(), body=b"", kind="application/json"):
    try:
        phrase = http.HTTPStatus(number).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {number} {phrase}", f"Content-Length: {len(body)}", f"Content-Type: {kind}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class Connection(asyncio.Protocol):
    """One connection: requests are read and answered one after the other."""

    def __init__(self, receivers):
        self.receivers = receivers
        self.data, self.transport, self.task = b"", None, None
        self.writable = asyncio.Event()
        self.writable.set()

    def connection_made(self, transport):
        self.transport = transport
        self.receivers.connects += 1
        self.receivers.connections.add(self)

    def connection_lost(self, _):
        self.receivers.connections.discard(self)
        self.transport = None
        self.writable.set()
        if self.task:
            self.task.cancel()

    def pause_writing(self):
        self.writable.clear()

    def resume_writing(self):
        self.writable.set()

    def data_received(self, data):
        self.data = self.data + data if self.data else data
        while self.task is None and self.transport and self.read():
            pass

    def read(self):
        """Takes one request; false when none is complete."""
        end = self.data.find(b"\r\n\r\n")
        if end < 0:
            if self.data[:1] == b"\x16":  # TLS, where there is none
                self.say(answer(400, [("Connection", "close")]))
                self.transport.close()
            elif len(self.data) > HEAD_LIMIT:
                self.transport.abort()
            return False
        head = self.data[:end]
        low = head.lower()
        at = low.find(b"\r\ncontent-length:")
        length = int(low[at + 17:].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if b"\r\ntransfer-encoding:" in low or length > BODY_LIMIT:
            self.say(answer(411 if length <= BODY_LIMIT else 413, [("Connection", "close")]))
            self.transport.close()
            return False
        if len(self.data) < end + 4 + length:
            return False
        body, self.data = self.data[end + 4:end + 4 + length], self.data[end + 4 + length:]
        method, target, *_ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        self.handle(Received(self.receivers.clock(), next(self.receivers.numbers), method, target, head, body))
        return True

    @property
    def is_open(self):
        return self.transport is not None and not self.transport.is_closing()

    def say(self, data):
        if self.is_open:
            self.transport.write(data)

    def handle(self, received):
        endpoint = self.receivers.find(received)
        if endpoint is None:
            self.receivers.strays.append(received)
            self.say(self.receivers.unknown(received))
            return
        received.endpoint = endpoint
        endpoint.received.append(received)
        broken = endpoint.vendor.broken_rule(received, endpoint)
        if broken:
            received.refused, (number, headers, body, kind) = broken[0], broken[1]
            received.answered = number
            self.say(answer(number, headers, body, kind))
            return
        step = received.step = endpoint.next_step(received)
        if step.kind == "ok" and not step.seconds:  # the usual case, without a task
            received.ended = time.monotonic()
            self.accept(received)
        else:
            self.task = self.receivers.loop.create_task(self.carry_out(received, step))

    def accept(self, received):
        number, headers, body, kind = received.endpoint.vendor.accepted()
        received.answered = number
        self.say(answer(number, headers, body, kind))

    async def carry_out(self, received, step):
        self.receivers.active += 1
        try:
            await getattr(self, "do_" + step.kind.replace(" ", "_"))(received, step)
        except asyncio.CancelledError:
            return  # the sender is gone
        finally:
            received.ended = time.monotonic()
            self.receivers.active -= 1
        self.task = None
        while self.task is None and self.transport and self.read():
            pass

    async def do_ok(self, received, step):
        await asyncio.sleep(step.seconds)
        self.accept(received)

    async def do_answer(self, received, step):
        received.answered = step.status
        self.say(answer(step.status, step.headers, step.body))

    async def do_code(self, received, step):
        number, headers, body, kind = received.endpoint.vendor.error(step.code)
        received.answered = number
        self.say(answer(number, headers, body, kind))

    async def do_stall(self, received, step):
        await asyncio.sleep(3600)

    async def do_drip(self, received, step):
        self.say(f"HTTP/1.1 200 OK\r\nContent-Length: {step.size}\r\n\r\n".encode())
        for _ in range(step.size):
            await asyncio.sleep(step.seconds)
            self.say(b"x")
        received.answered = 200

    async def do_flood(self, received, step):
        """`poured`: what the kernel took of it, so what lies in its buffers counts, too."""
        connection = self.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        self.transport.set_write_buffer_limits(high=0)
        # All of it is an answer: a sender that has seen enough of it may be content.
        received.answered = step.status
        self.say(f"HTTP/1.1 {step.status} OK\r\nContent-Length: {step.size}\r\n\r\n".encode())
        said = 0
        while said < step.size and self.is_open:
            self.transport.write(CHUNK)
            said += len(CHUNK)
            if self.is_open:
                received.poured = said - self.transport.get_write_buffer_size()
            await self.writable.wait()
            await asyncio.sleep(0)

    async def do_reset(self, received, step):
        self.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nContent-Type: application/json\r\n\r\n{\"errcode\":")
        await asyncio.sleep(0.05)
        connection = self.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    async def do_hang_up(self, received, step):
        self.transport.close()

    async def do_cut_off(self, received, step):
        self.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{}")
        await asyncio.sleep(0.05)
        self.transport.close()

    async def do_garbage(self, received, step):
        self.say(b"\x16\x03\x01 this is no HTTP\r\n\r\n" + bytes(range(256)))
        await asyncio.sleep(0.05)
        self.transport.close()

    async def do_long_head(self, received, step):
        self.transport.set_write_buffer_limits(high=0)
        self.say(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n")
        for number in range(128):
            self.say(f"X-Filler-{number}: ".encode() + b"x" * 65_400 + b"\r\n")
            await self.writable.wait()
            await asyncio.sleep(0)
        self.say(b"\r\n")

    async def do_packed(self, received, step):
        """Taken: a status of 200 is enough, nobody has to unpack it."""
        received.answered = 200
        self.say(answer(200, [("Content-Encoding", "gzip")], packed_gigabyte()))


@functools.cache
def packed_gigabyte():
    import gzip
    import io

    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as file:
        for _ in range(64):  # 64 MiB are as telling, and made in no time
            file.write(bytes(1 << 20))
    return packed.getvalue()


class Receivers:
    """All receivers of one test, on one port and a thread of their own. `clock`: what they take for the time, in Unix seconds."""

    def __init__(self, clock=time.time, port=None, tls=None, name="127.0.0.1"):
        self.clock, self.port, self.tls, self.name = clock, port or tocsin.free_port(), tls, name
        self.endpoints, self.strays, self.connections = {}, [], set()
        self.numbers, self.names = itertools.count(1), itertools.count(1)
        self.connects = self.active = 0
        self.loop, self.listener = asyncio.new_event_loop(), None
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    @property
    def origin(self):
        return f"{'https' if self.tls else 'http'}://{self.name}:{self.port}"

    def __enter__(self):
        self.thread.start()
        self.open()
        return self

    def __exit__(self, *_):
        self.shut()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    def on_loop(self, task):
        return asyncio.run_coroutine_threadsafe(task, self.loop).result(20)

    def open(self):
        """Listens (again)."""

        async def begin():
            make = functools.partial(Connection, self)
            self.listener = await self.loop.create_server(make, "127.0.0.1", self.port, backlog=1024, ssl=self.tls)

        if self.listener is None:
            self.on_loop(begin())

    def shut(self):
        """Listens no more, and resets every connection: the receiver is down."""

        async def end():
            if self.listener:
                self.listener.close()
            self.listener = None
            for connection in list(self.connections):
                if connection.transport:
                    connection.transport.abort()
            await asyncio.sleep(0)

        self.on_loop(end())

    def endpoint(self, vendor, name=None):
        name = name or f"{next(self.names):04}"
        target, route = vendor.address(name)
        endpoint = Endpoint(self, vendor, target, route)
        self.endpoints[route] = endpoint
        return endpoint

    def find(self, received):
        path, _, query = received.target.partition("?")
        endpoint = self.endpoints.get(path)
        if endpoint or not query:
            return endpoint
        return next(filter(None, (self.endpoints.get(f"{path}?{value}") for value in received.query.values())), None)

    def unknown(self, received):
        """What the vendor whose path it is says of an address that it does not know."""
        vendors = {endpoint.vendor for endpoint in self.endpoints.values()}
        vendor = next((v for v in vendors if received.target.startswith(v.path)), None)
        return answer(*vendor.unknown()) if vendor else answer(404)

    def wait(self, what, condition, seconds=10.0):
        """True once `condition()` holds; says what it waited for when it did not."""
        with contextlib.suppress(TimeoutError):
            tocsin.wait_until(what, condition, seconds, every=0.02)
            return True
        return bool(condition())


if __name__ == "__main__":
    if sys.argv[1:] != ["--self-test"]:
        sys.exit(__doc__)
    sys.modules["receivers"] = sys.modules["__main__"]  # one copy of the classes, however it was started
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import receivers_test

    tocsin.run(receivers_test.self_test, seconds=120)
