/// The reference page of an OpenAPI document: one HTML file that needs nothing else, no network and no script.
package struct Page: Sendable {
    let document: SpecDocument
    /// The names of header parameters that every operation has: they are told of once.
    let commonHeaders: Set<String>

    /// Reads the document. Throws when it is no OpenAPI document.
    package init(yaml: String) throws {
        document = try SpecDocument(yaml: yaml)
        let headers = document.operations.map { operation in
            Set(
                operation.parameters.filter { $0["in"]?.string == "header" }.compactMap { $0["name"]?.string }
            )
        }
        commonHeaders = headers.dropFirst().reduce(headers.first ?? []) { $0.intersection($1) }
    }

    /// The only style on the page; its hash belongs in the policy that the page is sent with.
    package static let style = String(decoding: PackageResources.reference_css, as: UTF8.self)

    /// The page.
    package var html: String {
        var html = HTML()
        html.markup("<!DOCTYPE html>\n")
        html.element("html", ["lang": "en"]) { html in
            html.element("head") { head(&$0) }
            html.element("body") { body in
                body.markup("<a class=\"skip\" href=\"#operations\">To the list of operations</a>")
                body.element("div", ["class": "bar"]) { bar in
                    bar.element("a", ["href": "#top"], text: title)
                    bar.element("a", ["href": "#operations"], text: "Operations")
                }
                body.element("div", ["class": "sheet"]) { sheet in
                    sheet.element("main", ["id": "top"]) { main(&$0) }
                    sheet.element("nav", ["id": "operations", "aria-label": "Operations", "tabindex": "-1"]) {
                        contents(&$0)
                    }
                }
            }
        }
        return html.text
    }

    var title: String { document.root["info"]?["title"]?.string ?? "API" }

    private func head(_ html: inout HTML) {
        html.open("meta", ["charset": "utf-8"])
        html.open("meta", ["name": "viewport", "content": "width=device-width, initial-scale=1"])
        html.open("meta", ["name": "color-scheme", "content": "light dark"])
        html.element("title", text: "\(title): API reference")
        html.style(Self.style)
    }

    private func main(_ html: inout HTML) {
        html.element("header") { header in
            header.element("h1") { heading in
                heading.write(title)
                heading.element("small", text: "API reference")
            }
            if let summary = document.root["info"]?["summary"]?.string {
                header.element("p", ["class": "lead"], text: summary)
            }
            header.element("p", ["class": "facts"]) { facts in
                let version = document.root["info"]?["version"]?.string ?? ""
                facts.write("Version \(version). For programs: ")
                facts.element("a", ["href": "/openapi.yaml"], text: "openapi.yaml")
            }
        }
        html.element("section", ["id": "rules", "class": "prose"]) { rules in
            write(
                document.root["info"]?["description"]?.string ?? "",
                heading: "h2",
                anchored: true,
                to: &rules
            )
            commonAnswers(&rules)
            credentials(&rules)
        }
        for tag in document.tags { section(tag, to: &html) }
        webhooks(&html)
        html.element("section", ["id": "schemas"]) { schemas(&$0) }
    }

    private func section(_ tag: SpecDocument.Tag, to html: inout HTML) {
        html.element("section", ["id": tag.anchor]) { section in
            section.element("h2", text: tag.name)
            section.element("div", ["class": "prose"]) { write(tag.description, to: &$0) }
            for operation in document.operations where operation.tag == tag.name {
                write(operation, to: &section)
            }
        }
    }

    private func webhooks(_ html: inout HTML) {
        guard !document.webhooks.isEmpty else { return }
        html.element("section", ["id": "webhooks"]) { section in
            section.element("h2", text: "Webhooks")
            section.element("p", text: "What this server sends to receivers of your own.")
            for webhook in document.webhooks { write(webhook, to: &section) }
        }
    }

    private func schemas(_ html: inout HTML) {
        html.element("h2", text: "Schemas")
        html.element("p", text: "What bodies and parameters are made of, by the names that are used above.")
        for (name, value) in document.schemas {
            html.element("section", ["class": "schema", "id": SpecDocument.anchor(ofSchema: name)]) {
                schema(name, value, to: &$0)
            }
        }
    }

    private func schema(_ name: String, _ value: SpecValue, to html: inout HTML) {
        html.element("h3") { heading in
            heading.element("a", ["href": "#" + SpecDocument.anchor(ofSchema: name)], text: name)
        }
        html.element("p", ["class": "facts"]) { facts in
            type(value, to: &facts)
            if SchemaWords(schema: value).isClosed { facts.write("; other fields are refused") }
        }
        html.element("div", ["class": "prose"]) { meaning(value, to: &$0) }
        // What is not an object itself may hold some.
        var holder = value
        while document.schemaName(of: holder) == nil, let items = holder["items"] { holder = items }
        guard document.schemaName(of: holder) == nil else { return }
        FieldTable(page: self, followsReferences: false).write(holder, label: "Fields of \(name)", to: &html)
    }
}
