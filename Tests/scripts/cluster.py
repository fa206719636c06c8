#!/usr/bin/env python3
"""Several nodes on one PostgreSQL: a start at the same moment, kills under load, changes that reach every node within a second, roles.

    cluster.py [--long] [--only PART...] [--seconds N] [--seed N]

start: ten nodes set one empty database up; a node refuses a newer schema; SQLite has one role. load: senders push to three nodes at random, many of
them the same alert to all at the same moment, while nodes are killed and PostgreSQL is restarted; every acknowledged push is there once
and counted once. changes: what is configured at one node holds at the others. roles: api, ingest, worker, and a second worker that takes over.
"""

import argparse
import itertools
import random
import subprocess
import threading
import time
import urllib.parse

import postgres
import receivers
import tocsin
from nodes import Keeper, Nodes, Push, Target, Verifier, get, note, post, readiness
from receivers_vendors import Webhook

SHARED_KEYS = 12  # of one integration
TICK = 0.2  # seconds: senders that push together do so at multiples of it
WITHIN = 3.0  # seconds: what is configured at one node holds at the others (the goal: 1; the rest is for busy machines)


# --- start


def start(checks, cluster, options):
    with Nodes(cluster, checks, roles=["all"] * 10) as nodes:
        began = time.monotonic()
        nodes.start_others(nodes.all, 90)
        checks.check(True, f"ten nodes that start at the same moment on an empty database are ready ({time.monotonic() - began:.1f} s)")
        versions = nodes.rows("SELECT version, count(*) FROM schema_migrations GROUP BY version ORDER BY version")
        numbers = [int(version) for version, _ in versions]
        checks.check(numbers and all(count == "1" for _, count in versions), "each version of the schema is there once", str(versions))
        checks.equal(numbers, list(range(1, len(numbers) + 1)), "and none is missing")
        checks.equal(len(nodes.key_files()), 1, "one of them made the operator key")
        checks.equal(nodes.rows("SELECT count(*) FROM deployment"), [("1",)], "it is one deployment")
        answers = {get(node.port, "/v1/me", nodes.operator_key())[0] for node in nodes.all}
        checks.equal(answers, {200}, "the key is good at each of them")
        works_everywhere(checks, nodes)
        for node in nodes.all:
            node.kill()
        newer_schema(checks, nodes, numbers[-1] if numbers else 0)
        Verifier(checks, nodes).deadlocks("start")
    one_role(checks)


def works_everywhere(checks, nodes):
    target = Target(tocsin.Account(nodes[0], "Start"), "Start")
    keeper = Keeper(nodes)
    pushes = [Push(target, f"start-{number}") for number in range(len(nodes.all))]
    for number, push in enumerate(pushes):
        keeper.send(push, number)
    keeper.close()
    checks.equal([push for push in pushes if not push.delivery], [], "and a push URL, too")


def newer_schema(checks, nodes, known):
    nodes.rows("INSERT INTO schema_migrations (version, applied_at) VALUES (9999, 0)")
    status, words = ends_with(nodes[0].command(), nodes.directory)
    good = status not in (0, None) and "9999" in words and str(known) in words
    checks.check(good, f"a database with schema 9999 is refused by a program that knows {known}", f"exit status {status}: {words[-400:]}")
    note(f"it says: {words.strip().splitlines()[-1] if words.strip() else ''}")
    nodes.rows("DELETE FROM schema_migrations WHERE version = 9999")
    nodes.start_others(nodes.all[:1])
    checks.check(True, "and taken again without it")
    nodes[0].kill()


