import Domain
import Native

/// Sends messages to people's receivers: renders and signs, finds a checked address, posts or mails, and reads the answer.
///
/// - Rule: what `letter` and `preview` do is a tenant's work, and is done in the turn of its account. Why: a template is its owner's program.
package struct Sender: Sendable {
    /// The kinds of receivers that there are.
    package let kinds: [any NotifierKind.Type]
    private let policy: AddressPolicy
    private let renderer: Renderer
    private let http: HTTPSender
    private let mail: MailSender
    private let engine: TransferEngine

    /// - Parameters:
    ///   - kinds: the kinds of receivers that there are.
    ///   - policy: which addresses may be reached.
    ///   - resolver: finds the addresses of names.
    ///   - trustRoots: whose certificates are believed.
    ///   - limits: how long things may take.
    ///   - renderer: puts messages into words.
    ///   - version: of this program, for `User-Agent`.
    package init(
        kinds: [any NotifierKind.Type] = NotifierKinds.all,
        policy: AddressPolicy,
        resolver: Resolver = .system(),
        trustRoots: TrustRoots,
        limits: SendLimits = SendLimits(),
        renderer: Renderer = Renderer(),
        version: String = "0"
    ) {
        let guardian = AddressGuard(policy: policy, resolver: resolver)
        self.kinds = kinds
        self.policy = policy
        self.renderer = renderer
        engine = TransferEngine(roots: trustRoots.store)
        http = HTTPSender(
            guardian: guardian,
            engine: engine,
            limits: limits,
            userAgent: "Tocsin/\(version)"
        )
        mail = MailSender(guardian: guardian, engine: engine, limits: limits)
    }

    /// A message in words, signed, as it goes out.
    package struct Letter: Sendable {
        /// The words.
        package let rendered: Rendered
        fileprivate let outgoing: Outgoing
        fileprivate let receiver: any NotifierKind
        fileprivate let madeAt: UnixTime
    }

    /// Puts a message into words for one attempt to send it.
    package func letter(
        _ message: OutboundMessage,
        to settings: any NotifierSettings,
        template: MessageTemplate,
        at now: UnixTime
    ) -> Letter {
        let receiver = settings.receiver
        let rendered = renderer.render(message, in: type(of: receiver).markup, template: template)
        return Letter(
            rendered: rendered,
            outgoing: receiver.outgoing(message, rendered, at: now),
            receiver: receiver,
            madeAt: now
        )
    }

    /// Sends once for an account, and says what came of it. Takes at most the time limits; ends early when the task is cancelled.
    package func send(_ letter: Letter, of account: AccountNumber) async -> SendResult {
        let start = ContinuousClock.now
        let outcome: Outcome
        do {
            outcome = try await attempt(letter, of: account)
        } catch let failure as SendFailure {
            outcome = Outcome(failure)
        } catch {
            outcome = Outcome(SendFailure(.broken, "This service was stopped while it sent."))
        }
        let secrets = letter.receiver.secrets
        return SendResult(
            failure: outcome.verdict.failure,
            detail: Excerpt.text(of: Array(outcome.verdict.detail.utf8), hiding: secrets),
            statusCode: outcome.code,
            response: Excerpt.text(of: Array(outcome.response.utf8), hiding: secrets),
            latency: start.duration(to: .now),
            retryAfter: outcome.retryAfter,
            templateProblem: letter.rendered.problem
        )
    }

    /// What would be sent, without signature.
    package func preview(
        _ message: OutboundMessage,
        kind: any NotifierKind.Type,
        template: MessageTemplate
    ) -> Preview {
        let rendered = renderer.render(message, in: kind.markup, template: template)
        let body = kind.body(message, rendered)
        return Preview(rendered: rendered, body: String(decoding: body, as: UTF8.self))
    }

    /// What is wrong with a notifier's settings, as far as it can be told without a look-up of names.
    package func check(_ settings: any NotifierSettings) -> [FieldError] {
        settings.receiver.problems(under: policy)
    }

    /// Closes all connections; what is under way fails, and nothing more can be sent. To be called once, at
    /// the end.
    package func shutdown() async { await engine.shutdown() }

    /// What became of one attempt.
    private struct Outcome {
        let verdict: Verdict
        let code: Int?
        let response: String
        let retryAfter: Int64?

        init(verdict: Verdict, code: Int?, response: String, retryAfter: Int64?) {
            self.verdict = verdict
            self.code = code
            self.response = response
            self.retryAfter = retryAfter
        }

        init(_ failure: SendFailure) {
            verdict = Verdict(failure: failure.failure, detail: failure.detail)
            code = failure.code
            response = failure.response
            retryAfter = nil
        }
    }

    private func attempt(_ letter: Letter, of account: AccountNumber) async throws -> Outcome {
        switch letter.outgoing {
        case .post(let request):
            let answer = try await http.post(request, of: account, at: letter.madeAt)
            return Outcome(
                verdict: letter.receiver.verdict(on: answer),
                code: answer.status,
                response: answer.excerpt(hiding: letter.receiver.secrets),
                retryAfter: answer.retryAfter
            )
        case .mail(let message, let settings):
            let result = try await mail.send(message, by: settings, of: account)
            return Outcome(verdict: .taken, code: result.code, response: result.text, retryAfter: nil)
        }
    }
}

/// What a message would look like.
package struct Preview: Sendable, Equatable {
    package let rendered: Rendered
    /// The body as it would be sent, but for a signature in it; of a mail its text.
    package let body: String
}
