import Yams

/// A value of an OpenAPI document, its members in the order of the text.
indirect enum SpecValue: Sendable {
    case null
    case bool(Bool)
    /// As it is written.
    case number(String)
    case string(String)
    case list([SpecValue])
    case map(Members)

    /// The members of a map.
    struct Members: Sendable {
        let pairs: [(key: String, value: SpecValue)]
        private let places: [String: Int]

        init(_ pairs: [(key: String, value: SpecValue)]) {
            self.pairs = pairs
            places = Dictionary(pairs.indices.map { (pairs[$0].key, $0) }) { first, _ in first }
        }

        subscript(_ key: String) -> SpecValue? { places[key].map { pairs[$0].value } }
    }

    /// The value of a member; nil when there is none, or this is no map.
    subscript(_ key: String) -> SpecValue? {
        guard case .map(let members) = self else { return nil }
        return members[key]
    }

    /// The members; none when this is no map.
    var members: [(key: String, value: SpecValue)] {
        guard case .map(let members) = self else { return [] }
        return members.pairs
    }

    /// The items; none when this is no list.
    var items: [SpecValue] {
        guard case .list(let items) = self else { return [] }
        return items
    }

    /// The text, when it is one.
    var string: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    /// The number as it is written, when it is one.
    var number: String? {
        guard case .number(let text) = self else { return nil }
        return text
    }

    /// The truth value, when it is one.
    var bool: Bool? {
        guard case .bool(let value) = self else { return nil }
        return value
    }

    /// This map with the members of `other` added, or in the place of its own.
    func overlaid(with other: [(key: String, value: SpecValue)]) -> SpecValue {
        guard !other.isEmpty else { return self }
        let names = Set(other.map(\.key))
        return .map(Members(members.filter { !names.contains($0.key) } + other))
    }
}

extension SpecValue {
    /// A YAML node by the core schema of YAML 1.2: only plain scalars can be null, truth values or numbers.
    init(_ node: Node) throws(ReferenceError) {
        switch node {
        case .scalar(let scalar): self = SpecValue(scalar)
        case .sequence(let nodes):
            var items: [SpecValue] = []
            for node in nodes { items.append(try SpecValue(node)) }
            self = .list(items)
        case .mapping(let nodes):
            var pairs: [(key: String, value: SpecValue)] = []
            for (key, value) in nodes {
                guard case .scalar(let name) = key else { throw ReferenceError("a key is not a scalar") }
                pairs.append((name.string, try SpecValue(value)))
            }
            self = .map(Members(pairs))
        case .alias: throw ReferenceError("an alias without its anchor")
        }
    }

    private init(_ scalar: Node.Scalar) {
        guard scalar.style == .plain || scalar.style == .any else {
            self = .string(scalar.string)
            return
        }
        switch scalar.string {
        case "", "~", "null": self = .null
        case "true": self = .bool(true)
        case "false": self = .bool(false)
        case let text:
            let first = text.utf8.first ?? 0
            let isNumber = "+-.0123456789".utf8.contains(first) && Double(text) != nil
            self = isNumber ? .number(text) : .string(text)
        }
    }
}

/// An OpenAPI document is not as the page needs it.
package struct ReferenceError: Error, Equatable, CustomStringConvertible {
    package let description: String

    init(_ description: String) {
        self.description = description
    }
}
