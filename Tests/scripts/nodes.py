"""What the tests of several Tocsin nodes on one PostgreSQL share: the nodes, what their health says, pushes and what became of them."""

import base64
import http.client
import itertools
import json
import os
import random
import shutil
import tempfile
import time
import urllib.parse
from collections import Counter

import postgres
import tocsin

CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
RECOVERED_AT = "2026-03-02T10:30:00.000000000Z"
AGAIN_AT = "2026-03-02T11:00:00.000000000Z"


def note(text):
    print(f"      {text}", flush=True)


def uuid_hex(name):
    """The 32 hex digits in an id of the API, as `encode(id, 'hex')` shows them in the database."""
    number = 0
    for digit in name.rpartition("_")[2]:
        number = number * 32 + CROCKFORD.index(digit)
    return f"{number:032x}"


def get(port, path, key=None):
    return exchange(port, "GET", path, headers={"Authorization": f"Bearer {key}"} if key else {})


def post(port, path, body):
    return exchange(port, "POST", path, body, {"Content-Type": tocsin.ARMS_TYPE})


def exchange(port, method, path, body=None, headers=None, timeout=10):
    """(status, headers, body) of one request; (None, {}, b"") when there was no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    except (OSError, http.client.HTTPException):
        return None, {}, b""
    finally:
        connection.close()


def readiness(port):
    """(status, what /readyz says)"""
    status, _, body = get(port, "/readyz")
    try:
        return status, json.loads(body)
    except ValueError:
        return status, {}


def metrics(port):
    """{name with its labels: value}"""
    lines = get(port, "/metrics")[2].decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line and not line.startswith("#"))}


class Node(tocsin.Server):
    """One node. The operator key is with the one that set the database up."""

    def __init__(self, nodes, **more):
        super().__init__(nodes.directory, database=nodes.url, root_secret=nodes.root_secret, **more)
        self.nodes = nodes

    def operator_key(self):
        return self.nodes.operator_key()

    @property
    def number(self):
        return self.nodes.all.index(self)

    @property
    def is_up(self):
        return self.process is not None and self.process.poll() is None

    def spool(self):
        """How many pushes wait in its spool; None when it does not say."""
        return (readiness(self.port)[1].get("spool") or {}).get("pushes")

    def log_text(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()


class Nodes:
    """Nodes of one database, a data directory each and the root secret in common. `roles`: one for each node.

    Shows the ends of their logs when a check fails while they are there.
    """

    def __init__(self, cluster, checks, roles=("all", "all"), url=None, **more):
        self.cluster, self.checks, self.failed = cluster, checks, checks.failed
        self.url = url or cluster.create_database()
        self.database = postgres.name_of(self.url)
        self.directory = tempfile.mkdtemp(prefix="tocsin-nodes-")
        self.root_secret = os.path.join(self.directory, "root.secret")
        self.key = None
        self.all = [Node(self, role=None if role == "all" else role, **more) for role in roles]

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for node in self.all:
            node.kill()
        if kind not in (None, SystemExit) or self.checks.failed > self.failed:
            for node in self.all:
                if os.path.exists(node.log):
                    print(f"node {node.number}, {node.role or 'all'}:")
                    node.print_log(12)
        if os.environ.get("TOCSIN_KEEP") == "1":
            print(f"kept: {self.directory}")
        else:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __getitem__(self, number):
        return self.all[number]

    def start(self, seconds=60):
        """The first sets the database up, then the others start together."""
        self.all[0].start(seconds)
        self.start_others(self.all[1:], seconds)

    def start_others(self, nodes, seconds=60):
        for node in nodes:
            node.launch()
        for node in nodes:
            tocsin.wait_until(f"node {node.number} is ready", node.is_ready, seconds, every=0.02)

    def key_files(self):
        return [path for path in (os.path.join(node.data, "operator.key") for node in self.all) if os.path.exists(path)]

    def operator_key(self):
        if self.key is None:
            with open(self.key_files()[0], encoding="ascii") as file:
                self.key = file.read().strip()
        return self.key

    def api(self, account, number):
        """An account's API at one node."""
        return tocsin.API(self.all[number].port, account.key)

    def rows(self, text):
        return self.cluster.rows(text, self.database)

    def empty_spools(self, checks, when, seconds=30):
        """Waits until nothing waits in any spool; returns how long that took."""
        began = time.monotonic()
        ended = [(node.number, node.process.returncode) for node in self.all if not node.is_up]
        checks.equal(ended, [], f"{when}: every node runs")
        if ended:  # nothing that follows would tell more
            raise RuntimeError(f"{when}: nodes ended by themselves (number, exit status): {ended}")
        try:
            tocsin.wait_until("the spools are empty", lambda: all(node.spool() == 0 for node in self.all), seconds, every=0.05)
        except TimeoutError:
            left = [(node.number, *readiness(node.port)) for node in self.all]
            checks.check(False, f"{when}: the spools are empty within {seconds} s", str(left))
        else:
            checks.check(True, f"{when}: the spools are empty after {time.monotonic() - began:.1f} s")
        return time.monotonic() - began


