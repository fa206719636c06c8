import Yams

/// An OpenAPI document, as the page goes through it.
struct SpecDocument: Sendable {
    let root: SpecValue
    let tags: [Tag]
    /// In the order of the text.
    let operations: [Operation]
    /// What the server sends to others, in the order of the text.
    let webhooks: [Operation]
    /// In the order of the text.
    let schemas: [(name: String, value: SpecValue)]
    /// The anchors of what a name in the text may mean: schemas and operations.
    private let anchors: [String: String]

    struct Tag: Sendable {
        let name: String
        let description: String
        /// Where the page has it.
        var anchor: String { "tag-" + SpecDocument.anchor(name) }
    }

    struct Operation: Sendable {
        /// `createChannel`: also its anchor.
        let id: String
        /// `POST`
        let method: String
        /// `/v1/accounts/{account_id}/channels`; empty for what the server sends to others.
        let path: String
        let value: SpecValue
        /// Resolved; those of the path first, then its own.
        let parameters: [SpecValue]

        var summary: String { value["summary"]?.string ?? id }
        var tag: String { value["tags"]?.items.first?.string ?? "" }
    }

    /// Reads the text of a document.
    init(yaml: String) throws {
        guard let node = try Yams.compose(yaml: yaml) else { throw ReferenceError("the document is empty") }
        let root = try SpecValue(node)
        self.root = root
        tags = (root["tags"]?.items ?? []).map { tag in
            Tag(name: tag["name"]?.string ?? "", description: tag["description"]?.string ?? "")
        }
        operations = try Self.operations(in: root["paths"], of: root)
        webhooks = try Self.operations(in: root["webhooks"], of: root).map { webhook in
            let id = "webhook-" + webhook.path
            return Operation(
                id: id,
                method: webhook.method,
                path: "",
                value: webhook.value,
                parameters: webhook.parameters
            )
        }
        schemas = (root["components"]?["schemas"]?.members ?? []).map { ($0.key, $0.value) }
        var anchors: [String: String] = [:]
        // `push` and the like are words before they are operations.
        for operation in operations where operation.id.contains(where: \.isUppercase) {
            anchors[operation.id] = operation.id
        }
        for (name, _) in schemas { anchors[name] = Self.anchor(ofSchema: name) }
        self.anchors = anchors
    }

    /// Where the page has what is called `name`; nil when it is no name of an operation or a schema.
    func anchor(of name: String) -> String? { anchors[name] }

    /// Where the page has a schema.
    static func anchor(ofSchema name: String) -> String { "schema-" + name }

    /// A title as an anchor: `Push URLs` is `push-urls`.
    static func anchor(_ title: String) -> String {
        title.lowercased().split { !($0.isLetter || $0.isNumber) }.joined(separator: "-")
    }

    // MARK: References

    /// What `value` refers to, with what stands beside the reference laid over it; or `value` itself.
    func resolved(_ value: SpecValue) -> SpecValue { Self.resolved(value, in: root) }

    /// The name of the schema that `value` refers to; nil when it is no reference to one.
    func schemaName(of value: SpecValue) -> String? {
        let prefix = "#/components/schemas/"
        guard let reference = value["$ref"]?.string, reference.hasPrefix(prefix) else { return nil }
        return String(reference.dropFirst(prefix.count))
    }

    private static func resolved(_ value: SpecValue, in root: SpecValue) -> SpecValue {
        var value = value
        var beside: [(key: String, value: SpecValue)] = []
        for _ in 0..<16 {
            guard let reference = value["$ref"]?.string else { break }
            let known = Set(beside.map(\.key))
            beside += value.members.filter { $0.key != "$ref" && !known.contains($0.key) }
            var target: SpecValue? = root
            for step in reference.split(separator: "/").dropFirst() { target = target?[String(step)] }
            guard let target else { break }
            value = target
        }
        return value.overlaid(with: beside)
    }

    private static func operations(
        in paths: SpecValue?,
        of root: SpecValue
    ) throws(ReferenceError) -> [Operation] {
        var result: [Operation] = []
        for (path, item) in paths?.members ?? [] {
            let shared = item["parameters"]?.items ?? []
            for (method, value) in item.members where method != "parameters" {
                let isNamed = path.hasPrefix("/")
                guard let id = value["operationId"]?.string ?? (isNamed ? nil : path) else {
                    throw ReferenceError("\(method) \(path): no operationId")
                }
                let parameters = (shared + (value["parameters"]?.items ?? [])).map { resolved($0, in: root) }
                result.append(
                    Operation(
                        id: id,
                        method: method.uppercased(),
                        path: path,
                        value: value,
                        parameters: parameters
                    )
                )
            }
        }
        return result
    }
}
