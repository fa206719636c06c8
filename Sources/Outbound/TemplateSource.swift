import Domain
import Mustache
import Native

/// A template as its owner wrote it: checked when it is saved, so that it can neither fail nor cost much when people must be told.
package enum TemplateSource {
    /// Tags of a template.
    package static let maximumTags = 100
    /// Tags inside sections over lists.
    package static let maximumTagsInLists = 10

    /// What names a list in a message.
    private static let lists: Set = [
        "labels_list", "annotations_list", "main_labels", "counts", "titles", "alert_ids", "supersedes",
    ]
    /// What may be shown of a list without a section.
    private static let listTransforms: Set = ["count", "empty"]
    /// Braces: the parser looks at the rest of the text for each.
    private static let maximumBraces = 2 * maximumTags + 50

    /// What is wrong with a template, for its owner; nil: nothing.
    package static func check(_ text: Text) -> String? {
        if text.bytes.count > MessageTemplate.maximumBytes {
            return "must have at most \(MessageTemplate.maximumBytes) bytes"
        }
        if text.bytes.count(where: { $0 == UInt8(ascii: "{") }) > maximumBraces {
            return "must have at most \(maximumTags) tags"
        }
        if let problem = Tags.problem(in: text.bytes) { return problem }
        do {
            _ = try MustacheTemplate(string: text.string)
            return nil
        } catch let error as MustacheTemplate.ParserError {
            return "is no valid Mustache template (line \(error.context.lineNumber)): \(reason(error.error))"
        } catch {
            return "is no valid Mustache template"
        }
    }

    /// Whether the template names something; used to see whether it is meant for digests.
    static func mentions(_ name: String, in text: Text) -> Bool { Tags.names(in: text.bytes).contains(name) }

    private static func reason(_ error: any Error) -> String {
        switch error as? MustacheTemplate.Error {
        case .sectionCloseNameIncorrect: "a section is closed under another name than it was opened"
        case .expectedSectionEnd: "a section is not closed"
        case .unfinishedName:
            "a tag is not closed, or has a name with something else than letters, digits and . - _"
        default: "a tag is not closed"
        }
    }

    private struct Tag {
        /// The character after the braces; 0 for a variable.
        let sigil: UInt8
        /// The innermost name, and what is applied to it.
        let name: String
        let transforms: [String]
    }

    private enum Tags {
        static func problem(in bytes: [UInt8]) -> String? {
            let tags = tags(in: bytes)
            if tags.count > maximumTags { return "must have at most \(maximumTags) tags" }
            var openLists: [Bool] = []
            var inLists = 0
            for tag in tags {
                if let problem = forbidden(tag.sigil) { return problem }
                let isList = lists.contains(tag.name)
                let isInList = openLists.contains(true)
                if isInList, tag.sigil != UInt8(ascii: "/") { inLists += 1 }
                switch tag.sigil {
                case UInt8(ascii: "#"):
                    if isList, isInList { return "has a section over a list inside a section over a list" }
                    openLists.append(isList)
                case UInt8(ascii: "^"): openLists.append(false)
                case UInt8(ascii: "/"): _ = openLists.popLast()
                case 0 where isList && !tag.transforms.contains(where: listTransforms.contains):
                    return
                        "shows the list \(tag.name), which needs a section: {{#\(tag.name)}}...{{/\(tag.name)}}"
                default: break
                }
            }
            return inLists > maximumTagsInLists
                ? "has more than \(maximumTagsInLists) tags in sections over lists" : nil
        }

        static func names(in bytes: [UInt8]) -> Set<String> { Set(tags(in: bytes).map(\.name)) }

        private static func forbidden(_ sigil: UInt8) -> String? {
            switch sigil {
            case UInt8(ascii: ">"): "has a partial ({{> }}): there are none"
            case UInt8(ascii: "<"), UInt8(ascii: "$"): "uses inheritance ({{< }} or {{$ }}): there is none"
            case UInt8(ascii: "="): "changes the delimiters ({{= }}): they stay {{ and }}"
            case UInt8(ascii: "%"): "has a pragma ({{% }}): there are none"
            case UInt8(ascii: "{"), UInt8(ascii: "&"):
                "inserts a value without escapes ({{{ }}} or {{& }}): use {{ }}, which leaves addresses as they are"
            default: nil
            }
        }

        /// All tags but comments.
        private static func tags(in bytes: [UInt8]) -> [Tag] {
            var tags: [Tag] = []
            var index = 0
            while let start = find([UInt8]("{{" as StaticString), in: bytes, from: index) {
                guard let end = find([UInt8]("}}" as StaticString), in: bytes, from: start + 2) else {
                    // The parser says so in better words, unless it is a tag that must not even be begun.
                    tags.append(tag(bytes[(start + 2)...]))
                    break
                }
                let tag = tag(bytes[(start + 2)..<end])
                if tag.sigil != UInt8(ascii: "!") { tags.append(tag) }
                index = end + 2
            }
            return tags
        }

        private static func tag(_ content: ArraySlice<UInt8>) -> Tag {
            let trimmed = content.drop { $0.isASCIIWhitespace }
            let first = trimmed.first ?? 0
            let isSigil = "#^/!><$=%{&".utf8.contains(first)
            let text = String(decoding: isSigil ? trimmed.dropFirst() : trimmed, as: UTF8.self)
            let parts = text.split { "() \t\r\n".contains($0) }.map(String.init)
            return Tag(sigil: isSigil ? first : 0, name: parts.last ?? "", transforms: parts.dropLast())
        }

        private static func find(_ needle: [UInt8], in bytes: [UInt8], from start: Int) -> Int? {
            guard bytes.count - start >= needle.count else { return nil }
            return (start...(bytes.count - needle.count)).first { bytes[$0...].starts(with: needle) }
        }
    }
}
