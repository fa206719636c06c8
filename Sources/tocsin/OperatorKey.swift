import App
import ArgumentParser
import Domain

/// `tocsin operator-key`
struct OperatorKey: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "operator-key",
        abstract: "Operator keys, for someone who holds the data directory.",
        subcommands: [Reset.self]
    )

    /// `tocsin operator-key reset`
    struct Reset: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Prints a new operator key; the others stay as they are. The server must not be running."
        )

        @OptionGroup var options: SettingsOptions

        func run() async throws {
            try await reporting {
                let installation = try Installation.open(try await options.settings())
                let secret = try await installation.resetOperatorKey()
                try await installation.close()
                print(secret.revealed)
            }
        }
    }
}
