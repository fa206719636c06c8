/// A text with `*` (any run, also empty) and `?` (one character) that must match the whole value.
///
/// Never goes back in the value: what stands before the first `*` and after the last one is compared in place, each part between two of them is
/// found at the first place from the end of the one before on. O(value) without `?`, O(value x pattern / 64) with it.
package struct Wildcard: Sendable {
    /// The bytes as they were written.
    let source: [UInt8]
    /// What stands before the first `*`; all of it when there is none.
    private let head: [Element]
    /// What stands between two `*`, in order; none is empty.
    private let inner: [Search]
    /// What stands after the last `*`; nil when there is none.
    private let tail: [Element]?

    /// One byte of the text, or `?`.
    fileprivate enum Element: Equatable {
        case byte(UInt8)
        case anyOne
    }

    package init(_ text: Text) {
        source = text.bytes
        var parts = text.bytes.split(separator: UInt8(ascii: "*"), omittingEmptySubsequences: false)
            .map { part in part.map { $0 == UInt8(ascii: "?") ? Element.anyOne : .byte($0) } }
        tail = parts.count > 1 ? parts.removeLast() : nil
        head = parts.removeFirst()
        inner = parts.filter { !$0.isEmpty }.map { Search($0) }
    }

    /// Whether the whole of `value` matches.
    package func matches(_ value: Text) -> Bool {
        let bytes = value.bytes.span
        guard var start = Self.end(of: head, in: bytes) else { return false }
        guard let tail else { return start == bytes.count }
        guard let end = Self.start(of: tail, in: bytes, from: start) else { return false }
        for part in inner {
            guard let next = part.end(in: bytes, from: start, to: end) else { return false }
            start = next
        }
        return true
    }

    /// What every text that matches begins with, else what it ends in; nil when it begins and ends with a sign of its own.
    var literal: LiteralIndex.Literal? {
        let isSign = { (byte: UInt8) in byte == UInt8(ascii: "*") || byte == UInt8(ascii: "?") }
        let prefix = source.prefix { !isSign($0) }
        if !prefix.isEmpty { return .prefix(Array(prefix)) }
        let suffix = source.reversed().prefix { !isSign($0) }.reversed()
        return suffix.isEmpty ? nil : .suffix(Array(suffix))
    }

    /// What matching costs at worst.
    package var price: MatchPrice {
        // What stands at the ends is compared with as many bytes of the value, no more.
        let ends = MatchPrice(fixed: MatchPrice.wildcard.fixed + source.count * 2)
        guard let words = inner.map(\.words).max() else { return ends }
        return ends
            + MatchPrice(
                fixed: inner.count * MatchPrice.wildcardPart,
                perByte: MatchPrice.wildcard.perByte + words * MatchPrice.wildcardWord
            )
    }

    /// The end of `elements` when they stand at the beginning of `bytes`.
    private static func end(of elements: [Element], in bytes: Span<UInt8>) -> Int? {
        var position = 0
        for element in elements {
            guard position < bytes.count else { return nil }
            switch element {
            case .byte(let byte):
                guard bytes[position] == byte else { return nil }
                position += 1
            case .anyOne: position = endOfScalar(bytes, at: position)
            }
        }
        return position
    }

    /// The start of `elements` when they stand at the end of `bytes`, not before `first`.
    private static func start(of elements: [Element], in bytes: Span<UInt8>, from first: Int) -> Int? {
        var position = bytes.count
        for element in elements.reversed() {
            guard position > first else { return nil }
            position -= 1
            switch element {
            case .byte(let byte): guard bytes[position] == byte else { return nil }
            case .anyOne: while position > first, bytes[position].isContinuation { position -= 1 }
            }
        }
        return position
    }

    fileprivate static func endOfScalar(_ bytes: Span<UInt8>, at position: Int) -> Int {
        var end = position + 1
        while end < bytes.count, bytes[end].isContinuation { end += 1 }
        return end
    }
}

extension UInt8 {
    /// Whether it is a byte of a scalar other than its first.
    fileprivate var isContinuation: Bool { self & 0xC0 == 0x80 }
}

/// Finds the first place of a part of a wildcard.
private enum Search: Sendable {
    case text(TextSearch)
    case elements(ElementSearch)