def ends_with(command, directory, seconds=30):
    """(exit status, what it says) of a server that is not to start; status None when it runs."""
    process = subprocess.Popen(
        [*tocsin.WITH_US, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=directory,
        env=tocsin.clean_environment(),
    )
    try:
        words, _ = process.communicate(timeout=seconds)
        return process.returncode, words
    except subprocess.TimeoutExpired:
        process.kill()
        return None, process.communicate()[0]


def one_role(checks):
    for role in ("api", "ingest", "worker"):
        with tocsin.Server(role=role) as server:
            status, words = ends_with(server.command(), server.directory, 10)
            lines = words.strip().splitlines()
            good = status not in (0, None) and len(lines) == 1 and role in lines[0] + "--role"
            checks.check(good, f"SQLite with --role {role} is refused with one line", f"exit status {status}: {words[-300:]}")
            note(lines[-1] if lines else "nothing said")


# --- load


class Load:
    """Senders that keep a connection to each node, and those that push one alert to every node at the same moment."""

    def __init__(self, nodes, targets, senders=6):
        self.nodes, self.targets = nodes, targets
        self.pushes, self.groups, self.ended = [], [], False
        self.threads = [threading.Thread(target=self.work, args=(n,), daemon=True) for n in range(senders)]
        self.threads += [threading.Thread(target=self.push_together, args=(n,), daemon=True) for n in range(len(nodes.all))]

    def start(self):
        for thread in self.threads:
            thread.start()

    def end(self):
        self.ended = True
        for thread in self.threads:
            thread.join(20)

    def send(self, keeper, push, number):
        self.pushes.append(push)
        return keeper.send(push, number)

    def work(self, number):
        keeper, choice = Keeper(self.nodes), random.Random(f"{number} {random.random()}")
        for count in itertools.count():
            if self.ended:
                break
            target, node = choice.choice(self.targets), choice.randrange(len(self.nodes.all))
            turn = ("unique", "shared", "shared", "pair")[count % 4]
            if turn == "unique":
                self.send(keeper, Push(target, f"unique-{number}-{count}"), node)
            elif turn == "shared":
                self.send(keeper, Push(target, f"shared-{choice.randrange(SHARED_KEYS)}"), node)
            else:
                self.push_pair(keeper, target, f"pair-{number}-{count}", node)
            time.sleep(choice.uniform(0, 0.03))
        keeper.close()

    def push_pair(self, keeper, target, key, node):
        """An alert and its recovery, to one node; only a pair of which both were acknowledged has an end that is known."""
        group = [Push(target, key, form, is_counted=False) for form in ("firing", "recovery")]
        if all(self.send(keeper, push, node) for push in group):
            self.groups.append(group)

    def push_together(self, node):
        """Three times the same new alert, then another one; all threads of this kind do the same at the same moment, each at its node."""
        keeper = Keeper(self.nodes)
        while not self.ended:
            now = time.monotonic()
            tick = int(now / TICK) + 1
            time.sleep(tick * TICK - now)
            self.send(keeper, Push(self.targets[tick % len(self.targets)], f"together-{tick // (3 * len(self.targets))}"), node)
        keeper.close()


def load(checks, cluster, options):
    seconds = options.seconds or (180 if options.long else 25)
    with Nodes(cluster, checks, roles=["all"] * 3) as nodes:
        nodes.start()
        targets = []
        for name in ("First", "Second", "Third"):
            account = tocsin.Account(nodes[0], name)
            targets += [Target(account, f"{name} {number}") for number in range(2)]
        load = Load(nodes, targets)
        load.start()
        kills, starts = disturb(checks, nodes, seconds, ["fast", "immediate"] if options.long else ["fast"])
        load.end()
        checks.check(not any(thread.is_alive() for thread in load.threads), "load: every sender came to its end")
        nodes.empty_spools(checks, "load")
        odd = [push for push in load.pushes if push.status not in (200, 503, None)]
        checks.equal(odd[:3], [], "load: every answer was 200 or 503")
        acknowledged = sum(1 for push in load.pushes if push.delivery)
        checks.check(acknowledged > 20 * seconds, "load: it was worth the name", f"{acknowledged} acknowledged in {seconds} s")
        note(f"{kills} kills; start to ready at most {max(starts):.2f} s; {sum(push.status == 503 for push in load.pushes)} answers of 503")
        verifier = Verifier(checks, nodes, random.randrange(3))
        verifier.verify(load.pushes, "load")
        verifier.endings(load.groups, "load")
        verifier.deadlocks("load")


def disturb(checks, nodes, seconds, restarts):
    """Kills a node every second or two, and restarts PostgreSQL in between; in the end all run."""
    began, kills, starts = time.monotonic(), 0, []
    moments = [(began + seconds * (number + 1) / (len(restarts) + 1), mode) for number, mode in enumerate(restarts)]
    while time.monotonic() < began + seconds:
        time.sleep(random.uniform(0.4, 1.5))
        if moments and time.monotonic() > moments[0][0]:
            mode = moments.pop(0)[1]
            note(f"PostgreSQL was restarted ({mode}), {nodes.cluster.restart(mode):.2f} s")
            continue
        node = random.choice(nodes.all)
        node.kill()
        kills += 1
        time.sleep(random.choice([0, random.uniform(0, 1)]))
        if random.random() < 0.2:  # now and then in the middle of a start, too
            node.launch()
            time.sleep(random.uniform(0, 0.3))
            node.kill()
        starts.append(node.start(30))
    return kills, starts


# --- changes


def changes(checks, cluster, options):
    with Nodes(cluster, checks, roles=["all"] * 3) as nodes:
        nodes.start()
        account = tocsin.Account(nodes[0], "Changes")
        rounds = 10 if options.long else 5
        new_urls(checks, nodes, account, rounds)
        revocations(checks, nodes, account, rounds)
        severities(checks, nodes, account)
        routes(checks, nodes, account)
        accounts(checks, nodes)


def first_answers(nodes, path, name):
    """What each node says to the first push on a URL."""
    keeper, found = Keeper(nodes), []
    target = PushTarget(path)
    for number in range(len(nodes.all)):
        push = Push(target, f"{name}-{number}")
        keeper.send(push, number)
        found.append(push.status)
    keeper.close()
    return found


class PushTarget:
    """A push URL alone."""

    def __init__(self, path):
        self.path = urllib.parse.urlsplit(path).path


def new_urls(checks, nodes, account, rounds):
    channel, found, more = account.channel("New"), [], []
    for number in range(rounds):
        # The nodes know the account from the round before.
        created = nodes.api(account, number % 3).post(
            f"{account.path}/integrations", {"type": "aliyun-arms", "mode": "dedicated", "name": f"New {number}", "channel_id": channel}
        )
        found += first_answers(nodes, created["push_url"], f"new-{number}")
        issued = nodes.api(account, (number + 1) % 3).post(f"{account.path}/integrations/{created['id']}/push-urls", {})
        more += first_answers(nodes, issued["url"], f"issued-{number}")
    checks.equal(set(found), {200}, f"changes: a new integration is known at each node at the first try ({len(found)} tries)")
    checks.equal(set(more), {200}, f"changes: another URL of it, too ({len(more)} tries)")


class Watch(threading.Thread):
    """Pushes to one node until the answer is no longer 200; `moment`: when that was."""

    def __init__(self, nodes, number, path, name):
        super().__init__(daemon=True)
        self.nodes, self.number, self.target, self.name_of_key = nodes, number, PushTarget(path), name
        self.moment = self.status = None
        self.is_warm = threading.Event()

    def run(self):
        keeper, end = Keeper(self.nodes), time.monotonic() + 15
        while time.monotonic() < end:
            push = Push(self.target, self.name_of_key)
            sent = time.monotonic()
            keeper.send(push, self.number)
            if push.status == 200:
                self.is_warm.set()
            elif push.status:
                self.moment, self.status = sent, push.status
                break
            time.sleep(0.01)
        keeper.close()


def revocations(checks, nodes, account, rounds):
    channel, took, statuses = account.channel("Revoked"), [], set()
    integration = account.dedicated("aliyun-arms", "Revoked", channel)
    path, at_once = f"{account.path}/integrations/{integration['id']}/push-urls", []
    for number in range(rounds):
        here, issued = number % 3, account.api.post(path, {})
        watches = [Watch(nodes, n, issued["url"], f"revoked-{number}") for n in range(3) if n != here]
        for watch in watches:
            watch.start()
        for watch in watches:
            watch.is_warm.wait(5)
        nodes.api(account, here).call("DELETE", f"{path}/{issued['id']}")
        revoked, own = time.monotonic(), Push(PushTarget(issued["url"]), "revoked")
        keeper = Keeper(nodes)
        keeper.send(own, here)
        keeper.close()
        at_once.append(own.status)
        for watch in watches:
            watch.join(20)
            took.append(max(0.0, watch.moment - revoked) if watch.moment else 99.0)
            statuses.add(watch.status)
    checks.equal(set(at_once), {401}, f"changes: a URL that was revoked is refused by that node at once ({rounds} times)")
    checks.equal(statuses, {401}, "changes: and by the others")
    checks.check(max(took) < WITHIN, f"changes: within {max(took):.2f} s", f"{[round(each, 2) for each in took]}")
    note(f"revocation to the first 401 elsewhere: {sorted(round(each, 3) for each in took)} s")


def reaches(nodes, account, path, is_changed, what, seconds=10):
    """The seconds until a push at each of the other nodes comes to the new result. `is_changed(result of a delivery)`."""
    began, took = time.monotonic(), {}
    keeper, api = Keeper(nodes), nodes.api(account, 0)
    while len(took) < len(nodes.all) - 1 and time.monotonic() < began + seconds:
        for number in range(1, len(nodes.all)):
            if number in took:
                continue
            push, sent = Push(PushTarget(path), f"{what}-{random.randrange(10**9)}"), time.monotonic()
            if keeper.send(push, number) and is_changed(api.get(f"{account.path}/deliveries/{push.delivery}")["results"][0]):
                took[number] = sent - began
    keeper.close()
    return max(took.values()) if len(took) == len(nodes.all) - 1 else 99.0


def severities(checks, nodes, account):
    integration = account.dedicated("aliyun-arms", "Severities", account.channel("Severities"))
    first_answers(nodes, integration["push_url"], "warm")
    took, path = [], f"{account.path}/severity-tables/aliyun-arms"
    for severity in ("Info", "Warning", "Critical", "Info", "Critical"):
        entries = [{"level": "P1", "severity": severity}]
        nodes.api(account, 0).call("PUT", path, {"entries": entries, "fallback": "Warning"})
        took.append(reaches(nodes, account, integration["push_url"], lambda result: result["severity"] == severity, "severity"))
    checks.check(max(took) < WITHIN, f"changes: a severity table holds everywhere within {max(took):.2f} s", str(took))


def routes(checks, nodes, account):
    first, second = account.channel("Route A"), account.channel("Route B")
    integration = account.shared("aliyun-arms", "Routes", [first])
    routes = f"{account.path}/integrations/{integration['id']}/routes"
    route = account.api.post(routes, {"conditions": [], "channel_ids": [first], "on_match": "stop"})
    first_answers(nodes, integration["push_url"], "warm")
    took = []
    for channel in (second, first, second):
        nodes.api(account, 0).call("PATCH", f"{routes}/{route['id']}", {"channel_ids": [channel]})
        took.append(reaches(nodes, account, integration["push_url"], lambda result: result["channel_ids"] == [channel], "route"))
    checks.check(max(took) < WITHIN, f"changes: a route holds everywhere within {max(took):.2f} s", str(took))


def accounts(checks, nodes):
    """What is made at one node is there at the others, at once: they read one database."""
    account = tocsin.Account(nodes[1], "Seen everywhere")
    channel = account.channel("Seen")
    found = [get(node.port, f"{account.path}/channels/{channel}", account.key)[0] for node in nodes.all]
    checks.equal(found, [200] * 3, "changes: an account, its key and its channel are known at each node at the first try")
    suspended = Target(account, "Suspended")
    keeper, took = Keeper(nodes), []
    for number in range(3):
        keeper.send(Push(suspended, "suspended"), number)
    tocsin.API(nodes[0].port, nodes.operator_key()).call("PATCH", account.path, {"status": "suspended"})
    began = time.monotonic()
    for number in (1, 2):
        status = 200
        while status == 200 and time.monotonic() < began + 10:
            push = Push(suspended, "suspended")
            keeper.send(push, number)
            status = push.status
        took.append(time.monotonic() - began if status == 401 else 99.0)
    keeper.close()
    checks.check(max(took) < WITHIN, f"changes: a suspended account is refused everywhere within {max(took):.2f} s", str(took))


# --- roles


def roles(checks, cluster, options):
    allow = {"TOCSIN_OUTBOUND_ALLOW": "127.0.0.0/8"}
    with receivers.Receivers() as inbox, Nodes(cluster, checks, roles=["api", "ingest", "worker", "worker"], environment=allow) as nodes:
        api, ingest, worker, standby = nodes.all
        nodes.start_others([api])
        nodes.start_others([ingest, worker])
        checks.equal([readiness(node.port)[1].get("role") for node in nodes.all[:3]], ["api", "ingest", "worker"], "roles: /readyz names them")
        account = tocsin.Account(api, "Roles")
        target = Target(account, "Roles")
        doors(checks, nodes, account, target)
        endpoint = inbox.endpoint(Webhook())
        settings = {"name": "Hook", "kind": "webhook", "settings": Webhook().settings(endpoint), "changes": ["opened", "recovered"]}
        account.api.post(f"{account.path}/channels/{target.channel}/notifiers", {**settings, "storm_limit": 100_000})
        if not told_within(checks, nodes, endpoint, target, 2.0, "roles: the worker tells what was pushed at the ingest node"):
            return
        nodes.start_others([standby])
        told_within(checks, nodes, endpoint, target, 2.0, "roles: with a second worker")
        for dead, living in ((worker, standby), (standby, worker)):
            # While messages flow, so that it dies with a lease in its hands if it has one.
            keys = [tell(nodes, target, f"flow-{dead.number}-{number}") for number in range(20)]
            dead.kill()
            keys.append(tell(nodes, target, f"dead-{dead.number}"))
            took = wait_for(endpoint, keys, 60)
            missing = [key for key in keys if key not in told(endpoint)]
            what = f"roles: worker {dead.number} was killed, the other tells everything, the last after {took or 0:.1f} s"
            checks.check(took is not None, what, str(missing[:3]))
            nodes.start_others([dead])
            told_within(checks, nodes, endpoint, target, 60.0, f"roles: worker {dead.number} is back")
        ids = [received.id for received in endpoint.received if received.was_taken]
        note(f"{len(ids)} messages, {len(ids) - len(set(ids))} of them twice")
        every = {}
        for received in endpoint.received:
            every.setdefault((received.parsed["data"]["alert_id"], received.parsed["data"]["change"]), set()).add(received.id)
        checks.equal([key for key, names in every.items() if len(names) > 1][:3], [], "roles: what came twice came with one id")


def doors(checks, nodes, account, target):
    """Each role serves its own paths and no others."""
    served = {}
    for node in nodes.all[:3]:
        pushed = post(node.port, target.path, Push(target, f"door-{node.role}").body())[0]
        served[node.role] = (get(node.port, f"{account.path}/channels", account.key)[0], pushed)
        health = [get(node.port, path)[0] for path in ("/healthz", "/readyz", "/metrics")]
        checks.equal(health, [200] * 3, f"roles: {node.role} has its health and metrics")
        contract = [get(node.port, path)[0] for path in ("/openapi.yaml", "/docs")]
        checks.equal(contract, [200 if node.role == "api" else 404] * 2, f"roles: {node.role} and the contract")
    checks.equal(served["api"], (200, 404), "roles: api answers management and no pushes")
    checks.equal(served["ingest"], (404, 200), "roles: ingest answers pushes and no management")
    checks.equal(served["worker"], (404, 404), "roles: worker answers neither")


def tell(nodes, target, key):
    keeper, push = Keeper(nodes), Push(target, key)
    if not keeper.send(push, 1):
        raise RuntimeError(f"not taken: {push}")
    keeper.close()
    return key


def told(endpoint):
    """The keys that the receiver was told of. The list is written by another thread."""
    return {received.parsed["data"].get("alert_key") for received in list(endpoint.received) if received.was_taken}


def wait_for(endpoint, keys, seconds):
    """The seconds until all were told, None when they were not."""
    began = time.monotonic()
    try:
        tocsin.wait_until("messages", lambda: told(endpoint).issuperset(keys), seconds, every=0.02)
    except TimeoutError:
        return None
    return time.monotonic() - began


def told_within(checks, nodes, endpoint, target, seconds, what):
    took = wait_for(endpoint, [tell(nodes, target, f"told-{random.randrange(10**9)}")], max(seconds, 30))
    checks.check(took is not None and took <= seconds, f"{what}, after {took or 0:.2f} s", f"{took} s")
    return took is not None


PARTS = {"start": start, "load": load, "changes": changes, "roles": roles}


def main(options, checks):
    random.seed(options.seed)
    print(f"seed {options.seed}, {', '.join(options.only)}")
    with postgres.PostgreSQL() as cluster:
        for name in options.only:
            began, failed = time.monotonic(), checks.failed
            print(f"-- {name}", flush=True)
            try:
                PARTS[name](checks, cluster, options)
            except (tocsin.APIError, OSError, RuntimeError, LookupError, subprocess.SubprocessError) as error:
                if "the whole test took" in str(error):
                    raise
                checks.check(False, f"{name} went through", f"{type(error).__name__}: {error}")
            if checks.failed > failed:
                cluster.print_log()
            print(f"-- {name}: {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true", help="three minutes of load, PostgreSQL is restarted as after a crash, too")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), metavar="PART")
    parser.add_argument("--seconds", type=int, help="of load")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parsed = parser.parse_args()
    tocsin.run(lambda checks: main(parsed, checks), seconds=900 if parsed.long else 300)
