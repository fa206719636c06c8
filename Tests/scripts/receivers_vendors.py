"""The rules of the vendors' robots and of the generic webhook, as far as a sender can break them.

A vendor says where its addresses lie (`path`, `address`), which rule a request breaks (`broken_rule`), and how it answers. An answer is
(status, headers, body, content type). The codes and limits are the vendors' own as documented; where a vendor answers 200 to everything, so does
its receiver here.
"""

import base64
import hashlib
import hmac
import json
import urllib.parse

MINUTE, HOUR = 60, 3600


def said(value, number=200, kind="application/json"):
    body = value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()
    return number, (), body, kind


def mac(key, text):
    return base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()


class Broken(Exception):
    """A rule that the request breaks. `answer`: what the vendor says to it."""

    def __init__(self, rule, answer):
        super().__init__(rule)
        self.answer = answer


class Vendor:
    """`rate`: (requests, seconds) that one address takes, or None. `secret`: the signing key of the address, or None."""

    path, kind = "/", "?"

    def __init__(self, secret=None, rate=None):
        self.secret, self.rate = secret, rate

    def address(self, name):
        """(path and query, what tells it from others)."""
        return self.path + name, self.path + name

    def settings(self, endpoint):
        """Those of a notifier that sends there."""
        return {"url": endpoint.url} | ({"secret": self.secret} if self.secret else {})

    def broken_rule(self, received, endpoint):
        """None, or (which rule, the answer)."""
        try:
            if received.method != "POST":
                raise Broken(f"method {received.method}", said(b"", 405))
            self.examine(received, endpoint, endpoint.receivers.clock())
        except Broken as broken:
            return str(broken), broken.answer
        except (AttributeError, KeyError, TypeError) as error:  # a value of an unexpected type
            return f"unreadable: {error}", said(b"", 400)
        return None

    def examine(self, received, endpoint, now):
        pass

    def limited(self, endpoint, now, answer):
        if endpoint.is_over_rate(now):
            raise Broken("too many requests", answer)

    def text(self, parsed):
        """What people read of an accepted message."""
        raise NotImplementedError

    def markup(self, parsed):
        """The part of it in which markup means something."""
        return self.text(parsed)


class Webhook(Vendor):
    """The generic one: checks Standard Webhooks by itself once it has `secrets` (one is enough to match)."""

    path, kind = "/hook/", "webhook"

    def __init__(self, secrets=(), rate=None):
        super().__init__(None, rate)
        self.secrets = list(secrets)

    def examine(self, received, endpoint, now):
        if self.secrets:
            problem = signature_problem(received, self.secrets, now)
            if problem:
                raise Broken(problem, said({"error": problem}, 401))
        self.limited(endpoint, now, said(b"", 429))

    def accepted(self):
        return said({"ok": True})

    def error(self, code):
        return said({"code": code})

    def unknown(self):
        return said(b"", 404)

    def text(self, parsed):
        return f"{parsed['data'].get('message_title', '')}\n{parsed['data'].get('message_text', '')}"


def signature_problem(received, secrets, now):
    """What is wrong with a signature of Standard Webhooks, by its specification; None when one of the secrets made it."""
    found = [received.headers.get(name) for name in ("webhook-id", "webhook-timestamp", "webhook-signature")]
    if not all(found):
        return "no signature"
    name, time, signatures = found
    if not time.isdigit() or abs(int(time) - now) > 300:
        return "timestamp out of bounds"
    if "." in name:
        return "a dot in the id"
    content = f"{name}.{time}.".encode() + received.body
    for secret in secrets:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        wanted = "v1," + mac(key, content)
        if any(hmac.compare_digest(wanted, each) for each in signatures.split(" ")):
            return None
    return "no signature matches"


