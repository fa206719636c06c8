import Domain
import Testing

@Suite("Condition")
struct ConditionTests {
    private static let subject = ConditionSubject(
        severity: .critical,
        title: "CPU at 95% on web-1",
        description: "since\nnoon",
        alertKey: "fp-1",
        labels: labels(
            ("env", "prod"),
            ("path", "/var/log"),
            ("empty", ""),
            ("instance", "10.1.2.3:9100"),
            ("load", "4.5"),
            ("city", "杭州")
        )
    )

    private func holds(_ key: Text, _ operator: Text, _ values: [Text]) throws -> Bool {
        var errors = ValidationErrors()
        let source = ConditionSource(key: key, operator: `operator`, values: values)
        return try #require(source.compiled(at: "", errors: &errors)).holds(for: Self.subject)
    }

    @Test(
        "every key names its part of the event",
        arguments: [
            ("severity", "Critical"), ("title", "CPU at 95% on web-1"), ("description", "since\nnoon"),
            ("alert_key", "fp-1"), ("labels.env", "prod"), ("labels.empty", ""),
        ] as [(Text, Text)]
    )
    func keys(key: Text, value: Text) throws {
        #expect(try holds(key, "in", [value]))
    }

    @Test(
        "in needs one value that matches, not_in none",
        arguments: [
            ("in", ["prod"], true), ("in", ["test"], false), ("in", ["test", "prod"], true),
            ("in", [], false),
            ("not_in", ["prod"], false), ("not_in", ["test"], true), ("not_in", ["test", "prod"], false),
            ("not_in", [], true), ("not_in", ["test", "/x/"], true),
        ] as [(Text, [Text], Bool)]
    )
    func operators(operator: Text, values: [Text], isTrue: Bool) throws {
        #expect(try holds("labels.env", `operator`, values) == isTrue)
    }

    @Test(
        "a missing label never satisfies in and always satisfies not_in",
        arguments: [
            ("in", ["prod"], false), ("in", ["*"], false), ("in", ["//"], false), ("in", ["literal:"], false),
            ("not_in", ["prod"], true), ("not_in", ["*"], true), ("not_in", ["//"], true),
        ] as [(Text, [Text], Bool)]
    )
    func missingLabel(operator: Text, values: [Text], isTrue: Bool) throws {
        #expect(try holds("labels.absent", `operator`, values) == isTrue)
    }

    @Test(
        "every form of value",
        arguments: [
            ("labels.env", "prod", true), ("labels.env", "Prod", false), ("labels.env", "pro", false),
            ("labels.env", "prod ", false), ("labels.env", "*", true), ("labels.empty", "*", true),
            ("labels.env", "p*", true), ("labels.env", "p", false), ("labels.env", "*o*", true),
            ("labels.env", "p?od", true), ("labels.env", "?prod", false), ("labels.env", "/ro/", true),
            ("labels.env", "/^ro/", false), ("labels.env", "/^prod$/", true), ("labels.env", "/PROD/", false),
            ("labels.env", "/(?i)PROD/", true), ("labels.env", "//", true), ("labels.path", "/var/log", true),
            ("labels.path", "/log/", true), ("labels.path", "literal:/var/log", true),
            ("labels.path", "/", false),
            ("labels.instance", "cidr:10.0.0.0/8", true), ("labels.instance", "cidr:11.0.0.0/8", false),
            ("labels.load", "num:gt:4", true), ("labels.load", "num:gt:4.5", false),
            ("labels.load", "num:ge:4.5", true),
            ("labels.load", "num:lt:4.5", false), ("labels.load", "num:le:4.5", true),
            ("labels.env", "num:gt:-1e9", false),
            ("labels.city", "??", true), ("labels.city", "/^..$/", true), ("labels.city", "杭*", true),
            ("severity", "Crit*", true), ("severity", "/^(Critical|Warning)$/", true),
            ("severity", "Warning", false),
        ] as [(Text, Text, Bool)]
    )
    func forms(key: Text, value: Text, isTrue: Bool) throws {
        #expect(try holds(key, "in", [value]) == isTrue)
    }

    @Test(
        "literal: takes what follows as it is",
        arguments: ["*", "a*", "?", "/re/", "cidr:10.0.0.0/8", "num:gt:1", "literal:x", "", "["] as [Text]
    )
    func literal(text: Text) throws {
        let value = try ConditionValue(Text("literal:" + text.string))
        #expect(value.matches(text))
    }

