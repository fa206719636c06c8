import ArgumentParser
import FoundationEssentials
import Native
import Outbound

/// `tocsin push`
struct Push: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Sends a body as ARMS would and explains the answer.",
        discussion: "URL is a push URL; - reads it from the standard input, so that it is in no process list."
    )

    @Argument(help: "A push URL, or - for one on the standard input.")
    var url: String
    @Argument(help: "The file with the body.")
    var file: String

    func run() async throws {
        try await reporting {
            let address = url == "-" ? (readLine() ?? "") : url
            let body = try Data(contentsOf: URL(filePath: file))
            let answer = try await Self.push(Array(body), to: address)
            print("\(answer.status)")
            print(UTF8Scan.repairedText(answer.body))
            print(Self.explanation(answer.status))
            if answer.status != 200 { throw ExitCode.failure }
        }
    }

    /// As ARMS does.
    private static func push(_ body: [UInt8], to url: String) async throws -> TransferAnswer {
        guard url.hasPrefix("http://") || url.hasPrefix("https://") else {
            throw ValidationError("That is not a push URL: it begins with http:// or https://.")
        }
        let engine = TransferEngine(roots: try TrustRoots().store)
        // Its content type unless its user sets another.
        let headers = [("Content-Type", "text/plain; charset=UTF-8")]
        let transfer = Transfer(
            url: url,
            message: .request(.init(method: "POST", headers: headers, body: body)),
            address: nil,
            connectLimit: .seconds(5),
            limit: .seconds(5),
            answerBytes: 1 << 20
        )
        do {
            let answer = try await engine.perform(transfer)
            await engine.shutdown()
            return answer
        } catch {
            await engine.shutdown()
            throw error
        }
    }

    private static func explanation(_ status: Int) -> String {
        switch status {
        case 200: "It is on disk and was applied (or was a test, which raises nothing)."
        case 400:
            "It is no alert body, or lacks a label that the integration asks for. It was kept: see the delivery that the answer names."
        case 401:
            "The push URL is not valid: mistyped, revoked, expired, of another type, not for this address, or its integration or account is disabled. "
                + "The account sees which under the integration's refusals."
        case 405: "Push with POST."
        case 413: "It is too large, or holds too many alerts: send fewer at a time."
        case 415: "Send it without Content-Encoding."
        case 503: "It could not be stored now: try again. The answer says why."
        default: "This answer is not one of Tocsin's: is a proxy in between?"
        }
    }
}
