#!/usr/bin/env python3
"""Faults of the environment: full disk, slow disk, SIGTERM under load, a clock that jumps, no file descriptors left.

    faults.py [--full] [--only disk,sync,stop,clock,files] [--stops N] [--seed N]

Every push carries a key of its own and is sent once. After each fault what the senders were told is compared with what the API
shows: each 200 is stored once, nothing else is stored unless its answer never came. Wants root, or unprivileged user
namespaces, for a small disk of its own (the mount is seen by this process only); Debian's strace, and a
C compiler.
"""

import argparse
import contextlib
import datetime
import email.utils
import errno
import glob
import http.client
import itertools
import json
import math
import os
import pathlib
import random
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from collections import Counter

import kill9
import tocsin

ANSWERED_IN = 4.0  # seconds: ARMS gives up after 5
OWN_MOUNTS = "FAULTS_HAS_OWN_MOUNTS"
NUMBERS = itertools.count(1)


# --- senders


class Cut(Exception):
    """The connection ended without an answer. `taken`: the server had read the request; else the kernel threw it away."""

    def __init__(self, taken, detail):
        super().__init__(detail)
        self.taken = taken


class Wire:
    """A connection that knows how it ended. Not for use by two threads."""

    def __init__(self, push_url, port):
        self.path, self.port = urllib.parse.urlsplit(push_url).path, port
        self.socket = None

    def push(self, body, halfway=None):
        """(status, headers, decoded answer). `halfway` is called when half of the body is sent."""
        if self.socket is None:
            try:
                self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=40)
            except OSError as error:
                raise tocsin.NotSent(str(error)) from error
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = f"POST {self.path} HTTP/1.1\r\nHost: tocsin\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
        try:
            if halfway:
                half, part = len(body) // 2, len(body) // 10 + 1
                self.socket.sendall(head.encode() + body[:half])
                halfway()
                for start in range(half, len(body), part):  # a slow uplink
                    time.sleep(0.1)
                    self.socket.sendall(body[start : start + part])
            else:
                self.socket.sendall(head.encode() + body)
            return self.answer()
        except OSError as error:
            self.close()
            raise Cut(isinstance(error, TimeoutError), f"{type(error).__name__}: {error}") from error

    def answer(self):
        received = b""
        while b"\r\n\r\n" not in received:
            received += self.more(bool(received))
        head, _, body = received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        while len(body) < int(headers.get("content-length", 0)):
            body += self.more(True)
        if headers.get("connection", "").lower() == "close":
            self.close()
        return int(first.split()[1]), headers, json.loads(body or b"null")

    def more(self, has_begun):
        """The next bytes. An end without an answer: bytes that reached a closed socket make the kernel reset it, read ones don't."""
        data = self.socket.recv(65536)
        if data:
            return data
        time.sleep(0.05)
        reset = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self.close()
        raise Cut(has_begun or not reset, errno.errorcode.get(reset, "closed"))

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket = None