    @Test(
        "literal: matches nothing else",
        arguments: [("*", "x"), ("/x/", "x"), ("num:gt:1", "2"), ("", "x")] as [(Text, Text)]
    )
    func literalAlone(text: Text, other: Text) throws {
        let value = try ConditionValue(Text("literal:" + text.string))
        #expect(!value.matches(other))
    }

    @Test(
        "a value is compared byte by byte",
        arguments: [("é", "e\u{301}"), ("K", "\u{212A}")] as [(Text, Text)]
    )
    func notNormalised(value: Text, other: Text) throws {
        #expect(try !ConditionValue(value).matches(other))
    }

    @Test(
        "every fault is told at its place",
        arguments: [
            ("env", "in", ["x"], ["/key"]), ("labels.", "in", ["x"], ["/key"]),
            ("labels", "in", ["x"], ["/key"]),
            ("Severity", "in", ["x"], ["/key"]), ("label.env", "in", ["x"], ["/key"]),
            ("", "in", [], ["/key"]),
            ("title ", "in", ["x"], ["/key"]), ("title", "IN", ["x"], ["/operator"]),
            ("title", "", ["x"], ["/operator"]),
            ("title", "matches", ["x"], ["/operator"]), ("title", "in", ["a", "/(/"], ["/values/1"]),
            ("title", "not_in", ["/[/", "ok", "/*/"], ["/values/0", "/values/2"]),
            ("title", "in", ["/(?=x)/"], ["/values/0"]), ("title", "in", ["/\\pL{1000}/"], ["/values/0"]),
            ("title", "in", ["cidr:10.0.0.0/33"], ["/values/0"]), ("title", "in", ["cidr:"], ["/values/0"]),
            ("title", "in", ["num:5"], ["/values/0"]), ("title", "in", ["num:eq:5"], ["/values/0"]),
            ("title", "in", ["num:gt:nan"], ["/values/0"]), ("severity", "in", ["critical"], ["/values/0"]),
            ("severity", "not_in", ["Info", "Ok", "P1"], ["/values/1", "/values/2"]),
            ("severity", "in", ["literal:high"], ["/values/0"]),
            ("nope", "nope", ["/(/"], ["/key", "/operator", "/values/0"]),
        ] as [(Text, Text, [Text], [String])]
    )
    func faults(key: Text, operator: Text, values: [Text], pointers: [String]) {
        var errors = ValidationErrors()
        _ = ConditionSource(key: key, operator: `operator`, values: values).compiled(
            at: "/c/0/1",
            errors: &errors
        )
        #expect(errors.items.map(\.pointer) == pointers.map { "/c/0/1" + $0 })
    }

    @Test("what has a fault compiles to nothing")
    func nothing() {
        var errors = ValidationErrors()
        let source = ConditionSource(key: "title", operator: "in", values: ["ok", "/(/"])
        #expect(source.compiled(at: "", errors: &errors) == nil)
    }

    @Test("faults found before do not spoil a sound condition")
    func earlierFaults() {
        var errors = ValidationErrors([FieldError("/name", "must not be blank")])
        let source = ConditionSource(key: "title", operator: "in", values: ["ok"])
        #expect(source.compiled(at: "", errors: &errors) != nil)
    }

    @Test("a bad pattern is told in RE2's words")
    func patternMessage() {
        let error = #expect(throws: FieldError.self) { try ConditionValue("/a(b/") }
        #expect(error?.detail.contains("a(b") == true)
    }

    @Test("a label's name has 1 to 128 bytes", arguments: [(1, true), (128, true), (129, false)])
    func labelName(length: Int, isKey: Bool) {
        let name = Text("labels." + String(repeating: "n", count: length))
        #expect((ConditionKey(name) != nil) == isKey)
    }

    @Test(
        "a key prints what it was read from",
        arguments: ["severity", "title", "description", "alert_key", "labels.a.b c"] as [Text]
    )
    func keyNames(text: Text) {
        #expect(ConditionKey(text)?.name == text.string)
    }

    @Test("groups are compiled with pointers to each condition")
    func groups() {
        var errors = ValidationErrors()
        let sound = ConditionSource(key: "title", operator: "in", values: ["x"])
        let bad = ConditionSource(key: "title", operator: "in", values: ["x", "/(/"])
        _ = Route.compile([[sound], [sound, bad], [bad]], at: "/conditions", errors: &errors)
        #expect(errors.items.map(\.pointer) == ["/conditions/1/1/values/1", "/conditions/2/0/values/1"])
    }
}
