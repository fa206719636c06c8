import Domain
import Testing

@Suite("AlertFold")
struct AlertFoldTests {
    @Test("from firing to recovery and again")
    func life() {
        var timeline = Timeline()
        let outcomes = [
            timeline.fire(at: 0), timeline.fire(at: 30), timeline.fire(at: 60, .critical),
            timeline.recover(at: 90),
            timeline.recover(at: 91), timeline.fire(at: 100), timeline.fire(at: 151),
            timeline.recover(at: 160),
        ].map(\.outcome)
        #expect(
            outcomes == [
                .opened, .duplicate, .updated, .recovered, .duplicate, .ignored, .opened, .recovered,
            ]
        )
    }

    @Test("the recovery of a key never seen is ignored")
    func neverSeen() {
        var timeline = Timeline()
        timeline.fire("disk", at: 0)
        let outcome = timeline.recover("cpu", at: 1, startsAt: nil)
        #expect(outcome == EventOutcome(channels: [], whenEmpty: .neverSeen))
        #expect(timeline.saved.isEmpty)
        #expect(timeline.early.isEmpty)
    }

    @Test(
        "a firing whose recovery came up to five minutes before it is over at once, in every channel",
        arguments: [(0, true), (300, true), (301, false)] as [(Int64, Bool)]
    )
    func earlyRecovery(wait: Int64, isOver: Bool) {
        var timeline = Timeline()
        let first = timeline.recover("cpu", at: 10, startsAt: 5, endsAt: 9)
        #expect(first == EventOutcome(channels: [], whenEmpty: .remembered))
        #expect(timeline.saved.isEmpty)
        let outcome = timeline.fire("cpu", at: 10 + wait, to: [1, 2], startsAt: 5)
        #expect(outcome.channels.map(\.outcome) == [.opened, .opened])
        #expect(outcome.channels.map(\.reason).allSatisfy { $0 == (isOver ? .endedBefore : .noOpenAlert) })
        #expect(timeline.alerts.map(\.isOpen) == [!isOver, !isOver])
        #expect(timeline.alerts.map(\.endsAt) == (isOver ? [at(9), at(9)] : [nil, nil]))
    }

    @Test(
        "no other firing is ended by it",
        arguments: [("cpu", 6, 1), ("cpu", nil, 1), ("disk", 5, 1), ("cpu", 5, 2)] as [(Text, Int64?, UInt64)]
    )
    func otherFirings(key: Text, startsAt: Int64?, number: UInt64) {
        var timeline = Timeline()
        timeline.recover("cpu", at: 10, startsAt: 5, from: 1)
        let firing = event(key, startsAt: startsAt)
        timeline.deliver([(firing, .warning, [1])], at: 11, from: number)
        #expect(timeline.alerts.map(\.isOpen) == [true])
    }

    @Test("it ends one firing, and of a key the newest are remembered")
    func earlyRecoveriesEnd() {
        var timeline = Timeline()
        timeline.recover("cpu", at: 10, startsAt: 5)
        timeline.fire("cpu", at: 11, startsAt: 5)
        #expect(timeline.early.isEmpty)
        timeline.fire("cpu", at: 100, startsAt: 5)
        #expect(timeline.alerts.map(\.isOpen) == [false, true])
        for start in 1...20 as ClosedRange<Int64> {
            timeline.recover("disk", at: 200 + start, startsAt: start)
        }
        #expect(timeline.early.map(\.startsAt).sorted() == (13...20).map(at))
    }

    @Test(
        "one that ended an alert is remembered only when it says that it ended after its start",
        arguments: [(nil, true), (61, true), (90, false)] as [(Int64?, Bool)]
    )
    func recoveryOfAnother(endsAt: Int64?, isOpen: Bool) {
        var timeline = Timeline()
        timeline.fire("cpu", at: 0, startsAt: 0)
        timeline.recover("cpu", at: 61, startsAt: 61, endsAt: endsAt)
        timeline.fire("cpu", at: 61, startsAt: 61)
        #expect(timeline.alerts.map(\.isOpen) == [false, isOpen])
    }

    @Test("in one delivery, too, and when an alert of the key is over: its start says which firing is meant")
    func earlyRecoveryBesideOthers() {
        var timeline = Timeline()
        timeline.fire("cpu", at: 0, startsAt: 0)
        timeline.recover("cpu", at: 1, startsAt: 0)
        let recovery = event("cpu", isRecovery: true, startsAt: 50)
        let firing = event("cpu", startsAt: 50)
        let outcomes = timeline.deliver([(recovery, .warning, []), (firing, .warning, [1])], at: 60)
        #expect(outcomes.map(\.outcome) == [.duplicate, .opened])
        #expect(timeline.alerts.map(\.isOpen) == [false, false])
        // The recovery that belongs to a known alert is not remembered: the next firing is open.
        timeline.recover("cpu", at: 61, startsAt: 50)
        timeline.fire("cpu", at: 200, startsAt: 70)
        #expect(timeline.alerts.last?.isOpen == true)
    }

    @Test("a firing event without a channel is unrouted and opens nothing")
    func unrouted() {
        var timeline = Timeline()
        #expect(timeline.fire(at: 0, to: []).outcome == .unrouted)
        #expect(timeline.alerts.isEmpty)
    }

    @Test("each channel has its own alert")
    func channels() {
        var timeline = Timeline()
        timeline.fire(at: 0, to: [1, 2])
        #expect(timeline.alerts.map(\.channelID) == [1, 2].map(channel))
    }

    @Test("of the outcomes in several channels the strongest is the event's own")
    func strongest() {
        var timeline = Timeline()
        timeline.fire(at: 0, to: [1])
        let outcome = timeline.fire(at: 1, to: [1, 2])
        #expect(outcome.channels.map(\.outcome) == [.duplicate, .opened])
        #expect(outcome.outcome == .opened)
    }

    @Test("an outcome names the alert that it changed or met")
    func alertIDs() {
        var timeline = Timeline()
        timeline.fire(at: 0, to: [1])
        #expect(timeline.fire(at: 1, to: [2, 1]).channels.map(\.alertID) == [alert(2), alert(1)])
    }

    @Test(
        "keys are apart, also in one channel",
        arguments: [("cpu", 1), ("disk", 2), ("CPU", 2), ("cpu ", 2)] as [(Text, Int)]
    )
    func keys(key: Text, count: Int) {
        var timeline = Timeline()
        timeline.fire("cpu", at: 0)
        timeline.fire(key, at: 1)
        #expect(timeline.open(in: 1).count == count)
    }

    @Test("integrations are apart, also with one key")
    func integrations() {
        var timeline = Timeline()
        timeline.fire(at: 0)
        #expect(timeline.recover(at: 1, from: 2).outcome == .ignored)
        #expect(timeline.open(in: 1).count == 1)
    }

    @Test("a recovery ends every open alert of its key, also where routes lead no more")
    func routeEdited() {
        var timeline = Timeline()
        timeline.fire(at: 0, to: [1, 2])
        timeline.fire(at: 1, to: [3])
        timeline.recover(at: 2)
        #expect(timeline.alerts.filter(\.isOpen).isEmpty)
    }

    @Test("a recovery counts in the open alerts alone when there are some")
    func recoveryOfSome() {
        var timeline = Timeline()
        timeline.fire(at: 0, to: [1])
        timeline.recover(at: 1)
        timeline.fire(at: 2, to: [2], startsAt: 2)
        let outcome = timeline.recover(at: 3, startsAt: 2)
        #expect(outcome.channels.map(\.channelID) == [channel(2)])
    }

    @Test("a recovery can be out of order in one channel and right in another")
    func partlyOutOfOrder() {
        var timeline = Timeline()
        timeline.fire(at: 0, to: [2], startsAt: 0)
        timeline.recover(at: 1, startsAt: 0)
        timeline.fire(at: 100, to: [1], startsAt: 0)
        timeline.fire(at: 101, to: [2], startsAt: 100)
        let outcome = timeline.recover(at: 102, startsAt: 0)
        #expect(outcome.channels.map(\.outcome) == [.recovered, .ignored])
    }

    @Test("a repeated recovery is a duplicate in every channel")
    func repeatedRecovery() {
        var timeline = Timeline()
        timeline.fire(at: 0, to: [1, 2])
        timeline.recover(at: 1)
        #expect(timeline.recover(at: 2).channels.map(\.outcome) == [.duplicate, .duplicate])
    }

    @Test("firing after a close opens a new alert")
    func closedThenFiring() {
        var timeline = Timeline()
        timeline.fire(at: 0)
        timeline.close(in: 1, at: 1)
        timeline.fire(at: 2)
        #expect(timeline.open(in: 1).map(\.id) == [alert(2)])
    }

    @Suite("several events of one batch")
    struct Batch {
        private let firing = event(startsAt: 0)
        private let recovery = event(isRecovery: true, startsAt: 0)
        private let changed = event(title: "Other", startsAt: 0)

        @Test("see each other")
        func seeEachOther() {
            var timeline = Timeline()
            let outcomes = timeline.deliver(
                [
                    (firing, .warning, [1]), (firing, .warning, [1]), (changed, .warning, [1]),
                    (recovery, .warning, []),
                ],
                at: 0
            )
            #expect(outcomes.map(\.outcome) == [.opened, .duplicate, .updated, .recovered])
        }

        @Test("save an alert once, as it is at the end")
        func savedOnce() {
            var timeline = Timeline()
            timeline.deliver(
                [(firing, .warning, [1]), (changed, .critical, [1]), (recovery, .warning, [])],
                at: 0
            )
            #expect(timeline.saved.map(\.alert.eventCount) == [3])
            #expect(timeline.saved.map(\.isNew) == [true])
        }

        @Test("save the newest content that an alert took")
        func content() {
            var timeline = Timeline()
            timeline.deliver(
                [
                    (firing, .warning, [1]), (changed, .warning, [1]),
                    (event(title: "Third", startsAt: 0), .warning, [1]),
                ],
                at: 0
            )
            #expect(timeline.saved.map(\.content) == [[0]])
        }

        @Test("save no content when none was taken")
        func noContent() {
            var timeline = Timeline()
            timeline.fire(at: 0)
            timeline.fire(at: 1)
            #expect(timeline.saved.map(\.content) == [nil])
        }

        @Test("save a new alert after the one that it follows")
        func order() {
            var timeline = Timeline()
            timeline.fire(at: 0)
            timeline.deliver([(recovery, .warning, []), (event(startsAt: 5), .warning, [1])], at: 10)
            #expect(timeline.saved.map(\.alert.id) == [alert(1), alert(2)])
            #expect(timeline.saved.map(\.isNew) == [false, true])
        }

        @Test("say which alert a new one follows")
        func retires() {
            var timeline = Timeline()
            timeline.fire(at: 0)
            timeline.recover(at: 1)
            timeline.fire(at: 2, to: [1, 2], startsAt: 2)
            #expect(timeline.saved.map(\.retires) == [alert(1), nil])
        }

        @Test("save nothing when all is ignored")
        func ignored() {
            var timeline = Timeline()
            timeline.fire(at: 0)
            timeline.recover(at: 1)
            timeline.fire(at: 2)
            #expect(timeline.saved.isEmpty)
        }
    }

    @Suite("replay")
    struct Replay {
        @Test("of a firing that took effect takes none again")
        func firing() {
            var timeline = Timeline()
            let first = timeline.fire(at: 0, to: [1, 2])
            #expect(timeline.fire(at: 10, to: [1, 2], applied: first.channels) == first)
            #expect(timeline.saved.isEmpty)
        }

        @Test("of a firing whose alert is over does not open it again")
        func firingAfterRecovery() {
            var timeline = Timeline()
            let first = timeline.fire(at: 0)
            timeline.recover(at: 1)
            timeline.fire(at: 500, applied: first.channels)
            #expect(timeline.open(in: 1).isEmpty)
        }

        @Test("reaches the channels that the routes lead to now")
        func newChannel() {
            var timeline = Timeline()
            let first = timeline.fire(at: 0, to: [1])
            let second = timeline.fire(at: 10, to: [1, 2], applied: first.channels)
            #expect(second.channels.map(\.outcome) == [.opened, .opened])
            #expect(timeline.saved.map(\.alert.channelID) == [channel(2)])
        }

        @Test("of what was unrouted takes effect")
        func unrouted() {
            var timeline = Timeline()
            let first = timeline.fire(at: 0, to: [])
            #expect(timeline.fire(at: 10, to: [1], applied: first.channels).outcome == .opened)
        }

        @Test("of what was ignored is tried again")
        func ignored() {
            var timeline = Timeline()
            timeline.fire(at: 0, startsAt: 0)
            timeline.recover(at: 1)
            let late = timeline.fire(at: 2, startsAt: 0)
            #expect(timeline.fire(at: 500, startsAt: 0, applied: late.channels).outcome == .opened)
        }

        @Test("of a recovery ends no alert that fired after it")
        func recovery() {
            var timeline = Timeline()
            timeline.fire(at: 0)
            let first = timeline.recover(at: 1)
            timeline.fire(at: 100)
            #expect(timeline.recover(at: 200, applied: first.channels) == first)
            #expect(timeline.open(in: 1).count == 1)
        }

        @Test("of a recovery counts in no channel where it did not count before")
        func recoveryElsewhere() {
            var timeline = Timeline()
            timeline.fire(at: 0, to: [1])
            timeline.recover(at: 1)
            timeline.fire(at: 2, to: [2], startsAt: 2)
            let first = timeline.recover(at: 3, startsAt: 2)
            #expect(timeline.recover(at: 4, startsAt: 2, applied: first.channels) == first)
        }
    }
}
