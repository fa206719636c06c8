#!/usr/bin/env python3
"""Restarts, upgrades and crashes under load, with a listening socket that outlives the server: no push goes without an answer.

    restarts.py [--restarts 5] [--upgrades 2] [--kills 2] [--rate 200] [--own-socket] [--seed N]

This script stands in for systemd: it holds the socket and starts the server with it (LISTEN_FDS). A sender as hard as ARMS opens a
connection for each push, waits 4 s for its answer and never sends anything twice. A restart is SIGTERM and a start; an upgrade starts a copy
of the program at another path, which waits for the data directory, and then stops the old one. At every third of them one client stops in
the middle of a request. Each of these pushes needs its 2xx, and each one that got it is stored exactly once.

Beside it some clients keep their connections: what they lose when a kept connection is closed under a request is counted and reported, and so
are the pushes that a `kill -9` leaves without an answer. `--own-socket` is the counter-test: without the held socket, pushes get lost.
"""

import argparse
import asyncio
import fcntl
import itertools
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import threading
import time
import urllib.parse
from collections import Counter

import tocsin

PATIENCE = 4.0  # seconds from the first byte to the last one of the answer
KEPT_PERIODS = (0.05, 0.2, 0.9, 1.1, 3.0)  # seconds between the pushes of one client that keeps its connection


class HeldServer(tocsin.Server):
    """A server that is started with a listening socket which this process keeps open."""

    def __init__(self, own_socket=False):
        super().__init__()
        self.binary, self.descriptor = tocsin.binary(), None
        if not own_socket:
            with socket.create_server(("127.0.0.1", self.port), backlog=4096) as listener:
                # Below 10, because the shell that moves it to 3 knows no longer numbers.
                self.descriptor = fcntl.fcntl(listener.fileno(), fcntl.F_DUPFD_CLOEXEC, 4)

    def __exit__(self, *arguments):
        super().__exit__(*arguments)
        if self.descriptor is not None:
            os.close(self.descriptor)

    def launch(self):
        command = [*tocsin.WITH_US, self.binary, "serve", "--data-dir", self.data]
        environment, descriptors = tocsin.clean_environment(), ()
        if self.descriptor is None:
            command += ["--listen", f"127.0.0.1:{self.port}"]
        else:
            number = self.descriptor
            command = ["sh", "-c", f'LISTEN_PID=$$ exec "$@" 3<&{number} {number}<&-', "sh", *command]
            environment["LISTEN_FDS"], descriptors = "1", (number,)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory, env=environment, pass_fds=descriptors
            )

    def upgrade(self, binary):
        """Starts the new program, then stops the old one; returns the old one's exit status and the seconds it took to end."""
        old, self.binary = self.process, binary
        self.launch()
        time.sleep(0.2)  # it gets as far as it can without the data directory
        began = time.monotonic()
        old.terminate()
        try:
            return old.wait(25), time.monotonic() - began
        finally:
            if old.poll() is None:
                old.kill()
                old.wait(10)


