import App
import ArgumentParser

/// The command line.
@main
struct Tocsin: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tocsin",
        abstract: "A self-hosted, multi-tenant alert hub.",
        version: Build.version,
        subcommands: subcommands,
        defaultSubcommand: nil
    )

    private static var subcommands: [any ParsableCommand.Type] {
        let all: [any ParsableCommand.Type] = [
            Serve.self, Bootstrap.self, OperatorKey.self, Push.self, Config.self,
        ]
        #if PostgreSQL
        return all + [MoveCommand.self]
        #else
        return all
        #endif
    }
}
