import Hummingbird
import Storage
import Web

/// The management API: every operation under `/v1`. Reads like a table of contents.
package enum API {
    /// Mounts it on `router`.
    package static func mount(on router: Router<AppContext>, store: Store) {
        let base = router.group("v1")
            .add(middleware: ErrorMiddleware())
            .add(middleware: Authentication(store: store, limiter: CallLimiter(perSecond: 500, burst: 1_000)))
        let account = base.group("accounts/{account_id}", context: AccountContext.self)
        ChannelEndpoints(store: store).add(to: account)
    }
}
