"""Attacks of neighbours.py by what is read and by connections: lists, exports, floods of small calls, tokens, held and slow connections."""

import socket
import time

from neighbours_attacker import ADDRESS, Closed, Held, Storm, attack, open_socket
from neighbours_attacks_documents import document, drafts

# MARK: Lists


@attack("reading", issue=13)
def lists_by_a_label(attacker):
    """30 connections that list 30,000 alerts by a label that none has"""
    attacker.fill(30_000)
    return [Storm(attacker, attacker.request("GET", f"{attacker.path}/alerts?label=zz:zz"), threads=6, lines=5)]


@attack("reading", issue=13)
def lists_by_a_title(attacker):
    """30 connections that search 30,000 alerts and their events by text, page by page"""
    attacker.fill(30_000, f',"more":"{"m" * 100}"')
    paths = [
        "alerts?q=zzzz", "alerts?active=false", "alerts?label=zz:zz&label=yy:yy&q=zz", "events?limit=200",
        "deliveries?limit=200&outcome=quarantined", "alerts?limit=200",
    ]
    return [Storm(attacker, [attacker.request("GET", f"{attacker.path}/{path}") for path in paths], threads=6, lines=5)]


@attack("reading", issue=13, is_short=False)
def lists_of_channels(attacker):
    """30 connections that list 10,000 channels by twenty labels that none has"""
    attacker.call("PUT", f"{attacker.path}/config", document([], channels=10_000))
    labels = "&".join(f"label=l{n}:v" for n in range(20))
    return [Storm(attacker, attacker.request("GET", f"{attacker.path}/channels?limit=200&{labels}"), threads=6, lines=5)]


@attack("reading", issue=13, is_short=False)
def audit_exports(attacker):
    """16 exports and lists of an audit trail of large entries"""
    for word in range(6):
        attacker.call("PUT", attacker.routes, {"routes": drafts(attacker, 2000, f"w{word}", 300)})
    key = attacker.admin
    requests = [attacker.request("GET", f"{attacker.path}/{path}", key=key) for path in ("audit/export", "audit?limit=200", "config/revisions?limit=200")]
    return [Storm(attacker, requests, threads=16)]


# MARK: Floods


@attack("floods")
def tiny_calls(attacker):
    """small calls on 200 connections"""
    requests = [attacker.request("GET", path) for path in ("/v1/me", f"{attacker.path}/channels", attacker.path, f"{attacker.path}/alerts?limit=1")]
    return [Storm(attacker, requests, threads=4, lines=50)]


@attack("floods")
def whatever_anybody_may_read(attacker):
    """the contract, its page, metrics and probes on 60 connections, without a key"""
    paths = ("/openapi.yaml", "/docs", "/metrics", "/readyz", "/nothing")
    requests = [f"GET {path} HTTP/1.1\r\nHost: tocsin\r\n\r\n".encode() for path in paths]
    return [Storm(attacker, requests, threads=4, lines=15)]


@attack("floods")
def idempotency_keys(attacker):
    """calls with a key each, whose answers are kept: channels made and the largest dry runs"""
    create = attacker.request(
        "POST", f"{attacker.path}/channels", {"name": "@@@@@@@@@@@@", "description": "d" * 200}, more="Idempotency-Key: @@@@@@@@@@@@\r\n"
    )
    again = attacker.request(
        "PATCH", f"{attacker.path}/channels/{attacker.channel}", {"description": "d" * 200}, more="Idempotency-Key: @@@@@@@@@@@@\r\n"
    )
    make = lambda prepared: lambda turn: prepared.replace(b"@@@@@@@@@@@@", b"%012d" % turn)
    return [Storm(attacker, [make(create), make(again)], threads=4, lines=8)]


@attack("floods")
def forged_tokens(attacker):
    """forged push tokens and keys, and revocations of what nobody has, on 64 connections"""
    forged = "tpu_1elhGfzq9UETv6n0C9q9fIGAIIiJG35RLQCvLb2hXpd122mWFnr"
    token = attacker.push(b'{"alerts":[{}]}', f"/p/{forged}")
    key = attacker.request("GET", "/v1/me", key="tak_8IQ9Y7aJZqhB6baeCN6Zj4a3dDVhYRnKTbxTNJFoBi0MhO5o")
    revoke = attacker.request("POST", "/v1/credentials/revoke", {"credential": f"http://127.0.0.1/p/{forged}"})
    odd = attacker.push(b"", "/p/" + "x" * 4000)
    return [Storm(attacker, [token, key, revoke, odd], threads=4, lines=16)]


@attack("floods", is_short=False)
def a_thousand_in_a_row(attacker):
    """pipelines of 500 calls and pushes without waiting for an answer"""
    one = attacker.request("GET", f"{attacker.path}/alerts?limit=200") + attacker.push(b'{"alerts":[{}]}')
    return [Pipeline(attacker, one * 250, 8)]


