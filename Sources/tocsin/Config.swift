import App
import ArgumentParser
import Domain

/// `tocsin config`
struct Config: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "The settings.", subcommands: [Check.self])

    /// `tocsin config check`
    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Reads the settings as serve would and says what is wrong with them."
        )

        @OptionGroup var options: SettingsOptions

        func run() async throws {
            try await reporting {
                let settings = try await options.settings()
                print(
                    """
                    data-dir: \(settings.dataDirectory)
                    listen: \(settings.listen)
                    public-url: \(settings.publicURL.base)
                    root-secret-file: \(settings.rootSecretFile)
                    The settings are good.
                    """
                )
            }
        }
    }
}
