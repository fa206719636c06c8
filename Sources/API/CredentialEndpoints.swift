import Domain
import Hummingbird
import Native
import Storage
import Web

/// `/v1/credentials`: for whoever holds one, without any other key.
struct CredentialEndpoints {
    let store: Store
    let clientAddress: ClientAddress
    private let limiter = CallLimiter<IPAddress?>(bucket: "credentials")

    /// Of one client: for people and scanners, not for guessing.
    private static let rate = CallRate(perSecond: 5, burst: 50)
    /// Bytes of the largest body.
    private static let bodyLimit = 16 << 10

    init(store: Store, clientAddress: ClientAddress) {
        self.store = store
        self.clientAddress = clientAddress
    }

    /// `base` asks for no key.
    func add(to base: RouterGroup<AppContext>) {
        base.group("credentials/revoke").post(use: revokeCredential)
    }

    /// Answers the same whether there was such a credential or not.
    @Sendable
    func revokeCredential(_ request: Request, _ context: AppContext) async throws -> Response {
        let address = clientAddress.of(request, context)
        let allowance = try limiter.admit(
            address.flatMap { IPAddress($0.bytes)?.network },
            Self.rate,
            at: store.now
        )
        let query = Query(request)
        let isDryRun = query.flag("dry_run") ?? false
        try query.finish()
        try JSONBody.checkType(request.headers)
        let body = try await JSONBody.collect(request, upTo: Self.bodyLimit)
        let credential = try JSONBody.decode(body) { fields in
            fields.required("credential") { $0.credential() }
        }
        try await store.credentials.end(
            credential,
            requestID: context.requestID,
            from: address,
            isDryRun: isDryRun
        )
        var response = Answer.response(Answer.nothing)
        response.headers.append(contentsOf: allowance.fields)
        return response
    }
}

extension Field {
    /// The one credential in a text.
    fileprivate func credential() -> Credential? {
        guard let text = text(bytes: Credential.longestText) else { return nil }
        let found = Credential.found(in: text.bytes)
        guard let credential = found.first, found.count == 1 else {
            return refuse(
                found.isEmpty
                    ? "must hold an API key, a push token or a push URL, whole: the checksum at its end is looked at"
                    : "must hold one credential, not several"
            )
        }
        return credential
    }
}
