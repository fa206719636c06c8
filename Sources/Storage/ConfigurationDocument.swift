import Domain

/// The whole configuration of an account, as somebody wants it: channels, integrations with their routes, severity tables. Names are the keys.
package struct ConfigurationDocument: Sendable {
    /// A channel. Integrations and routes of the document name it by `id`, which it gets when it is new.
    package struct Channel: Sendable {
        package let id: ChannelID
        package let draft: ChannelStore.Draft

        package init(id: ChannelID, draft: ChannelStore.Draft) {
            self.id = id
            self.draft = draft
        }
    }

    /// An integration and, when it is shared, its routes in order.
    package struct Integration: Sendable {
        package let draft: IntegrationStore.Draft
        package let routes: [RouteStore.Draft]

        package init(draft: IntegrationStore.Draft, routes: [RouteStore.Draft]) {
            self.draft = draft
            self.routes = routes
        }
    }

    package let channels: [Channel]
    package let integrations: [Integration]
    package let severityTables: [IntegrationType: SeverityTable]

    package init(
        channels: [Channel],
        integrations: [Integration],
        severityTables: [IntegrationType: SeverityTable]
    ) {
        self.channels = channels
        self.integrations = integrations
        self.severityTables = severityTables
    }
}
