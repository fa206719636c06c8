import Domain
import HTTPTypes
import Hummingbird
import Native
import Storage
import Web

/// `/healthz`, `/readyz` and `/metrics`.
struct Health: Sendable {
    let store: Store
    let commit: GroupCommit
    let role: Settings.NodeRole
    /// nil: the store is embedded.
    let reachability: Reachability?
    let metrics: PrometheusMetrics

    func add(to router: Router<AppContext>) {
        router.get("healthz", use: getHealth)
        router.get("readyz", use: getReadiness)
    }

    func addMetrics(to router: Router<AppContext>) {
        router.get("metrics", use: getMetrics)
    }

    /// The process answers.
    @Sendable
    func getHealth(_ request: Request, _ context: AppContext) -> Response {
        Answer.object { $0.field("status", "ok") }
    }

    /// The node can do what it is for: the store can be written, or pushes can wait on its own disk.
    @Sendable
    func getReadiness(_ request: Request, _ context: AppContext) async -> Response {
        let isWritable = await isStoreThere()
        let works = isWritable && commit.status.isHealthy
        let isReady = works || role.takesPushes && commit.canSpool
        let depth = commit.status.depth
        var response = Answer.object(isReady ? .ok : .serviceUnavailable) { object in
            object.field("status", isReady ? "ready" : "not_ready")
            object.field("store_writable", works)
            // The server listens only after the migrations.
            object.field("migrations_done", true)
            object.field("queue_depth", depth)
            object.field("role", role.rawValue)
            guard reachability != nil, let spool = commit.spoolStatus else { return }
            object.field("database", isWritable ? "reachable" : "away")
            object.object("spool") { $0.spool(spool) }
        }
        if !isReady { response.headers[.retryAfter] = "2" }
        return response
    }

    /// An embedded store is tried; whether a server is there is known already, and asking it can take seconds.
    private func isStoreThere() async -> Bool {
        if let reachability { return !reachability.isAway }
        let isWritable = await StoreProbe.isWritable(store)
        if isWritable { commit.noteStoreWorks() }
        return isWritable
    }

    @Sendable
    func getMetrics(_ request: Request, _ context: AppContext) -> Response {
        Response(
            status: .ok,
            headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: metrics.text() + sharedStoreMetrics))
        )
    }

    /// What is known only while one asks, as `PrometheusMetrics` prints it.
    private var sharedStoreMetrics: String {
        guard let reachability, let spool = commit.spoolStatus else { return "" }
        let lines: [(name: String, type: String, value: Int)] = [
            ("tocsin_database_reachable", "gauge", reachability.isAway ? 0 : 1),
            ("tocsin_spool_applied_total", "counter", spool.applied),
            ("tocsin_spool_bytes", "gauge", spool.bytes),
            ("tocsin_spool_pushes", "gauge", spool.pushes),
            ("tocsin_spool_set_aside", "gauge", spool.setAside),
            ("tocsin_spooled_total", "counter", spool.taken),
        ]
        return lines.map { "# TYPE \($0.name) \($0.type)\n\($0.name) \($0.value)\n" }.joined()
    }
}

extension JSONWriter {
    /// The fields of what waits on the node's own disk.
    fileprivate mutating func spool(_ spool: Spool.Status) {
        field("pushes", spool.pushes)
        field("bytes", spool.bytes)
        field("set_aside", spool.setAside)
        field("oldest_at", spool.oldestAt?.description)
    }
}
