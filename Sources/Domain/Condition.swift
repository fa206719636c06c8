import Native

/// What a condition looks at.
package enum ConditionKey: Hashable, Sendable {
    case severity
    /// What notifiers may ask for: the severity while it fires, `Ok` once recovered.
    case status
    case title
    case description
    case alertKey
    case label(Text)

    /// Reads the wire form; nil for a key that does not exist, which is refused and never silently unmatched.
    package init?(_ text: Text) {
        switch text.string {
        case "severity": self = .severity
        case "status": self = .status
        case "title": self = .title
        case "description": self = .description
        case "alert_key": self = .alertKey
        default:
            let prefix = Array("labels.".utf8)
            guard text.bytes.starts(with: prefix), text.bytes.count > prefix.count,
                text.bytes.count <= prefix.count + Labels.Limits.nameBytes
            else { return nil }
            self = .label(Text(trusted: Array(text.bytes[prefix.count...])))
        }
    }

    /// The wire form.
    package var name: String {
        switch self {
        case .severity: "severity"
        case .status: "status"
        case .title: "title"
        case .description: "description"
        case .alertKey: "alert_key"
        case .label(let name): "labels." + name.string
        }
    }
}

/// What conditions are held against: the parts of an event or alert that a key can name.
package struct ConditionSubject: Sendable {
    package let severity: Severity
    /// nil where conditions can't ask for it.
    package let status: Text?
    package let title: Text
    package let description: Text
    package let alertKey: Text
    package let labels: Labels

    package init(
        severity: Severity,
        status: Text? = nil,
        title: Text,
        description: Text,
        alertKey: Text,
        labels: Labels
    ) {
        self.severity = severity
        self.status = status
        self.title = title
        self.description = description
        self.alertKey = alertKey
        self.labels = labels
    }

    /// The same with another status.
    package func with(status: Text) -> ConditionSubject {
        ConditionSubject(
            severity: severity,
            status: status,
            title: title,
            description: description,
            alertKey: alertKey,
            labels: labels
        )
    }

    /// The value under `key`; nil when there is none (a missing label).
    package func value(of key: ConditionKey) -> Text? {
        switch key {
        case .severity: Text(severity.name)
        case .status: status
        case .title: title
        case .description: description
        case .alertKey: alertKey
        case .label(let name): labels.value(of: name)
        }
    }
}

/// One value of a condition, compiled.
package enum ConditionValue: Sendable {
    case exact(Text)
    /// A lone `*`: there is a value.
    case present
    case wildcard(Wildcard)
    /// RE2, searched anywhere in the value.
    case pattern(Pattern)
    case network(Network)
    case number(NumberTest)

    /// Reads the wire form. Throws what is wrong with it, for the person who wrote it.
    package init(_ text: Text) throws(FieldError) {
        let bytes = text.bytes
        if let rest = text.after("literal:") {
            self = .exact(rest)
        } else if text.isPattern {
            do {
                self = .pattern(try Pattern.tenants(Array(bytes[1..<bytes.count - 1])))
            } catch {
                throw FieldError("", ConditionValue.detail(of: error))
            }
        } else if let rest = text.after("cidr:") {
            guard let network = Network(rest) else {
                throw FieldError("", "is not a network such as cidr:10.0.0.0/8 or cidr:2001:db8::/32")
            }
            self = .network(network)
        } else if let rest = text.after("num:") {
            guard let test = NumberTest(rest) else {
                throw FieldError("", "must be num:gt:N, num:ge:N, num:lt:N or num:le:N, where N is a number")
            }
            self = .number(test)
        } else if bytes == [UInt8(ascii: "*")] {
            self = .present
        } else if text.isWildcard {
            self = .wildcard(Wildcard(text))
        } else {
            self = .exact(text)
        }
    }

    private static func detail(of error: PatternError) -> String {
        switch error {
        case .tooLarge(let message): "is too large a regular expression: \(message)"
        case .syntax(let message): "is not a valid regular expression (RE2): \(message)"
        }
    }

    /// Whether a value that is there satisfies it.
    package func matches(_ value: Text) -> Bool {
        switch self {
        case .exact(let text): text == value
        case .present: true
        case .wildcard(let wildcard): wildcard.matches(value)
        case .pattern(let pattern): pattern.matches(value.bytes)
        case .network(let network): network.contains(value)
        case .number(let test): test.holds(for: value)
        }
    }
}

