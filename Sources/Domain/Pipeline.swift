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
        if event.isRecovery { return Decision(severity: verdict, routing: .recovery, channels: []) }
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
        let matches = routes.matches(for: subject)
        var channels: [ChannelID] = []
        for match in matches {
            for channel in self.channels(of: match, labels: event.labels, directory: directory)
            where !channels.contains(channel) {
                channels.append(channel)
            }
        }
        let usesDefaults = channels.isEmpty
        if usesDefaults {
            for channel in defaults where directory.isEnabled(channel) && !channels.contains(channel) {
                channels.append(channel)
            }
        }
        let routing = Decision.Routing.routes(
            matched: matches.map(\.route),
            of: routes.count,
            stopped: matches.last?.onMatch == .stop,
            usedDefaults: usesDefaults
        )
        return Decision(severity: severity, routing: routing, channels: channels)
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

    package let severity: SeverityVerdict
    package let routing: Routing
    /// The enabled channels of a firing event, each once; empty for a recovery.
    package let channels: [ChannelID]

    package init(severity: SeverityVerdict, routing: Routing, channels: [ChannelID]) {
        self.severity = severity
        self.routing = routing
        self.channels = channels
    }
}
