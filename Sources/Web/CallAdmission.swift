import Domain
import HTTPTypes
import Hummingbird
import Native
import SQL
import Storage

/// Lets calls in whose caller is known: reads the body within its limit, waits for the account's turn, and holds what body and answer take of
/// the memory until the answer is written. Stands behind `Authentication`, so that nobody without a key holds anything.
package struct CallAdmission: RouterMiddleware {
    package typealias Context = AppContext

    /// What calls may take. Source: openapi.yaml.
    package struct Bounds: Sendable {
        /// Bytes of a body.
        package var body = 1 << 20
        /// The same of operations that take more, each by its method and path as in openapi.yaml.
        package var largerBodies: [String: Int] = [:]
        /// Bytes of bodies and answers of one account that are under way.
        package var share = 20 << 20
        /// The same of all together.
        package var total = 192 << 20
        /// Calls of one account.
        package var turns = CallTurns.Bounds()

        package init() {}
    }

    private let store: Store
    private let bounds: Bounds
    private let version: String
    private let budget: ByteBudget
    private let turns: CallTurns

    /// `version`: of this program; a call that crashed another one is tried again.
    package init(store: Store, bounds: Bounds, version: String) {
        self.store = store
        self.bounds = bounds
        self.version = version
        budget = ByteBudget(bytes: bounds.total, share: bounds.share)
        turns = CallTurns(bounds: bounds.turns)
    }

    package func handle(
        _ request: Request,
        context: AppContext,
        next: (Request, AppContext) async throws -> Response
    ) async throws -> Response {
        guard let caller = context.caller else { throw Problem.unauthorized }
        let payer = caller.key.owner.account
        let operation = "\(request.method) \(context.endpointPath ?? "")"
        let mark = Self.mark(of: operation, on: context.account?.number ?? payer, version: version)
        guard !store.crashGuard.isPoisonous(mark) else { throw Problem.crashedBefore }
        try turns.check(payer)
        context.memory.begin(budget, for: payer)
        var context = context
        if ![.get, .head].contains(request.method) {
            let limit = bounds.largerBodies[operation] ?? bounds.body
            context.body = try await context.memory.body(of: request, upTo: limit)
        }
        let response = try await turns.run(of: payer) { [context] in
            try await Self.noting(mark) { try await next(request, context) }
        }
        return try held(response, isChange: ![.get, .head].contains(request.method), context.memory)
    }

    /// Runs `body`; a crash of a thread that works for it is noted under `mark`.
    package static func noting<Value>(
        _ mark: UInt64,
        _ body: () async throws -> Value
    ) async throws -> Value {
        try await WorkNote.$current.withValue(.crash(mark), operation: body)
    }

    /// What a call is known by in the notes of crashes.
    package static func mark(of operation: String, on account: AccountNumber, version: String) -> UInt64 {
        CrashGuard.mark(of: Array("call/\(version)/\(account.value)/\(operation)".utf8))
    }

    /// Holds the bytes of the answer. One that says what took effect already is not refused.
    private func held(_ response: Response, isChange: Bool, _ memory: CallMemory) throws(Problem) -> Response
    {
        let bytes = response.body.contentLength ?? 0
        if isChange {
            memory.force(bytes)
            return response
        }
        guard bytes <= Answer.mostBytes else { throw Problem.answerTooLarge }
        try memory.take(bytes)
        return response
    }
}

extension WorkNote {
    /// A crash of the thread is noted under `mark`.
    fileprivate static func crash(_ mark: UInt64) -> WorkNote {
        WorkNote(begin: { CrashGuard.enter(mark) }, end: { CrashGuard.leave() })
    }
}

extension Problem {
    /// 413: what was asked for does not fit into one answer.
    package static let answerTooLarge = Problem(
        .tooLarge,
        "The answer would be larger than \(Answer.mostBytes) bytes: ask for parts, with the lists of what is in it."
    )

    /// 503: the call is not run for this account.
    static let crashedBefore: Problem = {
        var problem = Problem(
            .unavailable,
            "This call ended the server twice for this account, so this build of it does not run the call any more. Tell the operator."
        )
        problem.headers[.retryAfter] = "3600"
        return problem
    }()
}
