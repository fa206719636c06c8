"""What schemathesis loads beside openapi.yaml: it puts what exists in the place of what was made up.

A schema can say how an id looks, not which ids there are. So an id that no answer has shown becomes, seven times in eight, one of the estate that
`contract.py` has made; a cursor becomes one that a list gave; an address becomes one of the script's own listener, so that nobody else
hears of the test; and what is to be deleted is made first, so that the estate stays. What does not have the documented form is left alone.
"""

import atexit
import collections
import http.client
import json
import os
import random
import re
import urllib.parse
import zlib

import schemathesis

with open(os.environ["CONTRACT_ESTATE"], encoding="utf-8") as file:
    ESTATE = json.load(file)

with open(os.environ["CONTRACT_OPENAPI"], encoding="utf-8") as file:
    OPENAPI = file.read()

ID = re.compile(r"([a-z]{4})_[0-7][0-9a-hjkmnp-tv-z]{25}")
TOKEN = re.compile(r"tpu_[0-9A-Za-z]{51}")
KINDS = (("host", "email"), ("headers", "webhook"), ("secret", "dingtalk"))  # what a notifier is that has this setting
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
EXAMPLES = {match[0] for match in ID.finditer(OPENAPI)}
seen = {name for names in ESTATE["ids"].values() for name in names}
cursors = {}


