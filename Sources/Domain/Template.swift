/// A template as it was read: a short program that is run as it stands here.
///
/// The language is a part of Mustache, without anything that could be told apart only when it is run: values, sections, inverted sections,
/// comments, a closed list of names, one level of lists. What it costs to run is bounded by what is counted when it is read.
///
/// Sections are not nested here: each says where it ends, so that running one needs no recursion.
package struct Template: Sendable, Equatable {
    /// Bytes of the text.
    package static let maximumBytes = MessageTemplate.maximumBytes
    /// Tags, comments not counted.
    package static let maximumTags = 100
    /// Tags inside sections over lists, their ends not counted.
    package static let maximumTagsInLists = 10
    /// Sections inside one another.
    package static let maximumDepth = 8

    /// What is shown, or looked at by a section.
    package enum Value: Sendable, Equatable {
        case name(TemplateName)
        case label(Text)
        case annotation(Text)
        /// A field of the entry of the list whose section it stands in.
        case field(TemplateField)
        /// The whole entry.
        case entry
    }

    /// A step of the program.
    package enum Part: Sendable, Equatable {
        /// Bytes of `literals`.
        case literal(Range<Int>)
        case value(Value)
        /// The parts up to `end` are run when the value is there (or is not), of a list once for each entry.
        case section(Value, isInverted: Bool, end: Int)
    }

    package let parts: [Part]
    package let literals: [UInt8]
    /// Whether it names `is_digest`: then it was written for digests, too.
    package let isForDigests: Bool

    /// Reads a template. Throws the first thing that is wrong with it.
    package init(_ text: Text) throws(TemplateError) {
        var parser = try TemplateParser(text.bytes)
        self = try parser.parse()
    }

    init(parts: [Part], literals: [UInt8], isForDigests: Bool) {
        self.parts = parts
        self.literals = literals
        self.isForDigests = isForDigests
    }

    /// What is wrong with a template, for its owner; nil: nothing.
    package static func problem(in text: Text) -> String? {
        do {
            _ = try Template(text)
            return nil
        } catch {
            return error.detail
        }
    }
}

/// Why a text is no template.
package struct TemplateError: Error, Equatable {
    /// For the template's owner, to be put after "The template": `is no valid template (line 2): ...`.
    package let detail: String
}

extension MessageTemplate {
    /// Why parts of a template can't be used, so that the default stands in their place.
    package struct Problems: Sendable {
        fileprivate let template: MessageTemplate
        fileprivate let title: String?
        fileprivate let text: String?

        /// All of them; nil: there are none.
        package var all: String? { problem(after: template) }

        /// All that are left after a change: what was written since was read when it was written.
        package func problem(after new: MessageTemplate) -> String? {
            let left = [
                new.title == template.title ? title : nil,
                new.text == template.text ? text : nil,
            ].compactMap { $0 }
            return left.isEmpty ? nil : left.joined(separator: " ")
        }
    }

    /// Whether its owner wrote a part of it.
    package var isOwn: Bool { title != nil || text != nil }

    /// Reads it, which is to be done in the turn of its account.
    package var problems: Problems {
        Problems(
            template: self,
            title: Self.problem(in: title, of: "title"),
            text: Self.problem(in: text, of: "text")
        )
    }

    private static func problem(in template: Text?, of part: String) -> String? {
        template.flatMap { Template.problem(in: $0) }.map {
            "The template of the \(part) \($0); the default is used."
        }
    }
}
