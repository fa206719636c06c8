internal import CCurl
import Glibc
import Synchronization

/// One transfer while it is under way, and what libcurl calls for it.
///
/// `@unchecked Sendable`: (1) its variables are touched by one thread alone, on which libcurl makes its
/// calls, too; (2) what others touch is `isCancelled` and `isOver`.
final class TransferRun: @unchecked Sendable {
    /// Bytes of all headers of an answer, or of all lines of a mail server.
    static let headLimit = 64 << 10

    let transfer: Transfer
    let isCancelled = Atomic(false)
    private let isOver = Atomic(false)
    private let done: @Sendable (Result<TransferAnswer, any Error>) -> Void

    /// The handle that it has, from `prepare` to the end.
    private(set) var handle: UnsafeMutableRawPointer?
    private var lists: [UnsafeMutablePointer<curl_slist>] = []
    private var headers: [(name: String, value: String)] = []
    private var headBytes = 0
    /// Whether the empty line after the headers has come.
    private var hasHead = false
    private var body: [UInt8] = []
    /// Bytes of the mail that were handed over.
    private var uploaded = 0
    private var socket: Int32 = -1
    /// Connections on which it was begun.
    private var attempts = 0
    /// What one of the calls found, which libcurl has other words for.
    private var finding: TransferError?
    /// Whether the body was longer than what is read of it.
    private var isCut = false

    init(_ transfer: Transfer, done: @escaping @Sendable (Result<TransferAnswer, any Error>) -> Void) {
        self.transfer = transfer
        self.done = done
    }

    var isMail: Bool {
        if case .mail = transfer.message { true } else { false }
    }

    private var context: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

    deinit {
        for list in lists { curl_slist_free_all(list) }
    }

    /// The run behind a pointer that libcurl was given; it lives as long as its handle is in use.
    static func of(_ context: UnsafeMutableRawPointer?) -> TransferRun? {
        context.map { Unmanaged<TransferRun>.fromOpaque($0).takeUnretainedValue() }
    }

    // MARK: Before

