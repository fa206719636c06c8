import Domain
import HTTPTypes
import Native
import Synchronization

/// Names a request in answers and logs.
package enum RequestID {
    /// The header in and out.
    package static let header = HTTPField.Name("X-Request-Id")

    private static let process: String = {
        var random = SecureRandom()
        return String(decoding: Base62.encode(UInt128(random.next()), width: 8), as: UTF8.self)
    }()
    private static let counter = Atomic<UInt64>(0)

    /// Unique in this process, and with a random part of its own in any other.
    package static func next() -> String {
        let number = counter.wrappingAdd(1, ordering: .relaxed).newValue
        return "req_" + process + String(decoding: Base62.encode(UInt128(number), width: 7), as: UTF8.self)
    }

    /// The caller's own id, when it is 1 to 64 letters, digits, `-`, `_`, `.` or `:`.
    package static func accepted(_ text: String?) -> String? {
        guard let text, (1...64).contains(text.utf8.count) else { return nil }
        let punctuation = Array("-_.:".utf8)
        return text.utf8.allSatisfy { Base62.isValid([$0]) || punctuation.contains($0) } ? text : nil
    }
}
