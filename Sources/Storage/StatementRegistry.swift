import Domain
import SQL

/// All statements of the repositories, for the test that looks at how the engine plans them.
package enum StatementRegistry {
    /// Those that must name an account for every tenant table that they touch.
    package static let tenant: [SQLStatement] =
        [Mutation.raise, Mutation.audit] + StoredRecord.statements + AccountStore.statements
        + AccountLimits.statements
        + APIKeyStore.statements + CredentialStore.statements
        + ChannelStore.statements + IntegrationStore.statements + PushURLStore.statements
        + RouteStore.statements
        + RouteStore.orderStatements + SeverityTableStore.statements + SnapshotLoader.statements
        + SteadyRead.statements
        + DeliveryStore.statements + EventStore.statements + AlertStore.statements + AlertRows.statements
        + DeliverySlices.statements + PushWriter.statements + UsageTracker.statements + UsageStore.statements
        + DeletionStore.purges
        + RetentionStore.statements + NotifierStore.statements + NotificationRows.statements
        + NotificationStore.statements
        + Idempotency.statements + AuditStore.statements + Outbox.statements + HealthAlertStore.statements
        + AccountLock.statements

    /// Look-ups of the platform, each with its reason: the key of a call is found by its public id before its account is known; deletions
    /// are the operator's, and answers to idempotency keys go by their age; the installation's own row.
    package static let platform: [SQLStatement] =
        APIKeyStore.platformStatements + DeletionStore.platformStatements
        + Deployment.statements + [StoreProbe.touch] + Outbox.platformStatements
        + HealthAlertStore.platformStatements + AccountLock.platformStatements + WorkerLease.statements
        + NodeWatch.statements + [RetentionStore.deleteAnswers, RetentionStore.oldAnswers]
        + DeliverySlices.platformStatements

    /// The forms that statements over many keys have on a server; the ones above are those of the embedded engine.
    package static let server: [SQLStatement] = [
        PushWriter.stored, AlertRows.newest, NodeWatch.revisions, EarlyRecoveryRows.find,
    ]
    .map(
        \.serverStatement
    )
}
