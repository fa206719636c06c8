"""The bodies of hostile.py, and what becomes of each: 200, or 400 and kept in quarantine, or 413.

A body that is JSON by its grammar is an alert, whatever is in its strings and numbers; what its grammar breaks is not.
"""

import itertools
import json
import os

LIMIT = 4 << 20
MARKS = "\u0316\u0301"  # combining marks that normalisation has to reorder: its time grows with the square of their number


class Body:
    """`status`: the right answer. `reads`: what label "x" of its one event must be afterwards."""

    def __init__(self, name, data, status=200, reads=None):
        self.name, self.data, self.status, self.reads = name, data, status, reads


NUMBERS = itertools.count()


def alert(value, name=b'"x"'):
    """A new alert with the JSON text `value` as a label."""
    return b'{"alerts":[{"fingerprint":"f%d","labels":{"alertname":"hostile",' % next(NUMBERS) + name + b":" + value + b"}}]}"


def filled(before, after, unit, size=LIMIT):
    """`before`, as many of `unit` as `size` bytes hold, `after`."""
    return before + unit * ((size - len(before) - len(after)) // len(unit)) + after


def long_alert(unit, size=LIMIT):
    return filled(b'{"alerts":[{"labels":{"alertname":"hostile","x":"', b'"}}]}', unit, size)


def small():
    """Spellings: no size, only form."""
    for name, value, reads in (
        ("invalid UTF-8", b'"a\xff\xfeb"', None), ("GBK", b'"\xc4\xda\xb4\xe6"', None), ("overlong UTF-8", b'"\xc0\xaf"', None),
        ("a surrogate as UTF-8", b'"\xed\xa0\x80"', None), ("a lone high surrogate", b'"a\\ud800b"', "a\ufffdb"),
        ("a lone low surrogate", b'"a\\udc00b"', "a\ufffdb"), ("surrogates the wrong way round", b'"\\udc00\\ud800"', "\ufffd\ufffd"),
        ("two high surrogates", b'"\\ud800\\ud800\\udc00"', "\ufffd\U00010000"), ("a pair", b'"\\ud834\\udd1e"', "\U0001d11e"),
        ("an escaped NUL", b'"a\\u0000b"', None), ("controls, escaped", b'"a\\r\\n\\t\\u0085\\u2028\\u202eb"', "a\r\n\t\u0085\u2028\u202eb"),
        ("CRLF before a mark", '"a\\r\\n\u0301b"'.encode(), "a\r\n\u0301b"), ("a decomposed letter", '"e\u0301"'.encode(), "e\u0301"),
        ("a number beyond a double", b"1e400", "1e400"), ("a negative one", b"-1e400", "-1e400"), ("a number under a double", b"1e-400", None),
        ("20 digits", b"12345678901234567890123", "12345678901234567890123"), ("2^64", b"18446744073709551616", "18446744073709551616"),
        ("-2^63-1", b"-9223372036854775809", "-9223372036854775809"), ("-0", b"-0", None), ("null", b"null", None), ("true", b"true", "true"),
        ("an object", b'{"a":[1]}', None),
    ):
        yield Body(name, alert(value), reads=reads)
    for name, key in (("invalid UTF-8", b'"\xff"'), ("a lone surrogate", b'"\\ud800"'), ("a NUL", b'"\\u0000"'), ("nothing", b'""')):
        yield Body(f"a label named {name}", alert(b'"y"', key))
    yield Body("a label twice", alert(b'"first","x":"last"'), reads="last")
    yield Body("alerts twice", b'{"alerts":[{"labels":{"alertname":"a"}}],"alerts":[{"labels":{"alertname":"b"}}]}')
    yield Body("a byte-order mark", b"\xef\xbb\xbf" + alert(b"1"))
    for name, value in (
        ("0x1", b"0x1"), ("01", b"01"), ("+1", b"+1"), (".5", b".5"), ("1.", b"1."), ("1e", b"1e"),
        ("a bad escape", b'"\\x"'), ("half an escape", b'"\\u12"'), ("single quotes", b"'a'"),
        ("no value", b""), ("two values", b"1 2"), ("a comment", b"/**/1"), ("two commas too many", b"[1,,]"), ("True", b"True"),
        ("an open string", b'"a'), ("invalid UTF-8 outside a string", b"\xff"), ("a bracket too many", b"1]"),
    ):
        yield Body(name, alert(value), 400)
    for name, value, reads in (  # nearly JSON: taken
        ("NaN", b"NaN", "NaN"), ("Infinity", b"-Infinity", "-Infinity"), ("a raw NUL", b'"a\0b"', None), ("a raw line end", b'"a\nb"', "a\nb"),
        ("a raw tab", b'"a\tb"', "a\tb"), ("a comma too many", b"[1,]", None), ("a comma and a blank", b'{"a":1 , }', None),
    ):
        yield Body(name, alert(value), reads=reads)
    yield Body("utf-16", alert(b'"1"').decode().encode("utf-16"), reads="1")
    for encoding in ("utf-16-le", "utf-16-be", "utf-32"):
        yield Body(encoding, alert(b"1").decode().encode(encoding), 400)
    for data in (
        b"", b" ", b"null", b"0", b'""', b"[]", b"{}", b'{"alerts":null}', b'{"alerts":{}}', b'{"alerts":[]}', b'{"alerts":[1,null,"x",[]]}',
    ):
        yield Body(f"the body {data.decode()!r}", data, 400)
    yield Body("two bodies", alert(b"1") * 2, 400)
    yield Body("a NUL after the end", alert(b"1") + b"\0")
    yield Body("a body in a string", json.dumps(alert(b'"1"').decode()).encode(), reads="1")
    whole = alert(b'"\\u00e9\xc3\xa9"')
    for length in range(1, len(whole), 7):
        yield Body(f"the first {length} bytes of one", whole[:length], 400)
    yield from types()


def types():
    """Members of any type: an alert is one still."""
    values = (b"null", b"true", b"0", b"-1e400", b'""', b'"\\u0000"', b"[]", b'[{"a":1}]', b"{}", b'{"a":{"b":null}}', b'"9999999-01-01T00:00:00Z"')
    for member in (b"status", b"labels", b"annotations", b"startsAt", b"endsAt", b"fingerprint", b"generatorURL"):
        for value in values:
            yield Body(f"alert.{member.decode()} {value.decode()}", b'{"alerts":[{"%s":%s}]}' % (member, value))
    for member in (b"status", b"commonLabels", b"commonAnnotations", b"externalURL", b"receiver", b"groupLabels"):
        for value in values:
            yield Body(f"{member.decode()} {value.decode()}", b'{"%s":%s,"alerts":[{}]}' % (member, value))
    for time in ("2026-02-30T00:00:00Z", "2016-12-31T23:59:60Z", "-001-01-01T00:00:00Z", "2026-01-01T00:00:00+99:99", "0000-00-00T00:00:00Z"):
        yield Body(f"startsAt {time}", json.dumps({"alerts": [{"startsAt": time, "labels": {"alertname": "t"}}]}).encode())


def bombs(long):
    """Depth, numbers, counts and sizes, up to the limit of a body."""
    for depth, status in ((28, 200), (33, 400), (512, 400), (100_000, 400), (2_000_000, 400)):
        yield Body(f"{depth:,} arrays", alert(b"[" * depth + b"]" * depth), status)
    for depth, status in ((28, 200), (33, 400), (100_000, 400)):
        yield Body(f"{depth:,} objects", alert(b'{"a":' * depth + b"0" + b"}" * depth), status)
    yield Body("2,000,000 brackets, never closed", b"[" * 2_000_000, 400)
    for name, number in (
        ("a million digits", b"1" * 1_000_000), ("a million places", b"0." + b"1" * 1_000_000),
        ("a million zeros before a 1", b"0." + b"0" * 1_000_000 + b"1"),
        ("an exponent of a million digits", b"1e" + b"9" * 1_000_000), ("four million digits", b"9" * 4_000_000),
    ):
        yield Body(f"a number of {name}", alert(number))
    yield Body("a fingerprint of a million digits", b'{"alerts":[{"fingerprint":' + b"7" * 1_000_000 + b"}]}")
    keys = b",".join(b'"%x":1' % n for n in range(200_000))
    for name, data in (
        ("labels", b'{"alerts":[{"labels":{' + keys + b"}}]}"), ("annotations", b'{"alerts":[{"annotations":{' + keys + b"}}]}"),
        ("members", b"{" + keys + b',"alerts":[{}]}'), ("common labels", b'{"commonLabels":{' + keys + b'},"alerts":[{}]}'),
    ):
        yield Body(f"200,000 {name}", data)
    for labels, alerts in ((1_000, 1_000), (4_000, 2_000)) + ((4_000, 10_000),) * long:  # small bodies that name much for many
        common = b",".join(b'"%x":1' % n for n in range(labels))
        body = b'{"commonLabels":{' + common + b'},"commonAnnotations":{' + common + b'},"alerts":[' + b",".join([b"{}"] * alerts) + b"]}"
        yield Body(f"{labels:,} common labels of {alerts:,} alerts, in {len(body) // 1024} KiB", body)
    yield Body("one label 500,000 times", b'{"alerts":[{"labels":{' + filled(b"", b'"a":1', b'"a":1,', 3_000_000) + b"}}]}")
    yield Body("10,000 alerts", b'{"alerts":[' + b",".join([b"{}"] * 10_000) + b"]}")
    yield Body("10,001 alerts", b'{"alerts":[' + b",".join([b"{}"] * 10_001) + b"]}", 413)
    yield Body("2,000,000 alerts that are none", filled(b'{"alerts":[', b"0]}", b"0,"), 413)
    yield Body("100,000 elements in a label", alert(b"[" + b",".join([b"1"] * 100_000) + b"]"))
    yield Body("2,000,000 elements beside the alerts", filled(b'{"a":[', b'0],"alerts":[{}]}', b"0,"))
    yield Body("4 MiB of blanks, then an alert", filled(b"", alert(b"1"), b" "))
    yield Body("4 MiB of blanks", b" " * LIMIT, 400)
    whole = long_alert(b"s")
    yield Body("exactly 4 MiB", whole)
    yield Body("4 MiB and a byte", whole + b" ", 413)
    yield from long_strings()


def long_strings():
    for member in (b"alertname", b"severity", b"x"):
        yield Body(f"4 MiB in label {member.decode()}", filled(b'{"alerts":[{"labels":{"%s":"' % member, b'"}}]}', b"s"))
    for member in (b"fingerprint", b"status", b"startsAt", b"generatorURL"):
        yield Body(f"4 MiB in {member.decode()}", filled(b'{"alerts":[{"%s":"' % member, b'"}]}', b"s"))
    yield Body("4 MiB in a label's name", filled(b'{"alerts":[{"labels":{"', b'":"v"}}]}', b"s"))
    yield Body("4 MiB in the description", filled(b'{"alerts":[{"annotations":{"message":"', b'"}}]}', b"s"))
    for name, unit in (
        ("escapes", b"\\u0041"), ("backslashes", b"\\\\"), ("lone surrogates", b"\\ud800"), ("invalid bytes", b"\xff"), ("NULs, escaped", b"\\u0000"),
        ("line ends, escaped", b"\\r\\n"),
    ):
        yield Body(f"4 MiB of {name}", long_alert(unit))
    # The repaired form of a body is made by a second pass: each of these makes it run over all of them.
    for name, unit in (
        ("numbers that no type holds", b"99999999999999999999,"), ("small numbers and an invalid byte", b"1,"),
        ("doubles and an invalid byte", b"1.5e3,"),
    ):
        yield Body(f"4 MiB of {name}", filled(b'{"b":"\xff","a":[', b'0],"alerts":[{}]}', unit))
    yield Body("4 MiB of brackets in a string that is never closed", filled(b'{"alerts":[{"labels":{"x":"', b"", b"[{"), 400)
    yield Body("4 MiB of almost the placeholder", filled(b"", b"", b"$alertmanager_conten"), 400)
    yield Body("4 MiB that do not compress", alert(b'"' + os.urandom(2_000_000).hex().encode() + b'"'))


def unicode_bombs(marks):
    """A run of combining marks in each position of a body, raw; the longest escaped, too."""
    bomb = ("a" + MARKS * (marks // 2)).encode()
    for member in (b"status", b"startsAt", b"endsAt", b"fingerprint", b"generatorURL", b"unknown"):
        yield Body(f"marks in alert.{member.decode()}", b'{"alerts":[{"%s":"%s"}]}' % (member, bomb))
    for member in (b"status", b"receiver", b"externalURL"):
        yield Body(f"marks in {member.decode()}", b'{"%s":"%s","alerts":[{}]}' % (member, bomb))
    for member in (b"alertname", b"severity", b"_aliyun_arms_alert_level", b"priority", b"x"):
        yield Body(f"marks in label {member.decode()}", b'{"alerts":[{"labels":{"%s":"%s"}}]}' % (member, bomb))
        yield Body(f"marks in common label {member.decode()}", b'{"commonLabels":{"%s":"%s"},"alerts":[{}]}' % (member, bomb))
    for where in (b"labels", b"annotations"):
        yield Body(f"marks in the name of one of the {where.decode()}", b'{"alerts":[{"%s":{"%s":"v"}}]}' % (where, bomb))
    for name in (b"message", b"description", b"summary"):
        yield Body(f"marks in annotation {name.decode()}", b'{"alerts":[{"annotations":{"%s":"%s"}}]}' % (name, bomb))
    yield Body("marks in the name of a member", b'{"%s":1,"alerts":[{}]}' % bomb)
    yield Body("marks in the name of a member of an alert", b'{"alerts":[{"%s":1}]}' % bomb)
    yield Body("marks beside broken UTF-8", b'{"alerts":[{"labels":{"severity":"\xff%s"}}]}' % bomb)
    yield Body("marks beside no JSON", b'{"alerts":[{"labels":{"severity":"%s"}}]' % bomb, 400)
    yield Body("marks, escaped", b'{"alerts":[{"labels":{"severity":"%s"}}]}' % (b"\\u0316\\u0301" * min(marks // 2, 300_000)))
    runs = [("a" + MARKS * 500 + str(n)).encode() for n in range(900)]
    labels = b",".join(b'"n%d":"%s"' % (n, run) for n, run in enumerate(runs))
    yield Body("900 labels with 1,000 marks each", b'{"alerts":[{"labels":{' + labels + b"}}]}")
    yield Body("1,800 names with 60 marks each", json.dumps({"alerts": [{"labels": {f"{MARKS * 30}{n}": "v" for n in range(1800)}}]}).encode())
    alerts = [{"fingerprint": f"{MARKS * 60}{n}", "labels": {"alertname": MARKS * 120, "severity": MARKS * 60, "x": MARKS * 400}} for n in range(500)]
    yield Body("500 alerts with marks in everything that is compared", json.dumps({"alerts": alerts}, ensure_ascii=False).encode())


def corpus(directory):
    """JSONTestSuite: each file as the value of a label; `y_` is taken, `n_` is not, `i_` as it is by the table below."""
    for path in sorted(directory.glob("*.json")):
        verdict = {"y": 200, "n": 400}.get(path.name[0], IMPLEMENTATION_DEFINED.get(path.stem, 200))
        yield Body(f"JSONTestSuite {path.stem}", alert(path.read_bytes()), verdict)


# What is JSON by its grammar is taken after a repair. Inside an alert a byte-order mark is none, UTF-16 no JSON, and the depth is limited.
IMPLEMENTATION_DEFINED = {
    "i_string_UTF-16LE_with_BOM": 400, "i_string_utf16BE_no_BOM": 400, "i_string_utf16LE_no_BOM": 400,
    "i_structure_500_nested_arrays": 400, "i_structure_UTF-8_BOM_empty_object": 400,
}
