#!/usr/bin/env python3
"""No tenant can stop another: a hostile editor attacks in many ways, and beside each attack a neighbour pushes and calls ten times a second.

    neighbours.py [--long] [--postgres] [--only NAME...] [--seconds 2] [--parent DIRECTORY] [--log LINES]      --list: the attacks

Held: the neighbour is never refused, never unanswered, and waits for 1 s at most; the process lives, in 512 MiB; after each attack a push of the
neighbour is told to its receiver, `/healthz` answers, and a plain push of the attacker works again once its own configuration is sane. At the end
of a group SIGTERM in the middle of an attack ends the process in its usual time, and a start with what the attack has stored is as fast as ever.

Printed, not asserted, because the attacker runs on the same cores: the neighbour's worst wait (goal: 250 ms), its p99 beside its quiet value
(goal: at most 3 times that), memory, and what the attacker got. What misses a goal is marked with `!`. An attack that hurts is followed by a fresh
server, so that it hides nothing of the next one.
"""

import argparse
import contextlib
import http.server
import re
import resource
import subprocess
import threading
import time

import neighbours_attacks_documents  # noqa: F401  (registers attacks)
import neighbours_attacks_programs  # noqa: F401
import neighbours_attacks_pushes  # noqa: F401
import neighbours_attacks_reading  # noqa: F401
import neighbours_watch
import postgres
import tocsin
from neighbours_attacker import ATTACKS, Attacker

HELD, GOAL, RATIO = 1000.0, 250.0, 3.0  # milliseconds, milliseconds, times the quiet p99
MEMORY = 512 << 20
ENDS, STARTS, TOLD = 8.0, 10.0, 10.0  # seconds for SIGTERM, for a start, until the neighbour's receiver has its message
FINE = {200, 201, 204, 400, 401, 403, 404, 405, 408, 409, 412, 413, 414, 415, 422, 429, 431, 503}  # what an attacker may be answered
# In the middle of these the server is ended, and started again with what they have stored.
ENDED_DURING = {
    "templates": "template-nested-stored", "conditions": "patterns-while-the-revision-moves", "documents": "plan-of-other-routes",
    "fan-out": "alerts-times-channels", "outbound": "dead-receivers", "connections": "half-sent-bodies",
}


