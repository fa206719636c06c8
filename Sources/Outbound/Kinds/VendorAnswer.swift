import Domain
import Native

/// The body of an answer in which a vendor's code says what became of a message:
/// `{"errcode":0,"errmsg":"ok"}`.
struct VendorAnswer {
    private static let parsers = JSONParserPool(maximumBytes: SendLimits.answerBytes, maximumIdle: 4)

    let code: Int64
    let text: String

    /// Nil when there is no such object, or it has none of the code's names. The first name that is there
    /// counts.
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

    /// What a vendor's answer says: taken when its code is 0, to be sent later when it is one of `limited`,
    /// else refused.
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
