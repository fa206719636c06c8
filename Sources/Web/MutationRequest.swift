import Domain
import HTTPTypes
import Hummingbird
import Native
import Storage

/// A request that changes something: what every one of them may ask for besides its change, read once.
///
/// - `dry_run=true`: everything is checked and answered, and nothing is changed.
/// - `Idempotency-Key`: the same request under the same key takes effect once; later ones get the first one's answer.
/// - `If-Match`, `If-None-Match: *`: on which version. An account may demand it of all that change or delete.
package struct MutationRequest: Sendable {
    /// Whose rows it changes.
    package let account: AccountNumber
    /// What the store is asked.
    package let call: Call
    /// On which version.
    package let precondition: Precondition
    private let body: [UInt8]
    private let headers: HTTPFields

    /// Whether nothing is to be changed.
    package var isDryRun: Bool { call.isDryRun }

    /// Of an account. `query` may have been asked for more; it is finished here.
    package init(_ request: Request, _ context: AccountContext, _ query: Query? = nil) async throws {
        try self.init(
            request,
            query,
            account: context.account.number,
            actor: context.actor,
            body: context.body,
            requiresIfMatch: context.account.requiresIfMatch
        )
    }

    /// Of the installation itself, which only the operator changes.
    package init(_ request: Request, operatorIn context: AppContext, _ query: Query? = nil) async throws {
        try self.init(
            request,
            query,
            account: .installation,
            actor: try context.requireOperator().actor(in: context),
            body: context.body,
            requiresIfMatch: false
        )
    }

    private init(
        _ request: Request,
        _ query: Query?,
        account: AccountNumber,
        actor: Actor,
        body: [UInt8],
        requiresIfMatch: Bool
    ) throws {
        let query = query ?? Query(request)
        let isDryRun = query.flag("dry_run") ?? false
        try query.finish()
        precondition = try ETag.precondition(of: request)
        if requiresIfMatch, precondition == .none, request.method != .post, request.headers[.ifMatch] == nil {
            throw Problem(
                .preconditionRequired,
                "This account demands If-Match: read the resource, and send the ETag that you got."
            )
        }
        self.account = account
        headers = request.headers
        self.body = body
        var claim: Idempotency.Claim?
        if let key = try Self.key(of: request), let caller = actor.key {
            claim = Idempotency.Claim(
                key: key,
                caller: caller,
                target: "\(request.method) \(request.uri.path)",
                query: Array((request.uri.query ?? "").utf8),
                body: body
            )
        }
        call = Call(actor: actor, isDryRun: isDryRun, claim: claim)
    }

    /// Decodes the JSON body: see `JSONBody`. What a tenant wrote is read, and its patterns are compiled, in the account's turn.
    package func decode<Value: Sendable>(
        _ store: Store,
        _ read: @escaping @Sendable (Fields) -> Value?
    ) async throws -> Value {
        try JSONBody.checkType(headers)
        return try await JSONBody.decode(body, store, account, read)
    }

    /// The body as it came, for what is not JSON alone.
    package var bytes: [UInt8] { body }

    /// What the body is said to be, in lower case and without parameters.
    package var contentType: Text {
        let type = headers[.contentType].map { Text($0).folded.bytes } ?? []
        return Text(trusted: Array(type.prefix { $0 != UInt8(ascii: ";") }))
    }

    /// Runs `body` in one transaction of the account and answers what it answers; a dry run is undone.
    package func perform(
        _ store: Store,
        holding hold: Hold = .configuration,
        _ body: @escaping @Sendable (Mutation) throws -> RecordedAnswer
    ) async throws -> Response {
        Answer.response(try await store.perform(call, on: account, holding: hold, body))
    }

    /// Works a change out before the transaction that writes it, and answers `answer` of its result. `again` makes an answer anew that was
    /// too long to be kept.
    package func perform<Result: Sendable>(
        _ store: Store,
        planning plan: @Sendable () async throws -> Planned<Result>,
        again: @Sendable (RecordedAnswer) async throws -> RecordedAnswer,
        _ answer: @escaping @Sendable (Result) -> RecordedAnswer
    ) async throws -> Response {
        Answer.response(try await store.perform(call, on: account, planning: plan, again: again, answer))
    }

    /// The same for what takes effect outside of the store, or in transactions of its own.
    package func performOutside(
        _ store: Store,
        _ body: () async throws -> RecordedAnswer
    ) async throws -> Response {
        Answer.response(try await store.performOutside(call, on: account, body))
    }

    private static func key(of request: Request) throws -> String? {
        guard let name = HTTPField.Name("Idempotency-Key") else { return nil }
        let values = request.headers[values: name]
        guard let key = values.first else { return nil }
        guard values.count == 1, (1...255).contains(key.utf8.count),
            key.utf8.allSatisfy({ (0x20...0x7E).contains($0) })
        else {
            throw Problem(
                .invalidRequest,
                "Idempotency-Key must be one text of 1 to 255 printable characters."
            )
        }
        return key
    }
}
