extension Page {
    /// The list at the side: the rules, every operation by tag, every schema.
    func contents(_ html: inout HTML) {
        html.element("p", ["class": "name"]) { $0.element("a", ["href": "#top"], text: title) }
        html.element("ul") { list in
            for block in Prose.blocks(document.root["info"]?["description"]?.string ?? "") {
                guard case .heading(let title) = block else { continue }
                entry("#" + SpecDocument.anchor(title), title, to: &list)
            }
            entry("#credentials", "Credentials", to: &list)
        }
        for tag in document.tags {
            let operations = document.operations.filter { $0.tag == tag.name }
            group("#" + tag.anchor, tag.name, operations, to: &html)
        }
        if !document.webhooks.isEmpty { group("#webhooks", "Webhooks", document.webhooks, to: &html) }
        html.element("h2") { $0.element("a", ["href": "#schemas"], text: "Schemas") }
        html.element("details") { details in
            details.element("summary", text: "All \(document.schemas.count)")
            details.element("ul") { list in
                for (name, _) in document.schemas.sorted(by: { $0.name < $1.name }) {
                    entry("#" + SpecDocument.anchor(ofSchema: name), name, to: &list)
                }
            }
        }
    }

    private func group(
        _ target: String,
        _ title: String,
        _ operations: [SpecDocument.Operation],
        to html: inout HTML
    ) {
        html.element("h2") { $0.element("a", ["href": target], text: title) }
        html.element("ul") { list in
            for operation in operations {
                list.element("li") { item in
                    item.element("a", ["href": "#" + operation.id]) { link in
                        method(operation.method, to: &link)
                        link.element("span") { writeWords(of: operation.summary, to: &$0) }
                    }
                }
            }
        }
    }

    /// A line of a description where links can't be: in a link.
    func writeWords(of line: String, to html: inout HTML) {
        for phrase in Phrase.phrases(line) {
            switch phrase {
            case .text(let text), .code(let text): html.write(text)
            case .strong(let inner), .emphasis(let inner), .link(let inner, _):
                for case .text(let text) in inner { html.write(text) }
            }
        }
    }

    /// The word of an HTTP method, in its colour.
    func method(_ name: String, to html: inout HTML) {
        html.element("b", ["class": "method " + name.lowercased()], text: name)
    }

    private func entry(_ target: String, _ text: String, to list: inout HTML) {
        list.element("li") { $0.element("a", ["href": target], text: text) }
    }
}
