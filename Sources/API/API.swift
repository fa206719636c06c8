import Hummingbird
import Outbound
import Storage
import Web

/// The management API: every operation under `/v1`. Reads like a table of contents.
package enum API {
    /// What calls may take: a body of 1 MiB, but where lists of 10,000 routes or whole bodies of pushes come.
    private static let bounds: CallAdmission.Bounds = {
        let integration = "/v1/accounts/{account_id}/integrations/{integration_id}"
        var bounds = CallAdmission.Bounds()
        bounds.largerBodies = [
            "PUT /v1/accounts/{account_id}/config": JSONBody.limit,
            "POST /v1/accounts/{account_id}/config/plan": JSONBody.limit,
            "PUT \(integration)/routes": JSONBody.limit,
            "POST \(integration)/simulate": JSONBody.limit,
            "POST \(integration)/backtest": JSONBody.limit,
        ]
        return bounds
    }()

    /// `version`: of this program. Mounts it on `router`, which has `ErrorMiddleware` already.
    package static func mount(
        on router: Router<AppContext>,
        store: Store,
        commit: GroupCommit,
        sender: Sender,
        usage: UsageTracker,
        clientAddress: ClientAddress,
        version: String
    ) {
        CredentialEndpoints(store: store, clientAddress: clientAddress).add(to: router.group("v1"))
        let base = router.group("v1")
            .add(
                middleware: Authentication(
                    store: store,
                    limiter: CallLimiter(bucket: "api-key"),
                    usage: usage,
                    clientAddress: clientAddress
                )
            )
            .add(middleware: CallAdmission(store: store, bounds: bounds, version: version))
        MeEndpoints(store: store).add(to: base)
        OperatorKeyEndpoints(store: store).add(to: base)
        AccountEndpoints(store: store).add(to: base)
        DeletionEndpoints(store: store).add(to: base)
        OnboardingEndpoints(store: store).add(to: base)
        AuditEndpoints(store: store).add(to: base)

        let account = base.group("accounts/{account_id}", context: AccountContext.self)
        AccountEndpoints(store: store).add(to: account)
        AuditEndpoints(store: store).add(to: account)
        UsageEndpoints(store: store).add(to: account)
        APIKeyEndpoints(store: store).add(to: account)
        ConfigurationEndpoints(store: store).add(to: account)
        ChannelEndpoints(store: store).add(to: account)
        IntegrationEndpoints(store: store).add(to: account)
        PushURLEndpoints(store: store).add(to: account)
        RouteEndpoints(store: store).add(to: account)
        SeverityTableEndpoints(store: store).add(to: account)
        SimulationEndpoints(store: store).add(to: account)
        BacktestEndpoints(store: store).add(to: account)
        DeliveryEndpoints(store: store).add(to: account)
        DeliveryReplayEndpoints(store: store, commit: commit).add(to: account)
        EventEndpoints(store: store).add(to: account)
        AlertEndpoints(store: store).add(to: account)
        NotifierEndpoints(store: store, sender: sender).add(to: account)
        NotifierTrialEndpoints(store: store, sender: sender).add(to: account)
        NotificationEndpoints(store: store).add(to: account)
        HealthAlertEndpoints(store: store).add(to: account)
    }
}
