import Domain
import SQL
import Storage
import TestSupport
import Testing

@Suite("Trying a notifier")
struct NotifierTrialTests {
    /// A webhook in a channel of Acme's that sends to a receiver of the test.
    private struct Scene: Sendable {
        let people: People
        let receiver: Receiver
        let path: [String: String]

        init(_ server: TestServer, _ receiver: Receiver) async throws {
            people = try await People(server)
            self.receiver = receiver
            var path = ["account_id": people.account, "channel_id": try await people.channel("Payments")]
            let made = try await server.call(
                "createNotifier",
                path,
                body: [
                    "name": "Relay", "kind": "webhook",
                    "settings": [
                        "url": .string(receiver.base + "/hook?token=SECRET-7d1f0c3a"),
                        "headers": ["X-Team": "payments"],
                    ],
                ],
                key: people.erin
            )
            path["notifier_id"] = try #require(made.json["id"]?.string, "\(made.text)")
            self.path = path
        }

        func call(_ operation: String, _ body: JSON? = nil) async throws -> SpecAnswer {
            try await people.server.call(operation, path, body: body, key: people.erin)
        }
    }

    private func withScene(_ body: @Sendable (Scene) async throws -> Void) async throws {
        try await Receiver.with { receiver in
            try await TestServer.with(options: ["outbound-allow": "127.0.0.0/8"]) { server in
                try await body(try await Scene(server, receiver))
            }
        }
    }

    @Test("a test sends a signed sample that says what it is, and answers what the receiver said")
    func sends() async throws {
        try await withScene { scene in
            scene.receiver.answers(202, "thanks")
            let answer = try await scene.call("testNotifier")
            #expect(answer.json["sent"] == true, "\(answer.text)")
            #expect(answer.json["failure"] == .null)
            #expect(answer.json["status_code"] == 202)
            #expect(answer.json["response"] == "thanks")
            let posts = scene.receiver.posts
            #expect(posts.count == 1)
            let post = try #require(posts.first)
            #expect(post.target == "/hook?token=SECRET-7d1f0c3a")
            #expect(post.header("X-Team") == "payments")
            #expect(post.header("webhook-id")?.hasPrefix("ntfn_") == true)
            #expect(post.header("webhook-signature")?.hasPrefix("v1,") == true)
            #expect(post.json["type"] == "notifier.test")
            #expect(post.json["data"]?["message_title"] == answer.json["message_title"])
            let schema = try scene.people.server.spec.schema("WebhookAlertPayload")
            let found = scene.people.server.spec.violations(of: post.json, against: schema, mode: .answer)
            #expect(found.isEmpty, "\(String(decoding: post.body, as: UTF8.self))")
            let list = try await scene.people.server.call(
                "listNotifications",
                scene.path,
                key: scene.people.bob
            )
            #expect(list.json["items"] == [])
        }
    }

    @Test(
        "a receiver that does not take it is told of, and nothing is changed",
        arguments: [(500, "http_status"), (302, "http_status"), (429, "rate_limited"), (410, "gone")]
    )
    func fails(status: Int, failure: String) async throws {
        try await withScene { scene in
            scene.receiver.answers(status, "no SECRET-7d1f0c3a for you")
            let answer = try await scene.call("testNotifier")
            #expect(answer.status == 200)
            #expect(answer.json["sent"] == false)
            #expect(answer.json["failure"]?.string == failure)
            #expect(answer.json["status_code"]?.integer == Int64(status))
            #expect(answer.json["detail"]?.string?.isEmpty == false)
            #expect(!answer.text.contains("SECRET-7d1f0c3a"))
            #expect(scene.receiver.posts.count == 1)
            #expect(try await scene.call("getNotifier").json["status"] == "enabled")
        }
    }

    @Test("a disabled one can be tried too")
    func disabled() async throws {
        try await withScene { scene in
            let disabled = try await scene.call("updateNotifier", ["status": "disabled"])
            #expect(disabled.json["status"] == "disabled")
            #expect(try await scene.call("testNotifier").json["sent"] == true)
        }
    }

    @Test("a name that leads to where messages must not go is not reached")
    func forbidden() async throws {
        try await Receiver.with { receiver in
            try await TestServer.with { server in
                let people = try await People(server)
                var path = ["account_id": people.account, "channel_id": try await people.channel("Payments")]
                let made = try await server.call(
                    "createNotifier",
                    path,
                    body: [
                        "name": "Inside", "kind": "slack", "settings": ["url": "https://localhost:8443/"],
                    ],
                    key: people.erin
                )
                path["notifier_id"] = made.json["id"]?.string
                let answer = try await server.call("testNotifier", path, key: people.erin)
                #expect(answer.json["failure"] == "forbidden_address")
                #expect(answer.json["status_code"] == .null)
            }
        }
    }

    @Test("after a rotation both secrets sign, also after a PATCH of the settings")
    func rotation() async throws {
        try await withScene { scene in
            _ = try await scene.call("testNotifier")
            _ = try await scene.call("rotateNotifierSecret")
            let settings: JSON = ["url": .string(scene.receiver.base + "/other")]
            #expect(try await scene.call("updateNotifier", ["settings": settings]).status == 200)
            _ = try await scene.call("testNotifier")
            let counts = scene.receiver.posts.map {
                $0.header("webhook-signature")?.split(separator: " ").count
            }
            #expect(counts == [1, 2])
            #expect(scene.receiver.posts.last?.target == "/other")
        }
    }