class Push:
    def __init__(self, number, began):
        self.number, self.began = number, began
        self.key = f"restart-{number}"
        self.seconds = self.delivery = self.problem = None

    def request(self, path):
        body = tocsin.arms_body([tocsin.arms_alert(self.key, push=str(self.number))])
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {tocsin.ARMS_TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body


async def answer(reader):
    """(status, headers, body) of one answer; raises when it is not complete."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    return int(head[0].split()[1]), headers, await reader.readexactly(int(headers["content-length"]))


class Load(threading.Thread):
    """The senders, on an event loop of their own, and what each push came to."""

    def __init__(self, push_url, port, rate):
        super().__init__(daemon=True)
        self.path, self.port, self.rate = urllib.parse.urlsplit(push_url).path, port, rate
        self.numbers, self.ended = itertools.count(1), False
        self.pushes, self.kept, self.closed_between, self.asked_to_close = [], [], 0, 0

    def run(self):
        asyncio.run(self.work())

    async def work(self):
        kept = [asyncio.create_task(self.keep(period)) for period in KEPT_PERIODS for _ in range(2)]
        pushes, began = set(), time.monotonic()
        for count in itertools.count():
            await asyncio.sleep(max(began + count / self.rate - time.monotonic(), 0))
            if self.ended:
                break
            push = Push(next(self.numbers), time.monotonic())
            self.pushes.append(push)
            task = asyncio.create_task(self.send_alone(push))
            pushes.add(task)
            task.add_done_callback(pushes.discard)
        await asyncio.gather(*kept, *pushes)

    async def send_alone(self, push):
        """As ARMS does: one connection, one push."""
        writer = None
        try:
            async with asyncio.timeout(PATIENCE):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                await self.exchange(push, reader, writer)
        except TimeoutError:
            push.problem = f"no answer within {PATIENCE} s"
        except (OSError, EOFError) as error:
            push.problem = f"{type(error).__name__}: {error}"
        finally:
            if writer:
                writer.close()

    async def exchange(self, push, reader, writer):
        """Sends it and reads the answer; true when the connection may be used again."""
        writer.write(push.request(self.path))
        status, headers, body = await answer(reader)
        push.seconds = time.monotonic() - push.began
        if 200 <= status < 300:
            push.delivery = json.loads(body)["data"]["delivery_id"]
        else:
            push.problem = f"status {status}"
        return headers.get("connection") != "close"

    async def keep(self, period):
        """A client that keeps its connection, as long as the server does, and sends nothing twice."""
        reader = writer = None
        while not self.ended:
            await asyncio.sleep(period * random.uniform(0.8, 1.2))
            if writer and reader.at_eof():  # what every client looks at before it uses a kept connection again
                self.closed_between += 1
                writer.close()
                writer = None
            push = Push(next(self.numbers), time.monotonic())
            push.reused = writer is not None
            self.kept.append(push)
            try:
                async with asyncio.timeout(PATIENCE):
                    if not writer:
                        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    if await self.exchange(push, reader, writer):
                        continue
                    self.asked_to_close += 1
            except TimeoutError:
                push.problem = f"no answer within {PATIENCE} s"
            except (OSError, EOFError) as error:
                push.problem = f"{type(error).__name__}: {error}"
            if writer:
                writer.close()
            writer = None
        if writer:
            writer.close()

    def end(self):
        self.ended = True
        self.join(PATIENCE + 10)


class Half:
    """A client that stops in the middle of its request."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.socket.sendall(b"POST /p/half HTTP/1.1\r\nHost: 127.0")

    def close(self):
        self.socket.close()


class Run:
    """The events, one after the other, each with its figures."""

    def __init__(self, server, load, checks):
        self.server, self.load, self.checks = server, load, checks
        self.stops, self.statuses, self.lost_by_kill = [], [], []

    def cycle(self, kind, number):
        time.sleep(random.uniform(0.3, 0.7))
        half = Half(self.server.port) if number % 3 == 2 and kind != "kill" else None
        time.sleep(0.05)
        first = len(self.load.pushes)
        if kind == "kill":
            self.server.kill()
            self.server.launch()
        elif kind == "upgrade":
            self.note(*self.server.upgrade(self.copy(number)))
        else:
            self.note(*self.server.stop())
            self.server.launch()
        tocsin.wait_until("the server is ready", self.server.is_ready, 20, every=0.01)
        if half:
            half.close()
        if kind == "kill":
            time.sleep(0.2)
            self.lost_by_kill.append([p for p in self.load.pushes[max(first - 50, 0):] if p.problem])

    def note(self, status, seconds):
        self.statuses.append(status)
        self.stops.append(seconds)

    def copy(self, number):
        path = os.path.join(self.server.directory, f"tocsin-{number}")
        shutil.copy2(tocsin.binary(), path)
        return path


def percentile(values, share):
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def verify_stored(checks, account, integration, pushes):
    """Each acknowledged push is stored once; returns the keys that are stored."""
    listed = Counter(item["id"] for item in account.items("deliveries", integration_id=integration))
    events = Counter(item["alert_key"] for item in account.items("events", integration_id=integration))
    acknowledged = [push for push in pushes if push.delivery]
    wrong = [(p.number, listed[p.delivery], events[p.key]) for p in acknowledged if (listed[p.delivery], events[p.key]) != (1, 1)]
    checks.equal(wrong[:3], [], f"all {len(acknowledged)} acknowledged pushes are stored exactly once")
    twice = [key for key, count in events.items() if count > 1]
    checks.equal(twice[:3], [], "nothing is stored twice")
    strangers = set(events) - {push.key for push in pushes}
    checks.equal(sorted(strangers)[:3], [], "nothing is stored that was not sent")
    return events


def report(run, load, events, orderly_end):
    seconds = [push.seconds for push in load.pushes if push.seconds]
    print(
        f"{len(load.pushes)} pushes, a connection each: answered after {1000 * statistics.median(seconds):.0f} ms (median), "
        f"{percentile(seconds, 0.99):.2f} s (p99), {max(seconds):.2f} s (longest)"
    )
    if run.stops:
        print(f"SIGTERM to exit: median {statistics.median(run.stops):.2f} s, longest {max(run.stops):.2f} s")
    bad = [push for push in load.kept if push.problem and push.began < orderly_end]
    races = [push for push in bad if push.reused]
    print(
        f"{len(load.kept)} pushes on kept connections: {len(races)} lost on a connection that was closed under them "
        f"({sum(1 for p in races if p.key in events)} of these stored), {len(bad) - len(races)} on a new one; "
        f"{load.asked_to_close} times the server asked to close, {load.closed_between} times it closed in between"
    )
    for push in bad[:3]:
        print(f"      kept connection: {push.problem}")
    if run.lost_by_kill:
        lost = [len({push.number for push in pushes}) for pushes in run.lost_by_kill]
        print(f"{len(lost)} times kill -9: unanswered each time {lost}")


def order(arguments):
    """Restarts and upgrades mixed; crashes come after them."""
    kinds = ["restart"] * arguments.restarts + ["upgrade"] * arguments.upgrades
    random.shuffle(kinds)
    return list(enumerate(kinds)), [("kill", n) for n in range(arguments.kills)]


def main(arguments, checks):
    random.seed(arguments.seed)
    print(f"seed {arguments.seed}, {arguments.restarts} restarts, {arguments.upgrades} upgrades, {arguments.kills} kills, {arguments.rate}/s")
    with HeldServer(arguments.own_socket) as server:
        server.start()
        account = tocsin.Account(server, "Restarts")
        integration = account.dedicated("aliyun-arms", "ARMS over restarts", account.channel("Restarts"))
        account.api.close()
        load = Load(integration["push_url"], server.port, arguments.rate)
        run = Run(server, load, checks)
        orderly, kills = order(arguments)
        began = time.monotonic()
        load.start()
        for number, kind in orderly:
            run.cycle(kind, number)
        time.sleep(0.5)
        count, orderly_end = len(load.pushes), time.monotonic()
        seconds = orderly_end - began
        for kind, number in kills:
            run.cycle(kind, number)
        load.end()
        orderly_pushes = load.pushes[:count] if kills else load.pushes
        lost = [f"push {p.number}: {p.problem or 'nothing'}" for p in orderly_pushes if not p.delivery]
        checks.equal(lost[:5], [], f"0 of {len(orderly_pushes)} pushes went without a 2xx ({len(lost)} did)")
        checks.check(count > 0.9 * arguments.rate * seconds, f"the senders kept their pace ({count / seconds:.0f}/s)")
        checks.equal(Counter(run.statuses), Counter({0: len(orderly)}), "every stop ended with exit status 0")
        events = verify_stored(checks, account, integration["id"], load.pushes + load.kept)
        report(run, load, events, orderly_end)
        if checks.failed:
            server.print_log()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--restarts", type=int, default=5)
    parser.add_argument("--upgrades", type=int, default=2)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--own-socket", action="store_true")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parsed = parser.parse_args()
    tocsin.run(lambda checks: main(parsed, checks), seconds=60 + 8 * (parsed.restarts + parsed.upgrades + parsed.kills))
