import Domain

/// The kinds of receivers: one line each.
package enum NotifierKinds {
    /// All of them, in the order in which they are shown.
    package static let all: [any NotifierKind.Type] = [
        Webhook.self,
        DingTalk.self,
        Feishu.self,
        WeCom.self,
        Slack.self,
        Email.self,
    ]
}
