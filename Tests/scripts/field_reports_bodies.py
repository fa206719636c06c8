"""Rows 4, 15 and 16 of field_reports.py: bodies that are nearly JSON, alerts without a name of their own, and other encodings."""

import codecs
import json

from field_reports_place import Corner, Ways, alert, event, group

BOM, NUL = codecs.BOM_UTF8, b"\0"
LONG_NUMBER = "9" * 25

# --- row 4: (case, what is done to the whole body, description in JSON, value of a label in JSON, flags, description, label as shown)


def same(body):
    return body


def in_string(body):
    return json.dumps(body.decode()).encode()


def comma_behind(mark):
    return lambda body: body.replace(mark, b"," + mark)


def utf16(name, mark=b""):
    return lambda body: mark + body.decode().encode(name)


ABOUT, VALUE = '"about"', '"v"'
REPAIRS = [
    ("well-formed", same, ABOUT, VALUE, [], "about", "v"),
    ("blanks around it", lambda body: b" \r\n\t" + body + b"\r\n \t", ABOUT, VALUE, [], "about", "v"),
    ("raw line feed", same, '"one\ntwo"', VALUE, ["control_characters"], "one\ntwo", "v"),
    ("raw CR LF", same, '"one\r\ntwo"', VALUE, ["control_characters"], "one\r\ntwo", "v"),
    ("raw tab", same, '"one\ttwo"', VALUE, ["control_characters"], "one\ttwo", "v"),
    ("raw tab in a label", same, ABOUT, '"a\tb"', ["control_characters"], "about", "a\tb"),
    ("every raw control but NUL", same, '"' + "".join(map(chr, range(1, 32))) + 'z"', VALUE, ["control_characters"], None, "v"),
    ("raw line feed behind a quote", same, '"say \\"x\\"\nand \\\\"', VALUE, ["control_characters"], 'say "x"\nand \\', "v"),
    ("comma at the end of objects", comma_behind(b"}"), ABOUT, VALUE, ["trailing_comma"], "about", "v"),
    ("comma and blanks", lambda body: body.replace(b"}", b" ,\r\n\t }"), ABOUT, VALUE, ["trailing_comma"], "about", "v"),
    ("comma at the end of lists", comma_behind(b"]"), ABOUT, VALUE, ["trailing_comma"], "about", "v"),
    ("commas and brackets in a text", comma_behind(b"}"), '"a, ] b, ] NaN, \\"Infinity"', VALUE, ["trailing_comma"], 'a, ] b, ] NaN, "Infinity', "v"),
    *((word, same, ABOUT, word, ["not_a_number"], "about", word) for word in ("NaN", "Infinity", "-Infinity", "nan", "inf", "-inf", "-nan", "INF")),
    ("NaN as a text", same, '"NaN"', '"Infinity"', [], "NaN", "Infinity"),
    ("a number of 25 digits", same, ABOUT, LONG_NUMBER, ["large_number"], "about", LONG_NUMBER),
    ("an exponent that no type has", same, ABOUT, "1e999", ["large_number"], "about", "1e999"),
    ("half of a pair", same, '"a\\ud83d"', VALUE, ["lone_surrogate"], "a\ufffd", "v"),
    ("the other half", same, ABOUT, '"\\ude00b"', ["lone_surrogate"], "about", "\ufffdb"),
    ("a whole pair", same, '"\\ud83d\\ude00"', VALUE, [], "\U0001f600", "v"),
    ("two BOMs", lambda body: BOM * 2 + body, ABOUT, VALUE, ["byte_order_mark"], "about", "v"),
    ("five BOMs", lambda body: BOM * 5 + body, ABOUT, VALUE, ["byte_order_mark"], "about", "v"),
    ("a NUL at the end", lambda body: body + NUL, ABOUT, VALUE, ["trailing_nul"], "about", "v"),
    ("a line feed and NULs", lambda body: body + b"\n" + NUL * 9 + b"\n", ABOUT, VALUE, ["trailing_nul"], "about", "v"),
    ("UTF-16LE with BOM", utf16("utf-16-le", codecs.BOM_UTF16_LE), '"报警"', VALUE, ["charset"], "报警", "v"),
    ("UTF-16BE with BOM", utf16("utf-16-be", codecs.BOM_UTF16_BE), '"报警 \U0001f600"', VALUE, ["charset"], "报警 \U0001f600", "v"),
    ("UTF-16 and a raw line feed", utf16("utf-16-le", codecs.BOM_UTF16_LE), '"a\nb"', VALUE, ["charset", "control_characters"], "a\nb", "v"),
    ("in a string", in_string, '"报警"', VALUE, ["body_in_string"], "报警", "v"),
    ("in a string in a string", lambda body: in_string(in_string(body)), ABOUT, VALUE, ["body_in_string"], "about", "v"),
    ("in a string, with a raw line feed", in_string, '"a\nb"', "NaN", ["body_in_string", "control_characters", "not_a_number"], "a\nb", "NaN"),
    (
        "everything", lambda body: BOM * 3 + body.replace(b"}", b",}") + NUL, '"a\nb\\ud800"', f"[NaN, {LONG_NUMBER},]",
        ["byte_order_mark", "trailing_nul", "control_characters", "trailing_comma", "not_a_number", "large_number", "lone_surrogate"],
        "a\nb\ufffd", f'["NaN","{LONG_NUMBER}"]',
    ),
    ("a text over the limit", same, '"' + "x" * 5_000 + '"', VALUE, ["cut"], "x" * 2_048, "v"),
]
UNREAD = {
    "cut short": b'{"title_rule":"a","event_status":"Critical"', "single quotes": b"{'title_rule':'a'}", "a NUL between": b'{"title_rule":\0"a"}',
    "a text": b'"only words"', "a string in a string in a string": in_string(in_string(in_string(b'{"title_rule":"a"}'))),
    "nothing but BOMs": BOM * 3, "nothing but NULs": NUL * 5, "two commas": b'{"title_rule":"a",,}', "another word": b'{"title_rule":undefined}',
    "empty": b"", "in a string, cut short": in_string(b'{"title_rule":"a"'),
}


