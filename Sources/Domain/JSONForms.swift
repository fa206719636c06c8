import Native

/// Writes values of the domain as they are on the wire.
extension JSONWriter {
    /// Writes the metadata fields of a configuration resource.
    package mutating func metadata(_ metadata: Metadata) {
        field("external_id", utf8: metadata.externalID?.bytes)
        metadata.labels.write(to: &self, as: "labels")
        field("version", metadata.version.value)
        field("created_at", metadata.createdAt.description)
        field("updated_at", metadata.updatedAt.description)
    }

    /// A time or null.
    package mutating func field(_ name: StaticString, _ time: UnixTime?) {
        field(name, time?.description)
    }

    /// An id.
    package mutating func field<Kind>(_ name: StaticString, _ id: Identifier<Kind>) {
        field(name, id.description)
    }

    /// An id or null.
    package mutating func field<Kind>(_ name: StaticString, _ id: Identifier<Kind>?) {
        field(name, id?.description)
    }

    /// A text.
    package mutating func field(_ name: StaticString, _ text: Text) {
        field(name, utf8: text.bytes)
    }

    /// A text or null.
    package mutating func field(_ name: StaticString, _ text: Text?) {
        field(name, utf8: text?.bytes)
    }
}

extension JSONValue {
    /// The text of a member; nil: there is none, or it is no string.
    package func text(_ name: StaticString) -> Text? { member(name)?.string.map { Text(trusted: $0.bytes) } }
}
