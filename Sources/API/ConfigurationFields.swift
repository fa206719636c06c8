import Domain
import Native
import Storage
import Web

/// Readers of values that several bodies hold.
extension Field {
    /// Ids of channels, each once; whether they are the account's is for the store to say.
    func channelIDs() -> [ChannelID]? {
        var seen: Set<ChannelID> = []
        return array(count: 0...100) { field in
            guard let id = field.identifier(ChannelKind.self) else { return nil }
            return seen.insert(id).inserted ? id : field.refuse("is in the list already")
        }
    }

    /// `true` or `false`.
    func flag() -> Bool? {
        json.boolValue ?? refuse("must be true or false")
    }

    /// From where an integration takes pushes: networks and addresses.
    func sourceCIDRs() -> [Text]? {
        array(count: 0...SourceRules.Limits.cidrs) { field in
            guard let text = field.text(bytes: SourceRules.Limits.cidrBytes) else { return nil }
            return Network(text) == nil
                ? field.refuse("must be an address or a network such as 10.0.0.0/8 or 2001:db8::/32") : text
        }
    }

    /// Labels that alerts must have, and their values.
    func pinnedLabels() -> Labels? {
        labels(
            count: SourceRules.Limits.pinnedLabels,
            valueBytes: Labels.Limits.valueBytes,
            allowEmpty: false
        )
    }

    /// A severity by its wire name.
    func severity() -> Severity? {
        word(of: Severity.allCases.reversed().map(\.name)) { Severity(name: $0) }
    }

    /// What a level of a severity table means, by its wire name.
    func levelMeaning() -> LevelMeaning? {
        word(of: LevelMeaning.names) { LevelMeaning(name: $0) }
    }

    /// A source's word for a severity: trimmed, 1 to 64 scalars.
    func level() -> Text? {
        guard let text = text(bytes: 1_024, allowEmpty: true)?.trimmed else { return nil }
        guard (1...64).contains(text.string.unicodeScalars.count) else {
            return refuse("must have 1 to 64 characters besides white space at the ends")
        }
        return text
    }

    /// A whole severity table: no level twice, whatever its case.
    func severityEntries() -> [SeverityTable.Entry]? {
        var seen: Set<Text> = []
        return array(count: 0...SeverityTableStore.maximumEntries) { field in
            field.object { fields in
                let level = fields.required("level") { $0.newLevel(&seen) }
                let meaning = fields.required("severity") { $0.levelMeaning() }
                guard let level, let meaning else { return nil }
                return SeverityTable.Entry(level: level, meaning: meaning)
            }
        }
    }

    /// A level that is not among those `seen`.
    func newLevel(_ seen: inout Set<Text>) -> Text? {
        guard let level = level() else { return nil }
        return seen.insert(level.folded).inserted
            ? level : refuse("is in the list already; letter case does not count")
    }

    /// OR groups of conditions, checked: they compile, and can be read back when they are stored. Only notifiers may ask for the status.
    func conditions(allowsStatus: Bool = false) -> [[ConditionSource]]? {
        let groups = array(count: 0...20) { group in
            group.array(count: 1...20) { $0.condition(allowsStatus: allowsStatus) }
        }
        guard let groups else { return nil }
        let bytes = ConditionSource.storedBytes(of: groups)
        guard bytes <= ConditionSource.storedLimit else {
            return refuse(
                "must take at most \(ConditionSource.storedLimit) bytes when stored, and take \(bytes)"
            )
        }
        return groups
    }

    private func condition(allowsStatus: Bool) -> ConditionSource? {
        let source = object { fields -> ConditionSource? in
            let key = fields.required("key") { $0.text(bytes: 7 + Labels.Limits.nameBytes) }
            let word = fields.required("operator") { $0.text() }
            let values = fields.required("values") { list in
                list.array(count: 1...100) { $0.text(bytes: 1_024, allowEmpty: true) }
            }
            guard let key, let word, let values else { return nil }
            return ConditionSource(key: key, operator: word, values: values)
        }
        guard let source else { return nil }
        var found = ValidationErrors()
        let compiled = source.compiled(
            at: pointer,
            allowsStatus: allowsStatus,
            within: errors.compileBudget,
            errors: &found
        )
        errors.add(found)
        return compiled == nil ? nil : source
    }
}
