/// One way in which a value is not what its schema says.
package struct SchemaViolation: Sendable, Equatable, CustomStringConvertible {
    /// Where in the value: a JSON pointer; empty for the whole value.
    package let pointer: String
    package let detail: String

    package init(_ pointer: String, _ detail: String) {
        self.pointer = pointer
        self.detail = detail
    }

    package var description: String { "\(pointer.isEmpty ? "(root)" : pointer) \(detail)" }
}

/// Checks values against the schemas of an OpenAPI 3.1 document: the part of JSON Schema 2020-12 that
/// openapi.yaml uses.
///
/// A keyword or format that it does not know is a violation, so that no rule of openapi.yaml goes unchecked.
package struct SchemaChecker: Sendable {
    /// How much more than JSON Schema is asked.
    package enum Mode: Sendable {
        /// What the schema says: for what clients send.
        case asWritten
        /// For what the server answers. Clients must take new fields, so schemas of answers are open; but no
        /// test may see a field that openapi.yaml does not name. So an object that has `properties` and does
        /// not speak of additional ones is closed, and times have our own form.
        case answer
    }

    static let annotations: Set<String> = [
        "$comment", "default", "description", "example", "examples", "title", "deprecated", "readOnly",
        "writeOnly",
    ]

    /// The document in which every `$ref` is looked up.
    private let document: JSON
    private let mode: Mode

    package init(document: JSON, mode: Mode) {
        self.document = document
        self.mode = mode
    }

    /// What is wrong with `value`; empty when nothing is.
    package func violations(of value: JSON, against schema: JSON) -> [SchemaViolation] {
        check(value, schema, at: "") + closedViolations(value, schema, at: "")
    }

    /// All keywords of one schema. Whether the object is closed is asked once for each place in the value, by
    /// the caller.
    func check(_ value: JSON, _ schema: JSON, at pointer: String) -> [SchemaViolation] {
        if case .bool(let isAllowed) = schema {
            return isAllowed ? [] : [SchemaViolation(pointer, "must not be there")]
        }
        guard let keywords = schema.object else {
            return [SchemaViolation(pointer, "has no schema: \(schema)")]
        }
        var result: [SchemaViolation] = []
        for (keyword, rule) in keywords.sorted(by: { $0.key < $1.key })
        where !Self.annotations.contains(keyword) {
            if let found = checkAny(value, keyword, rule, at: pointer)
                ?? checkNumber(value, keyword, rule, at: pointer)
                ?? checkString(value, keyword, rule, at: pointer)
                ?? checkArray(value, keyword, rule, at: pointer)
                ?? checkObject(value, keyword, rule, of: keywords, at: pointer)
            {
                result += found
            } else {
                result.append(
                    SchemaViolation(pointer, "has the keyword \(keyword), which the checker does not know")
                )
            }
        }
        return result
    }

    /// The value of a member or element: a new place, so it may be closed.
    func checkInner(_ value: JSON, _ schema: JSON, at pointer: String) -> [SchemaViolation] {
        check(value, schema, at: pointer) + closedViolations(value, schema, at: pointer)
    }

    /// The schema that `$ref` names; nil when there is none.
    func resolve(_ reference: JSON) -> JSON? {
        guard let text = reference.string, text.hasPrefix("#") else { return nil }
        return document.value(at: String(text.dropFirst()))
    }

    /// What is wrong with `text` as `format`; nil when nothing is.
    func formatProblem(_ text: String, _ format: String) -> String? {
        SpecFormat.problem(in: text, format: format, isAnswer: mode == .answer)
    }

    // MARK: - Keywords for every type

    private func checkAny(
        _ value: JSON,
        _ keyword: String,
        _ rule: JSON,
        at pointer: String
    ) -> [SchemaViolation]? {
        switch keyword {
        case "$ref":
            guard let target = resolve(rule) else {
                return [SchemaViolation(pointer, "has an unknown $ref \(rule)")]
            }
            return check(value, target, at: pointer)
        case "type": return typeViolations(value, rule, at: pointer)
        case "enum":
            let isListed = rule.array?.contains(value) ?? false
            return isListed ? [] : [SchemaViolation(pointer, "is \(value), not one of \(rule)")]
        case "const": return value == rule ? [] : [SchemaViolation(pointer, "is \(value), not \(rule)")]
        case "allOf": return (rule.array ?? []).flatMap { check(value, $0, at: pointer) }
        case "anyOf", "oneOf": return choiceViolations(value, keyword, rule.array ?? [], at: pointer)
        default: return nil
        }
    }

    private func typeViolations(_ value: JSON, _ rule: JSON, at pointer: String) -> [SchemaViolation] {
        let names = rule.array?.compactMap(\.string) ?? [rule.string ?? ""]
        if names.contains(where: { isOfType(value, $0) }) { return [] }
        return [SchemaViolation(pointer, "is \(typeName(value)), not \(names.joined(separator: " or "))")]
    }

    private func isOfType(_ value: JSON, _ name: String) -> Bool {
        switch name {
        case "integer": value.integer != nil
        case "number": value.double != nil
        default: typeName(value) == name
        }
    }

    private func typeName(_ value: JSON) -> String {
        switch value {
        case .null: "null"
        case .bool: "boolean"
        case .number: "number"
        case .integer: "integer"
        case .string: "string"
        case .array: "array"
        case .object: "object"
        }
    }

    private func choiceViolations(
        _ value: JSON,
        _ keyword: String,
        _ branches: [JSON],
        at pointer: String
    ) -> [SchemaViolation] {
        let found = branches.map { check(value, $0, at: pointer) }
        let matching = found.count { $0.isEmpty }
        if matching == 1 || (matching > 1 && keyword == "anyOf") { return [] }
        if matching > 1 { return [SchemaViolation(pointer, "matches \(matching) branches of oneOf")] }
        let nearest = found.min { $0.count < $1.count } ?? []
        return [SchemaViolation(pointer, "matches no branch of \(keyword)")] + nearest
    }

    // MARK: - Closed objects

    private func closedViolations(_ value: JSON, _ schema: JSON, at pointer: String) -> [SchemaViolation] {
        guard mode == .answer, let members = value.object else { return [] }
        let declared = declaredNames(schema, depth: 0)
        guard !declared.isOpen, !declared.names.isEmpty else { return [] }
        return members.keys.filter { !declared.names.contains($0) }.sorted().map {
            SchemaViolation(pointer + JSON.pointerStep($0), "is not documented")
        }
    }

    /// The properties that a schema and all its branches name; open when one of them speaks of additional
    /// ones itself.
    private func declaredNames(_ schema: JSON, depth: Int) -> (names: Set<String>, isOpen: Bool) {
        guard depth < 16 else { return ([], true) }
        var names = Set((schema["properties"]?.object ?? [:]).keys)
        var isOpen = schema["additionalProperties"] != nil
        var branches = ["allOf", "anyOf", "oneOf"].flatMap { schema[$0]?.array ?? [] }
        if let reference = schema["$ref"], let target = resolve(reference) { branches.append(target) }
        for branch in branches {
            let inner = declaredNames(branch, depth: depth + 1)
            names.formUnion(inner.names)
            isOpen = isOpen || inner.isOpen
        }
        return (names, isOpen)
    }
}