class DingTalk(Vendor):
    path, kind = "/robot/send", "dingtalk"

    def __init__(self, secret=None, rate=(20, MINUTE)):
        super().__init__(secret, rate)

    def address(self, name):
        return f"{self.path}?access_token=token-{name}", f"{self.path}?token-{name}"

    MESSAGES = {
        0: "ok", 40035: "缺少参数 json", 43004: "无效的HTTP HEADER Content-Type", 130101: "send too fast, exceed 20 times per minute",
        300005: "token is not exist", 310000: "sign not match, more: [https://open.dingtalk.com]", 400105: "不支持的消息类型",
        460101: "message too long, exceed 20000 bytes",
    }

    def error(self, code):
        return said({"errcode": code, "errmsg": self.MESSAGES.get(code, "error")})

    def accepted(self):
        return self.error(0)

    def unknown(self):
        return self.error(300005)

    def fail(self, rule, code):
        raise Broken(rule, self.error(code))

    def examine(self, received, endpoint, now):
        if not received.headers.get("content-type", "").lower().startswith("application/json"):
            self.fail("content type", 43004)
        if len(received.body) > 20_000:
            self.fail(f"{len(received.body)} bytes", 460101)
        if self.secret:
            self.examine_sign(received.query, now)
        parsed = received.parsed
        if not isinstance(parsed, dict):
            self.fail("shape", 40035)
        if parsed.get("msgtype") != "markdown":
            self.fail(f"msgtype {parsed.get('msgtype')}", 400105)
        if not set(parsed) <= {"msgtype", "markdown", "at"}:
            self.fail("shape", 40035)
        markdown = parsed.get("markdown")
        fields = markdown if isinstance(markdown, dict) else {}
        if set(fields) != {"title", "text"} or not all(isinstance(v, str) and v.strip() for v in fields.values()):
            self.fail("markdown needs title and text", 40035)
        self.limited(endpoint, now, self.error(130101))

    def examine_sign(self, query, now):
        """Base64 of HMAC-SHA256 over the milliseconds, a newline and the secret, keyed with the secret; good for an hour."""
        time, sign = query.get("timestamp", ""), query.get("sign", "")
        if not time.isdigit() or abs(int(time) / 1000 - now) > HOUR:
            self.fail("timestamp", 310000)
        if sign != mac(self.secret.encode(), f"{time}\n{self.secret}".encode()):
            self.fail("sign", 310000)

    def text(self, parsed):
        return f"{parsed['markdown']['title']}\n{parsed['markdown']['text']}"

    def markup(self, parsed):
        return parsed["markdown"]["text"]


