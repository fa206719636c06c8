/// Where alerts are handled.
package struct Channel: Sendable {
    package let id: ChannelID
    package let name: Name
    /// At most 500 scalars.
    package let description: Text
    /// A channel that is not enabled gets no alerts.
    package let status: Enablement
    package let metadata: Metadata

    package init(id: ChannelID, name: Name, description: Text, status: Enablement, metadata: Metadata) {
        self.id = id
        self.name = name
        self.description = description
        self.status = status
        self.metadata = metadata
    }
}

/// Whether a resource takes part.
package enum Enablement: String, Sendable, CaseIterable {
    case enabled
    case disabled
}