    @Test(
        "a test passes by the gate of what goes out: it waits while the account has as much on its way as it may"
    )
    func waits() async throws {
        try await withScene { scene in
            let store = scene.people.server.store
            let id = try #require(AccountID(scene.people.account))
            let account = try await store.accounts.find(id).number
            let (opening, open) = AsyncStream<Void>.makeStream()
            let held = AsyncStream<Void>.makeStream()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<32 {
                    group.addTask {
                        try await store.sends.pass(account) {
                            held.continuation.yield()
                            for await _ in opening {}
                        }
                    }
                }
                var entered = held.stream.makeAsyncIterator()
                for _ in 0..<32 { await entered.next() }
                group.addTask {
                    let answer = try await scene.call("testNotifier")
                    #expect(answer.json["sent"] == true)
                }
                try await Task.sleep(for: .milliseconds(300))
                #expect(scene.receiver.posts.isEmpty)
                open.finish()
                try await group.waitForAll()
            }
            #expect(scene.receiver.posts.count == 1)
        }
    }

    @Test(
        "a stored template that is none any more gives way to the default; the notifier and its test say so"
    )
    func brokenInStore() async throws {
        try await withScene { scene in
            #expect(try await scene.call("getNotifier").json["template_problem"] == .null)
            let good = try await scene.call(
                "updateNotifier",
                ["template": ["title": "{{title}}", "text": "x"]]
            )
            #expect(good.json["template_problem"] == .null)
            try await scene.people.server.store.database.transaction(.platform) { connection in
                try connection.execute(
                    script:
                        "UPDATE notifiers SET title_template = '{{#labels_list.}}', text_template = '{{nothing}}'"
                )
            }
            let shown = try await scene.call("getNotifier")
            let problem = try #require(shown.json["template_problem"]?.string)
            #expect(problem.contains("template of the title") && problem.contains("template of the text"))
            let list = try await scene.call("listNotifiers")
            #expect(list.json["items"]?[0]?["template_problem"]?.string == problem)
            let test = try await scene.call("testNotifier")
            #expect(test.json["sent"] == true)
            #expect(test.json["message_title"]?.string?.hasPrefix("[Test] [Warning]") == true)
            #expect(test.json["template_problem"]?.string?.contains("no name nothing") == true)
            let half = try await scene.call("updateNotifier", ["template": ["title": "{{title}}"]])
            #expect(half.json["template_problem"]?.string?.contains("template of the title") == false)
            let mended = try await scene.call("updateNotifier", ["template": ["text": .null]])
            #expect(mended.json["template_problem"] == .null)
        }
    }

    // MARK: Previews

    @Test(
        "a preview shows what a template makes of each kind, and sends nothing",
        arguments: ["webhook", "dingtalk", "feishu", "wecom", "slack", "email"]
    )
    func preview(kind: String) async throws {
        try await withScene { scene in
            let answer = try await scene.call(
                "previewNotification",
                [
                    "kind": .string(kind),
                    "template": ["title": "T {{severity}}", "text": "in {{channel_name}}"],
                ]
            )
            #expect(answer.json["title"] == "T Warning", "\(answer.text)")
            #expect(answer.json["text"] == "in Payments")
            #expect(answer.json["template_problem"] == .null)
            #expect(answer.json["body"]?.string?.contains("in Payments") == true)
            #expect(scene.receiver.posts.isEmpty)
        }
    }

    @Test(
        "a template that can't be used gives way to the default, and the preview says why",
        arguments: ["{{#labels_list}}", "{{> other}}", "{{{title}}}", "{{nothing}}"]
    )
    func brokenTemplate(text: String) async throws {
        try await withScene { scene in
            let standard = try await scene.call("previewNotification", ["kind": "slack"])
            #expect(standard.json["template_problem"] == .null)
            let answer = try await scene.call(
                "previewNotification",
                ["kind": "slack", "template": ["text": .string(text)]]
            )
            #expect(answer.status == 200)
            #expect(answer.json["text"]?.string?.isEmpty == false)
            #expect(answer.json["template_problem"]?.string?.contains("template of the text") == true)
        }
    }

    @Test("a preview of an alert shows that alert, and no alert of another channel")
    func alert() async throws {
        try await withScene { scene in
            let server = scene.people.server
            func pushed(_ name: String, to channel: String) async throws -> String {
                let integration = try await scene.people.dedicated(name, channel: channel)
                try await server.push(
                    integration.url,
                    ARMS.body([.init(name, labels: [("alertname", name)])])
                )
                let list = try await server.call(
                    "listAlerts",
                    scene.path,
                    query: [("alert_key", name)],
                    key: scene.people.bob
                )
                return try #require(list.json["items"]?[0]?["id"]?.string)
            }
            let here = try await pushed("Here", to: scene.path["channel_id"] ?? "")
            let there = try await pushed("There", to: try await scene.people.channel("Other"))
            let shown = try await scene.call(
                "previewNotification",
                ["kind": "webhook", "alert_id": .string(here), "change": "recovered"]
            )
            #expect(shown.json["title"]?.string?.hasSuffix("] Here") == true, "\(shown.text)")
            #expect(shown.json["body"]?.string?.contains(#""change":"recovered""#) == true)
            let refused = try await scene.call(
                "previewNotification",
                ["kind": "webhook", "alert_id": .string(there)]
            )
            #expect(refused.status == 422)
            #expect(refused.json["errors"]?[0]?["pointer"] == "/alert_id")
        }
    }
}
