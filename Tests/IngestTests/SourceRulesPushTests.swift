import Storage
import TestSupport
import Testing

@Suite("Pushes that the source rules do not take")
struct SourceRulesPushTests {
    private static let user = "1098370038733503"
    private static let pinned: JSON = ["pinned_labels": ["_aliyun_arms_userid": .string(user)]]

    /// A body with one alert for each of `users`, which has that label, or none for nil.
    private static func body(_ users: String?...) -> [UInt8] {
        ARMS.body(
            users.enumerated().map { index, user in
                .init("k\(index)", labels: user.map { [("_aliyun_arms_userid", $0)] } ?? [("x", "y")])
            }
        )
    }

    /// Fails unless the only delivery is quarantined for `reason` with `body`, nothing was raised, and it is counted where refusals are, as
    /// `word` unless that is the reason.
    private func expectQuarantine(
        _ sender: Sender,
        _ reason: String,
        _ body: [UInt8],
        counted word: String? = nil
    ) async throws {
        let kept = try await sender.deliveries("quarantined")
        #expect(kept.map { $0["reason"]?.string } == [reason])
        let delivery = try await sender.delivery(kept.first?["id"]?.string)
        #expect(delivery["body"]?.string == String(decoding: body, as: UTF8.self))
        #expect(delivery["event_count"] == 0)
        #expect(delivery["results"] == [])
        #expect(try await sender.alerts().isEmpty)
        try await sender.expectRefusals(word ?? reason)
        let metrics = try await sender.server.call("getMetrics", key: nil)
        #expect(metrics.text.contains(#"result="\#(word ?? reason)"} 1"#))
    }

    // MARK: Addresses

