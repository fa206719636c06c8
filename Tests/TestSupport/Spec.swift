import FoundationEssentials
import Yams

/// openapi.yaml, read: the contract that every test of the HTTP interface holds the server to.
package struct Spec: Sendable {
    /// The whole document.
    package let document: JSON
    /// In the order of paths (by name), then methods.
    package let operations: [Operation]
    private let operationsByID: [String: Operation]

    /// Reads the text of an OpenAPI document.
    package init(yaml: String) throws {
        guard let node = try Yams.compose(yaml: yaml) else { throw SpecError("the document is empty") }
        try self.init(document: JSON(yaml: node))
    }

    /// Reads a decoded OpenAPI document.
    package init(document: JSON) throws(SpecError) {
        self.document = document
        operations = try SpecReader(document: document).operations()
        operationsByID = Dictionary(operations.map { ($0.id, $0) }) { first, _ in first }
        guard operationsByID.count == operations.count else { throw SpecError("an operationId comes twice") }
    }

    private static let loaded = Result { try Spec(yaml: text()) }

    /// The openapi.yaml of this package, read once a process.
    package static func shared() throws -> Spec {
        try loaded.get()
    }

    /// The text of the openapi.yaml that lies beside Package.swift, in a folder above this file.
    package static func text() throws -> String {
        try String(contentsOf: packageRoot().appending(path: "openapi.yaml"), encoding: .utf8)
    }

    /// The folder of Package.swift: the nearest one above `file`, links resolved.
    package static func packageRoot(above file: String = #filePath) throws -> URL {
        var folder = URL(filePath: file).deletingLastPathComponent()
        while folder.path.count > 1 {
            let isRoot = ["Package.swift", "openapi.yaml"].allSatisfy {
                FileManager.default.fileExists(atPath: folder.appending(path: $0).path)
            }
            if isRoot { return folder }
            folder = folder.deletingLastPathComponent()
        }
        throw SpecError("there is no openapi.yaml above \(file)")
    }

    /// The operation with this `operationId`; throws when there is none.
    package func operation(_ id: String) throws(SpecError) -> Operation {
        guard let operation = operationsByID[id] else {
            throw SpecError("openapi.yaml has no operation \(id)")
        }
        return operation
    }

    /// The schema `components/schemas/NAME`; throws when there is none.
    package func schema(_ name: String) throws(SpecError) -> JSON {
        guard let schema = document.value(at: "/components/schemas" + JSON.pointerStep(name)) else {
            throw SpecError("openapi.yaml has no schema \(name)")
        }
        return schema
    }

    /// The values of a schema that is an `enum` of strings, such as `ProblemCode`, in order.
    package func values(ofEnum name: String) throws(SpecError) -> [String] {
        guard let values = try schema(name)["enum"]?.array else { throw SpecError("\(name) is not an enum") }
        return values.compactMap(\.string)
    }

    /// What is wrong with `value`; empty when nothing is. `schema` may hold references into this document.
    package func violations(
        of value: JSON,
        against schema: JSON,
        mode: SchemaChecker.Mode = .asWritten
    ) -> [SchemaViolation] {
        SchemaChecker(document: document, mode: mode).violations(of: value, against: schema)
    }
}

/// openapi.yaml is not as `Spec` needs it, or a test asks for what is not in it.
package struct SpecError: Error, Equatable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}

extension JSON {
    /// A YAML node by the core schema of YAML 1.2: only plain scalars can be null, truth values or numbers.
    init(yaml node: Node) throws(SpecError) {
        switch node {
        case .scalar(let scalar): self = JSON(yaml: scalar)
        case .sequence(let items):
            var values: [JSON] = []
            for item in items { values.append(try JSON(yaml: item)) }
            self = .array(values)
        case .mapping(let pairs):
            var members: [String: JSON] = [:]
            for (key, value) in pairs {
                guard case .scalar(let name) = key else { throw SpecError("a key is not a scalar") }
                members[name.string] = try JSON(yaml: value)
            }
            self = .object(members)
        case .alias: throw SpecError("an alias without its anchor")
        }
    }

    private init(yaml scalar: Node.Scalar) {
        guard scalar.style == .plain || scalar.style == .any else {
            self = .string(scalar.string)
            return
        }
        switch scalar.string {
        case "", "~", "null": self = .null
        case "true": self = .bool(true)
        case "false": self = .bool(false)
        case let text:
            if let value = Int64(text) {
                self = .integer(value)
            } else if let first = text.utf8.first, "+-.0123456789".utf8.contains(first),
                let value = Double(text)
            {
                self = .number(value)
            } else {
                self = .string(text)
            }
        }
    }
}
