import TestSupport
import Testing

@Suite("Spec: the checker that the contract tests stand on")
struct SpecTests {
    /// One schema, a value and where it must be found wrong; nowhere: the value is right.
    struct Case: Sendable, CustomTestStringConvertible {
        let schema: JSON
        let value: JSON
        let pointers: [String]

        init(_ schema: JSON, _ value: JSON, _ pointers: String...) {
            self.schema = schema
            self.value = value
            self.pointers = pointers
        }

        var testDescription: String { "\(value) against \(schema)" }
    }

    private static let document: JSON = [
        "components": [
            "schemas": [
                "Name": ["type": "string", "minLength": 1, "maxLength": 3],
                "Thing": [
                    "type": "object", "required": ["id"],
                    "properties": [
                        "id": ["$ref": "#/components/schemas/Name"], "at": ["format": "date-time"],
                    ],
                ],
            ]
        ]
    ]
    private static let thing: JSON = ["$ref": "#/components/schemas/Thing"]

    private func pointers(_ test: Case, mode: SchemaChecker.Mode = .asWritten) -> [String] {
        SchemaChecker(document: Self.document, mode: mode).violations(of: test.value, against: test.schema)
            .map(\.pointer)
    }

    @Test(
        "types, also lists of types",
        arguments: [
            Case(["type": "integer"], 1), Case(["type": "integer"], 1.0), Case(["type": "integer"], 1.5, ""),
            Case(["type": "integer"], true, ""), Case(["type": "boolean"], 1, ""),
            Case(["type": "number"], 1),
            Case(["type": "integer"], "1", ""), Case(["type": "string"], .null, ""),
            Case(["type": ["string", "null"]], .null), Case(["type": ["string", "null"]], 0, ""),
            Case(["type": "object"], [], ""), Case(["type": "array"], .object([:]), ""),
        ]
    )
    func types(test: Case) {
        #expect(pointers(test) == test.pointers)
    }

    @Test(
        "limits, each from both sides",
        arguments: [
            Case(["minimum": 1, "maximum": 200], 1), Case(["minimum": 1, "maximum": 200], 200),
            Case(["minimum": 1], 0, ""), Case(["maximum": 200], 200.5, ""), Case(["minimum": 1], "0"),
            Case(["exclusiveMinimum": 1], 1, ""), Case(["exclusiveMaximum": 1], 1, ""),
            Case(["minLength": 2], "支", ""), Case(["maxLength": 2], "支付"),
            Case(["maxLength": 1], "e\u{301}", ""),
            Case(["minItems": 1], [], ""), Case(["maxItems": 1], [1, 2], ""),
            Case(["uniqueItems": true], [1, 2, 1.0], "/2"),
            Case(["minProperties": 1], .object([:]), ""), Case(["maxProperties": 1], ["a": 1, "b": 2], ""),
            Case(["enum": ["Ok", .null]], .null), Case(["enum": ["Ok"]], "ok", ""), Case(["const": 1], 1.0),
            Case(["const": "a"], "b", ""), Case(["maxLength": "5"], "x", ""),
        ]
    )
    func limits(test: Case) {
        #expect(pointers(test) == test.pointers)
    }

    @Test(
        "patterns end where the text ends, and formats are what they say",
        arguments: [
            Case(["pattern": "^a_[0-9]{2}$"], "a_12"), Case(["pattern": "^a_[0-9]{2}$"], "a_12\n", ""),
            Case(["pattern": "^a_[0-9]{2}$"], "xa_12", ""), Case(["pattern": "b"], "abc"),
            Case(["pattern": "("], "(", ""),
            Case(["pattern": "^[$]+\\$$"], "$$"), Case(["pattern": "^a"], 7),
            Case(["format": "date-time"], "2026-11-20T07:18:15.578000000Z"),
            Case(["format": "date-time"], "2024-02-29T23:59:59+08:00"),
            Case(["format": "date-time"], "2025-02-29T00:00:00Z", ""),
            Case(["format": "date-time"], "2026-11-20T24:00:00Z", ""),
            Case(["format": "date-time"], "2026-11-20", ""),
            Case(["format": "date-time"], "2026-11-20T07:18:15", ""),
            Case(["format": "date-time"], "2026-11-20 07:18:15Z", ""),
            Case(["format": "date-time"], "2026-11-20T07:18:15.Z", ""),
            Case(["format": "date-time"], "2026-11-20T07:18:15Zx", ""),
            Case(["format": "uri"], "https://a.example/p/x"), Case(["format": "uri"], "/p/x", ""),
        ]
    )
    func texts(test: Case) {
        #expect(pointers(test) == test.pointers)
    }

