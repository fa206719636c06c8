import Domain
import Native

/// A kind of receiver: what its messages look like and what its answers mean. A value is the settings of one
/// notifier.
///
/// One file each, in this folder, and one line in `NotifierKinds.all`; the stored form, the form of the API
/// and the checks are there, too. A kind whose settings are an address, or an address and a key, takes them
/// from `AddressedKind` and `KeyedKind`.
package protocol NotifierKind: NotifierSettings {
    /// How its receivers write bold, links and lines.
    static var markup: Markup { get }

    /// What is wrong with the settings as far as it can be told without a look-up of names, with pointers
    /// into the API's form.
    func problems(under policy: AddressPolicy) -> [FieldError]

    /// What must not be shown when a receiver repeats it.
    var secrets: [String] { get }

    /// The body without signature: of the same message and texts always the same bytes, never above the
    /// receiver's limit.
    static func body(_ message: OutboundMessage, _ rendered: Rendered) -> [UInt8]

    /// The message as it goes out. `now` is in signature and date only.
    func outgoing(_ message: OutboundMessage, _ rendered: Rendered, at now: UnixTime) -> Outgoing

    /// What an answer to a post says; unless a kind knows better, what its status does.
    func verdict(on answer: Answer) -> Verdict
}

extension NotifierKind {
    package func verdict(on answer: Answer) -> Verdict { .status(answer.status) }
}

extension NotifierSettings {
    /// The settings as what sends by them: every kind in Outbound is both.
    var receiver: any NotifierKind {
        guard let receiver = self as? any NotifierKind else {
            preconditionFailure("settings of a kind that nothing is sent by: \(Self.kind)")
        }
        return receiver
    }
}

/// A message on its way.
package enum Outgoing: Sendable {
    case post(OutboundRequest)
    /// Whole lines, dots not doubled yet, and the server that gets them.
    case mail([UInt8], Email)
}

extension OutboundRequest {
    /// A post of JSON. `target`: path and query, where they are not those of `url`.
    package init(json body: [UInt8], to url: EndpointURL, target: String? = nil) {
        self.init(
            url: url,
            target: target ?? url.target,
            headers: [("content-type", "application/json; charset=utf-8")],
            body: body
        )
    }
}

/// What a receiver made of a message.
package struct Verdict: Sendable, Equatable {
    /// nil: it took it.
    package let failure: SendResult.Failure?
    /// Why not.
    package let detail: String

    package init(failure: SendResult.Failure?, detail: String) {
        self.failure = failure
        self.detail = detail
    }

    package static let taken = Verdict(failure: nil, detail: "")

    /// What the status of HTTP alone says.
    package static func status(_ status: Int) -> Verdict {
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
