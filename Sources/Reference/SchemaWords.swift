/// A schema in words.
struct SchemaWords {
    /// The keywords that the page knows what to do with. A test holds openapi.yaml to them.
    static let keywords: Set<String> = [
        "$ref", "type", "description", "title", "properties", "required", "items", "additionalProperties",
        "enum",
        "const", "default", "examples", "format", "pattern", "minLength", "maxLength", "minimum", "maximum",
        "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems", "uniqueItems",
        "minProperties", "maxProperties", "propertyNames", "anyOf", "oneOf", "allOf", "readOnly", "writeOnly",
        "deprecated",
    ]

    /// Resolved.
    let schema: SpecValue

    /// `string`, `integer or null`; nil when it says no type.
    var types: String? {
        switch schema["type"] {
        case .string(let name): Self.word(name)
        case .list(let names): names.compactMap(\.string).map(Self.word).joined(separator: " or ")
        default: nil
        }
    }

    private static func word(_ type: String) -> String { type == "array" ? "list" : type }

    /// What else must hold, as a description says it: code in back-ticks.
    var constraints: [String] {
        var result: [String] = []
        if let values = schema["enum"]?.items, !values.isEmpty {
            result.append("one of " + values.map { Self.code($0) }.joined(separator: ", "))
        }
        if let value = schema["const"] { result.append("always " + Self.code(value)) }
        result += [range("minLength", "maxLength", "character"), bounds].compactMap(\.self)
        if let step = schema["multipleOf"]?.number { result.append("a multiple of \(step)") }
        result += [range("minItems", "maxItems", "item")].compactMap(\.self)
        if schema["uniqueItems"]?.bool == true { result.append("each item once") }
        result += [range("minProperties", "maxProperties", "member")].compactMap(\.self)
        if let names = schema["propertyNames"] {
            let words = SchemaWords(schema: names).constraints
            if !words.isEmpty { result.append("names: " + words.joined(separator: ", ")) }
        }
        if let pattern = schema["pattern"]?.string { result.append("matches `\(pattern)`") }
        if let value = schema["default"] { result.append("default " + Self.code(value)) }
        for (word, text) in [("readOnly", "in answers only"), ("writeOnly", "never in answers")]
        where schema[word]?.bool == true {
            result.append(text)
        }
        if schema["deprecated"]?.bool == true { result.append("deprecated") }
        return result
    }

    /// Whether fields that are not listed are refused.
    var isClosed: Bool { schema["additionalProperties"]?.bool == false }

    private var bounds: String? {
        switch (schema["exclusiveMinimum"]?.number, schema["exclusiveMaximum"]?.number) {
        case (nil, nil): range("minimum", "maximum", nil)
        case (let low?, nil): "over \(low)"
        case (nil, let high?): "under \(high)"
        case (let low?, let high?): "over \(low), under \(high)"
        }
    }

    private func range(_ low: String, _ high: String, _ unit: String?) -> String? {
        func counted(_ number: String) -> String {
            guard let unit else { return number }
            return number == "1" ? "1 \(unit)" : "\(number) \(unit)s"
        }
        switch (schema[low]?.number, schema[high]?.number) {
        case (nil, nil): return nil
        case (let low?, nil): return "at least " + counted(low)
        case (nil, let high?): return "at most " + counted(high)
        case (let low?, let high?):
            return low == high ? "exactly " + counted(low) : "\(low) to " + counted(high)
        }
    }

    /// A value as code in a description.
    static func code(_ value: SpecValue) -> String {
        switch value {
        case .string(let text) where !text.isEmpty: "`\(text)`"
        default: "`\(ExampleText.json(value))`"
        }
    }
}