class Push:
    """One push and what it came to: a status, or None when no answer came (`taken` then says whether the server read it)."""

    def __init__(self):
        self.number = next(NUMBERS)
        self.key = f"fault-{self.number}"
        self.began = time.monotonic()
        self.status = self.delivery = self.retry_after = self.taken = self.detail = None
        self.first_on_connection, self.seconds = False, 0.0

    def send(self, wire, size=0, halfway=None, **times):
        """False when the connection was refused."""
        self.first_on_connection = wire.socket is None
        alert = tocsin.arms_alert(self.key, padding=os.urandom(size // 2).hex(), **times)
        self.began = time.monotonic()
        try:
            self.status, headers, answer = wire.push(tocsin.arms_body([alert]), halfway)
        except tocsin.NotSent as error:
            self.detail = str(error)
            return False
        except Cut as cut:
            self.taken, self.detail = cut.taken, str(cut)
        else:
            self.retry_after = headers.get("retry-after")
            if self.status == 200:
                self.delivery = answer["data"]["delivery_id"]
            else:
                self.detail = answer.get("error")
        self.seconds = time.monotonic() - self.began
        return True


class Load:
    """Senders that push without a pause, or with one, until the block ends. Every other one opens a connection for each push."""

    def __init__(self, push_url, port, senders=4, size=0, pause=0.0):
        self.push_url, self.port, self.size, self.pause = push_url, port, size, pause
        self.pushes, self.not_sent = [], 0
        self.ending = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(n % 2 == 1,), daemon=True) for n in range(senders)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        for thread in self.threads:
            thread.join(45)

    def work(self, anew):
        wire = Wire(self.push_url, self.port)
        while not self.ending.is_set():
            if self.push(wire):
                self.ending.wait(self.pause)
            else:
                self.ending.wait(0.02)
            if anew:
                wire.close()
        wire.close()

    def push(self, wire, **more):
        push = Push()
        if push.send(wire, self.size, **more):
            self.pushes.append(push)
            return True
        self.not_sent += 1
        return False

    def since(self, moment):
        """The pushes that were sent after `moment`."""
        return [push for push in list(self.pushes) if push.began >= moment]

    def with_status(self, status, since=0.0):
        return [push for push in self.since(since) if push.status == status]


# --- what is compared


class Place:
    """A server with an account and an integration to push to, and everything that was pushed there."""

    def __init__(self, checks, server, name):
        self.checks, self.server = checks, server
        self.account = tocsin.Account(server, name)
        self.channel = self.account.channel(name)
        integration = self.account.dedicated("aliyun-arms", name, self.channel)
        self.integration, self.push_url = integration["id"], integration["push_url"]
        self.loads = []

    def load(self, **more):
        self.loads.append(Load(self.push_url, self.server.port, **more))
        return self.loads[-1]

    def compare(self, when):
        """Every 200 is stored once, and of the rest only what was never answered may be."""
        pushes = {push.key: push for load in self.loads for push in load.pushes}
        events = self.account.items("events", integration_id=self.integration)
        stored = Counter(event["alert_key"] for event in events if event["status"] != "Ok")
        deliveries = {event["alert_key"]: event["delivery_id"] for event in events if event["status"] != "Ok"}
        acknowledged = [push for push in pushes.values() if push.status == 200]
        lost = [push.key for push in acknowledged if deliveries.get(push.key) != push.delivery]
        doubled = [key for key, count in stored.items() if count > 1]
        strangers = [key for key in stored if key not in pushes or pushes[key].status not in (200, None)]
        self.checks.equal(lost[:5], [], f"{when}: all {len(acknowledged)} acknowledged pushes are stored")
        self.checks.equal((doubled[:5], strangers[:5]), ([], []), f"{when}: none is stored twice, none that was refused")
        return [push for push in pushes.values() if push.status is None and push.key in stored]

    def check_answers(self, pushes, when, seconds=ANSWERED_IN):
        """Only 200 and 503 with Retry-After, all in time."""
        statuses = Counter(push.status for push in pushes)
        self.checks.check(statuses.keys() <= {200, 503}, f"{when}: every answer is 200 or 503", f"{statuses} {odd(pushes)}")
        bare = [push.key for push in pushes if push.status == 503 and not push.retry_after]
        self.checks.equal(bare[:5], [], f"{when}: each of {statuses[503]} answers of 503 has Retry-After")
        longest = max((push.seconds for push in pushes), default=math.inf)
        late = sum(push.seconds > seconds for push in pushes)
        self.checks.check(longest <= seconds, f"{when}: answered within {seconds} s (longest {longest:.2f} s)", f"{late} of {len(pushes)} later")

    def works_again(self, what, seconds=5.0):
        """A push is answered 200 within `seconds`; returns how long it took."""
        load, wire, began = self.load(), Wire(self.push_url, self.server.port), time.monotonic()
        while time.monotonic() - began < seconds:
            if load.push(wire) and load.pushes[-1].status == 200:
                break
            time.sleep(0.05)
        wire.close()
        took = time.monotonic() - began
        good = bool(load.with_status(200))
        self.checks.check(good, f"{what}: pushes are answered 200 again after {took:.2f} s", f"not within {seconds} s")
        return took

    def check_alive(self, when):
        alive = self.server.process.poll() is None and tocsin.status_of(self.server.port, "/healthz") == 200
        self.checks.check(alive, f"{when}: the server is up")

    def stop_and_check_file(self, when):
        """SIGTERM, then an integrity check of the database file."""
        status, seconds = self.server.stop()
        self.checks.equal(status, 0, f"{when}: SIGTERM ends it in good order ({seconds:.1f} s)")
        kill9.check_files(self.checks, self.server.data, when)


def odd(pushes):
    """What came that is neither 200 nor 503, for a message."""
    return [(push.status, push.detail, push.first_on_connection) for push in pushes if push.status not in (200, 503, None)][:3]


def note(text):
    print(f"      {text}", flush=True)


# --- full disk


class SmallDisk:
    """A small file system of 72 MiB. Only this process and its children see the mount."""

    def __init__(self, kind):
        self.kind = kind
        self.directory = tempfile.mkdtemp(prefix="tocsin-disk-")
        self.path = os.path.join(self.directory, "disk")

    def __enter__(self):
        os.mkdir(self.path)
        if self.kind == "tmpfs":
            command = ["mount", "-t", "tmpfs", "-o", f"size=72m,mode=700", "tmpfs", self.path]
        else:
            image = os.path.join(self.directory, "image")
            with open(image, "wb"):  # else mkfs talks
                pass
            subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-b", "4096", image, "72m"], check=True)
            command = ["mount", "-o", "loop", image, self.path]
        subprocess.run(command, check=True)
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=False)
        shutil.rmtree(self.directory, ignore_errors=True)

    def fill(self, name, megabytes=72):
        """Takes so much, or whatever is left."""
        with open(os.path.join(self.path, name), "wb", buffering=0) as file, contextlib.suppress(OSError):
            for _ in range(megabytes * 16):
                file.write(bytes(65536))

    def release(self, name):
        os.unlink(os.path.join(self.path, name))

    @property
    def free(self):
        numbers = os.statvfs(self.path)
        return numbers.f_bavail * numbers.f_frsize


