import Native

/// The signed text of a push URL.
///
/// Exactly 55 characters: `tpu_`, 45 base62 digits (33 bytes as 3 groups of 11, big-endian, 15 digits each) and 6 base62 digits
/// of the CRC-32 of the 49 characters before. One value has one text: a group of 2^88 or more is refused.
///
///     off len field
///       0   1 version << 4 | scope   version 1; scope 1 = push; anything else is refused
///       1   1 kid                    generation of the root secret
///       2   4 account number         big-endian, like every number here
///       6   4 integration number
///      10   5 tag                    random, one per issued URL: names the credential
///      15   2 expiry day             days since 2025-01-01 UTC, valid through that day; 0 = none
///      17  16 MAC                    the first half of HMAC-SHA-256(K, "tocsin/push-token" 0x01, then the 17 bytes before)
///
/// K is the account's key under that root: `PushTokenKeys`.
package struct PushToken: Sendable, Equatable {
    /// Characters of every token.
    package static let length = 55
    /// What every token begins with.
    package static let prefix = Array("tpu_".utf8)
    private static let firstByte: UInt8 = 1 << 4 | 1

    package let kid: UInt8
    package let account: AccountNumber
    package let integration: IntegrationNumber
    package let tag: PushTag
    /// Days since 2025-01-01 UTC; 0 = none.
    package let expiryDay: UInt16
    /// 16 bytes.
    package let mac: [UInt8]

    /// Reads the text form without any key: length, prefix, alphabet, checksum, canonical groups, version and scope.
    package init?(_ text: some Collection<UInt8>) {
        let text = Array(text)
        guard text.count == PushToken.length, text.starts(with: PushToken.prefix),
            text[49...].elementsEqual(CRC32.digits(text[..<49])),
            let bytes = PushToken.decodeGroups(text[4..<49]), bytes[0] == PushToken.firstByte
        else { return nil }
        kid = bytes[1]
        account = AccountNumber(UInt32(PushToken.number(bytes[2..<6])))
        integration = IntegrationNumber(UInt32(PushToken.number(bytes[6..<10])))
        tag = PushTag(value: PushToken.number(bytes[10..<15]))
        expiryDay = UInt16(PushToken.number(bytes[15..<17]))
        mac = Array(bytes[17...])
    }

    /// The bytes that the MAC covers, after the purpose.
    static func signedBytes(
        first: UInt8 = firstByte,
        kid: UInt8,
        account: AccountNumber,
        integration: IntegrationNumber,
        tag: PushTag,
        expiryDay: UInt16
    ) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(33)
        bytes += [first, kid]
        bytes.appendBigEndian(UInt64(account.value), count: 4)
        bytes.appendBigEndian(UInt64(integration.value), count: 4)
        bytes.appendBigEndian(tag.value, count: 5)
        bytes.appendBigEndian(UInt64(expiryDay), count: 2)
        return bytes
    }

    /// The signed bytes of this token.
    var signedBytes: [UInt8] {
        PushToken.signedBytes(
            kid: kid,
            account: account,
            integration: integration,
            tag: tag,
            expiryDay: expiryDay
        )
    }

    /// The text of 33 bytes.
    static func text(of bytes: [UInt8]) -> [UInt8] {
        var text = prefix
        for start in stride(from: 0, to: 33, by: 11) {
            let group = bytes[start..<start + 11].reduce(UInt128(0)) { $0 << 8 | UInt128($1) }
            text += Base62.encode(group, width: 15)
        }
        return text + CRC32.digits(text)
    }

    private static func decodeGroups(_ digits: ArraySlice<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(33)
        for start in stride(from: digits.startIndex, to: digits.endIndex, by: 15) {
            guard let group = Base62.decode(digits[start..<start + 15]), group >> 88 == 0 else { return nil }
            bytes.appendBigEndian(UInt64(group >> 64), count: 3)
            bytes.appendBigEndian(UInt64(truncatingIfNeeded: group), count: 8)
        }
        return bytes
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }
}

/// Names one issued push URL: 40 random bits. Never a counter, which a restored backup would issue again.
package struct PushTag: Hashable, Sendable {
    /// Below 2^40.
    package let value: UInt64

    package init(value: UInt64) {
        self.value = value & 0xFF_FFFF_FFFF
    }
}

