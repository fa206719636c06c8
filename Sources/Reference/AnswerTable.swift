extension Page {
    /// Writes the answers of an operation by status, then what they look like.
    func answers(of operation: SpecDocument.Operation, to html: inout HTML) {
        let kind = kind(of: operation)
        // The default is what any operation may answer: told of once.
        let answers = (operation.value["responses"]?.members ?? []).filter {
            kind == nil || $0.key != "default"
        }
        .map { (status: $0.key, answer: document.resolved($0.value)) }
        html.element("h4", text: "Answers")
        answerTable(answers, label: "Answers of \(operation.id)", to: &html)
        if let kind {
            let own = Set(answers.map(\.status))
            let common = (document.root["x-common-responses"]?[kind]?.members ?? []).map(\.key).filter {
                !own.contains($0)
            }
            html.element("p", ["class": "rules"]) { line in
                line.write("Besides, as any operation of its kind: ")
                line.element("a", ["href": "#common-\(kind)"], text: common.joined(separator: ", "))
            }
        }
        for (status, answer) in answers where status.hasPrefix("2") {
            for (type, media) in answer["content"]?.members ?? [] {
                examples(of: media, title: "Answer \(status)", type: type, to: &html)
            }
        }
    }

    /// Examples of a body: each is opened by who wants to see it.
    func examples(of media: SpecValue, title: String, type: String, to html: inout HTML) {
        for (name, example) in media["examples"]?.members ?? [] {
            let example = document.resolved(example)
            guard let value = example["value"] else { continue }
            html.element("details") { details in
                details.element("summary") { summary in
                    summary.write("\(title): \(name)")
                    if let text = example["summary"]?.string {
                        summary.write(". ")
                        writeWords(of: text, to: &summary)
                    }
                    if type != "application/json" { summary.element("small", text: type) }
                }
                details.element("pre") {
                    $0.element("code", text: ExampleText.body(value))
                }
            }
        }
    }

    /// What any operation of a kind may answer (`x-common-responses`), each kind once.
    func commonAnswers(_ html: inout HTML) {
        for (kind, answers) in document.root["x-common-responses"]?.members ?? [] {
            html.element("h3", ["id": "common-\(kind)"], text: "Any operation: \(kind)")
            let rows = answers.members.map { (status: $0.key, answer: document.resolved($0.value)) }
            answerTable(rows, label: "Answers of any operation: \(kind)", to: &html)
        }
        let parameters = (document.operations.first?.parameters ?? []).filter {
            commonHeaders.contains($0["name"]?.string ?? "")
        }
        guard !parameters.isEmpty else { return }
        html.element("h3", text: "Any operation takes")
        parameterTable(parameters, label: "Parameters of any operation", to: &html)
    }

    /// How each kind of credential is sent.
    func credentials(_ html: inout HTML) {
        html.element("h2", ["id": "credentials"], text: "Credentials")
        html.element("dl") { list in
            for (name, scheme) in document.root["components"]?["securitySchemes"]?.members ?? [] {
                list.element("dt") { $0.element("code", text: name) }
                list.element("dd") { item in
                    write(scheme["description"]?.string ?? "", to: &item)
                    guard let place = scheme["in"]?.string, let field = scheme["name"]?.string else { return }
                    item.element("p") { write(line: "In the \(place) `\(field)`.", to: &$0) }
                }
            }
        }
    }

    /// The name in `x-common-responses` of what the operation may answer besides; nil for what is sent to others.
    private func kind(of operation: SpecDocument.Operation) -> String? {
        switch operation.value["x-required-role"]?.string {
        case nil: nil
        case "none": "probe"
        case "push": "push"
        default: "management"
        }
    }

    private func answerTable(
        _ answers: [(status: String, answer: SpecValue)],
        label: String,
        to html: inout HTML
    ) {
        scrolling(to: &html) { html in
            html.element("table", ["class": "answers", "aria-label": label]) { table in
                table.markup(
                    "<thead><tr><th scope=\"col\">Status</th><th scope=\"col\">Meaning</th><th scope=\"col\">Body</th></tr></thead>"
                )
                table.element("tbody") { body in
                    for (status, answer) in answers { row(status, answer, to: &body) }
                }
            }
        }
    }

    private func row(_ status: String, _ answer: SpecValue, to html: inout HTML) {
        html.element("tr") { row in
            row.element("th", ["scope": "row", "class": "status s\(status.prefix(1))"], text: status)
            row.element("td") { cell in
                write(answer["description"]?.string ?? "", to: &cell)
                let codes = codes(in: answer)
                let headers = (answer["headers"]?.members ?? []).map(\.key).filter {
                    !commonHeaders.contains($0)
                }
                guard !codes.isEmpty || !headers.isEmpty else { return }
                let words =
                    codes.map { "code `\($0)`" } + (headers.isEmpty ? [] : ["with " + list(headers)])
                cell.element("p", ["class": "rules"]) {
                    write(line: words.joined(separator: ", "), to: &$0)
                }
            }
            row.element("td", ["class": "type"]) { bodies(of: answer, to: &$0) }
        }
    }

    private func list(_ names: [String]) -> String { names.map { "`\($0)`" }.joined(separator: ", ") }

    private func bodies(of answer: SpecValue, to html: inout HTML) {
        for (number, (name, media)) in (answer["content"]?.members ?? []).enumerated() {
            if number > 0 { html.open("br") }
            type(media["schema"] ?? .null, to: &html)
            if name != "application/json", name != "application/problem+json" {
                html.element("small", text: name)
            }
        }
    }

    /// The codes of errors that an answer's examples show, each once.
    private func codes(in answer: SpecValue) -> [String] {
        var codes: [String] = []
        for (_, media) in answer["content"]?.members ?? [] {
            for (_, example) in media["examples"]?.members ?? [] {
                let value = document.resolved(example)["value"]
                let isProblem = value?["request_id"] != nil
                guard isProblem, let code = (value?["code"] ?? value?["error"]?["code"])?.string,
                    !codes.contains(code)
                else { continue }
                codes.append(code)
            }
        }
        return codes
    }
}