def fill_up(place, load, disk, seconds=60):
    """Waits until pushes are refused for a second; returns when that began."""

    def is_full():
        recent = load.since(time.monotonic() - 1)
        return bool(recent) and all(push.status == 503 for push in recent if push.seconds)

    tocsin.wait_until("the disk is full", is_full, seconds)
    note(f"{sum(len(each.with_status(200)) for each in place.loads)} pushes stored, {disk.free >> 10} KiB of the disk left")
    return time.monotonic() - 1


def look_while_full(place, load, spare):
    """Reads work, readiness tells, and what a write of the API is answered."""
    place.check_alive("disk full")
    ready = Counter()
    for _ in range(20):
        ready[tocsin.status_of(place.server.port, "/readyz")] += 1
        time.sleep(0.1)
    place.checks.equal(set(ready), {503}, f"disk full: /readyz says so, {sum(ready.values())} times ({dict(ready)})")
    began = time.monotonic()
    listed = place.account.api.get(f"{place.account.path}/deliveries", limit=50)["items"]
    shown = place.account.delivery(listed[0]["id"])
    took = time.monotonic() - began
    place.checks.check(len(listed) == 50 and shown["body"], f"disk full: deliveries can be listed and read ({took:.2f} s)")
    for method, path, body in (("POST", "channels", {"name": "While full"}), ("DELETE", f"channels/{spare}", None)):
        began = time.monotonic()
        status, wait, _ = place.account.api.exchange(method, f"{place.account.path}/{path}", body)
        took = time.monotonic() - began
        place.checks.check(
            status in (200, 201, 204) or status == 503 and wait and took <= ANSWERED_IN,
            f"disk full: {method} of a channel is done or answered 503 with Retry-After", f"{status}, Retry-After {wait}, {took:.2f} s",
        )
        note(f"{method} of a channel while full: {status} in {took:.2f} s")
    lines = os.path.getsize(place.server.log)
    time.sleep(1)
    refused = load.with_status(503, since=time.monotonic() - 1)
    note(f"the log grows by {(os.path.getsize(place.server.log) - lines) >> 10} KiB/s at {len(refused)} refused pushes/s")


def disk_full(checks, options):
    for kind in ("tmpfs", "ext4") if options.full else ("tmpfs",):
        note(f"on {kind}")
        disk_full_on(checks, SmallDisk(kind))


