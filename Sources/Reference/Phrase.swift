/// A piece of a line of a description.
enum Phrase: Equatable {
    case text(String)
    case code(String)
    case strong([Phrase])
    case emphasis([Phrase])
    case link(text: [Phrase], target: String)

    /// The pieces of a line, in order. A mark without its end is text.
    static func phrases(_ line: some StringProtocol) -> [Phrase] {
        var rest = Substring(line)
        var phrases: [Phrase] = []
        var plain = ""
        while let first = rest.first {
            guard "`*[".contains(first), let (phrase, length) = special(rest) else {
                plain.append(first)
                rest.removeFirst()
                continue
            }
            if !plain.isEmpty { phrases.append(.text(plain)) }
            plain = ""
            phrases.append(phrase)
            rest.removeFirst(length)
        }
        if !plain.isEmpty { phrases.append(.text(plain)) }
        return phrases
    }

    /// What begins here with a mark, and its length in characters.
    private static func special(_ text: Substring) -> (Phrase, Int)? {
        if let inner = enclosed(text, "`", "`") { return (.code(String(inner)), inner.count + 2) }
        if let inner = enclosed(text, "**", "**") { return (.strong(phrases(inner)), inner.count + 4) }
        if let inner = enclosed(text, "*", "*"), inner.first != " ", inner.last != " " {
            return (.emphasis(phrases(inner)), inner.count + 2)
        }
        guard let label = enclosed(text, "[", "]"),
            let target = enclosed(text.dropFirst(label.count + 2), "(", ")"),
            ["https://", "http://", "#"].contains(where: target.hasPrefix), !target.contains(" ")
        else { return nil }
        return (.link(text: phrases(label), target: String(target)), label.count + target.count + 4)
    }

    /// What stands between `start`, with which `text` must begin, and the next `end`; not nothing.
    private static func enclosed(_ text: Substring, _ start: String, _ end: String) -> Substring? {
        guard text.hasPrefix(start) else { return nil }
        let inner = text.dropFirst(start.count)
        guard let range = inner.firstRange(of: end), !range.isEmpty, range.lowerBound > inner.startIndex
        else {
            return nil
        }
        return inner[..<range.lowerBound]
    }
}