    @Test(
        "objects and arrays, with a pointer for each fault",
        arguments: [
            Case(Self.thing, ["id": "abc"]), Case(Self.thing, ["id": ""], "/id"),
            Case(Self.thing, .object([:]), "/id"),
            Case(["items": Self.thing], [["id": "a"], ["id": 7, "at": "x"]], "/1/at", "/1/id"),
            Case(["properties": ["a": true], "additionalProperties": false], ["a": 1, "b/c": 2], "/b~1c"),
            Case(["additionalProperties": ["type": "string"]], ["a": "x", "b": 2], "/b"),
            Case(["propertyNames": ["maxLength": 2]], ["ab": 1, "abc": 1], "/abc"),
            Case(["$ref": "#/components/schemas/Nothing"], 1, ""),
            Case(["$ref": "#/components/schemas/Name", "maxLength": 2], "abc", ""),
            Case(["allOf": [["type": "string"], ["maxLength": 1]]], "ab", ""),
            Case(["anyOf": [["type": "string"], ["type": "null"]]], .null),
            Case(["anyOf": [["type": "string"], ["type": "null"]]], 1, "", ""),
            Case(["oneOf": [["minimum": 1], ["minimum": 2]]], 3, ""),
            Case(["oneOf": [["minimum": 1], ["minimum": 2]]], 1),
            Case(["not": ["type": "string"]], 1, ""), Case(["format": "idn-email"], "a@b", ""),
            Case(7, 1, ""),
        ]
    )
    func structure(test: Case) {
        #expect(pointers(test) == test.pointers)
    }

    @Test(
        "an answer may hold no field and no form of time that openapi.yaml does not name",
        arguments: [
            Case(Self.thing, ["id": "a", "at": "2026-11-20T07:18:15.578Z"]),
            Case(Self.thing, ["id": "a", "secret": 1], "/secret"),
            Case(Self.thing, ["id": "a", "at": "2026-11-20T07:18:15Z"], "/at"),
            Case(Self.thing, ["id": "a", "at": "2026-11-20T15:18:15.578+08:00"], "/at"),
            Case(["items": Self.thing], [["id": "a", "x": 1]], "/0/x"),
            Case(["additionalProperties": Self.thing], ["k": ["id": "a", "x": 1]], "/k/x"),
            Case(["properties": ["step": true], "additionalProperties": true], ["step": 1, "more": 2]),
            Case(["allOf": [Self.thing, ["properties": ["b": true]]]], ["id": "a", "b": 1]),
            Case(["allOf": [Self.thing, ["properties": ["b": true]]]], ["id": "a", "c": 1], "/c"),
            Case(["type": "object"], ["any": 1]),
        ]
    )
    func answersAreClosed(test: Case) {
        #expect(pointers(test, mode: .answer) == test.pointers)
        #expect(pointers(test).isEmpty)
    }
}

