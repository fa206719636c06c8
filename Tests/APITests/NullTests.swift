import TestSupport
import Testing

@Suite("Null")
struct NullTests {
    /// A field of a request that may be left out.
    private struct Place {
        let pointer: String
        let isNullable: Bool
    }

    @Test(
        "null is taken for a field exactly where openapi.yaml has it, for every optional field of every operation"
    )
    func everyField() async throws {
        try await TestServer.with(clock: SetClock().wall) { server in
            let estate = try await Estate(server)
            var count = 0
            for operation in server.spec.management {
                guard let content = operation.requestBody?.content["application/json"] else { continue }
                for example in content.examples {
                    for place in Self.places(example.value, content.schema, server.spec) {
                        count += 1
                        try await check(place, example.value, operation, estate)
                    }
                }
            }
            #expect(count > 150)
        }
    }

    /// An unknown field keeps the call from changing anything: what is told of the field is all that counts.
    private func check(
        _ place: Place,
        _ example: JSON,
        _ operation: Spec.Operation,
        _ estate: Estate
    ) async throws {
        guard case .object(var members) = estate.filled(example).withNull(at: place.pointer) else { return }
        members["zz_unknown"] = 0
        let answer = try await estate.server.call(
            operation.id,
            estate.path(of: operation),
            body: .object(members),
            key: operation.isForOperators ? estate.server.operatorKey : estate.admin
        )
        #expect(answer.status == 422, "\(operation.id) \(place.pointer): \(answer.text)")
        let errors = answer.json["errors"]?.array ?? []
        let details = errors.filter { $0["pointer"]?.string == place.pointer }.compactMap {
            $0["detail"]?.string
        }
        // A field of another kind of receiver is none of this one's.
        guard !details.contains(where: { $0.hasPrefix("is not a field") }) else { return }
        let isRefused = details.contains { $0.contains("null") }
        #expect(isRefused == !place.isNullable, "\(operation.id) \(place.pointer): \(answer.text)")
    }

    /// The optional fields of `value`, which is by `schema`, and of what is in it.
    private static func places(
        _ value: JSON,
        _ schema: JSON,
        _ spec: Spec,
        at pointer: String = ""
    ) -> [Place] {
        if let items = value.array {
            guard let first = items.first, let schema = resolved(schema, spec)["items"] else { return [] }
            return places(first, schema, spec, at: pointer + "/0")
        }
        guard let members = value.object else { return [] }
        let (properties, required) = fields(of: schema, for: value, spec)
        return properties.sorted { $0.key < $1.key }.flatMap { name, field -> [Place] in
            let own = pointer + "/" + name.replacing("~", with: "~0").replacing("/", with: "~1")
            let isNullable = spec.violations(of: .null, against: field).isEmpty
            let inner = members[name].map { places($0, field, spec, at: own) } ?? []
            return required.contains(name) ? inner : inner + [Place(pointer: own, isNullable: isNullable)]
        }
    }

    private static func fields(
        of schema: JSON,
        for value: JSON,
        _ spec: Spec
    ) -> (properties: [String: JSON], required: Set<String>) {
        let schema = resolved(schema, spec)
        var properties = schema["properties"]?.object ?? [:]
        var required = Set((schema["required"]?.array ?? []).compactMap(\.string))
        let choices = ["oneOf", "anyOf"].flatMap { schema[$0]?.array ?? [] }
            .filter { spec.violations(of: value, against: $0).isEmpty }
        for part in (schema["allOf"]?.array ?? []) + choices {
            let more = fields(of: part, for: value, spec)
            properties.merge(more.properties) { $1 }
            required.formUnion(more.required)
        }
        return (properties, required)
    }

    private static func resolved(_ schema: JSON, _ spec: Spec) -> JSON {
        var schema = schema
        while let reference = schema["$ref"]?.string, reference.hasPrefix("#"),
            let target = spec.document.value(at: String(reference.dropFirst()))
        {
            schema = target
        }
        return schema
    }
}

extension JSON {
    /// The same with null at a place in it.
    fileprivate func withNull(at pointer: String) -> JSON {
        let steps = pointer.split(separator: "/").map {
            String($0.replacing("~1", with: "/").replacing("~0", with: "~"))
        }
        return withNull(steps[...])
    }

    private func withNull(_ steps: ArraySlice<String>) -> JSON {
        guard let step = steps.first else { return .null }
        switch self {
        case .object(var members):
            members[step] = (members[step] ?? .object([:])).withNull(steps.dropFirst())
            return .object(members)
        case .array(var items):
            guard let index = Int(step), items.indices.contains(index) else { return self }
            items[index] = items[index].withNull(steps.dropFirst())
            return .array(items)
        default: return self
        }
    }
}
