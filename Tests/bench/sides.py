"""The two servers of the comparison, wrk, and what a process used."""

import json
import math
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests/scripts"))
import tocsin  # noqa: E402  (needs the path above)
from alertmanager import Alertmanager  # noqa: E402

# A null receiver and no cluster; everything else as Alertmanager has it by default.
NULL_CONFIG = "route:\n  receiver: nobody\n  group_by: [alertname]\nreceivers:\n  - name: nobody\n"
TICKS = os.sysconf("SC_CLK_TCK")


class Side:
    """What a measurement asks of one that runs, on `port` as process `pid`."""

    def places(self, _):
        """What push.lua has to know besides the port and the path."""
        return []

    def cpu(self):
        """CPU seconds used so far, by the name of the result that they become."""
        return {"cpu_us": cpu_seconds(self.pid)}

    def memory(self):
        return {"memory": tocsin.resident_memory(self.pid)}


class TocsinSide(Side):
    """A fresh Tocsin with one dedicated ARMS integration."""

    name = "Tocsin"

    def __init__(self, parent):
        self.server = self.place = tocsin.Server(parent)
        self.servers = [self.server]

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.place.__exit__(*sys.exc_info())
            raise
        return self

    def start(self):
        self.server.start()
        self.port, self.pid = self.server.port, self.server.process.pid
        self.account = tocsin.Account(self.server, "Bench")
        self.channel = self.account.channel("Bench")
        self.path = push_path(self.account.dedicated("aliyun-arms", "ARMS", self.channel))

    def __exit__(self, *problem):
        for server in self.servers:
            if server.process.poll() is None and not any(problem):
                stop(server)
        self.place.__exit__(*problem)

    def body(self, keys):
        return tocsin.arms_body([tocsin.arms_alert(key) for key in keys])


class AlertmanagerSide(Side):
    """A fresh Alertmanager with a null receiver."""

    name = "Alertmanager"
    path = "/api/v2/alerts"

    def __init__(self, parent):
        self.directory = tempfile.mkdtemp(prefix="tocsin-bench-", dir=parent)
        self.manager = Alertmanager(self.directory, "unused")
        pathlib.Path(self.manager.config).write_text(NULL_CONFIG, encoding="utf-8")

    def __enter__(self):
        self.manager.__enter__()
        self.port, self.pid = self.manager.port, self.manager.process.pid
        return self

    def __exit__(self, *problem):
        self.manager.__exit__(*problem)
        shutil.rmtree(self.directory, ignore_errors=True)

    def body(self, keys):
        kept = ("labels", "annotations", "startsAt")  # no endsAt: Alertmanager's resolve_timeout holds, the alert is firing
        alerts = [tocsin.arms_alert(key) for key in keys]
        return json.dumps([{name: alert[name] for name in kept} for alert in alerts], ensure_ascii=False).encode()


SIDES = (TocsinSide, AlertmanagerSide)


def in_turn(options, title, sides, measure):
    """What `measure(side)` found, by side. In each round every side has its turn; which one goes first alternates."""
    results = {side: [] for side in sides}
    for turn in range(options.rounds):
        for side in sides[:: 1 if turn % 2 == 0 else -1]:
            result = measure(side)
            results[side].append(result)
            text = f"{title}, round {turn + 1}, {side.name}: {result['rate']:,.0f}/s, p99 {result['p99_ms']:.1f} ms, {result['bad']} errors"
            note(text + (f"; the generator's own delay p99 {result['late_p99_ms']:.2f} ms" if "late_p99_ms" in result else ""))
    return results


def stop(server):
    status, seconds = server.stop(60)
    if status != 0:
        note(f"Tocsin ended with {status} after {seconds:.0f} s")


def push_path(integration):
    return tocsin.Sender(integration["push_url"], 0).path


def note(text):
    print(text, file=sys.stderr, flush=True)


def cpu_seconds(pid, with_ended=False):
    """What the process has used so far, in user and kernel mode. `with_ended`: and those of its children that have ended."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return sum(map(int, fields[11 : 15 if with_ended else 13])) / TICKS


def wrk(options, port, path, arguments, seconds=None, connections=None):
    """What push.lua prints about one run of wrk."""
    seconds = seconds or options.seconds
    command = [
        "wrk", f"-t{options.threads}", f"-c{connections or options.connections}", f"-d{seconds}s", "--timeout", "10s",
        "-s", str(ROOT / "Tests/bench/push.lua"), f"http://127.0.0.1:{port}{path}", "--", *arguments,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    match = re.search(r"^RESULT (.*)$", done.stdout, re.MULTILINE)
    if not match:
        raise RuntimeError(f"wrk gave no result: {done.stdout}{done.stderr}")
    result = json.loads(match[1])
    result["rate"] = result["requests"] / result["seconds"]
    if not result["requests"]:
        note(f"warning: not one answer in {result['seconds']:.1f} s")
        result.update(dict.fromkeys(("p50_ms", "p99_ms", "max_ms"), math.inf))
    result["bad"] = result["not_2xx"] + result["broken"]
    return result


def per_alert(result, alerts, server, used):
    """Adds what depends on the number of alerts in a push, and the memory; `used`: what `server.cpu()` was before."""
    good = (result["requests"] - result["not_2xx"]) * alerts
    result["alerts_rate"] = good / result["seconds"] if result["seconds"] else 0
    for name, seconds in server.cpu().items():
        result[name] = (seconds - used[name]) * 1e6 / good if good else None
    result.update(server.memory())
    return result
