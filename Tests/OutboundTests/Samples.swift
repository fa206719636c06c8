import Domain
import Native
import Outbound

/// 2026-01-01T00:00:00Z.
let newYear = UnixTime(milliseconds: 1_767_225_600_000)
let english = MessageTemplate(language: .english, title: nil, text: nil)
let chinese = MessageTemplate(language: .chinese, title: nil, text: nil)

/// A template of the tests' own.
func template(title: Text? = nil, _ text: Text? = nil) -> MessageTemplate {
    MessageTemplate(language: .english, title: title, text: text)
}

/// News of an alert, with what a test cares about.
func news(
    _ change: AlertChange = .opened,
    title: Text = "CPU high on web-1",
    description: Text = "CPU is at 97 % for 5 minutes.",
    link: Text? = "https://grafana.example/d/1?var=a&b=(c)",
    severity: Severity = .critical,
    labels: Labels = Labels([("host", "web-1"), ("severity", "P1"), ("k8s.pod", "web-1-x"), ("_id", "7")]),
    event: EventID? = EventID(high: 6 << 16, low: 1),
    channel: Text = "Payments",
    firstSeenAt: UnixTime = newYear,
    startsAt: UnixTime? = nil,
    endsAt: UnixTime? = nil,
    url: String = "https://tocsin.example/v1/accounts/acct_1/alerts/alrt_1"
) -> AlertNews {
    let ended = change == .recovered || change == .closed
    return AlertNews(
        change: change,
        at: newYear.adding(seconds: 725),
        account: .init(id: AccountID(high: 1 << 16, low: 1), name: "Acme"),
        channel: .init(id: ChannelID(high: 2 << 16, low: 1), name: channel),
        integration: .init(id: IntegrationID(high: 3 << 16, low: 1), name: "ARMS prod"),
        alertID: AlertID(high: 4 << 16, low: 1),
        eventID: event,
        alertKey: "cpu-web-1",
        title: title,
        description: description,
        link: link,
        severity: severity,
        maxSeverity: .critical,
        status: change == .recovered ? "Ok" : severity.name,
        labels: labels,
        annotations: Labels([("runbook", "https://wiki.example/cpu")]),
        firstSeenAt: firstSeenAt,
        lastSeenAt: newYear.adding(seconds: 720),
        endedAt: ended ? newYear.adding(seconds: 725) : nil,
        startsAt: startsAt,
        endsAt: endsAt,
        eventCount: 3,
        url: url
    )
}

/// The message about an alert, under the id that tests know.
func message(_ news: AlertNews = news(), isTest: Bool = false) -> OutboundMessage {
    OutboundMessage(id: NotificationID(high: 5 << 16, low: 9), message: .alert(news), isTest: isTest)
}

/// A digest of 23 alerts.
func digest(titles: Int = 2) -> OutboundMessage {
    let digest = Digest(
        account: .init(id: AccountID(high: 1 << 16, low: 1), name: "Acme"),
        channel: .init(id: ChannelID(high: 2 << 16, low: 1), name: "Payments"),
        since: newYear,
        until: newYear.adding(seconds: 60),
        changes: 40,
        alerts: 23,
        counts: [
            .init(change: .opened, severity: .critical, alerts: 21),
            .init(change: .recovered, severity: .warning, alerts: 2),
        ],
        titles: (0..<titles).map {
            .init(title: Text("Disk full \($0)"), severity: .critical, alerts: 20 - $0)
        },
        alertIDs: [AlertID(high: 4 << 16, low: 1), AlertID(high: 4 << 16, low: 2)],
        url: "https://tocsin.example/v1/accounts/acct_1/notifications?digest_id=ntfn_9"
    )
    return OutboundMessage(
        id: NotificationID(high: 5 << 16, low: 10),
        message: .digest(digest),
        supersedes: [NotificationID(high: 5 << 16, low: 8)]
    )
}

extension Notifier.Kind {
    static let webhook = Webhook.kind
    static let dingtalk = DingTalk.kind
    static let feishu = Feishu.kind
    static let wecom = WeCom.kind
    static let slack = Slack.kind
    static let email = Email.kind

    static let allCases = NotifierKinds.all.map { $0.kind }

    /// What it is the name of.
    fileprivate var type: any NotifierKind.Type {
        guard let type = NotifierKinds.all.first(where: { $0.kind == self }) else {
            preconditionFailure("no such kind: \(self)")
        }
        return type
    }
}

extension Renderer {
    /// The words of a message to receivers of a kind.
    func render(_ message: OutboundMessage, kind: Notifier.Kind, template: MessageTemplate) -> Rendered {
        render(message, in: kind.type.markup, template: template)
    }
}

extension Sender {
    /// What would be sent to receivers of a kind.
    func preview(_ message: OutboundMessage, kind: Notifier.Kind, template: MessageTemplate) -> Preview {
        preview(message, kind: kind.type, template: template)
    }

    /// Puts a message into words and sends it, for an account of the tests.
    func send(
        _ message: OutboundMessage,
        to settings: any NotifierSettings,
        template: MessageTemplate,
        at now: UnixTime
    ) async -> SendResult {
        await send(letter(message, to: settings, template: template, at: now), of: AccountNumber(7))
    }
}

/// A policy that allows what tests listen on, and knows no addresses of this machine.
func policy(_ networks: Text...) -> AddressPolicy {
    AddressPolicy(allowed: networks.compactMap { Network($0) }, own: [])
}

/// A resolver of fixed answers.
func resolver(_ answers: [String: [String]]) -> Resolver {
    Resolver { name, _ in (answers[name] ?? []).compactMap { IPAddress(Array($0.utf8)) } }
}

/// A sender whose local time is UTC and that may reach 127.0.0.0/8, and what happens with it before it is shut down.
func withSender<Result>(
    kinds: [any NotifierKind.Type] = NotifierKinds.all,
    policy: AddressPolicy = policy("127.0.0.0/8"),
    resolver: Resolver = resolver([:]),
    limits: SendLimits = SendLimits(http: .seconds(30), mail: .seconds(30)),
    _ body: (Sender) async throws -> Result
) async throws -> Result {
    let sender = Sender(
        kinds: kinds,
        policy: policy,
        resolver: resolver,
        trustRoots: try TrustRoots(file: try Certificates.authorityFile()),
        limits: limits,
        renderer: Renderer(offset: { _ in 0 }),
        version: "1.2.3"
    )
    do {
        let result = try await body(sender)
        await sender.shutdown()
        return result
    } catch {
        await sender.shutdown()
        throw error
    }
}

/// Settings of a webhook on this machine.
func webhook(
    _ port: Int,
    path: String = "/hook",
    headers: [Webhook.Header] = [],
    secrets: [SigningSecret] = []
) throws -> any NotifierSettings {
    Webhook(
        url: try EndpointURL(Text("http://127.0.0.1:\(port)\(path)")),
        headers: headers,
        secrets: secrets
    )
}
