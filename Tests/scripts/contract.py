#!/usr/bin/env python3
"""schemathesis against a running server: every check and every phase, with an operator key and a viewer key, with --long an admin key, too.

    contract.py [--long] [--seed N] [--max-examples N] [--keys operator,admin,viewer] [-- OPTION OF schemathesis...]

Each key has a server of its own, with an account that has something of everything. `contract_hooks.py` puts what exists in the place of
what schemathesis makes up; `contract.toml` says which checks take which answers, and why.
"""

import argparse
import contextlib
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse

import python_tools
import tocsin

HERE = pathlib.Path(__file__).resolve().parent
METHODS = ("get", "put", "post", "delete", "patch")
KEYS = ("operator", "admin", "viewer")
USUAL = ("operator", "viewer")  # without --long


# --- the contract


def strict_contract():
    """openapi.yaml with each status of each operation in its place: those of `x-common-responses`, and no `default` for what is not told."""
    document = read_contract()
    kinds = {"push": "push", "none": "probe"}
    for item in document["paths"].values():
        for method in METHODS:
            operation = item.get(method)
            if not operation:
                continue
            common = document["x-common-responses"][kinds.get(operation["x-required-role"], "management")]
            operation["responses"] = {**common, **operation["responses"]}
            operation["responses"].pop("default", None)
    return document


def read_contract():
    """As JSON, by the tools' reader of YAML: the system's Python may have none."""
    code = "import json, sys, yaml; json.dump(yaml.load(open(sys.argv[1], encoding='utf-8'), yaml.CSafeLoader), sys.stdout, default=str)"
    command = [python_tools.tools() / "python", "-c", code, tocsin.ROOT / "openapi.yaml"]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def creations(document):
    """{path of a collection: a body that its POST takes}, for paths below which one thing can be deleted."""
    found = {}
    for path in document["paths"]:
        collection, _, last = path.rpartition("/")
        item = document["paths"].get(collection, {})
        if last.startswith("{") and "delete" in document["paths"][path] and "requestBody" in item.get("post", {}):
            body = item["post"]["requestBody"]
            if "$ref" in body:
                body = document["components"]["requestBodies"][body["$ref"].rpartition("/")[2]]
            examples = body["content"]["application/json"]["examples"]
            found[collection] = next(iter(examples.values()))["value"]
    return found


# --- what there is


class Listener:
    """Takes connections and says nothing: where messages go in this test."""

    def __enter__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.listen, daemon=True).start()
        return self

    def listen(self):
        while True:
            try:
                self.socket.accept()[0].close()
            except OSError:
                return

    def __exit__(self, *_):
        self.socket.close()


class Estate:
    """An account with something of everything; what the hooks need to know of it."""

    def __init__(self, server, listener):
        self.server, self.listener = server, listener
        self.account = tocsin.Account(server, "Acme 支付")
        self.api, self.path = self.account.api, self.account.path
        self.owners = {}
        self.fill()

    def own(self, owner, *names):
        for name in names:
            self.owners[name] = owner

    def fill(self):
        account, api, path = self.account, self.api, self.path
        self.channels = [account.channel(f"Channel {number}") for number in range(3)]
        url = f"https://127.0.0.1:{self.listener}/hook"
        changes = ["opened", "updated", "recovered", "closed"]
        for kind in ("webhook", "dingtalk"):
            body = {"name": kind, "kind": kind, "settings": {"url": url}, "changes": changes}
            made = api.post(f"{path}/channels/{self.channels[0]}/notifiers", body)
            self.own({"channel_id": self.channels[0]}, made["id"])
        dedicated = account.dedicated("aliyun-arms", "Dedicated", self.channels[0])
        shared = account.shared("aliyun-arms", "Shared", [self.channels[1]])
        standard = account.dedicated("standard", "Standard", self.channels[2])
        self.token = urllib.parse.urlsplit(dedicated["push_url"]).path.rpartition("/")[2]
        for number in range(3):
            condition = {"key": "labels.namespace", "operator": "in", "values": [f"space-{number}"]}
            body = {"name": f"Route {number}", "conditions": [[condition]], "channel_ids": [self.channels[number]]}
            route = api.post(f"{path}/integrations/{shared['id']}/routes", body)
            self.own({"integration_id": shared["id"]}, route["id"])
        urls = f"{path}/integrations/{shared['id']}/push-urls"
        revoked = api.post(urls, {"description": "Revoked"})
        api.call("DELETE", f"{urls}/{revoked['id']}")
        self.own({"integration_id": shared["id"]}, shared["push_url_id"], revoked["id"], api.post(urls, {"description": "Second"})["id"])
        api.call("PUT", f"{path}/severity-tables/aliyun-arms", {"entries": [{"level": "sev1", "severity": "Critical"}], "fallback": "Info"})
        api.call("PUT", f"{path}/health-alerts", {"channel_id": self.channels[2]})
        for push_url in (dedicated["push_url"], shared["push_url"]):
            self.push(push_url)
        sender = tocsin.Sender(standard["push_url"], self.server.port)
        sender.push(json.dumps({"title_rule": "Disk full", "event_status": "Warning", "alert_key": "disk"}).encode())
        sender.close()

    def push(self, push_url):
        sender = tocsin.Sender(push_url, self.server.port)
        bodies = [
            tocsin.arms_body([tocsin.arms_alert(f"pod-{number}") for number in range(5)]),
            tocsin.arms_body([tocsin.arms_alert("pod-0", "resolved", ends="2026-03-02T11:00:00Z")]),
            b"$alertmanager_content",  # a test
            b'{"broken": ',  # quarantined
        ]
        statuses = [sender.push(body)[0] for body in bodies]
        sender.close()
        if statuses != [200, 200, 200, 400]:
            raise RuntimeError(f"pushes: {statuses}")

    def key(self, role):
        if role == "operator":
            return tocsin.API(self.server.port, self.server.operator_key()).post("/v1/operator-keys", {"name": "schemathesis"})["secret"]
        return self.api.post(f"{self.path}/api-keys", {"name": f"schemathesis {role}", "role": role})["secret"]

    def described(self, role, document):
        """For the hooks. The key of the run is not among the ids, so that it stays."""
        account, operator = self.account, tocsin.API(self.server.port, self.server.operator_key())
        collections = ["channels", "integrations", "deliveries", "events", "alerts"] + (["notifications"] if role != "operator" else [])
        names = [self.account.id, *self.owners, *(item["id"] for name in collections for item in account.items(name))]
        names.append(self.api.post(f"{self.path}/api-keys", {"name": "Some key"})["id"])
        if role == "operator":
            names[-1:] = [operator.post("/v1/operator-keys", {"name": "Some operator"})["id"], names[-1]]
        known = {}
        for name in names:
            known.setdefault(name.partition("_")[0], []).append(name)
        made = {path: body for path, body in creations(document).items() if role == "operator" or path.startswith("/v1/accounts/")}
        return {
            "port": self.server.port, "operator": operator.key, "listener": self.listener, "token": self.token, "ids": known,
            "owners": self.owners, "made": made if role != "viewer" else {},
        }


