extension Page {
    /// Writes a description. Its headings are `heading` and become anchors when `anchored`.
    func write(_ text: String, heading: StaticString = "h4", anchored: Bool = false, to html: inout HTML) {
        for block in Prose.blocks(text) {
            switch block {
            case .heading(let title):
                guard anchored else {
                    html.element(heading) { write(line: title, to: &$0) }
                    continue
                }
                html.element(heading, ["id": SpecDocument.anchor(title)]) { write(line: title, to: &$0) }
            case .paragraph(let text): html.element("p") { write(line: text, to: &$0) }
            case .list(let items):
                html.element("ul") { list in
                    for item in items { list.element("li") { write(line: item, to: &$0) } }
                }
            case .table(let rows): table(rows, to: &html)
            }
        }
    }

    /// Writes a line of a description.
    func write(line: String, to html: inout HTML) {
        write(Phrase.phrases(line), to: &html)
    }

    private func write(_ phrases: [Phrase], to html: inout HTML) {
        for phrase in phrases {
            switch phrase {
            case .text(let text): html.write(text)
            case .code(let text): code(text, to: &html)
            case .strong(let inner): html.element("strong") { write(inner, to: &$0) }
            case .emphasis(let inner): html.element("em") { write(inner, to: &$0) }
            case .link(let inner, let target):
                html.element("a", ["href": target, "rel": "noreferrer"]) { write(inner, to: &$0) }
            }
        }
    }

    /// Code; a link where it is the name of something on the page.
    private func code(_ text: String, to html: inout HTML) {
        guard let anchor = document.anchor(of: text) else {
            html.element("code", text: text)
            return
        }
        html.element("a", ["href": "#" + anchor]) { $0.element("code", text: text) }
    }

    private func table(_ rows: [[String]], to html: inout HTML) {
        scrolling(to: &html) { html in
            html.element("table") { table in
                table.element("thead") { row(rows.first ?? [], cell: "th", to: &$0) }
                table.element("tbody") { body in
                    for cells in rows.dropFirst() { row(cells, cell: "td", to: &body) }
                }
            }
        }
    }

    private func row(_ cells: [String], cell name: StaticString, to html: inout HTML) {
        html.element("tr") { row in
            for text in cells { row.element(name) { write(line: text, to: &$0) } }
        }
    }

    /// What is too wide for a phone scrolls by itself; browsers let keys in there.
    func scrolling(to html: inout HTML, _ content: (inout HTML) -> Void) {
        html.element("div", ["class": "scroll"], content)
    }
}
