import TestSupport
import Testing

@Suite("No account sees another")
struct IsolationTests {
    /// Runs `body` with the estates of Alice and Charlie; fails when Charlie's listings changed meanwhile.
    private func withNeighbours(
        _ body: @Sendable (_ alice: Estate, _ charlie: Estate, TestServer) async throws -> Void
    ) async throws {
        try await TestServer.with(clock: SetClock().wall) { server in
            let alice = try await Estate(server, owner: "Alice")
            let charlie = try await Estate(server, owner: "Charlie")
            let before = try await Self.everything(of: charlie)
            try await body(alice, charlie, server)
            #expect(try await Self.everything(of: charlie) == before)
        }
    }

    /// All that the reads of an account answer, without what is written lazily after pushes and calls.
    private static func everything(of estate: Estate) async throws -> [String: JSON] {
        var result: [String: JSON] = [:]
        for operation in estate.server.spec.management
        where operation.isInAccount && operation.method == "GET" {
            let answer = try await estate.server.call(operation.id, estate.path, key: estate.admin)
            #expect(answer.status == 200, "\(operation.id)")
            result[operation.id] = answer.json.withoutUse
        }
        return result
    }

    /// Fails unless `foreign` is what `unknown` is, byte by byte, and holds nothing of `owner`.
    private func expectSame(
        _ foreign: SpecAnswer,
        _ unknown: SpecAnswer,
        hiding owner: Estate,
        _ what: String
    ) {
        #expect(foreign.status == unknown.status, "\(what)")
        #expect(foreign.withoutRequestID == unknown.withoutRequestID, "\(what)")
        let names = [foreign, unknown].map { $0.headers.map { $0.name.lowercased() }.sorted() }
        #expect(names[0] == names[1], "\(what)")
        for secret in owner.secrets {
            #expect(!foreign.text.contains(secret), "\(what) holds \(secret)")
            let values = foreign.headers.filter { $0.name.lowercased() != "x-request-id" }.map(\.value)
            #expect(!values.contains { $0.contains(secret) }, "\(what): a header holds \(secret)")
        }
    }

    @Test("another account's id in a path is answered as an id that nothing has: 404")
    func foreignIDInPath() async throws {
        try await withNeighbours { alice, charlie, server in
            var slots = 0
            for operation in server.spec.management where operation.isInAccount {
                for slot in operation.pathParameterNames where slot.hasSuffix("_id") {
                    let answers = try await [charlie.path[slot] ?? "", Unknown.id(slot)].asyncMap { id in
                        try await server.call(
                            operation.id,
                            alice.path.merging([slot: id]) { $1 },
                            body: alice.body(for: operation),
                            key: alice.admin
                        )
                    }
                    let what = "\(operation.id) \(slot)"
                    #expect(answers[0].status == 404, "\(what): \(answers[0].text)")
                    expectSame(answers[0], answers[1], hiding: charlie, what)
                    slots += 1
                }
            }
            #expect(slots > 60)
        }
    }

    @Test("a key of another account is answered on every path as if the account did not exist: 404")
    func foreignKey() async throws {
        try await withNeighbours { alice, charlie, server in
            for operation in server.spec.management where operation.isInAccount {
                let paths = [alice.path, alice.path.merging(["account_id": Unknown.id("account_id")]) { $1 }]
                let answers = try await paths.asyncMap { path in
                    try await server.call(
                        operation.id,
                        path,
                        body: alice.body(for: operation),
                        key: charlie.admin
                    )
                }
                #expect(answers[0].status == 404, "\(operation.id): \(answers[0].text)")
                expectSame(answers[0], answers[1], hiding: alice, operation.id)
            }
        }
    }

    @Test("another account's id in a query is answered as an id that nothing has: an empty list")
    func foreignIDInQuery() async throws {
        try await withNeighbours { alice, charlie, server in
            var slots = 0
            for operation in server.spec.management where operation.isInAccount {
                for slot in operation.parameters
                where slot.location == .query && slot.name.hasSuffix("_id") && slot.name != "external_id" {
                    let answers = try await [
                        charlie.path[slot.name == "actor_id" ? "api_key_id" : slot.name] ?? "",
                        Unknown.id(slot.name),
                    ].asyncMap {
                        try await server.call(
                            operation.id,
                            alice.path,
                            query: [(slot.name, $0)],
                            key: alice.admin
                        )
                    }
                    let what = "\(operation.id) ?\(slot.name)"
                    let isEmpty = answers[0].json["items"]?.array?.isEmpty ?? answers[0].body.isEmpty
                    #expect(answers[0].status == 200 && isEmpty, "\(what): \(answers[0].text)")
                    expectSame(answers[0], answers[1], hiding: charlie, what)
                    slots += 1
                }
            }
            #expect(slots == 15)
        }
    }

