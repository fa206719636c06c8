import Domain
import SQL

/// The routes of shared integrations.
package struct RouteStore: Sendable {
    let store: Store

    /// Takes a channel out of routes and default channels; routes left without a channel are deleted and positions closed up.
    static func removeChannel(_ id: ChannelID, _ write: ConfigurationWrite) throws {}
}
