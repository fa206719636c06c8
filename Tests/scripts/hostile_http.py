"""The requests of hostile.py that are wrong, or odd, by their head or framing, and what is right to answer."""

KEEP, CLOSE = False, True


class Vector:
    """One connection's bytes. `expected`: the statuses in order; `closes`: the server must end the connection after them."""

    def __init__(self, name, data, expected, closes=KEEP, smuggles=b""):
        self.name, self.data, self.expected, self.closes = name, data, expected, closes
        # A push that only a server that lost count of the framing would see.
        self.data += smuggles


class Maker:
    """Builds requests for one push path."""

    def __init__(self, path, body, smuggled):
        self.path, self.body = path, body
        self.length = b"Content-Length: %d\r\n" % len(body)
        self.chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        self.smuggled = self.request(b"Content-Length: %d\r\n" % len(smuggled), smuggled)

    def request(self, fields, body, line=None, host=b"Host: t\r\n"):
        return (line or b"POST %s HTTP/1.1" % self.path) + b"\r\n" + host + fields + b"\r\n" + body

    def good(self, fields=b""):
        return self.request(fields + self.length, self.body)

    def chunked(self, fields=b"Transfer-Encoding: chunked\r\n", chunks=None):
        return self.request(fields, self.chunks if chunks is None else chunks)

    def line(self, line, fields=None):
        return self.request(self.length + (fields or b""), self.body, line % self.path if b"%s" in line else line)

    def bad(self, name, data):
        """One that must be refused, and behind it a push that must not be seen."""
        return Vector(name, data, [400], CLOSE, self.smuggled)


def framing(make):
    """Lengths and transfer codings. What two parsers could read in two ways is 400 and the end of the connection."""
    coding, n = b"Transfer-Encoding: chunked\r\n", len(make.body)
    yield from both_lengths(make, coding)
    for name, value in (
        ("signed +", b"+%d" % n), ("signed -", b"-%d" % n), ("hexadecimal", b"0x%x" % n), ("empty", b""), ("a list", b"%d, %d" % (n, n)),
        ("with a blank inside", b"1 0"), ("of 26 digits", b"9" * 26), ("2^64 too long", b"%d" % (2**64 + n)), ("with a fraction", b"%d.0" % n),
    ):
        yield make.bad(f"Content-Length {name}", make.request(b"Content-Length: %s\r\n" % value, make.body))
    yield make.bad("Content-Length with a blank before its colon", make.request(b"Content-Length : %d\r\n" % n, make.body))
    # One that no integer holds is too large like any other. Not waited for: the sender would learn it only after 10 s.
    for digits in (5_000_000, 10**12, 2**63 - 1, 2**63):
        yield Vector(f"Content-Length {digits}", make.request(b"Content-Length: %d\r\n" % digits, b""), [413], CLOSE)
    for name, value in (
        ("xchunked", b" xchunked"), ("chunked, identity", b" chunked, identity"), ("identity", b" identity"), ("chunked twice", b" chunked, chunked"),
        ("after a vertical tab", b" \x0bchunked"),
        ("with a NUL", b" chunked\0"), ("in quotes", b' "chunked"'), ("with a parameter", b" chunked;a=b"),
        ("on a folded line", b"\r\n chunked"),
    ):
        yield make.bad(f"Transfer-Encoding {name}", make.chunked(b"Transfer-Encoding:%s\r\n" % value))
    yield make.bad("Transfer-Encoding with a blank before its colon", make.chunked(b"Transfer-Encoding : chunked\r\n"))
    yield make.bad("Transfer-Encoding in two fields", make.chunked(coding + coding))
    yield make.bad("Transfer-Encoding in two fields that differ", make.chunked(coding + b"Transfer-Encoding: identity\r\n"))
    for name, value in (("in capitals", b" CHUNKED"), ("after a tab", b"\tchunked"), ("without a blank", b"chunked")):
        yield Vector(f"Transfer-Encoding {name}", make.chunked(b"Transfer-Encoding:%s\r\n" % value), [200])
    yield from chunks(make, n)


