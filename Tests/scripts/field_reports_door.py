"""Rows 5, 6, 7, 17, 18 and 21 of field_reports.py: what stands around a body. Codings, credentials, documents, settings, null."""

import base64
import codecs
import gzip
import json
import random
import time
import zlib

import tocsin
from field_reports_place import Corner, answer_of, elsewhere, event, raw

BOM, MIB, LIMIT = codecs.BOM_UTF8, 1 << 20, 5_000_000

# --- row 5


def bare_deflate(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def padded(body, size, period=None):
    """The body with blanks behind it. `period`: of so many blanks one is chosen by chance, so that it packs less well."""
    chance, rest = random.Random(5), size - len(body)
    if period is None:
        return body + b" " * rest
    return body + b"".join(chance.choice([b" ", b"\n", b"\t", b"\r"]) + b" " * (period - 1) for _ in range(rest // period + 1))[:rest]


def members(data):
    return gzip.compress(data[:20]) + gzip.compress(data[20:])


def with_zstd_mark(data):
    return b"\x28\xb5\x2f\xfd" + data


NO_CODINGS = [
    "UTF-8", "utf8", "utf-8", "", " ", "Identity", "identity", "IDENTITY", "none", "None", "chunked", "8bit", "binary", "text/plain", "gzip;q=0",
    "application/json", ",", "identity, UTF-8", "GBK", "base64",
]
# (values of Content-Encoding, how the body is packed)
UNPACKED = [
    (["gzip"], gzip.compress), (["GZIP"], gzip.compress), (["GZip"], gzip.compress), (["x-gzip"], gzip.compress), (["X-GZip"], gzip.compress),
    (["  gzip  "], gzip.compress), (["gzip"], members), (["deflate"], zlib.compress), (["Deflate"], zlib.compress), (["deflate"], bare_deflate),
    (["DEFLATE"], bare_deflate), (["gzip, utf-8"], gzip.compress), (["UTF-8, gzip"], gzip.compress), (["identity, gzip"], gzip.compress),
    (["gzip,"], gzip.compress), (["gzip", "utf-8"], gzip.compress), (["deflate, gzip"], lambda data: gzip.compress(zlib.compress(data))),
    (["deflate", "gzip"], lambda data: gzip.compress(zlib.compress(data))), (["gzip, gzip"], lambda data: gzip.compress(gzip.compress(data))),
]
# (case, value, how the body is packed)
KEPT = [
    ("br", "br", lambda data: data), ("BR", "BR", lambda data: data), ("zstd", "zstd", with_zstd_mark), ("Zstd", "Zstd", with_zstd_mark),
    ("compress", "compress", lambda data: b"\x1f\x9d" + data), ("x-compress", "x-compress", lambda data: data),
    ("gzip under br", "gzip, br", gzip.compress), ("br under gzip", "br, gzip", gzip.compress), ("utf-8 and br", "UTF-8, br", lambda data: data),
    ("gzip that is plain", "gzip", lambda data: data), ("deflate that is plain", "deflate", lambda data: data),
    ("gzip cut short", "gzip", lambda data: gzip.compress(data)[:-12]), ("gzip without its end", "gzip", lambda data: gzip.compress(data)[:-8]),
    ("gzip with a wrong sum", "gzip", lambda data: gzip.compress(data)[:-8] + bytes(8)), ("gzip of nothing at all", "gzip", lambda data: b""),
    ("deflate that is gzip", "deflate", gzip.compress), ("gzip that is deflate", "gzip", zlib.compress),
    ("packed thrice", "gzip, gzip, gzip", lambda data: gzip.compress(gzip.compress(gzip.compress(data)))),
    ("a bomb", "gzip", lambda data: gzip.compress(padded(data, 4 * MIB))),
    ("a bomb, deflate", "deflate", lambda data: zlib.compress(padded(data, 4 * MIB))),
    ("a bomb in a bomb", "gzip, gzip", lambda data: gzip.compress(gzip.compress(padded(data, 64 * MIB)))),
    ("more than a push may have", "gzip", lambda data: gzip.compress(padded(data, LIMIT + MIB, 50), 1)),
]
LARGE = [
    ("250 KiB of blanks", lambda data: gzip.compress(padded(data, 250 << 10))),
    ("2 MiB, packed a hundred times", lambda data: gzip.compress(padded(data, 2 * MIB, 120))),
    ("4 MiB", lambda data: gzip.compress(padded(data, 4 * MIB, 50))), ("4 MiB, deflate", lambda data: zlib.compress(padded(data, 4 * MIB, 50))),
]


def codings(checks, place):
    for value in NO_CODINGS:
        corner = Corner(place)
        status, answer = corner.send(event("k"), headers=[("Content-Encoding", value)])
        checks.equal((status, corner.status_of("k")), (200, "Critical"), f"row 5, {value!r} is no coding")
    for number, (values, pack) in enumerate(UNPACKED):
        corner = Corner(place, "prometheus" if number % 2 else "standard")
        body = event("k", title="磁盘") if corner.kind == "standard" else {
            "alerts": [{"status": "firing", "labels": {"alertname": "磁盘"}, "fingerprint": "k"}],
        }
        status, answer = corner.send(pack(raw(body)), headers=[("Content-Encoding", value) for value in values])
        found = (status, (corner.alert_of("k") or {}).get("title"), [each["flags"] for each in corner.delivery(answer).get("results", [])])
        checks.equal(found, (200, "磁盘", [[]]), f"row 5, {values} is unpacked ({number})")
    for case, pack in LARGE:
        corner, packed = Corner(place), pack(raw(event("k")))
        coding = "deflate" if case.endswith("deflate") else "gzip"
        status, answer = corner.send(packed, headers=[("Content-Encoding", coding)])
        checks.equal((status, corner.status_of("k")), (200, "Critical"), f"row 5, {case}: taken, {len(packed)} bytes")
    kept_codings(checks, place)
    packed_replay(checks, place)


def kept_codings(checks, place):
    for case, value, pack in KEPT:
        corner, body = Corner(place), pack(raw(event("k")))
        began = time.monotonic()
        status, answer = corner.send(body, headers=[("Content-Encoding", value)])
        seconds = time.monotonic() - began
        delivery = corner.delivery(answer)
        found = (status, delivery.get("outcome"), delivery.get("reason"), delivery.get("size"))
        checks.equal(found, (415, "quarantined", "content_encoding", len(body)), f"row 5, {case}: kept as it came")
        checks.equal(corner.alerts(), [], f"row 5, {case}: raises nothing")
        checks.check(seconds < 5, f"row 5, {case}: costs no time", f"{seconds:.1f} s")
    place.api.call("POST", f"{place.path}/deliveries/{delivery['id']}/replay")
    tocsin.wait_until("the refusal is on the record", corner.refusals, 10)
    checks.equal(list(corner.refusals().values()), [1], f"row 5: the owner sees it: {corner.refusals()}")
    forged = corner.target[:-6] + "000000"
    status, _ = corner.send(gzip.compress(raw(event("k"))), headers=[("Content-Encoding", "gzip")], target=forged)
    checks.equal(status, 401, "row 5: a forged token is what it was")


def packed_replay(checks, place):
    """What was unpacked is kept unpacked: a replay needs no coding."""
    corner = Corner(place, pinned_labels={"nobody": "has this"})
    body = '{"title_rule":"报\n警","event_status":"Critical","alert_key":"k"}'.encode("gbk")
    _, answer = corner.send(gzip.compress(body), "application/json; charset=gbk", [("Content-Encoding", "gzip")])
    delivery = corner.delivery(answer)
    checks.equal(delivery.get("size"), len(body), "row 5: the size of a delivery is that of the unpacked body")
    done = place.api.call("POST", f"{place.path}/deliveries/{delivery['id']}/replay")
    found = [(each["title"], each["flags"], each["outcome"]) for each in done["results"]]
    checks.equal(found, [("报\n警", ["charset", "control_characters"], "opened")], "row 5: packed, of another charset and with a line feed: replayed")


# --- row 6

FOREIGN = [
    "Basic x", "Basic dXNlcjpwYXNz", "basic dXNlcjpwYXNz", "Basic", "Digest username=\"u\", realm=\"r\"", "Negotiate YII=", "NTLM TlRM", "Token abc",
    "abc", "",
    "AWS4-HMAC-SHA256 Credential=AKIA/20261130", "ApiKey 123", "Bearertoken", "GenieKey x",
]


def credentials(checks, place):
    one, other = Corner(place), Corner(place)
    theirs = Corner(elsewhere(place, "Another account"))
    second = place.api.post(f"{place.path}/integrations/{one.integration}/push-urls", {})["url"].rpartition("/")[2]
    for value in FOREIGN:
        status, _ = one.send(event("k"), headers=[("Authorization", value)])
        checks.equal(status, 200, f"row 6: a push URL and Authorization {value!r}")
    both = [("Authorization", "Basic dXNlcjpwYXNz"), ("Authorization", f"Bearer {one.token}")]
    basic = "Basic " + base64.b64encode(f"push:{other.token}".encode()).decode()
    good = [
        ("the same token as Bearer", one.target, [("Authorization", f"Bearer {one.token}")]), ("twice, by two headers", one.target, both),
        ("the same token by X-Integration-Key", one.target, [("X-Integration-Key", one.token)]), ("Basic and Bearer at /p", "/p", both),
        ("Basic and X-Integration-Key at /p", "/p", [("Authorization", "Basic x"), ("X-Integration-Key", one.token)]),
        ("the compatible address and Basic", f"/event/push/alert/standard?integration_key={one.token}", [("Authorization", "Basic x")]),
        ("Basic that holds another's token", one.target, [("Authorization", basic)]), ("the token itself", "/p", [("Authorization", one.token)]),
        ("blanks around X-Integration-Key", "/p", [("X-Integration-Key", f"  {one.token}\t ")]),
    ]
    for case, target, headers in good:
        status, answer = one.send(event("k"), target=target, headers=headers)
        found = (status, answer.get("data") and one.delivery(answer)["integration_id"])
        checks.equal(found, (200, one.integration), f"row 6: {case}")
    checks.equal(answer_of(place.server.port, "POST", "/p", raw(event("k")), [("Authorization", "Basic x")])[0], 401, "row 6: Basic alone is nothing")
    time.sleep(2.5)
    checks.equal((one.refusals(), other.refusals()), ({}, {}), "row 6: none of that is a refusal")
    conflicts(checks, one, other, theirs, second)


def conflicts(checks, one, other, theirs, second):
    forged = other.token[:-12] + "0" * 12
    # (case, target, headers, who sees it)
    table = [
        ("URL and Bearer", one.target, [("Authorization", f"Bearer {other.token}")], (1, 1, 0)),
        ("URL and bearer", one.target, [("Authorization", f"bearer {other.token}")], (1, 1, 0)),
        ("URL and the token itself", one.target, [("Authorization", other.token)], (1, 1, 0)),
        ("URL and X-Integration-Key", other.target, [("X-Integration-Key", one.token)], (1, 1, 0)),
        ("two headers", "/p", [("Authorization", f"Bearer {one.token}"), ("X-Integration-Key", other.token)], (1, 1, 0)),
        ("the other account's", one.target, [("Authorization", f"Bearer {theirs.token}")], (1, 0, 1)),
        ("two of one integration", one.target, [("Authorization", f"Bearer {second}")], (1, 0, 0)),
        ("a forged one", one.target, [("Authorization", f"Bearer {forged}")], (1, 0, 0)),
        ("a Bearer of somebody else", one.target, [("Authorization", "Bearer eyJhbGciOiJIUzI1NiJ9.e30.x")], (1, 0, 0)),
        ("URL, Bearer and a third", one.target, [("Authorization", f"Bearer {other.token}"), ("X-Integration-Key", theirs.token)], (1, 1, 1)),
        ("two in the query", f"/event/push/alert/standard?integration_key={one.token}&integration_key={other.token}", [], (1, 1, 0)),
    ]
    wanted, corners = [0, 0, 0], (one, other, theirs)
    counts = [len(corner.place.account.items("deliveries", integration_id=corner.integration)) for corner in corners]
    for case, target, headers, seen in table:
        status, _ = one.send(event("k"), target=target, headers=headers)
        checks.equal(status, 401, f"row 6: two tokens, {case}")
        wanted = [count + more for count, more in zip(wanted, seen)]
        found = wait_for_refusals(corners, wanted)
        checks.equal(found, wanted, f"row 6: two tokens, {case}: the owners see one refusal")
        wanted = found
    checks.equal(set(one.refusals()), {"conflicting_tokens"}, "row 6: for the one reason")
    after = [len(corner.place.account.items("deliveries", integration_id=corner.integration)) for corner in corners]
    checks.equal(after, counts, "row 6: two tokens: nothing is stored")


def wait_for_refusals(corners, wanted):
    """Refusals are written within a second or two."""
    def count():
        return [corner.refusals().get("conflicting_tokens", 0) for corner in corners]

    try:
        tocsin.wait_until("refusals", lambda: count() == wanted, 4)
    except TimeoutError:
        pass
    return count()


# --- row 7

SCHEMES = ["Bearer {}", "bearer {}", "BEARER {}", "bEaReR {}", "Bearer   {}", "bearer\t{}", "  Bearer {}", "Bearer {}  ", "BEARER  {} \t"]
WRONG_SCHEMES = ["Bearer{}", "Bearer: {}", "Token {}", "Basic {}", "Bearer \"{}\"", "Bearer {} x", "Bearers {}", "Bearer", "{}x", ""]


def schemes(checks, place):
    port = place.server.port
    corner = Corner(place)
    for form in SCHEMES:
        status, _ = corner.send(event("k"), target="/p", headers=[("Authorization", form.format(corner.token))])
        checks.equal(status, 200, f"row 7: {form!r} at /p")
        status, _ = answer_of(port, "GET", "/v1/me", headers=[("authorization", form.format(place.account.key))])
        checks.equal(status, 200, f"row 7: {form!r} at /v1")
    for form in WRONG_SCHEMES:
        status, _ = corner.send(event("k"), target="/p", headers=[("Authorization", form.format(corner.token))])
        checks.equal(status, 401, f"row 7: {form!r} at /p is none")
        status, _ = answer_of(port, "GET", "/v1/me", headers=[("Authorization", form.format(place.account.key))])
        checks.equal(status, 401, f"row 7: {form!r} at /v1 is none")
    status, _ = answer_of(port, "GET", "/v1/me", headers=[("Authorization", place.account.key)])
    checks.equal(status, 401, "row 7: a key without a scheme at /v1 is none")


# --- row 17


def documents(checks, place):
    place = elsewhere(place, "Documents")
    place.account.channel("Orders")
    headers = [("Authorization", f"Bearer {place.account.key}")]
    port, path = place.server.port, f"{place.path}/config"
    forms = {"application/json": json.dumps(place.api.get(path)).encode()}
    _, forms["application/yaml"] = answer_of(port, "GET", f"{path}?format=yaml", headers=headers)
    for content_type, document in forms.items():
        for case, mark in (("no BOM", b""), ("a BOM", BOM), ("two BOMs", BOM * 2)):
            said = {}
            for method, target in (("POST", f"{path}/plan"), ("PUT", path)):
                said[method] = answer_of(port, method, target, mark + document, [*headers, ("Content-Type", content_type)])
            checks.equal([status for status, _ in said.values()], [200, 200], f"row 17: {content_type} with {case}, plan and apply")
    body = BOM + json.dumps({"name": "With a BOM"}).encode()
    status, made = answer_of(port, "POST", f"{place.path}/channels", body, [*headers, ("Content-Type", "application/json")])
    checks.equal((status, made.get("name")), (201, "With a BOM"), "row 17: another call's JSON with a BOM")
    changed = BOM + forms["application/yaml"].replace(b"Orders", "Bestellungen – Köln".encode())
    answer_of(port, "PUT", path, changed, [*headers, ("Content-Type", "application/yaml")])
    names = [each["name"] for each in place.account.items("channels")]
    checks.check("Bestellungen – Köln" in names, "row 17: what stands behind the BOM is applied", str(names))


# --- row 18

PORTS = [
    (465, "starttls", False), (587, "tls", False), (25, "tls", False), (465, "tls", True), (587, "starttls", True), (25, "starttls", True),
    (2525, "tls", True), (2525, "starttls", True),
]


def mail_ports(checks, place):
    corner = Corner(place)
    account = [("Authorization", f"Bearer {place.account.key}"), ("Content-Type", "application/json")]

    def call(method, path, number, security):
        settings = {"host": "mail.example.com", "port": number, "security": security, "from": "a@example.com", "to": ["b@example.com"]}
        body = {"settings": settings} if method == "PATCH" else {"name": f"Mail {number} {security}", "kind": "email", "settings": settings}
        return answer_of(place.server.port, method, path, json.dumps(body).encode(), account)

    kept = None
    for number, security, is_good in PORTS:
        status, answer = call("POST", corner.path, number, security)
        pointers = [each["pointer"] for each in answer.get("errors", [])]
        wanted = (201, []) if is_good else (422, ["/settings/security"])
        checks.equal((status, pointers), wanted, f"row 18: port {number} with {security}")
        kept = answer["id"] if status == 201 else kept
    for number, security, is_good in PORTS:
        status, answer = call("PATCH", f"{corner.path}/{kept}", number, security)
        pointers = [each["pointer"] for each in answer.get("errors", [])]
        checks.equal((status, pointers), (200, []) if is_good else (422, ["/settings/security"]), f"row 18: changed to port {number} with {security}")
    for speaks, told in (("tls", "starttls"), ("starttls", "tls")):
        server = place.mail_server(security=speaks)
        notifier = corner.notifier(server, settings={**server.settings(), "security": told})
        # Where each waits for the other's first word, it takes as long as a sender has patience.
        found = notifier.test()
        good = not found["sent"] and f"set security to {speaks}" in found["detail"]
        checks.check(
            good, f"row 18: the test of {told} where the server speaks {speaks} says what is wrong", f"{found['failure']}: {found['detail']}"
        )


# --- row 21


def nulls(checks, place):
    operator = [("Authorization", f"Bearer {place.server.operator_key()}"), ("Content-Type", "application/json")]
    account = [("Authorization", f"Bearer {place.account.key}"), ("Content-Type", "application/json")]
    corner = Corner(place)
    whole = {
        "account": {"name": "Null"}, "api_key": {"name": "k", "role": "admin"}, "channel": {"name": "c"},
        "integration": {"name": "i", "type": "standard"},
    }
    names = [
        "account/limits", "account/retention", "account/labels", "account/requires_if_match", "channel/labels", "channel/status",
        "integration/rate_limit", "integration/source_cidrs", "integration/pinned_labels", "integration/status",
    ]
    dedicated = {"name": "n", "type": "standard", "mode": "dedicated", "channel_id": corner.channel}
    webhook = {"name": "n", "kind": "webhook", "settings": {"url": "http://127.0.0.1:9/"}}
    calls = [
        *(("/v1/onboarding", whole, name, operator) for name in names),
        *(("/v1/accounts", {"name": "n"}, name, operator) for name in ("limits", "retention", "labels", "stored_bytes_limit")),
        *((f"{place.path}/channels", {"name": "n"}, name, account) for name in ("description", "status", "labels")),
        *(
            (f"{place.path}/integrations", dedicated, name, account)
            for name in ("description", "status", "rate_limit", "source_cidrs", "pinned_labels", "labels")
        ),
        *((f"{corner.path}", webhook, name, account) for name in ("status", "changes", "conditions", "storm_limit", "template")),
        *(
            (f"{place.path}/integrations/{corner.integration}/simulate", {"body": "{}"}, name, account)
            for name in ("body_encoding", "content_type", "routes", "severity_table")
        ),
    ]
    for path, body, name, headers in calls:
        body = json.loads(json.dumps(body))
        part = body
        *parents, last = name.split("/")
        for parent in parents:
            part = part[parent]
        part[last] = None
        status, answer = answer_of(place.server.port, "POST", path, json.dumps(body).encode(), headers)
        found = (status, [each["pointer"] for each in answer.get("errors", [])])
        checks.equal(found, (422, [f"/{name}"]), f"row 21: {path.rpartition('_')[2].partition('/')[2] or path}, {name} null")