# --- the run


class Run:
    """One key with a server of its own, and schemathesis against it. To be made by the main thread."""

    def __init__(self, role, contract, options, listener, server, folder):
        self.role, self.server, self.directory = role, server, pathlib.Path(folder)
        estate = Estate(server, listener.port)
        key = estate.key(role)
        for name, value in {"estate": estate.described(role, contract), "openapi": contract}.items():
            (self.directory / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")
        environment = python_tools.environment(tocsin.clean_environment()) | {
            "CONTRACT_ESTATE": str(self.directory / "estate.json"), "CONTRACT_OPENAPI": str(self.directory / "openapi.json"),
            "CONTRACT_EXPLAINED": str(self.directory / "explained.json"), "CONTRACT_KEY": key, "CONTRACT_TOKEN": estate.token,
            "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1",
        }
        command = [
            *tocsin.WITH_US, python_tools.tools() / "st", "--config-file", HERE / "contract.toml", "run", self.directory / "openapi.json",
            "--url", f"http://127.0.0.1:{server.port}", "--seed", str(options.seed), "--max-examples", str(options.max_examples),
            "--no-color", *options.more,
        ]
        self.began = time.monotonic()
        with open(self.directory / "output", "wb") as output:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, cwd=self.directory)

    def finish(self, checks):
        status, took = self.process.wait(), time.monotonic() - self.began
        words = (self.directory / "output").read_text(errors="replace").splitlines()
        print(f"\n      {self.role}")
        # A request may be very long.
        print(*(f"      {line[:2000]}" for line in (words if status else words[-22:]) if line.strip()), sep="\n")
        explained = json.loads((self.directory / "explained.json").read_text(encoding="utf-8"))
        print(*(f"      refused, or taken, as openapi.yaml says in words: {count} x {why}" for why, count in sorted(explained.items())), sep="\n")
        checks.equal(status, 0, f"schemathesis finds nothing with the {self.role} key, in {took:.0f} s")
        checks.equal(tocsin.status_of(self.server.port, "/readyz"), 200, "and the server is ready")
        checks.equal(self.server.stop()[0], 0, "and ends in good order")


def main(options, checks):
    print(f"seed {options.seed}")
    contract = strict_contract()
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(Listener())
        runs = []
        for role in options.keys:
            server = stack.enter_context(tocsin.Server(environment={"TOCSIN_OUTBOUND_ALLOW": "127.0.0.0/8"}))
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tocsin-test-"))
            server.start()
            runs.append(Run(role, contract, options, listener, server, folder))
            stack.callback(runs[-1].process.kill)
        for run in runs:
            run.finish(checks)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--seed", type=int, default=20261120)
    parser.add_argument("--max-examples", type=int)
    parser.add_argument("--keys", type=lambda text: text.split(","), help="without it: operator and viewer; with --long admin, too")
    parser.add_argument("more", nargs="*")
    parsed = parser.parse_args()
    parsed.keys = parsed.keys or (KEYS if parsed.long else USUAL)
    parsed.max_examples = parsed.max_examples or (60 if parsed.long else 3)
    tocsin.run(lambda checks: main(parsed, checks), seconds=3000 if parsed.long else 380)