    /// Says everything of the transfer to a fresh handle.
    func prepare(_ handle: UnsafeMutableRawPointer, roots: CertificateStore) {
        self.handle = handle
        ccurl_set_text(handle, CURLOPT_URL, transfer.url)
        ccurl_set_text(handle, CURLOPT_PROTOCOLS_STR, "http,https,smtp,smtps")
        ccurl_set_number(handle, CURLOPT_FOLLOWLOCATION, 0)
        ccurl_set_text(handle, CURLOPT_PROXY, "")
        ccurl_set_number(handle, CURLOPT_NOSIGNAL, 1)
        ccurl_set_number(handle, CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
        ccurl_set_roots(handle, UnsafeMutableRawPointer(roots.pointer))
        ccurl_set_number(handle, CURLOPT_CONNECTTIMEOUT_MS, Self.milliseconds(transfer.connectLimit))
        ccurl_set_number(handle, CURLOPT_TIMEOUT_MS, Self.milliseconds(transfer.limit))
        ccurl_set_pointer(handle, CURLOPT_PRIVATE, context)
        ccurl_set_answer(handle, Self.onHead, Self.onBody, context)
        ccurl_set_guard(handle, Self.onOpen, Self.onConnected, context)
        if let address = transfer.address {
            // Any host, any port: this address. Connections that are kept are told apart by it, too.
            let target = address.contains(":") ? "::[\(address)]:" : "::\(address):"
            ccurl_set_list(handle, CURLOPT_CONNECT_TO, keep([target]))
        }
        switch transfer.message {
        case .request(let request): prepare(request, handle)
        case .mail(let mail): prepare(mail, handle)
        }
    }

    private func prepare(_ request: Transfer.Request, _ handle: UnsafeMutableRawPointer) {
        ccurl_set_number(handle, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        ccurl_set_number(handle, CURLOPT_PATH_AS_IS, 1)
        // Bodies stay packed as they come, by whatever header: a few bytes can be made to unpack for minutes.
        ccurl_set_number(handle, CURLOPT_HTTP_CONTENT_DECODING, 0)
        // Kept connections are closed by many servers after 15 s or more.
        ccurl_set_number(handle, CURLOPT_MAXAGE_CONN, 15)
        if let body = request.body ?? (["POST", "PUT", "PATCH"].contains(request.method) ? [] : nil) {
            ccurl_set_size(handle, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.count))
            body.withUnsafeBytes {
                _ = ccurl_set_pointer(
                    handle,
                    CURLOPT_COPYPOSTFIELDS,
                    $0.baseAddress ?? UnsafeRawPointer(bitPattern: 1)
                )
            }
        } else if request.method == "HEAD" {
            ccurl_set_number(handle, CURLOPT_NOBODY, 1)
        }
        ccurl_set_text(handle, CURLOPT_CUSTOMREQUEST, request.method)
        // With nothing after the colon libcurl leaves out what it would add, with a semicolon it sends an
        // empty one.
        var lines = request.headers.map { $0.value.isEmpty ? "\($0.name);" : "\($0.name): \($0.value)" }
        let names = Set(request.headers.map { $0.name.lowercased() })
        for name in ["Accept", "Content-Type", "Expect"] where !names.contains(name.lowercased()) {
            lines.append("\(name):")
        }
        ccurl_set_list(handle, CURLOPT_HTTPHEADER, keep(lines))
    }

    private func prepare(_ mail: Transfer.Mail, _ handle: UnsafeMutableRawPointer) {
        ccurl_set_number(handle, CURLOPT_USE_SSL, Int(CURLUSESSL_ALL.rawValue))
        ccurl_set_text(handle, CURLOPT_MAIL_FROM, "<\(mail.from)>")
        ccurl_set_list(handle, CURLOPT_MAIL_RCPT, keep(mail.to.map { "<\($0)>" }))
        ccurl_set_number(handle, CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1)
        if let login = mail.login {
            ccurl_set_text(handle, CURLOPT_LOGIN_OPTIONS, "AUTH=PLAIN;AUTH=LOGIN")
            ccurl_set_text(handle, CURLOPT_USERNAME, login.name)
            ccurl_set_text(handle, CURLOPT_PASSWORD, login.password)
        }
        ccurl_set_number(handle, CURLOPT_UPLOAD, 1)
        ccurl_set_size(handle, CURLOPT_INFILESIZE_LARGE, curl_off_t(mail.text.count))
        ccurl_set_upload(handle, Self.onUpload, context)
        ccurl_set_trace(handle, Self.onTrace, context)
        ccurl_set_progress(handle, Self.onProgress, context)
        // One connection for each mail: what a server holds against a sender is not held against the next.
        ccurl_set_number(handle, CURLOPT_FRESH_CONNECT, 1)
        ccurl_set_number(handle, CURLOPT_FORBID_REUSE, 1)
    }

    /// A list for libcurl, freed at the end.
    private func keep(_ lines: [String]) -> UnsafeMutablePointer<curl_slist>? {
        let list = lines.reduce(nil as UnsafeMutablePointer<curl_slist>?) { curl_slist_append($0, $1) }
        if let list { lists.append(list) }
        return list
    }

    private static func milliseconds(_ duration: Duration) -> Int {
        let (seconds, attoseconds) = duration.components
        return max(1, Int(min(max(seconds, 0), 86_400)) * 1_000 + Int(attoseconds / 1_000_000_000_000_000))
    }

    // MARK: Meanwhile

    private static let addressOffset = MemoryLayout<curl_sockaddr>.offset(of: \.addr) ?? 16

    /// Makes the socket, if it leads where it should.
    private static let onOpen: curl_opensocket_callback = { context, _, address in
        guard let run = TransferRun.of(context), let address else { return -1 }
        let place = address.pointee
        // Where it stands, not a copy: it is longer than its type says.
        let start = (UnsafeMutableRawPointer(address) + addressOffset).assumingMemoryBound(to: sockaddr.self)
        let leadsThere = run.transfer.address.map { NumericAddress(start) == NumericAddress($0) } ?? true
        guard leadsThere else {
            run.finding = .elsewhere
            return -1
        }
        run.socket = Glibc.socket(place.family, place.socktype | Int32(SOCK_CLOEXEC.rawValue), place.protocol)
        return run.socket
    }

    /// Looks once more, at a connection that was kept as well as at a new one, before anything is said on it.
    private static let onConnected: curl_prereq_callback = { context, remote, _, _, _ in
        guard let run = TransferRun.of(context) else { return CURL_PREREQFUNC_ABORT }
        // libcurl would try five kept connections that turn out to be closed; the other side may have heard
        // each time.
        run.attempts += 1
        guard run.attempts <= 2 else {
            run.finding = .closed
            return CURL_PREREQFUNC_ABORT
        }
        guard let wanted = run.transfer.address else { return CURL_PREREQFUNC_OK }
        if let remote, let found = NumericAddress(String(cString: remote)), found == NumericAddress(wanted) {
            return CURL_PREREQFUNC_OK
        }
        run.finding = .elsewhere
        return CURL_PREREQFUNC_ABORT
    }

    /// A line of the head, or of a mail server. Any other number than that of its bytes ends the transfer.
    private static let onHead: ccurl_bytes = { data, size, count, context in
        guard let run = TransferRun.of(context), let data else { return 0 }
        run.headBytes += size * count
        guard run.headBytes <= headLimit else {
            run.finding = .malformed
            return 0
        }
        var line = Array(UnsafeRawBufferPointer(start: data, count: size * count))
        while line.last == 0x0A || line.last == 0x0D { line.removeLast() }
        if case .mail(let mail) = run.transfer.message {
            // libcurl goes on reading after a code alone whose line ends without CR.
            if line.count == 3, size * count != 5 {
                run.finding = .malformed
                run.hangUp(SHUT_RDWR)
                return 0
            }
            return run.heard(line, mail) ? size * count : 0
        }
        run.takeHeader(line)
        return size * count
    }

    private static let onBody: ccurl_bytes = { data, size, count, context in
        guard let run = TransferRun.of(context), let data else { return 0 }
        let bytes = UnsafeRawBufferPointer(start: data, count: size * count)
        run.body += bytes.prefix(run.transfer.answerBytes - run.body.count)
        run.isCut = run.body.count == run.transfer.answerBytes
        return run.isCut ? 0 : bytes.count
    }

    /// The next bytes of a mail.
    private static let onUpload: ccurl_bytes = { target, size, count, context in
        guard let run = TransferRun.of(context), case .mail(let mail) = run.transfer.message, let target
        else {
            return 0
        }
        let part = mail.text[run.uploaded...].prefix(size * count)
        UnsafeMutableRawBufferPointer(start: target, count: size * count).copyBytes(from: part)
        run.uploaded += part.count
        return part.count
    }

    /// Called once a second at least. Anything but 0 ends the transfer.
    private static let onProgress: curl_xferinfo_callback = { context, _, _, _, _ in
        TransferRun.of(context)?.isCancelled.load(ordering: .relaxed) == false ? 0 : 1
    }

    /// Hears the commands to a mail server.
    ///
    /// - Rule: when `QUIT` was sent, nothing more is read. Why: libcurl waits for the answer to it, for up to
    ///   two minutes. Otherwise: a mail server that says nothing would hold its thread. The same for a
    ///   command that can't be sent.
    private static let onTrace: ccurl_trace = { _, kind, data, size, context in
        guard kind == CURLINFO_HEADER_OUT || kind == CURLINFO_TEXT, let run = TransferRun.of(context),
            let data
        else { return 0 }
        let command = Array(UnsafeRawBufferPointer(start: data, count: size))
        guard kind == CURLINFO_HEADER_OUT else {
            // Before 8.0 it drops what is too long in a line, says only this, and waits for more.
            if command.starts(with: "Excessive server response line".utf8) {
                run.finding = .malformed
                run.hangUp(SHUT_RDWR)
            }
            return 0
        }
        if command.isEmpty || command.starts(with: "QUIT".utf8) { run.hangUp(SHUT_RD) }
        if case .mail(let mail) = run.transfer.message { mail.observer.sent(command) }
        return 0
    }

    private func heard(_ line: [UInt8], _ mail: Transfer.Mail) -> Bool {
        switch mail.observer.heard(line) {
        case .goOn: return true
        case .goOnWithInitialResponse:
            if let handle { ccurl_set_number(handle, CURLOPT_SASL_IR, 1) }
            return true
        case .stop:
            // So that nothing can be said any more.
            hangUp(SHUT_RDWR)
            finding = .closed
            return false
        }
    }

    private func takeHeader(_ line: [UInt8]) {
        if line.starts(with: "HTTP/".utf8) {
            // A head that is only on the way to the answer's (100, 103) does not count.
            (headers, hasHead) = ([], false)
        } else if line.isEmpty {
            hasHead = true
        } else if let colon = line.firstIndex(of: UInt8(ascii: ":")) {
            let value = line[(colon + 1)...].drop { $0 == 0x20 || $0 == 0x09 }
            headers.append(
                (UTF8Scan.repairedText(Array(line[..<colon])), UTF8Scan.repairedText(Array(value)))
            )
        }
    }

    private func hangUp(_ how: Int) {
        if socket >= 0 { _ = shutdown(socket, Int32(how)) }
    }

    // MARK: After

    /// Says what came of it. `handle` is still that of the transfer.
    func finish(_ code: CURLcode, _ handle: UnsafeMutableRawPointer) {
        if let error = error(of: code, handle) { return end(.failure(error)) }
        end(
            .success(
                TransferAnswer(
                    status: ccurl_number(handle, CURLINFO_RESPONSE_CODE),
                    headers: headers,
                    body: body,
                    isKept: ccurl_has_connection(handle) != 0
                )
            )
        )
    }

    /// It was given up before it was over, or never begun.
    func finishCancelled() { end(.failure(CancellationError())) }

    /// It could not be begun.
    func fail(_ error: TransferError) { end(.failure(error)) }

    /// Says it once: who gave up before is not told again.
    private func end(_ result: Result<TransferAnswer, any Error>) {
        if !isOver.exchange(true, ordering: .acquiringAndReleasing) { done(result) }
    }

    private func error(of code: CURLcode, _ handle: UnsafeMutableRawPointer) -> TransferError? {
        if let finding { return finding }
        switch code {
        case CURLE_OK:
            // libcurl takes a head for whole that ends with its connection.
            if case .request = transfer.message, !hasHead { return .closed }
            return nil
        case CURLE_WRITE_ERROR where isCut: return nil
        case CURLE_URL_MALFORMAT, CURLE_BAD_FUNCTION_ARGUMENT, CURLE_FAILED_INIT:
            return .impossible
        case CURLE_COULDNT_RESOLVE_HOST: return .unresolved
        case CURLE_COULDNT_CONNECT: return .notConnected
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_USE_SSL_FAILED,
            CURLE_SSL_ISSUER_ERROR,
            CURLE_SSL_CIPHER, CURLE_SSL_CERTPROBLEM, CURLE_SSL_INVALIDCERTSTATUS, CURLE_SSL_CLIENTCERT:
            return .noTLS
        case CURLE_OPERATION_TIMEDOUT:
            if ccurl_size(handle, CURLINFO_CONNECT_TIME_T) == 0 { return .notConnectedInTime }
            let waitsForTLS = transfer.url.hasPrefix("https:") || transfer.url.hasPrefix("smtps:")
            return waitsForTLS && ccurl_size(handle, CURLINFO_APPCONNECT_TIME_T) == 0 ? .noTLSInTime : .late
        case CURLE_GOT_NOTHING, CURLE_RECV_ERROR, CURLE_SEND_ERROR, CURLE_PARTIAL_FILE: return .closed
        default: return .malformed
        }
    }
}

/// An address in numbers, for comparison: 4 or 16 bytes; one of IPv4 in a form of IPv6 is one of IPv4.
private struct NumericAddress: Equatable {
    private let bytes: [UInt8]

    init?(_ text: String) {
        var four = in_addr()
        var six = in6_addr()
        if inet_pton(AF_INET, text, &four) == 1 {
            bytes = withUnsafeBytes(of: four) { Array($0) }
        } else if inet_pton(AF_INET6, text, &six) == 1 {
            bytes = Self.plain(withUnsafeBytes(of: six) { Array($0) })
        } else {
            return nil
        }
    }

    init?(_ address: UnsafePointer<sockaddr>) {
        switch Int32(address.pointee.sa_family) {
        case AF_INET:
            bytes = address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { address in
                withUnsafeBytes(of: address.pointee.sin_addr) { Array($0) }
            }
        case AF_INET6:
            bytes = Self.plain(
                address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { address in
                    withUnsafeBytes(of: address.pointee.sin6_addr) { Array($0) }
                }
            )
        default: return nil
        }
    }

    private static func plain(_ bytes: [UInt8]) -> [UInt8] {
        let isMapped = bytes.prefix(10).allSatisfy { $0 == 0 } && bytes[10] == 0xFF && bytes[11] == 0xFF
        return isMapped ? Array(bytes[12...]) : bytes
    }
}