/// The last day of a push URL, as its token holds it.
package enum ExpiryDay {
    /// 2025-01-01T00:00:00Z.
    private static let epoch = UnixTime(milliseconds: 1_735_689_600_000)
    private static let day: Int64 = 86_400_000

    /// The day on which `time` lies; nil beyond what 16 bits hold (2204).
    package static func of(_ time: UnixTime) -> UInt16? {
        UInt16(exactly: max(1, (time.milliseconds - epoch.milliseconds) / day))
    }

    /// Whether a token with this day is over at `now`.
    package static func isOver(_ expiryDay: UInt16, at now: UnixTime) -> Bool {
        expiryDay != 0 && now.milliseconds >= epoch.milliseconds + (Int64(expiryDay) + 1) * day
    }
}

/// Makes and checks the MAC of push tokens.
///
/// - Keys: `PRK = HKDF-Extract(salt "tocsin/root/v1", root[kid])`, `K = HKDF-Expand(PRK, "tocsin/push-url/v1" 0x00
///   deployment_id(16) kid(1) account_number(4), 32)`. The deployment's id makes a token of one installation worthless in another.
/// - Cost: about 1.5 us a token, without the store.
package struct PushTokenKeys: Sendable {
    private static let purpose = Array("tocsin/push-token".utf8) + [1]

    private let pseudorandomKeys: [UInt8: [UInt8]]
    private let unknownKey: [UInt8]
    private let deploymentID: [UInt8]
    /// The generation that new tokens are signed with.
    package let newestKid: UInt8

    /// Takes roots by generation (not empty, each of 32 bytes or more) and the 16 bytes of the deployment's id.
    package init(roots: [UInt8: [UInt8]], deploymentID: [UInt8]) {
        precondition(!roots.isEmpty && deploymentID.count == 16, "a key ring has a root and a deployment id")
        let salt = Array("tocsin/root/v1".utf8)
        pseudorandomKeys = roots.mapValues { KeyDerivation.extract(salt: salt, inputKey: $0) }
        unknownKey = KeyDerivation.extract(salt: salt, inputKey: [UInt8](repeating: 0, count: 32))
        self.deploymentID = deploymentID
        newestKid = roots.keys.max() ?? 0
    }

    /// The text of a new token.
    package func issue(
        kid: UInt8,
        account: AccountNumber,
        integration: IntegrationNumber,
        tag: PushTag,
        expiryDay: UInt16
    ) -> [UInt8] {
        let payload = PushToken.signedBytes(
            kid: kid,
            account: account,
            integration: integration,
            tag: tag,
            expiryDay: expiryDay
        )
        return PushToken.text(of: payload + mac(of: payload, kid: kid, account: account))
    }

    /// Whether this installation made the token. Constant time; an unknown generation does the same work.
    package func verify(_ token: PushToken) -> Bool {
        let expected = mac(of: token.signedBytes, kid: token.kid, account: token.account)
        let isSame = constantTimeEquals(expected, token.mac)
        return isSame && pseudorandomKeys[token.kid] != nil
    }

    /// What the database keeps to notice a wrong root secret: the generation and 8 bytes; nil for a generation that is not at hand.
    package func keyCheck(kid: UInt8) -> [UInt8]? {
        guard let key = pseudorandomKeys[kid] else { return nil }
        let check = HMACSHA256.authenticate(Array("tocsin/key-check/v1".utf8) + deploymentID, key: key)
        return [kid] + check.prefix(8)
    }

    /// The key under which secrets of an account are kept sealed, 32 bytes; nil for a generation that is not at hand.
    package func sealingKey(kid: UInt8, account: AccountNumber) -> [UInt8]? {
        guard let key = pseudorandomKeys[kid] else { return nil }
        var info = Array("tocsin/seal/v1".utf8) + [0]
        info += deploymentID
        info.append(kid)
        info.appendBigEndian(UInt64(account.value), count: 4)
        return KeyDerivation.expand(pseudorandomKey: key, info: info, length: 32)
    }

    func mac(of payload: [UInt8], kid: UInt8, account: AccountNumber) -> [UInt8] {
        var info = Array("tocsin/push-url/v1".utf8) + [0]
        info += deploymentID
        info.append(kid)
        info.appendBigEndian(UInt64(account.value), count: 4)
        let key = KeyDerivation.expand(
            pseudorandomKey: pseudorandomKeys[kid] ?? unknownKey,
            info: info,
            length: 32
        )
        return HMACSHA256.authenticate(PushTokenKeys.purpose + payload, key: key).prefix(16)
    }
}

extension [UInt8] {
    /// Appends the lowest `count` bytes of `value`, the highest first.
    package mutating func appendBigEndian(_ value: UInt64, count: Int) {
        for shift in stride(from: (count - 1) * 8, through: 0, by: -8) {
            append(UInt8(truncatingIfNeeded: value >> UInt64(shift)))
        }
    }
}
