import Domain
import Native
import SQL

/// A body run through the pipeline as if it were pushed now, without storing anything. It comes from nowhere: the integration's source
/// addresses are not asked, its pinned labels are.
package struct Simulation: Sendable {
    /// What the delivery would be.
    package let disposition: Delivery.Disposition
    /// Why it would not be accepted.
    package let reason: String?
    /// In the order of its events.
    package let results: [EventResult]
    /// How many (event, channel) pairs would take effect that had none before.
    package let applied: Int

    /// What to try instead of what is configured; nil: what is configured.
    package struct Draft: Sendable {
        package let routes: [RouteStore.Entry]?
        package let severityTable: SeverityTable?

        package init(routes: [RouteStore.Entry]?, severityTable: SeverityTable?) {
            self.routes = routes
            self.severityTable = severityTable
        }
    }
}

/// An integration with a draft of its routes or severity table in the place of what is configured.
struct Trial: Sendable {
    let integration: IntegrationSnapshot
    let format: any PushFormat
    let present: AccountSnapshot
    fileprivate let drafted: AccountSnapshot
    /// nil: those that are configured.
    fileprivate let routes: RouteTable?

    /// By the draft.
    func decision(on event: DecodedEvent) -> Decision { decide(event, drafted, routes) }

    /// By what is configured.
    func presentDecision(on event: DecodedEvent) -> Decision { decide(event, present, nil) }

    private func decide(_ event: DecodedEvent, _ account: AccountSnapshot, _ routes: RouteTable?) -> Decision
    {
        Pipeline.decide(
            event,
            integration: integration,
            account: account,
            vocabulary: format.severities,
            routes: routes
        )
    }
}

extension Store {
    /// Runs `body` through the same functions as a push to `integration`, over the alerts as they are stored now.
    ///
    /// `earlier`: what came of its events before, for a replay, of which the integration's pinned labels are not asked; nil: for a push.
    ///
    /// Throws `notFound`; `invalid` when the draft has routes and the integration is dedicated, or names what is not there.
    package func simulate(
        _ body: [UInt8],
        contentType: Text?,
        integration id: IntegrationID,
        draft: Simulation.Draft,
        replaying earlier: [EventOutcome]? = nil,
        in account: AccountNumber
    ) async throws -> Simulation {
        let now = now
        let trial = try await trial(of: draft, integration: id, in: account)
        let integration = trial.integration
        do {
            let decoded = try await decode(body, contentType: contentType, as: trial.format, in: account)
            guard case .events(let events) = decoded else {
                return Simulation(disposition: .test, reason: nil, results: [], applied: 0)
            }
            if earlier == nil, let source = integration.source, !source.takes(events) {
                let reason = Quarantine.pinnedLabel.reason
                return Simulation(disposition: .quarantined, reason: reason, results: [], applied: 0)
            }
            let identities = Set(events.map { AlertFold.Identity(integrationID: id, alertKey: $0.alertKey) })
            let fold = try await alerts.fold(for: Array(identities), in: account)
            let ending = try await work.forEach(
                .calls,
                of: account,
                count: events.count,
                from: Course(fold: fold)
            ) { position, course in
                let before = earlier.flatMap { position < $0.count ? $0[position].channels : nil } ?? []
                let decision = trial.decision(on: events[position])
                let event = events[position].read(by: decision.severity)
                let result = result(of: event, decision, integration, at: now, after: before, &course.fold)
                course.applied += result.outcome.without(before).channels.count { $0.outcome.isEffective }
                course.results.append(result)
            }
            return Simulation(
                disposition: .accepted,
                reason: nil,
                results: ending.results,
                applied: ending.applied
            )
        } catch let error as DecodeError {
            return Simulation(disposition: .quarantined, reason: error.reason, results: [], applied: 0)
        }
    }

    /// How far a simulation has come.
    private struct Course: Sendable {
        var fold: AlertFold
        var results: [EventResult] = []
        var applied = 0
    }

    /// Decodes a body in the turn of the account that asks for it.
    func decode(
        _ body: [UInt8],
        contentType: Text?,
        as format: any PushFormat,
        in account: AccountNumber
    ) async throws -> DecodedDelivery {
        try await work.run(.calls, of: account, bytes: body.count) {
            try decode(body, contentType: contentType, as: format)
        }
    }

    /// What a simulation or a back-test of the draft decides by. Throws `notFound`; `invalid` as `simulate` does.
    func trial(
        of draft: Simulation.Draft,
        integration id: IntegrationID,
        in account: AccountNumber
    ) async throws -> Trial {
        guard let number = try await deliveries.number(of: id, in: account),
            let snapshot = try await snapshots.snapshot(of: account, now: now),
            let integration = snapshot.integrations[number],
            let format = format(of: integration.type)
        else { throw StoreError.notFound }
        let tables = draft.severityTable.map { [integration.type: $0] } ?? [:]
        return Trial(
            integration: integration,
            format: format,
            present: snapshot,
            drafted: snapshot.with(severityTables: snapshot.severityTables.merging(tables) { $1 }),
            routes: try await trialRoutes(draft, integration, in: account)
        )
    }

    private func result(
        of event: DecodedEvent,
        _ decision: Decision,
        _ integration: IntegrationSnapshot,
        at now: UnixTime,
        after before: [EventOutcome.InChannel],
        _ fold: inout AlertFold
    ) -> EventResult {
        let outcome = fold.apply(
            event,
            content: { [] },
            decision: decision,
            integration: integration.id,
            received: now,
            applied: before,
            newID: { identifiers.next() }
        )
        return EventResult(
            alertKey: event.alertKey,
            title: event.title,
            isRecovery: event.isRecovery,
            notes: event.notes,
            decision: decision,
            outcome: outcome
        )
    }

    /// A list for a trial may have by itself what the account may have in all. Throws `invalid` where it goes beyond.
    private static func checkCost(of entries: [RouteStore.Entry], within limits: AccountLimits) throws {
        var meter = ConditionMeter()
        meter.add(entries.map(\.draft.cost), of: "/routes")
        do throws(StoreError) {
            try meter.check(before: ConditionCost(), after: meter.added, within: limits)
        } catch {
            guard case .costLimitReached(let kind, let limit, _, let pointers) = error else { throw error }
            let detail = "goes beyond \(limit), the account's limits.\(kind.name)"
            throw StoreError.invalid(ValidationErrors(pointers.map { FieldError($0, detail) }))
        }
    }

    /// The routes of the draft, checked as if they were to be stored.
    private func trialRoutes(
        _ draft: Simulation.Draft,
        _ integration: IntegrationSnapshot,
        in account: AccountNumber
    ) async throws -> RouteTable? {
        guard let entries = draft.routes else { return nil }
        if case .dedicated = integration.routing {
            throw StoreError.invalid(
                ValidationErrors([FieldError("/routes", "a dedicated integration has no routes")])
            )
        }
        try await database.read(.of(account)) { connection in
            let present = try RouteStore.routes(
                0...Limits.routes,
                of: integration.id,
                in: account,
                on: connection
            )
            try RouteStore.check(entries, against: Set(present.map(\.route.id)), in: account, on: connection)
            try Self.checkCost(of: entries, within: try AccountLimits.of(account, on: connection))
        }
        return try await work.run(.calls, of: account) {
            RouteTable(
                entries.enumerated().map { index, entry in
                    entry.draft.route(id: entry.id ?? RouteID(high: 0, low: UInt64(index)))
                }
            )
        }
    }
}
