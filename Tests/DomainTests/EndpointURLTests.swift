import Domain
import Testing

@Suite("EndpointURL")
struct EndpointURLTests {
    @Test(
        "is read into scheme, host, port and target",
        arguments: [
            ("https://alerts.example.com", "https", "alerts.example.com", 443, "/"),
            ("HTTPS://Alerts.Example.COM/Hook", "https", "alerts.example.com", 443, "/Hook"),
            ("https://a.example:8443/x?token=a/b?c", "https", "a.example", 8_443, "/x?token=a/b?c"),
            ("https://a.example?key=1", "https", "a.example", 443, "/?key=1"),
            ("http://10.0.0.1:8080/", "http", "10.0.0.1", 8_080, "/"),
            ("https://[2001:DB8::1]:443/x", "https", "2001:db8::1", 443, "/x"),
            ("https://xn--bcher-kva.example/", "https", "xn--bcher-kva.example", 443, "/"),
            ("http://a.example", "http", "a.example", 80, "/"),
            ("https://0xa.example/", "https", "0xa.example", 443, "/"),
        ] as [(Text, String, String, Int, String)]
    )
    func parts(text: Text, scheme: String, host: String, port: Int, target: String) throws {
        let url = try EndpointURL(text)
        #expect(url.isTLS == (scheme == "https"))
        #expect(url.host == host)
        #expect(url.port == port)
        #expect(url.target == target)
    }

    @Test(
        "a host in figures is an address",
        arguments: ["https://1.2.3.4/", "https://[::ffff:1.2.3.4]/"] as [Text]
    )
    func addresses(text: Text) throws {
        #expect(try EndpointURL(text).address == IPAddress(octets: [1, 2, 3, 4]))
    }

    @Test("the origin shows neither path nor query, nor a usual port")
    func origin() throws {
        #expect(try EndpointURL("https://a.example:443/secret?k=1").origin == "https://a.example")
        #expect(try EndpointURL("https://[2001:db8::1]:8443/x").origin == "https://[2001:db8::1]:8443")
        #expect(try EndpointURL("https://a.example/x?k=1").secretText == "https://a.example/x?k=1")
    }

    /// What one parser takes for this host and another for that.
    static let refused: [Text] = [
        "", "https://", "https:///x", "http:/a.example", "ftp://a.example/", "a.example", "//a.example/",
        "file:///etc/passwd",
        "https://user@a.example/", "https://user:pass@a.example/", "https://a.example@127.0.0.1/",
        "https://@a.example/",
        "https://a.example#@127.0.0.1/", "https://a.example/#x", "https://a.example\\@127.0.0.1/",
        "https:\\\\127.0.0.1/",
        "https://a.example:/", "https://a.example:0/", "https://a.example:65536/", "https://a.example:+443/",
        "https://a.example:443x/", "https://a.example:00000443/", "https://a.example:4 43/",
        "https://a:b:443/",
        "https://2130706433/", "https://0x7f000001/", "https://017700000001/", "https://127.1/",
        "https://0177.0.0.1/",
        "https://0x7f.0.0.1/", "https://127.0.0.0x1/", "https://127.0.0.1./", "https://1.2.3.4.5/",
        "https://256.1.1.1/",
        "https://1.2.3/", "https://１２７.0.0.1/", "https://①②⑦.0.0.1/", "https://127。0。0。1/",
        "https://ａ.example/",
        "https://bücher.example/", "https://a.example./", "https://a..example/", "https://.example/",
        "https://-a.example/",
        "https://a-.example/", "https://a_b.example/", "https://%61.example/", "https://a.example%00.evil/",
        "https://a.example%2f@127.0.0.1/", "https://[::1/", "https://::1/", "https://[::1%25eth0]/",
        "https://[127.0.0.1]/",
        "https://[::1]x/", "https://[a.example]/", "https://[]/", "https://a.example /",
        " https://a.example/",
        "https://a.example/\u{0}", "https://a.example/\r\nHost: b", "https://a.example/\t", "https://a.123/",
        "https://a.example/ü", "javascript:alert(1)", "https://a.example:443:443/", "https://*.example/",
    ]

    @Test("is refused where parsers disagree", arguments: refused)
    func refusals(text: Text) {
        #expect(throws: FieldError.self) { try EndpointURL(text) }
    }

    @Test("has at most 2,048 bytes")
    func length() throws {
        let start = "https://a.example/"
        let longest = start + String(repeating: "x", count: EndpointURL.maximumBytes - start.utf8.count)
        #expect(try EndpointURL(Text(longest)).target.utf8.count == longest.utf8.count - 17)
        #expect(throws: FieldError.self) { try EndpointURL(Text(longest + "x")) }
    }

    @Test(
        "an address is written as it is read",
        arguments: ["10.0.0.1", "255.255.255.255", "2001:db8:0:0:0:0:0:1"]
    )
    func addressText(text: String) throws {
        #expect(try #require(IPAddress(Array(text.utf8))).text == text)
    }

    @Test("bytes are an address when there are 4 or 16")
    func octets() {
        #expect(IPAddress(octets: [127, 0, 0, 1])?.text == "127.0.0.1")
        #expect(
            IPAddress(octets: [UInt8](repeating: 0, count: 10) + [255, 255, 10, 0, 0, 1])?.text == "10.0.0.1"
        )
        #expect(IPAddress(octets: [UInt8](repeating: 0, count: 15) + [1])?.text == "0:0:0:0:0:0:0:1")
        #expect(IPAddress(octets: [1, 2, 3]) == nil)
    }
}
