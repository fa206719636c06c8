"""The inputs of fuzz.py: made from examples by mutation, or from a grammar's words; a function of seed, kind and number alone."""

import json
import random

import tocsin

KINDS = ["push", "yaml", "document", "template", "notifier", "condition"]
MARKS = [
    "\u0301", "\u200d", "\ufe0f", "\u20dd", "\u0000", "\ud7ff", "\U0001f468\u200d\U0001f469", "\u202e", "\u00e9", "e\u0301", "\r\n",
    "\u2028", "\x7f", "\u0130", "\u00df",
]
NAMES = [
    "title", "description", "link", "url", "alert_key", "labels_list", "annotations_list", "main_labels", "labels_text", "labels.pod", "labels",
    "is_opened", "is_digest", "counts", "titles", "name", "value", "severity", ".", "", "labels_list.", ".title", "labels..", "annotations.message", "x",
]
BYTES = [
    b"\x00", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\\u0000", b"\\ud800", b"\\", b'"', b"{", b"}", b"[", b"]",
    b",", b":", b"1e999", b"-0",
    b"9" * 40, b"null", b"true", b"\n", b"\t", b"\xef\xbb\xbf", b"&a ", b"*a", b"? ", b"- ", b"|\n", b">\n", b"<<: ", b"!!binary ",
    b"--- ", b"...\n", b"%YAML 1.1\n", b"#",
    "e\u0301".encode(), "\u0301".encode(), b"{{", b"}}", b"{{#", b"{{/", b"'", b"0x1f", b"0001-01-01T00:00:00Z", b"99999-99-99T99:99:99Z",
]


def make(kind, seed, number):
    """The bytes of an input."""
    random_source = random.Random(f"{seed} {kind} {number}")
    return MAKERS[kind](random_source)


def few(rng, *counts):
    """One of these counts, the last, large one seldom."""
    return rng.choice(counts[:-1]) if rng.random() < 0.95 else counts[-1]


# MARK: Pushes and documents: examples, mutated


def push(rng):
    alerts = [alert(rng) for _ in range(few(rng, 0, 1, 2, 30))]
    body = {"status": rng.choice(["firing", "resolved", "", 7]), "alerts": alerts, "commonLabels": labels(rng), "commonAnnotations": labels(rng)}
    standard = {"title_rule": text(rng), "event_status": rng.choice(["Critical", "Ok", "Info", "ok"]), "labels": labels(rng), "alert_key": text(rng)}
    return mutated(
        rng, json.dumps(rng.choice([body, body, standard, [body], alerts]), ensure_ascii=rng.random() < 0.5).encode(errors="surrogatepass")
    )


def alert(rng):
    made = tocsin.arms_alert(text(rng), rng.choice(["firing", "resolved"]), rng.choice(["critical", "P1", text(rng)]))
    made["labels"].update(labels(rng))
    made["startsAt"] = rng.choice([tocsin.NEVER, "2026-03-02T10:00:00Z", "2026-02-30T25:61:61.999999999999+99:99", text(rng), 5, None])
    made["annotations"] = rng.choice([labels(rng), None, [], made["annotations"]])
    for name in rng.sample(sorted(made), rng.choice([0, 0, 1, 3])):
        made[name] = rng.choice([None, 1, [], {}, "", text(rng)])
    return made


def labels(rng):
    return {text(rng): rng.choice([text(rng), text(rng), 1, None, [], {"a": "b"}]) for _ in range(few(rng, 0, 1, 3, 70))}


def text(rng):
    long, marks = "x" * rng.choice([1, 10, 10, 10, 2000]), rng.choice(MARKS) * rng.choice([1, 1, 1, 50])
    return "".join(rng.choice(["a", "pod-1", long, "é", marks, "10.0.0.1", "-1.5e3"]) for _ in range(rng.choice([0, 1, 2, 4])))


