import HTTPTypes
import Hummingbird
import Native
import Storage
import Web

/// `/healthz`, `/readyz` and `/metrics`.
struct Health: Sendable {
    let commit: GroupCommit
    let database: @Sendable () async -> Bool
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

    /// Pushes can be taken: the store can be written and the queue has room.
    @Sendable
    func getReadiness(_ request: Request, _ context: AppContext) async -> Response {
        let isWritable = await database()
        let depth = commit.status.depth
        let isReady = isWritable && commit.status.isHealthy
        var response = Answer.object(isReady ? .ok : .serviceUnavailable) { object in
            object.field("status", isReady ? "ready" : "not_ready")
            object.field("store_writable", isReady)
            // The server listens only after the migrations.
            object.field("migrations_done", true)
            object.field("queue_depth", depth)
        }
        if !isReady { response.headers[.retryAfter] = "2" }
        return response
    }

    @Sendable
    func getMetrics(_ request: Request, _ context: AppContext) -> Response {
        Response(
            status: .ok,
            headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: metrics.text()))
        )
    }
}
