import Domain
import Native

/// A kind of receiver that is posted to: what its requests look like and what its answers mean. One file each.
protocol MessageFormat: Sendable {
    /// Makes the request. `now` is in the signature only.
    func request(_ message: OutboundMessage, _ rendered: Rendered, at now: UnixTime) -> OutboundRequest

    /// What an answer says. The status alone is looked at by `Verdict.status`.
    func verdict(on answer: Answer) -> Verdict

    /// What must not be shown when a receiver repeats it.
    var secrets: [String] { get }

    /// The body without signature: of the same message and texts always the same bytes, never above the receiver's limit.
    static func body(_ message: OutboundMessage, _ rendered: Rendered) -> [UInt8]
}

/// What a receiver made of a message.
struct Verdict: Sendable, Equatable {
    /// nil: it took it.
    let failure: SendResult.Failure?
    /// Why not.
    let detail: String

    static let taken = Verdict(failure: nil, detail: "")

    /// What the status of HTTP alone says.
    static func status(_ status: Int) -> Verdict {
        switch status {
        case 200..<300: .taken
        case 300..<400:
            Verdict(
                failure: .status,
                detail: "It answered with a redirect (\(status)), which is not followed."
            )
        case 410: Verdict(failure: .gone, detail: "It answered that it is gone for good (410).")
        case 429: Verdict(failure: .limited, detail: "It asked for fewer messages (429).")
        default: Verdict(failure: .status, detail: "It answered with status \(status).")
        }
    }
}

extension NotifierSettings {
    /// The format of a kind that is posted to; nil for mail.
    var format: (any MessageFormat)? {
        switch self {
        case .webhook(let url, let headers, let secrets):
            WebhookFormat(url: url, headers: headers, signers: secrets)
        case .dingtalk(let url, let secret): DingTalkFormat(url: url, secret: secret)
        case .feishu(let url, let secret): FeishuFormat(url: url, secret: secret)
        case .wecom(let url): WeComFormat(url: url)
        case .slack(let url): SlackFormat(url: url)
        case .email: nil
        }
    }
}

extension EndpointURL {
    /// What must not be shown of it: path and query, and the values in the query.
    var secrets: [String] {
        let values = target.split(separator: "?", maxSplits: 1).dropFirst().flatMap {
            $0.split(separator: "&")
        }
        .compactMap { $0.split(separator: "=", maxSplits: 1).last.map(String.init) }
        let lastPart = target.split(separator: "?", maxSplits: 1).first?.split(separator: "/").last.map(
            String.init
        )
        return [target] + values + (lastPart.map { [$0] } ?? [])
    }
}

/// The body of an answer in which a vendor's code says what became of a message: `{"errcode":0,"errmsg":"ok"}`.
struct VendorAnswer {
    private static let parsers = JSONParserPool(maximumBytes: SendLimits.answerBytes, maximumIdle: 4)

    let code: Int64
    let text: String

    /// Nil when there is no such object, or it has none of the code's names. The first name that is there counts.
    init?(_ body: [UInt8], code names: [StaticString], text textNames: [StaticString]) {
        let found = Self.parsers.parse(body, maximumDepth: 16) { root -> (Int64, String)? in
            guard root.isObject, let code = names.lazy.compactMap({ root.member($0)?.int64Value }).first
            else {
                return nil
            }
            let text = textNames.lazy.compactMap { name -> String? in
                guard case .string(let text)? = root.member(name)?.kind else { return nil }
                return text.text
            }
            return (code, text.first ?? "")
        }
        guard case .success(let answer?) = found else { return nil }
        (code, text) = answer
    }

    /// What a vendor's answer says: taken when its code is 0, to be sent later when it is one of `limited`, else refused.
    static func verdict(
        of vendor: String,
        on answer: Answer,
        code names: [StaticString],
        text textNames: [StaticString],
        limited: Set<Int64>
    ) -> Verdict {
        let status = Verdict.status(answer.status)
        guard let vendor = VendorAnswer(answer.body, code: names, text: textNames).map({ ($0, vendor) })
        else {
            if status.failure != nil { return status }
            return Verdict(
                failure: .refused,
                detail: "\(vendor) answered without the code that says it took the message."
            )
        }
        let (said, name) = vendor
        if said.code == 0 { return status }
        let text = Text(Excerpt.text(of: Array(said.text.utf8))).prefix(bytes: 200).string
        let detail = "\(name) answered with code \(said.code)" + (text.isEmpty ? "." : ": \(text)")
        if limited.contains(said.code) { return Verdict(failure: .limited, detail: detail) }
        return Verdict(failure: status.failure ?? .refused, detail: detail)
    }
}
