import Domain
import SQL

/// What a document costs the account that applies it, known before it is applied.
extension ConfigurationDocument {
    /// What the conditions of its routes cost.
    package var cost: ConditionCost {
        integrations.lazy.flatMap(\.routes).reduce(ConditionCost()) { $0 + $1.cost }
    }

    /// What it takes at worst to find the routes of one alert, in the integration where it takes longest. Compiles its routes: for the
    /// account's turn, and not for a transaction.
    package func price() -> MatchPrice {
        integrations.lazy.map { integration in
            RouteTable(
                integration.routes.enumerated().map { index, draft in
                    draft.route(id: RouteID(high: 0, low: UInt64(index)))
                }
            ).price
        }.worst
    }
}

extension ConfigurationStore {
    /// What the account's notifiers cost, which no document has: a document's cost and theirs together are what the limits count.
    package func costOfNotifiers(in account: AccountNumber) async throws -> ConditionCost {
        try await store.database.read(.of(account)) { connection in
            let cost = try connection.row(ConditionCost.ofNotifiers, [.account(account)]) {
                row throws(SQLError) in ConditionCost(row, 0)
            }
            return cost.flatMap(\.self) ?? ConditionCost()
        }
    }
}
