import App
import Logging
import TestSupport
import Testing

@Suite("Logs")
struct LogTests {
    @Test("are JSON lines without what looks like a token or a key")
    func redacts() throws {
        let log = CapturedLog()
        let logger = Logger(label: "test") { JSONLogHandler(label: $0, level: .info, sink: log.sink) }
        let token = "tpu_1elaoZ7zQVHWbHU000000005FjQbybHiUwm0Cw3TyVxP50928ST"
        logger.info(
            "got \(token) twice: \(token)\nand more",
            metadata: ["url": "https://x/p/\(token)?a=tok_short"]
        )
        #expect(!log.text.contains("elaoZ7zQ"))
        #expect(log.text.contains("tok_short"))
        let line = try JSON(parsing: Array(log.text.utf8.dropLast()))
        #expect(line["message"]?.string == "got tpu_*** twice: tpu_***\nand more")
        #expect(line["level"]?.string == "info")
    }

    @Test("hold no secret after a run with pushes, good and bad, at the most talkative level")
    func noSecretInLogs() async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let integration = try await people.dedicated("ARMS", channel: try await people.channel("A"))
            try await server.push(integration.url, ARMS.body([.init("a")]))
            try await server.push(integration.url, Array("nonsense".utf8))
            try await server.push(integration.url + "x", ARMS.body([.init("a")]))
            let metrics = try await server.call("getMetrics", key: nil).text
            for secret in [integration.url, people.alice, people.olga, people.bob] {
                let end = String(secret.suffix(30))
                #expect(!server.log.text.contains(end))
                #expect(!metrics.contains(end))
            }
            #expect(!metrics.contains("acct_"))
        }
    }
}
