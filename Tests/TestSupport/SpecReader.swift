/// Turns a decoded OpenAPI document into operations, its references resolved. Whatever it can't read, it
/// refuses: a typing error in openapi.yaml must not weaken a test.
struct SpecReader {
    private static let methods = ["get", "put", "post", "delete", "patch"]

    let document: JSON

    func operations() throws(SpecError) -> [Spec.Operation] {
        var result: [Spec.Operation] = []
        for (path, item) in try members(document, "paths") {
            let shared = try parameters(item)
            for (name, value) in try object(item, path) where name != "parameters" {
                guard Self.methods.contains(name) else { throw SpecError("\(path): \(name) is not a method") }
                result.append(try operation(value, method: name, path: path, shared: shared))
            }
        }
        return result
    }

    private func operation(
        _ value: JSON,
        method: String,
        path: String,
        shared: [Spec.Parameter]
    ) throws(SpecError) -> Spec.Operation {
        guard let id = value["operationId"]?.string else {
            throw SpecError("\(method) \(path): no operationId")
        }
        guard let role = value["x-required-role"]?.string.flatMap(Spec.RequiredRole.init(rawValue:)) else {
            throw SpecError("\(id): no x-required-role")
        }
        guard let isForOperators = value["x-operator"]?.bool else { throw SpecError("\(id): no x-operator") }
        let own = try parameters(value)
        return Spec.Operation(
            id: id,
            method: method.uppercased(),
            path: path,
            tags: (value["tags"]?.array ?? []).compactMap(\.string),
            requiredRole: role,
            isForOperators: isForOperators,
            parameters: shared + own,
            requestBody: try requestBody(value),
            responses: try responses(value["responses"], of: id),
            commonResponses: try responses(document["x-common-responses"]?[kind(of: role)], of: id)
        )
    }

    /// The name in `x-common-responses` for operations of this role.
    private func kind(of role: Spec.RequiredRole) -> String {
        switch role {
        case .none: "probe"
        case .push: "push"
        default: "management"
        }
    }

    private func parameters(_ owner: JSON) throws(SpecError) -> [Spec.Parameter] {
        var result: [Spec.Parameter] = []
        for item in owner["parameters"]?.array ?? [] {
            let value = try resolved(item)
            guard let name = value["name"]?.string, let schema = value["schema"],
                let location = value["in"]?.string.flatMap(Spec.Parameter.Location.init(rawValue:))
            else { throw SpecError("a parameter can't be read: \(value)") }
            result.append(
                Spec.Parameter(
                    name: name,
                    location: location,
                    isRequired: value["required"]?.bool ?? false,
                    schema: schema
                )
            )
        }
        return result
    }

    private func requestBody(_ operation: JSON) throws(SpecError) -> Spec.RequestBody? {
        guard let body = operation["requestBody"] else { return nil }
        let value = try resolved(body)
        return Spec.RequestBody(isRequired: value["required"]?.bool ?? false, content: try content(value))
    }

    private func responses(_ owner: JSON?, of id: String) throws(SpecError) -> [Int: Spec.Response] {
        guard let owner else { throw SpecError("\(id): no responses") }
        var result: [Int: Spec.Response] = [:]
        for (name, item) in try object(owner, id) where name != "default" {
            guard let status = Int(name), (200...599).contains(status) else {
                throw SpecError("\(id): \(name) is not a status")
            }
            let value = try resolved(item)
            result[status] = Spec.Response(
                status: status,
                content: try content(value),
                headers: try headers(value)
            )
        }
        return result
    }

    private func headers(_ response: JSON) throws(SpecError) -> [Spec.Header] {
        var result: [Spec.Header] = []
        for (name, item) in try members(response, "headers", isOptional: true) {
            let value = try resolved(item)
            guard let schema = value["schema"] else { throw SpecError("the header \(name) has no schema") }
            result.append(
                Spec.Header(name: name, isRequired: value["required"]?.bool ?? false, schema: schema)
            )
        }
        return result
    }

    private func content(_ owner: JSON) throws(SpecError) -> [String: Spec.MediaType] {
        var result: [String: Spec.MediaType] = [:]
        for (name, value) in try members(owner, "content", isOptional: true) {
            guard let schema = value["schema"] else { throw SpecError("\(name) without a schema") }
            result[name] = Spec.MediaType(schema: schema, examples: try examples(value))
        }
        return result
    }

    private func examples(_ mediaType: JSON) throws(SpecError) -> [Spec.Example] {
        var result: [Spec.Example] = []
        for (name, item) in try members(mediaType, "examples", isOptional: true) {
            guard let value = try resolved(item)["value"] else {
                throw SpecError("the example \(name) has no value")
            }
            result.append(Spec.Example(name: name, value: value))
        }
        return result
    }

    // MARK: - The document

    /// What `value` refers to, or `value` itself.
    private func resolved(_ value: JSON) throws(SpecError) -> JSON {
        var value = value
        for _ in 0..<16 {
            guard let reference = value["$ref"] else { return value }
            guard let text = reference.string, text.hasPrefix("#"),
                let target = document.value(at: String(text.dropFirst()))
            else { throw SpecError("\(reference) leads nowhere") }
            value = target
        }
        throw SpecError("references go in a circle")
    }

    /// The members of the object `name` in `owner`, sorted by name.
    private func members(
        _ owner: JSON,
        _ name: String,
        isOptional: Bool = false
    ) throws(SpecError) -> [(key: String, value: JSON)] {
        guard let value = owner[name] else {
            if isOptional { return [] }
            throw SpecError("\(name) is missing")
        }
        return try object(value, name)
    }

    private func object(_ value: JSON, _ name: String) throws(SpecError) -> [(key: String, value: JSON)] {
        guard let members = value.object else { throw SpecError("\(name) is not an object") }
        return members.sorted { $0.key < $1.key }
    }
}
