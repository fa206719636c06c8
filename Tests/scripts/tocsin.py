"""What the script tests share: a Tocsin server on loopback, its REST API, a sender, ARMS bodies, and a list of checks.

Standard library only. Every process is ended by the script that started it, by its process id.
Environment: TOCSIN_BINARY (default .build/release/tocsin), TOCSIN_KEEP=1 keeps the data directories.
"""

import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
ARMS_TYPE = "text/plain; charset=UTF-8"  # what ARMS sends unless a header is set
NEVER = "0001-01-01T00:00:00Z"
# In front of a command: the kernel ends it when the script dies, even by kill -9. To be started by the main thread.
WITH_US = ["setpriv", "--pdeathsig", "KILL", "--"]


def binary():
    path = pathlib.Path(os.environ.get("TOCSIN_BINARY") or ROOT / ".build/release/tocsin")
    if not os.access(path, os.X_OK):
        sys.exit(f"no server at {path}: run `swift build -c release --product tocsin`, or deploy/test")
    return str(path)


def clean_environment():
    """Ours without TOCSIN_*: settings of the caller must not reach a test server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}


PORTS = []  # what holds the ports of this script; the kernel lets go of them when it ends


def free_port():
    """A free loopback port below the ephemeral range, that no other script is given while this one runs.

    Inside that range a client that connects while the server is down can be given the server's own port as its source
    and then talks to itself: no refused connection, and the server can't come back.
    """
    for _ in range(200):
        port = random.randint(15000, 32000)
        if not reserved(port):
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free loopback port")


def reserved(port):
    """Takes the port's name in the kernel's abstract namespace; False: another script has it, whose server may be down just now."""
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        name.bind(f"\0tocsin-test-port-{port}")
    except OSError:
        name.close()
        return False
    PORTS.append(name)
    return True


def wait_until(what, condition, seconds, every=0.1):
    """Polls until `condition()` is truthy and returns its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(every)


class Server:
    """One Tocsin process with its own data directory; stays on the same port and directory over restarts.

    `prefix` goes in front of its command, `environment` into its environment, `options` behind its command; all may be changed between two
    starts. `database`: the URL of a PostgreSQL database, else it is SQLite. `root_secret`: the file of its root secrets, else in its data
    directory.
    """

    def __init__(self, parent=None, prefix=(), environment=None, database=None, role=None, root_secret=None, options=()):
        self.prefix, self.environment, self.options = prefix, environment or {}, list(options)
        self.database, self.role, self.root_secret = database, role, root_secret
        self.directory = tempfile.mkdtemp(prefix="tocsin-test-", dir=parent)
        self.data = os.path.join(self.directory, "data")
        self.log = os.path.join(self.directory, "server.log")
        self.port = free_port()
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.kill()
        if kind not in (None, SystemExit):
            self.print_log()
        if os.environ.get("TOCSIN_KEEP") == "1":
            print(f"kept: {self.directory}")
        else:
            shutil.rmtree(self.directory, ignore_errors=True)

    def command(self):
        arguments = [binary(), "serve", "--data-dir", self.data, "--listen", f"127.0.0.1:{self.port}"]
        for name, value in (("--database-url", self.database), ("--role", self.role), ("--root-secret-file", self.root_secret)):
            if value:
                arguments += [name, value]
        return [*arguments, *self.options]

    def launch(self):
        arguments = [*WITH_US, *self.prefix, *self.command()]
        environment = {**clean_environment(), **self.environment}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory, env=environment
            )

    def start(self, seconds=60):
        """Starts the server and returns how long it took to be ready."""
        began = time.monotonic()
        self.launch()
        wait_until("the server is ready", self.is_ready, seconds, every=0.01)
        return time.monotonic() - began

    def is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the server ended with {self.process.returncode} before it was ready")
        return status_of(self.port, "/readyz") == 200

    def kill(self):
        """kill -9, and waits for the end."""
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait(10)

    def stop(self, seconds=25):
        """SIGTERM; returns the exit status and the seconds it took."""
        began = time.monotonic()
        self.process.terminate()
        return self.process.wait(seconds), time.monotonic() - began

    def operator_key(self):
        with open(os.path.join(self.data, "operator.key"), encoding="ascii") as file:
            return file.read().strip()

    def resident_memory(self):
        return resident_memory(self.process.pid)

    def print_log(self, lines=20):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            tail = file.readlines()[-lines:]
        print("--- last lines of the server's log", *[line.rstrip() for line in tail], "---", sep="\n")