def body_of(kind, key, about, value):
    """An event whose description and label are written as given, which may be no JSON."""
    if kind == "standard":
        return f'[{{"title_rule":"T","event_status":"Critical","alert_key":"{key}","description":{about},"labels":{{"x":{value}}}}}]'.encode()
    inner = f'"labels":{{"alertname":"T","severity":"critical","x":{value}}},"annotations":{{"message":{about}}}'
    return f'{{"alerts":[{{"status":"firing",{inner},"fingerprint":"{key}"}}]}}'.encode()


def repaired_bodies(checks, place):
    for kind in ("standard", "prometheus", "aliyun-arms"):
        ways = Ways(checks, place, kind)
        for number, (case, change, about, value, flags, shown_about, shown_value) in enumerate(REPAIRS):
            what, key = f"row 4, {kind}, {case}", f"k{number}"
            delivery = ways.run(what, change(body_of(kind, key, about, value)))
            if delivery["status"] != 200:
                checks.check(False, f"{what}: taken", f"{delivery['status']} {delivery.get('reason')}")
                continue
            result = delivery["results"][0]
            checks.equal(sorted(result["flags"]), sorted(flags), f"{what}: its flags")
            said = [step["detail"] for step in result["trace"] if step["step"] == "decode"]
            checks.equal((len(said), len(set(said))), (len(flags), len(flags)), f"{what}: a sentence of the trace for each")
            shown = ways.pushed.alert_of(key) or {}
            found = shown.get("description") if shown_about is not None else None, (shown.get("labels") or {}).get("x")
            checks.equal(found, (shown_about, shown_value), f"{what}: the alert has its texts")
        for case, body in UNREAD.items():
            delivery = ways.run(f"row 4, {kind}, {case}", body)
            checks.equal((delivery["status"], delivery["outcome"]), (400, "quarantined"), f"row 4, {kind}, {case}: nothing is guessed, it is kept")
    one_mark(checks, place)


