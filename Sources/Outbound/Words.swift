import Domain

/// The words of the default texts in one language.
struct Words: Sendable {
    let language: MessageTemplate.Language

    func severity(_ severity: Severity) -> String {
        guard language == .chinese else { return severity.name }
        return switch severity {
        case .critical: "严重"
        case .warning: "警告"
        case .info: "提示"
        }
    }

    func change(_ change: AlertChange) -> String {
        switch (language, change) {
        case (.english, .opened): "Opened"
        case (.english, .updated): "Updated"
        case (.english, .recovered): "Recovered"
        case (.english, .closed): "Closed"
        case (.chinese, .opened): "触发"
        case (.chinese, .updated): "更新"
        case (.chinese, .recovered): "已恢复"
        case (.chinese, .closed): "已关闭"
        }
    }

    /// Of the end of an alert whose firing could not be told.
    func firstWord(_ change: AlertChange) -> String {
        switch (language, change) {
        case (.chinese, .closed): "曾触发，已关闭"
        case (.chinese, _): "曾触发，已恢复"
        case (.english, .closed): "Fired and closed"
        case (.english, _): "Fired and recovered"
        }
    }

    /// `45s`, `12m`, `3h 5m`, `2d 4h`; never negative.
    func duration(milliseconds: Int64) -> String {
        let seconds = max(0, milliseconds / 1_000)
        let units = language == .chinese ? ["天", "小时", "分钟", "秒"] : ["d", "h", "m", "s"]
        let parts = [seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60]
        let first = parts.firstIndex { $0 > 0 } ?? 3
        var text = "\(parts[first])\(units[first])"
        // Seconds beside minutes are noise.
        if first < 2, parts[first + 1] > 0 {
            text += (language == .chinese ? "" : " ") + "\(parts[first + 1])\(units[first + 1])"
        }
        return text
    }

    /// What goes before the title of a test.
    var testMark: String { language == .chinese ? "[测试] " : "[Test] " }

    /// What goes before the text of a test.
    var testNote: String {
        language == .chinese
            ? "这只是一条测试消息，用于检查通知是否可用，并没有发生告警。"
            : "This is only a test of this notifier: nothing has happened."
    }

    /// What stands below a text that was cut. `address`: a page where people find more; nil: there is none.
    func cutLine(_ address: String?) -> String {
        guard let address else { return language == .chinese ? "（已截断）" : "(cut)" }
        return language == .chinese ? "（已截断，更多：\(address)）" : "(cut; more: \(address))"
    }
}

/// A moment in the local time of the machine, with its offset: `2026-11-20T15:18:15+08:00`.
struct LocalTime: Sendable {
    /// Seconds ahead of UTC at a moment.
    let offset: @Sendable (UnixTime) -> Int

    func text(_ time: UnixTime) -> String {
        let seconds = offset(time)
        let local = time.adding(seconds: Int64(seconds)).description.prefix(19)
        let minutes = abs(seconds) / 60
        let parts = [minutes / 60, minutes % 60].map { ($0 < 10 ? "0" : "") + String($0) }
        return local + (seconds < 0 ? "-" : "+") + parts.joined(separator: ":")
    }
}