class Feishu(Vendor):
    path, kind = "/open-apis/bot/v2/hook/", "feishu"
    MOST = 20 * 1024  # bytes of a request

    def __init__(self, secret=None, rate=(100, MINUTE)):
        super().__init__(secret, rate)

    def accepted(self):
        return said({"StatusCode": 0, "StatusMessage": "success", "code": 0, "data": {}, "msg": "success"})

    MESSAGES = {
        9499: "Bad Request", 11232: "frequency limited psm[lark.oapi.app_platform_runtime]appID[1500]",
        19001: "param invalid: incoming webhook access token invalid",
        19021: "sign match fail or timestamp is not within one hour from current time", 19024: "Key Words Not Found",
    }

    def error(self, code):
        return said({"code": code, "data": {}, "msg": self.MESSAGES.get(code, "error")})

    def unknown(self):
        return self.error(19001)

    def fail(self, rule, code=9499):
        raise Broken(rule, self.error(code))

    def examine(self, received, endpoint, now):
        if len(received.body) > self.MOST:
            self.fail(f"{len(received.body)} bytes")
        if not received.headers.get("content-type", "").lower().startswith("application/json"):
            self.fail("content type")
        parsed = received.parsed
        if not isinstance(parsed, dict) or not set(parsed) <= {"timestamp", "sign", "msg_type", "card"}:
            self.fail("shape")
        if self.secret:
            self.examine_sign(parsed, now)
        if parsed.get("msg_type") != "interactive" or not isinstance(parsed.get("card"), dict):
            self.fail(f"msg_type {parsed.get('msg_type')}")
        self.examine_card(parsed["card"])
        self.limited(endpoint, now, self.error(11232))

    def examine_sign(self, parsed, now):
        """Base64 of HMAC-SHA256 over nothing, keyed with the seconds, a newline and the secret; good for an hour."""
        time = str(parsed.get("timestamp", ""))
        if not time.isdigit() or abs(int(time) - now) > HOUR:
            self.fail("timestamp", 19021)
        if parsed.get("sign") != mac(f"{time}\n{self.secret}".encode(), b""):
            self.fail("sign", 19021)

    COLOURS = {"blue", "wathet", "turquoise", "green", "yellow", "orange", "red", "carmine", "violet", "purple", "indigo", "grey", "default"}

    def examine_card(self, card):
        is_second = card.get("schema") == "2.0"
        known = {"schema", "config", "header", "body", "card_link"} if is_second else {"config", "header", "elements", "card_link", "i18n_elements"}
        if not set(card) <= known:
            self.fail(f"card fields {sorted(set(card) - known)}")
        header = card.get("header")
        if header is not None:
            self.examine_text(header.get("title"), {"plain_text", "lark_md"} if not is_second else {"plain_text"})
            if header.get("template", "default") not in self.COLOURS:
                self.fail(f"header template {header.get('template')}")
        elements = card.get("body", {}).get("elements") if is_second else card.get("elements")
        if not isinstance(elements, list) or not elements:
            self.fail("no elements")
        for element in elements:
            self.examine_element(element, is_second)

    def examine_text(self, text, tags=frozenset({"plain_text", "lark_md"})):
        if not isinstance(text, dict) or text.get("tag") not in tags or not isinstance(text.get("content"), str):
            self.fail(f"text {str(text)[:60]}")

    def examine_element(self, element, is_second):
        tag = element.get("tag") if isinstance(element, dict) else None
        if tag == "div":
            for text in [element["text"]] if "text" in element else [field.get("text") for field in element.get("fields") or [{}]]:
                self.examine_text(text)
        elif tag == "markdown":
            if not isinstance(element.get("content"), str) or not element["content"]:
                self.fail("markdown without content")
        elif tag == "note" and not is_second:
            for text in element.get("elements") or [None]:
                self.examine_text(text)
        elif tag == "action" and not is_second:
            for action in element.get("actions") or [{}]:
                self.examine_button(action)
        elif tag == "button" and is_second:
            self.examine_text(element.get("text"))
        elif tag not in ("hr", "column_set"):
            self.fail(f"element {tag}")

    def examine_button(self, button):
        if button.get("tag") != "button" or button.get("type", "default") not in ("default", "primary", "danger"):
            self.fail("action that is no button")
        self.examine_text(button.get("text"))

    def text(self, parsed):
        return "\n".join(contents(parsed["card"]))

    def markup(self, parsed):
        return "\n".join(contents(parsed["card"], with_plain=False))


def contents(value, with_plain=True):
    """Every text in a card or in blocks, in order."""
    if isinstance(value, dict):
        if not with_plain and "plain_text" in (value.get("tag"), value.get("type")):
            return
        for name, inner in value.items():
            if name in ("content", "text") and isinstance(inner, str):
                yield inner
            else:
                yield from contents(inner, with_plain)
    elif isinstance(value, list):
        for inner in value:
            yield from contents(inner, with_plain)


class WeCom(Vendor):
    path, kind = "/cgi-bin/webhook/send", "wecom"

    def __init__(self, rate=(20, MINUTE)):
        super().__init__(None, rate)

    def address(self, name):
        return f"{self.path}?key=key-{name}", f"{self.path}?key-{name}"

    MESSAGES = {
        0: "ok", 40008: "invalid message type", 40058: "markdown.content exceed max length 4096", 44004: "empty content",
        45009: "api freq out of limit", 47001: "data format error", 93000: "invalid webhook url",
    }

    def error(self, code):
        return said({"errcode": code, "errmsg": self.MESSAGES.get(code, "error")})

    def accepted(self):
        return self.error(0)

    def unknown(self):
        return self.error(93000)

    def fail(self, rule, code):
        raise Broken(rule, self.error(code))

    def examine(self, received, endpoint, now):
        parsed = received.parsed
        if not isinstance(parsed, dict):
            self.fail("shape", 47001)
        if parsed.get("msgtype") not in ("markdown", "markdown_v2"):
            self.fail(f"msgtype {parsed.get('msgtype')}", 40008)
        content = (parsed.get(parsed["msgtype"]) or {}).get("content")
        if not isinstance(content, str) or not content.strip():
            self.fail("empty", 44004)
        if len(content.encode()) > 4_096:
            self.fail(f"{len(content.encode())} bytes", 40058)
        self.limited(endpoint, now, self.error(45009))

    def text(self, parsed):
        return parsed[parsed["msgtype"]]["content"]