def both_lengths(make, coding):
    """The classical pairs, each with the body that the one and the other reading would leave something of."""
    inner = b"0\r\n\r\n" + make.smuggled
    length = b"Content-Length: %d\r\n" % len(inner)
    yield make.bad("Content-Length, then Transfer-Encoding", make.request(length + coding, inner))
    yield make.bad("Transfer-Encoding, then Content-Length", make.request(coding + length, inner))
    yield make.bad("Transfer-Encoding and a short Content-Length", make.request(b"Content-Length: 4\r\n" + coding, make.chunks))
    yield make.bad("Transfer-Encoding and Content-Length 0", make.request(coding + b"Content-Length: 0\r\n", make.chunks))
    yield make.bad("two Content-Lengths", make.request(make.length + b"Content-Length: 3\r\n", make.body))
    yield make.bad("two equal Content-Lengths", make.request(make.length + make.length, make.body))
    yield make.bad("Content-Length and xchunked", make.request(length + b"Transfer-Encoding: xchunked\r\n", inner))
    zero = make.request(b"Content-Length: 0\r\n", make.request(b"", b"", b"GET /healthz HTTP/1.1"))
    yield Vector("Content-Length 0, then another request", zero, [400, 200])


def chunks(make, n):
    for name, data in (
        ("with LF alone", b"%x\n%s\n0\n\n" % (n, make.body)), ("of negative size", b"-1\r\nx\r\n0\r\n\r\n"), ("of size 0x..", b"0x" + make.chunks),
        ("of a size of 68 bits", b"1%016x\r\n%s\r\n0\r\n\r\n" % (n, make.body)), ("not ended by CRLF", b"%x\r\n%sXX0\r\n\r\n" % (n, make.body)),
        ("of no size", b"\r\n%s\r\n0\r\n\r\n" % make.body), ("of a size after a blank", b" " + make.chunks),
        ("of a size with _", b"1_0" + make.chunks),
        ("with an extension ended by LF", b"%x;a\n%s\r\n0\r\n\r\n" % (n, make.body)), ("of size +n", b"+" + make.chunks),
    ):
        yield make.bad(f"a chunk {name}", make.chunked(chunks=data))
    yield make.bad("a trailer Content-Length", make.chunked(chunks=make.chunks[:-2] + b"Content-Length: 9\r\n\r\n"))
    yield make.bad("5,000 trailers", make.chunked(chunks=make.chunks[:-2] + b"X: y\r\n" * 5000 + b"\r\n"))
    yield make.bad("a trailer of 20 KiB", make.chunked(chunks=make.chunks[:-2] + b"X: " + b"y" * 20480 + b"\r\n\r\n"))
    yield Vector("a trailer", make.chunked(chunks=make.chunks[:-2] + b"X: y\r\n\r\n"), [200])
    yield Vector("a chunk extension", make.chunked(chunks=b"%x;a=b\r\n%s\r\n0\r\n\r\n" % (n, make.body)), [200])
    each = b"".join(b"1;%s\r\n%c\r\n" % (b"e" * 100, byte) for byte in make.body) + b"0\r\n\r\n"
    yield Vector("an extension with each of a thousand one-byte chunks", make.chunked(chunks=each), [200])


