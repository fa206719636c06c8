extension JSONValue {
    /// The members of an object in their order, with every duplicate; none for anything else.
    package var members: JSONMembers {
        JSONMembers(coming: at(index + 1), end: isObject ? indexAfter - 1 : 0)
    }

    /// The elements of an array in their order; none for anything else.
    package var elements: JSONElements {
        JSONElements(coming: at(index + 1), end: isArray ? indexAfter - 1 : 0)
    }

    /// Calls `body` with each member of an object in order, with every duplicate; not at all for anything
    /// else.
    package func forEachMember<E: Error>(
        _ body: (_ name: JSONString, _ value: JSONValue) throws(E) -> Void
    ) throws(E) {
        var members = members
        while let (name, value) = members.next() { try body(name, value) }
    }

    /// Calls `body` with each element of an array in order; not at all for anything else.
    package func forEachElement<E: Error>(_ body: (JSONValue) throws(E) -> Void) throws(E) {
        var elements = elements
        while let element = elements.next() { try body(element) }
    }

    /// The value of the last member with this name, or nil if there is none or this is no object.
    ///
    /// Looks at all members: for several names of one object, use one loop over `members`.
    package func member(_ name: StaticString) -> JSONValue? {
        var found: JSONValue?
        for (candidate, value) in members where candidate.equals(name) { found = value }
        return found
    }

    /// Number of members, counting duplicates, or elements; 0 for a scalar. Counts only beyond 16 million.
    package var elementCount: Int {
        guard isObject || isArray else { return 0 }
        let saturated = 0xFF_FFFF
        let count = Int(tape[index] >> 32) & saturated
        guard count == saturated else { return count }
        return isObject ? members.reduce(0) { sum, _ in sum + 1 } : elements.reduce(0) { sum, _ in sum + 1 }
    }
}

/// The members of an object, in order; valid as long as the `JSONValue` it comes from.
@safe package struct JSONMembers: Sequence, IteratorProtocol {
    /// The name of the member to come; meaningless at the end.
    var coming: JSONValue
    /// Index of the closing brace, or 0.
    let end: Int

    /// The next member, or nil at the end.
    package mutating func next() -> (name: JSONString, value: JSONValue)? {
        guard coming.index < end else { return nil }
        let value = coming.at(coming.index + 1)
        defer { coming = coming.at(value.indexAfter) }
        return (coming.stringHere, value)
    }
}

/// The elements of an array, in order; valid as long as the `JSONValue` it comes from.
@safe package struct JSONElements: Sequence, IteratorProtocol {
    /// The element to come; meaningless at the end.
    var coming: JSONValue
    /// Index of the closing bracket, or 0.
    let end: Int

    /// The next element, or nil at the end.
    package mutating func next() -> JSONValue? {
        guard coming.index < end else { return nil }
        defer { coming = coming.at(coming.indexAfter) }
        return coming
    }
}

extension JSONWriter {
    /// Writes what was parsed, as it was but for white space and the spelling of numbers.
    package mutating func value(_ value: JSONValue) {
        if let text = value.string {
            self.value(text)
        } else if value.isObject {
            object { object in
                for (name, member) in value.members {
                    object.key(text: name.text)
                    object.value(member)
                }
            }
        } else if value.isArray {
            array { list in for element in value.elements { list.value(element) } }
        } else if let truth = value.boolValue {
            self.value(truth)
        } else if let number = value.int64Value {
            self.value(number)
        } else if let number = value.doubleValue {
            self.value(number)
        } else {
            null()
        }
    }
}
