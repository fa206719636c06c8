#!/usr/bin/env python3
"""An unmodified Prometheus Alertmanager raises and recovers alerts through a `webhook_config` on a `prometheus` push URL.

    alertmanager.py

Alerts are given to Alertmanager by its own API (v2): one, a group of 50, and one while Tocsin is down.
"""

import datetime
import http.client
import json
import os
import subprocess
import sys
import time
from shutil import which

import tocsin

STARTED = datetime.datetime.now(datetime.timezone.utc)

CONFIG = """\
route:
  receiver: tocsin
  group_by: [alertname]
  group_wait: 1s
  group_interval: 1s
  repeat_interval: 1h
receivers:
  - name: tocsin
    webhook_configs:
      - url: {url}
        send_resolved: true
"""


class Alertmanager:
    """One Alertmanager on a loopback port, without a cluster."""

    def __init__(self, directory, push_url):
        self.directory, self.port = os.path.join(directory, "alertmanager"), tocsin.free_port()
        os.mkdir(self.directory, 0o700)
        self.config = os.path.join(self.directory, "alertmanager.yml")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(url=push_url))

    def __enter__(self):
        arguments = [
            *tocsin.WITH_US, "prometheus-alertmanager", f"--config.file={self.config}", f"--storage.path={self.directory}/data",
            f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address=",
        ]
        with open(os.path.join(self.directory, "log"), "wb") as log:
            self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            tocsin.wait_until("Alertmanager is ready", lambda: tocsin.status_of(self.port, "/-/ready") == 200, 30)
        except TimeoutError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)

    def post(self, alerts):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("POST", "/api/v2/alerts", json.dumps(alerts), {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read()
        connection.close()
        if response.status != 200:
            raise RuntimeError(f"Alertmanager answered {response.status}: {text[:200]}")


def alert(name, severity, instance="db-1", ended=False):
    now = datetime.datetime.now(datetime.timezone.utc)
    return {
        "labels": {"alertname": name, "severity": severity, "instance": instance},
        "annotations": {"summary": f"{name} on {instance}"},
        "generatorURL": "http://prometheus.example.com/graph",
        "startsAt": STARTED.isoformat(),
        "endsAt": (now if ended else now + datetime.timedelta(hours=1)).isoformat(),
    }


def main(checks):
    if not which("prometheus-alertmanager"):
        sys.exit("prometheus-alertmanager is not installed: deploy/test installs it")
    with tocsin.Server() as server:
        server.start()
        account = tocsin.Account(server, "Prometheus")
        integration = account.dedicated("prometheus", "Alertmanager", account.channel("Databases"))
        with Alertmanager(server.directory, integration["push_url"]) as manager:
            check_all(checks, server, account, integration["id"], manager)
        if checks.failed:
            server.print_log()


def check_all(checks, server, account, integration, manager):
    def alerts(name, **query):
        rows = account.items("alerts", integration_id=integration, **query)
        return [row for row in rows if row["labels"].get("alertname") == name]

    def is_open(name, count=1):
        return lambda: len(alerts(name, active="true")) == count

    def recovered(name, count=1):
        return lambda: sum(row["status"] == "Ok" for row in alerts(name)) == count and not alerts(name, active="true")

    for name, severity, expected in (
        ("DiskFull", "critical", "Critical"), ("DiskSlow", "warning", "Warning"), ("DiskOld", "info", "Info"),
    ):
        manager.post([alert(name, severity)])
        tocsin.wait_until(f"{name} is open", is_open(name), 30)
        row = alerts(name)[0]
        found = (row["severity"], row["status"], row["title"], row["labels"].get("instance"))
        checks.equal(found, (expected, expected, name, "db-1"), f"{severity}: raised")
        manager.post([alert(name, severity, ended=True)])
        tocsin.wait_until(f"{name} is recovered", recovered(name), 30)
        row = alerts(name)[0]
        checks.equal((row["severity"], row["status"]), (expected, "Ok"), f"{severity}: recovered")

    group = [f"node-{n}" for n in range(50)]
    manager.post([alert("NodeDown", "critical", node) for node in group])
    tocsin.wait_until("50 alerts are open", is_open("NodeDown", 50), 30)
    nodes = sorted(row["labels"]["instance"] for row in alerts("NodeDown"))
    checks.equal(nodes, sorted(group), "a group of 50: each one is open, once")
    manager.post([alert("NodeDown", "critical", node, ended=True) for node in group])
    tocsin.wait_until("50 alerts are recovered", recovered("NodeDown", 50), 30)
    checks.check(True, "a group of 50: all are recovered")

    status, _ = server.stop()
    checks.equal(status, 0, "Tocsin stops")
    manager.post([alert("WhileDown", "critical")])
    # Longer than group_wait, so that Alertmanager has tried in vain.
    time.sleep(4)
    server.start()
    tocsin.wait_until("the alert of the outage arrives", is_open("WhileDown"), 90)
    checks.check(True, "an alert that fired while Tocsin was down arrives after its start")
    odd = [d for d in account.items("deliveries", integration_id=integration) if d["outcome"] != "accepted"]
    checks.equal(odd[:3], [], "every delivery of Alertmanager was accepted")


if __name__ == "__main__":
    tocsin.run(main, seconds=300)