    @Test("a push from elsewhere is kept, raises nothing, and is answered as a push URL that is not valid")
    func elsewhere() async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            try await sender.update(["source_cidrs": ["10.0.0.0/8", "2001:db8::/32"]])
            let answer = try await server.push(sender.url, Sender.body)
            let forged = try await server.send("POST", "/p/none", body: Sender.body)
            #expect(answer.status == 401)
            #expect(answer.withoutRequestID == forged.withoutRequestID)
            try await expectQuarantine(sender, "source_address", Sender.body)
            let pushURL = try await server.call(
                "getPushURL",
                try await sender.pushURL(),
                key: sender.people.bob
            )
            #expect(pushURL.json["use_count"] == 0)
            #expect(pushURL.json["last_used_at"] == .null)
        }
    }

    @Test(
        "no body of one from elsewhere is looked at: a test and what can't be read are answered and kept alike",
        arguments: ["$alertmanager_content", "{", ""]
    )
    func anyBody(body: String) async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            try await sender.update(["source_cidrs": ["10.0.0.0/8"]])
            #expect(try await server.push(sender.url, Array(body.utf8)).status == 401)
            try await expectQuarantine(sender, "source_address", Array(body.utf8))
        }
    }

    @Test("a push from an address in one of the networks is taken")
    func inside() async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            try await sender.update(["source_cidrs": ["10.0.0.0/8", "127.0.0.1"]])
            #expect(try await server.push(sender.url, Sender.body).status == 200)
            #expect(try await sender.alerts().count == 1)
        }
    }

    @Test(
        "behind a trusted proxy the client counts that the proxy names, and else nobody is believed",
        arguments: [
            ("127.0.0.0/8", "10.1.2.3", 200), ("127.0.0.0/8", "11.1.2.3", 401),
            ("127.0.0.0/8", "10.1.2.3, 11.1.2.3", 401), ("127.0.0.0/8", "11.1.2.3, 10.1.2.3", 200),
            ("192.0.2.1", "10.1.2.3", 401),
        ]
    )
    func proxy(trusted: String, forwardedFor: String, status: Int) async throws {
        try await TestServer.with(options: ["trusted-proxies": trusted]) { server in
            let sender = try await Sender(server)
            try await sender.update(["source_cidrs": ["10.0.0.0/8"]])
            let answer = try await server.push(
                sender.url,
                Sender.body,
                headers: [("X-Forwarded-For", forwardedFor)]
            )
            #expect(answer.status == status)
        }
    }

    // MARK: Labels

    @Test(
        "a push with an alert that lacks the pinned label, or has another value, is kept as a whole and answered 400",
        arguments: [body("1"), body(nil), body(user, nil), body("1", user)]
    )
    func labels(body: [UInt8]) async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            try await sender.update(Self.pinned)
            let answer = try await server.push(sender.url, body)
            #expect(answer.status == 400)
            #expect(answer.json["error"]?["code"] == "InvalidParameter")
            #expect(try await sender.delivery(answer.deliveryID)["reason"] == "pinned_label")
            #expect(!answer.text.contains(Self.user) && !answer.text.contains("userid"))
            try await expectQuarantine(sender, "pinned_label", body)
        }
    }

    @Test("a push whose alerts all have it is taken, by common labels too; so is a test")
    func taken() async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            try await sender.update(Self.pinned)
            let common =
                #"{"commonLabels":{"_aliyun_arms_userid":"\#(Self.user)"},"alerts":[{},{"fingerprint":"b"}]}"#
            for body in [
                Self.body(Self.user, Self.user), Array(common.utf8), Array("$alertmanager_content".utf8),
            ] {
                let answer = try await server.push(sender.url, body)
                #expect(answer.status == 200, "\(answer.text)")
            }
            #expect(try await sender.deliveries("quarantined").isEmpty)
            #expect(try await sender.deliveries("test").count == 1)
        }
    }

    @Test("what can't be read says so, also where a label is pinned")
    func unreadable() async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            try await sender.update(Self.pinned)
            #expect(try await server.push(sender.url, Array("{}".utf8)).status == 400)
            try await expectQuarantine(sender, "no_alerts", Array("{}".utf8), counted: "quarantined")
        }
    }

    // MARK: Afterwards

    @Test("a replay takes what the rules did not, once, and asks no rule: whoever replays has decided")
    func replay() async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            try await sender.update(Self.pinned)
            let labels = try #require(try await server.push(sender.url, Self.body("1")).deliveryID)
            try await sender.update(["pinned_labels": [:], "source_cidrs": ["10.0.0.0/8"]])
            try await server.push(sender.url, ARMS.body([.init("other")]))
            let address = try #require(
                try await sender.deliveries("quarantined").first { $0["reason"] == "source_address" }?["id"]?
                    .string
            )
            for id in [labels, address] {
                #expect(try await sender.replay(id) == 1)
                #expect(try await sender.replay(id) == 0)
                let delivery = try await sender.delivery(id)
                #expect(delivery["outcome"] == "accepted")
                #expect(delivery["reason"] == .null)
            }
            #expect(try await sender.alerts().count == 2)
            #expect(try await sender.deliveries("quarantined").isEmpty)
        }
    }

    @Test("a dry run of a replay says what the replay would do, whatever is pinned")
    func dryReplay() async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            try await sender.update(Self.pinned)
            let id = try #require(try await server.push(sender.url, Self.body("1")).deliveryID)
            let path = sender.path.merging(["delivery_id": id]) { $1 }
            let dry = try await server.call(
                "replayDelivery",
                path,
                query: [("dry_run", "true")],
                key: sender.people.erin
            )
            #expect(dry.json["applied"] == 1)
            #expect(dry.json["results"]?.array?.count == 1)
            #expect(try await sender.alerts().isEmpty)
        }
    }

    @Test(
        "a replay of many and a back-test leave out what the rules keep out, unless a replay names the reason"
    )
    func many() async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            try await sender.update(Self.pinned)
            try await server.push(sender.url, Self.body("1"))
            try await server.push(sender.url, Array("{".utf8))
            try await server.push(sender.url, Self.body(Self.user))
            func replay(_ body: JSON) async throws -> JSON {
                try await server.call("replayDeliveries", sender.path, body: body, key: sender.people.erin)
                    .json
            }
            let tested = try await server.call(
                "backtest",
                sender.path,
                body: .object([:]),
                key: sender.people.erin
            )
            #expect(tested.json["deliveries"] == 1)
            #expect(tested.json["skipped"] == 2)
            let all = try await replay(.object([:]))
            #expect(all["replayed"] == 2)
            #expect(all["applied"] == 0)
            #expect(try await replay(["outcome": "quarantined"])["replayed"] == 1)
            let named = try await replay(["reason": "pinned_label"])
            #expect(named["replayed"] == 1)
            #expect(try await sender.deliveries("quarantined").map { $0["reason"] } == ["not_json"])
            #expect(try await replay(.object([:]))["replayed"] == 3)
        }
    }

    @Test("a simulation says what a push would come to: pinned labels count, addresses do not")
    func simulation() async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            try await sender.update(Self.pinned)
            try await sender.update(["source_cidrs": ["127.0.0.1"]])
            for body in [
                Self.body("1"), Self.body(Self.user), Array("$alertmanager_content".utf8), Array("{".utf8),
            ] {
                let pushed = try await server.push(sender.url, body)
                let simulated = try await sender.simulate(body)
                let delivery = try await sender.delivery(pushed.deliveryID)
                #expect(simulated["outcome"] == delivery["outcome"])
                #expect(simulated["reason"] == delivery["reason"])
                #expect(simulated["results"]?.array?.count == delivery["results"]?.array?.count)
            }
            try await sender.update(["source_cidrs": ["10.0.0.0/8"]])
            #expect(try await sender.simulate(Self.body(Self.user))["outcome"] == "accepted")
        }
    }

    @Test("deliveries are listed by their reason")
    func filter() async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            try await sender.update(Self.pinned)
            for body in [Self.body("1"), Array("{".utf8), Self.body("2"), Self.body(Self.user)] {
                try await server.push(sender.url, body)
            }
            for (reason, count) in [("pinned_label", 2), ("not_json", 1), ("source_address", 0)] {
                let query = [("outcome", "quarantined"), ("reason", reason)]
                let list = try await server.call(
                    "listDeliveries",
                    sender.path,
                    query: query,
                    key: sender.people.bob
                )
                #expect(
                    list.json["items"]?.array?.map { $0["reason"]?.string }
                        == Array(repeating: reason, count: count)
                )
            }
            let bad = try await server.call(
                "listDeliveries",
                sender.path,
                query: [("reason", "nonsense")],
                key: sender.people.bob
            )
            #expect(bad.status == 422)
        }
    }
}
