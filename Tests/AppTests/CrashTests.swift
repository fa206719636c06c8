import Domain
import FoundationEssentials
import Native
import TestSupport
import Testing

@Suite("A body that crashes the process")
struct CrashTests {
    @Test("is noted with each crash and poisonous after the second")
    func isNoted() async throws {
        let path =
            FileManager.default.temporaryDirectory.path + "/tocsin-crash-\(UInt64.random(in: .min ... .max))"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let mark = CrashGuard.mark(of: Array("poison".utf8))
        for crashes in 1...2 {
            await #expect(processExitsWith: .failure) { [path = path as String, mark = mark as UInt64] in
                _ = try CrashGuard(armedAt: path)
                CrashGuard.during(mark) { () -> Void in
                    preconditionFailure("a trap, as a bug of ours would be")
                }
            }
            let notes = try #require(try PrivateFile.read(path))
            #expect(notes.count == crashes * 8)
        }
        await #expect(processExitsWith: .success) { [path = path as String, mark = mark as UInt64] in
            let crashGuard = try CrashGuard(armedAt: path)
            precondition(crashGuard.isPoisonous(mark))
            precondition(!crashGuard.isPoisonous(mark + 1))
        }
    }

    @Test("a crash outside of any body is no body's fault")
    func isNotNoted() async throws {
        let path =
            FileManager.default.temporaryDirectory.path + "/tocsin-crash-\(UInt64.random(in: .min ... .max))"
        defer { try? FileManager.default.removeItem(atPath: path) }
        await #expect(processExitsWith: .failure) { [path = path as String] in
            _ = try CrashGuard(armedAt: path)
            CrashGuard.during(1) {}
            preconditionFailure("a trap elsewhere")
        }
        #expect(try PrivateFile.read(path)?.isEmpty == true)
    }

    @Test("is quarantined at its next push, others are taken")
    func isQuarantined() async throws {
        let folder =
            FileManager.default.temporaryDirectory.path + "/tocsin-crash-\(UInt64.random(in: .min ... .max))"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let poison = ARMS.body([.init("poison")])
        try PrivateFile.makeFolder(folder)
        let mark = CrashGuard.mark(of: poison)
        let note = (0..<8).map { UInt8(truncatingIfNeeded: mark >> UInt64(8 * $0)) }
        try PrivateFile.create(folder + "/crashes", note + note)
        try await TestServer.with(folder: folder) { server in
            let people = try await People(server)
            let integration = try await people.dedicated("ARMS", channel: try await people.channel("A"))
            let answer = try await server.push(integration.url, poison)
            #expect(answer.status == 400)
            let id = try #require(answer.json["error"]?["delivery_id"]?.string)
            let delivery = try await server.call(
                "getDelivery",
                ["account_id": people.account, "delivery_id": id],
                key: people.bob
            )
            #expect(delivery.json["reason"]?.string == "crashed_before")
            #expect(try await server.push(integration.url, ARMS.body([.init("b")])).status == 200)
        }
    }
}
