"""The self-test of the receivers: each rule and each fault, seen by a plain client. Run by `receivers.py --self-test`."""

import base64
import http.client
import json
import multiprocessing
import smtplib
import socket
import ssl
import tempfile
import time
import urllib.parse

import receivers
import receivers_mail
from receivers_vendors import DingTalk, Feishu, Slack, Webhook, WeCom, dingtalk_sign, mac

SECRET = "SEC0123456789"
CARD = {"header": {"title": {"tag": "plain_text", "content": "t"}, "template": "red"}, "elements": [{"tag": "markdown", "content": "c"}]}


def post(url, body, timeout=5, **headers):
    """(status, decoded body) of one request on a connection of its own."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    pairs = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request("POST", parts.path + (f"?{parts.query}" if parts.query else ""), data, pairs)
        response = connection.getresponse()
        found = response.read()
    finally:
        connection.close()
    try:
        return response.status, json.loads(found)
    except ValueError:
        return response.status, found


def fails(url, timeout=1.0):
    """The name of what a client runs into."""
    try:
        return str(post(url, {}, timeout)[0])
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__


def dingtalk(checks, place):
    endpoint = place.endpoint(DingTalk(SECRET))
    good = {"msgtype": "markdown", "markdown": {"title": "t", "text": "x"}}

    def code(body, age=0, secret=SECRET):
        query = dingtalk_sign(secret, int((time.time() - age) * 1000))
        return post(f"{endpoint.url}&{query}", body)[1]["errcode"]

    checks.equal(code(good), 0, "DingTalk: a signed markdown message is taken")
    table = [
        (code(good, secret="SECother"), 310000, "another secret"), (code(good, age=4000), 310000, "an old timestamp"),
        (post(endpoint.url, good)[1]["errcode"], 310000, "no sign"), (code({"msgtype": "text", "text": {"content": "x"}}), 400105, "text"),
        (code({"msgtype": "markdown", "markdown": {"title": "", "text": "x"}}), 40035, "no title"), (code(b"{"), 40035, "no JSON"),
        (code({"msgtype": "markdown", "markdown": {"title": "t", "text": "x" * 20_000}}), 460101, "more than 20,000 bytes"),
        (post(endpoint.url.replace("token-", "other-"), good)[1]["errcode"], 300005, "an unknown token"),
    ]
    for found, expected, what in table:
        checks.equal(found, expected, f"DingTalk: {what}")
    codes = [code(good) for _ in range(21)]
    checks.equal(codes, [0] * 19 + [130101] * 2, "DingTalk: 20 messages a minute")
    # Worked out with openssl dgst -hmac.
    query = urllib.parse.parse_qs(dingtalk_sign("this is secret", 1577262236757))
    checks.equal(query["sign"], ["hmPWwU+7lVdm3ZZz0r9tSfx0L4Q26jWOZr9+Gs6EZQM="], "DingTalk: the sign is the vendor's HMAC")


def feishu(checks, place):
    endpoint = place.endpoint(Feishu(SECRET, rate=(3, 60)))

    def code(card=None, age=0, secret=SECRET, **more):
        moment = str(int(time.time() - age))
        body = {"timestamp": moment, "sign": mac(f"{moment}\n{secret}".encode(), b""), "msg_type": "interactive", "card": card or CARD}
        return post(endpoint.url, body | more)[1]["code"]

    checks.equal(code(), 0, "Feishu: a signed card is taken")
    second = {"schema": "2.0", "header": CARD["header"], "body": {"elements": [{"tag": "markdown", "content": "x"}]}}
    checks.equal(code(second), 0, "Feishu: a card of the second schema is taken")
    table = [
        (code(secret="SECother"), 19021, "another secret"), (code(age=4000), 19021, "an old timestamp"),
        (code(msg_type="text"), 9499, "text"), (code({"elements": []}), 9499, "a card without elements"),
        (code({"elements": [{"tag": "blink", "content": "x"}]}), 9499, "an unknown element"),
        (code({**CARD, "header": {**CARD["header"], "template": "pink"}}), 9499, "an unknown colour"),
        (code({"elements": [{"tag": "markdown", "content": "x" * 20_480}]}), 9499, "more than 20 kB"),
        (post(endpoint.url + "x", {})[1]["code"], 19001, "an unknown address"),
        ((code(), code())[1], 11232, "more than its rate"),
    ]
    for found, expected, what in table:
        checks.equal(found, expected, f"Feishu: {what}")
    # The vector of the vendor's page; openssl dgst -mac HMAC agrees.
    checks.equal(mac(b"1599360473\ndemo", b""), "l1N0gAcBjdwBvGm1xMjOF0XSyaLRpR7tuO5dHfhAYc8=", "Feishu: the sign is the vendor's HMAC")


def wecom(checks, place):
    endpoint = place.endpoint(WeCom())

    def code(content="x", kind="markdown"):
        return post(endpoint.url, {"msgtype": kind, kind: {"content": content}})[1]["errcode"]

    table = [
        (code(), 0, "markdown is taken"), (code("é" * 2_048), 0, "4,096 bytes are taken"), (code("é" * 2_048 + "x"), 40058, "4,097 bytes"),
        (code(kind="text"), 40008, "text"), (code(""), 44004, "nothing"), (post(endpoint.url, b"[")[1]["errcode"], 47001, "no JSON"),
        (post(endpoint.url + "x", {})[1]["errcode"], 93000, "an unknown key"),
        ([code() for _ in range(19)][-2:], [0, 45009], "20 messages a minute"),
    ]
    for found, expected, what in table:
        checks.equal(found, expected, f"WeCom: {what}")


def slack(checks, place):
    endpoint = place.endpoint(Slack())

    def section(text, kind="mrkdwn"):
        return {"type": "section", "text": {"type": kind, "text": text}}

    def say(*blocks, **more):
        return post(endpoint.url, {"blocks": list(blocks), **more})

    table = [
        (say(section("x")), (200, b"ok"), "blocks are taken"), (say(*[{"type": "divider"}] * 50), (200, b"ok"), "50 blocks are taken"),
        (say(*[{"type": "divider"}] * 51), (400, b"invalid_blocks"), "51 blocks"),
        (say(section("x" * 3_000)), (200, b"ok"), "3,000 characters are taken"),
        (say(section("x" * 3_001)), (400, b"invalid_blocks"), "3,001 characters"), (say(section("")), (400, b"invalid_blocks"), "an empty section"),
        (say({"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}), (400, b"invalid_blocks"), "a header of 151 characters"),
        (say({"type": "text"}), (400, b"invalid_blocks"), "an unknown block"), (post(endpoint.url, {}), (400, b"no_text"), "nothing to say"),
        (post(endpoint.url, b"{"), (400, b"invalid_payload"), "no JSON"), (post(endpoint.url + "x", {}), (404, b"no_service"), "an unknown address"),
    ]
    endpoint.script(receivers.code("channel_is_archived"))
    for found, expected, what in [(say(section("x")), (410, b"channel_is_archived"), "an archived channel")] + table[1:]:
        checks.equal(found, expected, f"Slack: {what}")


def webhook(checks, place):
    secret = "whsec_" + base64.b64encode(bytes(range(32))).decode()
    endpoint = place.endpoint(Webhook([secret]))

    def say(moment=None, key=None, body=b"{}"):
        moment = str(int(moment or time.time()))
        sign = mac(base64.b64decode((key or secret)[6:]), f"ntfn_1.{moment}.".encode() + body)
        return post(endpoint.url, body, webhook_id="ntfn_1", webhook_timestamp=moment, webhook_signature=f"v1,AAAA v1,{sign}")[0]

    other = "whsec_" + base64.b64encode(bytes(32)).decode()
    table = [
        (say(), 200, "a good one of two signatures"), (say(key=other), 401, "a wrong signature"),
        (say(time.time() - 400), 401, "an old timestamp"), (post(endpoint.url, {})[0], 401, "no signature"),
    ]
    for found, expected, what in table:
        checks.equal(found, expected, f"webhook: {what}")
    checks.equal(endpoint.received[0].id, "ntfn_1", "webhook: the id is noted")


def faults(checks, place):
    """Each fault, as a client sees it."""
    table = [
        (receivers.STALL, "TimeoutError"), (receivers.drip(1.5), "TimeoutError"), (receivers.RESET, "ConnectionResetError"),
        (receivers.HANG_UP, "RemoteDisconnected"), (receivers.CUT_OFF, "IncompleteRead"), (receivers.GARBAGE, "BadStatusLine"),
        (receivers.LONG_HEAD, "HTTPException"), (receivers.status(500), "500"), (receivers.redirect(place.origin), "302"),
        (receivers.status(410), "410"), (receivers.code(77), "200"), (receivers.slow(0.1), "200"), (receivers.PACKED, "200"),
    ]
    for step, expected in table:
        endpoint = place.endpoint(Webhook()).script(step)
        checks.equal(fails(endpoint.url, 4 if step.kind == "ok" else 1), expected, f"fault: {step}")
        is_good = expected == "200" and step.kind != "code"
        checks.equal([received.was_taken for received in endpoint.received], [is_good], f"fault: {step} is on record")
        checks.equal(post(endpoint.url, {})[0], 200, f"fault: after {step} comes the usual answer")
    checks.check(place.wait("nothing is in work", lambda: place.active == 0), "fault: what was left behind has ended", str(place.active))
    limited = place.endpoint(Webhook()).script(receivers.status(429, Retry_After="7"))
    connection = http.client.HTTPConnection("127.0.0.1", place.port)
    connection.request("POST", limited.target, b"{}")
    response = connection.getresponse()
    checks.equal((response.status, response.getheader("Retry-After")), (429, "7"), "fault: Retry-After")
    connection.close()


def endless(checks, place):
    """A client that reads 64 KiB of 10 GB: what was poured is told."""
    endpoint = place.endpoint(Webhook()).script(receivers.flood())
    client = socket.create_connection(("127.0.0.1", place.port))
    client.sendall(f"POST {endpoint.target} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}".encode())
    read = 0
    while read < 65_536:
        read += len(client.recv(65_536 - read))
    time.sleep(0.3)
    client.close()
    place.wait("the flood has ended", lambda: place.active == 0)
    poured = endpoint.received[0].poured
    checks.check(65_536 <= poured < 64 << 20, f"10 GB: a client that reads 64 KiB is sent {poured >> 10} KiB")


def down(checks, place):
    endpoint = place.endpoint(Webhook())
    place.shut()
    checks.equal(fails(endpoint.url), "ConnectionRefusedError", "down: nobody listens")
    place.open()
    checks.equal(fails(endpoint.url), "200", "down: and up again")


def pour(port, target, seconds, result):
    """Posts on 32 connections as fast as it goes."""
    body = b"x" * 1_500
    request = f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(32)]
    count, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        for connection in connections:
            connection.sendall(request)
        for connection in connections:
            count += connection.recv(4_096).startswith(b"HTTP/1.1 200")
    result.value = count


def speed(checks, place):
    endpoint = place.endpoint(Webhook())
    result = multiprocessing.Value("i")
    began = time.monotonic()
    client = multiprocessing.Process(target=pour, args=(place.port, endpoint.target, 2.0, result))
    client.start()
    client.join(20)
    rate = result.value / (time.monotonic() - began)
    checks.equal(len(endpoint.received), result.value, f"speed: every request is on record ({rate:,.0f} a second)")


def mail(checks, directory):
    authority = receivers_mail.Authority(directory)
    context = ssl.create_default_context(cafile=authority.roots)
    message = (
        "From: a@example.com\r\nTo: b@example.com\r\nSubject: =?utf-8?b?w6k=?=\r\nDate: Mon, 02 Mar 2026 10:00:00 +0000\r\n"
        "Message-ID: <1@example.com>\r\nMIME-Version: 1.0\r\n\r\n.dot\r\n"
    )
    with receivers_mail.MailServer(authority.context()) as server:

        def send(text=message, login=server.login, is_protected=True):
            client = smtplib.SMTP("127.0.0.1", server.port, timeout=3, local_hostname="tocsin")
            try:
                if is_protected:
                    client.starttls(context=context)
                if login:
                    client.login(*login)
                client.sendmail("a@example.com", ["b@example.com"], text.encode() if isinstance(text, str) else text)
                return "sent"
            except smtplib.SMTPResponseException as error:
                return error.smtp_code
            except smtplib.SMTPRecipientsRefused as error:
                return next(iter(error.recipients.values()))[0]
            except (OSError, smtplib.SMTPException) as error:
                return type(error).__name__
            finally:
                client.close()

        server.login = ("alerts", "secret")  # smtplib's AUTH wants ASCII
        checks.equal(send(login=server.login), "sent", "mail: a protected message of a known sender is taken")
        checks.equal((server.taken[0].subject, server.taken[0].text.strip()), ("é", ".dot"), "mail: it is read as it was meant")
        long = message.replace(".dot", "x" * 999).encode()
        table = [
            (send(login=None, is_protected=False), 530, "plain text"), (send(login=None), 530, "no login"),
            (send(login=("alerts", "other")), 535, "a wrong password"), (send(message.replace("Date", "X-Date"), server.login), 550, "no date"),
            (send(long, server.login), 550, "a line of 999 bytes"),
            (send(message.replace("=?utf-8?b?w6k=?=", "é"), server.login), 550, "a head in UTF-8"),
        ]
        for found, expected, what in table:
            checks.equal(found, expected, f"mail: {what}")
        gone = "SMTPServerDisconnected"
        for stage, reply, fault, expected in [("RCPT", "451 later", None, 451), ("message", None, "reset", gone), ("greeting", None, "stall", gone)]:
            server.script(receivers_mail.MailStep(stage, reply, fault))
            try:
                found = send(login=server.login)
            except OSError as error:
                found = type(error).__name__
            checks.equal(found, expected, f"mail: {stage} {reply or fault}")


def self_test(checks):
    with receivers.Receivers() as place, tempfile.TemporaryDirectory(prefix="tocsin-receivers-") as directory:
        for part in (dingtalk, feishu, wecom, slack, webhook, faults, endless, down, speed):
            part(checks, place)
        mail(checks, directory)
