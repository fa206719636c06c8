import HTTPTypes
import Hummingbird
import NIOPosix
import Native
import Reference
import Web

/// `/openapi.yaml` and `/docs`: the interface as a contract for programs, and the same for people to read. Both are open to all.
struct Contract: Sendable {
    private static let file = StaticDocument(
        OpenAPIFile.bytes,
        headers: [.contentType: "application/yaml"]
    )

    /// Made when it is first asked for.
    ///
    /// - Rule: on a thread that may be blocked. Why: it takes a fraction of a second, and all who ask
    ///   meanwhile wait for it. Otherwise: they would hold every thread that Swift has, and with them
    ///   whatever else is asked.
    private static let page = Task.detached {
        try await NIOThreadPool.singleton.runIfActive {
            try StaticDocument(
                Array(Page(yaml: String(decoding: OpenAPIFile.bytes, as: UTF8.self)).html.utf8),
                headers: [
                    .contentType: "text/html; charset=utf-8", .contentSecurityPolicy: policy,
                    .xContentTypeOptions: "nosniff",
                ]
            )
        }
    }

    /// Nothing but the page's own style: no script, no picture, nothing from elsewhere, no frame around it.
    private static let policy: String = {
        let style = Base64.text(Digest256.hash(of: Array(Page.style.utf8).span).bytes)
        return "default-src 'none'; style-src 'sha256-\(style)'; base-uri 'none'; form-action 'none'; "
            + "frame-ancestors 'none'"
    }()

    func add(to router: Router<AppContext>) {
        add("openapi.yaml", to: router, use: getOpenAPI)
        add("docs", to: router, use: getDocs)
    }

    @Sendable
    func getOpenAPI(_ request: Request, _ context: AppContext) -> Response {
        Self.file.answer(to: request)
    }

    @Sendable
    func getDocs(_ request: Request, _ context: AppContext) async throws -> Response {
        try await Self.page.value.answer(to: request)
    }

    private func add(
        _ path: RouterPath,
        to router: Router<AppContext>,
        use handler: @escaping @Sendable (Request, AppContext) async throws -> Response
    ) {
        router.get(path, use: handler)
        router.head(path) { try await handler($0, $1).createHeadResponse() }
    }
}