def disk_full_on(checks, small_disk):
    with small_disk as disk, tocsin.Server() as server:
        disk.fill("reserve", 24)
        disk.fill("filler", 12)
        server.data = os.path.join(disk.path, "data")
        server.start()
        place = Place(checks, server, "Full disk")
        spare = place.account.channel("Spare")
        with place.load(senders=4, size=30_000, pause=0.002) as load:
            full = fill_up(place, load, disk)
            look_while_full(place, load, spare)
        place.check_answers(load.since(full), "disk full")
        place.compare("disk full")
        disk.release("filler")
        place.works_again("space returned")
        checks.equal(tocsin.status_of(server.port, "/readyz"), 200, "space returned: /readyz says so")
        disk_full_under_load(place, disk)
        restart_while_full(place, disk)
        place.compare("after it all")
        place.stop_and_check_file("disk full")


def disk_full_under_load(place, disk):
    """Full, and freed while the senders go on."""
    disk.fill("filler", 12)
    with place.load(senders=4, size=30_000, pause=0.002) as load:
        full = fill_up(place, load, disk)
        disk.release("filler")
        freed = time.monotonic()
        again = tocsin.wait_until("a 200 after the space returned", lambda: load.with_status(200, since=freed), 5, every=0.02)
        place.checks.check(True, f"space returned under load: 200 again after {again[0].began + again[0].seconds - freed:.2f} s")
        time.sleep(0.2)
    place.check_answers(load.since(full), "freed under load")
    place.compare("freed under load")


def restart_while_full(place, disk):
    disk.fill("filler")
    with place.load(senders=2, size=3_000, pause=0.002) as load:
        fill_up(place, load, disk)
    server, checks = place.server, place.checks
    status, seconds = server.stop()
    checks.equal(status, 0, f"disk full: SIGTERM ends it in good order ({seconds:.1f} s)")
    disk.fill("rest")
    for how in ("SIGTERM", "kill -9"):
        server.launch()
        tocsin.wait_until("an answer or an end", lambda: answers_or_ended(server), 30)
        if server.process.poll() is not None:
            words = last_line(server.log)
            says_so = server.process.returncode != 0 and "full" in words
            checks.check(says_so, f"started while full after {how}: it ends with {server.process.returncode} and says why", words)
            note(words)
            continue
        note(f"started while full after {how}: /readyz {tocsin.status_of(server.port, '/readyz')}")
        with place.load(senders=2, size=30_000, pause=0.05) as load:
            time.sleep(1)
        place.check_answers(load.pushes, f"started while full after {how}")
        place.compare(f"started while full after {how}")
        server.kill()
    disk.release("reserve")  # as much as the log, which is carried over before the first push
    server.start()
    place.works_again("started once there was space")


