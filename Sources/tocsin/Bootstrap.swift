import App
import ArgumentParser
import Domain
import Native

/// `tocsin bootstrap`
struct Bootstrap: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Makes the store, the root secret and the first operator key, which it prints; refuses a second time."
    )

    @OptionGroup var options: SettingsOptions
    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        try await reporting {
            let installation = try Installation.open(try await options.settings())
            let made = try await installation.bootstrap()
            try await installation.close()
            guard let made else { throw ExitWithMessage("this data directory is set up already") }
            guard json else { return print("operator key: \(made.secret.revealed)\nalso in: \(made.path)") }
            let text = JSONWriter.encode { writer in
                writer.object { object in
                    object.field("operator_key", made.secret.revealed)
                    object.field("data_dir", installation.settings.dataDirectory)
                }
            }
            print(String(decoding: text, as: UTF8.self))
        }
    }
}
