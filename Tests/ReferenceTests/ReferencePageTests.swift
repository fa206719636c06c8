import TestSupport
import Testing

@testable import Reference

@Suite("The reference page")
struct ReferencePageTests {
    private static let loaded = Result { try Page(yaml: Spec.text()).html }
    private let html: String
    private let spec: Spec

    init() throws {
        html = try Self.loaded.get()
        spec = try Spec.shared()
    }

    /// The values of an attribute, in order.
    private func values(of attribute: String) -> [String] {
        html.split(separator: " \(attribute)=\"").dropFirst().map { String($0.prefix { $0 != "\"" }) }
    }

    @Test("has every operation with its path, and every schema, once")
    func everything() throws {
        let places = Dictionary(grouping: values(of: "id"), by: \.self).mapValues(\.count)
        let paths = html.replacing("<wbr>", with: "")
        for operation in spec.operations {
            #expect(places[operation.id] == 1, "\(operation.id)")
            #expect(paths.contains("<code>\(operation.path)</code>"), "\(operation.path)")
        }
        let schemas = try #require(spec.document.value(at: "/components/schemas")?.object)
        #expect(schemas.count > 100)
        for name in schemas.keys { #expect(places["schema-" + name] == 1, "\(name)") }
        #expect(places.filter { $0.value > 1 }.isEmpty)
    }

    @Test("has every field of every schema, every parameter and every status")
    func fields() throws {
        let schemas = try #require(spec.document.value(at: "/components/schemas")?.object)
        for (name, schema) in schemas {
            let part = try #require(section("<section class=\"schema\" id=\"schema-\(name)\">"))
            for field in (schema["properties"]?.object ?? [:]).keys {
                #expect(part.contains("<code>\(field)</code>"), "\(name).\(field)")
            }
        }
        for operation in spec.operations {
            let part = try #require(section("<article id=\"\(operation.id)\">"))
            for parameter in operation.parameters where parameter.name != "X-Request-Id" {
                #expect(part.contains("<code>\(parameter.name)</code>"), "\(operation.id)")
            }
            for status in operation.responses.keys { #expect(part.contains(">\(status)</th>")) }
            for example in operation.requestBody?.examples ?? [] {
                #expect(part.contains("Example: \(example.name)"))
            }
        }
    }

    /// The page from here to where the next operation or schema begins.
    private func section(_ start: String) -> Substring? {
        guard let range = html.firstRange(of: start) else { return nil }
        let rest = html[range.upperBound...]
        let ends = ["<article", "<section"].compactMap { rest.firstRange(of: $0)?.lowerBound }
        return rest[..<(ends.min() ?? rest.endIndex)]
    }

    @Test("says of every operation who may call it, in words of its own for each role")
    func roles() throws {
        let words: [Spec.RequiredRole: String] = [
            .none: "No credential.", .push: "A push token.",
            .credential: "No credential but the one in the body.",
            .any: "Any key.", .viewer: "Role <strong>viewer</strong> or above",
            .editor: "Role <strong>editor</strong> or above",
            .admin: "Role <strong>admin</strong>;", .operator: "Role <strong>operator</strong>.",
        ]
        #expect(Set(words.keys) == Set(Spec.RequiredRole.allCases))
        for operation in spec.operations {
            let part = try #require(section("<article id=\"\(operation.id)\">"))
            #expect(part.contains(try #require(words[operation.requiredRole])), "\(operation.id)")
        }
    }

    @Test("needs nothing from elsewhere and runs nothing")
    func offline() {
        for name in ["script", "link", "img", "iframe", "object", "embed", "form", "base", "svg"] {
            #expect(!html.contains("<" + name), "\(name)")
        }
        for text in [" src=\"", " style=\"", "javascript:", "url("] {
            #expect(!html.contains(text), "\(text)")
        }
        #expect(!Page.style.contains("@import") && !Page.style.contains("//"))
        // What one may click on, and nothing that is loaded.
        let outside = values(of: "href").filter { !$0.hasPrefix("#") && $0 != "/openapi.yaml" }
        #expect(outside.allSatisfy { $0.hasPrefix("https://") })
        #expect(html.firstMatch(of: /<[a-z0-9]+(?: [a-z-]+="[^"]*")* on[a-z]+=/) == nil)
    }

    @Test("has a target for every link into itself")
    func links() {
        let places = Set(values(of: "id"))
        let inside = values(of: "href").filter { $0.hasPrefix("#") }.map { String($0.dropFirst()) }
        #expect(inside.count > 500)
        #expect(Set(inside).subtracting(places).sorted() == [])
    }

    @Test("closes what it opens, in order")
    func wellFormed() {
        let alone: Set<Substring> = ["!DOCTYPE", "meta", "br", "wbr"]
        var open: [Substring] = []
        for part in html.split(separator: "<").dropFirst(html.hasPrefix("<") ? 0 : 1) {
            let name = part.prefix { $0 != ">" && $0 != " " }
            guard !alone.contains(name) else { continue }
            guard name.hasPrefix("/") else {
                open.append(name)
                continue
            }
            #expect(open.popLast() == name.dropFirst())
        }
        #expect(open == [])
    }

    @Test("knows every keyword that a schema of the contract uses")
    func keywords() throws {
        var found: Set<String> = []
        func walk(_ schema: SpecValue) {
            for (name, value) in schema.members {
                found.insert(name)
                switch name {
                case "properties": for (_, field) in value.members { walk(field) }
                case "items", "additionalProperties", "propertyNames": walk(value)
                case "anyOf", "oneOf", "allOf": for choice in value.items { walk(choice) }
                default: break
                }
            }
        }
        for (_, schema) in try SpecDocument(yaml: Spec.text()).schemas { walk(schema) }
        #expect(found.count > 15)
        #expect(found.subtracting(SchemaWords.keywords) == [])
    }
}

@Suite("The little Markdown of descriptions")
struct ProseTests {
    @Test("has paragraphs, headings, lists and tables")
    func blocks() {
        let text = """
            One
            line.

            ## Words
            | a | b |
            |---|:-:|
            | `x|y` | *z* |
            - first
              goes on
            - second
            After.
            """
        #expect(
            Prose.blocks(text) == [
                .paragraph("One line."), .heading("Words"), .table([["a", "b"], ["`x|y`", "*z*"]]),
                .list(["first goes on", "second After."]),
            ]
        )
    }

    @Test(
        "has code, bold, emphasis and links; a mark alone is text",
        arguments: [
            ("a `b*c*` d", [.text("a "), .code("b*c*"), .text(" d")]),
            ("**Kinds.** x", [.strong([.text("Kinds.")]), .text(" x")]),
            ("*shared*: y", [.emphasis([.text("shared")]), .text(": y")]),
            ("[t](https://e.org/)", [.link(text: [.text("t")], target: "https://e.org/")]),
            ("[t](javascript:x)", [.text("[t](javascript:x)")]),
            ("2 * 3 * 4", [.text("2 * 3 * 4")]), ("a ` b", [.text("a ` b")]), ("``", [.text("``")]),
        ] as [(String, [Phrase])]
    )
    func phrases(line: String, expected: [Phrase]) {
        #expect(Phrase.phrases(line) == expected)
    }

    @Test("is never markup of the page")
    func escaped() throws {
        let evil = "<script>alert('x')</script>\\\" onload=\\\"x"
        let yaml = """
            openapi: 3.1.0
            info: { title: "\(evil)", version: "1", summary: "\(evil)", description: "`\(evil)` [\(evil)](https://\(evil))" }
            tags: [{ name: "\(evil)", description: "**\(evil)**" }]
            paths:
              "/\(evil)":
                get:
                  operationId: "\(evil)"
                  tags: ["\(evil)"]
                  summary: "\(evil)"
                  parameters: [{ name: "\(evil)", in: query, schema: { type: string, pattern: "\(evil)", default: "\(evil)" } }]
                  requestBody: { content: { "\(evil)": { schema: { type: string }, examples: { "\(evil)": { value: { "\(evil)": "\(evil)" } } } } } }
                  responses: { "\(evil)": { description: "\(evil)" } }
            components: { schemas: { "\(evil)": { type: object, required: [a], properties: { "\(evil)": { enum: ["\(evil)"] } } } } }
            """
        let html = try Page(yaml: yaml).html
        #expect(html.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"))
        #expect(!html.contains("<script") && !html.contains("\" onload"))
    }
}
