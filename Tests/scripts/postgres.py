#!/usr/bin/env python3
"""A private PostgreSQL on loopback, for one test: made in a temporary directory, and gone when the test ends, however it ends.

    postgres.py [--fast] -- COMMAND ARGS...

Runs the command with TOCSIN_TEST_POSTGRES=postgres://tocsin:PASSWORD@127.0.0.1:PORT/postgres and ends with the command's status. The role
`tocsin` is what an operator would give to Tocsin: no superuser, row security applies to it, it may create databases.
--fast: without fsync, in memory where there is room, passwords by MD5: for tests that do not crash the machine and make thousands of connections.

Uses Debian's binaries (package `postgresql`), or those of PG_BINARIES. As root the server runs as the user `postgres`, because it refuses root.
"""

import argparse
import contextlib
import ctypes
import glob
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse

import tocsin

SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT, "kill": signal.SIGKILL}
SUPERUSER, ROLE = "postgres", "tocsin"
PR_SET_PDEATHSIG = 1
# Without `durable`. A SCRAM password costs both sides 3 ms of CPU for each connection. Nothing lasts long enough to need vacuuming.
FAST = [
    "fsync = off", "synchronous_commit = off", "full_page_writes = off", "wal_level = minimal", "max_wal_senders = 0", "autovacuum = off",
    "password_encryption = md5", "checkpoint_timeout = '1h'", "max_wal_size = '1GB'",
]
MEMORY, ROOM = "/dev/shm", 6 << 30  # a file system in memory, and the bytes that have to be free there: 24 databases of 12 MB, the log, and reserve