class Receiver(http.server.ThreadingHTTPServer):
    """Where the neighbour's notifier tells: which alert keys it was told of."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Told)
        self.told = set()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass  # the server was killed as it sent


class Told(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.told.update(re.findall(rb'"alert_key":"([^"]+)"', body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class World:
    """A server with the neighbour's account, the neighbour, and the receiver of its notifier."""

    def __init__(self, options, receiver):
        self.options, self.receiver, self.count, self.stack = options, receiver, 0, contextlib.ExitStack()
        self.server = tocsin.Server(options.parent, database=postgres.fresh(options.cluster), environment={"TOCSIN_OUTBOUND_ALLOW": "127.0.0.0/8"})
        self.stack.callback(self.close_server)
        try:
            self.server.start()
            self.furnish()
        except BaseException:
            self.stack.close()
            raise

    def furnish(self):
        account = tocsin.Account(self.server, "Neighbour")
        channel = account.channel("Told")
        settings = {"url": f"http://127.0.0.1:{self.receiver.server_port}/"}
        notifier = {"name": "Tells", "kind": "webhook", "settings": settings, "storm_limit": 1_000_000}
        account.api.post(f"{account.path}/channels/{channel}/notifiers", notifier)
        self.told_url = account.dedicated("aliyun-arms", "Told", channel)["push_url"]
        steady = account.dedicated("aliyun-arms", "Steady", account.channel("Steady"))
        self.neighbour = self.stack.enter_context(neighbours_watch.Neighbour(account, steady["push_url"], self.server.port))
        self.neighbour.watch("warm-up", 1)

    def close_server(self):
        self.server.__exit__(None, None, None)

    def close(self):
        self.stack.close()

    def reset_peak(self):
        with open(f"/proc/{self.server.process.pid}/clear_refs", "w", encoding="ascii") as file:
            file.write("5")

    def peak(self):
        """Bytes of memory at most since `reset_peak`; 0 when the process is gone."""
        with contextlib.suppress(OSError), open(f"/proc/{self.server.process.pid}/status", encoding="ascii") as file:
            return next((int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:")), 0)
        return 0

    def problems(self):
        """What does not work, of what always has to."""
        if self.server.process.poll() is not None:
            return [f"the process ended with {self.server.process.returncode}"]
        found = [] if tocsin.status_of(self.server.port, "/healthz") == 200 else ["/healthz does not answer"]
        self.count += 1
        key, began = f"told-{id(self)}-{self.count}", time.monotonic()
        status = None
        with contextlib.suppress(tocsin.NotSent, tocsin.Unanswered):
            status, _ = tocsin.Sender(self.told_url, self.server.port).push(tocsin.arms_body([tocsin.arms_alert(key)]))
        if status != 200:
            return [*found, f"a push of the neighbour afterwards: {status or 'no answer'}"]
        while key.encode() not in self.receiver.told:
            if time.monotonic() - began > TOLD:
                return [*found, f"the neighbour's receiver was not told within {TOLD:.0f} s"]
            time.sleep(0.01)
        return found


class Row:
    """What an attack came to."""

    def __init__(self, attack, attacker, during, after, peak, quiet):
        self.attack, self.attacker, self.peak = attack, attacker, peak
        times = neighbours_watch.times_of(during)
        self.worst = max([*times, *neighbours_watch.times_of(after)], default=0.0)
        self.p99 = neighbours_watch.percentile(times, 99)
        self.ratio = self.p99 / quiet
        self.held_up = max(during["held_up"], after["held_up"])
        self.sections = [during, after]

    def problems(self):
        refused, unanswered = (sum(section[name] for section in self.sections) for name in ("refused", "unanswered"))
        found = []
        if refused or unanswered:
            examples = [example for section in self.sections for example in section["examples"]][:3]
            found.append(f"{refused} calls of the neighbour refused, {unanswered} unanswered {examples}")
        if self.worst > HELD:
            found.append(f"the neighbour waited for {self.worst:.0f} ms")
        if self.peak > MEMORY:
            found.append(f"{self.peak >> 20} MiB of memory")
        odd = [f"{status}: {self.attacker.examples.get(status, '')[:100]}" for status in self.attacker.got if is_odd(status)]
        return found + (["the attacker got " + ", ".join(odd[:3])] if odd else [])

    def line(self, name=None):
        mark = lambda value, most, form: form.format(value) + (" !" if value > most else "")
        cells = [
            name or self.attack.name, mark(self.worst, GOAL, "{:.0f}"), mark(self.p99, GOAL, "{:.1f}"), mark(self.ratio, RATIO, "{:.1f}"),
            mark(self.peak / (1 << 20), MEMORY >> 20, "{:.0f}"), f"{self.held_up:.0f}", self.got(),
        ]
        return "| " + " | ".join(cells) + " |"

    def got(self):
        """Statuses with the codes of refusals, the most frequent first."""
        words = []
        for status, count in self.attacker.got.most_common(7):
            code = re.search(r'"code": ?"(\w+)"', self.attacker.examples.get(status, ""))
            words.append(f"{status}{' ' + code[1] if code else ''} x{count}")
        return ", ".join(words) or "nothing"


def is_odd(status):
    """Whether a status is none that an attacker should get. No answer is one: it may be cut off, or be made to wait."""
    number = int(status.split()[1]) if isinstance(status, str) and status.startswith(("set-up ", "fill ")) and status.split()[1].isdigit() else status
    return number not in FINE if isinstance(number, int) else "without" in number


def judge(world, attack, options, quiet, checks):
    """Runs one attack; (its row, whether the world is as good as before)."""
    began, attacker = time.monotonic(), Attacker(world.server, attack.name)
    world.neighbour.section("set-up")
    world.reset_peak()
    storms = attack.function(attacker)
    set_up = world.neighbour.section("attack")
    for storm in storms:
        storm.begin()
    time.sleep(options.seconds)
    during = world.neighbour.section("after")
    for storm in storms:
        storm.end()
    problems = world.problems() or cleaned(attacker)
    after = world.neighbour.section("between")
    row = Row(attack, attacker, during, merged(set_up, after), world.peak(), quiet)
    problems += row.problems()
    checks.check(not problems, f"{attack.name}: {attack.what}", "; ".join(problems))
    for note in attacker.notes:
        print(f"      {note}", flush=True)
    print(f"      {time.monotonic() - began:.1f} s {row.line()}", flush=True)
    return row, not problems


def cleaned(attacker):
    """What does not work once the attacker's configuration is sane again."""
    attacker.clean()
    return [] if attacker.plain_works() else ["a plain push of the attacker does not work afterwards"]


def merged(*sections):
    times = {str(n): neighbours_watch.times_of(section) for n, section in enumerate(sections)}
    total = {name: sum(section[name] for section in sections) for name in ("refused", "unanswered")}
    examples = [example for section in sections for example in section["examples"]]
    return {"times": times, **total, "examples": examples, "held_up": max(section["held_up"] for section in sections)}


def end_and_start(world, attack, checks):
    """SIGTERM in the middle of an attack, and a start with what it stored; whether the world is as good as before."""
    name = f"{attack.group}: SIGTERM during {attack.name}"
    attacker = Attacker(world.server, f"{attack.name} again")
    storms = attack.function(attacker)
    for storm in storms:
        storm.begin()
    time.sleep(0.5)
    try:
        status, seconds = world.server.stop(30)
    except subprocess.TimeoutExpired:
        status, seconds = "still running", 30.0
    for storm in storms:
        storm.end()
    good = status == 0 and seconds <= ENDS
    checks.check(good, f"{name} ends the process in {seconds:.1f} s", f"{status}, more than {ENDS:.0f} s")
    if status == "still running":
        return False
    try:
        began = world.server.start()
    except (TimeoutError, RuntimeError) as error:
        checks.check(False, f"{name}, and it starts again", str(error))
        return False
    problems = [f"it took {began:.1f} s"] if began > STARTS else []
    problems += world.problems()
    attacker.exchange(attacker.push(b'{"alerts":[{"labels":{"alertname":"again"}}]}'))
    problems = problems or world.problems() or cleaned(attacker)
    checks.check(not problems, f"{name}, and with what is stored it is ready in {began:.1f} s and works", "; ".join(problems))
    return good and not problems


def report(rows, quiet, options):
    quiet_times = neighbours_watch.times_of(quiet)
    print("| attack | neighbour's worst ms | p99 ms | of quiet p99 | memory MiB | its own delay ms | the attacker got |")
    print("|---|---|---|---|---|---|---|")
    p99 = neighbours_watch.percentile(quiet_times, 99)
    print(f"| quiet | {quiet_times[-1]:.0f} | {p99:.1f} | 1 | | {quiet['held_up']:.0f} | |")
    for row in rows:
        print(row.line(f"{row.attack.name}{f' ({row.attack.issue})' if row.attack.issue else ''}"))
    missed = sum(row.worst > GOAL for row in rows), sum(row.ratio > RATIO for row in rows)
    print(
        f"{len(rows)} attacks of {options.seconds:g} s each; a worst wait over {GOAL:.0f} ms in {missed[0]}, a p99 over {RATIO:.0f} times the quiet one "
        f"in {missed[1]}. Attacker, neighbour and server share the cores; its own delay is the neighbour's, and a part of its waits.",
        flush=True,
    )


def main(options, checks):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # the server inherits it
    receiver, rows = Receiver(), []
    with postgres.engine(options.postgres) as options.cluster:
        world = World(options, receiver)
        try:
            quiet = world.neighbour.watch("quiet", 15 if options.long else 5)
            checks.equal((quiet["refused"], quiet["unanswered"]), (0, 0), "in quiet the neighbour gets all its answers")
            p99 = neighbours_watch.percentile(neighbours_watch.times_of(quiet), 99)
            for group in dict.fromkeys(attack.group for attack in options.attacks):
                for attack in [each for each in options.attacks if each.group == group]:
                    row, is_good = judge(world, attack, options, p99, checks)
                    rows.append(row)
                    world = world if is_good else renewed(world, options, receiver)
                last = ATTACKS.get(ENDED_DURING.get(group))
                if last in options.attacks and not end_and_start(world, last, checks):
                    world = renewed(world, options, receiver)
            status, seconds = world.server.stop(30)
            checks.check(status == 0 and seconds <= ENDS, f"SIGTERM ends the server in {seconds:.1f} s", f"{status}")
        finally:
            if checks.failed and options.log:
                world.server.print_log(options.log)
            world.close()
            receiver.shutdown()
    report(rows, quiet, options)


def renewed(world, options, receiver):
    if options.log:
        world.server.print_log(options.log)
    world.close()
    return World(options, receiver)


def chosen(options):
    """The attacks of this run."""
    if options.only:
        return [ATTACKS[name] for name in options.only]
    usual = [each for each in ATTACKS.values() if options.long or each.is_short]
    return [each for each in usual if options.long or each.on_postgres or not options.postgres]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true", help="every attack, for 10 s each")
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL; in the short form the attacks on what is different there")
    parser.add_argument("--only", nargs="+", choices=list(ATTACKS), metavar="NAME")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--seconds", type=float, help="of each attack")
    parser.add_argument("--parent", help="where the data directory is made: a real disk, for figures")
    parser.add_argument("--log", type=int, default=0, metavar="LINES", help="of the server's log, where an attack hurt")
    parsed = parser.parse_args()
    parsed.seconds = parsed.seconds or (10.0 if parsed.long else 2.0)
    if parsed.list:
        for each in ATTACKS.values():
            form, issue = "short" if each.is_short else "long", f"issue {each.issue}" if each.issue else ""
            print(f"{each.name:36} {each.group:12} {form:6} {issue:9} {each.what}")
        raise SystemExit(0)
    parsed.attacks = chosen(parsed)
    tocsin.run(lambda checks: main(parsed, checks), seconds=120 + int(len(parsed.attacks) * (parsed.seconds + 25)))
