import Domain
import Native

/// Tocsin's own troubles in the form of type `standard`.
enum HealthBody {
    static func encode(began: [HealthAlertStore.Trouble], over: [Text]) -> [UInt8] {
        JSONWriter.encode { writer in
            writer.array { list in
                for trouble in began { list.object { write(trouble, to: &$0) } }
                for key in over {
                    list.object { object in
                        object.field("title_rule", "Over")
                        object.field("event_status", okStatus)
                        object.field("alert_key", utf8: key.bytes)
                    }
                }
            }
        }
    }

    private static func write(_ trouble: HealthAlertStore.Trouble, to object: inout JSONWriter) {
        object.field("title_rule", utf8: trouble.title.bytes)
        object.field("event_status", trouble.severity.name)
        object.field("alert_key", utf8: trouble.key.bytes)
        object.field("description", utf8: trouble.description.bytes)
        object.object("labels") { labels in
            for (name, value) in trouble.labels { labels.field(name, utf8: value.bytes) }
        }
    }
}