def resident_memory(pid):
    """Bytes, now."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS:"))


# An ssl.SSLContext where the server of the test speaks TLS.
tls = None


def connection_to(port, timeout):
    """A connection to a server of the test, as http.client has it; not connected yet."""
    if tls:
        return http.client.HTTPSConnection("127.0.0.1", port, timeout=timeout, context=tls)
    return http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)


def status_of(port, path):
    """The status of a GET, or None while nobody answers."""
    connection = connection_to(port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        return response.status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


class APIError(Exception):
    def __init__(self, method, path, status, body):
        super().__init__(f"{method} {path}: {status} {body[:400].decode(errors='replace')}")
        self.status = status


class API:
    """The management API with one key. Not for use by two threads."""

    def __init__(self, port, key):
        self.port, self.key = port, key
        self.connection = None

    def call(self, method, path, body=None, **query):
        """The decoded answer of a 2xx, None when it is empty; any other status raises APIError."""
        if query:
            path += "?" + urllib.parse.urlencode(query, doseq=True)
        for _ in range(10):
            status, wait, answer = self.exchange(method, path, body)
            if status != 429:
                break
            time.sleep(min(float(wait or 1), 5))
        if not 200 <= status < 300:
            raise APIError(method, path, status, answer)
        return json.loads(answer) if answer else None

    def exchange(self, method, path, body):
        """One request. A kept connection may have been closed since, by an idle limit or a restart: then a new one, once."""
        headers = {"Authorization": f"Bearer {self.key}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        was_kept = self.connection is not None
        if not was_kept:
            self.connection = connection_to(self.port, timeout=30)
        try:
            self.connection.request(method, path, None if body is None else json.dumps(body).encode(), headers)
            response = self.connection.getresponse()
            answer = response.read()
        except (ConnectionError, http.client.HTTPException):
            self.close()
            if not was_kept:
                raise
            return self.exchange(method, path, body)
        return response.status, response.getheader("Retry-After"), answer

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def get(self, path, **query):
        return self.call("GET", path, **query)

    def post(self, path, body=None):
        return self.call("POST", path, body)

    def items(self, path, **query):
        """Every item of a list, page by page. A page may be empty and not the last."""
        cursor = {}
        while True:
            page = self.get(path, limit=200, **query, **cursor)
            yield from page["items"]
            if page["next_cursor"] is None:
                return
            cursor = {"cursor": page["next_cursor"]}


class Account:
    """A tenant made for one test, managed with an admin key of its own."""

    def __init__(self, server, name):
        operator = API(server.port, server.operator_key())
        self.port = server.port
        self.id = operator.post("/v1/accounts", {"name": name})["id"]
        self.path = f"/v1/accounts/{self.id}"
        self.key = operator.post(f"{self.path}/api-keys", {"name": "script test", "role": "admin"})["secret"]
        self.api = API(server.port, self.key)
        operator.close()

    def channel(self, name):
        return self.api.post(f"{self.path}/channels", {"name": name})["id"]

    def dedicated(self, kind, name, channel):
        body = {"type": kind, "mode": "dedicated", "name": name, "channel_id": channel}
        return self.api.post(f"{self.path}/integrations", body)

    def shared(self, kind, name, defaults):
        body = {"type": kind, "mode": "shared", "name": name, "default_channel_ids": defaults}
        return self.api.post(f"{self.path}/integrations", body)

    def items(self, collection, **query):
        return list(self.api.items(f"{self.path}/{collection}", **query))

    def delivery(self, delivery):
        return self.api.get(f"{self.path}/deliveries/{delivery}")


class NotSent(Exception):
    """The connection was refused: the server has not seen this push."""


class Unanswered(Exception):
    """The push was sent, or a part of it, and no complete answer came: it may be stored or not."""


class Sender:
    """Pushes bodies on one connection, as a sender does. Not for use by two threads."""

    def __init__(self, push_url, port, keep_alive=True):
        self.path = urllib.parse.urlsplit(push_url).path
        self.port, self.keep_alive = port, keep_alive
        self.connection = None

    def push(self, body, content_type=ARMS_TYPE, **headers):
        """(status, decoded answer) once the answer was read to its end. `headers`: more of them, with _ for -."""
        if self.connection is None:
            connection = connection_to(self.port, timeout=10)
            try:
                connection.connect()
            except OSError as error:
                raise NotSent(str(error)) from error
            self.connection = connection
        try:
            more = {name.replace("_", "-"): value for name, value in headers.items()}
            self.connection.request("POST", self.path, body, {"Content-Type": content_type, **more})
            response = self.connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise Unanswered(f"{type(error).__name__}: {error}") from error
        if not self.keep_alive:
            self.close()
        return response.status, answer

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


def arms_alert(key, status="firing", severity="critical", starts="2026-03-02T10:00:00.000000000Z", ends=NEVER, **notes):
    """One alert in the form of ARMS. `notes` become annotations, which are no part of its identity."""
    return {
        "status": status,
        "labels": {
            "alertname": "Pod memory above 90%", "clustername": "stage-bj-2", "namespace": "orders", "pod_name": key,
            "_aliyun_arms_alert_type": "101", "_aliyun_arms_region_id": "cn-beijing", "severity": severity,
        },
        "annotations": {"message": f"Pod {key} uses more than 90% of its memory", "value": "93.40", **notes},
        "startsAt": starts,
        "endsAt": ends,
        "fingerprint": key,
    }


def arms_body(alerts):
    """A push as `$alertmanager_content` renders it: common labels are those that every alert has."""
    first = alerts[0]["labels"]
    common = {name: value for name, value in first.items() if all(a["labels"].get(name) == value for a in alerts)}
    status = "firing" if any(alert["status"] == "firing" for alert in alerts) else "resolved"
    body = {
        "status": status, "receiver": "tocsin", "externalURL": "https://alerts.example.com/#/detail/2203",
        "groupLabels": {"alertname": first["alertname"]}, "commonLabels": common, "commonAnnotations": {},
        "alerts": alerts,
    }
    return json.dumps(body, ensure_ascii=False).encode()


class Checks:
    """Prints each check as it is made and counts what failed."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, good, what, detail=""):
        if good:
            self.passed += 1
            print(f"ok    {what}", flush=True)
        else:
            self.failed += 1
            print(f"FAIL  {what}" + (f": {detail}" if detail else ""), flush=True)

    def equal(self, found, expected, what):
        self.check(found == expected, what, f"found {found!r}, expected {expected!r}")


def run(test, seconds):
    """Runs `test(checks)` and exits 0 when every check passed. After `seconds`, or at SIGTERM, it is ended in good order."""

    def too_late(*_):
        raise TimeoutError(f"the whole test took more than {seconds} s")

    signal.signal(signal.SIGALRM, too_late)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.alarm(seconds)
    checks = Checks()
    test(checks)
    signal.alarm(0)
    print(f"{checks.passed} checks passed, {checks.failed} failed", flush=True)
    sys.exit(1 if checks.failed or not checks.passed else 0)
