import App
import FoundationEssentials
import Hummingbird
import Ingest
import Logging
import TestSupport
import Testing
import Web

@Suite("openapi.yaml and the server say the same")
struct ContractTests {
    @Test("every route is in the spec and every operation of the spec has a route")
    func routesEqualSpec() async throws {
        let folder = FileManager.default.temporaryDirectory.path + "/tocsin-contract-\(UUID())"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let settings = try await Settings.read(options: ["data-dir": folder], file: nil)
        let installation = try Installation.open(settings)
        let server = try Server(installation, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        {
            _ in
        }
        // A HEAD that goes with a GET is no operation of its own.
        let mounted = server.router.routes.filter { $0.method != .head }
        let routes = mounted.map { "\($0.method.rawValue) \($0.path)" } + PushDoor.paths.map { "POST \($0)" }
        try await installation.close()
        let operations = try Spec.shared().operations.map { "\($0.method) \($0.path)" }
        #expect(Set(routes) == Set(operations))
        #expect(routes.count == operations.count)
        let headed = server.router.routes.filter { $0.method == .head }.map { "GET \($0.path)" }
        #expect(Set(headed).isSubset(of: routes))
    }

    @Test("the problem codes of the spec are those of the code")
    func problemCodes() throws {
        #expect(try Spec.shared().values(ofEnum: "ProblemCode") == Problem.Code.allCases.map(\.rawValue))
    }

    @Test("every operation has a default answer, so that clients know the form of every refusal")
    func defaultAnswers() throws {
        let spec = try Spec.shared()
        for operation in spec.operations {
            let place = "/paths/\(operation.path.replacing("/", with: "~1"))/\(operation.method.lowercased())"
            let answer = spec.document.value(at: place)?["responses"]?["default"]?["$ref"]?.string
            let name = operation.requiredRole == .push ? "AnyPushError" : "AnyProblem"
            #expect(answer == "#/components/responses/\(name)", "\(operation.id)")
        }
    }

    @Test("the push error codes of the spec are in the code")
    func pushErrorCodes() throws {
        let words = try Spec.shared().values(ofEnum: "PushErrorCode")
        #expect(Set(words) == Set(PushRefusal.Code.allCases.map(\.rawValue)))
    }

    @Test("every request example of the management API is taken")
    func managementExamples() async throws {
        try await TestServer.with(clock: SetClock().wall) { server in
            for operation in server.spec.management {
                for example in operation.requestBody?.examples ?? [] {
                    let estate = try await Estate(server)
                    var path = estate.path(of: operation)
                    if example.name == "moveToAnotherChannel" { path["integration_id"] = estate.dedicated.id }
                    let answer = try await server.call(
                        operation.id,
                        path,
                        body: estate.filled(example.value),
                        key: operation.isForOperators ? server.operatorKey : estate.admin
                    )
                    #expect(
                        (200...202).contains(answer.status),
                        "\(operation.id) \(example.name): \(answer.text)"
                    )
                }
            }
        }
    }

    @Test("every example of an answer, and of what a webhook gets, is as its schema says")
    func answerExamples() throws {
        let spec = try Spec.shared()
        var media = spec.operations.flatMap { $0.responses.values }.flatMap { $0.content.values }
            .map { ($0.schema, $0.examples.map(\.value)) }
        for name in ["Alert", "Digest"] {
            let example = spec.document.value(at: "/components/examples/Webhook\(name)/value")
            media.append((try spec.schema("Webhook\(name)Payload"), [try #require(example)]))
        }
        for (schema, examples) in media {
            for example in examples where example.object != nil {
                let found = spec.violations(of: example, against: schema, mode: .answer)
                #expect(found.isEmpty, "\(example)")
            }
        }
    }

    @Test("every push example is taken by an integration of its type")
    func pushExamples() async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let examples = try server.spec.operation("push").requestBody?.examples ?? []
            #expect(!examples.isEmpty)
            for type in ["aliyun-arms", "prometheus", "standard"] {
                let channel = try await people.channel("for \(type)")
                let integration = try await people.dedicated("of \(type)", type: type, channel: channel)
                let prefix = type == "aliyun-arms" ? "arms" : type
                for example in examples where example.name.hasPrefix(prefix) {
                    let answer = try await server.push(
                        integration.url,
                        example.bytes(of: "application/octet-stream")
                    )
                    #expect(answer.status == 200, "\(example.name): \(answer.text)")
                    #expect(answer.json["data"]?["test"]?.bool == example.name.hasSuffix("Test"))
                }
            }
        }
    }
}