def mutated(rng, data):
    """Half of them as they are."""
    data = bytearray(data)
    for _ in range(rng.choice([0, 0, 0, 1, 1, 2, 5, 30])):
        place = rng.randrange(len(data) + 1)
        size = rng.choice([1, 1, 4, 50])
        kind = rng.randrange(6)
        if kind == 0:
            data[place:place] = rng.choice(BYTES) * rng.choice([1, 1, 3, 200])
        elif kind == 1:
            del data[place:place + size]
        elif kind == 2 and place < len(data):
            data[place] ^= 1 << rng.randrange(8)
        elif kind == 3:
            data[place:place] = data[max(0, place - size):place] * rng.choice([1, 2, 500])
        elif kind == 4:
            other = rng.randrange(len(data) + 1)
            data[place:place + size] = data[other:other + size]
        else:
            del data[place + rng.randrange(2000):]
    return bytes(data)


def document(rng):
    names = [text(rng) or "a" for _ in range(3)]
    route = lambda: {"conditions": conditions(rng), "channels": [rng.choice(names)], "on_match": rng.choice(["stop", "continue", ""])}
    routes = [route() for _ in range(rng.choice([0, 1, 5]))]
    shared = {"type": rng.choice(["aliyun-arms", "standard", "x"]), "mode": "shared", "default_channels": names[:1], "routes": routes}
    tables = {"aliyun-arms": {"entries": [{"level": text(rng), "severity": "Info"}], "fallback": "Info"}}
    made = {"channels": {name: {} for name in names}, "integrations": {"S": shared}, "severity_tables": rng.choice([{}, tables])}
    return made if rng.random() < 0.7 else {"channels": {"a": {"labels": labels(rng)}}, "integrations": {}, "severity_tables": {}}


def json_document(rng):
    return mutated(rng, json.dumps(document(rng), ensure_ascii=rng.random() < 0.5).encode(errors="surrogatepass"))


def yaml(rng):
    return mutated(rng, "".join(lines(rng, document(rng), 0)).encode(errors="surrogatepass"))


def lines(rng, value, depth):
    """YAML of a JSON value, in one of several styles."""
    blank = "  " * depth
    if isinstance(value, dict) and value and rng.random() < 0.9:
        for name, each in value.items():
            key = rng.choice([*[json.dumps(name)] * 10, name, f"? {json.dumps(name)}\n{blank}"])
            yield f"{blank}{key}:"
            yield from nested(rng, each, depth)
    elif isinstance(value, list) and value and rng.random() < 0.9:
        for each in value:
            yield f"{blank}-"
            yield from nested(rng, each, depth)
    else:
        yield f"{blank}{json.dumps(value)}\n"


def nested(rng, value, depth):
    if isinstance(value, (dict, list)) and value:
        yield rng.choice([*["\n"] * 20, "  # a comment\n", f" &a{rng.randrange(3)}\n", " !!map\n"])
        yield from lines(rng, value, depth + 1)
    else:
        block = "|\n" + "  " * (depth + 1) + "x"
        yield " " + rng.choice([*[json.dumps(value)] * 20, f"*a{rng.randrange(3)}", block, str(value).replace("\n", " ")]) + "\n"


# MARK: Templates and conditions: words of a grammar


def template_text(rng, depth=0):
    parts = []
    for _ in range(few(rng, 1, 2, 3, 8, 20, 120) if depth == 0 else rng.choice([1, 2])):
        name = rng.choice(NAMES) + rng.choice(["", "", "", "", "", rng.choice(MARKS)])
        if depth < 12 and rng.random() < 0.3:
            parts.append(f"{{{{{rng.choice('##^')}{name}}}}}{template_text(rng, depth + 1)}{{{{/{name}}}}}")
        odd = odd_tag(rng, name) if rng.random() < 0.2 else " "
        parts.append(rng.choice([f"{{{{{name}}}}}", f"{{{{{name}}}}}", f"{{{{ {name} }}}}", "text ", "\n", rng.choice(MARKS), odd]))
    return "".join(parts)


def odd_tag(rng, name):
    return rng.choice([
        f"{{{{#{name}}}}}", f"{{{{/{name}}}}}", f"{{{{^{name}}}}}", f"{{{{{{{name}}}}}}}", f"{{{{&{name}}}}}", f"{{{{>{name}}}}}", "{{=<% %>=}}",
        f"{{{{!{name}}}}}", "{{", "}}", "{", "}", "{{%x}}", "{{" + rng.choice(MARKS), f"{{{{<{name}}}}}", f"{{{{${name}}}}}",
        "{{" + rng.choice(MARKS) + "{{=| |=}}" + f"|#{name}|" * rng.randrange(2) + f"|/{name}|" * rng.randrange(3),
        "{{= " + rng.choice(["a b", "{ }", "", rng.choice(MARKS)]) + "=}}",
    ])


