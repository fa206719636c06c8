/// The keywords for one type each. A keyword says nothing about values of another type. Each function answers
/// nil for a keyword that is not among its own.
extension SchemaChecker {
    func checkNumber(_ value: JSON, _ keyword: String, _ rule: JSON, at pointer: String) -> [SchemaViolation]?
    {
        let isKept: (Double, Double) -> Bool
        switch keyword {
        case "minimum": isKept = { $0 >= $1 }
        case "maximum": isKept = { $0 <= $1 }
        case "exclusiveMinimum": isKept = { $0 > $1 }
        case "exclusiveMaximum": isKept = { $0 < $1 }
        default: return nil
        }
        guard let limit = rule.double else { return [broken(keyword, at: pointer)] }
        guard let number = value.double, !isKept(number, limit) else { return [] }
        return [SchemaViolation(pointer, "is \(value), against \(keyword) \(rule)")]
    }

    func checkString(_ value: JSON, _ keyword: String, _ rule: JSON, at pointer: String) -> [SchemaViolation]?
    {
        switch keyword {
        case "minLength", "maxLength":
            return count(value.string?.unicodeScalars.count, "characters", keyword, rule, at: pointer)
        case "pattern":
            guard let pattern = rule.string else { return [broken(keyword, at: pointer)] }
            guard let text = value.string, !SpecFormat.matches(text, pattern: pattern) else { return [] }
            return [SchemaViolation(pointer, "is \(value), which does not match \(pattern)")]
        case "format":
            guard let format = rule.string else { return [broken(keyword, at: pointer)] }
            guard let text = value.string, let problem = formatProblem(text, format) else { return [] }
            return [SchemaViolation(pointer, "is \(value), which \(problem)")]
        default: return nil
        }
    }

    func checkArray(_ value: JSON, _ keyword: String, _ rule: JSON, at pointer: String) -> [SchemaViolation]?
    {
        let items = value.array
        switch keyword {
        case "items":
            return (items ?? []).enumerated().flatMap { checkInner($1, rule, at: "\(pointer)/\($0)") }
        case "minItems", "maxItems": return count(items?.count, "items", keyword, rule, at: pointer)
        case "uniqueItems":
            guard let items, rule == true else { return [] }
            let repeated = items.indices.first { items[..<$0].contains(items[$0]) }
            return repeated.map { [SchemaViolation("\(pointer)/\($0)", "comes twice")] } ?? []
        default: return nil
        }
    }

    func checkObject(
        _ value: JSON,
        _ keyword: String,
        _ rule: JSON,
        of schema: [String: JSON],
        at pointer: String
    ) -> [SchemaViolation]? {
        let members = value.object
        switch keyword {
        case "properties":
            return sorted(members).flatMap { name, member in
                rule[name].map { checkInner(member, $0, at: pointer + JSON.pointerStep(name)) } ?? []
            }
        case "required":
            guard let members else { return [] }
            return (rule.array ?? []).compactMap(\.string).filter { members[$0] == nil }
                .map { SchemaViolation(pointer + JSON.pointerStep($0), "is missing") }
        case "additionalProperties":
            let named = schema["properties"]?.object ?? [:]
            return sorted(members).filter { named[$0.key] == nil }.flatMap { name, member in
                rule == false
                    ? [SchemaViolation(pointer + JSON.pointerStep(name), "is not a known field")]
                    : checkInner(member, rule, at: pointer + JSON.pointerStep(name))
            }
        case "propertyNames":
            return sorted(members).flatMap { name, _ in
                check(.string(name), rule, at: pointer + JSON.pointerStep(name))
            }
        case "minProperties", "maxProperties":
            return count(members?.count, "members", keyword, rule, at: pointer)
        default: return nil
        }
    }

    /// `minX` or `maxX` of a count; nothing for a value of another type.
    private func count(
        _ count: Int?,
        _ unit: String,
        _ keyword: String,
        _ rule: JSON,
        at pointer: String
    ) -> [SchemaViolation] {
        guard let limit = rule.integer else { return [broken(keyword, at: pointer)] }
        guard let count else { return [] }
        let isKept = keyword.hasPrefix("min") ? Int64(count) >= limit : Int64(count) <= limit
        return isKept ? [] : [SchemaViolation(pointer, "has \(count) \(unit), against \(keyword) \(limit)")]
    }

    private func broken(_ keyword: String, at pointer: String) -> SchemaViolation {
        SchemaViolation(pointer, "has a schema whose \(keyword) can't be read")
    }

    private func sorted(_ members: [String: JSON]?) -> [(key: String, value: JSON)] {
        (members ?? [:]).sorted { $0.key < $1.key }
    }
}
