import Domain
import Testing

@Suite("Name")
struct NameTests {
    private static func text(_ scalar: String, _ count: Int) -> Text {
        Text(String(repeating: scalar, count: count))
    }

    @Test(
        "a name has 1 to 64 scalars and at most 255 bytes",
        arguments: [
            "a", "Payments", "支付 通道", text("a", 64), text("é", 64), text("容", 64), text("𝄞", 63), "a\u{A0}b",
            "🚨", "e\u{301}",
            "\u{FFFD}", "=1+1", "<b>",
        ] as [Text]
    )
    func accepted(text: Text) throws {
        #expect(try Name(text).text == text)
    }

    @Test(
        "anything else is refused, and it is said why",
        arguments: [
            ("", "must not be blank"), (" ", "must not be blank"), ("\t\n", "must not be blank"),
            (text("a", 65), "must have at most 64 characters"),
            (text("e\u{301}", 33), "must have at most 64 characters"),
            (text("𝄞", 64), "must have at most 255 bytes"), (" a", "must not begin or end with white space"),
            ("a ", "must not begin or end with white space"),
            ("a\n", "must not begin or end with white space"),
            ("a\nb", "must not contain control characters"),
            ("a\r\nb", "must not contain control characters"),
            ("a\u{1}b", "must not contain control characters"),
            ("a\u{7F}b", "must not contain control characters"),
            ("a\u{85}b", "must not contain control characters"),
            ("a\u{202E}b", "must not contain control characters"),
            ("a\u{2066}b", "must not contain control characters"),
            ("a\u{1B}[31m", "must not contain control characters"),
        ] as [(Text, String)]
    )
    func refused(text: Text, detail: String) {
        let error = #expect(throws: FieldError.self) { try Name(text) }
        #expect(error == FieldError("", detail))
    }

    @Test(
        "names that differ in case alone are one",
        arguments: [
            ("Ops", "OPS", true), ("Öl", "öL", true), ("é", "e\u{301}", false), ("a b", "a  b", false),
        ] as [(Text, Text, Bool)]
    )
    func folded(one: Text, other: Text, isSame: Bool) throws {
        #expect(try (Name(one).foldedKey == Name(other).foldedKey) == isSame)
    }
}

@Suite("ValidationErrors")
struct ValidationErrorsTests {
    @Test("keeps every error in the order in which they were found")
    func order() {
        var errors = ValidationErrors([FieldError("/b", "1")])
        errors.add("/a", "2")
        errors.add("/a", "2")
        #expect(errors.items == [FieldError("/b", "1"), FieldError("/a", "2"), FieldError("/a", "2")])
    }

    @Test("is empty until one is added")
    func empty() {
        #expect(ValidationErrors().isEmpty)
    }
}

@Suite("Change")
struct ChangeTests {
    @Test(
        "keeps, clears or sets, whatever is there",
        arguments: [
            (.keep, 1, 1), (.keep, nil, nil), (.clear, 1, nil), (.clear, nil, nil), (.set(2), 1, 2),
            (.set(2), nil, 2),
        ]
            as [(Change<Int>, Int?, Int?)]
    )
    func applied(change: Change<Int>, current: Int?, result: Int?) {
        #expect(change.applied(to: current) == result)
    }

    @Test(
        "only keep keeps",
        arguments: [(.keep, true), (.clear, false), (.set(1), false)] as [(Change<Int>, Bool)]
    )
    func keeps(change: Change<Int>, isKeep: Bool) {
        #expect(change.isKeep == isKeep)
    }
}