def one_mark(checks, place):
    corner = Corner(place)
    found = corner.results(BOM + body_of("standard", "one", ABOUT, VALUE))[0]
    checks.equal(found["outcome"], "opened", "row 4: one BOM is no hindrance")
    found = corner.results(b'[{"title_rule":"a","alert_key":"n\n1"},\n{"title_rule":"b","alert_key":"n2"},]')
    good = [(each["alert_key"], each["outcome"]) for each in found] == [("n\n1", "opened"), ("n2", "opened")]
    checks.check(good, "row 4: each event of a repaired list is there", str(found)[:300])
    firing, over = (body_of("standard", "ends", '"a\nb"', VALUE).replace(b"Critical", word) for word in (b"Critical", b"Ok"))
    checks.equal([corner.outcome(body) for body in (firing, firing, over)], ["opened", "duplicate", "recovered"], "row 4: repaired ones are folded")


# --- row 15: (case, first alert, second alert, whether they are two)

BARE = {"status": "firing"}
UNNAMED = [
    ("told apart by their summary", {"annotations": {"summary": "disk a"}}, {"annotations": {"summary": "disk b"}}, True),
    ("by their message", {"annotations": {"message": "disk a"}}, {"annotations": {"message": "disk b"}}, True),
    (
        "by their description, one summary", {"annotations": {"summary": "s", "description": "a"}},
        {"annotations": {"summary": "s", "description": "b"}}, True
    ),
    (
        "a title that is the other's description", {"annotations": {"summary": "s", "message": "a"}},
        {"annotations": {"summary": "a", "message": "s"}}, True
    ),
    (
        "labels that say how bad alone", {"labels": {"severity": "critical"}, "annotations": {"summary": "a"}},
        {"labels": {"severity": "critical"}, "annotations": {"summary": "b"}}, True
    ),
    ("labels of null", {"labels": None, "annotations": {"summary": "a"}}, {"labels": None, "annotations": {"summary": "b"}}, True),
    ("a blank fingerprint", {"fingerprint": " ", "annotations": {"summary": "a"}}, {"fingerprint": "", "annotations": {"summary": "b"}}, True),
    ("the same", {"annotations": {"summary": "a"}}, {"annotations": {"summary": "a"}}, False),
    (
        "the same, worse now", {"labels": {"severity": "info"}, "annotations": {"summary": "a"}},
        {"labels": {"severity": "critical"}, "annotations": {"summary": "a"}}, False
    ),
    (
        "labels, another summary", {"labels": {"host": "a"}, "annotations": {"summary": "a"}},
        {"labels": {"host": "a"}, "annotations": {"summary": "b"}}, False
    ),
    (
        "a fingerprint, another summary", {"fingerprint": "f", "annotations": {"summary": "a"}},
        {"fingerprint": "f", "annotations": {"summary": "b"}}, False
    ),
    ("nothing at all", {}, {}, False),
]
UNNAMED_EVENTS = [
    ("told apart by their description", {"description": "a"}, {"description": "b"}, True),
    ("by their title", {"title_rule": "a"}, {"title_rule": "b"}, True),
    ("by their labels", {"labels": {"host": "a"}}, {"labels": {"host": "b"}}, True),
    ("the same description", {"description": "a"}, {"description": "a"}, False),
    ("one title, another description", {"title_rule": "a", "description": "a"}, {"title_rule": "a", "description": "b"}, False),
    ("a key, another description", {"alert_key": "k", "description": "a"}, {"alert_key": "k", "description": "b"}, False),
]


