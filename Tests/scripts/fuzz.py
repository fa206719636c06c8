#!/usr/bin/env python3
"""A seeded fuzzer against a running server: pushes, YAML and JSON documents, templates, conditions and patterns.

    fuzz.py [--seconds 10] [--seed N] [--kinds KIND...] [--first N --count 1]      one input again
    fuzz.py --swift SECONDS      the fuzz suites of the Swift tests (`swift build --build-tests` first), for so long each

Held: every answer is a documented one, comes within its budget of a second, and the process lives. An input is a function of seed, kind and
number alone: what fails is told with the command that makes it again. One that is late is sent three times more, and fails if it is late always.
"""

import argparse
import http.client
import json
import os
import pathlib
import subprocess
import time
from collections import Counter

import fuzz_inputs
import tocsin

BUDGET = 1.0  # seconds for an answer
BIGGEST = 200_000  # bytes of an input
PUSHED, CALLED = {200, 400, 401, 413, 415}, {200, 201, 400, 409, 413, 415, 422}


class Target:
    """A server with an account that may call as often as it likes."""

    def __init__(self, server):
        self.server, self.account = server, tocsin.Account(server, "Fuzzed")
        operator = tocsin.API(server.port, server.operator_key())
        operator.call("PATCH", self.account.path, {"limits": {"calls_per_second": 100_000, "call_burst": 200_000}})
        operator.close()
        self.channel = self.account.channel("Main")
        shared = self.account.shared("aliyun-arms", "ARMS", [self.channel])
        self.integration = shared["id"]
        self.pushes = [
            self.sender(shared),
            self.sender(self.account.dedicated("standard", "Standard", self.channel)),
            self.sender(self.account.dedicated("prometheus", "Prometheus", self.channel)),
        ]
        self.connection = None

    def sender(self, integration):
        return tocsin.Sender(integration["push_url"], self.server.port).path

    def send(self, kind, data, number):
        """(status, seconds) of an input of a kind; the status is None when there was no answer."""
        path, kind_of_body, method = self.address(kind, number)
        headers = {"Content-Type": kind_of_body, "Authorization": f"Bearer {self.account.key}"}
        if kind == "push":
            del headers["Authorization"]
        for _ in range(2):  # the kept connection may have been closed since
            was_kept = self.connection is not None
            self.connection = self.connection or http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
            began = time.monotonic()
            try:
                self.connection.request(method, path, data, headers)
                answer = self.connection.getresponse()
                answer.read()
                return answer.status, time.monotonic() - began
            except (OSError, http.client.HTTPException):
                self.connection.close()
                self.connection = None
                if not was_kept:
                    break
        return None, time.monotonic() - began

    def address(self, kind, number):
        """(path, content type, method) for inputs of a kind."""
        account, json_type = self.account.path, "application/json"
        if kind == "push":
            return self.pushes[number % len(self.pushes)], tocsin.ARMS_TYPE, "POST"
        if kind == "yaml":
            return f"{account}/config/plan", "application/yaml", "POST"
        if kind == "template":
            return f"{account}/channels/{self.channel}/notifiers/preview", json_type, "POST"
        if kind == "notifier":
            return f"{account}/channels/{self.channel}/notifiers?dry_run=true", json_type, "POST"
        if kind == "condition":
            return f"{account}/integrations/{self.integration}/simulate", json_type, "POST"
        return f"{account}/config/plan", json_type, "POST"


def is_good(kind, status):
    return status in (PUSHED if kind == "push" else CALLED)


def try_one(target, kind, seed, number, found):
    """Sends one input; what is wrong with its answer, None when nothing is."""
    data = fuzz_inputs.make(kind, seed, number)[:BIGGEST]
    status, seconds = target.send(kind, data, number)
    found[kind, status] += 1
    if target.server.process.poll() is not None:
        return "the process ended"
    if not is_good(kind, status):
        return f"answered {status}"
    if seconds > BUDGET:
        again = min(target.send(kind, data, number)[1] for _ in range(3))
        return f"took {min(seconds, again):.1f} s" if again > BUDGET else None
    return None


def main(options, checks):
    found, slowest, failures = Counter(), 0.0, []
    with tocsin.Server(options.parent) as server:
        server.start()
        target = Target(server)
        end, number = time.monotonic() + options.seconds, options.first
        while (number < options.first + options.count if options.count else time.monotonic() < end) and len(failures) < 10:
            for kind in options.kinds:
                began = time.monotonic()
                problem = try_one(target, kind, options.seed, number, found)
                slowest = max(slowest, time.monotonic() - began)
                if problem:
                    failures.append(f"{problem}: fuzz.py --seed {options.seed} --kinds {kind} --first {number} --count 1")
                if server.process.poll() is not None:
                    server.start()
            number += 1
        total = sum(found.values())
        table = {kind: {str(status): count for (name, status), count in sorted(found.items(), key=str) if name == kind} for kind in options.kinds}
        print(f"      seed {options.seed}, {total} inputs, the slowest {slowest * 1000:.0f} ms: {json.dumps(table)}", flush=True)
        checks.check(not failures, f"{total} inputs: documented answers, each within {BUDGET:.0f} s, and the process lives", "; ".join(failures))
        taken = [kind for kind in options.kinds if found[kind, 200] or found[kind, 201]]
        checks.check(options.count or taken == options.kinds, "some of each kind are good enough to be taken", str(taken))
        status, _ = server.stop()
        checks.equal(status, 0, "SIGTERM ends the server in good order")


def swift(seconds):
    """The fuzz suites of the Swift tests."""
    command = ["swift", "test", "--skip-build", "--no-parallel", "--filter", "Fuzz"]
    environment = {**os.environ, "TOCSIN_FUZZ_SECONDS": str(seconds)}
    return subprocess.run(command, cwd=pathlib.Path(tocsin.ROOT), env=environment, check=False).returncode


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", choices=fuzz_inputs.KINDS, default=fuzz_inputs.KINDS)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--parent", help="where the data directory is made")
    parser.add_argument("--swift", type=int, metavar="SECONDS")
    parsed = parser.parse_args()
    if parsed.swift:
        raise SystemExit(swift(parsed.swift))
    tocsin.run(lambda checks: main(parsed, checks), seconds=120 + int(parsed.seconds) + parsed.count)
