#!/usr/bin/env python3
"""TLS as clients, operators and attackers meet it: versions, ciphers, slow and broken handshakes, certificates that change under load.

    tls.py [--long]

--long: besides, 10,000 connections against the limit of 4,096 with the memory of those that are kept, and requests and handshakes a second
beside nginx, in one run, with the same certificate.
"""

import argparse
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

import tocsin
from tls_figures import beside_nginx, kept_connections

GOOD_12 = ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
BAD_12 = (
    "AES128-GCM-SHA256", "AES256-SHA", "ECDHE-RSA-AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES256-SHA384",
    "DHE-RSA-AES128-GCM-SHA256",
)
SUITES_13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
HANDSHAKE_TIME = 10  # seconds that the server gives one


class Authority:
    """Certificates for 127.0.0.1 and localhost, by an authority of the test's own."""

    def __init__(self, directory):
        self.directory = directory
        self.certificate = self.path("ca.crt")
        self.run(
            "req", "-x509", *self.key("ec"), "-keyout", self.path("ca.key"), "-out", self.certificate, "-days", "30",
            "-subj", "/CN=Test CA",
        )
        self.issue("ec", "ec")
        self.issue("rsa", "rsa")
        self.issue("other", "ec")
        self.issue("client", "ec", "clientAuth")

    def path(self, name):
        return os.path.join(self.directory, name)

    @staticmethod
    def key(kind):
        if kind == "rsa":
            return ["-newkey", "rsa:2048", "-nodes"]
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]

    @staticmethod
    def run(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)

    def issue(self, name, kind, use="serverAuth"):
        request, extensions = self.path(f"{name}.csr"), self.path(f"{name}.ext")
        self.run("req", *self.key(kind), "-keyout", self.path(f"{name}.key"), "-out", request, "-subj", f"/CN={name}")
        pathlib.Path(extensions).write_text(f"subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage={use}\n", encoding="ascii")
        self.run(
            "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.path("ca.key"), "-days", "20", "-CAcreateserial",
            "-extfile", extensions, "-out", self.path(f"{name}.crt"),
        )

    def client_context(self, identity=None):
        context = ssl.create_default_context(cafile=self.certificate)
        if identity:
            context.load_cert_chain(self.path(f"{identity}.crt"), self.path(f"{identity}.key"))
        return context


class Mounted:
    """A certificate as Kubernetes mounts it: names that point through `..data` to a folder, which is turned to another one at once."""

    def __init__(self, directory, authority):
        self.directory, self.authority, self.count = os.path.join(directory, "mounted"), authority, 0
        os.mkdir(self.directory)
        self.put("rsa")
        for name in ("tls.crt", "tls.key"):
            os.symlink(f"..data/{name}", self.path(name))

    def path(self, name):
        return os.path.join(self.directory, name)

    def put(self, certificate, key=None):
        self.count += 1
        folder = f"..{self.count}"
        os.mkdir(self.path(folder))
        shutil.copy(self.authority.path(f"{certificate}.crt"), self.path(f"{folder}/tls.crt"))
        shutil.copy(self.authority.path(f"{key or certificate}.key"), self.path(f"{folder}/tls.key"))
        os.symlink(folder, self.path("..new"))
        os.rename(self.path("..new"), self.path("..data"))


def s_client(port, *options, text="", seconds=8):
    """What `openssl s_client` prints of one connection."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=seconds, check=False, errors="replace")
    return done.stdout + done.stderr


def agreed(output):
    """(version, cipher) or None."""
    match = re.search(r"New, (\S+), Cipher is (\S+)|Reused, (\S+), Cipher is (\S+)", output)
    found = match and [part for part in match.groups() if part]
    return tuple(found) if found and found[1] != "(NONE)" else None


def metric(server, name, labels=""):
    connection = tocsin.connection_to(server.port, 5)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    match = re.search(rf"^{name}{re.escape(labels)} (\S+)$", text, re.MULTILINE)
    return float(match.group(1)) if match else None


def subject(port, authority):
    """Whose certificate a new connection is shown."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
        with authority.client_context().wrap_socket(raw, server_hostname="localhost") as wrapped:
            return dict(part[0] for part in wrapped.getpeercert()["subject"])["commonName"]


