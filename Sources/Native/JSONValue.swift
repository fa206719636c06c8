/// A value in a parsed document: a cursor of three words, cheap to copy.
///
/// *Rule:* it, and every string and iterator that comes from it, is used only inside the closure that
/// `JSONParser.parse` called. *Why:* it points into the parser's buffers. *Otherwise:* it reads another
/// document, or freed memory. (Not `Sendable`, so the compiler stops the worst case.) Copy what must outlive
/// it: `JSONString.text`.
///
/// Numbers: an integer that fits is `integer`, one from 2^63 to 2^64 - 1 `unsigned`; with a fraction or an
/// exponent it is a `double`, even `1.0`.
@safe package struct JSONValue {
    // The words of the tape are described in csimdjson.h.
    let tape: UnsafePointer<UInt64>
    let strings: UnsafePointer<UInt8>
    let index: Int

    /// What a value is, with what a scalar holds.
    package enum Kind {
        /// `null`.
        case null
        /// `true` or `false`.
        case bool(Bool)
        /// Any integer that fits.
        case integer(Int64)
        /// Above `Int64.max`.
        case unsigned(UInt64)
        /// Finite.
        case double(Double)
        /// Valid as long as the value.
        case string(JSONString)
        /// Its elements: `forEachElement` or `elements` of the value.
        case array
        /// Its members: `forEachMember` or `members` of the value.
        case object
    }

    /// What the value is.
    package var kind: Kind {
        switch tag {
        case UInt8(ascii: "\""): .string(stringHere)
        case UInt8(ascii: "{"): .object
        case UInt8(ascii: "["): .array
        case UInt8(ascii: "t"): .bool(true)
        case UInt8(ascii: "f"): .bool(false)
        case UInt8(ascii: "l"): .integer(Int64(bitPattern: tape[index + 1]))
        case UInt8(ascii: "u"): .unsigned(tape[index + 1])
        case UInt8(ascii: "d"): .double(Double(bitPattern: tape[index + 1]))
        default: .null
        }
    }

    /// Whether it is `null`.
    package var isNull: Bool { tag == UInt8(ascii: "n") }
    /// Whether it is an object.
    package var isObject: Bool { tag == UInt8(ascii: "{") }
    /// Whether it is an array.
    package var isArray: Bool { tag == UInt8(ascii: "[") }

    /// The truth value, or nil for anything else.
    package var boolValue: Bool? {
        switch tag {
        case UInt8(ascii: "t"): true
        case UInt8(ascii: "f"): false
        default: nil
        }
    }

    /// The integer, or nil for anything else: also for `1.0` and for what does not fit.
    package var int64Value: Int64? {
        tag == UInt8(ascii: "l") ? Int64(bitPattern: tape[index + 1]) : nil
    }

    /// The number of any kind, rounded to the nearest double, or nil for anything else.
    package var doubleValue: Double? {
        switch kind {
        case .double(let value): value
        case .integer(let value): Double(value)
        case .unsigned(let value): Double(value)
        default: nil
        }
    }

    /// The string, or nil for anything else.
    package var string: JSONString? { tag == UInt8(ascii: "\"") ? stringHere : nil }

    var tag: UInt8 { UInt8(truncatingIfNeeded: tape[index] >> 56) }

    /// The string at this place of the tape, which must be one.
    var stringHere: JSONString {
        let start = strings + Int(tape[index] & 0x00FF_FFFF_FFFF_FFFF)
        let length = UnsafeRawPointer(start).loadUnaligned(as: UInt32.self)
        return JSONString(start: start + MemoryLayout<UInt32>.size, count: Int(length))
    }

    /// Index of the word after the value.
    var indexAfter: Int {
        switch tag {
        case UInt8(ascii: "{"), UInt8(ascii: "["): Int(UInt32(truncatingIfNeeded: tape[index]))
        case UInt8(ascii: "l"), UInt8(ascii: "u"), UInt8(ascii: "d"): index + 2
        default: index + 1
        }
    }

    func at(_ index: Int) -> JSONValue { JSONValue(tape: tape, strings: strings, index: index) }
}
