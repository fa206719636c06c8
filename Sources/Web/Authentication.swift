import Domain
import HTTPTypes
import Hummingbird
import Logging
import Storage

/// Finds out whose key a request carries and, where the path names an account, whether that caller may see it.
package struct Authentication: RouterMiddleware {
    package typealias Context = AppContext
    private let store: Store
    private let limiter: CallLimiter<APIKeyID>
    private let usage: UsageTracker
    private let clientAddress: ClientAddress

    package init(
        store: Store,
        limiter: CallLimiter<APIKeyID>,
        usage: UsageTracker,
        clientAddress: ClientAddress
    ) {
        self.store = store
        self.clientAddress = clientAddress
        self.limiter = limiter
        self.usage = usage
    }

    package func handle(
        _ request: Request,
        context: AppContext,
        next: (Request, AppContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        let (key, rate) = try await key(of: request)
        let caller = Caller(key: key)
        let allowance = try limiter.admit(key.id, rate, at: store.now)
        context.caller = caller
        context.address = clientAddress.of(request, context)
        usage.called(
            caller.key.id,
            account: caller.key.owner.account,
            at: store.now,
            from: context.address
        )
        var response: Response
        do {
            response = try await next(request, try await admitted(caller, context))
        } catch {
            response = ErrorMiddleware.response(to: error, context)
        }
        response.headers.append(contentsOf: allowance.fields)
        return response
    }

    /// `context` with its account, when `caller` may be here.
    private func admitted(_ caller: Caller, _ context: AppContext) async throws -> AppContext {
        var context = context
        if let id = context.parameters.get("account_id") {
            context.account = try await account(id, for: caller)
        }
        if let status = context.account?.status, status == .suspended, !caller.isOperator {
            throw Problem.unauthorized
        }
        if let path = context.endpointPath { try caller.check(path) }
        return context
    }

    private func key(of request: Request) async throws -> (key: APIKey, rate: CallRate) {
        guard let header = request.headers[.authorization], let credential = Bearer.credential(header.utf8),
            let secret = APIKeySecret(credential),
            let key = try await store.apiKeys.authenticate(secret)
        else { throw Problem.unauthorized }
        return key
    }

    /// An account that is not the caller's own is as one that does not exist.
    private func account(_ text: String, for caller: Caller) async throws -> Account {
        guard let id = AccountID(text) else { throw Problem.notFound }
        switch caller.key.owner {
        case .operator:
            do {
                return try await store.accounts.find(id)
            } catch StoreError.notFound {
                throw try await deleted(id)
            }
        case .account(let number, _):
            let account = try await store.accounts.find(id)
            guard number == account.number else { throw Problem.notFound }
            return account
        }
    }

    /// What the operator is told of an account that is not there: a call that is made again, because its answer was lost, learns that the
    /// account was deleted.
    private func deleted(_ id: AccountID) async throws -> Problem {
        do {
            _ = try await store.deletions.find(id)
        } catch StoreError.notFound {
            return .notFound
        }
        return Problem(
            .notFound,
            "This account was deleted: GET /v1/deletions/\(id) tells how far its removal is."
        )
    }
}

/// What a caller must be to use an operation. Source: `x-required-role` and `x-operator` in openapi.yaml.
package struct Requirement: Sendable {
    /// The least role of an account's key.
    package let role: Role
    /// Whether an operator's key may use it.
    package let admitsOperator: Bool

    package init(_ role: Role, admitsOperator: Bool) {
        self.role = role
        self.admitsOperator = admitsOperator
    }

    /// Configuration: the operator may use it too.
    package static func configuration(_ role: Role) -> Requirement { Requirement(role, admitsOperator: true) }
    /// What the account received: for its own keys only.
    package static func tenantData(_ role: Role) -> Requirement { Requirement(role, admitsOperator: false) }

    /// Throws 403 unless `caller` is enough.
    package func check(_ caller: Caller) throws {
        switch caller.key.owner {
        case .operator:
            guard admitsOperator else {
                throw Problem(
                    .forbidden,
                    "An operator key does not read what an account received: issue a key of the account for that."
                )
            }
        case .account(_, let role):
            guard role >= self.role else {
                throw Problem(
                    .forbidden,
                    "This needs a key with the role \(self.role.name); yours is \(role.name)."
                )
            }
        }
    }
}

extension Caller {
    /// Throws 403 unless the operations on a path of openapi.yaml are within the key's scopes. Its role is another matter: `Requirement`.
    fileprivate func check(_ pathTemplate: String) throws {
        guard !key.scopes.admit(pathTemplate: pathTemplate) else { return }
        let scope = ResourceKind(pathTemplate: pathTemplate).map {
            "the scope \($0.rawValue), which yours does not have"
        }
        throw Problem(.forbidden, "This needs a key with \(scope ?? "every scope").")
    }
}

extension RouterGroup where Context == AccountContext {
    /// Adds an operation that only callers who meet `requirement` reach.
    @discardableResult
    package func operation(
        _ method: HTTPRequest.Method,
        _ requirement: Requirement,
        use handler: @escaping @Sendable (Request, AccountContext) async throws -> Response
    ) -> Self {
        on("", method: method) { request, context in
            try requirement.check(context.caller)
            return try await handler(request, context)
        }
    }
}

extension AccountContext {
    /// An id in the path. What is none answers as an id that does not exist.
    package func id<Kind>(_ name: String, _ kind: Kind.Type = Kind.self) throws -> Identifier<Kind> {
        guard let text = parameters.get(name), let id = Identifier<Kind>(text) else { throw Problem.notFound }
        return id
    }
}

extension AppContext {
    /// The caller, who must be an operator.
    package func requireOperator() throws -> Caller {
        guard let caller else { throw Problem.unauthorized }
        guard caller.isOperator else { throw Problem(.forbidden, "This needs an operator key.") }
        return caller
    }
}