class Target:
    """One integration to push to."""

    def __init__(self, account, name):
        self.account, self.channel = account, account.channel(name)
        integration = account.dedicated("aliyun-arms", name, self.channel)
        self.integration, self.push_url_id = integration["id"], integration["push_url_id"]
        self.path = urllib.parse.urlsplit(integration["push_url"]).path

    def __repr__(self):
        return self.integration


class Push:
    """One alert, sent once. `form`: firing, recovery (of that), again (a firing after the recovery). `is_counted`: its key only ever fires."""

    numbers = itertools.count(1)

    def __init__(self, target, key, form="firing", is_counted=True, size=0):
        self.number, self.target, self.key, self.form, self.is_counted, self.size = next(Push.numbers), target, key, form, is_counted, size
        self.node = self.status = self.delivery = self.problem = self.began = self.seconds = None
        self.was_sent = True

    def body(self):
        times = {"recovery": {"status": "resolved", "ends": RECOVERED_AT}, "again": {"starts": AGAIN_AT}}.get(self.form, {})
        # Not to be made smaller by compression.
        notes = {"padding": base64.b64encode(random.randbytes(self.size * 3 // 4)).decode()} if self.size else {}
        return tocsin.arms_body([tocsin.arms_alert(self.key, push=str(self.number), **times, **notes)])

    def send(self, sender, node):
        """True when it was acknowledged. A refused connection is not a push."""
        sender.path, self.node, self.began = self.target.path, node, time.monotonic()
        try:
            self.status, answer = sender.push(self.body())
        except tocsin.NotSent as error:
            self.was_sent, self.problem = False, str(error)
        except tocsin.Unanswered as error:
            self.problem = str(error)
        else:
            self.take(self.status, answer)
        self.seconds = time.monotonic() - self.began
        return self.delivery is not None

    def take(self, status, answer):
        self.status = status
        if status == 200:
            self.delivery = answer["data"]["delivery_id"]
        else:
            self.problem = f"status {status} {str(answer)[:200]}"

    def __repr__(self):
        return f"push {self.number} {self.form} {self.key} at node {self.node}: {self.delivery or self.problem}"


class Verifier:
    """Compares what the senders know with the database and with what the API of one node shows."""

    def __init__(self, checks, nodes, number=0):
        self.checks, self.nodes, self.number = checks, nodes, number

    def verify(self, pushes, when):
        """Every acknowledged push is there once, beside it only unanswered ones; alerts count exactly what is there. Returns the stored ones."""
        pushes = [push for push in pushes if push.was_sent]
        acknowledged = {push.delivery: push for push in pushes if push.delivery}
        self.checks.equal(len(acknowledged), sum(1 for push in pushes if push.delivery), f"{when}: no two pushes were given one delivery id")
        found = {name: int(count) for name, count in self.nodes.rows("SELECT encode(id, 'hex'), count(*) FROM deliveries GROUP BY id")}
        wrong = [push for name, push in acknowledged.items() if found.get(uuid_hex(name)) != 1]
        what = f"{when}: all {len(acknowledged)} acknowledged pushes are in the database exactly once"
        self.checks.equal(wrong[:3], [], f"{what} ({len(wrong)} are not)")
        stored, by_number, strangers = list(acknowledged.values()), {push.number: push for push in pushes}, []
        listed, targets = Counter(), list(dict.fromkeys(push.target for push in pushes))
        for target in targets:
            api = self.nodes.api(target.account, self.number)
            items = list(api.items(f"{target.account.path}/deliveries", integration_id=target.integration))
            listed.update(item["id"] for item in items)
            for item in items:
                if item["id"] not in acknowledged:
                    push = self.identify(api, target, item, by_number)
                    (strangers if push is None or push.status or push in stored else stored).append(push or item)
            api.close()
        wrong = [push for name, push in acknowledged.items() if listed[name] != 1]
        self.checks.equal(wrong[:3], [], f"{when}: and the API lists each exactly once")
        self.checks.equal([name for name, count in listed.items() if count > 1][:3], [], f"{when}: no delivery is listed twice")
        self.checks.equal(strangers[:3], [], f"{when}: everything else that is stored is a push without an answer ({len(strangers)} are not)")
        unanswered = [push for push in pushes if not push.status]
        extra = len(stored) - len(acknowledged)
        note(f"{len(pushes)} pushes, {len(acknowledged)} acknowledged, {len(unanswered)} unanswered, {extra} of these stored")
        self.alerts(targets, stored, when)
        return stored

    @staticmethod
    def identify(api, target, item, by_number):
        """The push that is in a stored delivery, None when there is none such."""
        body = api.get(f"{target.account.path}/deliveries/{item['id']}")["body"]
        try:
            return by_number.get(int(json.loads(body)["alerts"][0]["annotations"]["push"]))
        except (ValueError, LookupError, TypeError):
            return None

    def alerts(self, targets, stored, when):
        expected, fired = Counter(), set()
        for push in stored:
            if push.is_counted:
                expected[push.target.integration, push.key] += 1
                fired.add((push.target.integration, push.target.channel, push.key))
        counted, opened = Counter(), Counter()
        for target in targets:
            api = self.nodes.api(target.account, self.number)
            for alert in api.items(f"{target.account.path}/alerts", integration_id=target.integration):
                counted[alert["integration_id"], alert["alert_key"]] += alert["event_count"]
                opened[alert["integration_id"], alert["channel_id"], alert["alert_key"]] += alert["status"] != "Ok"
            api.close()
        wrong = [(*key, opened[key]) for key in fired if opened[key] != 1]
        what = f"{when}: exactly one open alert for each of {len(fired)} integrations, channels and keys"
        self.checks.equal(wrong[:3], [], f"{what} ({len(wrong)} wrong)")
        self.checks.equal([key for key, count in opened.items() if count > 1][:3], [], f"{when}: none is open twice")
        wrong = [(*key, counted[key], count) for key, count in expected.items() if counted[key] != count]
        self.checks.equal(wrong[:3], [], f"{when}: alerts count exactly what is stored, {sum(expected.values())} pushes ({len(wrong)} wrong)")

    def endings(self, pushes, when):
        """What was acknowledged in turn by one node ends as its last push says. `pushes`: of one key each, in order."""
        states, wrong = {}, []
        targets = dict.fromkeys(push.target for group in pushes for push in group)
        for target in targets:
            api = self.nodes.api(target.account, self.number)
            for alert in api.items(f"{target.account.path}/alerts", integration_id=target.integration):
                states.setdefault((target.integration, alert["alert_key"]), []).append(alert["status"] != "Ok")
            api.close()
        for group in pushes:
            found = states.get((group[-1].target.integration, group[-1].key), [])
            if any(found) != (group[-1].form != "recovery") or not found:
                wrong.append((group, "open" if any(found) else "recovered" if found else "not there"))
        self.checks.check(pushes, f"{when}: there are keys of which every push was acknowledged")
        self.checks.equal(wrong[:3], [], f"{when}: {len(pushes)} keys end as their last push says ({len(wrong)} do not)")

    def deadlocks(self, when):
        lines = self.nodes.cluster.log_lines
        self.checks.equal(lines("deadlock detected|PANIC|too many clients")[:3], [], f"{when}: no deadlock in PostgreSQL's log")
        said = Counter(line.partition(" ERROR:  ")[2].strip()[:100] for line in lines(" ERROR:  "))
        if said:
            note(f"errors in PostgreSQL's log: {dict(said.most_common(5))}")


class Keeper:
    """Keeps a connection to each node, as long as the node does. Not for use by two threads."""

    IDLE = 10  # seconds: the server closes a silent connection after 15, and a push that crosses that would have no answer

    def __init__(self, nodes):
        self.nodes, self.used = nodes, [0.0 for _ in nodes.all]
        self.senders = [tocsin.Sender("http://x/", node.port) for node in nodes.all]

    def send(self, push, number):
        if time.monotonic() - self.used[number] > self.IDLE:
            self.senders[number].close()
        self.used[number] = time.monotonic()
        return push.send(self.senders[number], number)

    def close(self):
        for sender in self.senders:
            sender.close()
