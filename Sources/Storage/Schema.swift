import SQL

/// The tables, the same on every engine.
///
/// - Types: `BIGINT` numbers and times (milliseconds since 1970), `SMALLINT` codes and flags, `TEXT`, `BYTEA` for ids (16 bytes)
///   and packed bytes; JSON is `TEXT`.
/// - Tenant tables begin every key with `account_id`, the account's number, and refer to each other by `(account_id, id)`, so that a
///   reference into another account can't be written down. Number 0 is the operator's.
/// - Deliveries, events and alerts are history: nothing of theirs refers to configuration.
package enum Schema {
    /// All steps, oldest first. Append only.
    package static let migrations = [
        migration(1, platform + configuration + history),
        migration(2, retention),
        migration(3, notifications),
        migration(4, nodes, server: serverTables),
        migration(5, changes, server: wall(around: "idempotency_keys")),
        migration(6, sourcesAndUsage, server: serverUsage),
        migration(7, limits),
        migration(8, deletions, server: deletionTables.map { wall(around: $0) }.joined()),
        migration(9, slices, server: serverSlices),
        migration(10, conditionCosts),
        migration(11, recordBytes),
        migration(12, episodes, server: serverEpisodes),
    ]

    /// Tables whose statements must name an account; the plan test reads this.
    package static let tenantTables =
        firstTenantTables + [
            "idempotency_keys", "usage_days", "usage_refusals", "pending_deliveries", "delivery_slices",
            "early_recoveries",
        ]

    /// Those that migration 4 put walls around; later ones get theirs where they are made.
    private static let firstTenantTables = [
        "api_keys", "channels", "integrations", "integration_numbers", "integration_defaults",
        "integration_activity",
        "push_urls", "routes", "route_channels", "severity_tables", "refusals", "audit", "deliveries",
        "events", "alerts",
        "account_usage", "notifiers", "notifier_states", "notifications",
    ]

    /// The operator's: what was removed of deleted accounts.
    private static let deletionTables = ["account_deletions", "account_deletion_counts"]

    private static let metadata = """
        external_id TEXT, labels TEXT NOT NULL, version BIGINT NOT NULL,
        created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL
        """

    private static let platform = """
        CREATE TABLE deployment (
            singleton SMALLINT NOT NULL PRIMARY KEY CHECK (singleton = 1),
            deployment_id BYTEA NOT NULL, key_check BYTEA NOT NULL, created_at BIGINT NOT NULL,
            newest_at BIGINT NOT NULL);
        CREATE TABLE accounts (
            account_id BIGINT NOT NULL PRIMARY KEY, id BYTEA NOT NULL UNIQUE, name TEXT NOT NULL,
            status TEXT NOT NULL, revision BIGINT NOT NULL, stored_bytes_limit BIGINT NOT NULL, deleted_at BIGINT,
            \(metadata));
        CREATE TABLE account_usage (account_id BIGINT NOT NULL PRIMARY KEY, stored_bytes BIGINT NOT NULL);
        CREATE TABLE api_keys (
            account_id BIGINT NOT NULL, id BYTEA NOT NULL, public_id TEXT NOT NULL UNIQUE, digest BYTEA NOT NULL,
            role SMALLINT NOT NULL, name TEXT NOT NULL, name_key TEXT NOT NULL, expires_at BIGINT NOT NULL,
            last_used_at BIGINT, \(metadata),
            PRIMARY KEY (account_id, id), UNIQUE (account_id, name_key));
        CREATE TABLE audit (
            account_id BIGINT NOT NULL, id BYTEA NOT NULL, at BIGINT NOT NULL, actor_id BYTEA, actor_role TEXT NOT NULL,
            action TEXT NOT NULL, resource TEXT NOT NULL, request_id TEXT NOT NULL, detail TEXT NOT NULL,
            PRIMARY KEY (account_id, id));

        """

    private static let configuration = """
        CREATE TABLE channels (
            account_id BIGINT NOT NULL REFERENCES accounts (account_id), id BYTEA NOT NULL, name TEXT NOT NULL,
            name_key TEXT NOT NULL, description TEXT NOT NULL, status TEXT NOT NULL, \(metadata),
            PRIMARY KEY (account_id, id), UNIQUE (account_id, name_key));
        CREATE TABLE integration_numbers (
            account_id BIGINT NOT NULL, number BIGINT NOT NULL, PRIMARY KEY (account_id, number));
        CREATE TABLE integrations (
            account_id BIGINT NOT NULL REFERENCES accounts (account_id), id BYTEA NOT NULL, number BIGINT NOT NULL,
            type TEXT NOT NULL, channel_id BYTEA, name TEXT NOT NULL, name_key TEXT NOT NULL, description TEXT NOT NULL,
            status TEXT NOT NULL, pushes_per_second BIGINT NOT NULL, burst BIGINT NOT NULL,
            routes_version BIGINT NOT NULL, \(metadata),
            PRIMARY KEY (account_id, id), UNIQUE (account_id, name_key), UNIQUE (account_id, number),
            FOREIGN KEY (account_id, channel_id) REFERENCES channels (account_id, id));
        CREATE INDEX integrations_by_channel ON integrations (account_id, channel_id);
        CREATE TABLE integration_defaults (
            account_id BIGINT NOT NULL, integration_id BYTEA NOT NULL, position BIGINT NOT NULL, channel_id BYTEA NOT NULL,
            PRIMARY KEY (account_id, integration_id, position),
            FOREIGN KEY (account_id, integration_id) REFERENCES integrations (account_id, id) ON DELETE CASCADE,
            FOREIGN KEY (account_id, channel_id) REFERENCES channels (account_id, id));
        CREATE INDEX integration_defaults_by_channel ON integration_defaults (account_id, channel_id);
        CREATE TABLE integration_activity (
            account_id BIGINT NOT NULL, integration_id BYTEA NOT NULL, last_delivery_at BIGINT NOT NULL,
            PRIMARY KEY (account_id, integration_id));
        CREATE TABLE push_urls (
            account_id BIGINT NOT NULL, id BYTEA NOT NULL, integration_id BYTEA NOT NULL, description TEXT NOT NULL,
            kid SMALLINT NOT NULL, tag BIGINT NOT NULL, expiry_day BIGINT NOT NULL, token_digest BYTEA NOT NULL,
            expires_at BIGINT, revoked_at BIGINT, created_by BYTEA NOT NULL,
            last_used_at BIGINT, last_used_address TEXT, use_count BIGINT NOT NULL, \(metadata),
            PRIMARY KEY (account_id, id), UNIQUE (account_id, integration_id, tag),
            FOREIGN KEY (account_id, integration_id) REFERENCES integrations (account_id, id) ON DELETE CASCADE);
        CREATE INDEX push_urls_in_order ON push_urls (account_id, integration_id, id);
        CREATE TABLE routes (
            account_id BIGINT NOT NULL, id BYTEA NOT NULL, integration_id BYTEA NOT NULL, position BIGINT NOT NULL,
            name TEXT NOT NULL, conditions TEXT NOT NULL, name_mapping_label TEXT, on_match TEXT NOT NULL, \(metadata),
            PRIMARY KEY (account_id, id),
            FOREIGN KEY (account_id, integration_id) REFERENCES integrations (account_id, id) ON DELETE CASCADE);
        CREATE INDEX routes_in_order ON routes (account_id, integration_id, position);
        CREATE TABLE route_channels (
            account_id BIGINT NOT NULL, route_id BYTEA NOT NULL, position BIGINT NOT NULL, channel_id BYTEA NOT NULL,
            PRIMARY KEY (account_id, route_id, position),
            FOREIGN KEY (account_id, route_id) REFERENCES routes (account_id, id) ON DELETE CASCADE,
            FOREIGN KEY (account_id, channel_id) REFERENCES channels (account_id, id));
        CREATE INDEX route_channels_by_channel ON route_channels (account_id, channel_id);
        CREATE TABLE severity_tables (
            account_id BIGINT NOT NULL REFERENCES accounts (account_id), integration_type TEXT NOT NULL, entries TEXT,
            fallback SMALLINT, version BIGINT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL,
            PRIMARY KEY (account_id, integration_type));
        CREATE TABLE refusals (
            account_id BIGINT NOT NULL, integration_id BYTEA NOT NULL, reason SMALLINT NOT NULL, count BIGINT NOT NULL,
            last_at BIGINT NOT NULL, PRIMARY KEY (account_id, integration_id, reason));

        """

    private static let history = """
        CREATE TABLE deliveries (
            account_id BIGINT NOT NULL, id BYTEA NOT NULL, integration_id BYTEA NOT NULL, received_at BIGINT NOT NULL,
            disposition SMALLINT NOT NULL, reason TEXT, event_count BIGINT NOT NULL, size BIGINT NOT NULL,
            content_type TEXT, remote_address TEXT, replayed_at BIGINT, last_event_id BYTEA,
            body BYTEA, decisions BYTEA, outcomes BYTEA, PRIMARY KEY (account_id, id));
        CREATE TABLE events (
            account_id BIGINT NOT NULL, id BYTEA NOT NULL, delivery_id BYTEA NOT NULL, position BIGINT NOT NULL,
            integration_id BYTEA NOT NULL, alert_key TEXT NOT NULL, severity SMALLINT NOT NULL,
            is_recovery SMALLINT NOT NULL, is_guessed SMALLINT NOT NULL, occurred_at BIGINT NOT NULL,
            received_at BIGINT NOT NULL, content BYTEA NOT NULL, outcome BYTEA NOT NULL,
            PRIMARY KEY (account_id, id));
        CREATE INDEX events_by_key ON events (account_id, alert_key, id);
        CREATE TABLE alerts (
            account_id BIGINT NOT NULL, id BYTEA NOT NULL, channel_id BYTEA NOT NULL, integration_id BYTEA NOT NULL,
            alert_key TEXT NOT NULL, is_newest SMALLINT NOT NULL, title TEXT NOT NULL, severity SMALLINT NOT NULL,
            max_severity SMALLINT NOT NULL, phase SMALLINT NOT NULL, starts_at BIGINT, first_seen_at BIGINT NOT NULL,
            last_seen_at BIGINT NOT NULL, ended_at BIGINT, closed_by BYTEA, event_count BIGINT NOT NULL,
            labels_digest BYTEA NOT NULL, content_digest BYTEA NOT NULL, content BYTEA NOT NULL,
            PRIMARY KEY (account_id, id));
        CREATE UNIQUE INDEX alerts_newest ON alerts (account_id, integration_id, alert_key, channel_id)
            WHERE is_newest = 1;
        CREATE INDEX alerts_open ON alerts (account_id, id) WHERE phase = 0;
        """

    /// Alerts end in another order than they open, so those that ended long ago are found by an index of their own; an open alert costs it
    /// nothing. Deliveries up to `bodies_purged_to` have no body any more.
    private static let retention = """
        ALTER TABLE accounts ADD COLUMN body_days BIGINT NOT NULL DEFAULT 7;
        ALTER TABLE accounts ADD COLUMN event_days BIGINT NOT NULL DEFAULT 30;
        ALTER TABLE accounts ADD COLUMN alert_days BIGINT NOT NULL DEFAULT 90;
        ALTER TABLE accounts ADD COLUMN audit_days BIGINT NOT NULL DEFAULT 400;
        ALTER TABLE account_usage ADD COLUMN bodies_purged_to BYTEA;
        CREATE INDEX alerts_ended ON alerts (account_id, ended_at) WHERE ended_at IS NOT NULL;
        """

    /// `notifications` is outbox and record at once: a row is written in the transaction that changes the alert. `change` 5 is a digest, which
    /// has no alert; `content` is what a digest says, or the texts of an alert that a caller closed. `by` is what superseded it, or its digest.
    /// `events.tellings` says of each notifier whether it was told, and why not. `settings` is sealed.
    private static let notifications = """
        ALTER TABLE accounts ADD COLUMN health_integration_id BYTEA;
        ALTER TABLE events ADD COLUMN tellings BYTEA;
        CREATE TABLE notifiers (
            account_id BIGINT NOT NULL, id BYTEA NOT NULL, channel_id BYTEA NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,
            name_key TEXT NOT NULL, status TEXT NOT NULL, disabled_reason TEXT, conditions TEXT NOT NULL, changes BIGINT NOT NULL,
            language TEXT NOT NULL, title_template TEXT, text_template TEXT, storm_limit BIGINT NOT NULL, settings BYTEA NOT NULL,
            \(metadata),
            PRIMARY KEY (account_id, id), UNIQUE (account_id, channel_id, name_key),
            FOREIGN KEY (account_id, channel_id) REFERENCES channels (account_id, id) ON DELETE CASCADE);
        CREATE TABLE notifier_states (
            account_id BIGINT NOT NULL, notifier_id BYTEA NOT NULL, lease_owner BYTEA, lease_until BIGINT, failing_since BIGINT,
            last_failure TEXT, last_failure_at BIGINT, last_sent_at BIGINT, PRIMARY KEY (account_id, notifier_id));
        CREATE TABLE notifications (
            account_id BIGINT NOT NULL, id BYTEA NOT NULL, notifier_id BYTEA NOT NULL, channel_id BYTEA NOT NULL,
            change SMALLINT NOT NULL, integration_id BYTEA, alert_id BYTEA, event_id BYTEA, alert_key TEXT, title TEXT NOT NULL,
            severity SMALLINT, max_severity SMALLINT, first_seen_at BIGINT, last_seen_at BIGINT, event_count BIGINT,
            at BIGINT NOT NULL, content BYTEA, state SMALLINT NOT NULL, next_at BIGINT NOT NULL, attempts BIGINT NOT NULL,
            sent_at BIGINT, by_id BYTEA, log TEXT, PRIMARY KEY (account_id, id));
        CREATE INDEX notifications_waiting ON notifications (account_id, notifier_id, id) WHERE state = 0;
        CREATE INDEX notifications_dead ON notifications (account_id, notifier_id, id) WHERE state = 4;
        CREATE INDEX notifications_by_alert ON notifications (account_id, alert_id, id);
        """

    /// What several nodes on one database need: `newest_at` is the time of the newest identifier made under the lock of a row
    /// (`AccountLock`), `worker_leases` says which node does what only one does at a time.
    private static let nodes = """
        ALTER TABLE account_usage ADD COLUMN newest_at BIGINT NOT NULL DEFAULT 0;
        CREATE TABLE worker_leases (name TEXT NOT NULL PRIMARY KEY, owner BYTEA, until BIGINT NOT NULL);
        """

    /// What a change was and who made it: `revision` is the account's after it, null when no configuration was changed; the states are JSON
    /// objects, null before it was and after it is no more. Together they are the history of the configuration. `answer` is sealed; null
    /// while the call is under way.
    private static let changes = """
        ALTER TABLE audit ADD COLUMN address TEXT;
        ALTER TABLE audit ADD COLUMN revision BIGINT;
        ALTER TABLE audit ADD COLUMN state_before TEXT;
        ALTER TABLE audit ADD COLUMN state_after TEXT;
        ALTER TABLE audit ADD COLUMN note TEXT;
        CREATE INDEX audit_by_revision ON audit (account_id, revision, id) WHERE revision IS NOT NULL;
        ALTER TABLE accounts ADD COLUMN requires_if_match SMALLINT NOT NULL DEFAULT 0;
        CREATE TABLE idempotency_keys (
            account_id BIGINT NOT NULL, scope BYTEA NOT NULL, fingerprint BYTEA NOT NULL, created_at BIGINT NOT NULL,
            answer BYTEA, PRIMARY KEY (account_id, scope));
        CREATE INDEX idempotency_keys_by_age ON idempotency_keys (account_id, created_at);
        """

    /// What an integration takes pushes from, and what they must be labelled with: JSON, an array of texts and an object of texts. `day` counts
    /// from 1970-01-01; `pushes` are the deliveries that were stored, `bytes` those of their bodies as they came.
    private static let sourcesAndUsage = """
        ALTER TABLE integrations ADD COLUMN source_cidrs TEXT NOT NULL DEFAULT '[]';
        ALTER TABLE integrations ADD COLUMN pinned_labels TEXT NOT NULL DEFAULT '{}';
        CREATE TABLE usage_days (
            account_id BIGINT NOT NULL, day BIGINT NOT NULL, pushes BIGINT NOT NULL, bytes BIGINT NOT NULL, events BIGINT NOT NULL,
            PRIMARY KEY (account_id, day));
        CREATE TABLE usage_refusals (
            account_id BIGINT NOT NULL, day BIGINT NOT NULL, reason SMALLINT NOT NULL, count BIGINT NOT NULL,
            PRIMARY KEY (account_id, day, reason));
        """

    /// What keys may at most: `scopes` are words with blanks between them, null: every kind; a key that got a new secret keeps the digest of
    /// the one before. And what accounts may.
    private static let limits = """
        ALTER TABLE api_keys ADD COLUMN scopes TEXT;
        ALTER TABLE api_keys ADD COLUMN last_used_address TEXT;
        ALTER TABLE api_keys ADD COLUMN previous_digest BYTEA;
        ALTER TABLE api_keys ADD COLUMN previous_ends_at BIGINT;
        ALTER TABLE accounts ADD COLUMN calls_per_second BIGINT NOT NULL DEFAULT 500;
        ALTER TABLE accounts ADD COLUMN call_burst BIGINT NOT NULL DEFAULT 1000;
        ALTER TABLE accounts ADD COLUMN pushes_per_second BIGINT NOT NULL DEFAULT 1000000;
        ALTER TABLE accounts ADD COLUMN push_burst BIGINT NOT NULL DEFAULT 1000000;
        ALTER TABLE accounts ADD COLUMN channel_limit BIGINT NOT NULL DEFAULT 10000;
        ALTER TABLE accounts ADD COLUMN integration_limit BIGINT NOT NULL DEFAULT 10000;
        ALTER TABLE accounts ADD COLUMN route_limit BIGINT NOT NULL DEFAULT 10000;
        """

    /// What became of deleted accounts; `row_count` is how many rows of a table were removed. Answers to idempotency keys go by their age, of
    /// whatever account.
    private static let deletions = """
        CREATE TABLE account_deletions (
            account_id BIGINT NOT NULL PRIMARY KEY REFERENCES accounts (account_id), id BYTEA NOT NULL UNIQUE,
            requested_at BIGINT NOT NULL, requested_by BYTEA, stored_bytes BIGINT NOT NULL, finished_at BIGINT);
        CREATE INDEX account_deletions_running ON account_deletions (account_id) WHERE finished_at IS NULL;
        CREATE TABLE account_deletion_counts (
            account_id BIGINT NOT NULL REFERENCES accounts (account_id), table_name TEXT NOT NULL, row_count BIGINT NOT NULL,
            PRIMARY KEY (account_id, table_name));
        INSERT INTO account_deletions (account_id, id, requested_at, stored_bytes)
            SELECT a.account_id, a.id, a.deleted_at, COALESCE(u.stored_bytes, 0)
            FROM accounts a LEFT JOIN account_usage u ON u.account_id = a.account_id WHERE a.deleted_at IS NOT NULL;
        DROP INDEX idempotency_keys_by_age;
        CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
        """

    /// What the conditions of a route or notifier cost (`ConditionCost`); null: not counted yet. And what an account may have of it.
    private static let conditionCosts =
        """
        ALTER TABLE accounts ADD COLUMN pattern_limit BIGINT NOT NULL DEFAULT 10000;
        ALTER TABLE accounts ADD COLUMN pattern_bytes_limit BIGINT NOT NULL DEFAULT 262144;
        ALTER TABLE accounts ADD COLUMN program_size_limit BIGINT NOT NULL DEFAULT 20000;
        ALTER TABLE accounts ADD COLUMN unindexed_limit BIGINT NOT NULL DEFAULT 2000;
        ALTER TABLE accounts ADD COLUMN condition_bytes_limit BIGINT NOT NULL DEFAULT 8388608;
        """ + ["routes", "notifiers"].map { costColumns(of: $0) }.joined()

    private static func costColumns(of table: String) -> String {
        """

        ALTER TABLE \(table) ADD COLUMN condition_bytes BIGINT;
        ALTER TABLE \(table) ADD COLUMN pattern_count BIGINT;
        ALTER TABLE \(table) ADD COLUMN pattern_bytes BIGINT;
        ALTER TABLE \(table) ADD COLUMN program_size BIGINT;
        ALTER TABLE \(table) ADD COLUMN unindexed_count BIGINT;
        CREATE INDEX \(table)_by_cost ON \(table) (
            account_id, condition_bytes, pattern_count, pattern_bytes, program_size, unindexed_count);
        """
    }

    /// Deliveries that are too large for one transaction are applied in slices: `applied_to` is how many of its events were, and `delivery_slices`
    /// has what came of some of them, from `position` on, in the form of the columns of `deliveries`. `hearing` says which notifiers hear of
    /// the end of an alert; null: not known.
    private static let slices = """
        ALTER TABLE alerts ADD COLUMN hearing BYTEA;
        CREATE TABLE pending_deliveries (
            account_id BIGINT NOT NULL, delivery_id BYTEA NOT NULL, applied_to BIGINT NOT NULL,
            PRIMARY KEY (account_id, delivery_id));
        CREATE TABLE delivery_slices (
            account_id BIGINT NOT NULL, delivery_id BYTEA NOT NULL, position BIGINT NOT NULL, decisions BYTEA NOT NULL,
            outcomes BYTEA NOT NULL, PRIMARY KEY (account_id, delivery_id, position));
        """

    /// What the record of changes and kept answers take up, from now on: `bytes` of each row. Their sum is in `accounts.record_bytes` and
    /// `account_usage.stored_bytes` together, each of which is written by whoever holds its row.
    private static let recordBytes = """
        ALTER TABLE audit ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0;
        ALTER TABLE idempotency_keys ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0;
        ALTER TABLE accounts ADD COLUMN record_bytes BIGINT NOT NULL DEFAULT 0;
        """

    /// When an alert began and ended by its sender's clock; the starts of those before it, by which a stale recovery is known; and recoveries
    /// that came before their firings.
    private static let episodes = """
        ALTER TABLE alerts ADD COLUMN begun_at BIGINT;
        ALTER TABLE alerts ADD COLUMN ends_at BIGINT;
        ALTER TABLE alerts ADD COLUMN earlier_starts BYTEA;
        CREATE TABLE early_recoveries (
            account_id BIGINT NOT NULL, integration_id BYTEA NOT NULL, alert_key TEXT NOT NULL, starts_at BIGINT NOT NULL,
            ends_at BIGINT, received_at BIGINT NOT NULL,
            PRIMARY KEY (account_id, integration_id, alert_key, starts_at));
        CREATE INDEX early_recoveries_by_time ON early_recoveries (account_id, received_at);
        """

    // MARK: Server

    private static let serverEpisodes =
        "ALTER TABLE early_recoveries SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);\n"
        + wall(around: "early_recoveries")

    private static let serverSlices =
        """
        ALTER TABLE delivery_slices ALTER COLUMN decisions SET STORAGE EXTERNAL, ALTER COLUMN outcomes SET STORAGE EXTERNAL;
        ALTER TABLE pending_deliveries SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
        """ + ["pending_deliveries", "delivery_slices"].map { wall(around: $0) }.joined()

    /// Today's row of an account is written with each of its transactions.
    private static let serverUsage =
        """
        ALTER TABLE usage_days SET (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
        ALTER TABLE usage_refusals SET (fillfactor = 50);
        """ + ["usage_days", "usage_refusals"].map { wall(around: $0) }.joined()

    /// Texts compare byte by byte, as they do in the embedded database.
    private static func migration(_ version: Int, _ script: String, server: String = "") -> Migration {
        let collated = script.replacing(" TEXT", with: " TEXT COLLATE \"C\"")
        return Migration(version: version, script: script, serverScript: collated + server)
    }

    /// A session sees rows of the account that it was told (`SQLConnection.enter`), all of them as `platform`, and else none; the owner of the
    /// tables, too. Packed bytes are not packed again. Rows that are written again and again leave room for their next form.
    private static let serverTables =
        """
        ALTER TABLE deliveries ALTER COLUMN body SET STORAGE EXTERNAL, ALTER COLUMN decisions SET STORAGE EXTERNAL,
            ALTER COLUMN outcomes SET STORAGE EXTERNAL;
        ALTER TABLE events ALTER COLUMN content SET STORAGE EXTERNAL, ALTER COLUMN outcome SET STORAGE EXTERNAL;
        ALTER TABLE alerts ALTER COLUMN content SET STORAGE EXTERNAL;
        ALTER TABLE alerts SET (fillfactor = 85);
        ALTER TABLE account_usage SET (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
        ALTER TABLE deployment SET (fillfactor = 20);
        """ + firstTenantTables.map { wall(around: $0) }.joined()

    private static func wall(around table: String) -> String {
        """
        ALTER TABLE \(table) ENABLE ROW LEVEL SECURITY;
        ALTER TABLE \(table) FORCE ROW LEVEL SECURITY;
        CREATE POLICY tenant ON \(table) USING (
            account_id = (SELECT CASE current_setting('tocsin.account', true) WHEN 'platform' THEN NULL
                ELSE NULLIF(current_setting('tocsin.account', true), '')::BIGINT END)
            OR (SELECT current_setting('tocsin.account', true) = 'platform'));

        """
    }
}
