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
        let kind = fields.required("kind") { $0.kind(of: sender.kinds) }
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

    /// What a PATCH changes of a notifier with these settings.
    func patch(_ fields: Fields, of old: any NotifierSettings) -> NotifierStore.Patch? {
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
            settings: fields.changed("settings") { self.settings($0, of: type(of: old)) },
            externalID: fields.clearable("external_id") { $0.text() },
            labels: fields.changed("labels") { $0.labels() }
        )
    }

    /// Settings that may be sent by: of the right form, and to where messages may go.
    private func settings(
        _ field: Field,
        of kind: any NotifierSettings.Type
    ) -> (any NotifierSettings)? {
        guard let settings = field.object({ kind.init($0) as (any NotifierSettings)? }) else { return nil }
        for error in sender.check(settings) { field.errors.add(field.pointer + error.pointer, error.detail) }
        return settings
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
}

/// What a PATCH says of a template.
private struct TemplateChange {
    let language: MessageTemplate.Language?
    let title: Change<Text>
    let text: Change<Text>
}

extension Field {
    /// The name of a kind of receivers.
    func kind(of kinds: [any NotifierKind.Type]) -> (any NotifierKind.Type)? {
        word(of: kinds.map { $0.kind.name }) { name in kinds.first { $0.kind.name == name } }
    }

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
}