@Suite("JSON of the tests")
struct SpecJSONTests {
    @Test(
        "what is JSON",
        arguments: [
            (" {\"a\" : [1, -2.5, 1e2, true, null]} ", ["a": [1, -2.5, 100, true, .null]]),
            (#""\u4e2d\ud83d\ude00\n\/""#, "中😀\n/"),
            ("9223372036854775808", 9_223_372_036_854_775_808.0),
            ("[]", []), ("-0", 0),
        ] as [(String, JSON)]
    )
    func parses(text: String, value: JSON) throws {
        let parsed = try JSON(parsing: text)
        #expect(parsed == value)
        #expect(try JSON(parsing: parsed.bytes) == value)
    }

    @Test(
        "what is not",
        arguments: [
            "", "{", "[1,]", "{\"a\":1,}", "01", "1.", "+1", "nul", "\"a", "\"\\x\"", "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\t\"", "1 2", "{\"a\":1,\"a\":2}", "{a:1}", "\u{FEFF}1", "1e999", "'a'", "\"\\u00g0\"",
        ]
    )
    func refuses(text: String) {
        #expect(throws: JSON.ParseError.self) { try JSON(parsing: text) }
    }

    @Test("bytes that are not UTF-8, and nesting without end")
    func refusesBytes() {
        #expect(throws: JSON.ParseError.self) { try JSON(parsing: [0x22, 0xFF, 0x22]) }
        #expect(throws: JSON.ParseError.self) { try JSON(parsing: [UInt8](repeating: 0x5B, count: 100_000)) }
    }

    @Test("strings are compared by their scalars")
    func comparesScalars() {
        #expect(JSON.string("e\u{301}") != JSON.string("\u{E9}"))
        #expect(JSON.integer(1) != JSON.bool(true))
    }
}

@Suite("openapi.yaml, read")
struct SpecDocumentTests {
    @Test("no schema uses what the checker does not know, seen or not")
    func keywordsAreKnown() throws {
        let spec = try Spec.shared()
        let checker = SchemaChecker(document: spec.document, mode: .asWritten)
        for (name, schema) in try #require(spec.document.value(at: "/components/schemas")?.object) {
            #expect(checker.unknownKeywords(in: schema).isEmpty, "\(name)")
        }
        let wrong: JSON = [
            "properties": ["maxLenght": ["maxLenght": 1]], "items": ["anyOf": [["not": true]]], "title": "x",
            "additionalProperties": ["$ref": "#/nowhere"],
        ]
        let places = ["/additionalProperties/$ref", "/items/anyOf/0/not", "/properties/maxLenght/maxLenght"]
        #expect(checker.unknownKeywords(in: wrong) == places)
    }

    @Test("every example is what its schema says")
    func examplesAreValid() throws {
        let spec = try Spec.shared()
        var count = 0
        for operation in spec.operations {
            for (type, content) in operation.requestBody?.content ?? [:] {
                for example in content.examples {
                    count += 1
                    let found = spec.violations(of: example.value, against: content.schema)
                    #expect(found.isEmpty, "\(operation.id) \(type) \(example.name)")
                }
            }
            let responses = Array(operation.responses.values) + Array(operation.commonResponses.values)
            for response in responses where !response.content.isEmpty {
                for content in response.content.values {
                    #expect(!content.examples.isEmpty, "\(operation.id) \(response.status)")
                    for example in content.examples {
                        count += 1
                        let found = spec.violations(of: example.value, against: content.schema, mode: .answer)
                        #expect(found.isEmpty, "\(operation.id) \(response.status) \(example.name)")
                    }
                }
            }
        }
        #expect(count > 500)
    }

    @Test("request bodies are closed, and every body of the management API has an example")
    func requestsAreClosed() throws {
        let spec = try Spec.shared()
        for operation in spec.operations where operation.requestBody != nil && operation.requiredRole != .push
        {
            let body = try #require(operation.requestBody)
            #expect(!body.examples.isEmpty && body.isRequired, "\(operation.id)")
            let found = spec.violations(of: ["nope": 1], against: try #require(body.schema))
            #expect(found.contains(SchemaViolation("/nope", "is not a known field")), "\(operation.id)")
        }
    }

    @Test("operations are found, and their paths filled")
    func operations() throws {
        let spec = try Spec.shared()
        let operation = try spec.operation("updateChannel")
        #expect(operation.method == "PATCH" && operation.requiredRole == .editor && operation.isForOperators)
        #expect(operation.statuses == [200, 400, 401, 403, 404, 409, 412, 422, 428])
        #expect(
            operation.parameters.contains {
                $0.name == "If-Match" && $0.location == .header && !$0.isRequired
            }
        )
        #expect(
            operation.response(503)?.headers.contains { $0.name == "Retry-After" && $0.isRequired } == true
        )
        #expect(operation.response(418) == nil)
        #expect(
            try operation.path(["account_id": "a/支", "channel_id": "c"])
                == "/v1/accounts/a%2F%E6%94%AF/channels/c"
        )
        #expect(throws: SpecError.self) { try operation.path(["account_id": "a"]) }
        #expect(throws: SpecError.self) { try spec.operation("nothing") }
        #expect(try spec.values(ofEnum: "ProblemCode").count == 22)
    }

    @Test("plain YAML scalars have types, quoted ones are strings")
    func yamlScalars() throws {
        let yaml = """
            openapi: 3.1.0
            paths: {}
            x: [1, "1", 1.5, true, "true", null, ~, 3.1.0, Ok, ".", "2026-11-20T07:00:00.000Z"]
            """
        let spec = try Spec(yaml: yaml)
        let values: JSON = [
            1, "1", 1.5, true, "true", .null, .null, "3.1.0", "Ok", ".", "2026-11-20T07:00:00.000Z",
        ]
        #expect(spec.document["x"] == values)
    }
}

