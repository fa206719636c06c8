#!/usr/bin/env python3
"""A Python client generated from openapi.yaml, by openapi-python-client, sets up an account, and reads what a push to it led to.

    generated_client.py

The generator must not pass over anything, and what the API answers has a type, refusals too.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

import python_tools
import tocsin

PACKAGE = "tocsin_client"
# The generator knows no YAML and no JSON lines: to its clients they are bytes to send and text to read.
CONFIGURATION = "content_type_overrides: {application/x-ndjson: text/plain, application/yaml: application/octet-stream}\n"


def generate(checks, folder):
    """True when there is a client in `folder`."""
    (folder / "generator.yaml").write_text(CONFIGURATION, encoding="utf-8")
    command = [
        python_tools.tools() / "openapi-python-client", "generate", "--config", folder / "generator.yaml", "--path", tocsin.ROOT / "openapi.yaml", "--meta", "none",
        "--output-path", folder / PACKAGE,
    ]
    environment = python_tools.environment(tocsin.clean_environment())
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, check=False, timeout=100)
    checks.equal(done.returncode, 0, "a client is generated from openapi.yaml")
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip() and not line.startswith("Generating ")]
    checks.equal(lines, [], "nothing is passed over")
    return done.returncode == 0


def main(checks):
    with tempfile.TemporaryDirectory(prefix="tocsin-test-") as name, tocsin.Server() as server:
        folder = pathlib.Path(name)
        server.start()
        if not generate(checks, folder):
            return
        # The client needs what the tools need: it runs among them.
        environment = tocsin.clean_environment() | {
            "PYTHONPATH": f"{folder}:{pathlib.Path(__file__).resolve().parent}", "CLIENT_URL": f"http://127.0.0.1:{server.port}",
            "CLIENT_KEY": server.operator_key(), "PYTHONDONTWRITEBYTECODE": "1",
        }
        command = [*tocsin.WITH_US, python_tools.tools() / "python", __file__, "--with-client"]
        status = subprocess.run(command, env=environment, check=False, timeout=60).returncode
        checks.equal(status, 0, "and with it everything can be done")


# --- what runs among the tools, with the client


def pushed(url, body):
    request = urllib.request.Request(url, body, {"Content-Type": tocsin.ARMS_TYPE})
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.status


def with_client(checks):
    from tocsin_client import AuthenticatedClient, models
    from tocsin_client.api.accounts import create_account
    from tocsin_client.api.api_keys import create_api_key
    from tocsin_client.api.caller import get_me

    url = os.environ["CLIENT_URL"]
    operator = AuthenticatedClient(base_url=url, token=os.environ["CLIENT_KEY"])
    account = create_account.sync(client=operator, body=models.AccountCreate(name="Acme 支付", external_id="crm-1"))
    checks.check(isinstance(account, models.Account) and account.status == models.AccountStatus.ACTIVE, "an account is created", account)
    draft = models.APIKeyCreate(name="client", role=models.Role.ADMIN)
    key = create_api_key.sync(account.id, client=operator, body=draft)
    checks.check(isinstance(key, models.APIKeyCreated), "and a key of it", key)
    client = AuthenticatedClient(base_url=url, token=key.secret)
    me = get_me.sync(client=client)
    checks.equal((me.role, me.account_id), (models.KeyRole.ADMIN, account.id), "the key knows whose it is")
    channels = [channel(checks, client, models, account.id, name) for name in ("Payments", "Orders")]
    receive(checks, client, models, account.id, channels[0])
    severities(checks, client, models, account.id)
    routes(checks, client, models, account.id, channels)
    refusals(checks, client, models, account.id, url)


def channel(checks, client, models, account, name):
    from tocsin_client.api.channels import create_channel

    made = create_channel.sync_detailed(account, client=client, body=models.ChannelCreate(name=name))
    checks.equal((made.status_code, made.parsed.name), (201, name), f"a channel {name}")
    return made.parsed.id


def receive(checks, client, models, account, channel_id):
    from tocsin_client.api.alerts import list_alerts
    from tocsin_client.api.deliveries import get_delivery, list_deliveries
    from tocsin_client.api.integrations import create_integration

    draft = models.IntegrationCreate(
        type_=models.IntegrationType.ALIYUN_ARMS, mode=models.Mode.DEDICATED, name="ARMS", channel_id=channel_id
    )
    integration = create_integration.sync(account, client=client, body=draft)
    checks.check(isinstance(integration, models.IntegrationCreated), "an integration with its push URL", integration)
    body = tocsin.arms_body([tocsin.arms_alert("pod-7"), tocsin.arms_alert("pod-8", severity="warning")])
    checks.equal(pushed(integration.push_url, body), 200, "a push to it is taken")
    deliveries = list_deliveries.sync(account, client=client, outcome=models.DeliveryOutcome.ACCEPTED).items
    checks.equal([(item.event_count, item.integration_id) for item in deliveries], [(2, integration.id)], "its delivery is listed")
    results = get_delivery.sync(account, deliveries[0].id, client=client).results
    opened = [(models.EventOutcome.OPENED, [channel_id])] * 2
    checks.equal([(result.outcome, result.channel_ids) for result in results], opened, "with what became of its events")
    alerts = list_alerts.sync(account, client=client, active=True, channel_id=channel_id, limit=10)
    found = {alert.alert_key: (alert.severity, alert.labels["namespace"]) for alert in alerts.items}
    expected = {"pod-7": (models.Severity.CRITICAL, "orders"), "pod-8": (models.Severity.WARNING, "orders")}
    checks.equal((found, alerts.next_cursor), (expected, None), "and its alerts")


def severities(checks, client, models, account):
    from tocsin_client.api.severity_tables import get_severity_table, replace_severity_table

    kind = models.IntegrationType.ALIYUN_ARMS
    before = get_severity_table.sync_detailed(account, kind, client=client)
    checks.check(before.parsed.is_default and before.parsed.entries, "the built-in severity table")
    entries = [models.SeverityEntry(level="sev1", severity=models.Severity.CRITICAL)]
    draft = models.SeverityTableReplace(entries=entries, fallback=models.Fallback.INFO)
    after = replace_severity_table.sync(account, kind, client=client, body=draft, if_match=before.headers["ETag"])
    checks.equal((after.entries, after.is_default, after.fallback), (entries, False, models.Fallback.INFO), "is replaced")
    again = replace_severity_table.sync(account, kind, client=client, body=draft, if_match=before.headers["ETag"])
    checks.equal(again.code, models.ProblemCode.PRECONDITION_FAILED, "but not by who has seen another")


def routes(checks, client, models, account, channels):
    from tocsin_client.api.integrations import create_integration
    from tocsin_client.api.routes import create_route, list_routes

    draft = models.IntegrationCreate(
        type_=models.IntegrationType.PROMETHEUS, mode=models.Mode.SHARED, name="Shared", default_channel_ids=channels[1:]
    )
    shared = create_integration.sync(account, client=client, body=draft)
    condition = models.Condition(key="labels.namespace", operator=models.ConditionOperator.IN, values=["pay"])
    draft = models.RouteCreate(conditions=[[condition]], name="payments", channel_ids=channels[:1], on_match=models.OnMatch.STOP)
    route = create_route.sync(account, shared.id, client=client, body=draft)
    checks.check(isinstance(route, models.Route) and route.position == 0, "a route is created", route)
    listed = list_routes.sync(account, shared.id, client=client).items
    checks.equal([item.conditions for item in listed], [[[condition]]], "and listed")
    draft.channel_ids = []
    problem = create_route.sync_detailed(account, shared.id, client=client, body=draft)
    checks.equal(problem.status_code, 422, "a route to nowhere is refused")
    checks.check(isinstance(problem.parsed, models.Problem), "as a problem", problem.parsed)
    pointers = [error.pointer for error in problem.parsed.errors]
    checks.equal((problem.parsed.code, pointers), (models.ProblemCode.VALIDATION_FAILED, ["/channel_ids"]), "that says where")


def refusals(checks, client, models, account, url):
    from tocsin_client import AuthenticatedClient
    from tocsin_client.api.channels import create_channel, delete_channel, list_channels

    found = delete_channel.sync(account, "chan_00000000000000000000000000", client=client)
    checks.equal(found.code, models.ProblemCode.NOT_FOUND, "what is not there is a problem, too")
    twice = create_channel.sync(account, client=client, body=models.ChannelCreate(name="payments"))
    checks.equal(twice.code, models.ProblemCode.NAME_TAKEN, "and a name that is taken")
    stranger = AuthenticatedClient(base_url=url, token="tak_" + "0" * 48)
    checks.equal(list_channels.sync(account, client=stranger).code, models.ProblemCode.UNAUTHORIZED, "and a key that is none")


if __name__ == "__main__":
    tocsin.run(with_client if "--with-client" in sys.argv else main, seconds=160)
