import Domain
import Native

/// The JSON of a message: what a webhook gets. Names and spellings are those of the API.
enum MessageJSON {
    /// `{"type": ..., "timestamp": ..., "data": {...}}`, without anything that depends on when it is sent.
    static func body(_ message: OutboundMessage, title: String, text: String) -> [UInt8] {
        JSONWriter.encode(capacity: 2_048) { writer in
            writer.object { json in
                json.field("type", type(of: message))
                json.field("timestamp", time(of: message.message).description)
                json.key("data")
                json.object { data in
                    switch message.message {
                    case .alert(let news):
                        write(news, to: &data)
                        data.field("is_first_word", message.isFirstWord)
                    case .digest(let digest): write(digest, to: &data)
                    }
                    data.key("supersedes")
                    data.array { ids in for id in message.supersedes { ids.value(id.description) } }
                    data.field("is_test", message.isTest)
                    data.field("message_title", title)
                    data.field("message_text", text)
                }
            }
        }
    }

    private static func type(of message: OutboundMessage) -> String {
        if message.isTest { return "notifier.test" }
        return switch message.message {
        case .alert(let news): "alert." + news.change.name
        case .digest: "alert.digest"
        }
    }

    private static func time(of message: Message) -> UnixTime {
        switch message {
        case .alert(let news): news.at
        case .digest(let digest): digest.until
        }
    }

    private static func write(_ news: AlertNews, to json: inout JSONWriter) {
        json.field("change", news.change.name)
        json.field("account_id", news.account.id.description)
        json.field("account_name", utf8: news.account.name.bytes)
        json.field("channel_id", news.channel.id.description)
        json.field("channel_name", utf8: news.channel.name.bytes)
        json.field("integration_id", news.integration.id.description)
        json.field("integration_name", utf8: news.integration.name.bytes)
        json.field("alert_id", news.alertID.description)
        json.field("event_id", news.eventID?.description)
        json.field("alert_key", utf8: news.alertKey.bytes)
        json.field("title", utf8: news.title.bytes)
        json.field("description", utf8: news.description.bytes)
        json.field("link", utf8: news.link?.bytes)
        json.field("external_url", utf8: news.addresses.external?.bytes)
        json.field("generator_url", utf8: news.addresses.generator?.bytes)
        json.field("severity", news.severity.name)
        json.field("max_severity", news.maxSeverity.name)
        json.field("status", news.status)
        news.labels.write(to: &json, as: "labels")
        news.annotations.write(to: &json, as: "annotations")
        json.field("first_seen_at", news.firstSeenAt.description)
        json.field("last_seen_at", news.lastSeenAt.description)
        json.field("ended_at", news.endedAt?.description)
        json.field("starts_at", news.startsAt?.description)
        json.field("ends_at", news.endsAt?.description)
        json.field("event_count", news.eventCount)
        json.field("url", news.url)
    }

    private static func write(_ digest: Digest, to json: inout JSONWriter) {
        json.field("account_id", digest.account.id.description)
        json.field("account_name", utf8: digest.account.name.bytes)
        json.field("channel_id", digest.channel.id.description)
        json.field("channel_name", utf8: digest.channel.name.bytes)
        json.field("since", digest.since.description)
        json.field("until", digest.until.description)
        json.field("changes", digest.changes)
        json.field("alerts", digest.alerts)
        json.key("counts")
        json.array { array in
            for count in digest.counts {
                array.object { object in
                    object.field("change", count.change.name)
                    object.field("severity", count.severity.name)
                    object.field("alerts", count.alerts)
                }
            }
        }
        json.key("titles")
        json.array { array in
            for title in digest.titles {
                array.object { object in
                    object.field("title", utf8: title.title.bytes)
                    object.field("severity", title.severity.name)
                    object.field("alerts", title.alerts)
                }
            }
        }
        json.key("alert_ids")
        json.array { array in for id in digest.alertIDs { array.value(id.description) } }
        json.field("url", digest.url)
    }
}
