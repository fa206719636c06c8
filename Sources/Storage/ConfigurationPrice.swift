import Domain
import SQL

/// What a document costs the account that applies it, known before it is applied.
package struct ConfigurationPrice: Sendable {
    /// What the account's limits count: of the document's routes, and of the account's notifiers, which no document has.
    package let cost: ConditionCost
    package let limits: AccountLimits
    /// What it takes at worst to decide on one alert, in nanoseconds: to find its routes in the integration where that takes longest, and to ask
    /// the notifiers.
    package let nanosecondsPerAlert: Int
}

extension ConfigurationStore {
    /// The price of a document. Compiles its routes, in the account's turn.
    package func price(
        of document: ConfigurationDocument,
        in account: AccountNumber
    ) async throws -> ConfigurationPrice {
        let (limits, notifiers) = try await store.database.read(.of(account)) { connection in
            let cost = try connection.row(ConditionCost.ofNotifiers, [.account(account)]) {
                row throws(SQLError) in ConditionCost(row, 0)
            }
            return (try AccountLimits.of(account, on: connection), cost.flatMap(\.self) ?? ConditionCost())
        }
        // Without a snapshot, of a configuration that can't be read, nothing is decided at all.
        let snapshot = try? await store.snapshots.snapshot(of: account, now: store.now)
        return try await store.work.run(.calls, of: account) {
            let price = document.matchPrice + (snapshot?.notifiers.price ?? MatchPrice())
            return ConfigurationPrice(
                cost: document.cost + notifiers,
                limits: limits,
                nanosecondsPerAlert: price.nanoseconds(forBytes: Limits.alertDescriptionBytes)
            )
        }
    }
}

extension ConfigurationDocument {
    /// What the conditions of its routes cost.
    fileprivate var cost: ConditionCost {
        integrations.lazy.flatMap(\.routes).reduce(ConditionCost()) { $0 + $1.cost }
    }

    /// What it takes at worst to find the routes of one alert, in the integration where it takes longest.
    fileprivate var matchPrice: MatchPrice {
        integrations.lazy.map { integration in
            RouteTable(
                integration.routes.enumerated().map { index, draft in
                    draft.route(id: RouteID(high: 0, low: UInt64(index)))
                }
            ).price
        }.worst
    }
}
