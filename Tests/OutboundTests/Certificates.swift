import Foundation
import Native

/// An authority of the tests' own, and a receiver's certificate by it for `hook.example.test`, `mail.example.test`, `*.wild.example.test` and
/// `127.0.0.1`.
enum Certificates {
    /// Writes the authority's certificate into a file for this run, and answers its path.
    static func authorityFile() throws -> String {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("tocsin-test-authority.pem")
            .path
        try Data(authority.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
        return path
    }

    /// What a receiver needs to speak TLS.
    static func serverContext() throws -> TLSContext {
        try .server(
            certificate: PEMText(name: "receiver", bytes: Array(receiver.utf8)),
            key: PEMText(name: "receiver's key", bytes: Array(receiverKey.utf8))
        )
    }

    private static let authority = """
        -----BEGIN CERTIFICATE-----
        MIIBZDCCAQmgAwIBAgIBATAKBggqhkjOPQQDAjAgMR4wHAYDVQQDDBVUb2NzaW4g
        dGVzdCBhdXRob3JpdHkwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBa
        MCAxHjAcBgNVBAMMFVRvY3NpbiB0ZXN0IGF1dGhvcml0eTBZMBMGByqGSM49AgEG
        CCqGSM49AwEHA0IABPfj6OIJMSawjTzurzy218VOQFOXokwz2N+8WhgT+AsPXFBT
        X+LvspV20vbGP+RmK8XeLzTZLjHFZMv4itosqd6jMjAwMA8GA1UdEwEB/wQFMAMB
        Af8wHQYDVR0OBBYEFFrGA9ifUNmkftw7l/hVNSQxQkj3MAoGCCqGSM49BAMCA0kA
        MEYCIQCibQm84k49rQTeN3R9PSxTRghHYstFxhWX+o6DPZ/BFAIhAJ/XApJup9y/
        it8tZrk5Kevq+2t+am5A2z68+LCNy4Rc
        -----END CERTIFICATE-----
        """

    private static let receiver = """
        -----BEGIN CERTIFICATE-----
        MIIB1TCCAXqgAwIBAgIBAzAKBggqhkjOPQQDAjAgMR4wHAYDVQQDDBVUb2NzaW4g
        dGVzdCBhdXRob3JpdHkwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBa
        MBMxETAPBgNVBAMMCHJlY2VpdmVyMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
        suun+UoxSXA/AQ2Qe7YY14pqVZxqKWkb+ctwF2Plyn0EFbqBBep6hIR+ScE6aJol
        QVAtP56w9BkHqxyIJdcIXKOBrzCBrDBKBgNVHREEQzBBghFob29rLmV4YW1wbGUu
        dGVzdIIRbWFpbC5leGFtcGxlLnRlc3SCEyoud2lsZC5leGFtcGxlLnRlc3SHBH8A
        AAEwCQYDVR0TBAIwADATBgNVHSUEDDAKBggrBgEFBQcDATAdBgNVHQ4EFgQUSv0v
        SM0PCSWgdCnujUsOtaRzkAUwHwYDVR0jBBgwFoAUWsYD2J9Q2aR+3DuX+FU1JDFC
        SPcwCgYIKoZIzj0EAwIDSQAwRgIhAIJM/G3QHMXZ7ewNoW3GwARhJEl7Rg7vTGAd
        M+5/jMWVAiEA4BxboEeeKQo7UnywVgeaS21rtmOyGRJJZIsJ1S1tOA8=
        -----END CERTIFICATE-----
        """

    /// Known to everybody: of use in tests only.
    private static let receiverKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgRj+2OcpuQHUWw54Q
        yW6/X5oKolC9MMRyt9wVZ2WbxIChRANCAASy66f5SjFJcD8BDZB7thjXimpVnGop
        aRv5y3AXY+XKfQQVuoEF6nqEhH5JwTpomiVBUC0/nrD0GQerHIgl1whc
        -----END PRIVATE KEY-----
        """
}