    /// `elements` are not empty.
    init(_ elements: [Wildcard.Element]) {
        let bytes = elements.compactMap { if case .byte(let byte) = $0 { byte } else { nil } }
        let isText = bytes.count == elements.count
        self = isText ? .text(TextSearch(bytes)) : .elements(ElementSearch(elements))
    }

    /// The least end of a match that lies in `start..<end`; nil when there is none.
    func end(in bytes: Span<UInt8>, from start: Int, to end: Int) -> Int? {
        switch self {
        case .text(let search): search.end(in: bytes, from: start, to: end)
        case .elements(let search): search.end(in: bytes, from: start, to: end)
        }
    }

    /// How many words each byte of a value is combined with.
    var words: Int {
        switch self {
        case .text: 0
        case .elements(let search): search.words
        }
    }
}

/// Finds a text by the method of Knuth, Morris and Pratt: each byte of the value is looked at once or twice.
private struct TextSearch: Sendable {
    private let text: [UInt8]
    /// At `i` the length of the longest proper prefix of the text that is a suffix of its first `i + 1` bytes.
    private let borders: [UInt16]

    /// `text` is not empty, and no value of a condition has 64 kB.
    init(_ text: [UInt8]) {
        self.text = text
        var borders = [UInt16](repeating: 0, count: text.count)
        var length = 0
        for index in text.indices.dropFirst() {
            while length > 0, text[index] != text[length] { length = Int(borders[length - 1]) }
            if text[index] == text[length] { length += 1 }
            borders[index] = UInt16(clamping: length)
        }
        self.borders = borders
    }

    func end(in bytes: Span<UInt8>, from start: Int, to end: Int) -> Int? {
        let (text, borders) = (text.span, borders.span)
        var length = 0
        var position = start
        while position < end, end - position >= text.count - length {
            let byte = bytes[position]
            while length > 0, byte != text[length] { length = Int(borders[length - 1]) }
            position += 1
            guard byte == text[length] else { continue }
            length += 1
            if length == text.count { return position }
        }
        return nil
    }
}

/// Finds a text in which `?` stands for one scalar: bit `i` is set while the first `i + 1` elements match what was read last, for all `i` at
/// once (Shift-And).
private struct ElementSearch: Sendable {
    /// How many words hold a bit for each element.
    let words: Int
    /// Where the words of a byte begin among the masks; bytes that the text does not have share those of nothing but `?`.
    private let rows: [UInt16]
    /// For each byte of the text, in the order of their first place, the elements that it matches; before them those that are `?`.
    private let masks: [UInt64]
    private let last: Int

    init(_ elements: [Wildcard.Element]) {
        words = (elements.count + 63) / 64
        last = elements.count - 1
        var rows = [UInt16](repeating: 0, count: 256)
        var count = 1
        for case .byte(let byte) in elements where rows[Int(byte)] == 0 {
            rows[Int(byte)] = UInt16(count)
            count += 1
        }
        var masks = [UInt64](repeating: 0, count: count * words)
        for (index, element) in elements.enumerated() {
            let bit = UInt64(1) << UInt64(index % 64)
            switch element {
            case .byte(let byte): masks[Int(rows[Int(byte)]) * words + index / 64] |= bit
            case .anyOne: masks[index / 64] |= bit
            }
        }
        // What a first byte of a scalar matches: the byte itself or any. Other bytes never match an any.
        for row in 1..<count {
            for word in 0..<words { masks[row * words + word] |= masks[word] }
        }
        self.rows = rows
        self.masks = masks
    }

    func end(in bytes: Span<UInt8>, from start: Int, to end: Int) -> Int? {
        var state = [UInt64](repeating: 0, count: words)
        let (rows, masks) = (rows.span, masks.span)
        let (lastWord, lastBit) = (last / 64, UInt64(1) << UInt64(last % 64))
        for position in start..<end {
            let byte = bytes[position]
            let row = Int(rows[Int(byte)]) * words
            let isContinuation = byte.isContinuation
            var carry: UInt64 = isContinuation ? 0 : 1
            for word in 0..<words {
                let (old, any) = (state[word], masks[word])
                let shifted = old << 1 | carry
                carry = old >> 63
                // Within a scalar an any that began it goes on, and none begins.
                state[word] =
                    isContinuation
                    ? (shifted & masks[row + word] & ~any) | (old & any) : shifted & masks[row + word]
            }
            if state[lastWord] & lastBit != 0 { return min(end, Wildcard.endOfScalar(bytes, at: position)) }
        }
        return nil
    }
}