class PostgreSQL:
    """One cluster on one port; the port and the data stay over restarts.

    `durable`: what is committed survives a power cut, as in production. Start and restart it on the main thread (see tocsin.WITH_US).
    """

    def __init__(self, durable=True, max_connections=300, settings=()):
        self.binaries = find_binaries()
        self.user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"] if os.geteuid() == 0 else []
        self.port, self.password, self.secret = tocsin.free_port(), secrets.token_hex(12), secrets.token_hex(12)
        self.settings = [
            "listen_addresses = '127.0.0.1'", f"port = {self.port}", "unix_socket_directories = ''", f"max_connections = {max_connections}",
            "log_line_prefix = '%m [%p] %u@%d '", "log_lock_waits = on", "timezone = 'UTC'", "log_timezone = 'UTC'",
            *([] if durable else FAST), *settings,
        ]
        self.parent, self.passwords = (None, "scram-sha-256") if durable else (memory(), "md5")
        self.directory = self.process = self.guard = None
        self.databases = 0

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="tocsin-postgres-", dir=self.parent)
        self.data, self.log = os.path.join(self.directory, "data"), os.path.join(self.directory, "postgres.log")
        try:
            if self.user:
                shutil.chown(self.directory, "postgres")
            self.initialize()
            self.start()
            self.sql(f"CREATE ROLE {ROLE} LOGIN NOSUPERUSER NOBYPASSRLS CREATEDB PASSWORD '{self.secret}'")
            self.sql(f"GRANT CREATE ON DATABASE postgres TO {ROLE}; GRANT ALL ON SCHEMA public TO {ROLE}")
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, *_):
        if self.process and self.process.poll() is None:
            for pid in self.processes() if self.guard else []:  # stopped ones hear nothing else
                end(pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.signal("immediate", 10)
            if self.process.poll() is None:
                self.signal("kill", 10)
        self.release_guard()
        if kind not in (None, SystemExit):
            self.print_log()
        if os.environ.get("TOCSIN_KEEP") == "1":
            print(f"kept: {self.directory}")
        elif self.directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def initialize(self):
        password = os.path.join(self.directory, "password")
        with open(password, "w", encoding="ascii") as file:
            file.write(self.password)
        os.chmod(password, 0o644)  # the directory is closed to others
        command = [
            *self.user, os.path.join(self.binaries, "initdb"), "--pgdata", self.data, "--username", SUPERUSER, "--pwfile", password,
            f"--auth={self.passwords}", "--locale=C", "--encoding=UTF8", "--no-sync", "--no-instructions",
        ]
        made = subprocess.run(command, capture_output=True, text=True, cwd="/", env=clean_environment(), timeout=120, check=False)
        if made.returncode:
            raise RuntimeError(f"initdb: {made.stderr.strip() or made.stdout.strip()}")
        os.unlink(password)
        with open(os.path.join(self.data, "postgresql.conf"), "a", encoding="ascii") as file:
            file.write("\n" + "\n".join(self.settings) + "\n")

    def start(self, seconds=60):
        """Starts it and returns how long it took until it took connections."""
        began = time.monotonic()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                # The kernel forgets the wish to be ended when the user changes, so it is made afterwards.
                [*self.user, *tocsin.WITH_US, os.path.join(self.binaries, "postgres"), "-D", self.data],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env=clean_environment(),
            )
        tocsin.wait_until("PostgreSQL takes connections", self.is_ready, seconds, every=0.05)
        return time.monotonic() - began

    def is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended with {self.process.returncode} before it was ready: {''.join(self.log_lines()[-3:])}")
        command = [os.path.join(self.binaries, "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, check=False, env=clean_environment()).returncode == 0

    def stop(self, mode="fast", seconds=30):
        """fast: open transactions are rolled back; immediate: as a crash; kill: of the parent alone. Returns the seconds it took."""
        began = time.monotonic()
        self.signal(mode, seconds)
        return time.monotonic() - began

    def signal(self, mode, seconds):
        self.process.send_signal(SIGNALS[mode])
        self.process.wait(seconds)

    def restart(self, mode="fast"):
        """Returns the seconds it was away."""
        began = time.monotonic()
        self.stop(mode)
        self.start()
        return time.monotonic() - began

    def processes(self):
        """The parent's process id and those of its children."""
        found = [self.process.pid]
        for path in glob.glob("/proc/[0-9]*/stat"):
            with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
                pid, rest = path.split("/")[2], file.read().rpartition(")")[2]
                if int(rest.split()[1]) == self.process.pid:
                    found.append(int(pid))
        return found

    def pause(self):
        """Stops all its processes where they are: connections stay open, new ones are taken by the kernel, nobody answers."""
        self.process.send_signal(signal.SIGSTOP)  # first, so that there are no new children
        pids = self.processes()
        for pid in pids[1:]:
            end(pid, signal.SIGSTOP)
        # A stopped child notices nothing when its parent and this script die, so a shell waits for the end of its input and then ends them.
        self.guard = subprocess.Popen(["sh", "-c", 'read -r line || kill -KILL "$@"', "sh", *map(str, pids)], stdin=subprocess.PIPE)

    def resume(self):
        for pid in reversed(self.processes()):
            end(pid, signal.SIGCONT)
        self.release_guard()

    def release_guard(self):
        if self.guard:
            with contextlib.suppress(BrokenPipeError):
                self.guard.communicate(b"go on\n", timeout=10)
        self.guard = None

    def address(self, database="postgres", port=None):
        """The URL of a database for the role `tocsin`."""
        return f"postgres://{ROLE}:{self.secret}@127.0.0.1:{port or self.port}/{database}"

    def create_database(self, name=None):
        """The URL of a new, empty database that belongs to the role `tocsin`."""
        self.databases += 1
        name = name or f"tocsin_{self.databases}"
        self.sql(f"CREATE DATABASE {name} OWNER {ROLE}")
        return self.address(name)

    def sql(self, text, database="postgres", seconds=60):
        """What psql says as superuser, a line for each row, `|` between columns. `database`: a name or a URL."""
        command = [
            os.path.join(self.binaries, "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port),
            "-U", SUPERUSER, "-d", name_of(database),
        ]
        environment = {**clean_environment(), "PGPASSWORD": self.password, "PGCONNECT_TIMEOUT": "10"}
        found = subprocess.run(command, input=text, capture_output=True, text=True, env=environment, timeout=seconds, check=False)
        if found.returncode:
            raise RuntimeError(f"psql: {found.stderr.strip()}")
        return found.stdout.rstrip("\n")

    def rows(self, text, database="postgres"):
        return [tuple(line.split("|")) for line in self.sql(text, database).splitlines()]

    def log_lines(self, pattern=""):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return [line for line in file if re.search(pattern, line)]

    def print_log(self, lines=20):
        with contextlib.suppress(OSError):
            print("--- last lines of PostgreSQL's log", *[line.rstrip() for line in self.log_lines()[-lines:]], "---", sep="\n")


def memory():
    """Where files are kept in memory, if there is enough of it; None: in the usual place."""
    with contextlib.suppress(OSError, StopIteration):
        there = os.statvfs(MEMORY)
        with open("/proc/meminfo", encoding="ascii") as file:
            available = next(int(line.split()[1]) << 10 for line in file if line.startswith("MemAvailable:"))
        if os.access(MEMORY, os.W_OK | os.X_OK) and min(there.f_bavail * there.f_frsize, available) >= ROOM:
            return MEMORY
    return None


def end(pid, number):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def name_of(database):
    return urllib.parse.urlsplit(database).path.lstrip("/") if "://" in database else database


def clean_environment():
    """Ours without PG*: settings of the caller must not reach a test."""
    return {name: value for name, value in tocsin.clean_environment().items() if not name.startswith("PG")}


def find_binaries():
    """The newest version's directory; ends the script with a clear line when there is none."""
    if os.geteuid() == 0:
        known = subprocess.run(["id", "-u", "postgres"], capture_output=True, check=False).returncode == 0
        if not known:
            sys.exit("PostgreSQL refuses to run as root and there is no user postgres: apt-get install postgresql, or run this as another user")
    versions = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: float(path.split("/")[4]), reverse=True)
    on_path = shutil.which("postgres")
    for directory in filter(None, [os.environ.get("PG_BINARIES"), *versions, on_path and os.path.dirname(on_path)]):
        if all(os.access(os.path.join(directory, name), os.X_OK) for name in ("postgres", "initdb", "psql", "pg_isready")):
            return directory
    sys.exit("no PostgreSQL server here: apt-get install postgresql, or set PG_BINARIES to the directory of postgres and initdb")


@contextlib.contextmanager
def engine(is_wanted):
    """A cluster, or None for SQLite: what `--postgres` of a script means."""
    if is_wanted:
        with PostgreSQL() as cluster:
            yield cluster
    else:
        yield None


def fresh(cluster):
    """The URL of a new database, None for SQLite."""
    return cluster.create_database() if cluster else None


def end_with_parent():
    """Sends us SIGTERM when whoever started this script dies."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def run_command(command, durable):
    """The command's exit status; at SIGTERM it gets a SIGTERM, too, and 10 s."""
    with PostgreSQL(durable=durable) as cluster:
        environment = {**os.environ, "TOCSIN_TEST_POSTGRES": cluster.address()}
        try:
            process = subprocess.Popen([*tocsin.WITH_US, *command], env=environment)
        except OSError as error:
            sys.exit(f"{command[0]}: {error}")
        try:
            status = process.wait()
        except BaseException:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
            raise
        return status if status >= 0 else 128 - status


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("command", nargs="+", metavar="COMMAND")
    parsed = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    end_with_parent()
    sys.exit(run_command(parsed.command, durable=not parsed.fast))