def existing(name, taken=()):
    """`name`, or an id of the estate in its place that is not among those `taken`."""
    found = ID.fullmatch(name) if isinstance(name, str) else None
    if not found or name in seen and name not in taken:
        return name
    choice = zlib.crc32(name.encode())
    known = [other for other in ESTATE["ids"].get(found[1], []) if other not in taken]
    return known[choice // 8 % len(known)] if known and (choice % 8 or name in EXAMPLES) else name


def with_existing(value, key=None):
    """A body with existing ids, and no address but our own."""
    if isinstance(value, dict):
        return {name: with_existing(item, name) for name, item in value.items()}
    if isinstance(value, list):
        found = []
        for item in value:
            found.append(existing(item, found) if isinstance(item, str) else with_existing(item, key))
        return found
    if isinstance(value, str) and key == "url" and re.match(r"https?://[^/]", value):
        return f"https://127.0.0.1:{ESTATE['listener']}/" + urllib.parse.quote(value[9:200])
    if key == "host" and isinstance(value, str) and HOST.fullmatch(value):
        return "127.0.0.1"
    if key == "port" and type(value) is int and 1 <= value <= 65535:
        return ESTATE["listener"]
    return existing(value)


def consistent(value, has_routes):
    """A valid body whose fields also go together, one by another, which its schema does not say. What was refused for that alone would be all."""
    if isinstance(value, list):
        return [consistent(item, has_routes) for item in value]
    if not isinstance(value, dict):
        return value
    value = {name: consistent(item, has_routes) for name, item in value.items()}
    channels, settings = ESTATE["ids"]["chan"], value.get("settings")
    if "kind" in value and isinstance(settings, dict):
        other = "slack" if value["kind"] == "email" else value["kind"]
        value["kind"] = next((kind for field, kind in KINDS if field in settings), other)
    if value.get("mode") == "dedicated":
        value["channel_id"] = value.get("channel_id") or channels[0]
        value.pop("default_channel_ids", None)
    elif value.get("mode") == "shared":
        value.pop("channel_id", None)
    elif value.get("mode") == "name_mapping":
        value |= {"channel_ids": [], "name_mapping_label": value.get("name_mapping_label") or "team"}
    elif has_routes and "conditions" in value and ("name_mapping_label" in value or not value.get("channel_ids")):
        value |= {"mode": "standard", "channel_ids": value.get("channel_ids") or channels[:1]}
        value.pop("name_mapping_label", None)
    return value


def set_path(case):
    names = dict(case.path_parameters or {})
    for name, value in names.items():
        if name == "token" and isinstance(value, str) and TOKEN.fullmatch(value):
            names[name] = ESTATE["token"]
        else:
            names[name] = existing(value)
    for parameter, name in list(names.items()):
        owner = ESTATE["owners"].get(name, {}) if isinstance(name, str) else {}
        if parameter != "account_id" and name in ESTATE["ids"].get(str(name)[:4], []):
            owner = {**owner, "account_id": ESTATE["ids"]["acct"][0]}
        for parent, value in owner.items():
            if ID.fullmatch(str(names.get(parent))):
                names[parent] = value
    if case.method.upper() == "DELETE":
        renew(case.operation, names)
    if names != (case.path_parameters or {}):
        case.path_parameters = names


def renew(operation, names):
    """Makes what a DELETE of something of the estate is to delete."""
    collection, _, last = operation.path.rpartition("/")
    last = last.strip("{}")
    made = ESTATE["made"].get(collection)
    if made is None or names.get(last) not in seen:
        return
    path = collection.format(**{name: urllib.parse.quote(str(value), safe="") for name, value in names.items()})
    body = dict(made)
    if "name" in body:
        body["name"] = f"{body['name'][:40]} {random.randrange(10**9)}"
    connection = http.client.HTTPConnection("127.0.0.1", ESTATE["port"], timeout=10)
    headers = {"Authorization": f"Bearer {ESTATE['operator']}", "Content-Type": "application/json"}
    connection.request("POST", path, json.dumps(body), headers)
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    if response.status == 201:
        names[last] = answer["id"]


def set_cursor(case):
    value = (case.query or {}).get("cursor")
    if isinstance(value, str) and 1 <= len(value) <= 512:
        query = {name: item for name, item in case.query.items() if name != "cursor"}
        known = cursors.get(case.operation.label)
        # A cursor goes with the parameters that it was made with.
        case.query = {"cursor": known} if known else query


def set_version(case, is_positive):
    """Mostly what matches any version: no schema can say which one there is."""
    value = (case.headers or {}).get("If-Match")
    if is_positive and case.method.upper() == "PUT" and "If-None-Match" in (case.headers or {}):
        case.headers = {**case.headers, "If-None-Match": "*"}  # see below
        if value is not None or random.randrange(4):
            case.headers = {name: item for name, item in case.headers.items() if name != "If-None-Match"}
    if value is None:
        return
    if re.fullmatch(r'(W/)?"[!#-~]+"', str(value)):
        is_kept = not random.randrange(4)
    else:
        # schemathesis 4.32 makes no header that begins with a quotation mark or an asterisk, and has 0 for a valid one.
        is_kept = not is_positive
    if not is_kept:
        case.headers = {**case.headers, "If-Match": "*"}


def set_idempotency_key(case):
    """Mostly one of its own for each call: with another body one that was used is refused."""
    value = (case.headers or {}).get("Idempotency-Key")
    if isinstance(value, str) and re.fullmatch(r"[!-~]{1,255}", value) and random.randrange(8):
        case.headers = {**case.headers, "Idempotency-Key": f"{random.randrange(10**18)}"}


@schemathesis.hook
def before_call(context, case, kwargs):
    mode = case.meta.generation.mode if case.meta else None
    put_existing(case, mode is not None and mode.is_positive)
    if case.meta:
        # Valid values are replaced by valid ones: what was meant to be refused still is. By itself it would be judged anew, without what was
        # wrong only on the way to the wire.
        case.meta.generation.mode = mode


def put_existing(case, is_positive):
    set_path(case)
    set_cursor(case)
    set_version(case, is_positive)
    set_idempotency_key(case)
    if case.query:
        if TOKEN.fullmatch(str(case.query.get("integration_key"))):
            case.query = {**case.query, "integration_key": ESTATE["token"]}
        query = {name: [existing(item) for item in value] if isinstance(value, list) else existing(value) for name, value in case.query.items()}
        if query != case.query:
            case.query = query
    if isinstance(case.body, (dict, list)):
        body = with_existing(case.body)
        if is_positive and "/config" not in case.path and zlib.crc32(json.dumps(body, sort_keys=True).encode()) % 8:
            body = consistent(body, "/routes" in case.path or case.path.endswith("/simulate"))
        if body != case.body:
            case.body = body


@schemathesis.hook
def after_call(context, case, response):
    text = response.content.decode("utf-8", errors="replace")
    if response.status_code < 300:
        seen.update(match[0] for match in ID.finditer(text))
        if '"next_cursor":"' in text and not case.query:
            cursors[case.operation.label] = json.loads(text)["next_cursor"]


# --- refusals of what has the documented form
#
# A schema can't say everything that openapi.yaml says in words. A 422 to data of the documented form is right when each of its errors is one of
# these: (pointer, detail), and why.
RULES = [
    (r"", r"must have at most \d+ bytes|have 1 to 128 bytes", "lengths in bytes; JSON Schema counts characters"),
    (r"", r"is in the list already", "uniqueness by a field, or without regard to case"),
    (r"/retention/", r"must be at (least|most)", "one field bounds another"),
    (r"/(default_)?channel_ids?|/alert_id|/notifier_id|/routes/\d+/id", r"there is no such|is not an? ", "foreign and unknown ids are 422 in a body"),
    (r"/(default_)?channels?(/\d+)?$", r"is not a channel of this document", "a document of configuration names its own channels"),
    (r"/(channel|channel_id|default_channels|default_channel_ids)$", r"is (required )?for a (dedicated|shared) integration|is required", "what a mode takes"),
    (r"/(channels|channel_ids|name_mapping_label)$", r"in mode|mode ", "what a mode takes"),
    (r"/routes$", r"a dedicated integration has no routes", "what a mode takes"),
    (r"/conditions/\d+/\d+/(values|key)", r"", "the little language of conditions: severities, expressions, networks, numbers"),
    (r"/settings(/|$)", r"", "settings by the notifier's kind; addresses that the operator allows"),
    (r"/template(/|$)", r"", "templates are compiled"),
    (r"/limits/", r"must be at (least|most)", "one field bounds another"),
    (r"#/query/since$", r"must be (before|at most)", "one parameter bounds another"),
    (r"/credential$", r"", "a checksum, and where a push URL leads to"),
    (r"/expires_at$", r"", "times in the future, or before another"),
    (r"/body$", r"is not base64", "bytes in a text"),
    (r"#/query/((diff|results)_)?cursor", r"", "a cursor is what a list gave"),
]
explained = collections.Counter()


@atexit.register
def tell():
    with open(os.environ["CONTRACT_EXPLAINED"], "w", encoding="utf-8") as file:
        json.dump(explained, file)


def reasons(case, response):
    """Why openapi.yaml says in words that this is refused; empty when it does not."""
    if response.status_code == 412:
        is_asked = {"If-Match", "If-None-Match"} & set(case.headers or {})
        return ["another version than the one asked for"] if is_asked else []
    try:
        answer = json.loads(response.content)
    except ValueError:
        return []
    if response.status_code == 400 and case.operation.path.startswith(("/p", "/event/")):
        # Which type the integration has no schema knows; and what the bytes of application/octet-stream are neither.
        return ["no push of the integration's type, quarantined"] if "delivery_id" in answer["error"] else []
    if response.status_code == 428:
        return ["the account demands If-Match"]
    if answer.get("code") == "idempotency_key_reused":
        return ["an Idempotency-Key is for one call"]
    found = []
    for error in answer.get("errors", []) if response.status_code == 422 else []:
        rule = next((why for pointer, detail, why in RULES if re.search(pointer, error["pointer"]) and re.search(detail, error["detail"])), None)
        if rule is None:
            return []
        found.append(rule)
    return found


def holds_null(value):
    if isinstance(value, (dict, list)):
        return any(map(holds_null, value.values() if isinstance(value, dict) else value))
    return value is None


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """False for what is no failure."""
    why = []
    if type(failure).__name__ == "RejectedPositiveData":
        why = reasons(case, response)
    elif type(failure).__name__ == "AcceptedNegativeData":
        if case.method.upper() in ("POST", "PUT") and holds_null(case.body) and response.status_code < 300:
            why = ["null for an absent field: openapi.yaml, Conventions"]
    explained.update(set(why))
    return not why
