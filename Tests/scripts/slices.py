#!/usr/bin/env python3
"""Pushes that are too large for one transaction: acknowledged whole, applied in slices, over kill -9 in the middle.

    slices.py [--postgres] [--kills 6] [--alerts 3000] [--seed N]

Each round pushes so many new alerts at once, and right after the answer the recoveries of every second of them; then the process is killed
at a random moment and started again. At the end every alert is there once, with exactly the events that were acknowledged, and those whose
recovery came are over: a recovery never passed its firing.
"""

import argparse
import random
import time

import postgres
import tocsin


class Round:
    """The alerts of one round, and which of its pushes were acknowledged."""

    def __init__(self, number, alerts):
        self.keys = [f"slice-{number}-{index}" for index in range(alerts)]
        self.fired = self.recovered = False

    def push(self, sender):
        firing = tocsin.arms_body([tocsin.arms_alert(key) for key in self.keys])
        over = [tocsin.arms_alert(key, "resolved", ends="2026-03-02T11:00:00.000000000Z") for key in self.keys[::2]]
        self.fired = sender.push(firing)[0] == 200
        self.recovered = sender.push(tocsin.arms_body(over))[0] == 200


def pending(account):
    return sum(item["pending_event_count"] for item in account.items("deliveries"))


def main(options, checks):
    chance = random.Random(options.seed)
    print(f"seed {options.seed}")
    rounds, cut = [], 0
    with postgres.engine(options.postgres) as cluster, tocsin.Server(database=postgres.fresh(cluster)) as server:
        server.start()
        account = tocsin.Account(server, "Slices")
        integration = account.dedicated("aliyun-arms", "ARMS", account.channel("On call"))
        for number in range(options.kills):
            current = Round(number, options.alerts)
            rounds.append(current)
            sender = tocsin.Sender(integration["push_url"], server.port)
            current.push(sender)
            sender.close()
            time.sleep(chance.uniform(0, 0.4))
            cut += pending(account) > 0
            server.kill()
            server.start()
        tocsin.wait_until("everything is applied", lambda: pending(account) == 0, 60)
        checks.check(cut > 0, f"{cut} of {options.kills} kills came while slices were left to apply")
        checks.check(all(r.fired and r.recovered for r in rounds), "every push was acknowledged")
        alerts = {}
        for item in account.items("alerts"):
            alerts.setdefault(item["alert_key"], []).append(item)
        wrong = [key for r in rounds for key in r.keys if len(alerts.get(key, [])) != 1]
        checks.equal(wrong[:3], [], f"each of {sum(len(r.keys) for r in rounds)} alerts is there once")
        for r in rounds:
            over = set(r.keys[::2])
            odd = [k for k in r.keys if k in alerts and alerts[k][0]["event_count"] != (2 if k in over else 1)]
            checks.equal(odd[:3], [], "each has exactly the events that were acknowledged")
            late = [k for k in r.keys if k in alerts and (alerts[k][0]["status"] == "Ok") != (k in over)]
            checks.equal(late[:3], [], "those whose recovery came are over, and no others")
        deliveries = account.items("deliveries")
        checks.equal(len(deliveries), 2 * len(rounds), "each push is one delivery")
        status, seconds = server.stop()
        checks.check(status == 0, f"SIGTERM ends it in {seconds:.1f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL in place of SQLite")
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--alerts", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parsed = parser.parse_args()
    tocsin.run(lambda checks: main(parsed, checks), seconds=60 + parsed.kills * 40)
