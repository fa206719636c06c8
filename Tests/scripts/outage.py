#!/usr/bin/env python3
"""PostgreSQL goes away under load: no push goes without its 2xx, none is lost, none is there twice, and their order is kept.

    outage.py [--long] [--only KIND...] [--seconds N] [--rate 200] [--seed N]

Two nodes; a sender as hard as ARMS opens a connection for each push, waits 5 s for its answer and never sends anything twice. Kinds of outage:
stop (in good order), crash (immediate), pause (every process stopped where it is: connections stay open and nobody answers), dark (a network that
carries nothing for a while, and then everything that was sent: a COMMIT arrives long after its node gave it up), cut (the same, and then
resets), flap (away and back, five times). killed: a node is killed with a full spool, and while it empties it. full: the spool has a bound.
"""

import argparse
import asyncio
import itertools
import json
import random
import subprocess
import threading
import time
import zlib
from collections import Counter

import postgres
import tocsin
from nodes import Keeper, Nodes, Push, Target, Verifier, exchange, get, metrics, note, post, readiness
from restarts import answer, percentile

PATIENCE = 5.0  # seconds from the first byte to the last one of the answer
SHARED_KEYS = 20
EMPTY_WITHIN = 30  # seconds from the end of an outage
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Proxy:
    """A network between the nodes and PostgreSQL, on an event loop of its own."""

    def __init__(self, cluster):
        self.target, self.port = cluster.port, tocsin.free_port()
        self.loop, self.writers = asyncio.new_event_loop(), set()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.is_light = asyncio.Event()

    def __enter__(self):
        self.thread.start()
        self.on_loop(asyncio.start_server(self.connected, "127.0.0.1", self.port, backlog=256))
        self.light()
        return self

    def __exit__(self, *_):
        self.cut()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    def on_loop(self, task):
        return asyncio.run_coroutine_threadsafe(task, self.loop).result(10)

    def dark(self):
        """From now on nothing gets through, and nobody is told."""
        self.loop.call_soon_threadsafe(self.is_light.clear)

    def light(self):
        """What was sent in the dark arrives now."""
        self.loop.call_soon_threadsafe(self.is_light.set)

    def cut(self):
        """Light, but what was sent is gone with its connections."""

        async def abort():
            for writer in list(self.writers):
                writer.transport.abort()
            await asyncio.sleep(0.05)
            self.is_light.set()

        self.on_loop(abort())

    async def connected(self, reader, writer):
        self.writers.add(writer)
        await self.is_light.wait()
        try:
            upstream, up = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
        else:
            self.writers.add(up)
            await asyncio.gather(self.pump(reader, up), self.pump(upstream, writer))
            self.writers.discard(up)
        self.writers.discard(writer)

    async def pump(self, reader, writer):
        try:
            while data := await reader.read(65536):
                await self.is_light.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        await self.is_light.wait()
        writer.close()


class Load(threading.Thread):
    """The sender, on an event loop of its own; it goes to the nodes in turn, to those alone that are in `up`."""

    def __init__(self, nodes, targets, rate):
        super().__init__(daemon=True)
        self.nodes, self.targets, self.rate = nodes, targets, rate
        self.pushes, self.ended, self.up = [], False, {node.number for node in nodes.all}

    def run(self):
        asyncio.run(self.work())

    async def work(self):
        tasks, began = set(), time.monotonic()
        for count in itertools.count():
            await asyncio.sleep(max(began + count / self.rate - time.monotonic(), 0))
            if self.ended:
                break
            node = count % len(self.nodes.all)
            if node not in self.up:
                continue
            key = f"unique-{count}" if random.random() < 0.5 else f"shared-{random.randrange(SHARED_KEYS)}"
            push = Push(random.choice(self.targets), key)
            push.node, push.began = node, time.monotonic()
            self.pushes.append(push)
            task = asyncio.create_task(self.send(push))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)

    async def send(self, push):
        body, writer, push.was_sent = push.body(), None, False
        head = f"POST {push.target.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {tocsin.ARMS_TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
        try:
            async with asyncio.timeout(PATIENCE):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.nodes[push.node].port)
                push.was_sent = True
                writer.write(head.encode() + body)
                status, _, content = await answer(reader)
                push.take(status, json.loads(content))
        except TimeoutError:
            push.problem = f"no answer within {PATIENCE} s"
        except (OSError, EOFError, ValueError) as error:
            push.problem = f"{type(error).__name__}: {error}"
        finally:
            if writer:
                writer.close()
        push.seconds = time.monotonic() - push.began

    def end(self):
        self.ended = True
        self.join(PATIENCE + 10)