def last_line(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.readlines()[-1].strip()


def answers_or_ended(server):
    return server.process.poll() is not None or tocsin.status_of(server.port, "/healthz") == 200


# --- slow disk


@contextlib.contextmanager
def slow_sync(server, milliseconds):
    """Each fdatasync of the server takes so much longer."""
    command = [
        *tocsin.WITH_US, "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync",
        "-e", f"inject=fdatasync,fsync:delay_enter={milliseconds * 1000}", "-p", str(server.process.pid),
    ]
    tracer = subprocess.Popen(command)
    try:
        tocsin.wait_until("strace is attached", lambda: is_traced(server.process.pid) or tracer.poll() is not None, 5)
        if tracer.poll() is not None:
            raise RuntimeError("strace could not attach")
        yield
    finally:
        tracer.terminate()
        tracer.wait(30)


def is_traced(pid):
    statuses = []
    for path in glob.glob(f"/proc/{pid}/task/*/status"):
        with open(path, encoding="ascii") as file:
            statuses.append("TracerPid:\t0\n" in file.read())
    return not any(statuses)


def slow_disk(checks, options):
    delays = ((200, 3), (2_000, 8), (10_000, 14)) if options.full else ((200, 2), (2_000, 7))
    with tocsin.Server() as server:
        server.start()
        place = Place(checks, server, "Slow disk")
        for delay, seconds in delays:
            when, before = f"sync takes {delay} ms", server.resident_memory()
            with slow_sync(server, delay), place.load(senders=16, pause=0.05) as load:
                time.sleep(seconds)
                place.check_alive(when)
                more = server.resident_memory() - before
            check_slow(place, load, delay / 1000, when)
            checks.check(more < 32 << 20, f"{when}: memory stays ({more >> 20:+d} MiB)")
            place.works_again(f"after {when}")
        place.compare("slow disk")
        place.stop_and_check_file("slow disk")


def check_slow(place, load, delay, when):
    """A push that the writer did not take is refused in time; one that it took gets its true answer when its sync is through."""
    stored, refused = load.with_status(200), load.with_status(503)
    others = [push for push in load.pushes if push.status != 200]
    if others:
        place.check_answers(others, f"{when}, refused")
    quickest = min((push.seconds for push in stored), default=0)
    place.checks.check(quickest >= delay, f"{when}: no 200 comes before its sync is through (quickest {quickest:.2f} s)")
    late = sum(push.seconds > ANSWERED_IN for push in stored)
    longest = max((push.seconds for push in stored), default=0)
    limit = ANSWERED_IN if delay < 0.5 else 3.5 + 2 * delay + 0.5
    place.checks.check(stored and longest <= limit, f"{when}: what was taken is answered with its own commit (longest {longest:.2f} s)")
    note(f"{when}: {len(stored)} of 200, {late} of them after {ANSWERED_IN} s, {len(refused)} of 503")


# --- SIGTERM


def stop_under_load(checks, options):
    with tocsin.Server() as server:
        server.start()
        place = Place(checks, server, "Stop")
        took, unfinished = [], []
        for _ in range(options.stops):
            unfinished.append(one_stop(place, took))
            server.start()
        checks.equal([each for each in unfinished if each], [], f"a body of 2 MB in flight at SIGTERM is answered, {options.stops} times")
        checks.equal([each for each in took if each[0] != 0 or each[1] > 25], [], f"{options.stops} ends by SIGTERM with 0 within 25 s")
        pushes = [push for load in place.loads for push in load.pushes]
        statuses = Counter(push.status for push in pushes)
        checks.check(statuses.keys() <= {200, 503, None}, "SIGTERM: every answer is 200 or 503", f"{statuses} {odd(pushes)}")
        cut = [push for push in pushes if push.status is None]
        taken = [(push.key, push.detail, round(push.seconds, 3)) for push in cut if push.taken]
        checks.equal(taken[:5], [], f"SIGTERM: no request that was read stayed without an answer ({len(taken)})")
        fresh = sum(push.first_on_connection for push in cut if not push.taken)
        note(
            f"{len(pushes)} pushes: {statuses[200]} of 200, {statuses[503]} of 503; {len(cut)} cut off before they were read: {fresh} waited "
            f"in the listener's queue, {len(cut) - len(taken) - fresh} were sent on a kept connection while it was being closed"
        )
        note(f"ended after {min(s for _, s in took):.2f} to {max(s for _, s in took):.2f} s")
        stored = place.compare("SIGTERM")
        checks.equal([push.key for push in stored][:5], [], "SIGTERM: nothing was stored whose answer did not come")
        place.stop_and_check_file("SIGTERM")


def one_stop(place, took):
    """One end under load; returns what went wrong with the body in flight, or None."""
    server, half, big = place.server, threading.Event(), Load(place.push_url, place.server.port, senders=0, size=2_000_000)
    place.loads.append(big)
    slow = threading.Thread(target=lambda: big.push(Wire(place.push_url, server.port), halfway=half.set), daemon=True)
    with place.load(senders=8):
        time.sleep(random.uniform(0.1, 0.5))
        slow.start()
        half.wait(5)
        time.sleep(0.1)  # until the server has begun to read it
        took.append(server.stop(40))
    slow.join(45)
    if not big.pushes or big.pushes[0].status not in (200, 503):
        return big.pushes[0].detail if big.pushes else "not sent"
    return None


# --- clock


class ShiftedClock:
    """The wall clock as the server sees it. (libfaketime won't do: it moves monotonic timers, too, and the server's timers stop.)"""

    def __init__(self, directory):
        self.path, self.offset = os.path.join(directory, "clock"), 0
        library, compiler = os.path.join(directory, "clock.so"), shutil.which("clang") or shutil.which("cc")
        if not compiler:
            raise RuntimeError("no C compiler: Swift's toolchain has one")
        source = pathlib.Path(__file__).with_name("shifted_clock.c")
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, str(source)], check=True)
        self.environment = {"LD_PRELOAD": library, "SHIFTED_CLOCK": self.path}
        self.set(0)

    def set(self, seconds):
        self.offset = seconds
        with open(self.path, "r+b" if os.path.exists(self.path) else "wb", buffering=0) as file:
            file.write(struct.pack("=q", seconds))

    @property
    def now(self):
        return time.time() + self.offset


