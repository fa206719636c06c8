import Domain

/// How notifiers become others.
extension Notifier {
    /// The same after a PATCH. Enabling one forgets why it was disabled.
    func changed(by patch: NotifierStore.Patch, at now: UnixTime) -> Notifier {
        Notifier(
            id: id,
            channelID: channelID,
            name: patch.name ?? name,
            status: patch.status ?? status,
            disabledReason: patch.status == nil ? disabledReason : nil,
            conditions: patch.conditions ?? conditions,
            changes: patch.changes ?? changes,
            template: MessageTemplate(
                language: patch.language ?? template.language,
                title: patch.titleTemplate.applied(to: template.title),
                text: patch.textTemplate.applied(to: template.text)
            ),
            stormLimit: patch.stormLimit ?? stormLimit,
            settings: patch.settings?.signed(by: settings.signingSecrets) ?? settings,
            metadata: metadata.changed(externalID: patch.externalID, labels: patch.labels, at: now)
        )
    }

    /// The same with other settings or, disabled, with a reason.
    func changed(
        settings: (any NotifierSettings)? = nil,
        disabled reason: DisabledReason? = nil,
        at now: UnixTime
    ) -> Notifier {
        Notifier(
            id: id,
            channelID: channelID,
            name: name,
            status: reason == nil ? status : .disabled,
            disabledReason: reason ?? disabledReason,
            conditions: conditions,
            changes: changes,
            template: template,
            stormLimit: stormLimit,
            settings: settings ?? self.settings,
            metadata: metadata.changed(externalID: .keep, labels: nil, at: now)
        )
    }
}
