extension Page {
    /// Writes one operation: what it does, who may call it, what goes in, what comes out.
    func write(_ operation: SpecDocument.Operation, to html: inout HTML) {
        html.element("article", ["id": operation.id]) { article in
            article.element("h3") { heading in
                heading.element("a", ["href": "#" + operation.id]) {
                    writeWords(of: operation.summary, to: &$0)
                }
            }
            article.element("p", ["class": "line"]) { line in
                method(operation.method, to: &line)
                line.element("code") { path(operation.path.isEmpty ? "your URL" : operation.path, to: &$0) }
            }
            if !operation.path.isEmpty { caller(of: operation, to: &article) }
            if let text = operation.value["description"]?.string {
                article.element("div", ["class": "prose"]) { write(text, to: &$0) }
            }
            parameters(of: operation, to: &article)
            requestBody(of: operation, to: &article)
            answers(of: operation, to: &article)
        }
    }

    /// A path, which may go on in another line after each slash.
    private func path(_ path: String, to html: inout HTML) {
        for (number, step) in path.split(separator: "/", omittingEmptySubsequences: false).enumerated() {
            if number > 0 { html.write("/") }
            if number > 1 { html.open("wbr") }
            html.write(String(step))
        }
    }

    private func caller(of operation: SpecDocument.Operation, to html: inout HTML) {
        let role = operation.value["x-required-role"]?.string ?? ""
        let admitsOperator = operation.value["x-operator"]?.bool ?? false
        let words =
            switch role {
            case "none": "No credential."
            case "push": "A push token."
            case "credential": "No credential but the one in the body."
            case "any": "Any key."
            case "operator": "Role **operator**."
            default:
                "Role **\(role)**\(role == "admin" ? "" : " or above"); operator keys: \(admitsOperator ? "yes" : "no")."
            }
        html.element("p", ["class": "facts"]) { facts in
            write(line: words, to: &facts)
            facts.write(" ")
            facts.element("code", ["class": "id"], text: operation.id)
        }
    }

    private func parameters(of operation: SpecDocument.Operation, to html: inout HTML) {
        let shown = operation.parameters.filter { !commonHeaders.contains($0["name"]?.string ?? "") }
        guard !shown.isEmpty else { return }
        html.element("h4", text: "Parameters")
        parameterTable(shown, label: "Parameters of \(operation.id)", to: &html)
    }

    /// Parameters, resolved, as a table.
    func parameterTable(_ parameters: [SpecValue], label: String, to html: inout HTML) {
        scrolling(to: &html) { html in
            html.element("table", ["class": "fields", "aria-label": label]) { table in
                table.markup(
                    "<thead><tr><th scope=\"col\">Name</th><th scope=\"col\">Type</th><th scope=\"col\">Meaning</th></tr></thead>"
                )
                table.element("tbody") { body in
                    for parameter in parameters { row(parameter, to: &body) }
                }
            }
        }
    }

    private func row(_ parameter: SpecValue, to html: inout HTML) {
        html.element("tr") { row in
            row.element("th", ["scope": "row"]) { cell in
                cell.element("code", text: parameter["name"]?.string ?? "")
                cell.element("small", text: parameter["in"]?.string ?? "")
                if parameter["required"]?.bool == true {
                    cell.element("small", ["class": "must"], text: "required")
                }
            }
            let schema = parameter["schema"] ?? .null
            row.element("td", ["class": "type"]) { type(schema, to: &$0) }
            row.element("td") { cell in
                // The parameter's own words; those of its schema where it has none.
                guard let text = parameter["description"]?.string else {
                    meaning(schema, to: &cell)
                    return
                }
                write(text, to: &cell)
                constraints(document.resolved(schema), to: &cell)
            }
        }
    }

    private func requestBody(of operation: SpecDocument.Operation, to html: inout HTML) {
        guard let body = operation.value["requestBody"].map(document.resolved) else { return }
        html.element("h4") { heading in
            heading.write("Body")
            if body["required"]?.bool != true { heading.element("small", text: "optional") }
        }
        if let text = body["description"]?.string { write(text, to: &html) }
        for (type, media) in body["content"]?.members ?? [] {
            mediaType(type, media, of: operation, to: &html)
        }
        for (type, media) in body["content"]?.members ?? [] {
            examples(of: media, title: "Example", type: type, to: &html)
        }
    }

    private func mediaType(
        _ name: String,
        _ media: SpecValue,
        of operation: SpecDocument.Operation,
        to html: inout HTML
    ) {
        let schema = media["schema"] ?? .null
        html.element("p", ["class": "facts"]) { facts in
            facts.element("code", text: name)
            facts.write(": ")
            type(schema, to: &facts)
            if SchemaWords(schema: document.resolved(schema)).isClosed {
                facts.write("; other fields are refused")
            }
        }
        let table = FieldTable(page: self, followsReferences: true)
        if table.hasFields(schema) {
            table.write(schema, label: "Body of \(operation.id)", to: &html)
        } else {
            meaning(schema, to: &html)
        }
    }
}