    @Test("another account's id in a body is answered as an id that nothing has: 422")
    func foreignIDInBody() async throws {
        try await withNeighbours { alice, charlie, server in
            var slots = 0
            for operation in server.spec.management where operation.isInAccount {
                for example in Self.bodies(of: operation) {
                    for place in example.idPlaces {
                        let ids = [charlie.id(for: place), Unknown.id(place.kind)]
                        let answers = try await ids.asyncMap { id in
                            var path = alice.path
                            if example["channel_id"] != nil, operation.method == "PATCH" {
                                path["integration_id"] = alice.dedicated.id
                            }
                            return try await server.call(
                                operation.id,
                                path,
                                body: alice.filled(example, except: place, id),
                                key: alice.admin
                            )
                        }
                        let what = "\(operation.id) \(place.pointer)"
                        #expect(answers[0].status == 422, "\(what): \(answers[0].text)")
                        let pointer = answers[0].json["errors"]?[0]?["pointer"]?.string
                        #expect(pointer == place.pointer, "\(what): \(answers[0].text)")
                        expectSame(answers[0], answers[1], hiding: charlie, what)
                        slots += 1
                    }
                }
            }
            #expect(slots > 10)
        }
    }

    /// The examples of the spec, and those for the slots that have none there.
    private static func bodies(of operation: Spec.Operation) -> [JSON] {
        var bodies = (operation.requestBody?.examples ?? []).map(\.value)
        let route: JSON = [
            "id": .string(Unknown.id("route_id")), "conditions": [],
            "mode": "name_mapping", "name_mapping_label": "team",
        ]
        if operation.id == "replaceRoutes" {
            bodies.append(["routes": [route]])
        }
        if operation.id == "simulate" {
            bodies.append(["body": "{}", "routes": [route]])
        }
        return bodies
    }

    @Test("fields that the server decides can't be written")
    func massAssignment() async throws {
        try await TestServer.with(clock: SetClock().wall) { server in
            let alice = try await Estate(server)
            let fields: [String: JSON] = [
                "account_id": .string(Unknown.id("account_id")), "version": 7, "seq": 7, "number": 7,
                "created_at": "2026-01-01T00:00:00.000Z", "updated_at": "2026-01-01T00:00:00.000Z",
                "created_by": .string(Unknown.id("api_key_id")), "secret": "s",
            ]
            for operation in server.spec.management {
                guard let body = alice.body(for: operation)?.object else { continue }
                let answer = try await server.call(
                    operation.id,
                    alice.path(of: operation),
                    body: .object(body.merging(fields) { $1 }),
                    key: alice.key(for: operation)
                )
                #expect(answer.status == 422, "\(operation.id): \(answer.text)")
                let pointers = (answer.json["errors"]?.array ?? []).compactMap { $0["pointer"]?.string }
                #expect(Set(pointers).isSuperset(of: fields.keys.map { "/\($0)" }), "\(operation.id)")
            }
        }
    }
}

// MARK: - Ids in bodies

/// Where an id stands in a body.
private struct IDPlace: Sendable {
    let pointer: String
    /// The id that stands there in the spec.
    let id: String

    /// The path parameter of ids of its kind.
    var kind: String {
        switch id.prefix(4) {
        case "chan": "channel_id"
        case "ntfr": "notifier_id"
        case "alrt": "alert_id"
        default: "route_id"
        }
    }
}

extension JSON {
    /// The places in a body that hold the id of a resource.
    fileprivate var idPlaces: [IDPlace] { places(at: "") }

    private func places(at pointer: String) -> [IDPlace] {
        switch self {
        case .string(let text):
            ["chan_", "rout_", "intg_", "ntfr_", "alrt_"].contains { text.hasPrefix($0) }
                ? [IDPlace(pointer: pointer, id: text)] : []
        case .array(let items): items.enumerated().flatMap { $1.places(at: "\(pointer)/\($0)") }
        case .object(let members):
            members.sorted { $0.key < $1.key }.flatMap { $1.places(at: "\(pointer)/\($0)") }
        default: []
        }
    }

    /// The same with `text` at `pointer`.
    fileprivate func replacing(_ pointer: String, with text: String, at here: String = "") -> JSON {
        switch self {
        case _ where here == pointer: .string(text)
        case .array(let items):
            .array(items.enumerated().map { $1.replacing(pointer, with: text, at: "\(here)/\($0)") })
        case .object(let members):
            .object(
                Dictionary(
                    uniqueKeysWithValues: members.map { name, value in
                        (name, value.replacing(pointer, with: text, at: "\(here)/\(name)"))
                    }
                )
            )
        default: self
        }
    }

    /// What is written lazily after pushes and calls.
    private static let lazyFields: Set<String> = [
        "last_used_at", "last_used_address", "use_count", "last_delivery_at", "health",
    ]

    /// The same without what moves by itself.
    fileprivate var withoutUse: JSON {
        switch self {
        case .array(let items): .array(items.map(\.withoutUse))
        case .object(let members):
            .object(members.filter { !Self.lazyFields.contains($0.key) }.mapValues(\.withoutUse))
        default: self
        }
    }
}

extension Estate {
    /// The id that stands for `place`.
    fileprivate func id(for place: IDPlace) -> String { path[place.kind] ?? "" }

    /// `example` with this account's ids, but `id` at `place`.
    fileprivate func filled(_ example: JSON, except place: IDPlace, _ id: String) -> JSON {
        filled(example).replacing(place.pointer, with: id)
    }
}

extension Sequence where Element: Sendable {
    /// One after the other.
    fileprivate func asyncMap<Value>(_ transform: (Element) async throws -> Value) async rethrows -> [Value] {
        var result: [Value] = []
        for element in self { result.append(try await transform(element)) }
        return result
    }
}