def check_ciphers(checks, server, kind):
    name = {"rsa": "RSA", "ec": "ECDSA"}[kind]
    for cipher in GOOD_12:
        found = agreed(s_client(server.port, "-tls1_2", "-cipher", f"ECDHE-{name}-{cipher}"))
        checks.equal(found, ("TLSv1.2", f"ECDHE-{name}-{cipher}"), f"TLS 1.2 with ECDHE-{name}-{cipher}")
    for suite in SUITES_13:
        checks.equal(agreed(s_client(server.port, "-tls1_3", "-ciphersuites", suite)), ("TLSv1.3", suite), f"TLS 1.3 with {suite} ({name})")
    for cipher in BAD_12:
        output = s_client(server.port, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")
        checks.check(agreed(output) is None and "alert" in output, f"{cipher} is refused by an alert ({name})", output[-300:])


def check_versions(checks, server, authority):
    for version in ("-tls1", "-tls1_1"):
        output = s_client(server.port, version, "-cipher", "ALL:@SECLEVEL=0")
        checks.check(agreed(output) is None and "alert" in output, f"{version} is refused by an alert", output[-300:])
    for version in ("1.2", "1.3"):
        command = ["curl", "-sS", f"--tlsv{version}", "--tls-max", version, "--cacert", authority.certificate]
        command.append(f"https://localhost:{server.port}/healthz")
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        checks.check('"ok"' in done.stdout, f"curl by TLS {version}", done.stderr)
    checks.check("ALPN protocol: http/1.1" in s_client(server.port, "-alpn", "h2,http/1.1"), "ALPN answers http/1.1")
    checks.check(agreed(s_client(server.port, "-alpn", "h2")) is None, "a client that speaks h2 alone is refused (RFC 7301)")
    ticket = authority.path("session")
    for version in ("-tls1_2", "-tls1_3"):
        request = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        s_client(server.port, version, "-sess_out", ticket, "-ign_eof", text=request, seconds=30)
        checks.check("Reused" in s_client(server.port, version, "-sess_in", ticket), f"a session goes on by its ticket ({version})")
    output = s_client(server.port, "-tls1_2", text="R\n", seconds=20)
    checks.check("no renegotiation" in output or "handshake failure" in output, "renegotiation is refused", output[-300:])


def slow_handshake(port, bytes_sent, results):
    """Seconds until the server closes a connection on which a handshake does not get on; in a thread of its own."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as raw:
        try:
            for byte in bytes_sent:
                raw.sendall(bytes([byte]))
                raw.settimeout(1)
                try:
                    if not raw.recv(100):
                        break
                except TimeoutError:
                    continue
            raw.settimeout(30)
            while raw.recv(4096):
                pass
        except OSError:
            pass
    results.append(time.monotonic() - began)


def check_broken(checks, server):
    results = []
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32)
    beginnings = [sent for sent in (b"", hello, b"\x16") for _ in range(20)]
    threads = [threading.Thread(target=slow_handshake, args=(server.port, sent, results)) for sent in beginnings]
    for thread in threads:
        thread.start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        checks.check(not raw.recv(100).startswith(b"HTTP"), "plain HTTP gets no answer")
    for size in (1, 5, 100, 10_000, 100_000):
        try:
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as raw:
                raw.sendall(os.urandom(size))
                raw.shutdown(socket.SHUT_WR)
                raw.recv(4096)
        except OSError:
            pass
    checks.equal(tocsin.status_of(server.port, "/healthz"), 200, "random bytes harm nobody")
    for thread in threads:
        thread.join(30)
    checks.check(len(results) == 60 and all(HANDSHAKE_TIME - 1 < took < HANDSHAKE_TIME + 3 for took in results),
                 "60 handshakes that do not get on are closed after 10 s", f"{sorted(results)[:1]} .. {sorted(results)[-1:]}")
    timeouts = metric(server, "tocsin_tls_handshake_failures_total", '{reason="timeout"}')
    checks.check(timeouts is not None and timeouts >= 60, "and counted", timeouts)
    checks.check((metric(server, "tocsin_tls_handshake_failures_total", '{reason="not_tls"}') or 0) >= 1, "what is no TLS is counted")


class Load(threading.Thread):
    """Pushes over TLS, each on a connection of its own or all on one, and never twice."""

    def __init__(self, url, port, keep_alive):
        super().__init__(daemon=True)
        self.sender = tocsin.Sender(url, port, keep_alive)
        self.sent, self.problems, self.ended = 0, [], False

    def run(self):
        while not self.ended:
            body = tocsin.arms_body([tocsin.arms_alert(f"tls-{id(self)}-{self.sent}")])
            try:
                status, _ = self.sender.push(body)
                if status // 100 != 2:
                    self.problems.append(status)
            except (tocsin.NotSent, tocsin.Unanswered) as error:
                self.problems.append(str(error))
            self.sent += 1
        self.sender.close()


def check_reload(checks, server, authority, mounted):
    account = tocsin.Account(server, "TLS")
    url = account.dedicated("aliyun-arms", "ARMS", account.channel("On call"))["push_url"]
    checks.check(url.startswith("https://"), "push URLs are https", url)
    loads = [Load(url, server.port, keep_alive) for keep_alive in (True, True, False, False)]
    for load in loads:
        load.start()
    shown, expected = [], []
    for count in range(30):
        name = ("ec", "other", "rsa")[count % 3]
        mounted.put(name)
        server.process.send_signal(signal.SIGHUP)
        expected.append(name)
        try:
            tocsin.wait_until("the new certificate", lambda name=name: subject(server.port, authority) == name, 5, every=0.02)
            shown.append(name)
        except TimeoutError:
            shown.append(None)
        time.sleep(0.1)
    for load in loads:
        load.ended = True
    for load in loads:
        load.join(20)
    problems = [problem for load in loads for problem in load.problems]
    checks.equal(shown, expected, "30 changes of the certificate by SIGHUP, each seen by new connections")
    checks.equal(problems, [], f"{sum(load.sent for load in loads)} pushes meanwhile, on kept and new connections, all answered")
    stored = len(account.items("deliveries"))
    checks.equal(stored, sum(load.sent for load in loads), "each of them stored once")


def check_bad_files(checks, server, authority, mounted):
    def failures():
        return metric(server, "tocsin_tls_reload_failures_total")

    before = failures()
    mounted.put("ec", key="other")
    server.process.send_signal(signal.SIGHUP)
    tocsin.wait_until("the failure is counted", lambda: failures() == before + 1, 5)
    checks.equal(subject(server.port, authority), "rsa", "a key that does not belong to the certificate changes nothing")
    os.remove(mounted.path("..data/tls.crt"))
    tocsin.wait_until("the missing file is noticed", lambda: failures() == before + 2, 15)
    checks.equal(subject(server.port, authority), "rsa", "nor does a missing file")
    time.sleep(11)
    checks.equal(failures(), before + 2, "each change is told of once")
    log = pathlib.Path(server.log).read_text(encoding="utf-8")
    checks.equal(log.count("can't be read again"), int(before) + 2, "in the log, too")
    checks.check("does not belong to the first certificate" in log and "does not exist" in log, "with what is wrong")
    mounted.put("ec")
    tocsin.wait_until("the good pair is noticed", lambda: subject(server.port, authority) == "ec", 15)
    checks.check(True, "a good pair is taken without SIGHUP")
    end = metric(server, "tocsin_tls_certificate_expiry_timestamp_seconds")
    checks.check(end is not None and 19 * 86_400 < end - time.time() <= 20 * 86_400, "the metric says when it ends", end)


def check_clients(checks, authority, mounted):
    options = ["--tls-certificate", mounted.path("tls.crt"), "--tls-key", mounted.path("tls.key"), "--tls-client-ca", authority.certificate]
    with tocsin.Server(options=options) as server:
        tocsin.tls = authority.client_context("client")
        server.start()
        checks.equal(tocsin.status_of(server.port, "/healthz"), 200, "a client with a certificate is served")
        for identity in (None, "other"):
            tocsin.tls = authority.client_context(identity)
            checks.equal(tocsin.status_of(server.port, "/healthz"), None, f"one with {identity or 'none'} is not")
        tocsin.tls = authority.client_context("client")
        refused = metric(server, "tocsin_tls_handshake_failures_total", '{reason="certificate"}')
        checks.check(refused is not None and refused >= 2, "and counted", refused)
        checks.equal(server.stop()[0], 0, "it stops in good order")
    tocsin.tls = authority.client_context()


def check_hangup_without_tls(checks):
    context, tocsin.tls = tocsin.tls, None
    with tocsin.Server() as server:
        server.start()
        server.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        checks.equal(tocsin.status_of(server.port, "/healthz"), 200, "SIGHUP does not end a server without TLS")
        checks.equal(server.stop()[0], 0, "SIGTERM does")
    tocsin.tls = context


def main(checks):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true")
    arguments = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard != resource.RLIM_INFINITY else max(soft, 65_536), hard))
    server = tocsin.Server()
    with server:
        authority = Authority(server.directory)
        mounted = Mounted(server.directory, authority)
        tocsin.tls = authority.client_context()
        server.options = ["--tls-certificate", mounted.path("tls.crt"), "--tls-key", mounted.path("tls.key")]
        server.start()
        check_ciphers(checks, server, "rsa")
        check_versions(checks, server, authority)
        check_broken(checks, server)
        check_reload(checks, server, authority, mounted)
        check_bad_files(checks, server, authority, mounted)
        check_ciphers(checks, server, "ec")
        if arguments.long:
            kept_connections(checks, server, authority)
            beside_nginx(checks, server, authority)
        status, seconds = server.stop()
        checks.check(status == 0 and seconds < 5, "SIGTERM ends it in good order", f"{status} after {seconds:.1f} s")
        check_clients(checks, authority, mounted)
    check_hangup_without_tls(checks)


if __name__ == "__main__":
    tocsin.run(main, seconds=480)
