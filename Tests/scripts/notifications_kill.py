"""`kill -9` while messages are delivered: nothing is lost, and what comes twice comes with the same id and body."""

import collections
import itertools
import random
import threading
import time

import receivers
import tocsin
from notifications_faults import check_last_words
from notifications_place import HIGH, Place, note
from receivers_vendors import Webhook


class Load(threading.Thread):
    """Alerts that open, change and end, one room after the other, as fast as they are taken. A push without an answer is not repeated."""

    def __init__(self, rooms):
        super().__init__(daemon=True)
        self.rooms, self.up, self.ended = rooms, threading.Event(), False
        self.acknowledged = self.unanswered = 0

    def run(self):
        for number in itertools.count():
            for room in self.rooms:
                for form in ({}, {"severity": "warning"}, {"recovered": True})[: 2 + (number + len(room.name)) % 2]:
                    self.up.wait()
                    if self.ended:
                        return
                    self.push(room, f"kill-{number}", form)

    def push(self, room, key, form):
        alerts = [room.alert(f"{key}-{n}", **form) for n in range(3)]
        try:
            status, _ = room.sender.push(tocsin.arms_body(alerts))
            self.acknowledged += status == 200
        except tocsin.NotSent:
            time.sleep(0.01)
        except tocsin.Unanswered:
            self.unanswered += 1


def slow_and_unsure(_):
    """Mostly takes a moment, sometimes says no."""
    chance = random.random()
    return receivers.status(503) if chance < 0.02 else receivers.slow(random.uniform(0.001, 0.04)) if chance < 0.5 else receivers.OK


def kills(checks, options):
    cycles = 50 if options.long else 5
    with Place(checks, options, "Kill") as place:
        rooms = [place.room() for _ in range(4)]
        notifiers = [room.notifier(Webhook(), place.receivers.endpoint(Webhook()).script(then=slow_and_unsure), storm_limit=HIGH) for room in rooms]
        load, restarts = Load(rooms), []
        load.start()
        for _ in range(cycles):
            load.up.set()
            time.sleep(random.uniform(0.1, 0.6))
            place.server.kill()
            load.up.clear()
            restarts.append(place.server.start())
        load.up.set()
        time.sleep(0.2)
        load.ended = True
        load.join(10)
        good = place.drive(seconds=120 if options.long else 40, horizon=24 * 3600)
        waiting = place.waiting()
        checks.check(good and not waiting, "kill: nothing waits in the end", f"{len(waiting)} do: {waiting[:1]}")
        for room, notifier in zip(rooms, notifiers):
            check_last_words(checks, place, room, [notifier], f"kill, {room.name}")
            check_record(checks, notifier, room.name)
        sums = [collections.Counter(received.id for received in notifier.received if received.was_taken) for notifier in notifiers]
        doubled = sum(count > 1 for each in sums for count in each.values())
        note(
            f"kill: {cycles} kills, {load.acknowledged} pushes acknowledged, {load.unanswered} unanswered, {sum(map(len, sums))} messages, "
            f"{doubled} of them more than once; restart to ready at most {max(restarts):.2f} s"
        )
        checks.check(load.acknowledged > 5 * cycles, "kill: the load was worth the name", str(load.acknowledged))


def check_record(checks, notifier, name):
    """What arrived is what the record says was sent."""
    items = notifier.notifications()
    states = collections.Counter(item["state"] for item in items)
    checks.check(set(states) <= {"sent", "superseded"}, f"kill, {name}: each of {len(items)} is sent or superseded", str(states))
    sent = {item["id"] for item in items if item["state"] == "sent"}
    taken = {received.id for received in notifier.taken}
    checks.equal(sorted(sent - taken)[:3], [], f"kill, {name}: what is sent has arrived")
    checks.equal(sorted(taken - {item["id"] for item in items})[:3], [], f"kill, {name}: nothing else has")
    superseded = {item["id"] for item in items if item["state"] == "superseded"}
    note(f"{name}: {len(superseded & taken)} arrived and count as superseded (killed before their answer was on record)")
