import Domain
import SQL

/// What draft routes, or a draft severity table, would have made of what an integration brought.
///
/// - Firing events alone: where a recovery goes is not for routes to say.
/// - The same function decides as for a push (`Pipeline.decide`), once by the present configuration and once by the draft.
package struct Backtest: Sendable {
    /// How the events of one channel and severity come out.
    package struct Count: Sendable {
        /// nil: no channel.
        package let channelID: ChannelID?
        package let severity: Severity
        /// Events by the present configuration.
        package internal(set) var before = 0
        /// Events by the draft.
        package internal(set) var after = 0
    }

    /// Where an event goes, and as what.
    package struct Side: Sendable, Equatable {
        package let severity: Severity
        package let channelIDs: [ChannelID]
    }

    /// An event that the draft treats otherwise.
    package struct Example: Sendable {
        package let deliveryID: DeliveryID
        package let receivedAt: UnixTime
        package let alertKey: Text
        package let title: Text
        package let before: Side
        package let after: Side
    }

    /// Deliveries that were run.
    package internal(set) var deliveries = 0
    /// Deliveries of the integration that could not be run: without a body any more, or not decodable.
    package internal(set) var skipped = 0
    /// Firing events that were decided.
    package internal(set) var events = 0
    /// Those that come out otherwise.
    package internal(set) var changed = 0
    /// Whether there was more than may be looked at.
    package internal(set) var isCut = false
    /// When the oldest and the newest were received.
    package internal(set) var span: ClosedRange<UnixTime>?
    /// By channel and severity, in the order of channels, the most severe first.
    package var counts: [Count] {
        table.values.sorted { one, other in
            let (left, right) = (one.channelID?.description ?? "", other.channelID?.description ?? "")
            return left == right ? one.severity > other.severity : left < right
        }
    }
    /// The newest that come out otherwise.
    package internal(set) var examples: [Example] = []

    private var table: [Key: Count] = [:]

    private struct Key: Hashable {
        let channelID: ChannelID?
        let severity: Severity
    }

    /// Deliveries that may be asked for.
    package static let most = 1_000
    static let mostEvents = 50_000
    private static let mostExamples = 20

    /// Counts an event.
    mutating func add(_ event: DecodedEvent, of delivery: Delivery, before: Side, after: Side) {
        events += 1
        count(before) { $0.before += 1 }
        count(after) { $0.after += 1 }
        guard before != after else { return }
        changed += 1
        guard examples.count < Self.mostExamples else { return }
        examples.append(
            Example(
                deliveryID: delivery.id,
                receivedAt: delivery.receivedAt,
                alertKey: event.alertKey,
                title: event.title,
                before: before,
                after: after
            )
        )
    }

    private mutating func count(_ side: Side, _ add: (inout Count) -> Void) {
        let channels: [ChannelID?] = side.channelIDs.isEmpty ? [nil] : side.channelIDs
        for channel in channels {
            let key = Key(channelID: channel, severity: side.severity)
            add(&table[key, default: Count(channelID: channel, severity: side.severity)])
        }
    }
}

extension Store {
    /// Runs the draft over the newest deliveries of the integration, at most `limit` of them, received at or after `since`.
    ///
    /// Throws `notFound`; `invalid` when the draft has routes and the integration is dedicated, or names what is not there.
    package func backtest(
        _ draft: Simulation.Draft,
        integration id: IntegrationID,
        limit: Int,
        since: UnixTime?,
        in account: AccountNumber
    ) async throws -> Backtest {
        let trial = try await trial(of: draft, integration: id, in: account)
        var filter = DeliveryStore.Filter()
        filter.integrationID = id
        filter.since = since
        var (result, before): (Backtest, DeliveryID?) = (Backtest(), nil)
        repeat {
            let want = min(200, limit - result.deliveries - result.skipped)
            let page = try await deliveries.list(
                PageRequest(limit: want, before: before),
                filter: filter,
                in: account
            )
            for delivery in page.items {
                guard result.events < Backtest.mostEvents else {
                    result.isCut = true
                    return result
                }
                guard let events = try await events(of: delivery, as: trial.format, in: account) else {
                    result.skipped += 1
                    continue
                }
                result.include(delivery)
                result = try await work.forEach(.calls, of: account, count: events.count, from: result) {
                    let event = events[$0]
                    let (before, after) = (trial.presentDecision(on: event), trial.decision(on: event))
                    let isFiring =
                        !event.isRecovery(by: before.severity) || !event.isRecovery(by: after.severity)
                    guard isFiring else { return }
                    $1.add(event, of: delivery, before: Backtest.Side(before), after: Backtest.Side(after))
                }
            }
            before = page.next
        } while before != nil && result.deliveries + result.skipped < limit
        result.isCut = before != nil
        return result
    }

    /// nil: there is nothing that could be run.
    private func events(
        of delivery: Delivery,
        as format: any PushFormat,
        in account: AccountNumber
    ) async throws -> [DecodedEvent]? {
        guard !delivery.isKeptOut,
            let body = try await deliveries.find(delivery.id, in: account, limit: 0).body
        else { return nil }
        do {
            guard
                case .events(let events) = try await decode(
                    body,
                    contentType: delivery.contentType,
                    as: format,
                    in: account
                )
            else {
                return nil
            }
            return events
        } catch is DecodeError {
            return nil
        }
    }
}

extension Backtest {
    fileprivate mutating func include(_ delivery: Delivery) {
        deliveries += 1
        let time = delivery.receivedAt
        span = span.map { min($0.lowerBound, time)...max($0.upperBound, time) } ?? time...time
    }
}

extension Backtest.Side {
    fileprivate init(_ decision: Decision) {
        self.init(severity: decision.severity.severity, channelIDs: decision.channels)
    }
}
