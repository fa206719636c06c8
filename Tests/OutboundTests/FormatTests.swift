import Domain
import Foundation
import Native
import Outbound
import Testing

@Suite("Signatures")
struct SignatureTests {
    @Test("the example of Standard Webhooks")
    func standardWebhook() throws {
        let key = try #require(Data(base64Encoded: "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
        let signature = StandardWebhook.signature(
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
            timestamp: 1_614_265_330,
            body: Array(#"{"test": 2432232314}"#.utf8),
            key: Array(key)
        )
        #expect(signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
    }

    /// Seconds after the new year, and the signatures that Python's `hmac` makes of them with `SEC0123456789abcdef`.
    static let robots: [(Int64, dingtalk: String, feishu: String)] = [
        (
            0, "B0RWzLp5DJ68eWPlqN2is7j%2FCJw7WP3nV1RkTFHU%2BF4%3D",
            "lhApIVyDpG9gvzJVLszopHlzeRhChg0MoDPN71YXJ1U="
        ),
        (
            7, "iM9sZQr9HOtwpkdU2MvEqoSZdvnmRSL%2BRYkytLK60O8%3D",
            "XEMA5DtoX681TawqLpvsY6Vv/xB5pQca8diqU5ADGHg="
        ),
        (
            86_400, "LTO4z89uNbMZuKlF%2F3X1n6QbRHrPWo%2BNPQF5vXm%2FGp0%3D",
            "7m3nbKjdjA4W1ZEqTGfmiBpCj4j+7VsqPa6QS/hxakI="
        ),
    ]

    @Test("a robot of DingTalk gets timestamp and sign in the query", arguments: robots.indices)
    func dingTalk(row: Int) async throws {
        let (seconds, sign, _) = Self.robots[row]
        try await Receiver.with(Step.answer(200, #"{"errcode":0,"errmsg":"ok"}"#)) { receiver in
            try await withSender { sender in
                let url = try EndpointURL(
                    Text("http://127.0.0.1:\(receiver.port)/robot/send?access_token=abc")
                )
                let now = newYear.adding(seconds: seconds)
                let settings = DingTalk(url: url, secret: "SEC0123456789abcdef")
                let result = await sender.send(message(), to: settings, template: english, at: now)
                #expect(result.failure == nil)
                let line = try #require(receiver.requests.first?.line)
                let query = "access_token=abc&timestamp=\(now.milliseconds)&sign=\(sign)"
                #expect(line == "POST /robot/send?\(query) HTTP/1.1")
            }
        }
    }

    @Test("a bot of Feishu gets timestamp and sign in the body", arguments: robots.indices)
    func feishu(row: Int) async throws {
        let (seconds, _, sign) = Self.robots[row]
        try await Receiver.with(Step.answer(200, #"{"code":0,"msg":"success"}"#)) { receiver in
            try await withSender { sender in
                let url = try EndpointURL(Text("http://127.0.0.1:\(receiver.port)/hook"))
                let now = newYear.adding(seconds: seconds)
                let settings = Feishu(url: url, secret: "SEC0123456789abcdef")
                let result = await sender.send(message(), to: settings, template: english, at: now)
                #expect(result.failure == nil)
                let body = try #require(receiver.requests.first).json
                #expect(body["timestamp"] as? String == String(now.milliseconds / 1_000))
                #expect(body["sign"] as? String == sign)
                #expect(body["msg_type"] as? String == "interactive")
            }
        }
    }

    @Test("without a secret there is no signature")
    func unsigned() async throws {
        try await Receiver.with(Step.answer(200, #"{"errcode":0,"code":0}"#)) { receiver in
            try await withSender { sender in
                let url = try EndpointURL(Text("http://127.0.0.1:\(receiver.port)/hook"))
                for settings in [
                    DingTalk(url: url, secret: nil), Feishu(url: url, secret: nil),
                    Webhook(url: url, headers: [], secrets: []),
                ] as [any NotifierSettings] {
                    let result = await sender.send(message(), to: settings, template: english, at: newYear)
                    #expect(result.failure == nil)
                }
                #expect(
                    receiver.requests.allSatisfy {
                        $0.line == "POST /hook HTTP/1.1" && !$0.text.contains("\"sign\"")
                    }
                )
                #expect(receiver.requests.allSatisfy { $0.headers["webhook-signature"] == nil })
            }
        }
    }

    @Test("a webhook is signed with each secret that has not ended; only headers differ between attempts")
    func rotation() async throws {
        let (new, old) = ([UInt8](repeating: 1, count: 32), [UInt8](repeating: 2, count: 32))
        let ends = newYear.adding(seconds: 60)
        try await Receiver.with { receiver in
            try await withSender { sender in
                let settings = try webhook(
                    receiver.port,
                    secrets: [.init(bytes: new, endsAt: nil), .init(bytes: old, endsAt: ends)]
                )
                for seconds in [0, 59, 60] as [Int64] {
                    let now = newYear.adding(seconds: seconds)
                    _ = await sender.send(message(), to: settings, template: english, at: now)
                }
                let (id, requests) = (message().id.description, receiver.requests)
                try #require(requests.count == 3)
                for (request, (seconds, keys)) in zip(
                    requests,
                    [(0, [new, old]), (59, [new, old]), (60, [new])]
                ) {
                    let expected = keys.map { key in
                        StandardWebhook.signature(
                            id: id,
                            timestamp: 1_767_225_600 + Int64(seconds),
                            body: request.body,
                            key: key
                        )
                    }
                    #expect(request.headers["webhook-signature"] == expected.joined(separator: " "))
                    #expect(request.headers["webhook-id"] == id)
                }
                #expect(Set(requests.map(\.body)).count == 1)
            }
        }
    }
}

@Suite("Answers of receivers", .timeLimit(.minutes(1)))
struct VerdictTests {
    struct Row: Sendable {
        let kind: Notifier.Kind
        let status: Int
        let body: String
        let failure: SendResult.Failure?

        init(_ kind: Notifier.Kind, _ status: Int, _ body: String, _ failure: SendResult.Failure?) {
            (self.kind, self.status, self.body, self.failure) = (kind, status, body, failure)
        }
    }

    static let rows = [
        Row(.dingtalk, 200, #"{"errcode":0,"errmsg":"ok"}"#, nil),
        Row(.dingtalk, 200, #"{"errcode":310000,"errmsg":"keywords not in content"}"#, .refused),
        Row(.dingtalk, 200, #"{"errcode":310000,"errmsg":"sign not match"}"#, .refused),
        Row(.dingtalk, 200, #"{"errcode":300001,"errmsg":"token is not exist"}"#, .refused),
        Row(
            .dingtalk,
            200,
            #"{"errcode":130101,"errmsg":"send too fast, exceed 20 times per minute"}"#,
            .limited
        ),
        Row(.dingtalk, 200, #"{"errcode":410100,"errmsg":"too fast"}"#, .limited),
        Row(.dingtalk, 200, #"{"errcode":90030,"errmsg":"webhook over limit"}"#, .limited),
        Row(.dingtalk, 200, #"{"errcode":-1,"errmsg":"system busy"}"#, .refused),
        Row(.dingtalk, 200, "", .refused), Row(.dingtalk, 200, "<html>login</html>", .refused),
        Row(.dingtalk, 200, #"{"errcode":"0"}"#, .refused), Row(.dingtalk, 200, "[]", .refused),
        Row(.dingtalk, 502, "bad gateway", .status), Row(.dingtalk, 200, #"{"errcode":0"#, .refused),
        Row(.feishu, 200, #"{"code":0,"msg":"success","data":{}}"#, nil),
        Row(.feishu, 200, #"{"StatusCode":0,"StatusMessage":"success"}"#, nil),
        Row(
            .feishu,
            200,
            #"{"code":19021,"msg":"sign match fail or timestamp is not within one hour"}"#,
            .refused
        ),
        Row(.feishu, 200, #"{"code":19024,"msg":"Key Words Not Found"}"#, .refused),
        Row(.feishu, 200, #"{"code":11232,"msg":"frequency limited"}"#, .limited),
        Row(.feishu, 400, #"{"code":99991400,"msg":"request trigger frequency limit"}"#, .limited),
        Row(.feishu, 400, #"{"code":9499,"msg":"Bad Request"}"#, .status), Row(.feishu, 200, "ok", .refused),
        Row(.wecom, 200, #"{"errcode":0,"errmsg":"ok"}"#, nil),
        Row(.wecom, 200, #"{"errcode":93000,"errmsg":"invalid webhook url"}"#, .refused),
        Row(.wecom, 200, #"{"errcode":40058,"errmsg":"markdown.content exceed max length 4096"}"#, .refused),
        Row(.wecom, 200, #"{"errcode":45009,"errmsg":"api freq out of limit"}"#, .limited),
        Row(.wecom, 200, #"{"errcode":45033,"errmsg":"concurrent"}"#, .limited),
        Row(.wecom, 500, "", .status),
        Row(.slack, 200, "ok", nil), Row(.slack, 200, "", nil), Row(.slack, 200, "ok\n", nil),
        Row(.slack, 200, #"{"ok":true}"#, nil), Row(.slack, 200, #"{"result":"success","msg":""}"#, nil),
        Row(.slack, 200, #"{"ok":false,"error":"invalid_token"}"#, .refused),
        Row(.slack, 200, "invalid_token", .refused),
        Row(.slack, 200, "<html>", .refused), Row(.slack, 400, "invalid_payload", .status),
        Row(.slack, 403, "action_prohibited", .status), Row(.slack, 404, "no_service", .status),
        Row(.slack, 410, "channel_is_archived", .gone), Row(.slack, 429, "rate_limited", .limited),
        Row(.webhook, 200, #"{"errcode":310000}"#, nil), Row(.webhook, 204, "", nil),
        Row(.webhook, 410, "", .gone),
    ]

    @Test("a vendor's yes, no and slower", arguments: rows)
    func verdicts(row: Row) async throws {
        try await Receiver.with(Step.answer(row.status, row.body)) { receiver in
            try await withSender { sender in
                let settings = try settings(row.kind, receiver.port)
                let result = await sender.send(message(), to: settings, template: english, at: newYear)
                #expect(result.failure == row.failure, "\(row): \(result.detail)")
                #expect(result.statusCode == row.status)
            }
        }
    }

    @Test("a vendor that repeats the token is not quoted with it")
    func hiddenToken() async throws {
        let body = #"{"errcode":300001,"errmsg":"token 0123456789abcdef is not exist"}"#
        try await Receiver.with(Step.answer(200, body)) { receiver in
            try await withSender { sender in
                let url = try EndpointURL(
                    Text("http://127.0.0.1:\(receiver.port)/send?access_token=0123456789abcdef")
                )
                let settings = DingTalk(url: url, secret: nil)
                let result = await sender.send(message(), to: settings, template: english, at: newYear)
                #expect(result.detail == "DingTalk answered with code 300001: token *** is not exist")
                #expect(!result.response.contains("abcdef"))
            }
        }
    }

    @Test("a vendor's code and words are in the detail")
    func detail() async throws {
        let body = #"{"errcode":310000,"errmsg":"keywords not in content, more: [https://ding.example]"}"#
        try await Receiver.with(Step.answer(200, body)) { receiver in
            try await withSender { sender in
                let result = await sender.send(
                    message(),
                    to: try settings(.dingtalk, receiver.port),
                    template: english,
                    at: newYear
                )
                #expect(
                    result.detail.hasPrefix("DingTalk answered with code 310000: keywords not in content")
                )
            }
        }
    }
}

/// Settings of a kind that is posted to, on this machine.
func settings(_ kind: Notifier.Kind, _ port: Int) throws -> any NotifierSettings {
    let url = try EndpointURL(Text("http://127.0.0.1:\(port)/hook"))
    return switch kind {
    case .webhook: Webhook(url: url, headers: [], secrets: [])
    case .dingtalk: DingTalk(url: url, secret: nil)
    case .feishu: Feishu(url: url, secret: nil)
    case .wecom: WeCom(url: url)
    case .slack: Slack(url: url)
    default: preconditionFailure("not posted: \(kind)")
    }
}

extension ReceivedRequest {
    /// The body as an object, read by another parser than ours.
    var json: [String: Any] { (try? JSONSerialization.jsonObject(with: Data(body)) as? [String: Any]) ?? [:] }
}
