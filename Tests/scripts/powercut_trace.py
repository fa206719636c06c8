"""Reads what `strace` recorded of a server: every change of its data directory and every acknowledgement, in their order.

A change counts from the moment its system call returned, a sync covers what had returned before it was called, and an answer counts
from the moment its system call began. `strace` lets a thread go on only after it noted the call, so the order holds across threads.
"""

import os
import re
from typing import NamedTuple

# On files of the data directory these are modelled ..
CHANGES = ["openat", "close", "write", "pwrite64", "writev", "pwritev", "ftruncate", "unlink", "unlinkat", "fsync", "fdatasync"]
# .. these would change it too and are not: the reader stops when it meets one there ..
UNMODELLED = ["open", "creat", "pwritev2", "truncate", "fallocate", "rename", "renameat", "renameat2", "link", "linkat", "copy_file_range",
              "sendfile", "splice", "msync", "sync_file_range"]
# .. and these carry answers.
ANSWERS = ["write", "writev", "sendto", "sendmsg"]
OPTIONS = ["-f", "-y", "-qq", "-xx", "-s", "8388608", "-e", "signal=none",
           "-e", "trace=" + ",".join(dict.fromkeys(CHANGES + UNMODELLED + ANSWERS))]

UNFINISHED = b" <unfinished ...>"
RESUMED = re.compile(rb"<\.\.\. \w+ resumed>")
CALL = re.compile(rb"(\w+)\((?:(\d+|AT_FDCWD)<([^>]*)>)?")
RESULT = re.compile(rb"\) += (-?\d+|\?)[^=]*$")
TEXT = re.compile(rb'"([^"]*)"(\.\.\.)?')
DELIVERY = re.compile(rb'"delivery_id":"(dlvr_[0-9a-z]{26})"')
MADE = re.compile(rb'"id":"([a-z]+_[0-9a-z]{26})"')
# Memory shared by the connections, rebuilt by whoever opens the database; and a lock without content.
IGNORED = re.compile(r"-shm$|^lock$")
DIRECTORY = ""


class Write(NamedTuple):
    name: str
    offset: int
    data: bytes


class Size(NamedTuple):
    name: str
    size: int


class Sync(NamedTuple):
    """`since`: how many events had happened when it was called."""

    name: str
    good: bool
    since: int
    thread: bytes
    call: str


class Open(NamedTuple):
    """May make the file, may empty it."""

    name: str
    empties: bool


class Unlink(NamedTuple):
    name: str


class Acknowledged(NamedTuple):
    """A 2xx began to be sent: what carries this id has to be on the disk."""

    id: bytes


class InFlight(NamedTuple):
    """A write that was under way when the process was killed."""

    write: Write


class Unreadable(Exception):
    """The trace holds something that the model does not know, so that its states could not be trusted."""


def bytes_of(identifier):
    """The 16 bytes of an id in its text form."""
    value = 0
    for digit in identifier.split("_")[1]:
        value = value << 5 | "0123456789abcdefghjkmnpqrstvwxyz".index(digit)
    return value.to_bytes(16, "big")


def unhex(text):
    return bytes.fromhex(text.replace(b"\\x", b"").decode("ascii"))


