extension SchemaChecker {
    private static let keywords: Set<String> = [
        "$ref", "type", "enum", "const", "allOf", "anyOf", "oneOf", "minimum", "maximum", "exclusiveMinimum",
        "exclusiveMaximum", "minLength", "maxLength", "pattern", "format", "items", "minItems", "maxItems",
        "uniqueItems", "properties", "required", "additionalProperties", "propertyNames", "minProperties",
        "maxProperties",
    ]

    /// The places in a schema, as JSON pointers, that hold a keyword which the checker does not know or a
    /// `$ref` that leads nowhere, whether or not a value ever comes by: `maxLenght` would else allow
    /// everything.
    package func unknownKeywords(in schema: JSON, at pointer: String = "") -> [String] {
        (schema.object ?? [:]).sorted { $0.key < $1.key }.flatMap { keyword, rule -> [String] in
            let place = pointer + JSON.pointerStep(keyword)
            switch keyword {
            case "$ref": return resolve(rule) == nil ? [place] : []
            case "items", "additionalProperties", "propertyNames": return unknownKeywords(in: rule, at: place)
            case "properties":
                return (rule.object ?? [:]).sorted { $0.key < $1.key }.flatMap {
                    unknownKeywords(in: $0.value, at: place + JSON.pointerStep($0.key))
                }
            case "allOf", "anyOf", "oneOf":
                return (rule.array ?? []).enumerated().flatMap {
                    unknownKeywords(in: $1, at: "\(place)/\($0)")
                }
            default:
                return Self.keywords.contains(keyword) || Self.annotations.contains(keyword) ? [] : [place]
            }
        }
    }
}
