"""Addresses that must not be reached when the operator allows none: refused when written, or at the latest not connected to."""

import contextlib
import socket
import threading

import postgres
import tocsin
from notifications_place import note

PORTS = (8443, 443, 587, 25)


class Listeners:
    """Counts the connections to every address of this machine, at the ports that may be reached elsewhere."""

    def __init__(self):
        self.sockets, self.ports, self.connects = [], [], 0

    def __enter__(self):
        for port in PORTS:
            with contextlib.suppress(OSError):  # taken, or not ours to open
                both = {"family": socket.AF_INET6, "dualstack_ipv6": True} if socket.has_dualstack_ipv6() else {}
                self.sockets.append(socket.create_server(("", port), **both))
                self.ports.append(port)
        for listener in self.sockets:
            threading.Thread(target=self.accept, args=(listener,), daemon=True).start()
        return self

    def __exit__(self, *_):
        for listener in self.sockets:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connects += 1
            connection.close()


def own_address():
    """The address that this machine would use towards others; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return probe.getsockname()[0]
        except OSError:
            return "127.0.0.2"


def urls(port):
    hosts = [
        "127.0.0.1", "127.0.0.2", "localhost", "localhost.", socket.gethostname(), own_address(), "[::1]", "[::]", "0.0.0.0", "0",
        "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]",
        "[fe80::1]", "[fd00::1]", "2130706433", "0x7f000001", "0x7f.0.0.1", "017700000001", "0177.0.0.1", "127.1", "127.0.1",
        "127.0.0.1.", "１２７.0.0.1", "127。0。0。1",
        "100.100.100.200", "169.254.169.254", "10.0.0.1", "172.16.0.1", "192.168.0.1", "user@127.0.0.1", "example.com@127.0.0.1", "127.0.0.1%00",
        "example.com\\@127.0.0.1",
    ]
    others = [f"http://127.0.0.1:{port}/", "http://localhost/", f"ftp://127.0.0.1:{port}/", "file:///etc/passwd"]
    return [f"https://{host}:{port}/hook" for host in hosts] + others


def addresses(checks, options):
    with tocsin.Server(options.parent, database=postgres.fresh(options.cluster)) as server, Listeners() as listeners:
        server.start()
        account = tocsin.Account(server, "Addresses")
        path = f"{account.path}/channels/{account.channel('Inside')}/notifiers"
        checks.check(8443 in listeners.ports, "addresses: somebody listens", str(listeners.ports))
        forms = [("webhook", {"url": url}) for url in urls(8443)] + [("slack", {"url": url}) for url in urls(443)[:8]]
        forms += [("webhook", {"url": f"https://127.0.0.1:{server.port}/p/x"})]  # the server that it belongs to
        mail = {"security": "starttls", "from": "a@example.com", "to": ["b@example.com"]}
        forms += [("email", {"host": host, "port": port, **mail}) for host in ("127.0.0.1", "localhost", "::1", "0x7f.1") for port in (25, 587)]
        refused, wrong, odd = 0, [], []
        for kind, settings in forms:
            found, detail = attempt(account, path, kind, settings)
            where = settings.get("url") or f"{settings['host']}:{settings['port']}"
            refused += found == "refused"
            if found == "sent":
                wrong.append(where)
            elif found not in ("refused", "forbidden_address", "unresolved"):
                odd.append((where, found, detail))
        checks.equal(wrong, [], f"addresses: none of {len(forms)} is told anything")
        checks.equal(odd, [], f"addresses: {refused} are refused when written, the rest when it is tried")
        checks.equal(listeners.connects, 0, "addresses: nobody connected")
        headers(checks, account, path)


def attempt(account, path, kind, settings, is_tried=True):
    """refused: when written; else what the test said: a failure, or sent. Not tried: written."""
    try:
        notifier = account.api.post(path, {"name": f"{kind} {settings}"[:60], "kind": kind, "settings": settings})
    except tocsin.APIError as error:
        return ("refused" if error.status == 422 else str(error.status)), str(error)
    if not is_tried:
        return "written", ""
    result = account.api.post(f"{path}/{notifier['id']}/test")
    return ("sent" if result["sent"] else result["failure"]), result["detail"]


def headers(checks, account, path):
    """Headers that a notifier may not set."""
    names = [
        "Host", "Content-Length", "Transfer-Encoding", "Connection", "webhook-id", "Webhook-Signature", "Proxy-Authorization", "Cookie",
        "Bad Name", "X\r\nY",
    ]
    taken = []
    for name, value in [*((name, "x") for name in names), ("X-Good", "a\r\nHost: b"), ("X-Good", "a\0b")]:
        found, detail = attempt(account, path, "webhook", {"url": "https://example.com/", "headers": {name: value}}, is_tried=False)
        if found != "refused":
            taken.append((name, value, found, detail))
    checks.equal(taken, [], f"headers: {len(names) + 2} that must not be set are refused")
    note("names and networks that change under us (rebinding) are tried with a resolver of their own in the Swift tests")
