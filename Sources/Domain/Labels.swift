import Native

/// Names and values of an alert or a resource: no name twice, sorted by the bytes of the names.
///
/// Held in one run of bytes, so that an event costs two allocations and not two per label. Look-up is O(log n).
package struct Labels: Sendable, Equatable {
    /// Where one pair lies: the name is `start..<middle`, the value `middle..<end`.
    fileprivate struct Pair: Sendable, Equatable {
        var start: UInt32
        var middle: UInt32
        var end: UInt32
    }

    fileprivate var storage: [UInt8] = []
    fileprivate var pairs: [Pair] = []

    package init() {}

    package var count: Int { pairs.count }
    package var isEmpty: Bool { pairs.isEmpty }
    /// Bytes of all names and values.
    package var byteCount: Int { storage.count }

    /// The value of `name`; nil when it is absent.
    package func value(of name: StaticString) -> Text? {
        index(of: [UInt8](name)).map(value(at:))
    }

    /// The value of `name`; nil when it is absent.
    package func value(of name: Text) -> Text? {
        index(of: name.bytes).map(value(at:))
    }

    /// The name of the pair at `index`, in byte order.
    package func name(at index: Int) -> Text {
        Text(trusted: Array(storage[Int(pairs[index].start)..<Int(pairs[index].middle)]))
    }

    /// The value of the pair at `index`.
    package func value(at index: Int) -> Text {
        Text(trusted: Array(storage[Int(pairs[index].middle)..<Int(pairs[index].end)]))
    }

    /// All pairs in byte order of the names.
    package var all: [(name: Text, value: Text)] {
        pairs.indices.map { (name(at: $0), value(at: $0)) }
    }

    /// Calls `body` with each name and value, in byte order, without copying them.
    package func visit(_ body: (_ name: Span<UInt8>, _ value: Span<UInt8>) -> Void) {
        let bytes = storage.span
        for pair in pairs {
            body(
                bytes.extracting(Int(pair.start)..<Int(pair.middle)),
                bytes.extracting(Int(pair.middle)..<Int(pair.end))
            )
        }
    }

    /// Appends a JSON object of them under `name`.
    package func write(to writer: inout JSONWriter, as name: StaticString) {
        writer.object(name) { object in
            visit { name, value in object.field(utf8: name, utf8: value) }
        }
    }

    package static func == (left: Labels, right: Labels) -> Bool {
        guard left.count == right.count else { return false }
        let (first, second) = (left.storage.span, right.storage.span)
        return zip(left.pairs, right.pairs).allSatisfy { one, other in
            one.middle - one.start == other.middle - other.start
                && compareBytes(
                    first.extracting(Int(one.start)..<Int(one.end)),
                    second.extracting(Int(other.start)..<Int(other.end))
                ) == 0
        }
    }

    /// SHA-256 over the pairs, each part preceded by its length (4 bytes, big-endian).
    package var digest: Digest256 {
        var hash = SHA256Hasher()
        visit { name, value in
            hash.update(length: name.count)
            hash.update(name)
            hash.update(length: value.count)
            hash.update(value)
        }
        return hash.finish()
    }

    private func index(of name: [UInt8]) -> Int? {
        let bytes = storage.span
        var low = 0
        var high = pairs.count
        while low < high {
            let middle = (low + high) / 2
            let pair = pairs[middle]
            let order = compareBytes(bytes.extracting(Int(pair.start)..<Int(pair.middle)), name.span)
            if order == 0 { return middle }
            if order < 0 { low = middle + 1 } else { high = middle }
        }
        return nil
    }
}

extension Labels {
    /// Collects pairs in any order. A later pair with a name that is there already replaces it.
    package struct Builder {
        private var labels: Labels

        /// Begins with some labels.
        package init(_ labels: Labels = Labels()) {
            self.labels = labels
        }

        /// Adds a pair. `writeName` and `writeValue` append valid UTF-8 to the bytes they are given.
        package mutating func append(
            name writeName: (inout [UInt8]) -> Void,
            value writeValue: (inout [UInt8]) -> Void
        ) {
            let start = UInt32(labels.storage.count)
            writeName(&labels.storage)
            let middle = UInt32(labels.storage.count)
            writeValue(&labels.storage)
            labels.pairs.append(Pair(start: start, middle: middle, end: UInt32(labels.storage.count)))
        }

        /// Adds a pair.
        package mutating func append(_ name: Text, _ value: Text) {
            append(name: { $0 += name.bytes }, value: { $0 += value.bytes })
        }

        /// The labels: sorted, of several pairs with one name the last.
        package consuming func build() -> Labels {
            labels.pairs = sortedPairs()
            return labels
        }

        private func sortedPairs() -> [Pair] {
            let bytes = labels.storage.span
            func order(_ left: Pair, _ right: Pair) -> Int {
                compareBytes(
                    bytes.extracting(Int(left.start)..<Int(left.middle)),
                    bytes.extracting(Int(right.start)..<Int(right.middle))
                )
            }
            var pairs = labels.pairs
            pairs.sort { left, right in
                let order = order(left, right)
                return order != 0 ? order < 0 : left.start < right.start
            }
            var unique: [Pair] = []
            unique.reserveCapacity(pairs.count)
            for pair in pairs {
                if let last = unique.last, order(last, pair) == 0 { unique.removeLast() }
                unique.append(pair)
            }
            return unique
        }
    }

    /// Labels of literal pairs.
    package init(_ pairs: [(Text, Text)]) {
        var builder = Builder()
        for (name, value) in pairs { builder.append(name, value) }
        self = builder.build()
    }

    /// What a sender may send: beyond it labels are dropped or cut, and the event is flagged.
    package enum Limits {
        /// Labels of one alert.
        package static let count = 100
        /// Bytes of a name.
        package static let nameBytes = 128
        /// Bytes of a value.
        package static let valueBytes = 2_048
    }

    /// At most the limits of it: long names and those beyond the count dropped, long values cut before a scalar that would not
    /// fit. The second value is whether anything was lost.
    package func capped() -> (labels: Labels, wasCut: Bool) {
        let fits =
            pairs.count <= Limits.count
            && pairs.allSatisfy {
                $0.middle - $0.start <= Limits.nameBytes && $0.end - $0.middle <= Limits.valueBytes
            }
        if fits { return (self, false) }
        var builder = Builder()
        var kept = 0
        for (name, value) in all where name.bytes.count <= Limits.nameBytes && kept < Limits.count {
            builder.append(name, value.prefix(bytes: Limits.valueBytes))
            kept += 1
        }
        return (builder.build(), true)
    }
}