def unnamed_alerts(checks, place):
    forms = [
        (kind, [(*case[:1], *(group({**BARE, **each}) for each in case[1:3]), case[3]) for case in UNNAMED]) for kind in ("prometheus", "aliyun-arms")
    ]
    events = [
        (case, {"event_status": "Critical", **one}, {"event_status": "Critical", **other}, are_two) for case, one, other, are_two in UNNAMED_EVENTS
    ]
    for kind, table in [*forms, ("standard", events)]:
        for case, one, other, are_two in table:
            corner = Corner(place, kind)
            keys = [corner.results(body)[0]["alert_key"] for body in (one, other)]
            checks.equal((len(set(keys)), len(corner.alerts())), (2, 2) if are_two else (1, 1), f"row 15, {kind}, {case}")
    corner = Corner(place, "prometheus")
    both = [{**BARE, "annotations": {"summary": text}} for text in ("a", "b")]
    corner.results(group(*both))
    corner.results(group({**both[0], "status": "resolved"}))
    standing = {each["title"]: each["status"] for each in corner.alerts()}
    checks.equal(standing, {"a": "Ok", "b": "Warning"}, "row 15: a recovery without a name ends its own alert alone")


# --- row 16: (case, Content-Type, encoding of the body, title, flags)

CHINESE, GERMAN = "磁盘报警", "Störung in Köln"
ENCODINGS = [
    ("GBK", "application/json; charset=GBK", "gbk", CHINESE, ["charset"]),
    ("gbk in a text", "text/plain;charset=gbk", "gbk", CHINESE, ["charset"]),
    ("quoted, in capitals", 'application/json; CHARSET="GBK"', "gbk", CHINESE, ["charset"]),
    ("behind another parameter", "text/plain; format=flowed; Charset = gbk", "gbk", CHINESE, ["charset"]),
    ("GB2312", "application/json; charset=GB2312", "gb2312", CHINESE, ["charset"]),
    ("GB18030, four bytes", "application/json; charset=gb18030", "gb18030", "磁盘\U0001f525", ["charset"]),
    ("Big5", "application/json; charset=Big5", "big5", "磁碟警報", ["charset"]),
    ("Shift_JIS", "application/json; charset=Shift_JIS", "shift_jis", "警報です", ["charset"]),
    ("EUC-KR", "application/json; charset=euc-kr", "euc_kr", "경보", ["charset"]),
    ("ISO-8859-1", "application/json; charset=ISO-8859-1", "latin-1", GERMAN, ["charset"]),
    ("latin1", "application/json; charset=latin1", "latin-1", GERMAN, ["charset"]),
    ("windows-1252", "application/json; charset=windows-1252", "cp1252", "100 € für Köln", ["charset"]),
    ("UTF-16 with BOM", "application/json; charset=UTF-16", "utf-16", CHINESE, ["charset"]),
    ("UTF-16LE", "application/json; charset=UTF-16LE", "utf-16-le", CHINESE, ["charset"]),
    ("UTF-16BE", "application/json; charset=utf-16be", "utf-16-be", CHINESE, ["charset"]),
    ("UTF-16 without BOM", "application/json; charset=UTF-16", "utf-16-le", CHINESE, ["charset"]),
    ("UTF-16 of ASCII", "application/json; charset=UTF-16LE", "utf-16-le", "Disk", ["charset"]),
    ("UTF-16 that nobody declared, with BOM", "application/json", "utf-16", CHINESE, ["charset"]),
    ("UTF-8", "application/json; charset=UTF-8", "utf-8", CHINESE, []),
    ("utf8", "application/json; charset=utf8", "utf-8", GERMAN, []),
    ("no Content-Type", None, "utf-8", CHINESE, []),
    ("a charset that nobody knows", "application/json; charset=x-klingon", "utf-8", CHINESE, []),
    ("UTF-8 declared as Latin-1, Chinese", "application/json; charset=ISO-8859-1", "utf-8", CHINESE, []),
    ("UTF-8 declared as Latin-1, German", "application/json; charset=ISO-8859-1", "utf-8", GERMAN, []),
    ("UTF-8 declared as Latin-1, Russian", "application/json; charset=ISO-8859-1", "utf-8", "Диск полон", []),
    ("UTF-8 declared as windows-1252, German", "text/plain; charset=windows-1252", "utf-8", GERMAN, []),
    ("UTF-8 declared as GBK", "application/json; charset=GBK", "utf-8", CHINESE, []),
    ("UTF-8 declared as UTF-16", "application/json; charset=UTF-16", "utf-8", CHINESE, []),
    ("ASCII declared as GBK", "application/json; charset=GBK", "ascii", "Disk", []),
]
UNDECLARED = [
    ("no charset", "application/json"), ("none at all", None), ("UTF-8", "text/plain; charset=UTF-8"), ("unknown", "text/plain; charset=x-klingon"),
]


