"""Row 20 of field_reports.py: what one node issues is good at the other at once."""

import collections
import json
import threading
import urllib.parse

import tocsin
from field_reports_place import answer_of, event, raw
from nodes import Nodes

TIMES = 50
JSON = [("Content-Type", "application/json")]


def path_of(url):
    return urllib.parse.urlsplit(url).path


def push(nodes, number, target):
    return answer_of(nodes[number].port, "POST", target, raw(event("k")), JSON)[0]


class Flood:
    """Pushes with tokens that a node does not know (any more), one after the other, until it is stopped."""

    def __init__(self, nodes, number, target):
        self.nodes, self.number, self.target, self.ended, self.statuses = nodes, number, target, False, collections.Counter()
        self.thread = threading.Thread(target=self.work, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended = True
        self.thread.join(20)

    def work(self):
        while not self.ended:
            self.statuses[push(self.nodes, self.number, self.target)] += 1


def other_node(checks, cluster):
    with Nodes(cluster, checks) as nodes:
        nodes.start()
        account = tocsin.Account(nodes[0], "Issued here")
        channel = account.channel("C")
        apis = [nodes.api(account, number) for number in (0, 1)]
        body = {"type": "standard", "mode": "dedicated", "channel_id": channel}
        operator = tocsin.API(nodes[0].port, nodes.operator_key())
        limits = {"limits": {"calls_per_second": 100_000, "call_burst": 200_000}}
        operator.call("PATCH", account.path, limits)

        def integration(api, name):
            return api.post(f"{account.path}/integrations", {**body, "name": name})

        for there in (1, 0):
            statuses = collections.Counter(
                push(nodes, there, path_of(integration(apis[1 - there], f"I {there} {n}")["push_url"])) for n in range(TIMES)
            )
            checks.equal(dict(statuses), {200: TIMES}, f"row 20: an integration made at node {1 - there}, used at node {there} at once")
        one = integration(apis[0], "One")
        statuses = collections.Counter(
            push(nodes, 1, path_of(apis[0].post(f"{account.path}/integrations/{one['id']}/push-urls", {})["url"])) for _ in range(TIMES)
        )
        checks.equal(dict(statuses), {200: TIMES}, "row 20: another push URL of one integration")
        statuses = collections.Counter(push(nodes, n % 2, path_of(onboarded(operator, n))) for n in range(TIMES))
        checks.equal(dict(statuses), {200: TIMES}, "row 20: a new account's first push, at either node")
        beside_strangers(checks, nodes, account, apis, integration, operator)
        operator.close()


def onboarded(operator, number):
    body = {
        "account": {"name": f"New {number}"}, "api_key": {"name": "k", "role": "admin"}, "channel": {"name": "c"},
        "integration": {"name": "i", "type": "standard"},
    }
    return operator.post("/v1/onboarding", body)["integration"]["push_url"]


def beside_strangers(checks, nodes, account, apis, integration, operator):
    """Tokens that are good no more come all the time: of the same account, and of an account that is gone."""
    gone = integration(apis[0], "Gone")
    apis[0].call("DELETE", f"{account.path}/integrations/{gone['id']}")
    other = operator.post("/v1/onboarding", {
        "account": {"name": "Deleted"}, "api_key": {"name": "k", "role": "admin"}, "channel": {"name": "c"},
        "integration": {"name": "i", "type": "standard"},
    })
    operator.call("DELETE", f"/v1/accounts/{other['account']['id']}")
    targets = [path_of(gone["push_url"]), path_of(other["integration"]["push_url"])]
    with Flood(nodes, 1, targets[0]) as first, Flood(nodes, 1, targets[1]) as second:
        statuses = collections.Counter(push(nodes, 1, path_of(integration(apis[0], f"Beside {n}")["push_url"])) for n in range(TIMES))
        fresh = collections.Counter(push(nodes, 1, path_of(onboarded(operator, f"beside {n}"))) for n in range(20))
        for flood in (first, second):  # on a busy machine they come after the others
            tocsin.wait_until("the flood is one", lambda flood=flood: sum(flood.statuses.values()) > 20, 30)
    checks.equal(dict(statuses), {200: TIMES}, "row 20: beside a flood of unknown tokens of the same account")
    checks.equal(dict(fresh), {200: 20}, "row 20: new accounts beside it")
    for flood in (first, second):
        checks.check(
            set(flood.statuses) == {401} and sum(flood.statuses.values()) > 20, f"row 20: unknown tokens stay refused: {json.dumps(flood.statuses)}"
        )
    enabled_elsewhere(checks, nodes, account, apis, integration)


def enabled_elsewhere(checks, nodes, account, apis, integration):
    """What is taken back at one node is refused at the other within a second; what is given again is good."""
    one = integration(apis[0], "Off and on")
    path, target = f"{account.path}/integrations/{one['id']}", path_of(one["push_url"])
    push(nodes, 1, target)
    apis[0].call("PATCH", path, {"status": "disabled"})
    tocsin.wait_until("it is refused at the other node", lambda: push(nodes, 1, target) == 401, 5)
    apis[0].call("PATCH", path, {"status": "enabled"})
    tocsin.wait_until("it is taken again", lambda: push(nodes, 1, target) == 200, 5)
    checks.check(True, "row 20: off and on again at the other node")
