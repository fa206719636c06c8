import Domain
import Native
import Synchronization

/// What a mail server says to what (RFC 5321, 4.2): decides what its replies mean, and keeps its words for
/// the record.
///
/// libcurl holds the conversation. What is decided here is where it goes on all the same: without a login
/// that was not offered, by HELO where EHLO is refused.
final class MailConversation: MailObserver {
    /// What the next reply is an answer to.
    private enum Step {
        case greeting, hello, tls, login, sender, receiver, data, mail, end
    }

    private struct Reply {
        let code: Int
        /// The texts of its lines, as they came.
        let lines: [[UInt8]]

        var isPositive: Bool { (200..<300).contains(code) }
        /// On one line, for people.
        var text: String { Excerpt.text(of: Array(lines.joined(separator: [0x20]))) }
    }

    private struct State {
        var step = Step.greeting
        var isProtected: Bool
        /// Of a reply that has more lines to come.
        var lines: [[UInt8]] = []
        var refusals: [Reply] = []
        var failure: SendFailure?
        var result: MailResult?
    }

    /// What the failure of a server is that answers in another way.
    static let noSMTP = SendFailure(.broken, "The mail server answered with something that is not SMTP.")
    private static let wentOn = SendFailure(
        .tls,
        "The mail server went on talking after it had agreed to STARTTLS."
    )

    private let settings: Email
    private let state: Mutex<State>

    init(_ settings: Email) {
        self.settings = settings
        state = Mutex(State(isProtected: settings.security == .tls))
    }

    /// What became of the mail, when the server has taken it.
    var result: MailResult? { state.withLock { $0.result } }

    /// What was found to be wrong.
    var failure: SendFailure? { state.withLock { $0.failure } }

    /// What it is when libcurl found something that is not SMTP: after the yes to STARTTLS nothing but TLS
    /// may come.
    var malformed: SendFailure {
        state.withLock { $0.step == .tls && $0.isProtected } ? Self.wentOn : Self.noSMTP
    }

    func sent(_ command: [UInt8]) {
        let steps: [(String, Step)] = [
            ("EHLO", .hello), ("HELO", .hello), ("STARTTLS", .tls), ("AUTH", .login), ("MAIL", .sender),
            ("RCPT", .receiver), ("DATA", .data), ("QUIT", .end),
        ]
        // A part of a login has no name of its own, and can begin like one.
        guard let (_, step) = steps.first(where: { command.starts(with: $0.0.utf8) }) else { return }
        state.withLock { state in
            if state.step != .login || [.login, .sender, .end].contains(step) { state.step = step }
        }
    }

    func heard(_ line: [UInt8]) -> MailStep {
        state.withLock { state in
            guard line.count >= 3, let code = Int(String(decoding: line[..<3], as: UTF8.self)),
                (200..<600).contains(code),
                line.count == 3 || line[3] == UInt8(ascii: " ") || line[3] == UInt8(ascii: "-")
            else { return Self.fail(Self.noSMTP, &state) }
            state.lines.append(Array(line.dropFirst(4)))
            if line.count > 3, line[3] == UInt8(ascii: "-") { return .goOn }
            let reply = Reply(code: code, lines: state.lines)
            state.lines = []
            return answer(to: reply, &state)
        }
    }

    private func answer(to reply: Reply, _ state: inout State) -> MailStep {
        switch state.step {
        case .greeting: return Self.accept(reply, "the connection", &state)
        case .hello:
            let step = Self.accept(reply, "EHLO", &state)
            if case .goOn = step { return offered(Array(reply.lines.dropFirst()), &state) }
            return step
        case .tls:
            state.isProtected = reply.isPositive
            return Self.accept(reply, "STARTTLS", as: .tls, &state)
        case .login: return reply.code == 334 ? .goOn : Self.accept(reply, "the login", &state)
        case .sender: return Self.accept(reply, "the sender", &state)
        case .receiver:
            if !reply.isPositive { state.refusals.append(reply) }
            guard state.refusals.count == settings.to.count else { return .goOn }
            return Self.accept(state.refusals[0], "every receiver", &state)
        case .data:
            guard reply.code == 354 else {
                return Self.fail(Self.refused(reply, "the mail", .status), &state)
            }
            state.step = .mail
            return .goOn
        case .mail:
            let step = Self.accept(reply, "the mail", &state)
            if case .goOn = step { state.result = result(reply, state.refusals) }
            return step
        case .end: return .goOn
        }
    }

    /// What the server can do decides how it goes on: never without TLS, nor without a login that was asked
    /// for. Words count as libcurl reads them: what it does not see it passes over.
    private func offered(_ extensions: [[UInt8]], _ state: inout State) -> MailStep {
        guard state.isProtected else {
            return extensions.contains(Array("STARTTLS".utf8))
                ? .goOn : Self.fail(SendFailure(.tls, "The mail server does not offer STARTTLS."), &state)
        }
        guard settings.login != nil else { return .goOn }
        let methods = extensions.flatMap { line -> [[UInt8]] in
            guard line.starts(with: "AUTH ".utf8) else { return [] }
            return line.split { $0 == 0x20 || $0 == 0x09 }.dropFirst().map { Array($0) }
        }
        if methods.contains(Array("PLAIN".utf8)) { return .goOnWithInitialResponse }
        if methods.contains(Array("LOGIN".utf8)) { return .goOn }
        let failure = SendFailure(.refused, "The mail server offers neither AUTH PLAIN nor AUTH LOGIN.")
        return Self.fail(failure, &state)
    }

    private func result(_ reply: Reply, _ refusals: [Reply]) -> MailResult {
        guard let refusal = refusals.first else { return MailResult(code: reply.code, text: reply.text) }
        let note =
            "Refused: \(refusals.count) of \(settings.to.count) receivers (\(refusal.code) \(refusal.text)). "
        return MailResult(
            code: reply.code,
            text: Text(note + reply.text).prefix(bytes: SendLimits.excerptBytes).string
        )
    }

    private static func accept(
        _ reply: Reply,
        _ what: String,
        as failure: SendResult.Failure = .status,
        _ state: inout State
    ) -> MailStep {
        reply.isPositive ? .goOn : fail(refused(reply, what, failure), &state)
    }

    private static func fail(_ failure: SendFailure, _ state: inout State) -> MailStep {
        state.failure = failure
        return .stop
    }

    private static func refused(
        _ reply: Reply,
        _ what: String,
        _ failure: SendResult.Failure
    ) -> SendFailure {
        SendFailure(
            failure,
            "The mail server answered \(reply.code) to \(what).",
            code: reply.code,
            response: reply.text
        )
    }
}