def template(rng):
    chosen = {"text": template_text(rng), "title": rng.choice([None, template_text(rng)]), "language": rng.choice(["en", "zh-CN"])}
    kind = rng.choice(["webhook", "dingtalk", "feishu", "wecom", "slack", "email"])
    return mutated_rarely(rng, {"kind": kind, "change": rng.choice(["opened", "updated", "recovered", "closed"]), "template": chosen})


def mutated_rarely(rng, value):
    data = json.dumps(value, ensure_ascii=rng.random() < 0.5).encode(errors="surrogatepass")
    return mutated(rng, data) if rng.random() < 0.2 else data


def pattern(rng, depth=0):
    """A regular expression, or something like one."""
    parts = []
    for _ in range(rng.choice([1, 2, 3, 6])):
        atom = rng.choice(["a", ".", "\\pL", "\\w", "[^a]", "[a-z\\d]", "\\b", "^", "$", "(?i)", "\\x{10FFFF}", "é", "[[:alpha:]]", "\\C", "(", "["])
        if depth < 4 and rng.random() < 0.4:
            atom = f"({pattern(rng, depth + 1)}|{pattern(rng, depth + 1)})"
        parts.append(atom + rng.choice(["", "", "*", "+", "?", "*?", "{3}", "{0,20}", "{40}", "{1000}", "{1001}", "{2,1}", "**"]))
    return "".join(parts)


def value(rng):
    return rng.choice([
        lambda: f"/{pattern(rng)}/", lambda: "".join(rng.choice(["*", "?", "a", "ab", "\\*", "é", "*a"]) for _ in range(rng.choice([1, 5, 60]))),
        lambda: f"cidr:{rng.choice(['10.0.0.0/8', '::/0', '1.2.3.4/33', '', 'fe80::1%eth0/64', text(rng)])}",
        lambda: f"num:{rng.choice(['gt', 'ge', 'lt', 'le', 'eq'])}:{rng.choice(['1', '-1e308', '1e999', 'nan', 'inf', '0x10', '', '9' * 400, text(rng)])}",
        lambda: "literal:" + text(rng), lambda: text(rng), lambda: rng.choice(["Critical", "//", "/", "*", "**", "?"]),
    ])()


def conditions(rng):
    keys = ["severity", "title", "description", "alert_key", "labels.pod", "labels.", "labels.a", "status", "x", "labels." + text(rng)]
    one = lambda: {
        "key": rng.choice(keys), "operator": rng.choice(["in", "not_in", "in", "is"][:rng.choice([2, 2, 4])]),
        "values": [value(rng) for _ in range(few(rng, 1, 2, 3, 60))]
    }
    return [[one() for _ in range(few(rng, 1, 2, 3, 10))] for _ in range(few(rng, 0, 1, 2, 10))]


def condition(rng):
    """Routes over a body."""
    body = {"alerts": [{"labels": {"alertname": text(rng), "pod": "aab" * rng.choice([1, 600]), "a": text(rng)}} for _ in range(3)]}
    routes = [{"conditions": conditions(rng), "mode": "name_mapping", "name_mapping_label": "pod"} for _ in range(rng.choice([1, 3]))]
    return mutated_rarely(rng, {"body": json.dumps(body, ensure_ascii=False), "routes": routes})


def notifier(rng):
    chosen = {"text": template_text(rng)[:8000]} if rng.random() < 0.5 else {}
    made = {"name": text(rng) or "n", "kind": "webhook", "settings": {"url": "https://example.com/" + text(rng)}, "template": chosen}
    return mutated_rarely(rng, {**made, "conditions": conditions(rng)})


MAKERS = {"push": push, "yaml": yaml, "document": json_document, "template": template, "notifier": notifier, "condition": condition}
