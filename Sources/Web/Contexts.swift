import Domain
import Hummingbird
import Logging
import NIOCore
import Storage

/// What every request carries.
package struct AppContext: RequestContext {
    package var coreContext: CoreRequestContextStorage
    /// Ours, or the caller's when it is fit to be logged; in every answer and log line.
    package var requestID: String
    /// Who calls; nil before authentication and on paths that need none.
    package var caller: Caller?
    /// The account in the path, once the caller may see it.
    package var account: Account?
    /// The other end of the connection.
    package let peer: SocketAddress?
    /// The client's address, once it is known.
    package var address: Text?
    /// The body of a call that may have one, once it came whole.
    package var body: [UInt8] = []
    /// What the call holds until its answer is written.
    package let memory = CallMemory()

    package init(source: ApplicationRequestContextSource) {
        peer = source.channel.remoteAddress
        coreContext = CoreRequestContextStorage(source: source)
        requestID = RequestID.next()
    }
}

/// A request about one account that its caller may see.
///
/// Endpoints below `/v1/accounts/{account_id}` get no other context, so one that forgot the check does not compile.
package struct AccountContext: ChildRequestContext {
    package var coreContext: CoreRequestContextStorage
    package let account: Account
    package let caller: Caller
    package let requestID: String
    /// The client's.
    package let address: Text?
    /// The body of a call that may have one.
    package let body: [UInt8]
    /// What the call holds until its answer is written.
    package let memory: CallMemory

    package init(context: AppContext) throws {
        guard let account = context.account, let caller = context.caller else { throw Problem.notFound }
        coreContext = context.coreContext
        self.account = account
        self.caller = caller
        requestID = context.requestID
        address = context.address
        body = context.body
        memory = context.memory
    }

    /// The caller, for the audit.
    package var actor: Actor {
        caller.actor(requestID: requestID, address: address)
    }
}

/// Whose key a request was made with.
package struct Caller: Sendable {
    package let key: APIKey

    package init(key: APIKey) {
        self.key = key
    }

    /// Whether the key is the operator's.
    package var isOperator: Bool { key.owner == .operator }

    /// `operator`, `admin`, `editor` or `viewer`.
    package var roleName: String {
        switch key.owner {
        case .operator: "operator"
        case .account(_, let role): role.name
        }
    }

    /// Whether it manages the keys of an account.
    package var isAdmin: Bool {
        switch key.owner {
        case .operator: true
        case .account(_, let role): role >= .admin
        }
    }

    /// For the audit.
    package func actor(in context: AppContext) -> Actor {
        actor(requestID: context.requestID, address: context.address)
    }

    fileprivate func actor(requestID: String, address: Text?) -> Actor {
        Actor(key: key.id, role: roleName, requestID: requestID, address: address, holder: key)
    }
}
