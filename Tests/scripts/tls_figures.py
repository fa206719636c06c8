"""Figures of TLS: memory of kept connections, requests and handshakes a second beside nginx."""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import time

import tocsin

LIMIT = 4_096  # connections that the server keeps
REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def kept_connections(checks, server, authority, count=10_000):
    """Opens many; the server keeps what its limit allows, and closes those that are idle for longest."""
    context = authority.client_context()
    before, sockets, began = server.resident_memory(), [], time.monotonic()
    for number in range(count):
        raw = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        wrapped = context.wrap_socket(raw, server_hostname="localhost")
        wrapped.sendall(REQUEST)
        if not wrapped.recv(4096).startswith(b"HTTP/1.1 200"):
            checks.check(False, f"connection {number} is answered")
        sockets.append(wrapped)
    seconds = time.monotonic() - began
    grown = server.resident_memory() - before
    descriptors = len(os.listdir(f"/proc/{server.process.pid}/fd"))
    print(f"      {count} connections in {seconds:.1f} s; {descriptors} descriptors open, memory grew by {grown >> 20} MiB: "
          f"{grown // LIMIT >> 10} KiB for each of {LIMIT} that are kept")
    checks.check(descriptors < LIMIT + 100, "no more connections are kept than the limit", descriptors)
    checks.check(grown < LIMIT * (64 << 10), "a kept connection takes less than 64 KiB", grown // LIMIT)
    for wrapped in sockets:
        wrapped.close()
    checks.equal(tocsin.status_of(server.port, "/healthz"), 200, "others are served meanwhile")


class Nginx:
    """A private nginx with the same certificate, which answers as short a text from memory."""

    def __init__(self, directory, authority):
        self.port, self.directory = tocsin.free_port(), os.path.join(directory, "nginx")
        os.mkdir(self.directory)
        text = f"""
            worker_processes 2; daemon off; pid {self.directory}/pid; error_log {self.directory}/error.log;
            events {{ worker_connections 4096; }}
            http {{
                access_log off; client_body_temp_path {self.directory}/b; proxy_temp_path {self.directory}/p;
                fastcgi_temp_path {self.directory}/f; uwsgi_temp_path {self.directory}/u; scgi_temp_path {self.directory}/s;
                server {{
                    listen 127.0.0.1:{self.port} ssl; keepalive_requests 1000000000; ssl_protocols TLSv1.2 TLSv1.3;
                    ssl_certificate {authority.path("ec.crt")}; ssl_certificate_key {authority.path("ec.key")};
                    location / {{ default_type application/json; return 200 '{{"status":"ok"}}'; }}
                }}
            }}"""
        path = os.path.join(self.directory, "nginx.conf")
        pathlib.Path(path).write_text(text, encoding="ascii")
        program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
        self.process = subprocess.Popen([*tocsin.WITH_US, program, "-c", path], stderr=subprocess.DEVNULL)

    def __enter__(self):
        tocsin.wait_until("nginx answers", lambda: tocsin.status_of(self.port, "/") == 200, 10)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)


def rate(port, *options):
    """Requests a second that are answered, by wrk."""
    command = ["wrk", "-t", "1", "-c", "64", "-d", "4", *options, f"https://127.0.0.1:{port}/healthz"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    match = re.search(r"Requests/sec:\s+(\S+)", done.stdout)
    return float(match.group(1)) if match else 0.0


def beside_nginx(checks, server, authority, rounds=3):
    """Both in turn, on the same processors as the load."""
    if not shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin") or not shutil.which("wrk"):
        checks.check(False, "nginx and wrk are there: deploy/test installs them")
        return
    kinds = {"requests on kept connections": (), "handshakes, one request each": ("-H", "Connection: close")}
    with Nginx(server.directory, authority) as nginx:
        for kind, options in kinds.items():
            ours, theirs = [], []
            for _ in range(rounds):
                ours.append(rate(server.port, *options))
                theirs.append(rate(nginx.port, *options))
            (mine, other) = (sorted(found)[rounds // 2] for found in (ours, theirs))
            print(f"      {kind}: Tocsin {mine:,.0f}/s, nginx {other:,.0f}/s, ratio {mine / max(other, 1):.2f}")
            checks.check(mine > 0 and other > 0, f"{kind} are answered")
