import Domain

/// The integration types: one line each.
package enum PushFormats {
    /// All of them, in the order in which they are shown.
    package static let all: [any PushFormat] = [ARMSFormat(), AlertmanagerFormat(), StandardFormat()]

    /// The format of `type`; nil for a type that does not exist.
    package static func format(of type: IntegrationType) -> (any PushFormat)? {
        all.first { $0.type == type }
    }
}
