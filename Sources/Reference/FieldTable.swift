/// The fields of a schema as a table: name, type, what they mean. Fields of fields are indented.
struct FieldTable {
    /// Where to stop: what is deeper, is in the section of schemas.
    private static let deepest = 4

    let page: Page
    /// Whether the fields of schemas that are referred to are shown too, or the reference alone.
    let followsReferences: Bool

    /// Writes the table; nothing when the schema has no fields.
    func write(_ schema: SpecValue, label: String, to html: inout HTML) {
        guard !fields(of: schema).isEmpty else { return }
        page.scrolling(to: &html) { html in
            html.element("table", ["class": "fields", "aria-label": label]) { table in
                table.markup(
                    "<thead><tr><th scope=\"col\">Field</th><th scope=\"col\">Type</th><th scope=\"col\">Meaning</th></tr></thead>"
                )
                table.element("tbody") { rows(schema, depth: 0, inside: [], to: &$0) }
            }
        }
    }

    /// Whether the schema has fields to be shown.
    func hasFields(_ schema: SpecValue) -> Bool { !fields(of: schema).isEmpty }

    private func fields(of schema: SpecValue) -> [(key: String, value: SpecValue)] {
        let schema = page.document.resolved(schema)
        let inherited = (schema["allOf"]?.items ?? []).flatMap { fields(of: $0) }
        return inherited + (schema["properties"]?.members ?? [])
    }

    private func required(in schema: SpecValue) -> Set<String> {
        let schema = page.document.resolved(schema)
        let inherited = (schema["allOf"]?.items ?? []).map { required(in: $0) }
        return inherited.reduce(Set((schema["required"]?.items ?? []).compactMap(\.string))) { $0.union($1) }
    }

    private func rows(_ schema: SpecValue, depth: Int, inside names: Set<String>, to html: inout HTML) {
        let required = required(in: schema)
        for (name, value) in fields(of: schema) {
            html.element("tr") { row in
                row.element("th", ["scope": "row", "class": "d\(depth)"]) { cell in
                    cell.element("code", text: name)
                    if required.contains(name) { cell.element("small", ["class": "must"], text: "required") }
                }
                row.element("td", ["class": "type"]) { page.type(value, to: &$0) }
                row.element("td") { page.meaning(value, to: &$0) }
            }
            guard depth < Self.deepest, let inner = inner(of: value, inside: names) else { continue }
            rows(inner.schema, depth: depth + 1, inside: names.union(inner.names), to: &html)
        }
    }

    /// The object in a field, or in its lists, and the names of the schemas on the way to it; nil when its fields are not to be shown here.
    private func inner(
        of value: SpecValue,
        inside names: Set<String>
    ) -> (schema: SpecValue, names: Set<String>)? {
        var (value, passed) = (value, Set<String>())
        for _ in 0..<8 {
            if let name = page.document.schemaName(of: value) {
                guard followsReferences, !names.contains(name) else { return nil }
                passed.insert(name)
            }
            let schema = page.document.resolved(value)
            guard let items = schema["items"] ?? openMembers(of: schema) else {
                return hasFields(schema) ? (schema, passed) : nil
            }
            value = items
        }
        return nil
    }

    /// The schema of the members of a map.
    private func openMembers(of schema: SpecValue) -> SpecValue? {
        guard let members = schema["additionalProperties"], !members.members.isEmpty else { return nil }
        return schema["properties"] == nil ? members : nil
    }
}

extension Page {
    /// A type: links where it has a name.
    func type(_ value: SpecValue, to html: inout HTML) {
        if let name = document.schemaName(of: value) {
            html.element("a", ["href": "#" + SpecDocument.anchor(ofSchema: name)], text: name)
            let words = SchemaWords(schema: document.resolved(value)).types
            if let words, words != "object" { html.element("small", text: words) }
            return
        }
        if let items = value["items"] {
            html.write("list of ")
            type(items, to: &html)
        } else if let choices = value["anyOf"] ?? value["oneOf"] {
            for (number, choice) in choices.items.enumerated() {
                if number > 0 { html.write(" or ") }
                type(choice, to: &html)
            }
        } else if let members = value["additionalProperties"], value["properties"] == nil, members.bool == nil
        {
            html.write("map of ")
            type(members, to: &html)
        } else {
            html.write(SchemaWords(schema: value).types ?? "any")
            if let format = value["format"]?.string { html.element("small", text: format) }
        }
    }

    /// What a field means: its description, then what must hold, then an example.
    func meaning(_ value: SpecValue, to html: inout HTML) {
        let schema = document.resolved(value)
        if let text = schema["description"]?.string { write(text, to: &html) }
        constraints(schema, to: &html)
    }

    /// What must hold, and an example, on one line; `schema` is resolved.
    func constraints(_ schema: SpecValue, to html: inout HTML) {
        var words = SchemaWords(schema: schema).constraints
        if let items = schema["items"].map(document.resolved) {
            let inner = SchemaWords(schema: items).constraints
            if !inner.isEmpty { words.append("each: " + inner.joined(separator: ", ")) }
        }
        if let example = schema["examples"]?.items.first {
            words.append("such as " + SchemaWords.code(example))
        }
        guard !words.isEmpty else { return }
        html.element("p", ["class": "rules"]) { write(line: words.joined(separator: "; "), to: &$0) }
    }
}
