import TestSupport
import Testing

@Suite("Combining marks", .serialized)
struct MarkTests {
    /// U+0301 again and again: comparing or hashing it as characters takes time by the square of its length.
    private static let mark: [UInt8] = [0xCC, 0x81]
    private static let place = "THE-MARKS-GO-HERE"

    private static func marks(bytes: Int) -> [UInt8] {
        [0x61] + [[UInt8]](repeating: mark, count: bytes / 2).flatMap { $0 }
    }

    /// The longest that any call took.
    private struct Slowest {
        var what = ""
        var time = Duration.zero

        /// Makes the call. One that took long is made again, twice at most: on a busy machine any call may be
        /// late, but what is slow by itself is slow each time.
        mutating func note(
            _ what: String,
            _ call: () async throws -> SpecAnswer
        ) async throws -> SpecAnswer {
            var attempt = 1
            while true {
                let start = ContinuousClock.now
                let answer = try await call()
                let time = start.duration(to: .now)
                if time < .seconds(2) || attempt == 3 {
                    #expect(time < .seconds(2), "\(what): \(time)")
                    if time > self.time { (self.what, self.time) = (what, time) }
                    return answer
                }
                attempt += 1
            }
        }
    }

    @Test("256 kB of them in the place of every text and name of every body: answered, and none is slow")
    func bodies() async throws {
        try await TestServer.with { server in
            let estate = try await Estate(server)
            let long = Self.marks(bytes: 256 << 10)
            var (slowest, count) = (Slowest(), 0)
            for operation in server.spec.operations {
                guard let body = operation.requestBody == nil ? nil : estate.body(for: operation) else {
                    continue
                }
                let path = estate.path(of: operation).merging(["account_id": estate.path["account_id"] ?? ""])
                { $1 }
                for (pointer, variant) in Self.variants(of: body, at: "") {
                    let text = try Self.replaced(Array(variant.description.utf8), by: long)
                    let answer = try await slowest.note("\(operation.id) \(pointer)") {
                        try await Self.send(
                            server,
                            operation.method,
                            try operation.path(path) + "?dry_run=true",
                            headers: [
                                ("Content-Type", "application/json"),
                                (
                                    "Authorization",
                                    "Bearer \(operation.isForOperators ? server.operatorKey : estate.admin)"
                                ),
                            ],
                            body: text
                        )
                    }
                    #expect(answer.status < 500, "\(operation.id) \(pointer): \(answer.text.prefix(300))")
                    count += 1
                }
            }
            print("marks in \(count) bodies: the slowest is \(slowest.what) with \(slowest.time)")
            #expect(count > 150)
        }
    }

    @Test(
        "as many as a head takes in every parameter, in a parameter's name and in headers: answered, and none is slow"
    )
    func queries() async throws {
        try await TestServer.with { server in
            let estate = try await Estate(server)
            let value = "a" + String(repeating: "%CC%81", count: 1_200)
            let header = String(decoding: Self.marks(bytes: 7_000), as: UTF8.self)
            var (slowest, count) = (Slowest(), 0)
            func send(
                _ operation: Spec.Operation,
                _ what: String,
                _ query: String,
                _ name: String? = nil
            ) async throws {
                let key = operation.isForOperators ? server.operatorKey : estate.admin
                let answer = try await slowest.note("\(operation.id) \(what)") {
                    try await server.send(
                        operation.method,
                        try operation.path(estate.path(of: operation)) + "?" + query,
                        headers: [("Authorization", "Bearer \(key)")] + (name.map { [($0, header)] } ?? [])
                    )
                }
                #expect(answer.status < 500, "\(operation.id) \(what): \(answer.text.prefix(300))")
                count += 1
            }
            for operation in server.spec.management where operation.method == "GET" {
                for parameter in operation.parameters where parameter.location == .query {
                    try await send(operation, parameter.name, parameter.name + "=" + value)
                }
                try await send(operation, "a name", value + "=1&" + "%61" + value + "=2")
                for name in ["If-None-Match", "X-Request-Id", "Idempotency-Key", "Content-Type"] {
                    try await send(operation, name, "", name)
                }
            }
            print("marks in \(count) heads: the slowest is \(slowest.what) with \(slowest.time)")
            #expect(count > 200)
        }
    }

    /// Sends a long body. One that is refused before it was read whole may lose its answer with its connection: then it is sent again.
    private static func send(
        _ server: TestServer,
        _ method: String,
        _ path: String,
        headers: [(String, String)],
        body: [UInt8]
    ) async throws -> SpecAnswer {
        for _ in 0..<9 {
            do {
                return try await server.send(method, path, headers: headers, body: body)
            } catch {
                let broken = ["remoteConnectionClosed", "reset", "closed channel"]
                #expect(broken.contains { "\(error)".contains($0) }, "\(error)")
            }
        }
        return try await server.send(method, path, headers: headers, body: body)
    }

    /// `body` with the marks in the place of each text, of each name and in a new member of each object: one at a time.
    private static func variants(of body: JSON, at pointer: String) -> [(pointer: String, body: JSON)] {
        switch body {
        case .string: return [(pointer, .string(place))]
        case .array(let elements):
            return elements.prefix(2).enumerated().flatMap { index, element in
                variants(of: element, at: pointer + "/\(index)").map { found in
                    var changed = elements
                    changed[index] = found.body
                    return (found.pointer, .array(changed))
                }
            }
        case .object(let members):
            var all: [(String, JSON)] = [(pointer + "/+", .object(members.merging([place: 1]) { $1 }))]
            for (name, member) in members {
                all += variants(of: member, at: pointer + "/" + name).map { found in
                    (found.pointer, .object(members.merging([name: found.body]) { $1 }))
                }
                var renamed = members
                renamed[place] = renamed.removeValue(forKey: name)
                all.append((pointer + "/" + name + " (its name)", .object(renamed)))
            }
            return all
        default: return []
        }
    }

    private static func replaced(_ text: [UInt8], by long: [UInt8]) throws -> [UInt8] {
        let place = Array(Self.place.utf8)
        let start = try #require(text.indices.first { text[$0...].starts(with: place) })
        return text[..<start] + long + text[(start + place.count)...]
    }
}
