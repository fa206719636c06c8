import Domain
import Native

/// `aliyun-arms`: Alibaba Cloud ARMS, whose webhook template `$alertmanager_content` is rendered as an Alertmanager body.
///
/// - The console's test button does not substitute the placeholder: a body that holds it and no alerts is a test.
/// - The content type is `text/plain` unless the user changes it: the body decides.
/// - P1..P4 are display names. The `severity` label says `critical` (P1), `error` (P2), `warning` (P3), `page` (P4), `default` (P6);
///   some paths send P1..P6 or `info`. `_aliyun_arms_alert_level` speaks a third language and may disagree: a fallback only.
struct ARMSFormat: PushFormat {
    static let placeholder = Array("$alertmanager_content".utf8)

    let type = IntegrationType("aliyun-arms")
    let severities = SeverityVocabulary(
        defaultTable: SeverityTable(
            entries: [
                .init(level: "P1", severity: .critical), .init(level: "P2", severity: .warning),
                .init(level: "P3", severity: .warning), .init(level: "P4", severity: .info),
                .init(level: "P5", severity: .info), .init(level: "P6", severity: .info),
            ],
            fallback: .warning
        ),
        aliases: [
            "critical": "p1", "error": "p2", "warning": "p3", "warn": "p3", "page": "p4", "info": "p4",
            "default": "p6",
        ]
    )

    private let reader = AlertmanagerReader(
        severityLabels: ["severity", "_aliyun_arms_alert_level", "priority", "level"])

    func decode(_ body: [UInt8], contentType: Text?) throws(DecodeError) -> DecodedDelivery {
        let text = PushText(body, contentType: contentType)
        do {
            return .events(try reader.events(in: text))
        } catch {
            if error != .tooManyAlerts, text.bytes.holds(ARMSFormat.placeholder) { return .test }
            throw error
        }
    }
}

extension [UInt8] {
    /// Whether `part`, which is not empty, occurs in it.
    fileprivate func holds(_ part: [UInt8]) -> Bool {
        guard let first = part.first, count >= part.count else { return false }
        return indices.dropLast(part.count - 1).contains { index in
            self[index] == first && self[index..<index + part.count].elementsEqual(part)
        }
    }
}
