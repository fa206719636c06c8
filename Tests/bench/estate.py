"""A large installation: how long it takes to start, what it holds in memory at rest, and what the first push of a cold account waits.

The accounts are copies of one that was made over the API, written straight into the tables of a stopped server: every column as the
server wrote it, with ids and numbers of their own. Their push URLs can't be used (the tokens are nobody's), so some more
accounts are made over the API, and pushed to.
"""

import os
import secrets
import sqlite3
import time

import report
import tocsin
from load import post
from sides import note, push_path, stop

INTEGRATIONS = 10  # of an account
PUSHED_TO = 20  # accounts made over the API
START_GOAL, MEMORY_GOAL = "start < 1 s", "< 150 MB"
# What a new account has no rows in.
HISTORY = {"audit", "deliveries", "events", "alerts", "refusals", "integration_activity"}
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def make_account(server, name):
    """An account with a channel and its integrations; their push paths."""
    account = tocsin.Account(server, name)
    channel = account.channel("On call")
    return [push_path(account.dedicated("aliyun-arms", f"ARMS {n}", channel)) for n in range(INTEGRATIONS)]


class Copier:
    """Copies of one account."""

    def __init__(self, database, name):
        self.database, self.model = database, {}
        (number,) = database.execute("SELECT account_id FROM accounts WHERE name = ?", [name]).fetchone()
        for (table,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            columns = [column[1] for column in database.execute(f"PRAGMA table_info({table})")]
            if "account_id" in columns and table not in HISTORY:
                rows = database.execute(f"SELECT * FROM {table} WHERE account_id = ?", [number]).fetchall()
                self.model[table] = (columns, rows)
        self.used = {row[0] for row in database.execute("SELECT account_id FROM accounts")}

    def copy(self, count):
        for table, copies in self.copies(count).items():
            places = ", ".join("?" * len(self.model[table][0]))
            self.database.executemany(f"INSERT INTO {table} VALUES ({places})", copies)

    def copies(self, count):
        found = {table: [] for table, (_, rows) in self.model.items() if rows}
        for _ in range(count):
            fresh = Fresh(self.new_number())
            for table, copies in found.items():
                columns, rows = self.model[table]
                copies += [[fresh.value(column, value) for column, value in zip(columns, row)] for row in rows]
        return found

    def new_number(self):
        while True:
            number = secrets.randbits(32)
            if number not in self.used:
                self.used.add(number)
                return number


class Fresh:
    """The ids and numbers of one copy: the same old one gives the same new one."""

    def __init__(self, account):
        self.account, self.given = account, {}

    def value(self, column, value):
        if column == "account_id":
            return self.account
        if column == "tag":
            return secrets.randbits(40)
        if column in ("token_digest", "digest"):
            return secrets.token_bytes(len(value))
        if column == "public_id":
            return "".join(secrets.choice(BASE62) for _ in value)
        is_id = isinstance(value, bytes) and len(value) == 16 and (column in ("id", "created_by") or column.endswith("_id"))
        if not is_id and column != "number":
            return value
        if (column == "number", value) not in self.given:
            # A UUIDv7 keeps its time and version: the first 8 bytes but 12 bits, which stay as well.
            new = value[:8] + bytes([0x80 | secrets.randbits(6)]) + secrets.token_bytes(7) if is_id else secrets.randbits(32)
            self.given[column == "number", value] = new
        return self.given[column == "number", value]


def fill(path, accounts):
    """Adds copies until there are `accounts`. Returns (integrations, accounts) as counted."""
    database = sqlite3.connect(path)
    database.execute("PRAGMA synchronous = OFF")
    copier = Copier(database, "Model")
    missing = accounts - len(copier.used)
    while missing > 0:  # in parts, for the memory of this process
        copier.copy(min(missing, 1000))
        missing -= 1000
    database.commit()
    wrong = database.execute("PRAGMA foreign_key_check").fetchall()
    if wrong:
        raise RuntimeError(f"the copies refer to nothing: {wrong[:3]}")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    counts = [database.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in ("integrations", "accounts")]
    database.close()
    return counts


def database_of(server):
    """The one SQLite file with accounts in the data directory of a stopped server."""
    for name in sorted(os.listdir(server.data)):
        path = os.path.join(server.data, name)
        with open(path, "rb") as file:
            if file.read(16) == b"SQLite format 3\0":
                return path
    raise RuntimeError(f"no database in {server.data}")


def starts(server, options, after):
    """(seconds to ready, resident bytes at rest) of each round's start; `after(server)` is called on each."""
    found = []
    for _ in range(options.rounds):
        seconds = server.start()
        time.sleep(options.settle)
        found.append((seconds, server.resident_memory()))
        after(server)
        stop(server)
    return found


def rows(options, generator):
    with tocsin.Server(options.data_parent) as server:
        server.start()
        stop(server)
        empty = starts(server, options, lambda _: None)
        server.start()
        make_account(server, "Model")
        # One path of each account: its first push loads all of the account.
        paths = [make_account(server, f"Pushed to {n}")[0] for n in range(PUSHED_TO)]
        stop(server)
        began = time.monotonic()
        integrations, accounts = fill(database_of(server), options.integrations // INTEGRATIONS)
        size = sum(entry.stat().st_size for entry in os.scandir(server.data)) / 1e6
        note(f"{integrations:,} integrations in {accounts:,} accounts, {size:,.0f} MB, written in {time.monotonic() - began:.0f} s")
        cold, warm = [], []

        def push(running):
            request = post("@ID@", tocsin.arms_body([tocsin.arms_alert("cold")]))
            for results in (cold, warm):
                result = generator.run(running.port, request, values=paths, connections=1, count=len(paths))
                results.append({name: result[name] for name in ("p50_ms", "p99_ms", "max_ms", "bad")})

        full = starts(server, options, push)
    what = f"{integrations:,} integrations of {accounts:,} accounts"
    for name, found in (("an empty installation", empty), (what, full)):
        result = {**report.times([seconds for seconds, _ in found]), "memory": report.median([{"m": m} for _, m in found], "m")}
        goal = f"{START_GOAL}, {MEMORY_GOAL}" if found is full else ""
        yield report.row(f"{name}: start to ready, memory at rest", "Tocsin", [result], goal)
    yield report.row(f"{what}: first push of a cold account", "Tocsin", cold)
    yield report.row(f"{what}: second push", "Tocsin", warm)
    yield report.ratio("first push / second push", cold, warm)
