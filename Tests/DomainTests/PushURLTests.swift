import Domain
import Testing

@Suite("PublicURL")
struct PublicURLTests {
    private static let token = Array("tpu_1elaoZ7zQVHWbHU000000005FjQbybHiUwm0Cw3TyVxP50928ST".utf8)
    private static let arms = IntegrationType("aliyun-arms")

    /// `https://` and a host of `length` characters.
    private static func base(host length: Int) -> String {
        "https://" + String(repeating: "h", count: length)
    }

    @Test(
        "takes http and https with a host",
        arguments: [
            ("https://alerts.example.com", "https://alerts.example.com"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("https://a/", "https://a"), ("https://a//", "https://a"), ("https://a/b/c/", "https://a/b/c"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ]
    )
    func accepted(text: String, base: String) throws {
        #expect(try PublicURL(text).base == base)
    }

    @Test(
        "refuses what is no such address",
        arguments: [
            "", "https://", "https:///", "https:///path", "http:", "alerts.example.com", "ftp://a", "//a",
            "https:a",
            "https://a b", "https://a\n", "https://a?x=1", "https://a#x", "https://u@a", "https://u:p@a",
            "https://é",
            "https://a\\b", "https://<a>", "https://\"a\"", "https://a\u{7F}", "https://a\u{301}",
            " https://a", "https://:8080",
        ]
    )
    func refused(text: String) {
        #expect(throws: FieldError.self) { try PublicURL(text) }
    }

    @Test("makes the push URL")
    func url() throws {
        let url = try PublicURL("https://a/b").url(token: Self.token)
        #expect(url == "https://a/b/p/tpu_1elaoZ7zQVHWbHU000000005FjQbybHiUwm0Cw3TyVxP50928ST")
    }

    @Test("makes the address that Flashduty uses")
    func compatibleURL() throws {
        let url = try PublicURL("https://a").compatibleURL(type: Self.arms, token: Self.token)
        #expect(
            url
                == "https://a/event/push/alert/aliyun-arms?integration_key=tpu_1elaoZ7zQVHWbHU000000005FjQbybHiUwm0Cw3TyVxP50928ST"
        )
    }

    @Test("a host of 34 characters fits 100, one of 190 fits 256", arguments: [(34, 100), (190, 256)])
    func lengths(host: Int, length: Int) throws {
        #expect(try PublicURL(Self.base(host: host)).url(token: Self.token).utf8.count == length)
    }

    @Test("a host that makes push URLs longer than 256 is refused, and it is said how long")
    func tooLong() {
        let error = #expect(throws: FieldError.self) { try PublicURL(Self.base(host: 191)) }
        #expect(error?.detail.contains("257") == true)
    }

    @Test(
        "the compatible address allows a host of 147",
        arguments: [(147, 256), (148, nil), (190, nil)] as [(Int, Int?)]
    )
    func compatibleLength(host: Int, length: Int?) throws {
        let url = try PublicURL(Self.base(host: host)).compatibleURL(type: Self.arms, token: Self.token)
        #expect(url?.utf8.count == length)
    }
}

@Suite("PushURL")
struct PushURLTests {
    @Test(
        "is active until it expires or is revoked",
        arguments: [
            (nil, nil, "active"), (11, nil, "active"), (10, nil, "expired"), (9, nil, "expired"),
            (nil, 5, "revoked"),
            (9, 5, "revoked"),
        ] as [(Int64?, Int64?, String)]
    )
    func status(expiresAt: Int64?, revokedAt: Int64?, status: String) {
        let url = PushURL(
            id: PushURLID(high: 1, low: 1),
            integrationID: integration(1),
            description: "",
            kid: 1,
            tag: PushTag(value: 1),
            expiryDay: 0,
            expiresAt: expiresAt.map(at),
            revokedAt: revokedAt.map(at),
            createdBy: APIKeyID(high: 1, low: 1),
            lastUsedAt: nil,
            lastUsedAddress: nil,
            useCount: 0,
            metadata: .new(externalID: nil, labels: Labels(), at: at(0))
        )
        #expect(url.status(at: at(10)) == status)
    }
}

@Suite("Admission of a push")
struct AdmissionTests {
    private static func admission(
        tag: UInt64 = 1,
        kid: UInt8 = 1,
        expiryDay: UInt16 = 0,
        expiresAt: Int64? = nil,
        isRevoked: Bool = false,
        isEnabled: Bool = true
    ) throws -> (credential: IntegrationSnapshot.Credential, refusal: RefusalReason?)? {
        let credential = IntegrationSnapshot.Credential(
            id: PushURLID(high: 1, low: 1),
            tag: PushTag(value: 1),
            kid: 1,
            expiryDay: expiryDay,
            expiresAt: expiresAt.map(at),
            isRevoked: isRevoked
        )
        let snapshot = IntegrationSnapshot(
            id: integration(1),
            number: IntegrationNumber(1),
            type: IntegrationType("aliyun-arms"),
            isEnabled: isEnabled,
            rateLimit: .standard,
            routing: .dedicated(channel(1)),
            credentials: [credential]
        )
        let text = TokenForge(kid: kid, tag: tag, expiryDay: expiryDay).text
        return snapshot.admission(of: try #require(PushToken(text.utf8)), at: at(10))
    }

    @Test("a token whose tag and generation were issued is admitted")
    func admitted() throws {
        let admission = try #require(try Self.admission())
        #expect(admission.refusal == nil)
    }

    @Test(
        "a token of another tag or generation has no credential",
        arguments: [(2, 1), (1, 7)] as [(UInt64, UInt8)]
    )
    func unknown(tag: UInt64, kid: UInt8) throws {
        #expect(try Self.admission(tag: tag, kid: kid) == nil)
    }

    @Test(
        "a credential that is over is refused for the first reason that holds",
        arguments: [
            // 2026-01-01 is day 365.
            (365, nil, false, true, nil), (364, nil, false, true, .expired), (0, 11, false, true, nil),
            (0, 10, false, true, .expired),
            (0, nil, true, true, .revoked), (364, 9, true, false, .revoked),
            (0, nil, false, false, .integrationDisabled),
            (364, nil, false, false, .expired),
        ] as [(UInt16, Int64?, Bool, Bool, RefusalReason?)]
    )
    func refused(
        day: UInt16,
        expiresAt: Int64?,
        isRevoked: Bool,
        isEnabled: Bool,
        reason: RefusalReason?
    ) throws {
        let admission = try #require(
            try Self.admission(
                expiryDay: day,
                expiresAt: expiresAt,
                isRevoked: isRevoked,
                isEnabled: isEnabled
            )
        )
        #expect(admission.refusal == reason)
    }
}
