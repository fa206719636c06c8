import Hummingbird
import Storage
import Web

/// The management API: every operation under `/v1`. Reads like a table of contents.
package enum API {
    /// Mounts it on `router`, which has `ErrorMiddleware` already.
    package static func mount(
        on router: Router<AppContext>, store: Store, commit: GroupCommit, usage: UsageTracker
    ) {
        let limiter = CallLimiter(perSecond: 500, burst: 1_000)
        let base = router.group("v1")
            .add(middleware: Authentication(store: store, limiter: limiter, usage: usage))
        let account = base.group("accounts/{account_id}", context: AccountContext.self)
        ChannelEndpoints(store: store).add(to: account)
        DeliveryEndpoints(store: store, commit: commit).add(to: account)
        EventEndpoints(store: store).add(to: account)
        AlertEndpoints(store: store).add(to: account)
    }
}