/// `key` is, or is not, one of `values`.
package struct Condition: Sendable {
    /// How the values are meant; the raw value is the wire form.
    package enum Operator: String, Sendable {
        /// Any value matches. A missing label never satisfies it.
        case anyOf = "in"
        /// No value matches. A missing label always satisfies it.
        case noneOf = "not_in"
    }

    package let key: ConditionKey
    package let `operator`: Operator
    package let values: [ConditionValue]

    package init(key: ConditionKey, operator: Operator, values: [ConditionValue]) {
        self.key = key
        self.operator = `operator`
        self.values = values
    }

    /// Whether `subject` satisfies it. O(values).
    package func holds(for subject: ConditionSubject) -> Bool {
        guard let value = subject.value(of: key) else { return `operator` == .noneOf }
        return values.contains { $0.matches(value) } == (`operator` == .anyOf)
    }
}

extension Condition {
    /// The values, when it asks for one of several exact ones; nil otherwise.
    var exactValues: [Text]? {
        guard `operator` == .anyOf else { return nil }
        var texts: [Text] = []
        for value in values {
            guard case .exact(let text) = value else { return nil }
            texts.append(text)
        }
        return texts
    }

    /// Whether a route that asks for it is found without being tried for each alert.
    var isFoundByIndex: Bool { exactValues != nil || isFoundByLiterals }
}

/// A condition as its owner wrote it; `compiled(at:)` checks it.
package struct ConditionSource: Sendable, Equatable {
    package let key: Text
    package let `operator`: Text
    package let values: [Text]

    package init(key: Text, operator: Text, values: [Text]) {
        self.key = key
        self.operator = `operator`
        self.values = values
    }

    /// The compiled condition; nil when it has errors, which are added with pointers below `pointer`. Only notifiers may ask for the
    /// status: routes decide firing events. A body that holds many of them is read with a `budget`.
    package func compiled(
        at pointer: String,
        allowsStatus: Bool = false,
        within budget: CompileBudget? = nil,
        errors: inout ValidationErrors
    ) -> Condition? {
        let before = errors.count
        let found = ConditionKey(key)
        let compiledKey = found == .status && !allowsStatus ? nil : found
        if compiledKey == nil {
            let status = allowsStatus ? "status, " : ""
            errors.add(
                pointer + "/key",
                "is not a key: use severity, \(status)title, description, alert_key or labels.NAME"
            )
        }
        let compiledOperator = Condition.Operator(rawValue: `operator`.string)
        if compiledOperator == nil { errors.add(pointer + "/operator", "must be in or not_in") }
        let compiledValues = values(of: compiledKey, at: pointer, budget, &errors)
        guard errors.count == before, compiledValues.count == values.count, let compiledKey,
            let compiledOperator
        else { return nil }
        return Condition(key: compiledKey, operator: compiledOperator, values: compiledValues)
    }

    /// The values that compile; of those that don't it is noted why.
    private func values(
        of key: ConditionKey?,
        at pointer: String,
        _ budget: CompileBudget?,
        _ errors: inout ValidationErrors
    ) -> [ConditionValue] {
        var compiled: [ConditionValue] = []
        for (index, value) in values.enumerated() {
            let place = pointer + "/values/\(index)"
            if value.isPattern, let budget, !budget.hasRoom(at: place, errors: &errors) { break }
            do {
                let found = try ConditionValue(value)
                if case .pattern(let pattern) = found { budget?.spend(pattern.programSize) }
                if case (.severity?, .exact(let text)) = (key, found), Severity(name: text.string) == nil {
                    errors.add(place, "is not a severity: use Critical, Warning or Info")
                }
                compiled.append(found)
            } catch {
                if value.isPattern { budget?.spend(CompileBudget.refused) }
                errors.add(place, error.detail)
            }
        }
        return compiled
    }
}

extension Text {
    /// What follows `prefix`; nil when it does not begin with it.
    fileprivate func after(_ prefix: String) -> Text? {
        let start = Array(prefix.utf8)
        return bytes.starts(with: start) ? Text(trusted: Array(bytes[start.count...])) : nil
    }

    /// Whether it is written as a regular expression.
    var isPattern: Bool {
        let slash = UInt8(ascii: "/")
        return bytes.count >= 2 && bytes.first == slash && bytes.last == slash
    }

    /// Whether it is written as a wildcard, and not as a lone `*`.
    var isWildcard: Bool {
        guard !isPattern, bytes != [UInt8(ascii: "*")],
            bytes.contains(where: { $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: "?") })
        else { return false }
        return !["literal:", "cidr:", "num:"].contains { bytes.starts(with: $0.utf8) }
    }
}
