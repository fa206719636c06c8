#!/usr/bin/env python3
"""The load generator of the comparison (Tests/bench/load.c) against a server that misbehaves as it is told: what it reports is true.

    load_generator.py

A fixed schedule has to show a stall of the server in full (no coordinated omission); as a control the same stall all but vanishes
from a run without a schedule.
"""

import http.server
import pathlib
import sys
import tempfile
import threading
import time

import tocsin

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))
import load  # noqa: E402  (needs the path above)

STALL = 1.0


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers 200; `stalls_at` and `odd` of the server say when it does not."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:  # one at a time: a stall stops all
            self.server.seen.append(self.path + " " + body.decode())
            number = len(self.server.seen)
            if self.server.stalls_at and time.monotonic() > self.server.stalls_at:
                self.server.stalls_at = None
                time.sleep(STALL)
        kind = self.server.odd.get(number % 10)
        if kind == "silent":
            time.sleep(5)
        if kind in ("silent", "dropped"):
            self.close_connection = True
            return
        self.send_response(503 if kind == "refused" else 200)
        self.send_header("Content-Length", "2")
        if kind == "last":
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"ok")

    do_GET = do_POST

    def log_message(self, *_):
        pass


class Stub(http.server.ThreadingHTTPServer):
    """On a free port, in a thread of its own."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answers)
        self.lock, self.seen, self.odd, self.stalls_at = threading.Lock(), [], {}, None
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def reset(self, odd=None, stall_after=None):
        self.seen, self.odd = [], odd or {}
        self.stalls_at = time.monotonic() + stall_after if stall_after else None


def main(checks):
    with tempfile.TemporaryDirectory(prefix="tocsin-test-") as directory:
        generator, server = load.Generator(directory), Stub()
        try:
            check_requests(checks, generator, server)
            check_stall(checks, generator, server)
            check_errors(checks, generator, server)
        finally:
            server.shutdown()
            server.server_close()


def check_requests(checks, generator, server):
    request = load.post("/a@ID@", b'{"x": "@ID@", "y": "@ID@"}')
    result = generator.run(server.server_port, request, connections=4, count=50, first=7)
    expected = [f'/a{n:010d} {{"x": "{n:010d}", "y": "{n:010d}"}}' for n in range(7, 57)]
    checks.equal(sorted(server.seen), expected, "50 requests, each with its own number everywhere")
    checks.equal((result["requests"], result["bad"]), (50, 0), "all 50 are counted")
    server.reset()
    generator.run(server.server_port, load.post("/@ID@", b"@ID@", 3), values=["one", "two", "six"], connections=1, count=4, first=2)
    checks.equal(server.seen, ["/six six", "/one one", "/two two", "/six six"], "the lines of a file in turn")


def check_stall(checks, generator, server):
    request = load.post("/", b"x")
    server.reset(stall_after=1)
    closed = generator.run(server.server_port, request, connections=4, seconds=3)
    checks.check(closed["max_ms"] > 900 and closed["p99_ms"] < 800, "control: without a schedule a stall all but vanishes", str(closed))
    server.reset(stall_after=1)
    timed = generator.run(server.server_port, request, connections=4, rate=200, seconds=4)
    # 200 of 800 requests were due during the stall; they waited for 0 to 1 s.
    checks.check(850 < timed["p99_ms"] < 3000, "on a schedule a stall of 1 s in 4 s is the p99", str(timed))
    checks.check(timed["p50_ms"] < 800, "and not the median", str(timed))
    checks.equal((timed["requests"], timed["bad"]), (800, 0), "what was due during the stall is sent afterwards")
    checks.check(3.7 < timed["seconds"] < 7, "the schedule is kept", str(timed))


def check_errors(checks, generator, server):
    request = load.post("/", b"x")
    server.reset(odd={3: "refused", 5: "dropped", 7: "last"})
    result = generator.run(server.server_port, request, connections=4, count=100)
    found = tuple(result[name] for name in ("requests", "not_2xx", "broken", "unanswered"))
    checks.equal(found, (90, 10, 10, 0), "refused, broken and last answers of a connection are told apart")
    server.reset(odd={1: "silent"})
    result = generator.run(server.server_port, request, connections=1, rate=10, seconds=1, timeout=1)
    checks.equal((result["requests"], result["unanswered"]), (0, 10), "what is never answered is counted, sent or not")
    checks.check(1900 < result["max_ms"] < 5000, "with the time it has waited", str(result))


if __name__ == "__main__":
    tocsin.run(main, seconds=60)
