import App
import ArgumentParser

/// The command line.
@main
struct Tocsin: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tocsin",
        abstract: "A self-hosted, multi-tenant alert hub.",
        version: Build.version,
        subcommands: [Serve.self, Bootstrap.self, OperatorKey.self, Push.self, Config.self],
        defaultSubcommand: nil
    )
}
