import Native
import Testing

@Suite("JSON: parsers and their pool")
struct JSONParserTests {
    @Test("a parser works again after every kind of error, and at every depth")
    func reuse() throws {
        let parser = JSONParser(maximumBytes: 1_000)
        let bad: [[UInt8]] = [
            [], utf8("[1,"), utf8("[[[[[[0]]]]]]"), [0x22, 0xFF, 0x22],
            [UInt8](repeating: 0x20, count: 1_001),
        ]
        for (index, document) in bad.enumerated() {
            let refused = parser.parse(document.span, maximumDepth: 4) { _ in }
            #expect(throws: JSONError.self) { try refused.get() }
            let text = "{\"n\": [\(index)]}"
            let number = try parser.parse(utf8(text).span, maximumDepth: 2 + index) { root in
                root.member("n")?.elements.compactMap(\.int64Value)
            }.get()
            #expect(number == [Int64(index)])
        }
    }

    @Test("sizes up and down, far beyond what a parser keeps")
    func sizes() throws {
        let pool = JSONParserPool(maximumIdle: 1)
        for count in [1, 5_000, 100_000, 3, 500_000, 2, 70_000, 4_096, 65_536, 65_537] {
            let document = "[" + (0..<count).map { "\($0 % 10)" }.joined(separator: ",") + "]"
            let sum = try pool.parse(utf8(document), maximumDepth: 1) { root in
                root.elements.reduce(Int64(0)) { $0 + ($1.int64Value ?? -1_000_000) }
            }.get()
            #expect(sum == (0..<count).reduce(Int64(0)) { $0 + Int64($1 % 10) })
        }
    }

    @Test("counts stay right where the tape's counter ends", .timeLimit(.minutes(10)))
    func saturation() throws {
        let count = 0xFF_FFFF + 5
        var document = [UInt8](repeating: UInt8(ascii: ","), count: 2 * count + 1)
        document[0] = UInt8(ascii: "[")
        document[2 * count] = UInt8(ascii: "]")
        for index in 0..<count { document[2 * index + 1] = UInt8(ascii: "1") }
        let pool = JSONParserPool(maximumBytes: 64 << 20)
        #expect(try pool.parse(document, maximumDepth: 1) { $0.elementCount }.get() == count)
    }

    @Test("many tasks share a small pool without mixing documents")
    func concurrent() async {
        let pool = JSONParserPool(maximumIdle: 2)
        await withTaskGroup(of: Bool.self) { group in
            for task in 0..<8 {
                group.addTask {
                    (0..<500).allSatisfy { round in
                        let text = "task \(task) round \(round)"
                        let document = utf8("{\"a\": [\"\(text)\", \(round)]}")
                        let seen = pool.parse(document, maximumDepth: 4) { root in
                            root.member("a")?.elements.compactMap(\.string?.text)
                        }
                        return seen == .success([text])
                    }
                }
            }
            for await isRight in group { #expect(isRight) }
        }
    }

    @Test("a document inside a document takes another parser of the pool")
    func nested() throws {
        let pool = JSONParserPool()
        let inner = try pool.parse(utf8(#"{"content": "[1, 2, 3]"}"#), maximumDepth: 4) { root in
            let text = root.member("content")?.string?.bytes ?? []
            let count = pool.parse(text, maximumDepth: 4) { $0.elementCount }
            #expect(root.elementCount == 1)
            return count
        }.get()
        #expect(inner == .success(3))
    }

    @Test("a borrowed parser reads several documents")
    func borrowed() throws {
        let counts = JSONParserPool().withParser { parser in
            ["[1]", "[1,2]", "nonsense"].map { text in
                parser.parse(utf8(text).span, maximumDepth: 1) { $0.elementCount }
            }
        }
        #expect(counts == [.success(1), .success(2), .failure(.syntax)])
    }
}
