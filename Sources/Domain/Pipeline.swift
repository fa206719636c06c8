/// The rules that lead from a decoded event to channels: steps 5 and 6 of a push. Pure.
///
/// Ingest, replay, simulation and the writer that finds a newer configuration all run these functions; there is no second
/// implementation of any rule.
package enum Pipeline {
    /// What `event` means under an account's configuration.
    package static func decide(
        _ event: DecodedEvent,
        integration: IntegrationSnapshot,
        account: AccountSnapshot,
        vocabulary: SeverityVocabulary,
        routes override: RouteTable? = nil
    ) -> Decision {
        let table = account.severityTables[integration.type] ?? vocabulary.defaultTable
        let verdict = SeverityVerdict(event.severityCandidates, table: table, vocabulary: vocabulary)
        if event.isRecovery(by: verdict) {
            return Decision(severity: verdict, routing: .recovery, channels: [])
        }
        switch integration.routing {
        case .dedicated(let channel):
            let channels = account.channels.isEnabled(channel) ? [channel] : []
            return Decision(severity: verdict, routing: .dedicated(channel), channels: channels)
        case .shared(let routes, let defaults):
            return route(
                event,
                severity: verdict,
                routes: override ?? routes,
                defaults: defaults,
                directory: account.channels
            )
        }
    }

    private static func route(
        _ event: DecodedEvent,
        severity: SeverityVerdict,
        routes: RouteTable,
        defaults: [ChannelID],
        directory: ChannelDirectory
    ) -> Decision {
        let subject = ConditionSubject(
            severity: severity.severity,
            title: event.title,
            description: event.description,
            alertKey: event.alertKey,
            labels: event.labels
        )
        var selection = Selection()
        routes.forEachMatch(for: subject) { match in
            selection.add(match, channels(of: match, labels: event.labels, directory: directory))
        }
        let usesDefaults = selection.channels.isEmpty
        if usesDefaults { selection.add(defaults.filter(directory.isEnabled)) }
        let routing = Decision.Routing.routes(
            matched: selection.routes,
            of: routes.count,
            stopped: selection.isStopped,
            usedDefaults: usesDefaults
        )
        return Decision(
            severity: severity,
            routing: routing,
            channels: selection.channels,
            routesOmitted: selection.routesOmitted,
            channelsOmitted: selection.channelsOmitted.count
        )
    }

    /// The routes and channels of an event, as far as they are kept.
    private struct Selection {
        private(set) var routes: [RouteID] = []
        private(set) var routesOmitted = 0
        private(set) var channels: [ChannelID] = []
        private(set) var channelsOmitted: Set<ChannelID> = []
        private(set) var isStopped = false

        mutating func add(_ match: RouteTable.Match, _ channels: [ChannelID]) {
            if routes.count < Decision.mostRoutes { routes.append(match.route) } else { routesOmitted += 1 }
            isStopped = match.onMatch == .stop
            add(channels)
        }

        /// Adds those that are not there yet, each in O(channels that are kept).
        mutating func add(_ new: [ChannelID]) {
            for channel in new where !channels.contains(channel) {
                if channels.count < Decision.mostChannels {
                    channels.append(channel)
                } else {
                    channelsOmitted.insert(channel)
                }
            }
        }
    }

    private static func channels(
        of match: RouteTable.Match,
        labels: Labels,
        directory: ChannelDirectory
    ) -> [ChannelID] {
        switch match.target {
        case .channels(let ids):
            return ids.filter(directory.isEnabled)
        case .channelNamed(let label):
            guard let name = labels.value(of: label), let id = directory.channel(named: name) else {
                return []
            }
            return directory.isEnabled(id) ? [id] : []
        }
    }
}

/// What the configuration makes of an event, before the state of any alert is looked at.
package struct Decision: Sendable, Equatable {
    /// How the channels were found.
    package enum Routing: Sendable, Equatable {
        /// The integration belongs to this channel.
        case dedicated(ChannelID)
        /// Routes were asked: those that matched, in order, of how many; whether the last one said stop; whether the default
        /// channels had to serve.
        case routes(matched: [RouteID], of: Int, stopped: Bool, usedDefaults: Bool)
        /// A recovery goes to the open alerts of its key, whatever the routes say now.
        case recovery
    }

    /// Channels that an event may have: beyond them the first in the order of routes.
    package static let mostChannels = 64
    /// Matched routes that a decision keeps: beyond them the first.
    package static let mostRoutes = 64

    package let severity: SeverityVerdict
    package let routing: Routing
    /// The enabled channels of a firing event, each once, at most `mostChannels`; empty for a recovery.
    package let channels: [ChannelID]
    /// How many routes matched that are not among those of `routing`.
    package let routesOmitted: Int
    /// How many channels more it would have had.
    package let channelsOmitted: Int

    package init(
        severity: SeverityVerdict,
        routing: Routing,
        channels: [ChannelID],
        routesOmitted: Int = 0,
        channelsOmitted: Int = 0
    ) {
        self.severity = severity
        self.routing = routing
        self.channels = channels
        self.routesOmitted = routesOmitted
        self.channelsOmitted = channelsOmitted
    }
}