class Reader:
    """One trace file -> events."""

    def __init__(self, directory, since=0):
        self.directory, self.since = directory, since
        self.events = []
        self.unfinished, self.began, self.positions = {}, {}, {}
        self.names, self.streams = {}, {}

    def read(self, path):
        with open(path, "rb") as file:
            for line in file:
                pid, _, text = line.rstrip(b"\n").partition(b" ")
                self.line(pid, text.lstrip())
        for text in self.unfinished.values():
            self.in_flight(text)
        return self.events

    def line(self, pid, text):
        if text.endswith(UNFINISHED):
            self.unfinished[pid] = text[: -len(UNFINISHED)]
            self.enter(pid, self.unfinished[pid])
            return
        if text.startswith(b"<..."):
            text = self.unfinished.pop(pid, b"") + RESUMED.sub(b"", text, count=1)
        else:
            self.enter(pid, text)
        self.leave(pid, text)

    def name(self, path):
        """The name inside the data directory of a path as traced; None for what lies elsewhere."""
        if path not in self.names:
            text = os.fsdecode(unhex(path)) if path.startswith(b"\\x") else os.fsdecode(path)
            inside = text == self.directory or text.startswith(self.directory + "/")
            name = text[len(self.directory) + 1 :] if inside else None
            self.names[path] = None if name is None or IGNORED.search(name) else name
            self.streams[path] = text.startswith("socket:")
        return self.names[path]

    def enter(self, pid, text):
        call = CALL.match(text)
        if not call or call[3] is None:
            return
        if call[1] in (b"fsync", b"fdatasync"):
            self.began[pid] = self.since + len(self.events)
        elif call[1].decode() in ANSWERS:
            self.name(call[3])
            if self.streams[call[3]]:
                self.answer(b"".join(self.texts(text)))

    def answer(self, data):
        if data.startswith(b"HTTP/1.1 200"):
            found = DELIVERY.findall(data)
        elif data.startswith(b"HTTP/1.1 201"):
            found = MADE.findall(data)
        else:
            return
        self.events += [Acknowledged(bytes_of(text.decode())) for text in found]

    @staticmethod
    def texts(text):
        for match in TEXT.finditer(text):
            if match[2]:
                raise Unreadable(f"a cut string in {text[:80]!r}")
            yield unhex(match[1])

    def leave(self, pid, text):
        call, result = CALL.match(text), RESULT.search(text, max(0, len(text) - 600))
        if not call:
            return
        kind = call[1].decode()
        if not result or result[1] == b"?":
            self.in_flight(text)
        elif kind in ("openat", "unlink", "unlinkat"):
            self.named(kind, text, int(result[1]))
        elif kind in UNMODELLED:
            if int(result[1]) >= 0 and self.mentions(text):
                raise Unreadable(f"{kind} in the data directory is not modelled")
        elif call[3] is not None and (name := self.name(call[3])) is not None and not result_is_deleted(text, call):
            self.on_file(kind, pid, call[2], name, text, int(result[1]))

    def mentions(self, text):
        return any(os.fsdecode(path).startswith(self.directory) for path in self.texts(text)) or any(
            self.name(path) is not None for path in re.findall(rb"<([^>]*)>", text)
        )

    def named(self, kind, text, result):
        path = next(self.texts(text))
        name = self.name(path)
        if result < 0:
            return
        if kind == "openat":
            self.positions[b"%d" % result] = 0
        if name is None or name == DIRECTORY:
            return
        if kind != "openat":
            self.events.append(Unlink(name))
        elif b"O_CREAT" in text or b"O_TRUNC" in text:
            self.events.append(Open(name, b"O_TRUNC" in text))

    def on_file(self, kind, pid, handle, name, text, result):
        if kind in ("fsync", "fdatasync"):
            self.events.append(Sync(name, result == 0, self.began.pop(pid), pid, kind))
        elif kind == "ftruncate":
            if result == 0:
                self.events.append(Size(name, int(re.search(rb", (\d+)\)", text)[1])))
        elif kind in ("write", "writev", "pwrite64", "pwritev") and result > 0:
            self.events.append(self.written(kind, handle, name, text, result))

    def written(self, kind, handle, name, text, length):
        data = b"".join(self.texts(text))[:length]
        if len(data) != length:
            raise Unreadable(f"{len(data)} of {length} bytes in the trace of {name}")
        if kind in ("pwrite64", "pwritev"):
            offset = int(re.search(rb", (\d+)\) += \d+$", text)[1])
        else:
            offset = self.positions.get(handle, 0)
            self.positions[handle] = offset + length
        return Write(name, offset, data)

    def in_flight(self, text):
        call = CALL.match(text)
        if call and call[1] == b"pwrite64" and (name := self.name(call[3])) is not None:
            data, end = next(self.texts(text)), re.search(rb'", \d+, (\d+)', text)
            self.events.append(InFlight(Write(name, int(end[1]), data)))


def result_is_deleted(text, call):
    """Whether the file of the call had been unlinked."""
    return text.startswith(b"(deleted)", call.end())
