import App
import FoundationEssentials
import Logging
import Native
import TestDatabases
import TestSupport
import Testing

@Suite("The server's certificate", .needsSQLite("has no store: the run on SQLite is enough"))
struct CertificateTests {
    /// A folder as Kubernetes mounts a secret: the names point through `..data` to a folder, and `..data` is
    /// turned at once.
    private struct Mount {
        let folder =
            FileManager.default.temporaryDirectory.path + "/tocsin-mount-\(UInt64.random(in: .min ... .max))"

        init() throws {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            for name in ["tls.crt", "tls.key", "ca.crt"] {
                try FileManager.default.createSymbolicLink(
                    atPath: "\(folder)/\(name)",
                    withDestinationPath: "..data/\(name)"
                )
            }
        }

        func put(_ name: String, certificate: PEMText, key: PEMText, authorities: PEMText? = nil) throws {
            let target = "\(folder)/..\(name)"
            try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: true)
            try Data(certificate.bytes).write(to: URL(filePath: "\(target)/tls.crt"))
            try Data(key.bytes).write(to: URL(filePath: "\(target)/tls.key"))
            if let authorities { try Data(authorities.bytes).write(to: URL(filePath: "\(target)/ca.crt")) }
            try? FileManager.default.removeItem(atPath: "\(folder)/..data")
            try FileManager.default.createSymbolicLink(
                atPath: "\(folder)/..data",
                withDestinationPath: "..\(name)"
            )
        }

        var files: Settings.TLSFiles {
            Settings.TLSFiles(certificate: "\(folder)/tls.crt", key: "\(folder)/tls.key")
        }

        func remove() { try? FileManager.default.removeItem(atPath: folder) }
    }

    private let made: TestCertificates
    private let mount: Mount
    private let metrics = PrometheusMetrics()

    init() throws {
        made = try TestCertificates.get()
        mount = try Mount()
        try mount.put("first", certificate: made.server.certificate, key: made.server.key)
    }

    private func certificates() throws -> TLSCertificates {
        try TLSCertificates(mount.files, metrics: metrics, logger: Logger(label: "test"))
    }

    private func failures(_ count: Int) -> Bool {
        metrics.text().contains("tocsin_tls_reload_failures_total \(count)\n")
    }

    @Test("is left alone while its files are, read again when somebody asks, and once a day")
    func unchanged() throws {
        defer { mount.remove() }
        let certificates = try certificates()
        let first = certificates.context
        certificates.look(asked: false)
        #expect(certificates.context === first)
        certificates.look(asked: true)
        let second = certificates.context
        #expect(second !== first)
        certificates.look(asked: false, at: systemMilliseconds() + 86_500_000)
        #expect(certificates.context !== second)
    }

    @Test("is read again when a link is turned to other files, and when a file is written over")
    func changed() throws {
        defer { mount.remove() }
        let certificates = try certificates()
        let first = certificates.context
        try mount.put("second", certificate: made.expired.certificate, key: made.expired.key)
        certificates.look(asked: false)
        #expect(certificates.context.notAfter != first.notAfter)
        let end = certificates.context.notAfter ?? 0
        #expect(metrics.text().contains("tocsin_tls_certificate_expiry_timestamp_seconds \(end)\n"))
        try Data(made.laterServer.key.bytes).write(to: URL(filePath: "\(mount.folder)/..second/tls.key"))
        try Data(made.laterServer.certificate.bytes).write(
            to: URL(filePath: "\(mount.folder)/..second/tls.crt")
        )
        certificates.look(asked: false)
        #expect(certificates.context.notAfter != end)
        #expect(failures(0))
    }

    @Test("files that can't be used leave it in place, and are told of once for each change")
    func bad() throws {
        defer { mount.remove() }
        let certificates = try certificates()
        let first = certificates.context
        try mount.put("foreign", certificate: made.server.certificate, key: made.client.key)
        for _ in 0..<3 { certificates.look(asked: false) }
        #expect(failures(1))
        let half = PEMText(name: "half", bytes: Array(made.server.certificate.bytes.prefix(300)))
        try mount.put("half", certificate: half, key: made.server.key)
        for _ in 0..<3 { certificates.look(asked: false) }
        #expect(failures(2))
        mount.remove()
        for _ in 0..<3 { certificates.look(asked: false) }
        #expect(failures(3))
        #expect(certificates.context === first)
    }

    @Test("that is bad when the server starts is said with its file")
    func badAtStart() throws {
        defer { mount.remove() }
        try mount.put("foreign", certificate: made.server.certificate, key: made.client.key)
        let error = #expect(throws: TLSCredentialsError.self) { _ = try certificates() }
        #expect(error == .foreignKey(certificate: "\(mount.folder)/tls.crt", key: "\(mount.folder)/tls.key"))
        let files = Settings.TLSFiles(
            certificate: mount.files.certificate,
            key: mount.files.key,
            clientAuthorities: "\(mount.folder)/nowhere.crt"
        )
        try mount.put("good", certificate: made.server.certificate, key: made.server.key)
        #expect(throws: TLSCredentialsError.missing("\(mount.folder)/nowhere.crt")) {
            _ = try TLSCertificates(files, metrics: metrics, logger: Logger(label: "test"))
        }
    }

    @Test(
        "settings of TLS go together",
        arguments: [["tls-certificate": "a"], ["tls-key": "a"], ["tls-client-ca": "a"]]
    )
    func settings(options: [String: String]) async throws {
        defer { mount.remove() }
        await #expect(throws: Settings.Problems.self) { try await Settings.read(options: options, file: nil) }
    }
}
