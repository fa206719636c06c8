import Domain

/// What a route is made of, and how it is changed.
extension RouteStore {
    /// How a route finds its channels, as on the wire.
    package enum Mode: String, CaseIterable, Sendable {
        case standard
        case nameMapping = "name_mapping"
    }

    /// What a new route is made of. Its conditions compile.
    package struct Draft: Sendable {
        let name: Text
        let conditions: [[ConditionSource]]
        let target: Route.Target
        let onMatch: Route.OnMatch
        let externalID: Text?
        let labels: Labels
        /// What its conditions cost.
        package let cost: ConditionCost

        /// A route whose conditions were checked; whether its channels are the account's is for the store to
        /// say. Compiles them again unless they are well known: not for a transaction.
        package init(
            name: Text,
            conditions: [[ConditionSource]],
            target: Route.Target,
            onMatch: Route.OnMatch,
            externalID: Text?,
            labels: Labels
        ) {
            self.init(
                name: name,
                conditions: conditions,
                target: target,
                onMatch: onMatch,
                externalID: externalID,
                labels: labels,
                cost: ConditionCost(of: conditions, for: .route)
            )
        }

        private init(
            name: Text,
            conditions: [[ConditionSource]],
            target: Route.Target,
            onMatch: Route.OnMatch,
            externalID: Text?,
            labels: Labels,
            cost: ConditionCost
        ) {
            self.name = name
            self.conditions = conditions
            self.target = target
            self.onMatch = onMatch
            self.externalID = externalID
            self.labels = labels
            self.cost = cost
        }

        /// The same, delivering elsewhere.
        func with(target: Route.Target) -> Draft {
            Draft(
                name: name,
                conditions: conditions,
                target: target,
                onMatch: onMatch,
                externalID: externalID,
                labels: labels,
                cost: cost
            )
        }

        /// The same as a rule without a place, for a simulation.
        package func route(id: RouteID) -> Route {
            Route(id: id, conditions: conditions, target: target, onMatch: onMatch)
        }
    }

    /// What a PATCH changes; nil keeps.
    package struct Patch: Sendable {
        let name: Text?
        let position: Int?
        let conditions: [[ConditionSource]]?
        /// What they cost.
        let cost: ConditionCost?
        let mode: Mode?
        let channelIDs: [ChannelID]?
        let label: Change<Text>
        let onMatch: Route.OnMatch?
        let externalID: Change<Text>
        let labels: Labels?

        /// The changes; the conditions were checked.
        package init(
            name: Text?,
            position: Int?,
            conditions: [[ConditionSource]]?,
            mode: Mode?,
            channelIDs: [ChannelID]?,
            label: Change<Text>,
            onMatch: Route.OnMatch?,
            externalID: Change<Text>,
            labels: Labels?
        ) {
            self.name = name
            self.position = position
            self.conditions = conditions
            cost = conditions.map { ConditionCost(of: $0, for: .route) }
            self.mode = mode
            self.channelIDs = channelIDs
            self.label = label
            self.onMatch = onMatch
            self.externalID = externalID
            self.labels = labels
        }
    }

    /// The target that these fields describe; nil when they contradict each other, which is noted below
    /// `pointer`.
    package static func target(
        mode: Mode,
        channelIDs: [ChannelID],
        label: Text?,
        at pointer: String,
        errors: inout ValidationErrors
    ) -> Route.Target? {
        switch mode {
        case .standard:
            if label != nil { errors.add(pointer + "/name_mapping_label", "is for mode name_mapping only") }
            if channelIDs.isEmpty {
                errors.add(pointer + "/channel_ids", "must name 1 to 100 channels in mode standard")
            }
            return label == nil && !channelIDs.isEmpty ? .channels(channelIDs) : nil
        case .nameMapping:
            if label == nil {
                errors.add(pointer + "/name_mapping_label", "is required in mode name_mapping")
            }
            if !channelIDs.isEmpty {
                errors.add(pointer + "/channel_ids", "must be empty in mode name_mapping")
            }
            return channelIDs.isEmpty ? label.map { .channelNamed(byLabel: $0) } : nil
        }
    }
}
