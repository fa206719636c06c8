"""A well-behaved sender at a steady rate, in a process of its own, so that what the calling script does can't blur its latencies.

    pace.py PORT PATH RATE CONNECTIONS      (started by `Neighbour`; reads names of sections from standard input)

Each push has a moment at which it is due; its latency counts from there to the end of its answer, so that a push that waits behind a
slow one is seen as slow, too. Each line that comes in begins a section; the figures of the one before it go out as a line of JSON.
"""

import gc
import http.client
import json
import signal
import subprocess
import sys
import threading
import time
import urllib.parse

import tocsin

KEYS = 200  # alerts that it keeps firing


class Section:
    """What became of the pushes that were due in it. `name` is for people."""

    def __init__(self, name):
        self.name = name
        self.lock = threading.Lock()
        self.due, self.latencies, self.bad = 0, [], []

    def begin(self):
        with self.lock:
            self.due += 1

    def done(self, seconds, problem):
        with self.lock:
            self.latencies.append(seconds * 1000)
            if problem:
                self.bad.append(problem)

    def is_over(self):
        with self.lock:
            return len(self.latencies) == self.due

    def figures(self):
        with self.lock:
            return {
                "name": self.name, "times": [round(time, 3) for time in self.latencies], "bad": len(self.bad),
                "unfinished": self.due - len(self.latencies), "examples": sorted(set(self.bad))[:3],
            }


def percentile(sections, part):
    """Milliseconds that `part` percent of the pushes of these sections do not exceed."""
    times = sorted(time for section in sections for time in section["times"])
    return times[max(0, -(-len(times) * part // 100) - 1)] if times else 0.0


class Pacer:
    """Pushes on `connections` kept connections, each in its turn."""

    def __init__(self, port, path, rate, connections):
        self.port, self.path, self.rate, self.connections = port, path, rate, connections
        self.section, self.ended = Section("start"), False
        self.began = time.monotonic()

    def work(self, number):
        connection = None
        for turn in range(number, sys.maxsize, self.connections):
            due = self.began + turn / self.rate
            time.sleep(max(0.0, due - time.monotonic()))
            if self.ended:
                break
            section = self.section
            section.begin()
            connection, problem = self.push(connection, turn)
            section.done(time.monotonic() - due, problem)

    def push(self, connection, turn):
        """(the connection, None when it is spent; what was wrong, None when it was a 200)."""
        body = tocsin.arms_body([tocsin.arms_alert(f"neighbour-{turn % KEYS}", push=str(turn))])
        try:
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
            connection.request("POST", self.path, body, {"Content-Type": tocsin.ARMS_TYPE})
            response = connection.getresponse()
            answer = response.read()
            return connection, None if response.status == 200 else f"{response.status} {answer[:120].decode(errors='replace')}"
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return None, f"{type(error).__name__}: {error}"

    def run(self, commands):
        threads = [threading.Thread(target=self.work, args=(n,), daemon=True) for n in range(self.connections)]
        for thread in threads:
            thread.start()
        for line in commands:
            self.change(line.strip())
        self.ended = True
        for thread in threads:
            thread.join(20)

    def change(self, name):
        over, self.section = self.section, Section(name)
        end = time.monotonic() + 20
        time.sleep(0.01)  # a push that just chose its section has begun it by then
        while not over.is_over() and time.monotonic() < end:
            time.sleep(0.01)
        print(json.dumps(over.figures()), flush=True)


class Neighbour:
    """The side of the calling script: starts the process, names sections, gets their figures."""

    def __init__(self, push_url, port, rate=50, connections=4):
        path = urllib.parse.urlsplit(push_url).path
        self.command = [*tocsin.WITH_US, sys.executable, __file__, str(port), path, str(rate), str(connections)]
        self.process = None

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(10)
        self.process.stdin.close()
        self.process.stdout.close()

    def section(self, name):
        """Begins a section; the figures of the one before."""
        self.process.stdin.write(name + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the neighbour ended")
        return json.loads(line)

    def watch(self, name, seconds):
        """The figures of `seconds` of pushes under `name`."""
        self.section(name)
        time.sleep(seconds)
        return self.section("between")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    gc.disable()
    Pacer(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), int(sys.argv[4])).run(sys.stdin)
