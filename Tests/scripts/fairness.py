#!/usr/bin/env python3
"""Two tenants, one of them loud: what the quiet one notices.

    fairness.py [--seconds 4] [--rounds 1] [--storms single hundred flood hundred-flood] [--parent DIRECTORY]

The quiet tenant pushes 50 alerts a second, evenly. The loud one pushes ten times its `rate_limit` on many connections (`flood`: as much
as the server takes). No push of either may be refused: rate is a matter of who waits. Latencies are printed and not asserted; the goal
is a quiet p99 of at most twice its value alone. The load generator runs on the same cores: its share of them is part of the ratio.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import time

import pace
import tocsin

QUIET_RATE, CONNECTIONS = 50, 100
# name: (the loud integration's share in pushes/s, what is pushed per second or None for all that goes, alerts in a push)
STORMS = {
    "single": (200, 2_000, 1),
    "hundred": (15, 150, 100),
    "flood": (200, None, 1),
    "hundred-flood": (15, None, 100),
}
GOAL = 2.0


class Loud:
    """The loud tenant: one integration with a small share, and wrk."""

    def __init__(self, server):
        self.port, self.directory = server.port, server.directory
        self.account = tocsin.Account(server, "Loud")
        self.integration = self.account.dedicated("aliyun-arms", "Storm", self.account.channel("Storm"))
        self.path = tocsin.Sender(self.integration["push_url"], self.port).path

    def set_share(self, share):
        limit = {"pushes_per_second": share, "burst": share}
        changed = self.account.api.call("PATCH", f"{self.account.path}/integrations/{self.integration['id']}", {"rate_limit": limit})
        return changed["rate_limit"] == limit

    def storm(self, name, rate, alerts, seconds):
        """A running wrk. `unique` bodies: each push has new alerts."""
        body = os.path.join(self.directory, f"storm-{alerts}")
        with open(body, "wb") as file:
            file.write(tocsin.arms_body([tocsin.arms_alert(f"storm-@ID@-{n}") for n in range(alerts)]))
        script = str(tocsin.ROOT / "Tests/bench/push.lua")
        pacing = [str(rate)] if rate else []
        return subprocess.Popen(
            [*tocsin.WITH_US, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "--timeout", "10s", "-s", script,
             f"http://127.0.0.1:{self.port}{self.path}", "--", "unique", body, f"{name}-{time.monotonic_ns()}-", *pacing],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )


def result_of(process, seconds):
    """What push.lua printed about a run that is about to end."""
    try:
        output = process.communicate(timeout=seconds)[0]
    finally:
        process.kill()
    match = re.search(r"^RESULT (.*)$", output, re.MULTILINE)
    if not match:
        raise RuntimeError(f"wrk gave no result: {output[-400:]}")
    return json.loads(match[1])


def one_round(name, loud, neighbour, seconds):
    """(the quiet tenant alone, the quiet tenant in the storm, the loud one)"""
    _, rate, alerts = STORMS[name]
    alone = neighbour.watch("alone", seconds)
    process = loud.storm(name, rate, alerts, seconds + 2)
    try:
        time.sleep(1)  # wrk connects, and the burst is used up
        stormy = neighbour.watch(name, seconds)
        result = result_of(process, 30)
    finally:
        process.kill()
        process.wait(10)
    return alone, stormy, result


def one_storm(name, loud, neighbour, options, checks):
    """The rounds of one storm."""
    share, rate, alerts = STORMS[name]
    checks.check(loud.set_share(share), f"{name}: the loud integration's share is {share} pushes/s")
    rounds = [one_round(name, loud, neighbour, options.seconds) for _ in range(options.rounds)]
    sections = [section for alone, stormy, _ in rounds for section in (alone, stormy)]
    wrong = [example for section in sections for example in section["examples"]] + [s for s in sections if s["unfinished"]]
    count = sum(len(section["times"]) for section in sections)
    checks.check(not wrong, f"{name}: each of {count} pushes of the quiet tenant was a 200", str(wrong[:3]))
    expected = int(0.9 * QUIET_RATE * 2 * options.seconds * options.rounds)
    checks.check(count >= expected, f"{name}: the quiet tenant kept its rate", f"{count} pushes, expected {expected}")
    pushes = sum(result["requests"] for *_, result in rounds)
    refused, broken = (sum(result[key] for *_, result in rounds) for key in ("not_2xx", "broken"))
    checks.check(not refused and not broken, f"{name}: none of {pushes} pushes of the loud one was refused", f"{refused} not 2xx, {broken} broken")
    speed = pushes / sum(result["seconds"] for *_, result in rounds)
    enough = 5 * share
    checks.check(speed >= enough, f"{name}: it was a storm, {speed:,.0f} pushes/s of {alerts} alert(s)", f"under {enough}")
    return rounds


def report(storms):
    """A table; "alone" is every measurement without a storm, so that one odd moment does not decide a ratio."""
    alone = [alone for rounds in storms.values() for alone, *_ in rounds]
    p50, p99 = (pace.percentile(alone, part) for part in (50, 99))
    print("| | pushes/s | times its share | p50 ms | p99 ms | max ms | p50 ratio | p99 ratio |\n|---|---|---|---|---|---|---|---|")
    print(f"| quiet, alone | {QUIET_RATE} | | {p50:.1f} | {p99:.1f} | {pace.percentile(alone, 100):.1f} | | |")
    for name, rounds in storms.items():
        stormy = [stormy for _, stormy, _ in rounds]
        mine = [pace.percentile(stormy, part) for part in (50, 99, 100)]
        print(
            f"| quiet, {name} | {QUIET_RATE} | | {mine[0]:.1f} | {mine[1]:.1f} | {mine[2]:.1f} "
            f"| {mine[0] / p50:.2f} | **{mine[1] / p99:.2f}** |"
        )
        speed = sum(r["requests"] for *_, r in rounds) / sum(r["seconds"] for *_, r in rounds)
        theirs = [statistics.median(result[key] for *_, result in rounds) for key in ("p50_ms", "p99_ms")]
        print(f"| loud, {name} | {speed:,.0f} | {speed / STORMS[name][0]:.0f} | {theirs[0]:.1f} | {theirs[1]:.1f} | | | |", flush=True)
    print(f"The goal of a p99 ratio is {GOAL:.0f} at most; {CONNECTIONS} loud connections, all on {os.cpu_count()} cores.")


def main(options, checks):
    with tocsin.Server(options.parent) as server:
        server.start()
        quiet, loud = tocsin.Account(server, "Quiet"), Loud(server)
        integration = quiet.dedicated("aliyun-arms", "Steady", quiet.channel("Steady"))
        with pace.Neighbour(integration["push_url"], server.port, QUIET_RATE) as neighbour:
            neighbour.watch("warm-up", 1)
            report({name: one_storm(name, loud, neighbour, options, checks) for name in options.storms})
        told = quiet.api.get(f"{quiet.path}/integrations/{integration['id']}")["refusals"]
        checks.equal(told, [], "no refusal is on the quiet integration's record")
        told = loud.account.api.get(f"{loud.account.path}/integrations/{loud.integration['id']}")["refusals"]
        checks.equal(told, [], "no refusal is on the loud integration's record")
        status, _ = server.stop()
        checks.equal(status, 0, "SIGTERM ends the server in good order")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement, alone and in the storm")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--storms", nargs="+", choices=list(STORMS), default=["single", "hundred"])
    parser.add_argument("--parent", help="where the data directory is made: a real disk, for figures")
    parsed = parser.parse_args()
    limit = 120 + int(len(parsed.storms) * parsed.rounds * (2 * parsed.seconds + 15))
    tocsin.run(lambda checks: main(parsed, checks), seconds=limit)