class Slack(Vendor):
    path, kind = "/services/", "slack"

    def address(self, name):
        target = f"{self.path}T00000000/B00000000/{name}"
        return target, target

    ERRORS = {"invalid_blocks": 400, "invalid_payload": 400, "no_text": 400, "no_service": 404, "channel_is_archived": 410, "rate_limited": 429}

    def error(self, code):
        number = self.ERRORS.get(code, 400)
        headers = [("Retry-After", "30")] if number == 429 else ()
        return number, headers, str(code).encode(), "text/html"

    BLOCKS = {"divider", "header", "section", "context", "actions"}

    def accepted(self):
        return said(b"ok", kind="text/html")

    def unknown(self):
        return self.error("no_service")

    def fail(self, rule, code="invalid_blocks"):
        raise Broken(rule, self.error(code))

    def examine(self, received, endpoint, now):
        parsed = received.parsed
        if not isinstance(parsed, dict):
            self.fail("shape", "invalid_payload")
        blocks, text = parsed.get("blocks"), parsed.get("text")
        if not blocks and not text and not parsed.get("attachments"):
            self.fail("neither text nor blocks", "no_text")
        if text is not None and (not isinstance(text, str) or len(text) > 40_000):
            self.fail("text", "invalid_payload")
        self.examine_blocks(blocks or [])
        for attachment in parsed.get("attachments") or []:
            self.examine_blocks(attachment.get("blocks") or [])
        self.limited(endpoint, now, self.error("rate_limited"))

    def examine_blocks(self, blocks):
        if not isinstance(blocks, list) or len(blocks) > 50:
            self.fail("more than 50 blocks")
        for block in blocks:
            kind = block.get("type") if isinstance(block, dict) else None
            if kind not in self.BLOCKS or len(block.get("block_id", "")) > 255:
                self.fail(f"block {str(block)[:60]}")
            getattr(self, f"examine_{kind}")(block)

    def examine_text(self, text, most, types=("mrkdwn", "plain_text")):
        content = text.get("text") if isinstance(text, dict) else None
        if not isinstance(content, str) or text.get("type") not in types or not 1 <= len(content) <= most:
            self.fail(f"text {str(text)[:60]} ({len(content or '')} characters)")

    def examine_divider(self, block):
        if not set(block) <= {"type", "block_id"}:
            self.fail("divider")

    def examine_header(self, block):
        self.examine_text(block.get("text"), 150, ("plain_text",))

    def examine_section(self, block):
        if not set(block) <= {"type", "block_id", "text", "fields", "accessory", "expand"} or not ("text" in block or block.get("fields")):
            self.fail("section")
        if "text" in block:
            self.examine_text(block["text"], 3_000)
        if len(block.get("fields", [])) > 10:
            self.fail("more than 10 fields")
        for field in block.get("fields", []):
            self.examine_text(field, 2_000)
        if "accessory" in block:
            self.examine_button(block["accessory"])

    def examine_context(self, block):
        if not 1 <= len(block.get("elements") or []) <= 10:
            self.fail("context")
        for element in block["elements"]:
            self.examine_text(element, 3_000)

    def examine_actions(self, block):
        if not 1 <= len(block.get("elements") or []) <= 25:
            self.fail("actions")
        for element in block["elements"]:
            self.examine_button(element)

    def examine_button(self, button):
        if button.get("type") != "button" or len(button.get("url", "")) > 3_000 or len(button.get("action_id", "")) > 255:
            self.fail("button")
        self.examine_text(button.get("text"), 75, ("plain_text",))

    def text(self, parsed):
        return "\n".join([parsed.get("text") or "", *contents(parsed.get("blocks")), *contents(parsed.get("attachments"))])

    def markup(self, parsed):
        rest = (contents(parsed.get(name), with_plain=False) for name in ("blocks", "attachments"))
        return "\n".join([parsed.get("text") or "", *(text for texts in rest for text in texts)])


def dingtalk_sign(secret, milliseconds):
    """The query of a signed request, for tests of the receiver itself."""
    return urllib.parse.urlencode({"timestamp": milliseconds, "sign": mac(secret.encode(), f"{milliseconds}\n{secret}".encode())})