@Suite("Answers held against openapi.yaml")
struct SpecAnswerTests {
    private let body: JSON = ["request_id": "r", "error": ["code": "Unauthorized", "message": "no"]]
    private let headers = [
        (name: "x-request-id", value: "r"), (name: "content-type", value: "application/json; charset=utf-8"),
    ]

    private func faults(_ answer: SpecAnswer, _ operation: String = "push") throws -> [String] {
        let spec = try Spec.shared()
        return spec.violations(of: answer, to: try spec.operation(operation)).map(\.description)
    }

    @Test("a right answer has no faults, also one with a common status")
    func right() throws {
        #expect(try faults(SpecAnswer(status: 401, headers: headers, body: body.bytes)).isEmpty)
        #expect(try faults(SpecAnswer(status: 204, headers: headers, body: []), "deleteChannel").isEmpty)
        let allow = headers + [(name: "Allow", value: "POST")]
        #expect(try faults(SpecAnswer(status: 405, headers: allow, body: body.bytes)).isEmpty)
    }

    @Test("status, headers, media type, body: each fault is found")
    func wrong() throws {
        #expect(try faults(SpecAnswer(status: 418, headers: headers, body: [])).count == 1)
        #expect(
            try faults(SpecAnswer(status: 204, headers: headers, body: [0x20]), "deleteChannel").count == 1
        )
        #expect(
            try faults(SpecAnswer(status: 405, headers: headers, body: body.bytes)) == [
                "(header Allow) is missing"
            ]
        )
        #expect(try faults(SpecAnswer(status: 401, headers: [headers[1]], body: body.bytes)).count == 1)
        #expect(try faults(SpecAnswer(status: 401, headers: [headers[0]], body: body.bytes)).count == 1)
        let html = [headers[0], (name: "Content-Type", value: "text/html")]
        #expect(try faults(SpecAnswer(status: 401, headers: html, body: body.bytes)).count == 1)
        #expect(try faults(SpecAnswer(status: 401, headers: headers, body: [])).count == 1)
        #expect(try faults(SpecAnswer(status: 401, headers: headers, body: JSON.null.bytes)).isEmpty == false)
        let leak: JSON = [
            "request_id": "r", "error": ["code": "Unauthorized", "message": "no", "why": "expired"],
        ]
        #expect(
            try faults(SpecAnswer(status: 401, headers: headers, body: leak.bytes)) == [
                "/error/why is not documented"
            ]
        )
    }

    @Test("coverage names what was never seen, and excuses that are not needed")
    func coverage() throws {
        let spec = try Spec.shared()
        let coverage = SpecCoverage()
        let all = SpecCoverage.documented(by: spec)
        #expect(coverage.unseen(of: spec) == all && !all.isEmpty)
        for pair in all.dropFirst(2) { coverage.record(pair.operationID, pair.status) }
        #expect(coverage.unseen(of: spec) == Array(all.prefix(2)))
        let excuse = SpecCoverage.Excuse(all[0].operationID, all[0].status, because: "a test")
        let old = SpecCoverage.Excuse(all[5].operationID, all[5].status, because: "no longer true")
        let foreign = SpecCoverage.Excuse("nothing", 200, because: "not documented")
        #expect(coverage.unseen(of: spec, excusing: [excuse, old]) == [all[1]])
        #expect(
            coverage.stale([excuse, old, foreign], of: spec).map(\.operationID)
                == [all[5].operationID, "nothing"].sorted()
        )
    }
}