def heads(make):
    """Sizes, fields and lines of the head."""
    def fields(count, size=1):
        return b"".join(b"X%d: %s\r\n" % (n, b"a" * size) for n in range(count))

    yield Vector("64 fields", make.good(fields(62)), [200])
    yield make.bad("65 fields", make.good(fields(63)))
    yield make.bad("1,500 fields", make.good(fields(1500)))
    yield make.bad("100,000 fields", make.good(fields(100_000)))
    yield make.bad("a field of over 8 KiB", make.good(b"X: " + b"a" * 8300 + b"\r\n"))
    yield make.bad("a field name of over 8 KiB", make.good(b"X" * 8300 + b": a\r\n"))
    yield make.bad("a field of 1 MiB", make.good(b"X: " + b"a" * (1 << 20) + b"\r\n"))
    yield make.bad("fields of over 16 KiB", make.good(fields(17, 1000)))
    yield make.bad("a path of 9 KiB", make.line(b"POST %s?" + b"a" * 9216 + b" HTTP/1.1"))
    yield make.bad("a path of 1 MiB", make.line(b"POST %s?" + b"a" * (1 << 20) + b" HTTP/1.1"))
    yield make.bad("a method of 9 KiB", make.line(b"A" * 9216 + b" %s HTTP/1.1"))
    yield make.bad("a folded field", make.good(b"X: a\r\n b\r\n"))
    yield make.bad("a blank before the first field", make.request(make.length, make.body, host=b" Host: t\r\n"))
    yield make.bad("lines ended by LF alone", make.good().replace(b"\r\n", b"\n", 4))
    yield make.bad("one field ended by LF alone", make.request(make.length, make.body, host=b"Host: t\n"))
    yield make.bad("a CR inside a value", make.good(b"X: a\rContent-Length: 0\r\n"))
    yield make.bad("a NUL inside a value", make.good(b"X: a\0b\r\n"))
    yield make.bad("a NUL inside a name", make.good(b"X\0: a\r\n"))
    yield make.bad("a field without a colon", make.good(b"garbage\r\n"))
    yield make.bad("a field without a name", make.good(b": x\r\n"))
    yield make.bad("a field name that is not ASCII", make.good("é: x\r\n".encode()))
    yield Vector("a value that is not UTF-8", make.good(b"X: \xff\xfe\r\n"), [200])
    yield Vector("200 KB of line ends before the request", b"\r\n" * 100_000 + make.good(), [200])
    yield make.bad("bytes of chance", bytes((n * 167 + n // 7) % 256 for n in range(4000)))
    yield make.bad("a TLS greeting", bytes.fromhex("1603010200010001fc0303") + bytes(500))
    yield make.bad("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))
    for version in (b"HTTP/1.2", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.1.1", b"http/1.1", b""):
        yield make.bad(f"version {version.decode() or 'left out'}", make.line(b"POST %s " + version))
    yield Vector("an upgrade to h2c is not taken", make.good(b"Connection: Upgrade\r\nUpgrade: h2c\r\n"), [200])
    yield Vector("two requests at once", make.good() + make.good(), [200, 200])
    yield from hosts(make)
    yield from paths(make)


def hosts(make):
    """RFC 9112, 3.2: a request of HTTP/1.1 has exactly one valid Host, else it is 400."""
    for name, host in (
        ("missing", b""), ("twice", b"Host: t\r\nHost: u\r\n"), ("twice the same", b"Host: t\r\nHost: t\r\n"), ("with a path", b"Host: t/x\r\n"),
        ("with a blank", b"Host: a b\r\n"), ("with a user", b"Host: u@t\r\n"),
    ):
        yield Vector(f"Host {name}", make.request(make.length, make.body, host=host), [400])
    # RFC 9112, 9.3 and 6.1: a client of HTTP/1.0 that asks for nothing reads until the end; its Transfer-Encoding is a fault.
    yield Vector("HTTP/1.0", make.line(b"POST %s HTTP/1.0"), [200], CLOSE)
    yield Vector("HTTP/1.0 without Host", make.request(make.length, make.body, b"POST %s HTTP/1.0" % make.path, host=b""), [200], CLOSE)
    yield Vector("HTTP/1.0, kept", make.line(b"POST %s HTTP/1.0", b"Connection: keep-alive\r\n"), [200])
    chunked = make.request(b"Transfer-Encoding: chunked\r\n", make.chunks, b"POST %s HTTP/1.0" % make.path)
    yield make.bad("HTTP/1.0 with Transfer-Encoding", chunked)
    yield Vector("Connection: close", make.good(b"Connection: close\r\n"), [200], CLOSE)


def paths(make):
    """Methods, targets, tokens, expectations, codings: as openapi.yaml has them."""
    for method in (b"GET", b"HEAD", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"PROPFIND", b"PURGE", b"LINK", b"M-SEARCH"):
        yield Vector(f"method {method.decode()}", make.request(b"", b"", method + b" " + make.path + b" HTTP/1.1"), [405])
    yield make.bad("a method nobody knows", make.line(b"FOO %s HTTP/1.1"))
    yield make.bad("a method in small letters", make.line(b"post %s HTTP/1.1"))
    yield Vector("CONNECT", make.request(b"", b"", b"CONNECT t:80 HTTP/1.1"), [404])
    yield Vector("OPTIONS *", make.request(b"", b"", b"OPTIONS * HTTP/1.1"), [404])
    yield Vector("a target with its own host", make.line(b"POST http://t%s HTTP/1.1"), [200])
    yield Vector("a path with ..", make.line(b"POST /x/..%s HTTP/1.1"), [404])
    for name, tail in (("a line end", b"%0d%0aX:y"), ("a NUL", b"%00"), ("a broken escape", b"%zz"), ("a blank", b"%20"), ("a fragment", b"#x")):
        yield Vector(f"{name} after the token", make.request(make.length, make.body, b"POST " + make.path + tail + b" HTTP/1.1"), [401])
    yield make.bad("a byte over 127 in the path", make.request(make.length, make.body, b"POST " + make.path + b"\xff HTTP/1.1"))
    token = make.path.removeprefix(b"/p/")
    yield Vector("the token twice", make.good(b"X-Integration-Key: " + token + b"\r\n"), [200])
    yield Vector("two tokens that differ", make.good(b"X-Integration-Key: " + token[:-1] + b"\r\n"), [401])
    for coding in (b"gzip", b"deflate", b"br", b"gzip, gzip", b"identity, gzip", b"gzip," * 60):
        yield Vector(f"Content-Encoding {coding.decode()[:20]}", make.good(b"Content-Encoding: " + coding + b"\r\n"), [415])
    for none in (b"x", b"UTF-8", b"identity", b",,"):  # no coding: ignored
        yield Vector(f"Content-Encoding {none.decode()[:20]}", make.good(b"Content-Encoding: " + none + b"\r\n"), [200])
    yield Vector("two fields Content-Encoding", make.good(b"Content-Encoding: identity\r\nContent-Encoding: gzip\r\n"), [415])
    for letters in (b"100-continue", b"100-Continue"):  # RFC 9110, 10.1.1: in any letters
        yield Vector(f"Expect: {letters.decode()}, awaited", make.request(b"Expect: %s\r\n" % letters + make.length, b""), [100])
    expect = b"Expect: 100-continue\r\n"
    yield Vector("Expect and a body at once", make.good(expect), [100, 200])
    yield Vector("Expect with a token that is none", make.request(expect + make.length, make.body, b"POST /p/none HTTP/1.1"), [401])
    yield Vector("Expect with too large a body", make.request(expect + b"Content-Length: 5000000\r\n", b""), [413], CLOSE)
    yield Vector("an expectation nobody knows", make.good(b"Expect: 200-maybe\r\n"), [200])
    yield Vector("a path that does not exist", make.request(make.length, make.body, b"POST /nothing HTTP/1.1"), [404])
    yield Vector("a probe by another method", make.request(b"", b"", b"POST /healthz HTTP/1.1"), [405])


def desync(make):
    """Requests for a front proxy: two lengths, or one that is spelt oddly, over bodies that hide a push."""
    inner = b"0\r\n\r\n" + make.smuggled
    hidden = b"%x\r\n%s\r\n0\r\n\r\n" % (len(make.smuggled), make.smuggled)
    spellings = [
        b"Transfer-Encoding: chunked", b"Transfer-Encoding : chunked", b"Transfer-Encoding:\tchunked", b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: identity, chunked", b"Transfer-Encoding:\r\n chunked",
        b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x", b"X: y\nTransfer-Encoding: chunked",
        b"transfer_encoding: chunked", b"Transfer-Encoding: cHuNkEd", b"X: y\rTransfer-Encoding: chunked", b" Transfer-Encoding: chunked",
    ]
    for spelling in spellings:
        name = spelling.decode("latin-1").encode("unicode_escape").decode()
        for order in (b"%(length)s%(coding)s", b"%(coding)s%(length)s"):
            for what, length, body in (("long", len(inner), inner), ("short", 4, hidden)):
                fields = order % {b"length": b"Content-Length: %d\r\n" % length, b"coding": spelling + b"\r\n"}
                yield Vector(f"{name}, {what} Content-Length", make.request(fields, body), None)
        yield Vector(f"{name} alone", make.chunked(spelling + b"\r\n"), None)
    for vector in framing(make):
        yield Vector(vector.name, vector.data, None)
