import Yams

/// An HTTP answer as the server gave it, to be held against openapi.yaml.
package struct SpecAnswer: Sendable {
    package let status: Int
    /// Names in any case; a name may come more than once.
    package let headers: [(name: String, value: String)]
    package let body: [UInt8]

    package init(status: Int, headers: [(name: String, value: String)], body: [UInt8]) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// The first value of a header, whatever its case; nil when it is absent.
    package func header(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }

    /// The media type without parameters, lower-case; nil when there is none.
    package var mediaType: String? {
        header("Content-Type").map { value in
            let type = value.prefix { $0 != ";" }
            return String(type.filter { $0 != " " }).lowercased()
        }
    }
}

extension Spec {
    /// In what way `answer` is not what openapi.yaml says of `operation`; empty when it is.
    ///
    /// Looks at the status (its own or a common one), the headers, the media type and the body: the schema in
    /// mode `.answer`, and no body where none is documented.
    package func violations(of answer: SpecAnswer, to operation: Operation) -> [SchemaViolation] {
        guard let response = operation.response(answer.status) else {
            return [SchemaViolation("", "\(operation.id) does not document the status \(answer.status)")]
        }
        return headerViolations(of: answer, response) + bodyViolations(of: answer, response)
    }

    private func headerViolations(of answer: SpecAnswer, _ response: Response) -> [SchemaViolation] {
        response.headers.flatMap { header -> [SchemaViolation] in
            let place = "(header \(header.name))"
            guard let value = answer.header(header.name) else {
                return header.isRequired ? [SchemaViolation(place, "is missing")] : []
            }
            return violations(of: .string(value), against: header.schema).map {
                SchemaViolation(place, $0.detail)
            }
        }
    }

    private func yaml(_ body: [UInt8]) throws -> JSON {
        guard let node = try Yams.compose(yaml: String(decoding: body, as: UTF8.self)) else {
            throw SpecError("the body is empty")
        }
        return try JSON(yaml: node)
    }

    private func bodyViolations(of answer: SpecAnswer, _ response: Response) -> [SchemaViolation] {
        guard !response.content.isEmpty else {
            return answer.body.isEmpty
                ? [] : [SchemaViolation("", "has a body, and \(answer.status) has none")]
        }
        guard let mediaType = answer.mediaType else { return [SchemaViolation("", "has no Content-Type")] }
        guard let content = response.content[mediaType] else {
            return [SchemaViolation("", "is \(mediaType), not \(response.content.keys.sorted())")]
        }
        if mediaType.hasPrefix("text/") || mediaType == "application/x-ndjson" {
            guard let text = String(validating: answer.body, as: UTF8.self) else {
                return [SchemaViolation("", "is not UTF-8")]
            }
            return violations(of: .string(text), against: content.schema, mode: .answer)
        }
        do {
            let value =
                mediaType == "application/yaml" ? try yaml(answer.body) : try JSON(parsing: answer.body)
            return violations(of: value, against: content.schema, mode: .answer)
        } catch {
            return [SchemaViolation("", "\(error)")]
        }
    }
}
