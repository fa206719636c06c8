import Domain
import Outbound
import Testing

@Suite("AddressPolicy")
struct AddressPolicyTests {
    /// Addresses that no tenant may reach.
    static let denied = [
        "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200",
        "100.127.255.255", "127.0.0.1",
        "127.1.2.3", "127.255.255.254", "168.63.129.16", "169.254.0.1", "169.254.169.254", "169.254.170.2",
        "172.16.0.1",
        "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1",
        "192.168.255.255", "198.18.0.1",
        "198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1",
        "255.255.255.255",
        "::", "::1", "::2", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
        "::ffff:a00:1",
        "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::8.8.8.8",
        "64:ff9b:1::10.0.0.1", "100::1",
        "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1", "2001:10::1", "2001:20::1",
        "2001:db8::1", "2002:7f00:1::",
        "2002:a00:1::1", "2002:808:808::1", "2620:4f:8000::1", "2a00::5efe:127.0.0.1",
        "2a00::200:5efe:10.0.0.1", "3fff::1",
        "4000::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fdff::1", "fe80::1", "febf::1", "fec0::1",
        "ff02::1", "ff0e::1",
        "8000::1", "0100::",
    ]

    @Test("an address that is not public is denied on every port", arguments: denied)
    func denials(text: String) throws {
        let address = try #require(IPAddress(Array(text.utf8)))
        for port in [443, 8_443] {
            #expect(policy().verdict(address: address, port: port, isTLS: true, isMail: false) != nil)
        }
        #expect(policy().verdict(address: address, port: 587, isTLS: false, isMail: true) != nil)
    }

    @Test(
        "a public address may be reached",
        arguments: [
            "1.1.1.1", "8.8.8.8", "47.100.1.1", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1",
            "223.255.255.255",
        ]
            + [
                "2400:3200::1", "2606:4700:4700::1111", "2a00:1450::1", "2001:4860:4860::8888",
                "::ffff:8.8.8.8",
            ]
    )
    func publicAddresses(text: String) throws {
        let address = try #require(IPAddress(Array(text.utf8)))
        #expect(policy().verdict(address: address, port: 443, isTLS: true, isMail: false) == nil)
    }

    @Test(
        "ports of a public address",
        arguments: [
            (443, true, false, true), (8_443, true, false, true), (80, false, false, false),
            (443, false, false, false),
            (80, true, false, false), (22, true, false, false), (6_379, true, false, false),
            (25, false, true, true),
            (465, true, true, true), (587, false, true, true), (2_525, false, true, true),
            (443, true, true, false),
            (22, false, true, false),
        ]
    )
    func ports(port: Int, isTLS: Bool, isMail: Bool, isAllowed: Bool) throws {
        let address = try #require(IPAddress(octets: [1, 1, 1, 1]))
        #expect(
            (policy().verdict(address: address, port: port, isTLS: isTLS, isMail: isMail) == nil) == isAllowed
        )
    }

    @Test(
        "in a network that the operator allows every port and plain http may be used, beside it nothing changes"
    )
    func allowed() throws {
        let policy = policy("10.1.0.0/16", "fd00::/8")
        for text in ["10.1.2.3", "::ffff:10.1.2.3", "fd12::1"] {
            let address = try #require(IPAddress(Array(text.utf8)))
            #expect(policy.verdict(address: address, port: 8_080, isTLS: false, isMail: false) == nil)
            #expect(policy.verdict(address: address, port: 1_025, isTLS: false, isMail: true) == nil)
        }
        for text in ["10.2.0.1", "64:ff9b::10.1.2.3", "2002:a01:203::1", "127.0.0.1"] {
            let address = try #require(IPAddress(Array(text.utf8)))
            #expect(policy.verdict(address: address, port: 443, isTLS: true, isMail: false) != nil)
        }
    }

    @Test("an address of this machine is denied although it is public, unless it is allowed")
    func own() throws {
        let address = try #require(IPAddress(octets: [8, 8, 8, 8]))
        let closed = AddressPolicy(allowed: [], own: [address])
        #expect(closed.verdict(address: address, port: 443, isTLS: true, isMail: false) != nil)
        let open = AddressPolicy(allowed: [try #require(Network("8.8.8.8"))], own: [address])
        #expect(open.verdict(address: address, port: 443, isTLS: true, isMail: false) == nil)
    }

    @Test("the addresses of this machine are found")
    func interfaces() throws {
        #expect(AddressPolicy.ownAddresses().contains(try #require(IPAddress(octets: [127, 0, 0, 1]))))
    }

    @Test("a verdict does not say what a name resolved to")
    func silence() throws {
        let address = try #require(IPAddress(octets: [10, 9, 8, 7]))
        let verdict = try #require(policy().verdict(address: address, port: 443, isTLS: true, isMail: false))
        #expect(!verdict.contains("10.9"))
    }
}