class Order(threading.Thread):
    """Alerts that open and recover while PostgreSQL is away, each at one node and each push after the answer to the one before.

    Some of them were opened before. Only a group of which every push was acknowledged has an end that is known.
    """

    FORMS = (("firing", "recovery"), ("firing", "recovery", "again"))

    def __init__(self, nodes, targets, name, numbers=None):
        super().__init__(daemon=True)
        self.nodes, self.targets, self.name_of_keys = nodes, targets, name
        self.numbers = numbers or [node.number for node in nodes.all]
        self.keeper, self.pushes, self.groups, self.begun, self.ended = Keeper(nodes), [], [], [], False

    def open_some(self):
        """Before the outage: alerts that are to recover in it."""
        for count in range(8):
            number = self.numbers[count // 2 % len(self.numbers)]
            push = Push(random.choice(self.targets), f"before-{self.name_of_keys}-{count}", is_counted=False)
            if self.send(push, number):
                self.begun.append((push, self.FORMS[count % 2][1:]))

    def run(self):
        for push, forms in self.begun:
            self.follow([push], push.target, push.key, forms, push.node)
        for count in itertools.count():
            if self.ended:
                break
            forms, number = self.FORMS[count % 2], self.numbers[count // 2 % len(self.numbers)]
            self.follow([], random.choice(self.targets), f"order-{self.name_of_keys}-{count}", forms, number)
            time.sleep(0.1)
        self.keeper.close()

    def follow(self, group, target, key, forms, number):
        for form in forms:
            group.append(Push(target, key, form, is_counted=False))
            if not self.send(group[-1], number):
                return
        self.groups.append(group)

    def send(self, push, number):
        self.pushes.append(push)
        return self.keeper.send(push, number)

    def end(self):
        self.ended = True
        self.join(30)


class Outage:
    """One kind: how it begins, how it ends."""

    def __init__(self, name, begin, end):
        self.name, self.begin, self.end = name, begin, end


def forged(path):
    """A push URL's path with another MAC and a checksum that fits: only the key can tell."""
    token = path.rpartition("/")[2]
    digits = token[:48] + ALPHABET[(ALPHABET.index(token[48]) + 1) % 62]
    number, check = zlib.crc32(digits.encode()), ""
    for _ in range(6):
        check, number = ALPHABET[number % 62] + check, number // 62
    return f"/p/{digits}{check}"


class Scene:
    """One outage under load, from before its begin to after its end."""

    def __init__(self, checks, nodes, options, name):
        self.checks, self.nodes, self.name = checks, nodes, name
        accounts = [tocsin.Account(nodes[0], f"{name} {number}") for number in range(2)]
        self.targets = [Target(account, f"{name} {number}") for number, account in enumerate(accounts)]
        self.load = Load(nodes, self.targets, options.rate)
        self.order = Order(nodes, self.targets, name)
        # Made at node 0; node 1 has never heard of this account.
        self.unseen = Target(tocsin.Account(nodes[0], f"{name} unseen"), f"{name} unseen")
        self.more = []

    def check(self, good, what, detail=""):
        self.checks.check(good, f"{self.name}: {what}", detail)

    def run(self, outage, seconds):
        started = time.monotonic()
        self.load.start()
        self.order.open_some()
        time.sleep(2)
        revoked = self.revoke()
        began = time.monotonic()
        outage.begin()
        self.order.start()
        if self.name != "flap":
            self.look_while_away(revoked)
        time.sleep(max(0, began + seconds - time.monotonic()))
        outage.end()
        back = time.monotonic()
        self.order.end()
        time.sleep(max(0, 2 - (time.monotonic() - back)))
        self.nodes.empty_spools(self.checks, self.name, EMPTY_WITHIN - (time.monotonic() - back))
        self.look_when_back()
        lasted = time.monotonic() - started
        self.load.end()
        self.check(len(self.load.pushes) > 0.85 * self.load.rate * lasted, f"the sender kept its pace ({len(self.load.pushes) / lasted:.0f}/s)")
        self.nodes.empty_spools(self.checks, f"{self.name}, at the end")
        self.compare()

    def revoke(self):
        account, target = self.targets[0].account, self.targets[0]
        path = f"{account.path}/integrations/{target.integration}/push-urls"
        issued = account.api.post(path, {})
        account.api.call("DELETE", f"{path}/{issued['id']}")
        return "/p/" + issued["url"].rpartition("/")[2]

    def look_while_away(self, revoked):
        began = time.monotonic()

        def are_away():
            return all(readiness(node.port)[1].get("database") == "away" for node in self.nodes.all)

        try:
            tocsin.wait_until("both nodes know it", are_away, 10, every=0.05)
            self.check(True, f"both nodes know after {time.monotonic() - began:.1f} s that it is away")
        except TimeoutError:
            self.check(False, "both nodes know within 10 s that it is away", str([readiness(node.port) for node in self.nodes.all]))
        statuses = Counter()
        for number in range(20):
            push = Push(self.unseen, f"unseen-{number}")
            push.node = 1
            self.more.append(push)
            status, _, body = post(self.nodes[1].port, self.unseen.path, push.body())
            if status:
                push.take(status, json.loads(body))
            statuses[status] += 1
        self.checks.equal(statuses, Counter({200: 20}), f"{self.name}: pushes of an account that the node never loaded are taken")
        body = Push(self.targets[0], "revoked").body()
        answers = {post(self.nodes[0].port, revoked, body)[0] for _ in range(5)}
        self.checks.equal(answers, {401}, f"{self.name}: a URL that was revoked just before is refused by the node that did it")
        note(f"the other node says {post(self.nodes[1].port, revoked, Push(self.targets[0], 'revoked').body())[0]} to it")
        answers = {post(node.port, forged(self.targets[0].path), body)[0] for node in self.nodes.all}
        self.checks.equal(answers, {401}, f"{self.name}: a forged URL is refused")
        for node in self.nodes.all:
            status, found = readiness(node.port)
            spool = found.get("spool") or {}
            good = status == 200 and found.get("status") == "ready" and spool.get("pushes", 0) > 0 and spool.get("bytes", 0) > 0
            self.check(good and spool.get("oldest_at"), f"node {node.number} is ready and says what waits", f"{status} {found}")
            values = metrics(node.port)
            good = values.get("tocsin_database_reachable") == 0 and values.get("tocsin_spool_pushes", 0) > 0
            self.check(good and values.get("tocsin_spool_bytes", 0) > 0, f"node {node.number} counts it", str(spool_metrics(values)))
            self.management_is_away(node)

    def management_is_away(self, node):
        account = self.targets[0].account
        for method, path, body in (("GET", f"{account.path}/channels", None), ("POST", f"{account.path}/channels", b'{"name":"While away"}')):
            headers = {"Authorization": f"Bearer {account.key}", "Content-Type": "application/json"}
            began = time.monotonic()
            status, found, _ = exchange(node.port, method, path, body, headers, timeout=15)
            good = status == 503 and found.get("content-type", "").startswith("application/problem+json")
            took = time.monotonic() - began
            self.check(good and took < 6, f"node {node.number} answers {method} of channels 503 ({took:.2f} s)", f"{status} {found}, {took:.2f} s")

    def look_when_back(self):
        for node in self.nodes.all:
            status, found = readiness(node.port)
            spool = found.get("spool") or {}
            self.check((status, found.get("database")) == (200, "reachable"), f"node {node.number} says that it is back", f"{status} {found}")
            values = metrics(node.port)
            good = values.get("tocsin_database_reachable") == 1 and values.get("tocsin_spooled_total") == values.get("tocsin_spool_applied_total")
            if spool.get("pushes") == 0:
                self.check(good, f"node {node.number} counts as many applied as spooled", str(spool_metrics(values)))
            answered = get(node.port, f"{self.targets[0].account.path}/channels", self.targets[0].account.key)[0]
            self.checks.equal(answered, 200, f"{self.name}: node {node.number} answers management again")

    def compare(self):
        pushes = self.load.pushes
        without = [push for push in pushes if not push.delivery]
        self.checks.equal(without[:3], [], f"{self.name}: 0 of {len(pushes)} pushes went without a 2xx ({len(without)} did)")
        without = [push for push in self.order.pushes if not push.delivery]
        self.checks.equal(without[:3], [], f"{self.name}: nor did one of {len(self.order.pushes)} that came in turn")
        took = [push.seconds for push in pushes if push.delivery]
        note(f"answered: median {1000 * percentile(took, 0.5):.0f} ms, p99 {percentile(took, 0.99):.2f} s, longest {max(took):.2f} s")
        self.verify(pushes + self.order.pushes + self.more)

    def verify(self, pushes):
        verifier = Verifier(self.checks, self.nodes, random.randrange(2))
        verifier.verify(pushes, self.name)
        verifier.endings(self.order.groups, self.name)
        verifier.deadlocks(self.name)


def spool_metrics(values):
    return {name: value for name, value in values.items() if "spool" in name or "database" in name}


# --- kinds


def straight(begin, end):
    """An outage of PostgreSQL itself."""

    def scene(checks, cluster, options, name):
        with Nodes(cluster, checks) as nodes:
            nodes.start()
            Scene(checks, nodes, options, name).run(Outage(name, lambda: begin(cluster), lambda: end(cluster)), options.seconds)

    return scene


def through_proxy(end):
    """An outage of the network."""

    def scene(checks, cluster, options, name):
        database = postgres.name_of(cluster.create_database())
        with Proxy(cluster) as proxy, Nodes(cluster, checks, url=cluster.address(database, proxy.port)) as nodes:
            nodes.start()
            Scene(checks, nodes, options, name).run(Outage(name, proxy.dark, lambda: end(proxy)), options.seconds)

    return scene


def flap(cluster):
    """Ends with it away."""
    for mode in ("fast", "immediate", "fast", "immediate"):
        cluster.stop(mode)
        time.sleep(random.uniform(0.2, 1.5))
        cluster.start()
        time.sleep(random.uniform(0.2, 1.5))
    cluster.stop()


def killed(checks, cluster, options, name):
    """A node that is killed loses nothing of its spool, however often, whether PostgreSQL is there when it starts or not."""
    with Nodes(cluster, checks) as nodes:
        nodes.start()
        scene = Scene(checks, nodes, options, name)
        scene.order = Order(nodes, scene.targets, name, [1])
        load, node = scene.load, nodes[1]
        load.start()
        scene.order.open_some()
        time.sleep(1)
        cluster.stop()
        scene.order.start()
        time.sleep(4)
        scene.order.end()
        node.kill()
        note(f"node 1 was killed; {sum(push.node == 1 and push.delivery is not None for push in load.pushes)} of its pushes were acknowledged")
        start_while_away(node, "once")
        time.sleep(2)
        node.kill()
        start_while_away(node, "twice")
        cluster.start()
        for pause in (0.05, 0.2, 0.5):  # while it empties its spool
            if not node.is_up:
                node.start()
            time.sleep(pause)
            node.kill()
        node.start()
        time.sleep(1)
        load.end()
        nodes.empty_spools(checks, name, EMPTY_WITHIN)
        others = [push for push in load.pushes if not push.delivery and push.node == 0]
        checks.equal(others[:3], [], f"{name}: the other node answered everything")
        odd = [push for push in load.pushes if push.status not in (200, 503, None)]
        checks.equal(odd[:3], [], f"{name}: every answer was 200 or 503")
        scene.verify(load.pushes + scene.order.pushes)


def start_while_away(node, what):
    began = time.monotonic()
    node.launch()
    while time.monotonic() < began + 5 and node.is_up:
        status, found = readiness(node.port)
        if status == 200:
            note(f"killed {what}, started while PostgreSQL is away: ready after {time.monotonic() - began:.2f} s, {found.get('spool')}")
            return
        time.sleep(0.05)
    note(f"killed {what}, started while PostgreSQL is away: {'not ready within 5 s' if node.is_up else 'it ended'}")


def full(checks, cluster, options, name):
    """Beyond the bound of the spool a push is answered 503, and counted; what was answered 200 is kept."""
    bound = 1 << 20
    with Nodes(cluster, checks, roles=["all"], options=["--spool-bytes", str(bound)]) as nodes:
        nodes.start()
        account, node = tocsin.Account(nodes[0], "Full"), nodes[0]
        target, pushes, bare = Target(account, "Full"), [], 0
        before = metrics(node.port)
        cluster.stop()
        refused = 0
        while refused < 50 and len(pushes) < 3000:
            push = Push(target, f"full-{len(pushes)}", size=8_000)
            pushes.append(push)
            push.node = 0
            status, headers, body = post(node.port, target.path, push.body())
            if status:
                push.take(status, json.loads(body))
            refused += status == 503
            bare += status == 503 and not headers.get("retry-after")
        statuses = Counter(push.status for push in pushes)
        taken = statuses[200]
        checks.check(set(statuses) == {200, 503} and taken > 50, f"{name}: {taken} pushes of 8 kB are taken, then 503", str(statuses))
        checks.equal(bare, 0, f"{name}: each 503 has Retry-After")
        first = next((number for number, push in enumerate(pushes) if push.status == 503), 0)
        note(f"the first 503 came after {first} pushes; /readyz: {readiness(node.port)}")
        after = metrics(node.port)
        spooled = after.get("tocsin_spool_bytes", 0)
        checks.check(0 < spooled <= bound, f"{name}: the spool holds {spooled:.0f} bytes, at most {bound}")

        def refusals(values):
            return sum(value for key, value in values.items() if key.startswith("tocsin_pushes_total") and "accepted" not in key)

        checks.equal(refusals(after) - refusals(before), statuses[503], f"{name}: what was refused is counted")
        cluster.start()
        nodes.empty_spools(checks, name, EMPTY_WITHIN)
        values = metrics(node.port)
        found = (values.get("tocsin_spooled_total"), values.get("tocsin_spool_applied_total"))
        checks.equal(found, (taken, taken), f"{name}: as many were spooled and applied as were answered 200")
        push = Push(target, "full-again", size=8_000)
        pushes.append(push)
        push.take(*decoded(post(node.port, target.path, push.body())))
        checks.equal(push.status, 200, f"{name}: and the next is taken")
        Verifier(checks, nodes).verify(pushes, name)


def decoded(found):
    return found[0], json.loads(found[2] or b"null")


KINDS = {
    "stop": straight(lambda cluster: cluster.stop("fast"), lambda cluster: cluster.start()),
    "crash": straight(lambda cluster: cluster.stop("immediate"), lambda cluster: cluster.start()),
    "pause": straight(lambda cluster: cluster.pause(), lambda cluster: cluster.resume()),
    "dark": through_proxy(lambda proxy: proxy.light()),
    "cut": through_proxy(lambda proxy: proxy.cut()),
    "flap": straight(flap, lambda cluster: cluster.start()),
    "killed": killed,
    "full": full,
}


def main(options, checks):
    random.seed(options.seed)
    options.seconds = options.seconds or (60 if options.long else 9)
    print(f"seed {options.seed}, {options.seconds} s each, {options.rate}/s, {', '.join(options.only)}")
    for name in options.only:
        began = time.monotonic()
        print(f"-- {name}", flush=True)
        try:
            # A new one each time: what one kind leaves behind is not to help or harm the next.
            with postgres.PostgreSQL() as cluster:
                KINDS[name](checks, cluster, options, name)
        except (tocsin.APIError, OSError, RuntimeError, LookupError, ValueError, subprocess.SubprocessError) as error:
            if "the whole test took" in str(error):
                raise
            checks.check(False, f"{name} went through", f"{type(error).__name__}: {error}")
        print(f"-- {name}: {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true", help="outages of a minute")
    parser.add_argument("--only", nargs="+", choices=list(KINDS), default=list(KINDS), metavar="KIND")
    parser.add_argument("--seconds", type=int, help="of an outage")
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parsed = parser.parse_args()
    tocsin.run(lambda checks: main(parsed, checks), seconds=1000 if parsed.long else 420)
