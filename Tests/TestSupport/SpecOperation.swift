import FoundationEssentials

extension Spec {
    /// Who may call an operation: the least role, from `x-required-role`.
    package enum RequiredRole: String, Sendable, CaseIterable {
        /// No credential.
        case none
        /// A push token.
        case push
        /// A secret in the body.
        case credential
        /// Any API key.
        case any
        case viewer
        case editor
        case admin
        case `operator`
    }

    /// One operation of openapi.yaml, its references resolved.
    package struct Operation: Sendable {
        /// `createChannel`: unique.
        package let id: String
        /// `POST`, upper-case.
        package let method: String
        /// `/v1/accounts/{account_id}/channels`: as the router prints it.
        package let path: String
        package let tags: [String]
        package let requiredRole: RequiredRole
        /// Whether an operator key may call it.
        package let isForOperators: Bool
        /// Those of the path first, then its own.
        package let parameters: [Parameter]
        /// nil when it takes no body.
        package let requestBody: RequestBody?
        /// What is listed at the operation, by status.
        package let responses: [Int: Response]
        /// What any operation of its kind may answer besides, by status (`x-common-responses`).
        package let commonResponses: [Int: Response]

        /// The response of `status`, the operation's own before the common ones; nil when it is not
        /// documented.
        package func response(_ status: Int) -> Response? {
            responses[status] ?? commonResponses[status]
        }

        /// The statuses listed at the operation, ascending: what `SpecCoverage` wants to see.
        package var statuses: [Int] { responses.keys.sorted() }

        /// The names in the braces of the path, in order.
        package var pathParameterNames: [String] {
            path.split(separator: "/").filter { $0.hasPrefix("{") }.map { String($0.dropFirst().dropLast()) }
        }

        /// The path with `values` in the place of the names in braces, percent-encoded. Throws when one is
        /// missing.
        package func path(_ values: [String: String]) throws(SpecError) -> String {
            var result = path
            for name in pathParameterNames {
                guard let value = values[name] else { throw SpecError("\(id): no value for {\(name)}") }
                result = result.replacing("{\(name)}", with: Spec.percentEncoded(value))
            }
            return result
        }
    }

    /// A parameter of the path, query or header.
    package struct Parameter: Sendable {
        package enum Location: String, Sendable {
            case path
            case query
            case header
        }

        package let name: String
        package let location: Location
        package let isRequired: Bool
        package let schema: JSON
    }

    /// The body that an operation takes.
    package struct RequestBody: Sendable {
        package let isRequired: Bool
        /// By media type, as written: `application/json`, `*/*`.
        package let content: [String: MediaType]

        /// The schema of a JSON body; nil when there is none.
        package var schema: JSON? { content["application/json"]?.schema }
        /// The examples of all media types, sorted by name.
        package var examples: [Example] { content.values.flatMap(\.examples).sorted { $0.name < $1.name } }
    }

    /// One media type of a body.
    package struct MediaType: Sendable {
        package let schema: JSON
        /// Sorted by name.
        package let examples: [Example]
    }

    /// A named example. A body of `*/*` is a string: the bytes as they are sent.
    package struct Example: Sendable {
        package let name: String
        package let value: JSON

        /// What goes over the wire: the text of a string for a body that is not JSON, else JSON.
        package func bytes(of mediaType: String) -> [UInt8] {
            if mediaType != "application/json", case .string(let text) = value { return Array(text.utf8) }
            return value.bytes
        }
    }

    /// One answer.
    package struct Response: Sendable {
        package let status: Int
        /// By media type, without parameters; empty when the answer has no body.
        package let content: [String: MediaType]
        /// Sorted by name.
        package let headers: [Header]
    }

    /// A header of an answer.
    package struct Header: Sendable {
        package let name: String
        package let isRequired: Bool
        package let schema: JSON
    }

    /// `text` as one segment of a path or one value of a query: everything but letters, digits and `-._~` is
    /// encoded.
    package static func percentEncoded(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            let character = Character(Unicode.Scalar(byte))
            if byte < 0x80, character.isLetter || character.isNumber || "-._~".contains(character) {
                result.append(character)
            } else {
                result += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
        return result
    }
}
