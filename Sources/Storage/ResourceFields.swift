import Domain
import Native

/// The fields of configuration resources that callers set, with the names of openapi.yaml: for answers and for the record of changes.
extension JSONWriter {
    /// Of an account.
    package mutating func account(_ account: Account) {
        field("name", utf8: account.name.text.bytes)
        field("status", account.status.rawValue)
        field("stored_bytes_limit", account.storedBytesLimit)
        field("requires_if_match", account.requiresIfMatch)
        object("retention") { $0.retention(account.retention) }
        object("limits") { object in
            for kind in AccountLimits.Kind.allCases { object.field(kind.name, account.limits[kind]) }
        }
    }

    /// Of a channel.
    package mutating func channel(_ channel: Channel) {
        field("name", utf8: channel.name.text.bytes)
        field("description", channel.description)
        field("status", channel.status.rawValue)
    }

    /// Of an integration.
    package mutating func integration(_ integration: Integration) {
        field("type", integration.type.name)
        field("mode", integration.mode.name)
        field("name", utf8: integration.name.text.bytes)
        field("description", integration.description)
        var (channel, defaults): (ChannelID?, [ChannelID]) = (nil, [])
        switch integration.mode {
        case .dedicated(let id): channel = id
        case .shared(let ids): defaults = ids
        }
        field("channel_id", channel)
        array("default_channel_ids") { list in for id in defaults { list.value(id.description) } }
        field("status", integration.status.rawValue)
        object("rate_limit") {
            $0.field("pushes_per_second", integration.rateLimit.pushesPerSecond)
            $0.field("burst", integration.rateLimit.burst)
        }
        array("source_cidrs") { list in for cidr in integration.source.cidrs { list.value(utf8: cidr.bytes) }
        }
        integration.source.pinnedLabels.write(to: &self, as: "pinned_labels")
    }

    /// Of a route, with its place in the list.
    package mutating func route(_ placed: PlacedRoute) {
        let route = placed.route
        field("name", placed.name)
        field("position", placed.position)
        rawField("conditions", placed.conditionsJSON)
        field("mode", route.target.mode)
        array("channel_ids") { list in for id in route.target.channelIDs { list.value(id.description) } }
        field("name_mapping_label", route.target.label)
        field("on_match", route.onMatch.rawValue)
    }

    /// Of a severity table.
    package mutating func severityTable(_ table: SeverityTable) {
        array("entries") { list in
            for entry in table.entries {
                list.object {
                    $0.field("level", entry.level)
                    $0.field("severity", entry.meaning.name)
                }
            }
        }
        field("fallback", table.fallback.name)
    }

    /// Of a key; null: every kind.
    package mutating func scopes(_ scopes: Scopes) {
        key("scopes")
        guard let names = scopes.names else { return null() }
        array { list in for name in names { list.value(name) } }
    }

    /// What callers call it and wrote on it.
    fileprivate mutating func tags(_ metadata: Metadata) {
        field("external_id", metadata.externalID)
        metadata.labels.write(to: &self, as: "labels")
    }
}

extension Account {
    /// For the record of changes.
    var state: JSONState {
        JSONState {
            $0.account(self)
            $0.tags(metadata)
        }
    }
}

extension Channel {
    /// For the record of changes.
    var state: JSONState {
        JSONState {
            $0.channel(self)
            $0.tags(metadata)
        }
    }
}

extension Integration {
    /// For the record of changes.
    var state: JSONState {
        JSONState {
            $0.integration(self)
            $0.tags(metadata)
        }
    }
}

extension PlacedRoute {
    /// For the record of changes. `place`: where it stood or stands in the list at that moment.
    func state(of integration: IntegrationID, at place: Int? = nil) -> JSONState {
        let placed = PlacedRoute(
            route: route,
            name: name,
            position: place ?? position,
            metadata: metadata,
            cost: cost
        )
        return JSONState {
            $0.field("integration_id", integration)
            $0.route(placed)
            $0.tags(metadata)
        }
    }
}

extension SeverityTable {
    /// For the record of changes.
    var state: JSONState { JSONState { $0.severityTable(self) } }
}

extension Notifier {
    /// For the record of changes: not where it sends to, which is a secret.
    var state: JSONState {
        JSONState {
            $0.field("channel_id", channelID)
            $0.field("kind", kind.name)
            $0.field("name", utf8: name.text.bytes)
            $0.field("status", status.rawValue)
            $0.field("disabled_reason", disabledReason?.rawValue)
            $0.rawField("conditions", PackedConfiguration.encode(conditions).bytes)
            $0.array("changes") { list in for change in changes.sorted() { list.value(change.name) } }
            $0.object("template") {
                $0.field("language", template.language.rawValue)
                $0.field("title", template.title)
                $0.field("text", template.text)
            }
            $0.field("storm_limit", stormLimit)
            $0.tags(metadata)
        }
    }
}

extension PushURL {
    /// For the record of changes: without the token.
    var state: JSONState {
        JSONState {
            $0.field("integration_id", integrationID)
            $0.field("description", description)
            $0.field("expires_at", expiresAt)
            $0.field("revoked_at", revokedAt)
            $0.tags(metadata)
        }
    }
}

extension APIKey {
    /// For the record of changes.
    var state: JSONState {
        JSONState {
            $0.field("name", utf8: name.text.bytes)
            $0.field("role", owner.role?.name ?? "operator")
            $0.scopes(scopes)
            $0.field("expires_at", expiresAt)
            $0.field("previous_secret_ends_at", previousSecretEndsAt)
            $0.tags(metadata)
        }
    }
}

extension Route.Target {
    /// The label of a route that finds its channel by name.
    fileprivate var label: Text? {
        if case .channelNamed(let label) = self { label } else { nil }
    }
}