def jumping_clock(checks, _):
    with tocsin.Server() as server:
        clock = ShiftedClock(server.directory)
        server.environment = clock.environment
        server.start()
        place = Place(checks, server, "Clock")
        story = ClockStory(place, clock)
        story.step("in order", 0, calls=True)
        story.step("1 h back", -3600, calls=True)
        story.step("1 h back, restarted", -3600, restart=True)
        story.step("right again", 0)
        story.step("1 h ahead", 3600)
        story.step("1 h ahead and back", 0, calls=True)
        story.step("400 days ahead", 400 * 86400)
        story.step("400 days ahead and back", 0)
        story.step("400 days ahead and back, restarted", 0, restart=True)
        place.compare("clock")
        place.stop_and_check_file("clock")


def lasting_apis(place, count):
    """The API with keys of its own that outlive the jumps: without a word a key ends after 365 days."""
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=700)
    for number in range(count):
        body = {"name": f"Lasting {number}", "role": "admin", "expires_at": end.strftime("%Y-%m-%dT%H:%M:%SZ")}
        yield tocsin.API(place.server.port, place.account.api.post(f"{place.account.path}/api-keys", body)["secret"])


class ClockStory:
    """Pushes one after the other while the clock jumps; what fired before a jump recovers after it."""

    def __init__(self, place, clock):
        self.place, self.clock = place, clock
        self.load, self.wire = place.load(), Wire(place.push_url, place.server.port)
        self.delivered, self.fired, self.newest = [], [], 0.0
        self.ordinary = place.account.api
        place.account.api, *self.apis = lasting_apis(place, 4)

    def step(self, when, offset, restart=False, calls=False):
        place, checks = self.place, self.place.checks
        if restart:
            status, _ = place.server.stop()
            checks.equal(status, 0, f"{when}: SIGTERM ends it in good order")
        self.clock.set(offset)
        if restart:
            place.server.start()
            self.wire.close()
        recovered = self.recover()
        self.fire(30)
        place.check_alive(when)
        statuses = Counter(push.status for push in self.load.pushes[-30:])
        checks.equal(statuses, {200: 30}, f"{when}: pushes are accepted")
        ascending = all(earlier < later for earlier, later in itertools.pairwise(self.delivered))
        checks.check(ascending, f"{when}: delivery ids ascend in the order of sending")
        listed = [item["id"] for item in place.account.items("deliveries", integration_id=place.integration)]
        checks.check(listed == self.delivered[::-1], f"{when}: the list shows the last sent first, none twice")
        still = [alert["alert_key"] for alert in place.account.items("alerts", active="true") if alert["alert_key"] in recovered]
        checks.equal(still[:5], [], f"{when}: {len(recovered)} recoveries closed their alerts")
        if calls:
            self.api_is_usable(when)
        self.look_at_time(when)

    def fire(self, count):
        for _ in range(count):
            starts = datetime.datetime.fromtimestamp(self.clock.now, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000000000Z")
            if self.load.push(self.wire, starts=starts) and self.load.pushes[-1].status == 200:
                self.delivered.append(self.load.pushes[-1].delivery)
                self.fired.append((self.load.pushes[-1].key, starts))

    def recover(self):
        """Recoveries of what fired before the jump, with the sender's own times: its clock is right."""
        keys, self.fired = self.fired, []
        for key, starts in keys:
            alert = tocsin.arms_alert(key, status="resolved", starts=starts, ends=starts)
            status, _, answer = self.wire.push(tocsin.arms_body([alert]))
            if status == 200:
                self.delivered.append(answer["data"]["delivery_id"])
        return [key for key, _ in keys]

    def api_is_usable(self, when):
        """A script that makes more calls than fit in a burst may be told to wait, but not for ever."""
        api = self.apis.pop()
        statuses = Counter(api.exchange("GET", "/v1/me", None)[0] for _ in range(1_200))
        time.sleep(1)
        last, _, _ = api.exchange("GET", "/v1/me", None)
        api.close()
        detail = f"{last} after {dict(statuses)} and 1 s of quiet"
        self.place.checks.equal(last, 200, f"{when}: the management API goes on after 1,200 calls ({detail})")

    def look_at_time(self, when):
        """The fault is real, timers go on, times never run backwards."""
        item = self.place.account.api.get(f"{self.place.account.path}/deliveries", limit=1)["items"][0]
        seen = datetime.datetime.fromisoformat(item["received_at"].replace("Z", "+00:00")).timestamp()
        self.newest = max(self.newest, seen)
        self.place.checks.check(seen >= max(self.newest, self.clock.now - 60), f"{when}: received_at does not run backwards", item["received_at"])
        self.place.checks.check(self.date_follows(), f"{when}: the server sees this clock, and its timers run")
        status, _, _ = self.ordinary.exchange("GET", "/v1/me", None)
        note(f"{when}: received_at is {(seen - self.clock.now) / 3600:+.2f} h off the clock; a key of 365 days answers {status}")

    def date_follows(self):
        """Whether the Date header, which the server renews once a second, comes to show this clock."""

        def is_right():
            connection = http.client.HTTPConnection("127.0.0.1", self.place.server.port, timeout=5)
            connection.request("GET", "/healthz")
            date = connection.getresponse().getheader("Date")
            connection.close()
            return abs(email.utils.parsedate_to_datetime(date).timestamp() - self.clock.now) < 30

        try:
            return tocsin.wait_until("the Date header follows", is_right, 3)
        except TimeoutError:
            return False


# --- file descriptors


def no_descriptors(checks, _):
    with tocsin.Server(prefix=["prlimit", "--nofile=128:128", "--"]) as server:
        server.start()
        place = Place(checks, server, "Descriptors")
        kept, load = Wire(place.push_url, server.port), place.load()
        load.push(kept)
        with contextlib.ExitStack() as stack:
            for _ in range(300):
                stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
            began, worked = time.monotonic(), 0
            while time.monotonic() - began < 3:
                worked += load.push(kept) and load.pushes[-1].status == 200
                time.sleep(0.02)
            used = len(os.listdir(f"/proc/{server.process.pid}/fd")) if server.process.poll() is None else 0
            checks.check(80 <= used <= 120, f"300 connections and 128 descriptors: all but a few are taken ({used} in use)")
            checks.check(server.process.poll() is None, "no descriptors: the server is up")
            checks.check(worked > 50, f"no descriptors: a connection from before is served on ({worked} pushes)")
        place.works_again("connections gone")
        place.check_alive("connections gone")
        kept.close()
        place.check_answers(load.pushes, "no descriptors")
        place.compare("no descriptors")
        place.stop_and_check_file("no descriptors")


# --- all of it


FAULTS = {"disk": disk_full, "sync": slow_disk, "stop": stop_under_load, "clock": jumping_clock, "files": no_descriptors}


def with_own_mounts():
    """Starts this script again in a mount namespace of its own, where it may mount; goes on without when that is not allowed."""
    if os.environ.get(OWN_MOUNTS):
        return
    flags = ["--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount"]
    if subprocess.run(["unshare", *flags, "true"], check=False).returncode == 0:
        os.environ[OWN_MOUNTS] = "1"
        os.execvp("unshare", ["unshare", *flags, "--", sys.executable, os.path.abspath(__file__), *sys.argv[1:]])


def main(options, checks):
    random.seed(options.seed)
    print(f"seed {options.seed}, {', '.join(options.only)}")
    for name in options.only:
        began = time.monotonic()
        print(f"-- {name}", flush=True)
        try:
            FAULTS[name](checks, options)
        except (tocsin.APIError, OSError, RuntimeError, subprocess.SubprocessError, Cut) as error:
            checks.check(False, f"{name} went through", f"{type(error).__name__}: {error}")
        print(f"-- {name}: {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="also a disk of ext4, a sync of 10 s, 50 ends by SIGTERM")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(FAULTS))
    parser.add_argument("--stops", type=int)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parsed = parser.parse_args()
    parsed.stops = parsed.stops or (50 if parsed.full else 10)
    if unknown := set(parsed.only) - FAULTS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    with_own_mounts()
    tocsin.run(lambda checks: main(parsed, checks), seconds=900 if parsed.full else 300)
