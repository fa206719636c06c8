#if PostgreSQL
import App
import ArgumentParser
import FoundationEssentials
import Logging
import Native
import Storage

/// `tocsin move`
struct MoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "move",
        abstract:
            "Carries a stopped installation over from its data directory to an empty PostgreSQL database.",
        discussion: """
            All of it goes in one transaction, which is committed only when counts and checksums of every table are the same on both sides. \
            The data directory is left as it is. Give the new nodes the same root secret: push URLs keep working.
            """
    )

    @Option(help: "sqlite:DIR, the data directory of the stopped installation.")
    var from: String
    @Option(
        help:
            "postgres://USER@HOST/DATABASE; - reads it from the standard input, so that it is in no process list."
    )
    var to: String

    func run() async throws {
        try await reporting {
            guard from.hasPrefix("sqlite:"), from.count > 7 else {
                throw ExitWithMessage("--from is sqlite:DIR, the data directory", code: .badSettings)
            }
            let url = to == "-" ? (readLine() ?? "") : to
            guard url.hasPrefix("postgres://") || url.hasPrefix("postgresql://") else {
                throw ExitWithMessage("--to begins with postgres://", code: .badSettings)
            }
            let logger = Logger(label: "tocsin") { JSONLogHandler(label: $0, level: .warning) }
            let reports = try Move.run(from: String(from.dropFirst(7)), to: url, logger: logger)
            for report in reports {
                let digest = String(decoding: Hexadecimal.encode(report.digest.prefix(8)), as: UTF8.self)
                print("\(report.name): \(report.rows) rows, checksum \(digest)")
            }
            print(
                "moved: \(reports.reduce(0) { $0 + $1.rows }) rows in \(reports.count) tables, all the same on both sides"
            )
        }
    }
}
#endif
