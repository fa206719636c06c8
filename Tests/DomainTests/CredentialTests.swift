import Domain
import Testing

@Suite("Credential")
struct CredentialTests {
    private static let key: APIKeySecret = {
        var random = SeededRandom(1)
        return APIKeySecret(kind: .account, random: &random)
    }()
    private static let token = "tpu_1elhGfzq9UETv6n0C9q9fIGAIIiJG35RLQCvLb2hXpd122mWFnr"

    /// The texts of what is found.
    private static func found(_ text: String) -> [String] {
        Credential.found(in: Array(text.utf8)).map { credential in
            switch credential {
            case .apiKey(let secret): secret.revealed
            case .pushToken(_, let text): String(decoding: text, as: UTF8.self)
            }
        }
    }

    @Test(
        "is found alone, in a header, and in every form of push URL",
        arguments: [
            "%", "Authorization: Bearer %\r\n", "http://127.0.0.1:8080/p/%",
            "https://tttak_.example.com/t/p/%",
            "https://a.example.com/event/push/alert/aliyun-arms?integration_key=%&x=1",
            "curl -d @f 'https://a.example.com/p/%'", "tak_%", "tpu_tok_%tak_",
        ]
    )
    func places(template: String) {
        for secret in [Self.key.revealed, Self.token] {
            #expect(Self.found(template.replacing("%", with: secret)) == [secret])
        }
    }

    @Test("one that comes twice is one; two are two, in their order")
    func several() {
        let (key, token) = (Self.key.revealed, Self.token)
        #expect(Self.found("\(key) \(key)") == [key])
        #expect(Self.found("\(token)\(key)") == [token, key])
    }

    @Test("what is cut, changed or of another form is none")
    func none() {
        for secret in [Self.key.revealed, Self.token] {
            let wrong = String(secret.dropLast()) + (secret.hasSuffix("0") ? "1" : "0")
            for text in [
                wrong, String(secret.dropLast()), String(secret.dropFirst()), secret.uppercased(), "",
            ] {
                #expect(Self.found(text) == [])
            }
        }
    }

    @Test("a key that gets a new secret keeps its public id")
    func samePublicID() {
        var random = SeededRandom(2)
        let new = APIKeySecret(kind: .account, publicID: Self.key.publicID, random: &random)
        #expect(new.publicID == Self.key.publicID && new.digest != Self.key.digest)
        #expect(APIKeySecret(new.bytes)?.publicID == new.publicID)
    }
}
