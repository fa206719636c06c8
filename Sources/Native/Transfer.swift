/// One message to be handed to a server, by HTTP or as a mail, and how long that may take.
package struct Transfer: Sendable {
    /// A request by HTTP/1.1.
    package struct Request: Sendable {
        package let method: String
        /// As they go out; none is added to them but `Host` and the length.
        package let headers: [(name: String, value: String)]
        /// nil: none, which is not the same as an empty one.
        package let body: [UInt8]?

        package init(method: String, headers: [(name: String, value: String)] = [], body: [UInt8]? = nil) {
            self.method = method
            self.headers = headers
            self.body = body
        }
    }

    /// A mail by SMTP (RFC 5321), never outside TLS.
    package struct Mail: Sendable {
        /// Addresses without brackets. One of the receivers at least has to be accepted.
        package let from: String
        package let to: [String]
        package let login: (name: String, password: String)?
        /// Lines ended by CR LF; dots are doubled on the way.
        package let text: [UInt8]
        /// Hears what is said.
        package let observer: any MailObserver

        package init(
            from: String,
            to: [String],
            login: (name: String, password: String)?,
            text: [UInt8],
            observer: any MailObserver
        ) {
            self.from = from
            self.to = to
            self.login = login
            self.text = text
            self.observer = observer
        }
    }

    /// What is handed over.
    package enum Message: Sendable {
        case request(Request)
        case mail(Mail)
    }

    /// With scheme (`http`, `https`, `smtp`, `smtps`), host, port and path. `smtp` begins TLS by STARTTLS;
    /// the path of a mail is the name that this end gives itself.
    package let url: String
    package let message: Message
    /// Where to connect to, a numeric address, whatever the host of the URL resolves to; nil: the system's
    /// resolver is asked, and any address it knows is good.
    package let address: String?
    /// For a connection, TLS included.
    package let connectLimit: Duration
    /// For all of it.
    package let limit: Duration
    /// Bytes of the answer's body that are read; when there are more, the connection is dropped.
    package let answerBytes: Int

    package init(
        url: String,
        message: Message,
        address: String?,
        connectLimit: Duration,
        limit: Duration,
        answerBytes: Int
    ) {
        self.url = url
        self.message = message
        self.address = address
        self.connectLimit = connectLimit
        self.limit = limit
        self.answerBytes = answerBytes
    }
}

/// Hears the conversation with a mail server while it is held. Called on the thread of the engine, one call
/// at a time.
package protocol MailObserver: AnyObject, Sendable {
    /// A line of the server, without its end. What is to be done now.
    func heard(_ line: [UInt8]) -> MailStep
    /// What was sent, a command or the end of the text. It can hold a password.
    func sent(_ command: [UInt8])
}

/// What a mail observer wants.
package enum MailStep: Sendable {
    case goOn
    /// The login may come together with its command (RFC 4954, 4).
    case goOnWithInitialResponse
    /// The conversation ends here and now; nothing more is said.
    case stop
}

/// What came back.
package struct TransferAnswer: Sendable {
    /// Of HTTP, or the last reply's code of SMTP.
    package let status: Int
    /// Of HTTP, in their order, names as they came.
    package let headers: [(name: String, value: String)]
    /// At most `answerBytes`.
    package let body: [UInt8]
    /// Whether the connection stands, for the next message to the same host and address.
    package let isKept: Bool

    /// The value of the first header of that name, in lower case here.
    package func header(_ name: String) -> String? {
        // By bytes: it came from outside.
        headers.first { header in
            header.name.utf8.count == name.utf8.count
                && zip(header.name.utf8, name.utf8).allSatisfy { ($0 &- 0x41 < 26 ? $0 | 0x20 : $0) == $1 }
        }?.value
    }
}

/// Why nothing came back.
package enum TransferError: Error, Equatable, Sendable {
    /// The connection would have led elsewhere than to the address that was asked for.
    case elsewhere
    case unresolved
    case notConnected
    case notConnectedInTime
    /// The certificate was not accepted, or TLS was refused.
    case noTLS
    case noTLSInTime
    /// No whole answer in time.
    case late
    /// The other side closed the connection before it had answered.
    case closed
    /// What came is not of the protocol, or is more than an answer should be.
    case malformed
    /// The request can't be made: of the caller's making.
    case impossible
}

extension TransferError: CustomStringConvertible {
    /// For a person who called a command.
    package var description: String {
        switch self {
        case .elsewhere: "the connection would have led elsewhere"
        case .unresolved: "the name of the host has no address"
        case .notConnected: "no connection could be made"
        case .notConnectedInTime: "no connection could be made in time"
        case .noTLS: "no secure connection: the certificate was not accepted, or TLS was refused"
        case .noTLSInTime: "TLS was not agreed on in time"
        case .late: "no answer in time"
        case .closed: "the connection was closed before there was an answer"
        case .malformed: "the answer was none of the protocol"
        case .impossible: "that is not a URL to which anything can be sent"
        }
    }
}
