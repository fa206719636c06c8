/// Bodies in the form in which ARMS sends them, with made-up values.
package enum ARMS {
    /// One alert of a group.
    package struct Alert: Sendable {
        package var key: String?
        package var severity: String?
        package var status = "firing"
        package var startsAt = "2026-11-20T08:00:00.000000000Z"
        package var endsAt = "0001-01-01T00:00:00Z"
        package var labels: [(String, String)] = [("alertname", "容器CPU使用率大于80%"), ("namespace", "shop")]
        package var message = "命名空间 shop CPU 使用率超过 80%"

        package init(
            _ key: String?,
            _ severity: String? = "error",
            status: String = "firing",
            startsAt: String = "2026-11-20T08:00:00.000000000Z",
            endsAt: String = "0001-01-01T00:00:00Z",
            labels: [(String, String)] = [("alertname", "容器CPU使用率大于80%"), ("namespace", "shop")]
        ) {
            self.key = key
            self.severity = severity
            self.status = status
            self.startsAt = startsAt
            self.endsAt = endsAt
            self.labels = labels
        }

        var json: JSON {
            var labels: [String: JSON] = [:]
            for (name, value) in self.labels { labels[name] = .string(value) }
            if let severity { labels["severity"] = .string(severity) }
            var alert: [String: JSON] = [
                "status": .string(status), "labels": .object(labels),
                "annotations": ["message": .string(message)],
                "startsAt": .string(startsAt), "endsAt": .string(endsAt),
            ]
            if let key { alert["fingerprint"] = .string(key) }
            return .object(alert)
        }
    }

    /// A whole body.
    package static func body(_ alerts: [Alert]) -> [UInt8] {
        let json: JSON = [
            "status": .string(alerts.first?.status ?? "firing"), "receiver": "tocsin",
            "externalURL": "https://alerts.console.aliyun.com/#/alarm/alert/detail/1",
            "groupLabels": .object([:]),
            "commonLabels": .object([:]), "commonAnnotations": .object([:]),
            "alerts": .array(alerts.map(\.json)),
        ]
        return json.bytes
    }
}
