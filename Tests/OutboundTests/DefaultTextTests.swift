import Domain
import Outbound
import Testing

@Suite("Default texts")
struct DefaultTextTests {
    @Test("an alert in English, as Slack gets it")
    func slack() async throws {
        try await withSender { sender in
            let rendered = sender.preview(message(), kind: .slack, template: english).rendered
            #expect(rendered.title == "[Critical] CPU high on web-1")
            let expected = """
                *Severity*: Critical
                *Channel*: Payments
                *Source*: ARMS prod
                *Since*: 2026-01-01T00:00:00+00:00
                *Lasts*: 12m
                *Events*: 3
                *Labels*: host=web-1, k8s.pod=web-1-x

                CPU is at 97 % for 5 minutes.

                <https://grafana.example/d/1?var=a&amp;b=%28c%29|Source>
                """
            #expect(rendered.text == expected)
        }
    }

    @Test("a recovery in Chinese, as a mail")
    func chineseMail() async throws {
        try await withSender { sender in
            let rendered = sender.preview(message(news(.recovered)), kind: .email, template: chinese).rendered
            #expect(rendered.title == "[已恢复] CPU high on web-1")
            let expected = """
                级别：严重 → Ok
                协作空间：Payments
                集成：ARMS prod
                开始时间：2026-01-01T00:00:00+00:00
                结束时间：2026-01-01T00:12:05+00:00
                持续：12分钟
                事件数：3
                标签：host=web-1, k8s.pod=web-1-x

                CPU is at 97 % for 5 minutes.

                来源：https://grafana.example/d/1?var=a&b=%28c%29
                """
            #expect(rendered.text == expected)
        }
    }

    @Test("a digest")
    func digest() async throws {
        try await withSender { sender in
            let rendered = sender.preview(OutboundTests.digest(), kind: .feishu, template: english).rendered
            #expect(rendered.title == "[Digest] Payments: 40 changes of 23 alerts")
            let expected = """
                **Channel**: Payments
                **From**: 2026-01-01T00:00:00+00:00
                **To**: 2026-01-01T00:01:00+00:00
                **Latest states**
                - Opened · Critical: 21
                - Recovered · Warning: 2

                **Most frequent**
                - 20 × [Critical] Disk full 0
                - 19 × [Critical] Disk full 1
                """
            #expect(Text(rendered.text).trimmed.string == expected)
        }
    }

    @Test(
        "every kind, language and change gives a title, a text and no problem",
        arguments: Notifier.Kind.allCases
    )
    func all(kind: Notifier.Kind) async throws {
        try await withSender { sender in
            for template in [english, chinese] {
                for change in AlertChange.allCases {
                    let rendered = sender.preview(message(news(change)), kind: kind, template: template)
                        .rendered
                    #expect(
                        rendered.problem == nil && rendered.title.contains("CPU high")
                            && rendered.text.contains("grafana.example") && !rendered.text.contains("/v1/")
                    )
                    #expect(!rendered.text.contains("{{"))
                }
                let rendered = sender.preview(OutboundTests.digest(titles: 0), kind: kind, template: template)
                    .rendered
                #expect(
                    rendered.problem == nil && rendered.title.contains("23") && !rendered.text.contains("{{")
                )
            }
        }
    }

    @Test("times are the sender's where it gave them; the end of what nobody had heard of says both")
    func sendersTimes() async throws {
        func told(_ startsAt: Int64?, _ endsAt: Int64?) -> AlertNews {
            news(
                .recovered,
                title: "t",
                startsAt: startsAt.map { newYear.adding(seconds: $0) },
                endsAt: endsAt.map { newYear.adding(seconds: $0) }
            )
        }
        try await withSender { sender in
            let text = template("{{starts_at}} {{ends_at}} {{duration}} {{first_seen_at}} {{ended_at}}")
            for (startsAt, endsAt, expected) in [
                (-7_200, -600, "2025-12-31T22:00:00+00:00 2025-12-31T23:50:00+00:00 1h 50m"),
                (nil, nil, "2026-01-01T00:00:00+00:00 2026-01-01T00:12:05+00:00 12m"),
                (-7_200, nil, "2025-12-31T22:00:00+00:00 2026-01-01T00:12:05+00:00 12m"),
                (nil, -600, "2026-01-01T00:00:00+00:00 2025-12-31T23:50:00+00:00 12m"),
            ] as [(Int64?, Int64?, String)] {
                let rendered = sender.preview(message(told(startsAt, endsAt)), kind: .email, template: text)
                    .rendered
                let receipt = " 2026-01-01T00:00:00+00:00 2026-01-01T00:12:05+00:00"
                #expect(rendered.text == expected + receipt)
            }
            for (template, title) in [(english, "[Fired and recovered] t"), (chinese, "[曾触发，已恢复] t")] {
                let first = OutboundMessage(
                    id: NotificationID(high: 5 << 16, low: 9),
                    message: .alert(told(-7_200, -600)),
                    supersedes: [NotificationID(high: 5 << 16, low: 8)],
                    isFirstWord: true
                )
                let rendered = sender.preview(first, kind: .slack, template: template).rendered
                #expect(rendered.title == title)
                #expect(rendered.text.contains("2025-12-31T22:00:00") && rendered.text.contains("23:50:00"))
            }
        }
    }

    @Test(
        "durations",
        arguments: [
            (0, "0s", "0秒"), (59, "59s", "59秒"), (60, "1m", "1分钟"), (3_599, "59m", "59分钟"),
            (3_600, "1h", "1小时"),
            (3_700, "1h 1m", "1小时1分钟"), (90_000, "1d 1h", "1天1小时"), (172_800, "2d", "2天"), (-5, "0s", "0秒"),
        ] as [(Int64, String, String)]
    )
    func durations(seconds: Int64, english: String, chinese: String) async throws {
        let news = news(firstSeenAt: newYear.adding(seconds: 725 - seconds))
        try await withSender { sender in
            let source = MessageTemplate(language: .english, title: nil, text: "{{duration}}")
            #expect(sender.preview(message(news), kind: .email, template: source).rendered.text == english)
            let other = MessageTemplate(language: .chinese, title: nil, text: "{{duration}}")
            #expect(sender.preview(message(news), kind: .email, template: other).rendered.text == chinese)
        }
    }

    @Test(
        "times are local, with their offset",
        arguments: [(28_800, "2026-01-01T08:12:05+08:00"), (-16_200, "2025-12-31T19:42:05-04:30")]
    )
    func localTime(offset: Int, text: String) {
        let renderer = Renderer(offset: { _ in offset })
        #expect(renderer.render(message(), kind: .email, template: template("{{time}}")).text == text)
    }
}
