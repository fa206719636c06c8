"""What a disk may hold after a power cut: the durable contents of files and names, and what was written since and not synced.

- A write is durable once a later sync of its file returned 0; a name, once its folder was synced.
- A write whose sync failed may be on the disk or not, for ever: the kernel forgets it. Only writing the same bytes again helps.
- Of what is not durable any subset may be there, cut at sectors (which is also all that another order of writing could leave behind).
  Bytes of a sector that a write did not touch stay as they were.
"""

import hashlib
import os

from powercut_trace import DIRECTORY, Open, Size, Sync, Unlink, Write

PAGE = 4096
SECTORS = (512, 1024, 2048, 4096)


def digest(number, data):
    return int.from_bytes(hashlib.blake2b(data, digest_size=16, salt=number.to_bytes(8, "big")).digest(), "big")


class Contents:
    """Bytes in pages with a hash over all of them, kept in memory and, when a path is given, in a file."""

    def __init__(self, path=None):
        self.bytes, self.digests, self.sum = bytearray(), {}, 0
        self.handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600) if path else None

    def page(self, number, end=None):
        """A page, filled up with zeros; nothing from `end` on counts."""
        stop = min((number + 1) * PAGE, len(self.bytes) if end is None else end)
        return bytes(self.bytes[number * PAGE : stop]).ljust(PAGE, b"\0")

    def key(self):
        return len(self.bytes), self.sum

    def patched(self, changes):
        """(size, how much of the old bytes still counts, changed pages, key) after `changes`; the contents stay as they are."""
        size = kept = len(self.bytes)
        pages = {}
        for change in changes:
            if isinstance(change, Size):
                kept, size = min(kept, change.size), change.size
                pages = {number: page for number, page in pages.items() if number * PAGE < size}
                if size % PAGE and size // PAGE in pages:
                    pages[size // PAGE][size % PAGE :] = bytes(PAGE - size % PAGE)
                continue
            offset, data = change.offset, memoryview(change.data)
            size = max(size, offset + len(data))
            while data:
                number, start = divmod(offset, PAGE)
                part = data[: PAGE - start]
                if number not in pages:
                    pages[number] = bytearray(self.page(number, kept))
                pages[number][start : start + len(part)] = part
                offset, data = offset + len(part), data[len(part) :]
        return size, kept, pages, (size, self.sum_after(size, kept, pages))

    def sum_after(self, size, kept, pages):
        total = self.sum
        for number, page in pages.items():
            total ^= self.digests.get(number, 0) ^ digest(number, page)
        if kept < len(self.bytes):
            for number in range(kept // PAGE, -(-len(self.bytes) // PAGE)):
                if number not in pages:
                    total ^= self.digests.get(number, 0)
                    if number * PAGE < min(size, kept):
                        total ^= digest(number, self.page(number, kept))
        return total

    def show(self, size, kept, pages):
        """Writes a patched state into the file."""
        if kept < len(self.bytes):
            os.ftruncate(self.handle, kept)
        for number, page in pages.items():
            os.pwrite(self.handle, page, number * PAGE)
        os.ftruncate(self.handle, size)

    def hide(self, kept, pages):
        """Takes `show` back."""
        for number in pages:
            os.pwrite(self.handle, self.page(number), number * PAGE)
        if kept < len(self.bytes):
            os.pwrite(self.handle, self.bytes[kept:], kept)
        os.ftruncate(self.handle, len(self.bytes))

    def take(self, changes):
        """Makes changes part of the contents."""
        size, kept, pages, (_, total) = self.patched(changes)
        if self.handle is not None:
            self.show(size, kept, pages)
        for number in range(kept // PAGE, -(-len(self.bytes) // PAGE)):
            self.digests.pop(number, None)
        partial = kept // PAGE if kept < len(self.bytes) and kept % PAGE else None
        del self.bytes[kept:]
        self.bytes.extend(bytes(max(0, size - len(self.bytes))))
        for number, page in pages.items():
            self.bytes[number * PAGE : (number + 1) * PAGE] = page[: size - number * PAGE]
            self.digests[number] = digest(number, page)
        if partial is not None and partial not in pages and partial * PAGE < size:
            self.digests[partial] = digest(partial, self.page(partial))
        self.sum = total


class File:
    def __init__(self, number, folder):
        self.number = number
        self.path = os.path.join(folder, f"file-{number}") if folder else None
        self.durable = Contents(self.path)
        self.forgotten = []  # a sync of these failed
        self.waiting = []  # (index of the event, change): not synced yet

    def changes(self):
        return self.forgotten + [change for _, change in self.waiting]

    def sync(self, since, good):
        covered = [change for index, change in self.waiting if index < since]
        self.waiting = self.waiting[len(covered) :]
        if good:
            self.durable.take(covered)
            for change in covered:
                self.forgotten = list(without(self.forgotten, change))
        else:
            self.forgotten += covered


def without(older, change):
    """The parts of older writes that `change` did not replace."""
    start = change.size if isinstance(change, Size) else change.offset
    end = float("inf") if isinstance(change, Size) else change.offset + len(change.data)
    for write in older:
        if isinstance(write, Size):
            continue  # a later sync of the file covers its size
        if write.offset < start:
            yield Write(write.name, write.offset, write.data[: start - write.offset])
        if write.offset + len(write.data) > end:
            skipped = max(0, end - write.offset)
            yield Write(write.name, write.offset + skipped, write.data[skipped:])


class Disk:
    """The data directory. With `folder` the durable contents of its files are kept there too."""

    def __init__(self, folder=None, ignore_syncs_of=()):
        self.folder, self.ignored = folder, ignore_syncs_of
        self.names, self.durable_names = {}, {}
        self.waiting = []  # (index, name, File or None): changes of names not synced yet
        self.made = 0

    def apply(self, index, event):
        if isinstance(event, Sync):
            self.sync(event)
        elif isinstance(event, Unlink):
            self.names.pop(event.name, None)
            self.waiting.append((index, event.name, None))
        elif isinstance(event, (Open, Write, Size)):
            file = self.names.get(event.name)
            if file is None:
                file = self.names[event.name] = File(self.made, self.folder)
                self.made += 1
                self.waiting.append((index, event.name, file))
            if isinstance(event, Open):
                event = Size(event.name, 0) if event.empties else None
            if event:
                file.waiting.append((index, event))

    def sync(self, event):
        if event.name in self.ignored:
            return
        if event.name != DIRECTORY:
            if event.name in self.names:
                self.names[event.name].sync(event.since, event.good)
        elif event.good:
            for index, name, file in self.waiting:
                if index < event.since:
                    self.durable_names[name] = file
            self.waiting = [change for change in self.waiting if change[0] >= event.since]

    def unsynced(self):
        """How many changes are not durable."""
        return len(self.waiting) + sum(len(file.forgotten) + len(file.waiting) for file in set(self.names.values()))

    # What may be there: {name: (File, changes that made it)}

    def all_written(self):
        """After a kill: the system goes on and has every write."""
        return {name: (file, file.changes()) for name, file in self.names.items()}

    def all_lost(self):
        """After a power cut that left nothing but what was synced."""
        return {name: (file, []) for name, file in self.durable_names.items() if file}

    def some_lost(self, random):
        """After a power cut that left something of the rest."""
        names = dict(self.durable_names)
        cut = {name: random.random() for _, name, _ in self.waiting}
        for name, luck in cut.items():  # of each name's changes the first few
            steps = [file for _, other, file in self.waiting if other == name]
            for file in steps[: round(luck * len(steps))]:
                names[name] = file
        choose = random.choice(CHOICES)
        return {name: (file, list(choose(file.changes(), random))) for name, file in names.items() if file}

    def contents(self, state):
        """{name: bytes} of a state."""
        result = {}
        for name, (file, changes) in state.items():
            size, kept, pages, _ = file.durable.patched(changes)
            data = file.durable.bytes[:kept].ljust(size, b"\0")
            for number, page in pages.items():
                data[number * PAGE : number * PAGE + PAGE] = page[: size - number * PAGE]
            result[name] = bytes(data)
        return result


def pieces(write, sector):
    offset, data = write.offset, write.data
    while data:
        length = sector - offset % sector
        yield Write(write.name, offset, data[:length])
        offset, data = offset + length, data[length:]


def torn(changes, random):
    """Sectors of everything."""
    sector, luck = random.choice(SECTORS), random.choice((0.1, 0.3, 0.5, 0.7, 0.9, 0.98))
    for change in changes:
        if isinstance(change, Size):
            if random.random() < luck:
                yield change
        else:
            yield from (piece for piece in pieces(change, sector) if random.random() < luck)


def whole(changes, random):
    """Some writes, whole."""
    luck = random.choice((0.1, 0.5, 0.9))
    return [change for change in changes if random.random() < luck]


def first(changes, random):
    """The first writes in order, the last of them torn."""
    count = random.randint(0, len(changes))
    yield from changes[:count]
    yield from torn(changes[count : count + 1], random)


def all_but_one(changes, random):
    missing = random.randrange(len(changes)) if changes else 0
    yield from changes[:missing]
    yield from torn(changes[missing : missing + 1], random)
    yield from changes[missing + 1 :]


def last(changes, random):
    """The newest writes without the older ones."""
    count = random.randint(0, min(8, len(changes)))
    return changes[len(changes) - count :]


CHOICES = (torn, torn, torn, whole, first, all_but_one, last)
