import App
import ArgumentParser
import FoundationEssentials

/// The options that every command on a data directory shares with `serve`. Absent ones are looked up in the environment and the file.
struct SettingsOptions: ParsableArguments {
    @Option(help: "YAML file with the settings; also TOCSIN_CONFIG.")
    var config: String?
    @Option(help: "Folder of the store and its keys. (default: ./tocsin-data)")
    var dataDir: String?
    @Option(
        help:
            "postgres://USER@HOST/DATABASE, to run many nodes on one database. (default: the embedded store)"
    )
    var databaseURL: String?
    @Option(help: "Lines of \"kid hex\", mode 0600. (default: root.secret in the data directory)")
    var rootSecretFile: String?
    @Option(help: "What push URLs begin with. (default: from --listen)")
    var publicURL: String?
    @Option(help: "trace, debug, info, notice, warning, error or critical. (default: info)")
    var logLevel: String?

    /// The settings, checked. `more` are options of the command's own.
    func settings(_ more: [String: String?] = [:]) async throws -> Settings {
        var options: [String: String] = more.compactMapValues { $0 }
        options["data-dir"] = dataDir
        options["database-url"] = databaseURL
        options["root-secret-file"] = rootSecretFile
        options["public-url"] = publicURL
        options["log-level"] = logLevel
        let file = config ?? ProcessInfo.processInfo.environment["TOCSIN_CONFIG"]
        do {
            return try await Settings.read(options: options, file: file)
        } catch {
            throw ExitWithMessage("\(error)", code: .badSettings)
        }
    }
}

extension ExitCode {
    /// EX_CONFIG of sysexits.h: a restart will not help.
    static let badSettings = ExitCode(78)
}

/// Ends the program with a line for the person who started it.
struct ExitWithMessage: Error, CustomStringConvertible {
    let description: String
    let code: ExitCode

    init(_ message: String, code: ExitCode = .failure) {
        description = message
        self.code = code
    }
}

/// Runs a command and turns what it throws into a line on the standard error and an exit code.
func reporting(_ body: () async throws -> Void) async throws {
    do {
        try await body()
    } catch let error as ExitCode {
        throw error
    } catch let error as ExitWithMessage {
        Output.error(error.description)
        throw error.code
    } catch {
        Output.error("\(error)")
        throw ExitCode.failure
    }
}
