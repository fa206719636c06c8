import Domain
import Testing

@Suite("Wildcard")
struct WildcardTests {
    @Test(
        "matches the whole value",
        arguments: [
            ("*", "", true), ("*", "a\nb", true), ("**", "", true), ("a*", "a", true), ("a*", "ba", false),
            ("*a", "ba", true), ("*a", "ab", false), ("*a*", "bab", true), ("*a*", "bbb", false),
            ("a*c", "ac", true),
            ("a*c", "abcbc", true), ("a*c", "abcb", false), ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("?", "a", true), ("?", "", false), ("?", "ab", false), ("??", "ab", true), ("a?c", "abc", true),
            ("a?c", "ac", false), ("*?", "", false), ("*?", "a", true), ("?*?", "a", false),
            ("?*?", "ab", true),
            ("A*", "abc", false), ("a**b", "ab", true), ("*ab*ab", "abab", true), ("*aab", "aaab", true),
            ("*.example.com", "a.example.com", true), ("*.example.com", "example.com", false),
            ("[a]*", "a", false),
            ("[a]*", "[a]b", true), ("\\*", "\\x", true), (".*", "a", false),
        ] as [(Text, Text, Bool)]
    )
    func matching(pattern: Text, value: Text, isMatch: Bool) {
        #expect(Wildcard(pattern).matches(value) == isMatch)
    }

    @Test(
        "? is one scalar, however many bytes",
        arguments: [
            ("?", "é", true), ("?", "容", true), ("?", "𝄞", true), ("??", "é", false),
            ("?", "e\u{301}", false),
            ("??", "e\u{301}", true), ("容?", "容器", true), ("?器", "容器", true), ("*?器", "器", false),
            ("*?器*", "a容器b", true), ("???", "容器", false), ("a?b", "a𝄞b", true), ("*é", "èé", true),
            ("é*", "è", false), ("?é?", "xéx", true), ("*é*é", "éèé", true),
        ] as [(Text, Text, Bool)]
    )
    func scalars(pattern: Text, value: Text, isMatch: Bool) {
        #expect(Wildcard(pattern).matches(value) == isMatch)
    }

    @Test(
        "many stars against 2 kB come to an end",
        arguments: [
            ("*a*a*a*b", false), ("*a*a*a*a", true), ("a*a*a*a*a*a*a*a*a*a*b", false), ("*?*?*?*b", false),
        ]
            as [(Text, Bool)]
    )
    func pathological(pattern: Text, isMatch: Bool) {
        #expect(Wildcard(pattern).matches(Text(String(repeating: "a", count: 2_048))) == isMatch)
    }

    @Test("agrees with a plain recursive definition on random texts")
    func reference() {
        var random = SeededRandom(1)
        let failures = (0..<20_000).filter { _ in
            let pattern = (0..<Int.random(in: 0...6, using: &random)).map { _ in
                random.pick(["a", "é", "*", "?"])
            }
            let value = (0..<Int.random(in: 0...7, using: &random)).map { _ in random.pick(["a", "é"]) }
            let result = Wildcard(Text(pattern.joined())).matches(Text(value.joined()))
            return result != Self.plainly(pattern[...], value[...])
        }
        #expect(failures.isEmpty)
    }

    private static func plainly(_ pattern: ArraySlice<String>, _ value: ArraySlice<String>) -> Bool {
        guard let first = pattern.first else { return value.isEmpty }
        let rest = pattern.dropFirst()
        if first == "*" {
            return plainly(rest, value) || !value.isEmpty && plainly(pattern, value.dropFirst())
        }
        guard let next = value.first, first == "?" || first == next else { return false }
        return plainly(rest, value.dropFirst())
    }
}

