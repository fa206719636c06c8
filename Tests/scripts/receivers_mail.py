"""A mail server on loopback that wants STARTTLS (or TLS from the first byte) and a login, with its own certificate authority.

Scripted per connection: a `MailStep` names the stage at which a reply of its own, or a fault, takes the place of the usual reply. Each message
that was taken, and each that was said whole but not taken, is in `received`, with what is wrong about it in `refused`.
"""

import base64
import collections
import email
import email.policy
import email.utils
import itertools
import os
import re
import socket
import ssl
import struct
import subprocess
import threading
import time

import tocsin

LINE_LIMIT, MESSAGE_LIMIT = 1_000, 10_240_000  # bytes, with CRLF


class Authority:
    """A certificate authority of a test: `roots` is its PEM file."""

    def __init__(self, directory, name="test"):
        self.directory, self.name = directory, name
        self.roots = self.path("ca.pem")
        self.run(
            "-x509", "-keyout", self.path("ca.key"), "-out", self.roots, "-subj", f"/CN={name} authority",
            "-addext", "basicConstraints=critical,CA:true",
        )

    def path(self, file):
        return os.path.join(self.directory, f"{self.name}-{file}")

    def run(self, *arguments):
        command = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-days", "800", *arguments]
        subprocess.run(command, check=True, capture_output=True)

    def context(self, names="DNS:localhost,IP:127.0.0.1"):
        """What a server with a certificate for these names needs."""
        number = abs(hash(names)) % 10_000
        key, certificate = self.path(f"{number}.key"), self.path(f"{number}.pem")
        self.run(
            "-x509", "-CA", self.roots, "-CAkey", self.path("ca.key"), "-keyout", key, "-out", certificate, "-subj", "/CN=receiver",
            "-addext", f"subjectAltName={names}", "-addext", "basicConstraints=critical,CA:false",
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        return context


class MailStep:
    """At `stage` (greeting, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, message, taken) `reply` is said, or `fault` is done.

    `message` comes instead of the verdict on the message, `taken` after the server has kept it: a fault there leaves the sender in doubt.
    """

    def __init__(self, stage, reply=None, fault=None):
        self.stage, self.reply, self.fault = stage, reply, fault

    def __repr__(self):
        return f"{self.stage}: {self.reply or self.fault}"


class Mail:
    """One message. `at`: by the server's clock."""

    def __init__(self, at, sender, receivers, data):
        self.at, self.sender, self.receivers, self.data = at, sender, receivers, data
        self.number, self.refused, self.was_taken = 0, None, False
        self.parsed = email.message_from_bytes(data, policy=email.policy.default)

    @property
    def id(self):
        return self.parsed["Message-ID"]

    @property
    def subject(self):
        return str(self.parsed["Subject"])

    @property
    def text(self):
        part = self.parsed.get_body(("plain", "html"))
        return part.get_content() if part else ""

    def problem(self):
        """What a strict mail server, or a reader, minds."""
        head = self.data.split(b"\r\n\r\n", 1)[0]
        missing = [name for name in ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version") if self.parsed[name] is None]
        if missing:
            return f"no {', '.join(missing)}"
        twice = [name for name, count in collections.Counter(n.lower() for n in self.parsed.keys()).items() if count > 1]
        if twice:
            return f"more than one {', '.join(twice)}"
        if re.search(rb"(?<!\r)\n|\r(?!\n)", self.data):
            return "a bare CR or LF"
        if not head.isascii():
            return "a head that is not ASCII"
        if any(len(line) > LINE_LIMIT - 2 for line in self.data.split(b"\r\n")):
            return "a line of more than 998 bytes"
        if not re.fullmatch(r"<[^<>@\s]+@[^<>@\s]+>", str(self.id)):
            return f"Message-ID {self.id}"
        if email.utils.parsedate_to_datetime(str(self.parsed["Date"])) is None:
            return "Date"
        if self.parsed.defects:
            return f"defects {self.parsed.defects}"
        return None


class End(Exception):
    """The connection is over."""


class MailServer:
    """`login`: (name, password) that it wants, or None. `security`: starttls, tls, or none (it offers no TLS).

    `active`: connections that are kept waiting by a fault.
    """

    path = kind = "email"

    def __init__(self, context, login=("alerts", "s3cret / ü"), security="starttls", clock=time.time):
        self.context, self.login, self.security, self.clock = context, login, security, clock
        self.port, self.steps, self.received, self.problems = tocsin.free_port(), collections.deque(), [], []
        self.then, self.connects, self.active = None, 0, 0
        self.numbers, self.listener, self.sessions = itertools.count(1), None, set()

    def __enter__(self):
        self.open()
        return self

    def __exit__(self, *_):
        self.shut()

    def open(self):
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def shut(self):
        if self.listener:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
        self.listener = None
        for session in list(self.sessions):
            session.cut()

    def script(self, *steps, then=None):
        """The next connections get these steps, one each (None: as usual), all after them `then`."""
        self.steps, self.then = collections.deque(steps), then
        return self

    def settings(self, host="127.0.0.1", to=("oncall@example.com",)):
        """Those of a notifier that sends there."""
        name, password = self.login or (None, None)
        login = {"username": name, "password": password} if self.login else {}
        security = "tls" if self.security == "tls" else "starttls"
        return {"host": host, "port": self.port, "security": security, **login, "from": "tocsin@example.com", "to": list(to)}

    def accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connects += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        session = Session(self, connection, self.steps.popleft() if self.steps else self.then)
        self.sessions.add(session)
        try:
            session.run()
        except (End, OSError, ValueError) as error:
            if isinstance(error, ssl.SSLError):
                self.problems.append(f"TLS: {error.reason or error}")
        finally:
            self.sessions.discard(session)
            session.cut()

    @property
    def taken(self):
        return [mail for mail in list(self.received) if mail.was_taken]

    @property
    def refused(self):
        return [mail.refused for mail in list(self.received) if mail.refused] + self.problems


class Session:
    """One connection."""

    def __init__(self, server, connection, step):
        self.server, self.socket, self.step = server, connection, step
        self.data, self.is_secure, self.is_known = b"", False, False
        self.sender, self.receivers = None, []
        self.is_greeted = self.was_injected = False

    def cut(self):
        try:
            self.socket.close()
        except OSError:
            pass

    def say(self, stage, reply):
        """The usual reply, unless the script has something else for this stage."""
        step = self.step
        if step and step.stage == stage:
            if step.fault:
                self.server.active += 1
                try:
                    self.fail(step.fault)
                finally:
                    self.server.active -= 1
                return 0
            self.socket.sendall(step.reply.encode() + b"\r\n")
            code = int(step.reply[:3])
            if code == 421:
                raise End
            return code
        self.socket.sendall(reply.encode() + b"\r\n")
        return int(reply[:3])

    def fail(self, fault):
        if fault == "stall":
            while self.socket.recv(65_536):
                pass
        elif fault == "reset":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif fault == "drip":
            for _ in range(1_000):
                self.socket.sendall(b"2")
                time.sleep(0.5)
        elif fault == "flood":
            for _ in range(64 << 10):  # at most 4 GiB of a reply that does not end
                self.socket.sendall((b"250-" + b"x" * 1_018 + b"\r\n") * 64)
        elif fault == "inject":  # a reply in plain text behind the one that begins TLS: whoever takes it for protected has been fooled
            self.socket.sendall(b"220 ready\r\n250 injected\r\n250 injected\r\n250 injected\r\n250 injected\r\n")
            self.begin_tls()
            self.was_injected = True
            return
        raise End

    def begin_tls(self):
        self.socket = self.server.context.wrap_socket(self.socket, server_side=True)
        self.is_secure, self.data, self.is_greeted = True, b"", False

    def line(self):
        while b"\r\n" not in self.data:
            if len(self.data) > 65_536:
                raise End
            data = self.socket.recv(65_536)
            if not data:
                raise End
            self.data += data
        line, _, self.data = self.data.partition(b"\r\n")
        return line

    def run(self):
        self.socket.settimeout(60)
        if self.server.security == "tls":
            self.begin_tls()
        self.say("greeting", "220 mail.example.com ESMTP")
        while True:
            line = self.line()
            verb, _, rest = line.decode("latin-1").partition(" ")
            handle = getattr(self, "do_" + verb.lower(), None)
            if not handle:
                self.server.problems.append(f"command {verb[:20]}")
                self.say("?", "500 what?")
                continue
            handle(rest)

    def do_ehlo(self, name):
        self.is_greeted = True
        if self.was_injected:  # a second command before the reply to this one: it was answered by what came in plain text
            self.socket.settimeout(0.2)
            try:
                self.data += self.socket.recv(65_536)
                self.server.problems.append("a reply in plain text was taken for a protected one")
            except TimeoutError:
                self.was_injected = False
            self.socket.settimeout(60)
        offers = ["mail.example.com", "8BITMIME", f"SIZE {MESSAGE_LIMIT}"]
        if self.server.security == "starttls" and not self.is_secure:
            offers.append("STARTTLS")
        if self.is_secure:
            offers.append("AUTH PLAIN LOGIN")
        if not name.strip():
            self.server.problems.append("EHLO without a name")
        lines = [f"250-{offer}" for offer in offers[:-1]] + [f"250 {offers[-1]}"]
        self.say("EHLO" if not self.is_secure or self.server.security == "tls" else "second EHLO", "\r\n".join(lines))

    def do_starttls(self, _):
        if self.server.security != "starttls" or self.is_secure:
            self.say("?", "502 no")
            return
        if self.say("STARTTLS", "220 ready") == 220:
            if self.data:
                self.server.problems.append("bytes sent behind STARTTLS")
            self.begin_tls()

    def do_auth(self, rest):
        if not self.is_secure:
            self.server.problems.append("AUTH in plain text")
            self.say("?", "538 encryption required")
            return
        way, _, first = rest.partition(" ")
        if way.upper() == "PLAIN":
            found = self.plain(first or self.ask(""))
        elif way.upper() == "LOGIN":
            found = (self.decoded(first or self.ask("VXNlcm5hbWU6")), self.decoded(self.ask("UGFzc3dvcmQ6")))
        else:
            self.say("?", "504 unknown")
            return
        self.is_known = found == self.server.login
        if not self.is_known:
            self.server.problems.append("wrong login")
        self.is_known = self.say("AUTH", "235 welcome" if self.is_known else "535 5.7.8 no") == 235

    def ask(self, challenge):
        self.socket.sendall(f"334 {challenge}\r\n".encode())
        return self.line().decode("latin-1")

    def decoded(self, text):
        return base64.b64decode(text).decode(errors="replace")

    def plain(self, text):
        return tuple(self.decoded(text).split("\0")[1:])

    def do_mail(self, rest):
        match = re.fullmatch(r"FROM:<([^<>\s]*)>((?: [A-Z0-9]+(?:=\S+)?)*)", rest, re.IGNORECASE)
        if not self.is_greeted:
            reply = "503 EHLO first"
        elif not self.is_secure:
            reply = "530 5.7.0 STARTTLS first"
        elif self.server.login and not self.is_known:
            reply = "530 5.7.0 login first"
        elif not match:
            reply = "501 syntax"
        else:
            reply = "250 ok"
        self.note(reply)
        if self.say("MAIL", reply) == 250:
            self.sender, self.receivers = match[1], []

    def do_rcpt(self, rest):
        match = re.fullmatch(r"TO:<([^<>\s@]+@[^<>\s@]+)>", rest, re.IGNORECASE)
        reply = "503 MAIL first" if self.sender is None else "250 ok" if match else "501 syntax"
        self.note(reply)
        if self.say("RCPT", reply) == 250:
            self.receivers.append(match[1])

    def do_data(self, _):
        reply = "354 go on" if self.receivers else "503 RCPT first"
        self.note(reply)
        if self.say("DATA", reply) != 354:
            return
        lines = []
        while (line := self.line()) != b".":
            lines.append(line[1:] if line.startswith(b".") else line)
            if sum(map(len, lines[-1:])) > MESSAGE_LIMIT:
                raise End
        server = self.server
        mail = Mail(server.clock(), self.sender, self.receivers, b"".join(line + b"\r\n" for line in lines))
        mail.number, mail.refused = next(server.numbers), mail.problem()
        self.sender, self.receivers = None, []
        stage_of_doubt = self.step is not None and self.step.stage == "taken"
        will_take = mail.refused is None and not (self.step and self.step.stage == "message")
        mail.was_taken = will_take
        server.received.append(mail)
        self.say("taken" if stage_of_doubt else "message", "550 5.6.0 " + mail.refused if mail.refused else f"250 2.0.0 queued as {mail.number}")

    def note(self, reply):
        if reply[0] == "5":
            self.server.problems.append(reply)

    def do_rset(self, _):
        self.sender, self.receivers = None, []
        self.say("RSET", "250 ok")

    def do_noop(self, _):
        self.say("NOOP", "250 ok")

    def do_quit(self, _):
        self.say("QUIT", "221 bye")
        raise End
