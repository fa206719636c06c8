import Domain
import Native
import Outbound
import Storage
import Web

/// Reads notifiers from bodies.
struct NotifierFields {
    let sender: Sender

    /// A new notifier. nil: errors were noted.
    func draft(_ fields: Fields) -> NotifierStore.Draft? {
        let name = fields.required("name") { $0.name() }
        let kind = fields.required("kind") { $0.word(Notifier.Kind.self) }
        let settings = fields.required("settings") { field in kind.flatMap { self.settings(field, of: $0) } }
        let status = fields.optional("status", or: Enablement.enabled) { $0.word(Enablement.self) }
        let conditions = fields.optional("conditions", or: []) { $0.conditions(allowsStatus: true) }
        let changes = fields.optional("changes", or: Set(AlertChange.allCases)) { $0.changes() }
        let template = fields.optional("template", or: MessageTemplate.standard) { field in
            field.object { $0.template { $0.checkedTemplate() } }
        }
        let stormLimit = fields.optional("storm_limit", or: Int64(Notifier.standardStormLimit)) {
            $0.integer(in: Notifier.stormLimits)
        }
        let externalID = fields.nullable("external_id") { $0.text() }
        let labels = fields.optional("labels", or: Labels()) { $0.labels() }
        guard let name, let settings, let status, let conditions, let changes, let template, let stormLimit,
            let labels
        else { return nil }
        return NotifierStore.Draft(
            name: name,
            status: status,
            conditions: conditions,
            changes: changes,
            template: template,
            stormLimit: Int(stormLimit),
            settings: settings,
            externalID: externalID,
            labels: labels
        )
    }

    /// What a PATCH changes of a notifier of `kind`.
    func patch(_ fields: Fields, of kind: Notifier.Kind) -> NotifierStore.Patch? {
        let template = fields.changed("template") { $0.templateChange() }
        return NotifierStore.Patch(
            name: fields.changed("name") { $0.name() },
            status: fields.changed("status") { $0.word(Enablement.self) },
            conditions: fields.changed("conditions") { $0.conditions(allowsStatus: true) },
            changes: fields.changed("changes") { $0.changes() },
            language: template?.language,
            titleTemplate: template?.title ?? .keep,
            textTemplate: template?.text ?? .keep,
            stormLimit: fields.changed("storm_limit") {
                $0.integer(in: Notifier.stormLimits).map { Int($0) }
            },
            settings: fields.changed("settings") { self.settings($0, of: kind) },
            externalID: fields.clearable("external_id") { $0.text() },
            labels: fields.changed("labels") { $0.labels() }
        )
    }

    /// Settings that may be sent by: of the right form, and to where messages may go.
    private func settings(_ field: Field, of kind: Notifier.Kind) -> NotifierSettings? {
        guard let settings = field.object({ $0.settings(of: kind) }) else { return nil }
        for error in sender.check(settings) {
            field.errors.add(field.pointer + Self.place(of: error, in: settings), error.detail)
        }
        return settings
    }

    /// Where an error of the sender's stands in a body. There headers are the members of an object: `/headers/0/name` is `/headers/NAME`.
    private static func place(of error: FieldError, in settings: NotifierSettings) -> String {
        let parts = error.pointer.split(separator: "/")
        guard case .webhook(_, let headers, _) = settings, parts.first == "headers", parts.count > 1,
            let index = Int(parts[1]), headers.indices.contains(index)
        else { return error.pointer }
        return "/headers/" + Fields.escaped(headers[index].name.string)
    }
}

extension MessageTemplate {
    /// The defaults, in English.
    static let standard = MessageTemplate(language: .english, title: nil, text: nil)
}

extension Fields {
    /// A template of which every field may be absent; its texts are read by `read`.
    func template(_ read: (Field) -> Text?) -> MessageTemplate? {
        let language = optional("language", or: MessageTemplate.Language.english) {
            $0.word(MessageTemplate.Language.self)
        }
        let title = nullable("title", read)
        let text = nullable("text", read)
        return language.map { MessageTemplate(language: $0, title: title, text: text) }
    }

