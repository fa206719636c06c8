"""Raw connections for the hostile scripts: each byte is said by the caller; what comes back is cut into answers."""

import re
import socket
import time

HEAD = re.compile(rb"HTTP/1\.[01] (\d{3})[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n")


class Heard:
    """What came back on one connection."""

    def __init__(self):
        self.data, self.closed, self.sent, self.seconds = b"", False, 0, 0.0

    def answers(self):
        """[(status, head, body)] of what is complete; a 1xx has no body."""
        found, rest = [], self.data
        while match := HEAD.match(rest):
            status, head = int(match[1]), match[0]
            length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
            end = match.end() + (int(length[1]) if length and status >= 200 else 0)
            if len(rest) < end:
                break
            found.append((status, head, rest[match.end():end]))
            rest = rest[end:]
        return found

    def statuses(self):
        return [status for status, *_ in self.answers()]


def connect(port, receive_buffer=None):
    client = socket.socket()
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.settimeout(10)
    client.connect(("127.0.0.1", port))
    return client


def say(port, data, count=1, seconds=2.0, linger=0.03):
    """Sends `data` and listens for `count` final answers and `linger` seconds more, or until the server closes, or for `seconds`."""
    heard, began = Heard(), time.monotonic()
    with connect(port) as client:
        try:
            client.sendall(data)
        except OSError:
            pass  # cut off early: what was said before that is still there to be read
        listen(client, heard, count, began + seconds, linger)
    heard.seconds = time.monotonic() - began
    return heard


def listen(client, heard, count, end, linger):
    is_enough = False
    while not heard.closed:
        left = linger if is_enough else end - time.monotonic()
        if left <= 0:
            return
        client.settimeout(left)
        try:
            data = client.recv(65536)
        except TimeoutError:
            return
        except OSError:
            data = b""
        heard.data += data
        heard.closed = not data
        is_enough = sum(status >= 200 for status in heard.statuses()) >= count


def pour(port, head, chunk, most, seconds):
    """Sends `head`, then `chunk` again and again until the server stops it, `most` bytes are out or `seconds` are over."""
    heard, began = Heard(), time.monotonic()
    with connect(port) as client:
        client.settimeout(0.1)
        try:
            client.sendall(head)
            while heard.sent < most and time.monotonic() - began < seconds:
                try:
                    heard.sent += client.send(chunk)
                except TimeoutError:
                    continue  # not read at present
        except OSError:
            heard.closed = True
        left = max(0.2, began + seconds - time.monotonic())
        listen_at_the_end = Heard()
        listen(client, listen_at_the_end, 99, time.monotonic() + (0.2 if heard.closed else left), 0)
        heard.data, heard.closed = listen_at_the_end.data, heard.closed or listen_at_the_end.closed
    heard.seconds = time.monotonic() - began
    return heard
