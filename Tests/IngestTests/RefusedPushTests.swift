import Domain
import Storage
import TestSupport
import Testing

@Suite("Bad pushes")
struct RefusedPushTests {
    @Test(
        "what is not JSON or holds no alerts is kept as quarantined and answered 400 with its delivery",
        arguments: [
            ("", "not_json"), ("{", "not_json"), ("not JSON", "not_json"), ("[]", "no_alerts"),
            ("{}", "no_alerts"), (#"{"alerts":[]}"#, "no_alerts"), (#"{"alerts":{}}"#, "no_alerts"),
            (String(repeating: "[", count: 100), "not_json"),
        ]
    )
    func quarantined(body: String, reason: String) async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            let answer = try await server.push(sender.url, Array(body.utf8))
            #expect(answer.status == 400)
            #expect(answer.json["error"]?["code"] == "InvalidParameter")
            let delivery = try await sender.delivery(answer.deliveryID)
            #expect(delivery["outcome"] == "quarantined")
            #expect(delivery["reason"]?.string == reason)
            #expect(delivery["body"]?.string == body)
            let metrics = try await server.call("getMetrics", key: nil)
            #expect(metrics.text.contains(#"result="quarantined"} 1"#))
        }
    }

    @Test("a push with more than 10,000 alerts is kept as quarantined and answered 413")
    func tooManyAlerts() async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            let alerts = Array(repeating: #"{"labels":{}}"#, count: 10_001).joined(separator: ",")
            let answer = try await server.push(sender.url, Array((#"{"alerts":["# + alerts + "]}").utf8))
            #expect(answer.status == 413)
            #expect(answer.json["error"]?["code"] == "EntityTooLarge")
            let kept = try await sender.deliveries("quarantined")
            #expect(kept.map { $0["reason"]?.string } == ["too_many_alerts"])
        }
    }

    // MARK: Tokens

    @Test("every other spelling of a token gets the one 401, and nothing is kept")
    func aliases() async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            let token = sender.token
            let refused = try await server.send("POST", "/p/none", body: Sender.body)
            for text in Self.otherSpellings(of: token) {
                let answer = try await server.send("POST", "/p/" + text, body: Sender.body)
                #expect(answer.status == 401, "\(text)")
                #expect(answer.withoutRequestID == refused.withoutRequestID, "\(text)")
            }
            let all = try await server.call("listDeliveries", sender.path, key: sender.people.bob)
            #expect(all.json["items"]?.array?.isEmpty == true)
        }
    }

    private static func otherSpellings(of token: String) -> [String] {
        [
            token.lowercased(), token.uppercased(), String(token.dropLast()), token + "0", "0" + token,
            "%74" + token.dropFirst(), token + ";x", token + "%20", "%20" + token, token + "%00",
            token + ",\(token)",
            "%EF%BD%94" + token.dropFirst(), token + "%CC%81", "tpu_" + String(repeating: "0", count: 51),
            "tpu_1elhGfzq9UETv6n0C9q9fIGAIIiJG35RLQCvLb2hXpd122mWFnr",
        ]
    }

    /// The ways in which a token that was right once is right no more; all but the last are kept.
    private enum Reason: String, CaseIterable {
        case wrongType = "wrong_type"
        case revoked
        case accountSuspended = "account_suspended"
        case integrationDisabled = "integration_disabled"
        case expired
    }

    /// Makes `reason` true.
    private func bringAbout(_ reason: Reason, _ sender: Sender, _ clock: SetClock) async throws {
        let pushURL = try await sender.pushURL()
        switch reason {
        case .wrongType: break
        case .revoked: try await sender.server.call("deletePushURL", pushURL, key: sender.people.erin)
        case .accountSuspended: try await sender.updateAccount(["status": "suspended"])
        case .integrationDisabled: try await sender.update(["status": "disabled"])
        case .expired:
            let soon: JSON = ["expires_at": "2026-11-20T09:00:00Z"]
            try await sender.server.call("updatePushURL", pushURL, body: soon, key: sender.people.erin)
            clock.advance(seconds: 7_200)
        }
    }

    @Test(
        "a token that is right no more gets the one 401 even for a body that is refused",
        arguments: Reason.allCases
    )
    private func rightNoMoreWithBadBody(reason: Reason) async throws {
        let clock = SetClock()
        try await TestServer.with(clock: clock.wall) { server in
            let sender = try await Sender(server)
            try await bringAbout(reason, sender, clock)
            let compatible = server.store.publicURL.base + "/event/push/alert/prometheus?integration_key="
            let url = reason == .wrongType ? compatible + String(sender.url.suffix(55)) : sender.url
            let answer = try await server.push(url, Sender.body, headers: [("Content-Encoding", "gzip")])
            #expect(answer.status == 401)
        }
    }

    @Test("a token that is right no more gets the one 401; its owner learns why", arguments: Reason.allCases)
    private func rightNoMore(reason: Reason) async throws {
        let clock = SetClock()
        try await TestServer.with(clock: clock.wall) { server in
            let sender = try await Sender(server)
            #expect(try await server.push(sender.url, Sender.body).status == 200)
            try await bringAbout(reason, sender, clock)
            let compatible = server.store.publicURL.base + "/event/push/alert/prometheus?integration_key="
            let url = reason == .wrongType ? compatible + sender.token : sender.url
            let answer = try await server.push(url, Sender.body)
            let forged = try await server.send("POST", "/p/none", body: Sender.body)
            #expect(answer.status == 401)
            #expect(answer.withoutRequestID == forged.withoutRequestID)
            try await sender.expectRefusals(reason.rawValue)
        }
    }

    @Test(
        "a push to an expired URL or a disabled integration is kept as refused",
        arguments: [Reason.expired, .integrationDisabled]
    )
    private func keptAsRefused(reason: Reason) async throws {
        let clock = SetClock()
        try await TestServer.with(clock: clock.wall) { server in
            let sender = try await Sender(server)
            try await bringAbout(reason, sender, clock)
            #expect(try await server.push(sender.url, Sender.body).status == 401)
            let kept = try await sender.deliveries("refused")
            #expect(kept.map { $0["reason"]?.string } == [reason.rawValue])
            let delivery = try await sender.delivery(kept.first?["id"]?.string)
            #expect(delivery["body"]?.string == String(decoding: Sender.body, as: UTF8.self))
            #expect(try await sender.alerts().isEmpty)
        }
    }

    @Test("a revoked, wrong or suspended one is not kept", arguments: [Reason.revoked, .wrongType])
    private func notKept(reason: Reason) async throws {
        let clock = SetClock()
        try await TestServer.with(clock: clock.wall) { server in
            let sender = try await Sender(server)
            try await bringAbout(reason, sender, clock)
            let compatible = "/event/push/alert/prometheus?integration_key=\(sender.token)"
            let path = reason == .wrongType ? compatible : "/p/\(sender.token)"
            #expect(try await server.send("POST", path, body: Sender.body).status == 401)
            #expect(try await sender.deliveries("refused").isEmpty)
        }
    }

    // MARK: The body and the method

    @Test("a body that is announced as too large is 413 before it comes, and the connection is closed")
    func tooLargeAnnounced() async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            try await RawConnection.with(server) { connection in
                let head = "POST /p/\(sender.token) HTTP/1.1\r\nHost: t\r\nContent-Length: 5000000\r\n\r\n"
                try await connection.say(head)
                #expect(try await connection.hear("EntityTooLarge"))
                #expect(connection.heard.hasPrefix("HTTP/1.1 413"))
                await connection.hearEnd()
            }
            try await sender.expectRefusals("too_large")
        }
    }

    @Test("a chunked body is 413 when it passes the limit, and the connection is closed")
    func tooLargeChunked() async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            try await RawConnection.with(server) { connection in
                let head = "POST /p/\(sender.token) HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
                try await connection.say(head)
                let chunk = "10000\r\n" + String(repeating: " ", count: 65_536) + "\r\n"
                for _ in 0..<65 { try await connection.say(chunk) }
                #expect(try await connection.hear("EntityTooLarge"))
                #expect(connection.heard.hasPrefix("HTTP/1.1 413"))
                await connection.hearEnd()
            }
            try await sender.expectRefusals("too_large")
        }
    }

    @Test(
        "a head that two parsers may read differently is 400, and the connection is closed",
        arguments: [
            "POST /p HTTP/1.1\r\n\r\n", "POST /p HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: a/b\r\n\r\n",
            "POST /p HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        ]
    )
    func ambiguousHead(head: String) async throws {
        try await TestServer.with { server in
            try await RawConnection.with(server) { connection in
                try await connection.say(head)
                #expect(try await connection.hear("\r\n\r\n"))
                #expect(connection.heard.contains(" 400 "))
                await connection.hearEnd()
            }
        }
    }

    @Test("a connection of HTTP/1.0 is closed after the answer", arguments: ["/healthz", "/p"])
    func oldVersion(path: String) async throws {
        try await TestServer.with { server in
            try await RawConnection.with(server) { connection in
                try await connection.say("GET \(path) HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                #expect(try await connection.hear("\r\n\r\n"))
                await connection.hearEnd()
            }
        }
    }

    @Test("bodies that one tenant holds back leave room for another's")
    func heldBackBodies() async throws {
        try await TestServer.with { server in
            let (holder, other) = (try await Sender(server), try await Sender(server))
            let head = "POST /p/\(holder.token) HTTP/1.1\r\nHost: t\r\nContent-Length: 4194304\r\n\r\nx"
            try await withThrowingTaskGroup(of: Void.self) { group in
                let held = Lock(0)
                for _ in 0..<80 {
                    group.addTask {
                        try await RawConnection.with(server) { connection in
                            try await connection.say(head)
                            held.withLock { $0 += 1 }
                            while !Task.isCancelled { try await Task.sleep(for: .milliseconds(50)) }
                        }
                    }
                }
                while held.withLock({ $0 }) < 80 { try await Task.sleep(for: .milliseconds(20)) }
                #expect(try await server.push(other.url, Sender.body).status == 200)
                group.cancelAll()
                while let result = await group.nextResult() { _ = result }
            }
        }
    }

    @Test(
        "a Content-Encoding that can't be undone is 415, counted, and kept as it came",
        arguments: ["gzip", "deflate", "br", "gzip, gzip", "zstd", "gzip, gzip, gzip"]
    )
    func contentEncoding(encoding: String) async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            let answer = try await server.push(
                sender.url,
                Sender.body,
                headers: [("Content-Encoding", encoding)]
            )
            #expect(answer.status == 415)
            #expect(answer.json["error"]?["code"] == "InvalidContentType")
            try await sender.expectRefusals("content_encoding")
            let id = try #require(answer.json["error"]?["delivery_id"]?.string)
            let kept = try await server.call(
                "getDelivery",
                ["account_id": sender.people.account, "delivery_id": id],
                key: sender.people.bob
            )
            #expect(kept.json["outcome"] == "quarantined")
            #expect(kept.json["reason"] == "content_encoding")
            #expect(kept.json["body"]?.string == String(decoding: Sender.body, as: UTF8.self))
        }
    }

    @Test(
        "another method is 405 and told to choose POST",
        arguments: ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"],
        ["/p/TOKEN", "/p", "/event/push/alert/aliyun-arms"]
    )
    func wrongMethod(method: String, path: String) async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            let answer = try await server.send(method, path.replacing("TOKEN", with: sender.token))
            #expect(answer.status == 405)
            #expect(answer.header("Allow") == "POST")
            #expect(answer.json["error"]?["code"] == "MethodNotAllowed")
            #expect(answer.json["error"]?["message"]?.string?.contains("choose POST") == true)
        }
    }

    // MARK: No room

    @Test("an account that keeps as many bytes as it may is answered 503, and counted")
    func byteQuota() async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            try await sender.updateAccount(["stored_bytes_limit": 0])
            let answer = try await server.push(sender.url, Sender.body)
            #expect(answer.status == 503)
            #expect(answer.header("Retry-After") != nil)
            try await sender.expectRefusals("stored_bytes_limit")
            #expect(try await sender.alerts().isEmpty)
        }
    }

    @Test("a full queue is answered 503, and counted")
    func queueFull() async throws {
        var bounds = GroupCommit.Bounds()
        bounds.items = 0
        try await TestServer.with(bounds: bounds) { server in
            let sender = try await Sender(server)
            let answer = try await server.push(sender.url, Sender.body)
            #expect(answer.status == 503)
            #expect(answer.json["error"]?["code"] == "ServiceUnavailable")
            #expect(answer.header("Retry-After") != nil)
            try await sender.expectRefusals("overloaded")
        }
    }
}
