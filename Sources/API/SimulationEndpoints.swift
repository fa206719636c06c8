import Domain
import FoundationEssentials
import HTTPTypes
import Hummingbird
import Native
import Storage
import Web

/// `/v1/accounts/{account_id}/integrations/{integration_id}/simulate`
struct SimulationEndpoints {
    let store: Store

    func add(to account: RouterGroup<AccountContext>) {
        account.group("integrations/{integration_id}/simulate")
            .operation(.post, .tenantData(.editor), use: simulate)
    }

    @Sendable
    func simulate(_ request: Request, _ context: AccountContext) async throws -> Response {
        let query = Query(request)
        let page = query.results()
        try query.finish()
        let id = try context.id("integration_id", IntegrationKind.self)
        let (body, contentType, draft) = try await JSONBody.decode(request, context, store) {
            fields -> ([UInt8], Text?, Simulation.Draft)? in
            let encoding = fields.optional("body_encoding", or: Encoding.utf8) { $0.word(Encoding.self) }
            let body = fields.required("body") { $0.pushBody(encoding ?? .utf8) }
            let type = fields.optional("content_type") { $0.text(bytes: Limits.nameBytes) }
            let routes = fields.optional("routes") { $0.array(count: 0...Limits.routes, RouteFields.entry) }
            let table = fields.optional("severity_table") { $0.object(SeverityTableFields.table) }
            guard let body else { return nil }
            return (body, type, Simulation.Draft(routes: routes, severityTable: table))
        }
        let simulation = try await store.simulate(
            body,
            contentType: contentType,
            integration: id,
            draft: draft,
            in: context.account.number
        )
        return Answer.object { object in
            object.field("outcome", simulation.disposition.name)
            object.field("reason", simulation.reason)
            object.results(
                page.of(simulation.results),
                first: page.range.lowerBound,
                total: simulation.results.count
            )
        }
    }
}

/// How a body is written into JSON.
private enum Encoding: String, CaseIterable {
    case utf8 = "utf-8"
    case base64
}

extension Field {
    /// The raw bytes of a push.
    fileprivate func pushBody(_ encoding: Encoding) -> [UInt8]? {
        guard let string = json.string else { return refuse("must be a string") }
        var bytes = string.bytes
        if encoding == .base64 {
            guard let decoded = Data(base64Encoded: Data(bytes)) else { return refuse("is not base64") }
            bytes = Array(decoded)
        }
        guard bytes.count <= Limits.pushBytes else {
            return refuse("must have at most \(Limits.pushBytes) bytes")
        }
        return bytes
    }
}