def titled(kind, title, status="firing"):
    """An alert that has nothing but its title to tell it from others."""
    if kind == "standard":
        return {"title_rule": title, "event_status": "Critical" if status == "firing" else "Ok"}
    return group({"status": status, "labels": {"alertname": title, "severity": "critical"}})


def encodings(checks, place):
    for kind in ("standard", "prometheus"):
        ways = Ways(checks, place, kind)
        for number, (case, content_type, encoding, title, flags) in enumerate(ENCODINGS):
            what, title = f"row 16, {kind}, {case}", f"{title} {number}"
            delivery = ways.run(what, json.dumps(titled(kind, title), ensure_ascii=False).encode(encoding), content_type)
            found = [(each["title"], each["flags"]) for each in delivery.get("results") or []]
            checks.equal(found, [(title, flags)], f"{what}: its title and flags")
        undeclared(checks, place, kind)
    keys_of_bytes(checks, place)


def undeclared(checks, place, kind):
    """GBK that nobody declares: two titles are two alerts, whatever is shown of them."""
    for case, content_type in UNDECLARED:
        what, ways = f"row 16, {kind}, GBK, declared: {case}", Ways(checks, place, kind)
        bodies = [json.dumps(titled(kind, title), ensure_ascii=False).encode("gbk") for title in ("报警", "备案", "报警")]
        found = [ways.run(what, body, content_type)["results"][0] for body in bodies]
        keys = [each["alert_key"] for each in found]
        checks.check(keys[0] != keys[1] and keys[0] == keys[2], f"{what}: two alerts", str(keys))
        checks.equal([each["outcome"] for each in found], ["opened", "opened", "duplicate"], f"{what}: both are opened, the copy is counted")
        checks.equal([each["flags"] for each in found], [["invalid_text"]] * 3, f"{what}: flagged")
        shown = ways.pushed.alerts()
        good = len(shown) == 2 and all("\ufffd" in each["title"] and "\\uf7" not in ascii(each["title"]) for each in shown)
        checks.check(good, f"{what}: shown with U+FFFD", str([each["title"] for each in shown]))
        over = json.dumps(titled(kind, "备案", "resolved"), ensure_ascii=False).encode("gbk")
        ways.pushed.results(over, content_type)
        checks.equal([each["status"] for each in ways.pushed.alerts()], ["Critical", "Ok"], f"{what}: a recovery ends its own")


def keys_of_bytes(checks, place):
    """Names that a sender gave in another encoding are told apart, too."""
    table = [
        ("standard", "alert_key", [event(key, title="T") for key in ("报警", "备案")]),
        ("prometheus", "fingerprint", [group(alert(key, labels={"alertname": "T"}, annotations={})) for key in ("报警", "备案")]),
        ("prometheus", "a label's name", [group({"status": "firing", "labels": {"alertname": "T", key: "x"}}) for key in ("报警", "备案")]),
        ("prometheus", "an annotation alone", [group({"status": "firing", "annotations": {"summary": key}}) for key in ("报警", "备案")]),
    ]
    for kind, what, bodies in table:
        corner = Corner(place, kind)
        found = [corner.results(json.dumps(body, ensure_ascii=False).encode("gbk"))[0] for body in bodies]
        checks.equal(len({each["alert_key"] for each in found}), 2, f"row 16, {kind}: two by {what}")
        checks.check(all(each["flags"] == ["invalid_text"] for each in found), f"row 16, {kind}: flagged, by {what}", str(found)[:300])
    corner = Corner(place)
    wrong = b'{"title_rule":"a\x80\xff","event_status":"Critical","alert_key":"k"}'
    found = corner.results(wrong, "application/json; charset=GBK")[0]
    checks.equal((found["flags"], found["title"]), (["invalid_text"], "a\ufffd\ufffd"), "row 16: what is no text of its charset")
