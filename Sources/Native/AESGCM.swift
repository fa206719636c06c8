private import COpenSSL

/// AES-256 in Galois/counter mode (NIST SP 800-38D): seals bytes so that whoever has the key can read them, and nobody can change or
/// move them unnoticed.
///
/// - Shape of what is sealed: 12 bytes of nonce, the ciphertext (as long as the text), 16 bytes of tag.
/// - Limit: nonces are random, so one key seals at most 2^32 messages (SP 800-38D, 8.3).
package struct AESGCM: Sendable {
    /// Bytes of a key.
    package static let keyBytes = 32
    /// Bytes of a nonce.
    package static let nonceBytes = 12
    /// Bytes of a tag.
    package static let tagBytes = 16
    /// Bytes that sealing adds.
    package static let overhead = nonceBytes + tagBytes

    private let key: [UInt8]

    /// A cipher with a key of exactly 32 bytes; nil for any other length.
    package init?(key: [UInt8]) {
        guard key.count == Self.keyBytes else { return nil }
        self.key = key
    }

    /// Seals a text under a fresh nonce.
    ///
    /// - Parameters:
    ///   - text: any bytes, also none.
    ///   - context: is not part of the result, but the same must be given to open it: what the text belongs to, so that it can't be
    ///     taken elsewhere.
    /// - Returns: nonce, ciphertext and tag.
    package func seal(_ text: [UInt8], context: [UInt8]) -> [UInt8] {
        seal(text, context: context, nonce: SecureRandom.bytes(Self.nonceBytes))
    }

    /// Seals under a nonce of 12 bytes that was never used with this key before: for known answers only.
    package func seal(_ text: [UInt8], context: [UInt8], nonce: [UInt8]) -> [UInt8] {
        precondition(nonce.count == Self.nonceBytes, "a nonce has 12 bytes")
        var tag = [UInt8](repeating: 0, count: Self.tagBytes)
        let ciphertext = run(
            text,
            context: context,
            nonce: nonce,
            encrypts: true,
            finish: { cipher in
                EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, Int32(Self.tagBytes), &tag) == 1
            }
        )
        guard let ciphertext else { preconditionFailure("libcrypto can't encrypt") }
        return nonce + ciphertext + tag
    }

    /// The text again; nil when the bytes were not sealed with this key and context, or were changed.
    package func open(_ sealed: [UInt8], context: [UInt8]) -> [UInt8]? {
        guard sealed.count >= Self.overhead else { return nil }
        var tag = Array(sealed.suffix(Self.tagBytes))
        let ciphertext = Array(sealed[Self.nonceBytes..<(sealed.count - Self.tagBytes)])
        let nonce = Array(sealed.prefix(Self.nonceBytes))
        return run(
            ciphertext,
            context: context,
            nonce: nonce,
            encrypts: false,
            prepare: { cipher in
                EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, Int32(Self.tagBytes), &tag) == 1
            }
        )
    }

    /// One pass of the cipher. `prepare` runs before the last step, `finish` after it. Nil: a step failed, on opening because of the tag.
    private func run(
        _ input: [UInt8],
        context: [UInt8],
        nonce: [UInt8],
        encrypts: Bool,
        prepare: (OpaquePointer) -> Bool = { _ in true },
        finish: (OpaquePointer) -> Bool = { _ in true }
    ) -> [UInt8]? {
        guard let cipher = EVP_CIPHER_CTX_new() else { preconditionFailure("no memory for a cipher") }
        defer { EVP_CIPHER_CTX_free(cipher) }
        guard let length = Int32(exactly: input.count), let contextLength = Int32(exactly: context.count),
            EVP_CipherInit_ex(cipher, EVP_aes_256_gcm(), nil, key, nonce, encrypts ? 1 : 0) == 1
        else { return nil }
        var written: Int32 = 0
        if contextLength > 0, EVP_CipherUpdate(cipher, nil, &written, context, contextLength) != 1 {
            return nil
        }
        var output = [UInt8](repeating: 0, count: input.count + Self.tagBytes)
        var total: Int32 = 0
        if length > 0 {
            guard EVP_CipherUpdate(cipher, &output, &total, input, length) == 1 else { return nil }
        }
        guard prepare(cipher) else { return nil }
        let isWhole = output.withUnsafeMutableBufferPointer { buffer in
            let rest = buffer.baseAddress.map { $0 + Int(total) }
            return EVP_CipherFinal_ex(cipher, rest, &written) == 1
        }
        guard isWhole, finish(cipher) else { return nil }
        output.removeLast(output.count - Int(total) - Int(written))
        return output
    }
}