    fileprivate func settings(of kind: Notifier.Kind) -> NotifierSettings? {
        switch kind {
        case .webhook: webhook()
        case .dingtalk: robot { .dingtalk(url: $0, secret: $1) }
        case .feishu: robot { .feishu(url: $0, secret: $1) }
        case .wecom: required("url") { $0.endpointURL() }.map { .wecom(url: $0) }
        case .slack: required("url") { $0.endpointURL() }.map { .slack(url: $0) }
        case .email: mail()
        }
    }

    private func webhook() -> NotifierSettings? {
        let url = required("url") { $0.endpointURL() }
        let headers = optional("headers", or: []) { $0.headers() }
        guard let url, let headers else { return nil }
        return .webhook(url: url, headers: headers, secrets: [])
    }

    private func robot(_ make: (EndpointURL, Text?) -> NotifierSettings) -> NotifierSettings? {
        let url = required("url") { $0.endpointURL() }
        let secret = nullable("secret") { $0.text() }
        return url.map { make($0, secret) }
    }

    private func mail() -> NotifierSettings? {
        let host = required("host") { $0.text() }
        let port = required("port") { $0.integer(in: 1...65_535) }
        let security = required("security") { $0.word(NotifierSettings.Mail.Security.self) }
        let username = nullable("username") { $0.text() }
        let password = nullable("password") { $0.text(bytes: 512) }
        let from = required("from") { $0.text(bytes: 320) }
        let to = required("to") { $0.array(count: 1...20) { $0.text(bytes: 320) } }
        if username == nil, password != nil { refuse("username", "is required with a password") }
        if username != nil, password == nil { refuse("password", "is required with a username") }
        guard let host, let port, let security, let from, let to else { return nil }
        var login: NotifierSettings.Login?
        if let username, let password { login = NotifierSettings.Login(name: username, password: password) }
        return .email(
            NotifierSettings.Mail(
                host: host,
                port: Int(port),
                security: security,
                login: login,
                from: from,
                to: to
            )
        )
    }
}

/// What a PATCH says of a template.
private struct TemplateChange {
    let language: MessageTemplate.Language?
    let title: Change<Text>
    let text: Change<Text>
}

extension Field {
    /// Which changes of alerts a notifier hears of: at least one, each once.
    fileprivate func changes() -> Set<AlertChange>? {
        var seen: Set<AlertChange> = []
        let words = AlertChange.allCases.map(\.name)
        let list = array(count: 1...words.count) { field -> AlertChange? in
            guard let change = field.word(of: words, { AlertChange(name: $0) }) else { return nil }
            return seen.insert(change).inserted ? change : field.refuse("is in the list already")
        }
        return list.map { Set($0) }
    }

    /// The text of a template that can be used.
    fileprivate func checkedTemplate() -> Text? {
        guard let text = templateText() else { return nil }
        return Template.problem(in: text).map { refuse($0) } ?? text
    }

    /// The text of a template.
    func templateText() -> Text? { text(bytes: MessageTemplate.maximumBytes) }

    fileprivate func templateChange() -> TemplateChange? {
        object { fields in
            TemplateChange(
                language: fields.changed("language") { $0.word(MessageTemplate.Language.self) },
                title: fields.clearable("title") { $0.checkedTemplate() },
                text: fields.clearable("text") { $0.checkedTemplate() }
            )
        }
    }

    fileprivate func endpointURL() -> EndpointURL? {
        guard let text = text(bytes: EndpointURL.maximumBytes) else { return nil }
        do { return try EndpointURL(text) } catch { return refuse(error.detail) }
    }

    /// Headers of the owner's own, at most 20. Which names and values may be sent is for the sender to say.
    fileprivate func headers() -> [NotifierSettings.Header]? {
        guard json.isObject else { return refuse("must be an object of strings") }
        guard json.elementCount <= 20 else { return refuse("must have at most 20 headers") }
        var headers: [NotifierSettings.Header] = []
        var isBad = false
        for (name, value) in json.members {
            let place = Field(json: value, pointer: pointer + "/" + Fields.escaped(name.text), errors: errors)
            guard (1...128).contains(name.count), !name.bytes.contains(0) else {
                errors.add(place.pointer, "a header's name must have 1 to 128 bytes")
                isBad = true
                continue
            }
            guard let text = place.text(bytes: 2_048, allowEmpty: true) else {
                isBad = true
                continue
            }
            headers.append(NotifierSettings.Header(name: Text(trusted: name.bytes), value: text))
        }
        return isBad ? nil : headers
    }
}
