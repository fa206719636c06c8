private import CYAMLEvents

/// The events of a YAML document, one after the other: nothing is built of them, aliases are not followed, and keys are not compared. So what
/// a document costs is for the reader to bound.
///
/// Memory and time are linear in the bytes, but for directives (`%TAG`), which libyaml compares with each other: look for those before.
package final class YAMLEvents {
    /// Why bytes are not YAML.
    package struct Failure: Error {
        /// Counting from 1.
        package let line: Int
        /// The parser's words.
        package let message: String
    }

    /// A part of a document.
    package struct Event {
        /// What it is.
        package enum Kind {
            case streamEnd, documentStart, documentEnd, alias, scalar, sequenceStart, sequenceEnd,
                mappingStart, mappingEnd
        }

        package let kind: Kind
        /// Counting from 1.
        package let line: Int
        package let hasAnchor: Bool
        /// Whether a scalar stands without quotes and is no block.
        package let isPlain: Bool
        /// The whole tag; nil: none.
        package let tag: [UInt8]?
        /// A scalar's, valid UTF-8.
        package let text: [UInt8]
    }

    // Holds the input as long as the parser, which points into it.
    private let input: UnsafeMutableBufferPointer<UInt8>
    private let parser: OpaquePointer?

    /// A reader of UTF-8.
    package init(_ bytes: [UInt8]) {
        input = .allocate(capacity: bytes.count)
        _ = input.initialize(from: bytes)
        parser = cyaml_events_new(UnsafePointer(input.baseAddress), input.count)
    }

    deinit {
        cyaml_events_free(parser)
        input.deallocate()
    }

    /// The next event. Not to be asked for after `streamEnd` or a failure.
    package func next() throws(Failure) -> Event {
        guard let parser else { throw Failure(line: 1, message: "there is no memory for it") }
        var event = cyaml_event()
        cyaml_events_next(parser, &event)
        let line = event.line.addingReportingOverflow(1).partialValue
        let text = Array(UnsafeBufferPointer(start: event.text, count: event.text_length))
        guard let kind = Self.kind(event.kind) else {
            throw Failure(line: Int(clamping: line), message: String(decoding: text, as: UTF8.self))
        }
        return Event(
            kind: kind,
            line: Int(clamping: line),
            hasAnchor: event.has_anchor != 0,
            isPlain: event.is_plain != 0,
            tag: event.tag.map { Array(UnsafeBufferPointer(start: $0, count: event.tag_length)) },
            text: text
        )
    }

    private static func kind(_ code: Int32) -> Event.Kind? {
        switch code {
        case CYAML_STREAM_END: .streamEnd
        case CYAML_DOCUMENT_START: .documentStart
        case CYAML_DOCUMENT_END: .documentEnd
        case CYAML_ALIAS: .alias
        case CYAML_SCALAR: .scalar
        case CYAML_SEQUENCE_START: .sequenceStart
        case CYAML_SEQUENCE_END: .sequenceEnd
        case CYAML_MAPPING_START: .mappingStart
        case CYAML_MAPPING_END: .mappingEnd
        default: nil
        }
    }
}
