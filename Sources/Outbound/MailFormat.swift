import Domain
import Native

/// A mail: plain text in UTF-8, as ASCII on the wire, so that it passes every server.
///
/// - `Message-ID` is made of the notification's id, so that servers and readers know a retry for what it is; the mails of one alert refer
///   to one another and are shown as one conversation.
/// - No header can be smuggled in: addresses have a strict grammar, the subject is encoded, ids are ours.
struct MailFormat: Sendable {
    /// Bytes of the text.
    static let textLimit = 65_536

    let settings: Email

    /// The whole message, lines ended by CR LF, before dots are doubled for `DATA`.
    func message(_ message: OutboundMessage, _ rendered: Rendered, at now: UnixTime) -> [UInt8] {
        let domain = settings.from.string.split(separator: "@").last.map(String.init) ?? "localhost"
        let text = Self.text(message, rendered)
        let isReadable = text.utf8.count(where: { $0 >= 0x80 }) * 4 < text.utf8.count
        var lines = [
            "From: <\(settings.from.string)>",
            "To: " + settings.to.map { "<\($0.string)>" }.joined(separator: ",\r\n "),
            "Subject: " + MailText.subject(rendered.title),
            "Date: \(now.httpDate.dropLast(3))+0000",
            "Message-ID: <\(message.id)@\(domain)>",
        ]
        if case .alert(let news) = message.message {
            lines.append("In-Reply-To: <\(news.alertID)@\(domain)>")
            lines.append("References: <\(news.alertID)@\(domain)>")
        }
        lines += [
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=utf-8",
            "Content-Transfer-Encoding: " + (isReadable ? "quoted-printable" : "base64"),
            "Auto-Submitted: auto-generated",
            "", "",
        ]
        return Array(lines.joined(separator: "\r\n").utf8)
            + (isReadable ? MailText.quotedPrintable(text) : MailText.base64(text))
    }

    /// The text, as a person reads it.
    static func text(_ message: OutboundMessage, _ rendered: Rendered) -> String {
        Cutting.fit(rendered.text, line: rendered.cutLine, limit: textLimit)
    }
}

/// Encodings of mail (RFC 2045, RFC 2047).
enum MailText {
    /// A subject: as it is when it is short printable ASCII, else encoded words, one on a line of at most 76 characters with the
    /// header's name.
    static func subject(_ text: String) -> String {
        let bytes = Array(text.utf8)
        let isPlain = bytes.count <= 200 && bytes.allSatisfy { (0x20..<0x7F).contains($0) }
        if isPlain, !text.contains("=?") { return text }
        var words: [String] = []
        var start = 0
        while start < bytes.count {
            var end = min(start + 39, bytes.count)
            while end < bytes.count, bytes[end] & 0xC0 == 0x80 { end -= 1 }
            words.append("=?utf-8?B?\(Base64.text(Array(bytes[start..<end])))?=")
            start = end
        }
        return words.joined(separator: "\r\n ")
    }

    /// Quoted-printable: lines of at most 76 characters, ended by CR LF.
    static func quotedPrintable(_ text: String) -> [UInt8] {
        let crlf: [UInt8] = [0x0D, 0x0A]
        var result: [UInt8] = []
        for line in lines(of: text) {
            var length = 0
            for (index, byte) in line.enumerated() {
                let isLast = index == line.count - 1
                let code = code(of: byte, isLast: isLast)
                if length + code.count > 75 {
                    result += [UInt8(ascii: "=")] + crlf
                    length = 0
                }
                result += code
                length += code.count
            }
            result += crlf
        }
        return result
    }

    /// Base64: lines of 76 characters, ended by CR LF.
    static func base64(_ text: String) -> [UInt8] {
        let crlf: [UInt8] = [0x0D, 0x0A]
        let bytes = Array(lines(of: text).joined(separator: crlf)) + crlf
        var result: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 57) {
            result += Base64.encode(Array(bytes[start..<min(start + 57, bytes.count)])) + crlf
        }
        return result
    }

    /// Without the line ends: CR LF, LF or CR.
    private static func lines(of text: String) -> [[UInt8]] {
        var lines: [[UInt8]] = [[]]
        var wasReturn = false
        for byte in text.utf8 {
            if byte == 0x0D || (byte == 0x0A && !wasReturn) {
                lines.append([])
            } else if byte != 0x0A {
                lines[lines.count - 1].append(byte)
            }
            wasReturn = byte == 0x0D
        }
        return lines
    }

    private static func code(of byte: UInt8, isLast: Bool) -> [UInt8] {
        let isBlank = byte == 0x20 || byte == 0x09
        if isBlank ? !isLast : (0x21...0x7E).contains(byte) && byte != UInt8(ascii: "=") { return [byte] }
        let digits = Array("0123456789ABCDEF".utf8)
        return [UInt8(ascii: "="), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }
}

/// The grammar of a mail address: stricter than RFC 5321, without quotes, comments and anything but ASCII.
enum MailAddress {
    /// Whether it is `NAME@HOST`: a name of at most 64 letters, digits, inner single dots and ``!#$%&'*+/=?^_`{|}~-``, a host as in a URL.
    static func isValid(_ text: Text) -> Bool {
        guard text.bytes.count <= 254, let at = text.bytes.lastIndex(of: UInt8(ascii: "@")) else {
            return false
        }
        let name = text.bytes[..<at]
        let host = try? EndpointURL.host(Array(text.bytes[(at + 1)...]))
        let parts = name.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        return (1...64).contains(name.count) && parts.allSatisfy { !$0.isEmpty && $0.allSatisfy(isNameByte) }
            && host.map { $0.1 == nil } ?? false
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "!#$%&'*+/=?^_`{|}~-".utf8.contains(byte)
        }
    }
}
