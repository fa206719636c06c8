import Domain
import Native

/// A body run through the pipeline as if it were pushed now, without storing anything.
package struct Simulation: Sendable {
    /// What the delivery would be.
    package let disposition: Delivery.Disposition
    /// Why it would not be accepted.
    package let reason: String?
    /// In the order of its events.
    package let results: [EventResult]

    /// What to try instead of what is configured.
    package struct Draft: Sendable {
        package let routes: RouteTable?
        package let severityTable: SeverityTable?

        package init(routes: RouteTable?, severityTable: SeverityTable?) {
            self.routes = routes
            self.severityTable = severityTable
        }
    }
}

extension Store {
    /// Runs `body` through the same functions as a push to `integration`, over the alerts as they are stored now.
    ///
    /// Throws `notFound`, and `invalid` when the draft has routes and the integration is dedicated.
    package func simulate(
        _ body: [UInt8],
        integration id: IntegrationID,
        draft: Simulation.Draft,
        in account: AccountNumber
    ) async throws -> Simulation {
        let now = now
        guard let number = try await deliveries.number(of: id, in: account),
            let snapshot = try await snapshots.snapshot(of: account, now: now),
            let integration = snapshot.integrations[number],
            let format = formats.first(where: { $0.type == integration.type })
        else { throw StoreError.notFound }
        if draft.routes != nil, case .dedicated = integration.routing {
            throw StoreError.invalid(
                ValidationErrors([FieldError("/routes", "a dedicated integration has no routes")])
            )
        }
        let events: [DecodedEvent]
        do {
            switch try decode(body, as: format) {
            case .test: return Simulation(disposition: .test, reason: nil, results: [])
            case .events(let decoded): events = decoded
            }
        } catch {
            return Simulation(disposition: .quarantined, reason: error.reason, results: [])
        }
        let tables = snapshot.severityTables.merging(
            draft.severityTable.map { [integration.type: $0] } ?? [:]
        ) { $1 }
        let trial = snapshot.with(severityTables: tables)
        let identities = Set(events.map { AlertFold.Identity(integrationID: id, alertKey: $0.alertKey) })
        var fold = AlertFold(newest: try await alerts.newest(of: Array(identities), in: account))
        let results = events.map { event in
            let decision = Pipeline.decide(
                event,
                integration: integration,
                account: trial,
                vocabulary: format.severities,
                routes: draft.routes
            )
            let outcome = fold.apply(event, content: [], decision: decision, integration: id, received: now) {
                identifiers.next()
            }
            return EventResult(
                alertKey: event.alertKey,
                title: event.title,
                isRecovery: event.isRecovery,
                wasCut: event.wasCut,
                decision: decision,
                outcome: outcome
            )
        }
        return Simulation(disposition: .accepted, reason: nil, results: results)
    }
}
