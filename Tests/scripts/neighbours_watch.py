"""The neighbour of neighbours.py, in a process of its own: it pushes new alerts and makes calls, each kind ten times a second, whatever happens.

    neighbours_watch.py ABOUT      (started by `Neighbour`; ABOUT, JSON: who it is; each line of standard input begins a section)

Every call has a moment at which it is due, and is sent then, on another connection if the one before still waits; how long it took counts from
its sending to the last byte of its answer. `me` opens a connection for each call, as a new client would; the others keep theirs. A clock beside
them says by how much this process itself was held up: what is not the server's fault is seen. As soon as a section ends the next one begins;
the figures of the one that has ended go out as a line of JSON when its last call was answered or given up.
"""

import asyncio
import contextlib
import gc
import json
import os
import signal
import subprocess
import sys
import time

import tocsin

PATIENCE = 10.0  # seconds after which a call counts as unanswered
RATE = 10  # of each kind in a second
TICK = 0.01  # seconds between two looks of the clock at itself
IDLE = 5.0  # seconds: a kept connection that was silent for longer is not used again (the server may be about to close it)


class Section:
    """What became of the calls that were due in it."""

    def __init__(self, name):
        self.name, self.due, self.held_up = name, 0, 0.0
        self.times, self.bad, self.unanswered = {}, [], []

    def done(self, kind, seconds):
        self.times.setdefault(kind, []).append(round(seconds * 1000, 2))

    def is_over(self):
        return sum(map(len, self.times.values())) == self.due

    def figures(self):
        return {
            "name": self.name, "times": self.times, "refused": len(self.bad), "unanswered": len(self.unanswered),
            "examples": sorted(set(self.bad + self.unanswered))[:3], "held_up": round(self.held_up * 1000, 1),
        }


class Kind:
    """One kind of call. `make(number)`: the request; `is_kept`: connections are."""

    def __init__(self, name, make, is_kept=True):
        self.name, self.make, self.is_kept = name, make, is_kept
        self.idle = []  # (moment of its last answer, reader, writer)

    async def connection(self, port):
        """(reader, writer, whether it was used before)"""
        while self.idle:
            moment, reader, writer = self.idle.pop()
            if not reader.at_eof() and time.monotonic() - moment < IDLE:
                return reader, writer, True
            writer.close()
        return *await asyncio.open_connection("127.0.0.1", port), False

    def put_back(self, reader, writer, closes):
        if self.is_kept and not closes:
            self.idle.append((time.monotonic(), reader, writer))
        else:
            writer.close()


class Watch:
    def __init__(self, port, kinds):
        self.port, self.kinds, self.section, self.tasks = port, kinds, Section("start"), set()

    async def run(self):
        loops = [asyncio.create_task(self.keep(kind, n / len(self.kinds) / RATE)) for n, kind in enumerate(self.kinds)]
        loops.append(asyncio.create_task(self.look_at_the_clock()))
        lines = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        while line := await lines.readline():
            over, self.section = self.section, Section(line.decode().strip())
            while not over.is_over():
                await asyncio.sleep(0.01)
            print(json.dumps(over.figures()), flush=True)
        for task in loops:
            task.cancel()

    async def keep(self, kind, offset):
        """Sends a call whenever one is due."""
        began, number = time.monotonic() + offset, 0
        while True:
            await asyncio.sleep(max(0.0, began + number / RATE - time.monotonic()))
            self.section.due += 1
            task = asyncio.create_task(self.call(kind, self.section, number))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
            number += 1

    async def look_at_the_clock(self):
        while True:
            before = time.monotonic()
            await asyncio.sleep(TICK)
            self.section.held_up = max(self.section.held_up, time.monotonic() - before - TICK)

    async def call(self, kind, section, number):
        began = time.monotonic()
        try:
            status, text = await asyncio.wait_for(self.answer(kind, number), PATIENCE)
            if status != 200:
                section.bad.append(f"{kind.name}: {status} {text}")
        except (OSError, EOFError, ValueError, asyncio.TimeoutError) as error:
            section.unanswered.append(f"{kind.name}: {type(error).__name__} {error}"[:160])
        section.done(kind.name, time.monotonic() - began)

    async def answer(self, kind, number):
        """(status, the beginning of the body). A kept connection may be closed as the call goes out: then once more, on a new one."""
        reader, writer, was_used = await kind.connection(self.port)
        try:
            writer.write(kind.make(number))
            head = await reader.readuntil(b"\r\n\r\n")
            status, length, closes = parsed(head)
            body = await reader.readexactly(length)
        except asyncio.IncompleteReadError as error:
            writer.close()
            if was_used and not error.partial:
                return await self.answer(kind, number)
            raise
        except BaseException as error:
            writer.close()
            if was_used and isinstance(error, ConnectionError):
                return await self.answer(kind, number)
            raise
        kind.put_back(reader, writer, closes)
        return status, body[:120].decode(errors="replace")


def parsed(head):
    """(status, length of the body, whether the connection ends) of the head of an answer."""
    lower = head.lower()
    length = lower.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
    return int(head[9:12]), int(length or 0), b"\r\nconnection: close" in lower


def kinds(about):
    """What the neighbour does all the time."""
    key = f"Authorization: Bearer {about['key']}\r\n"
    run = f"{time.time_ns():x}"

    def push(number):
        body = tocsin.arms_body([tocsin.arms_alert(f"neighbour-{run}-{number}")])
        head = f"POST {about['push']} HTTP/1.1\r\nHost: tocsin\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body

    def get(path, more=""):
        request = f"GET {path} HTTP/1.1\r\nHost: tocsin\r\n{more}\r\n".encode()
        return lambda _: request

    return [
        Kind("push", push), Kind("me", get("/v1/me", key + "Connection: close\r\n"), is_kept=False),
        Kind("list", get(f"/v1/accounts/{about['account']}/alerts?limit=20", key)), Kind("healthz", get("/healthz")),
    ]


class Neighbour:
    """The side of the calling script: an account, its process, and the figures of sections."""

    def __init__(self, account, push_url, port):
        self.about = {"port": port, "account": account.id, "key": account.key, "push": tocsin.Sender(push_url, port).path}
        self.process = None

    def __enter__(self):
        command = [*tocsin.WITH_US, sys.executable, __file__, json.dumps(self.about)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(10)
        self.process.stdin.close()
        self.process.stdout.close()

    def section(self, name):
        """Begins a section; the figures of the one before, once all of its calls are answered or given up."""
        self.process.stdin.write(name + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the neighbour ended")
        return json.loads(line)

    def watch(self, name, seconds):
        self.section(name)
        time.sleep(seconds)
        return self.section("between")


def times_of(figures):
    """All waits of a section in milliseconds, sorted."""
    return sorted(time for times in figures["times"].values() for time in times)


def percentile(times, part):
    """Milliseconds that `part` percent of these sorted waits do not exceed."""
    return times[max(0, -(-len(times) * part // 100) - 1)] if times else 0.0


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with contextlib.suppress(OSError):  # it stands for a machine of its own; without the right to it, the clock tells what was lost
        os.nice(-10)
    gc.disable()
    about = json.loads(sys.argv[1])
    asyncio.run(Watch(about["port"], kinds(about)).run())


if __name__ == "__main__":
    main()
