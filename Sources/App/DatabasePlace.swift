import Domain

/// What a connection URL of libpq says about where the database is and how the way to it is kept. Source: PostgreSQL's documentation, 34.1.1
/// and 34.19.
struct DatabasePlace {
    /// Whether the way leaves this machine.
    let isRemote: Bool
    /// nil: libpq's own, which takes an answer in the clear.
    let sslMode: String?

    private static let modes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]

    /// `environment`: what libpq reads where the URL says nothing.
    init(_ url: String, environment: [String: String]) {
        let rest = url.utf8.drop { $0 != UInt8(ascii: ":") }.dropFirst(3)
        let parts = rest.split(separator: UInt8(ascii: "?"), maxSplits: 1, omittingEmptySubsequences: false)
        var values: [String: String] = [:]
        for pair in parts.dropFirst().first?.split(separator: UInt8(ascii: "&")) ?? [] {
            let sides = pair.split(
                separator: UInt8(ascii: "="),
                maxSplits: 1,
                omittingEmptySubsequences: false
            )
            values[Self.decoded(sides[0])] = sides.count > 1 ? Self.decoded(sides[1]) : ""
        }
        let authority = parts[0].prefix { $0 != UInt8(ascii: "/") }
        let at = authority.lastIndex(of: UInt8(ascii: "@"))
        let named = at.map { authority[authority.index(after: $0)...] } ?? authority
        let given = values["hostaddr"] ?? values["host"]
        var hosts = given?.split(separator: ",").map(String.init) ?? Self.hosts(named)
        if hosts.allSatisfy(\.isEmpty) {
            let usual = environment["PGHOSTADDR"] ?? environment["PGHOST"]
            hosts = usual?.split(separator: ",").map(String.init) ?? []
        }
        isRemote = hosts.contains { !Self.isHere($0) }
        sslMode = values["sslmode"] ?? environment["PGSSLMODE"]
    }

    /// Why it can't be used, for the person who set it; nil: it can.
    var problem: String? {
        if let sslMode, !Self.modes.contains(sslMode) {
            return "sslmode is \"\(sslMode)\": use one of " + Self.modes.joined(separator: ", ")
        }
        guard isRemote, sslMode == nil else { return nil }
        return """
            the database is on another machine and sslmode does not say how the way there is kept: add \
            ?sslmode=verify-full&sslrootcert=FILE (sslmode=disable: whoever is on the way reads and changes everything)
            """
    }

    /// The mode with which whoever is on the way can pass for the database; nil: nobody can.
    var weakMode: String? { isRemote && sslMode != "verify-full" ? sslMode : nil }

    /// The hosts before the path: `a:5432,[::1]:5433`. Empty ones stand for the socket file.
    private static func hosts(_ text: Substring.UTF8View) -> [String] {
        text.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).map { part in
            if part.first == UInt8(ascii: "[") {
                return decoded(part.dropFirst().prefix { $0 != UInt8(ascii: "]") })
            }
            return decoded(part.prefix { $0 != UInt8(ascii: ":") })
        }
    }

    private static func isHere(_ host: String) -> Bool {
        if host.isEmpty || host == "localhost" || host.hasPrefix("/") || host.hasPrefix("@") { return true }
        guard let address = IPAddress(Array(host.utf8)) else { return false }
        return address.isIPv4 ? address.value >> 24 == 127 : address.value == 1
    }

    /// Without percent-encoding.
    private static func decoded(_ text: Substring.UTF8View) -> String {
        var bytes: [UInt8] = []
        var rest = text
        while let byte = rest.popFirst() {
            let digits = String(Substring(rest.prefix(2)))
            if byte == UInt8(ascii: "%"), digits.utf8.count == 2, let value = UInt8(digits, radix: 16) {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
