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
        } else if bytes.count >= 2, bytes.first == UInt8(ascii: "/"), bytes.last == UInt8(ascii: "/") {
            do {
                self = .pattern(try Pattern(Array(bytes[1..<bytes.count - 1])))
            } catch {
                throw FieldError("", "is not a valid regular expression (RE2): \(error.message)")
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
        } else if bytes.contains(where: { $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: "?") }) {
            self = .wildcard(Wildcard(text))
        } else {
            self = .exact(text)
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
    /// status: routes decide firing events.
    package func compiled(
        at pointer: String,
        allowsStatus: Bool = false,
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
        var compiledValues: [ConditionValue] = []
        for (index, value) in values.enumerated() {
            let place = pointer + "/values/\(index)"
            do {
                let compiled = try ConditionValue(value)
                if case (.severity?, .exact(let text)) = (compiledKey, compiled),
                    Severity(name: text.string) == nil
                {
                    errors.add(place, "is not a severity: use Critical, Warning or Info")
                }
                compiledValues.append(compiled)
            } catch {
                errors.add(place, error.detail)
            }
        }
        guard errors.count == before, let compiledKey, let compiledOperator else { return nil }
        return Condition(key: compiledKey, operator: compiledOperator, values: compiledValues)
    }
}

extension Text {
    /// What follows `prefix`; nil when it does not begin with it.
    fileprivate func after(_ prefix: String) -> Text? {
        let start = Array(prefix.utf8)
        return bytes.starts(with: start) ? Text(trusted: Array(bytes[start.count...])) : nil
    }
}
