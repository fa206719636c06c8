import Foundation
import Native

/// An authority of the tests' own with certificates by it, and another one, made by the `openssl` command
/// once for each run.
package struct TestCertificates: Sendable {
    /// What is for a server, and a client, and its key.
    package struct Identity: Sendable {
        package let certificate: PEMText
        package let key: PEMText
    }

    package let authority: PEMText
    package let otherAuthority: PEMText
    /// For `localhost`, with a chain of itself alone.
    package let server: Identity
    /// The same name, another key.
    package let laterServer: Identity
    package let expired: Identity
    package let client: Identity
    /// By the other authority.
    package let foreignClient: Identity

    private static let made: Result<TestCertificates, any Error> = Result { try TestCertificates() }

    /// They are made at the first call. Throws when `openssl` does.
    package static func get() throws -> TestCertificates { try made.get() }

    private init() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tocsin-tls-\(UUID())")
            .path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let maker = Maker(folder: folder)
        authority = try maker.authority("authority")
        otherAuthority = try maker.authority("other")
        server = try maker.identity("server", by: "authority", use: "serverAuth")
        laterServer = try maker.identity("later", by: "authority", use: "serverAuth")
        expired = try maker.identity("expired", by: "authority", use: "serverAuth", days: "-1")
        client = try maker.identity("client", by: "authority", use: "clientAuth")
        foreignClient = try maker.identity("foreign", by: "other", use: "clientAuth")
    }
}

/// Runs `openssl` in a folder.
private struct Maker {
    let folder: String

    private static let newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]

    func authority(_ name: String) throws -> PEMText {
        try openssl(
            ["req", "-x509"] + Self.newKey + [
                "-keyout", "\(name).key", "-out", "\(name).crt", "-days", "3650", "-subj", "/CN=Test \(name)",
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign",
            ]
        )
        return try text("\(name).crt")
    }

    func identity(
        _ name: String,
        by authority: String,
        use: String,
        days: String = "365"
    ) throws -> TestCertificates.Identity {
        try openssl(
            ["req"] + Self.newKey + ["-keyout", "\(name).key", "-out", "\(name).csr", "-subj", "/CN=\(name)"]
        )
        let extensions = "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=\(use)\n"
        try Data(extensions.utf8).write(to: URL(fileURLWithPath: "\(folder)/\(name).ext"))
        try openssl([
            "x509", "-req", "-in", "\(name).csr", "-CA", "\(authority).crt", "-CAkey", "\(authority).key",
            "-set_serial", "\(name.utf8.reduce(7) { $0 * 31 + Int($1) } & 0xFFFFFF)", "-days", days,
            "-extfile", "\(name).ext", "-out", "\(name).crt",
        ])
        return TestCertificates.Identity(certificate: try text("\(name).crt"), key: try text("\(name).key"))
    }

    private func text(_ name: String) throws -> PEMText {
        PEMText(name: name, bytes: Array(try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)"))))
    }

    private func openssl(_ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        process.standardError = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failed(arguments: arguments) }
    }

    struct Failed: Error { let arguments: [String] }
}
