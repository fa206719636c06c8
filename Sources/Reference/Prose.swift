/// The little Markdown of descriptions: paragraphs, `##` headings, lists, tables; code, bold, emphasis and links.
///
/// Anything else is text.
struct Prose {
    enum Block: Equatable {
        case heading(String)
        case paragraph(String)
        case list([String])
        /// The first row is the head.
        case table([[String]])
    }

    /// The parts of a description, in order.
    static func blocks(_ text: String) -> [Block] {
        var blocks: [Block] = []
        var isOpen = false
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            let content = trimmed(line)
            guard !content.isEmpty else {
                isOpen = false
                continue
            }
            if isOpen, let last = blocks.last, let longer = last.continued(by: content) {
                blocks[blocks.count - 1] = longer
            } else {
                blocks.append(Block(content))
            }
            if case .heading = blocks.last { isOpen = false } else { isOpen = true }
        }
        return blocks
    }

    /// The cells of a line of a table; a bar in code does not end a cell.
    static func cells(_ line: String) -> [String] {
        var cells = [""]
        var isCode = false
        for character in line.dropFirst() {
            if character == "`" { isCode.toggle() }
            if character == "|", !isCode {
                cells.append("")
            } else {
                cells[cells.count - 1].append(character)
            }
        }
        if trimmed(cells.last ?? "").isEmpty { cells.removeLast() }
        return cells.map(trimmed)
    }

    fileprivate static func trimmed(_ text: some StringProtocol) -> String {
        let start = text.drop { $0 == " " }
        let end = start.lastIndex { $0 != " " }
        return end.map { String(start[...$0]) } ?? ""
    }
}

extension Prose.Block {
    /// What a line begins.
    fileprivate init(_ line: String) {
        if line.hasPrefix("#") {
            self = .heading(Prose.trimmed(line.drop { $0 == "#" }))
        } else if line.hasPrefix("|") {
            self = .table([Prose.cells(line)])
        } else if line.hasPrefix("- ") {
            self = .list([Prose.trimmed(line.dropFirst(2))])
        } else {
            self = .paragraph(line)
        }
    }

    /// This block with one more line; nil when the line begins another.
    fileprivate func continued(by line: String) -> Prose.Block? {
        switch (self, Prose.Block(line)) {
        case (.paragraph(let text), .paragraph): .paragraph(text + " " + line)
        case (.list(let items), .list(let more)): .list(items + more)
        case (.list(let items), .paragraph): .list(items.dropLast() + [(items.last ?? "") + " " + line])
        case (.table(let rows), .table(let more)):
            more.joined().allSatisfy { $0.allSatisfy { "-: ".contains($0) } }
                ? self : .table(rows + more)
        default: nil
        }
    }
}