class Pipeline(Storm):
    """Sends everything at once, and reads until the connection ends or is silent."""

    def __init__(self, attacker, data, threads):
        super().__init__(attacker, data, threads=threads)

    def work(self, number):
        line = self.lines[number][0]
        line.patience = 2.0
        while not self.ended.is_set():
            try:
                line.send(self.requests[0])
                for _ in range(500):
                    self.count(line, line.answer())
            except (Closed, OSError) as error:
                self.count(line, str(error) if isinstance(error, Closed) else type(error).__name__)
                line.close()
                self.ended.wait(0.05)
        line.close()


# MARK: Connections


def hold(data, port, address, count):
    """Opens connections, says `data` on each, and keeps them."""

    def open_all(held):
        for n in range(count):
            if held.ended.is_set():
                return
            try:
                made = open_socket(port, address(n), 2.0)
                held.held.append(made)
                made.settimeout(0.2)
                made.sendall(data)
            except (TimeoutError, ConnectionError):
                time.sleep(0.01)

    return Held(open_all)


@attack("connections", issue=11)
def half_sent_bodies(attacker):
    """80 management bodies and pushes of which the last bytes never come"""
    management = attacker.request("POST", f"{attacker.path}/config/plan", b'{"channels":{"' + b"a" * 15_900_000)[:-20]
    push = attacker.push(b'{"alerts":[{"labels":{"a":"' + b"a" * 4_000_000)[:-20]
    both = [hold(data, attacker.port, lambda n: ADDRESS, 40) for data in (management, push)]
    return [*both, Storm(attacker, attacker.request("GET", "/v1/me"), pause=0.05)]


@attack("connections", issue=12)
def idle_connections(attacker):
    """4,200 silent connections from one address"""
    return [hold(b"", attacker.port, lambda n: ADDRESS, 4200)]


@attack("connections", issue=12)
def idle_from_many_addresses(attacker):
    """5,000 connections with half a head, from 80 addresses"""
    return [hold(b"GET /v1/me HTTP/1.1\r\nHost: ", attacker.port, lambda n: f"127.0.1.{1 + n % 80}", 5000)]


@attack("connections")
def connections_that_come_and_go(attacker):
    """connections opened and closed as fast as it goes, from one address, some by a reset"""
    def churn(held):
        while not held.ended.is_set():
            some = []
            for _ in range(50):
                try:
                    some.append(open_socket(attacker.port, ADDRESS, 1.0))
                except OSError:
                    break
            for n, each in enumerate(some):
                if n % 2:
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                each.close()

    return [Held(churn) for _ in range(3)]


@attack("connections", issue=11)
def slow_readers(attacker):
    """60 readers of large answers who read nothing, 20 calls each"""
    attacker.call("PUT", attacker.routes, {"routes": drafts(attacker, 5000, "r", 300)})
    attacker.fill(2000)
    paths = (f"{attacker.path}/config", f"{attacker.path}/alerts?limit=200", "/openapi.yaml")
    big = b"".join(attacker.request("GET", path) for path in paths)

    def open_all(held):
        for _ in range(60):
            made = open_socket(attacker.port, ADDRESS, 0.5, receive_buffer=4096)
            held.held.append(made)
            made.sendall(big * 7)

    dry = Storm(attacker, attacker.request("PUT", f"{attacker.routes}?dry_run=true", {"routes": drafts(attacker, 5000, "s", 300)}), threads=2)
    return [Held(open_all), dry]


@attack("connections", is_short=False)
def drips(attacker):
    """60 requests and pushes that come byte by byte"""
    data = attacker.push(b'{"alerts":[{"labels":{"alertname":"slow"}}]}')

    def open_all(held):
        lines = [open_socket(attacker.port, ADDRESS, 0.5) for _ in range(60)]
        held.held += lines
        for n in range(len(data)):
            if held.ended.wait(0.1):
                return
            for each in lines:
                each.sendall(data[n:n + 1])

    return [Held(open_all), Storm(attacker, attacker.request("GET", "/v1/me"), pause=0.05)]


@attack("connections", is_short=False)
def heads_of_eighty_kilobytes(attacker):
    """requests with the longest heads that are taken, and longer ones, on 64 connections"""
    heads = [attacker.request("GET", "/v1/me", more="X-Large: " + "x" * size + "\r\n") for size in (8_000, 60_000, 79_000, 200_000)]
    heads.append(attacker.request("GET", "/v1/me", more="".join(f"X{n}: {n}\r\n" for n in range(4000))))
    heads.append(attacker.request("GET", f"{attacker.path}/alerts?" + "&".join(f"label=a{n}:b" for n in range(4000))))
    return [Storm(attacker, heads, threads=4, lines=16)]
