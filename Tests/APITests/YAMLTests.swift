import TestSupport
import Testing

@Suite("Documents in YAML")
struct YAMLTests {
    /// A text and what is wrong with it.
    struct Bad: Sendable, CustomTestStringConvertible {
        let name: String
        let text: String
        let status: Int
        /// What the answer says.
        let detail: String

        var testDescription: String { name }

        init(_ name: String, _ text: String, _ status: Int = 400, _ detail: String) {
            (self.name, self.text, self.status, self.detail) = (name, text, status, detail)
        }
    }

    /// Aliases of aliases: each line stands for nine times the one before.
    private static func bomb(_ last: String) -> String {
        var text = "a: &a [x,x,x,x,x,x,x,x,x]\n"
        for (old, new) in zip("abcdefgh", "bcdefghi") {
            let list = [String](repeating: "*\(old)", count: 9).joined(separator: ",")
            text += "\(new): &\(new) [\(list)]\n"
        }
        return text + last
    }

    static let bad: [Bad] = [
        Bad("an anchor", "channels:\n  A: &x {}\n", 400, "Line 2: anchors"),
        Bad("an anchor on a key", "&x channels: {}\n", 400, "Line 1: anchors"),
        Bad("an alias", "channels:\n  A:\n    *x : 1\n", 400, "Line 3: aliases"),
        Bad("aliases of aliases", bomb("j: *i\n"), 400, "Line 1: anchors"),
        Bad("aliases of aliases in a key", bomb("? *i\n: 1\n"), 400, "Line 1: anchors"),
        Bad("a list as a key", "? [a, b]\n: 1\n", 400, "Line 1: a key must be a text"),
        Bad("a mapping as a key", "channels:\n  ? {a: b}\n  : 1\n", 400, "Line 2: a key must be a text"),
        Bad("a merge key", "channels:\n  <<: {a: b}\n", 400, "Line 2: merge keys"),
        Bad("a key twice", "channels: {}\nx: 1\nchannels: {}\n", 400, "Line 3: the key channels"),
        Bad("a key twice, otherwise quoted", "a: 1\n\"\\u0061\": 2\n", 400, "Line 2: the key a"),
        Bad("a tag", "channels: !ruby/object:A {}\n", 400, "Line 1: only tags"),
        Bad("a tag that does not fit", "channels: !!int x\n", 400, "Line 1: this tag"),
        Bad("binary", "channels: !!binary aGk=\n", 400, "Line 1: only tags"),
        Bad("two documents", "channels: {}\n---\nx: 1\n", 400, "Line 2: a second document"),
        Bad("a directive", "%TAG ! tag:x,2000:\n---\na: 1\n", 400, "Line 1: a line must not begin with %"),
        Bad("no end", "channels: [\n", 400, "is not valid YAML"),
        Bad("nothing", "", 400, "empty"),
        Bad("no UTF-8", "\u{1}", 400, "is not valid YAML"),
        Bad("a text", "just text", 422, ""),
        Bad("deep lists", String(repeating: "[", count: 100_000), 400, "nesting"),
        Bad("deep mappings", String(repeating: "{a: ", count: 100_000), 413, "deeper"),
        Bad(
            "deep blocks",
            (0..<40).map { String(repeating: " ", count: $0) + "a:\n" }.joined(),
            413,
            "deeper"
        ),
    ]

    @Test("what is not taken is refused where it stands, with what to do", arguments: bad)
    func refusals(bad: Bad) async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let answer = try await plan(Array(bad.text.utf8), people)
            #expect(answer.status == bad.status, "\(answer.text)")
            #expect(answer.json["detail"]?.string?.contains(bad.detail) == true, "\(answer.text)")
        }
    }

    @Test("scalars are those of the core schema; long texts, blocks and quotes are texts")
    func scalars() async throws {
        let texts = [
            "yes", "off", "1e", "0x", "+", ".", "'12'", "\"true\"", "!!str 12", "!!str", "! 12", "|-\n   12",
            ">-\n   12",
            String(repeating: "1", count: 41), "1_000", "12:30", "2027-01-31", ".inf", "nan",
        ]
        let others = [
            "12": "a string", "-1": "a string", "0x1F": "a string", "1.5": "a string", "true": "a string",
        ]
        try await TestServer.with { server in
            let people = try await People(server)
            func answer(_ value: String) async throws -> SpecAnswer {
                let text = "channels:\n A:\n  description: \(value)\nintegrations: {}\nseverity_tables: {}\n"
                return try await plan(Array(text.utf8), people)
            }
            for text in texts {
                let answer = try await answer(text)
                #expect(answer.status == 200, "\(text): \(answer.text)")
            }
            for (text, detail) in others {
                let answer = try await answer(text)
                #expect(answer.status == 422, "\(text): \(answer.text)")
                #expect(answer.text.contains(detail), "\(text): \(answer.text)")
            }
            // A field is left out by leaving it out.
            for text in ["", "~", "null", "!!null ''"] {
                let answer = try await answer(text)
                #expect(
                    answer.status == 422 && answer.text.contains("can't be null"),
                    "\(text): \(answer.text)"
                )
            }
        }
    }

    @Test(
        "time is linear in the bytes: twice as many do not take four times as long",
        arguments: ["keys", "marks", "names", "anchors", "tags", "lists", "comments"]
    )
    func linear(kind: String) async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            func seconds(_ count: Int) async throws -> Double {
                let text = hostile(kind, count)
                let start = ContinuousClock.now
                let answer = try await plan(Array(text.utf8), people)
                #expect(answer.status >= 400)
                return start.duration(to: .now) / .seconds(1)
            }
            _ = try await seconds(1_000)
            let small = try await seconds(12_500)
            var large = Double.infinity
            // What is not linear takes as long each time; on a busy machine one call may.
            for _ in 0..<3 where large >= max(2, small * 32) { large = try await seconds(100_000) }
            #expect(large < max(2, small * 32), "\(kind): \(small) s, \(large) s")
        }
    }

    /// A document with `count` of something.
    private func hostile(_ kind: String, _ count: Int) -> String {
        switch kind {
        case "keys": (0..<count).map { "k\($0): 1\n" }.joined() + "k0: 1\n"
        case "marks": "channels:\n  \"a" + String(repeating: "\\u0301", count: count) + "\": {}\n"
        case "names":
            "channels:\n"
                + (0..<count / 10).map { "  \"a\($0)" + String(repeating: "\u{301}", count: 10) + "\": 1\n" }
                .joined()
        case "anchors": (0..<count).map { "k\($0): &a\($0) 1\n" }.joined()
        case "tags": (0..<count).map { "%TAG !a\($0)! tag:x,2000:\n" }.joined() + "---\na: 1\n"
        case "lists": "channels: [" + String(repeating: "[],", count: count) + "]\n"
        default: String(repeating: "# comment\n\n", count: count)
        }
    }

    private func plan(_ bytes: [UInt8], _ people: People) async throws -> SpecAnswer {
        try await people.server.callRaw(
            try people.server.spec.operation("planConfiguration"),
            ["account_id": people.account],
            headers: [("Content-Type", "application/yaml")],
            body: bytes,
            key: people.erin
        )
    }
}
