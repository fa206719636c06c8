import Native
import Testing

@Suite("Pattern")
struct PatternTests {
    @Test(
        "matches anywhere unless anchored",
        arguments: [
            ("b+", "abbc", true), ("^b", "abbc", false), ("^prod-.*$", "prod-hz-1", true),
            ("(?i)CPU", "容器cpu使用率", true),
            ("^容器.PU", "容器CPU使用率大于80%", true), ("^.$", "𝄞", true), (#"\p{Han}{2}"#, "a中文", true),
            ("", "", true),
            ("^$", "x", false), ("a.c", "a\nc", false), (#"\d{3}"#, "12", false),
        ]
    )
    func matching(source: String, text: String, isMatch: Bool) throws {
        let pattern = try Pattern(source)
        #expect(pattern.matches(text) == isMatch)
        #expect(pattern.matches(utf8(text)) == isMatch)
        #expect(pattern.matches(utf8(text).span) == isMatch)
    }

    @Test("text need not end in NUL and may contain it")
    func nul() throws {
        let text = utf8("abc\u{0}def")
        #expect(try Pattern("f$").matches(text))
        #expect(try Pattern(#"c\x00d"#).matches(text))
        #expect(try !Pattern("d").matches(text.span.extracting(0..<4)))
    }

    @Test(
        "bad expressions are refused with RE2's message",
        arguments: [
            ("(", "missing"), ("[a", "missing"), ("*", "no argument"), ("a{2000}", "repetition"),
            (#"(?=x)"#, "(?="),
            (#"\1"#, "escape"), ("a**", "repetition"),
        ]
    )
    func bad(source: String, part: String) {
        let error = #expect(throws: PatternError.self) { try Pattern(source) }
        guard case .syntax(let message) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(message.contains(part))
        #expect(error?.message == message)
    }

    @Test("an expression that is not UTF-8 is refused")
    func badUTF8() {
        #expect(throws: PatternError.self) { try Pattern([0x61, 0xFF]) }
    }

    @Test("an expression that compiles to more than the memory allowed is refused")
    func memory() throws {
        let source = #"((\pL{10}){10}){10}"#
        let error = #expect(throws: PatternError.self) { try Pattern(source) }
        guard case .tooLarge = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(throws: PatternError.self) { try Pattern("(abcdefghij){50}", maximumMemory: 4_096) }
        _ = try Pattern("(abcdefghij){50}", maximumMemory: 1 << 22)
    }

    @Test("nested repetition is not exponential", .timeLimit(.minutes(10)))
    func linear() throws {
        let text = String(repeating: "a", count: 50) + "b"
        #expect(try !Pattern("^(a+)+$").matches(text))
        #expect(try Pattern("^(a+)+b$").matches(text))
    }

    @Test(
        "an escaped literal matches itself alone",
        arguments: ["", "a.b*c", "[x](y)|^$\\", "容器+", "a\u{0}b", "\n"]
    )
    func literal(text: String) throws {
        let pattern = try Pattern("^(?:" + Pattern.literal(escaping: text) + ")$")
        #expect(pattern.matches(text))
        #expect(!pattern.matches(text + "x"))
        #expect(Pattern.literal(escaping: utf8(text)) == utf8(Pattern.literal(escaping: text)))
    }

    @Test("one pattern serves many tasks at once")
    func concurrent() async throws {
        let pattern = try Pattern("^(node|pod)-[0-9]+[a-f]*$")
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    (0..<200).allSatisfy { pattern.matches("pod-\($0)af") && !pattern.matches("pod-\($0)x") }
                }
            }
            for await isRight in group { #expect(isRight) }
        }
    }
}
