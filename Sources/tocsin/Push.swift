import ArgumentParser
import AsyncHTTPClient
import Domain
import FoundationEssentials
import NIOCore
import NIOHTTP1

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
            var request = HTTPClientRequest(url: address)
            request.method = .POST
            // As ARMS sends it unless its user sets another.
            request.headers.add(name: "Content-Type", value: "text/plain; charset=UTF-8")
            request.body = .bytes(ByteBuffer(bytes: body))
            let response = try await HTTPClient.shared.execute(request, timeout: .seconds(5))
            let answer = try await response.body.collect(upTo: 1 << 20)
            print("\(response.status.code) \(response.status.reasonPhrase)")
            print(String(buffer: answer))
            print(Self.explanation(response.status.code))
            if response.status.code != 200 { throw ExitCode.failure }
        }
    }

    private static func explanation(_ status: UInt) -> String {
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