@Suite("Network")
struct NetworkTests {
    @Test(
        "holds the addresses of its block",
        arguments: [
            ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false), ("10.1.2.3/8", "10.9.9.9", true),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("192.168.1.128/25", "192.168.1.127", false), ("192.168.1.128/25", "192.168.1.200", true),
            ("192.168.1.7/32", "192.168.1.7", true), ("192.168.1.7/32", "192.168.1.6", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true), ("2001:db8::/32", "2001:db9::1", false),
            ("2001:DB8::/32", "2001:0db8:0000::0001", true), ("::1", "0:0:0:0:0:0:0:1", true),
            ("::/0", "fe80::1", true),
            ("2001:db8::/127", "2001:db8::1", true), ("2001:db8::/128", "2001:db8::1", false),
            ("64:ff9b::/96", "64:ff9b::10.0.0.1", true),
        ] as [(Text, Text, Bool)]
    )
    func blocks(network: Text, address: Text, isInside: Bool) throws {
        #expect(try #require(Network(network)).contains(address) == isInside)
    }

    @Test(
        "an IPv4 address mapped into IPv6 counts as the IPv4 address",
        arguments: [
            ("10.0.0.0/8", "::ffff:10.1.2.3", true), ("10.0.0.0/8", "::ffff:a01:203", true),
            ("10.0.0.0/8", "::FFFF:11.1.2.3", false), ("::ffff:10.1.2.3", "10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true), ("::ffff:10.0.0.0/104", "11.1.2.3", false),
            ("::ffff:0:0/96", "192.168.0.1", true), ("::/0", "10.1.2.3", false), ("0.0.0.0/0", "::1", false),
            ("10.0.0.0/8", "::10.1.2.3", false),
        ] as [(Text, Text, Bool)]
    )
    func mapped(network: Text, address: Text, isInside: Bool) throws {
        #expect(try #require(Network(network)).contains(address) == isInside)
    }

    @Test(
        "a value may have white space around it and a port after an IPv4 address",
        arguments: [
            ("10.1.2.3:9100", true), (" 10.1.2.3 ", true), (" 10.1.2.3:9100\n", true),
            ("11.1.2.3:9100", false),
            ("10.1.2.3:9100:1", false), ("10.1.2.3/8", false), ("10.1.2", false), ("10.1.2.3.4", false),
            ("010.1.2.3", false), ("10.1.2.256", false), ("10.1.2.-3", false), ("0x0a.1.2.3", false),
            ("web-1:9100", false), ("", false), (":9100", false), ("10.1.2.3 9100", false),
            ("１０.1.2.3", false),
        ] as [(Text, Bool)]
    )
    func values(value: Text, isInside: Bool) throws {
        #expect(try #require(Network("10.0.0.0/8")).contains(value) == isInside)
    }

    @Test(
        "anything else is no network",
        arguments: [
            "", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8/8",
            "10.0.0.0/a",
            "10.0.0.0/ 8", "10.0.0/8", "10.0.0.0.0/8", "256.0.0.0/8", "01.0.0.0/8", "2001:db8::/129",
            "2001:db8:/32",
            "1::2::3/8", ":::/8", ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::/16",
            "g::/16",
            "fe80::1%eth0", "1.2.3.4::", "1.2.3.4::5/8", "1:1.2.3.4:2::", "1:2:3:4:5:6:7:1.2.3.4", "::+1",
            "::-1",
            "::0x1", "example.com", " 10.0.0.0/8", "10.0.0.0/0008", "::ffff:10.0.0.0/129",
            "::ffff:10.0.0.0/95",
        ] as [Text]
    )
    func refused(text: Text) {
        #expect(Network(text) == nil)
    }
}

@Suite("NumberTest")
struct NumberTestTests {
    @Test(
        "compares as numbers",
        arguments: [
            ("gt:5", "6", true), ("gt:5", "5", false), ("ge:5", "5", true), ("ge:5", "5.0", true),
            ("ge:5", "4.99", false),
            ("lt:-1", "-2", true), ("lt:-1", "-1", false), ("le:1e3", "1000", true),
            ("le:1e3", "1000.1", false),
            ("gt:9", "10", true), ("ge:0.5", ".5", true), ("gt:+1", "+2", true), ("gt:1", " 2\t", true),
            ("gt:0", "1E-3", true), ("gt:1e308", "1e309", false), ("ge:0", "-0", true),
        ] as [(Text, Text, Bool)]
    )
    func comparisons(test: Text, value: Text, isTrue: Bool) throws {
        #expect(try #require(NumberTest(test)).holds(for: value) == isTrue)
    }

    @Test(
        "what is no decimal number satisfies nothing",
        arguments: [
            "", " ", "abc", "nan", "inf", "-inf", "infinity", "0x10", "1e999", "5%", "1,5", "1 000", "1_000",
            "--5", "5e",
            ".", "+", "٣", "e5", "1.2.3",
        ] as [Text]
    )
    func noNumber(value: Text) {
        let tests = ["gt:-1e300", "ge:-1e300", "lt:1e300", "le:1e300"].compactMap { NumberTest($0) }
        #expect(!tests.contains { $0.holds(for: value) })
    }

    @Test("a number of more than 64 digits is none")
    func tooLong() throws {
        let test = try #require(NumberTest("gt:0"))
        #expect(!test.holds(for: Text(String(repeating: "1", count: 65))))
    }

    @Test(
        "anything else is no test",
        arguments: [
            "", ":", "gt", "gt:", ":5", "5", "eq:5", "GT:5", "gt:abc", "gt:nan", "gt:inf", "gt:-inf",
            "gt:0x10", "gt:1e999",
            "gt: 5", "gt:5 ", " gt:5", "gt::5", "gt:5:", "gt:5:6", ":gt:5", "::ge:1", "gt=5", "gt:1,5",
        ] as [Text]
    )
    func refused(text: Text) {
        #expect(NumberTest(text) == nil)
    }
}
