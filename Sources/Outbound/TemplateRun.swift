import Domain

/// One run of a template over a message: on a budget of steps and bytes, without recursion, and it always ends.
struct TemplateRun {
    /// Parts and entries of lists that are looked at.
    static let maximumSteps = 20_000
    /// Bytes of what comes of it.
    static let maximumBytes = 256 << 10
    /// Bytes of one value, escaped.
    static let maximumValueBytes = 128 << 10

    /// Which part of the budget was used up.
    enum Excess {
        case steps, bytes

        /// For the template's owner, to be put after "The template".
        var detail: String {
            switch self {
            case .steps: "took more than \(TemplateRun.maximumSteps) steps"
            case .bytes: "gave more than \(TemplateRun.maximumBytes) bytes"
            }
        }
    }

    /// The section over a list that is run.
    private struct Loop {
        let list: TemplateName
        let parts: Range<Int>
        let count: Int
        var entry = 0
    }

    private let template: Template
    private let context: TemplateContext
    private let markup: Markup
    private var index = 0
    private var steps = 0
    private var loop: Loop?
    private var output: [UInt8] = []

    private init(_ template: Template, _ context: TemplateContext, _ markup: Markup) {
        self.template = template
        self.context = context
        self.markup = markup
    }

    /// What comes of the template, up to where the budget ended.
    static func run(
        _ template: Template,
        _ context: TemplateContext,
        _ markup: Markup
    ) -> (text: Text, excess: Excess?) {
        var run = TemplateRun(template, context, markup)
        let excess = run.toTheEnd()
        return (Text(trusted: run.output), excess)
    }

    private mutating func toTheEnd() -> Excess? {
        while true {
            if var loop, index == loop.parts.upperBound {
                loop.entry += 1
                self.loop = loop.entry < loop.count ? loop : nil
                guard self.loop != nil else { continue }
                index = loop.parts.lowerBound
            }
            guard index < template.parts.count else { return nil }
            steps += 1
            guard steps <= Self.maximumSteps else { return .steps }
            guard step(template.parts[index]) else { return .bytes }
        }
    }

    /// False when there is no room for more bytes.
    private mutating func step(_ part: Template.Part) -> Bool {
        index += 1
        switch part {
        case .literal(let range): return append(template.literals[range])
        case .value(let value): return self.value(value).map { append(escaped($0)[...]) } ?? true
        case .section(let value, let isInverted, let end):
            begin(value, isInverted, index..<end)
            return true
        }
    }

    private mutating func begin(_ value: Template.Value, _ isInverted: Bool, _ parts: Range<Int>) {
        guard case .name(let list) = value, list.entry != nil else {
            if isThere(value) == isInverted { index = parts.upperBound }
            return
        }
        let count = context.count(of: list)
        if (count > 0) == isInverted || parts.isEmpty {
            index = parts.upperBound
        } else if !isInverted {
            loop = Loop(list: list, parts: parts, count: count)
        }
    }

    private func isThere(_ value: Template.Value) -> Bool {
        if case .name(let name) = value, name.isFlag { return context.flag(name) ?? false }
        return self.value(value) != nil
    }

    private func value(_ value: Template.Value) -> TemplateContext.Value? {
        switch value {
        case .name(let name): context.value(name)
        case .label(let name): context.label(name)
        case .annotation(let name): context.annotation(name)
        case .field(let field): loop.flatMap { context.entry($0.entry, of: $0.list, field) }
        case .entry: loop.flatMap { context.entry($0.entry, of: $0.list, nil) }
        }
    }

    /// The bytes of a value, harmless for the receiver. No escape makes more than six bytes of one.
    private func escaped(_ value: TemplateContext.Value) -> [UInt8] {
        let text = value.text.prefix(bytes: Self.maximumValueBytes)
        guard !value.isHarmless else { return text.bytes }
        let escaped = markup.escape(text.bytes)
        guard escaped.count > Self.maximumValueBytes else { return escaped }
        return markup.escape(text.prefix(bytes: Self.maximumValueBytes / 6).bytes)
    }

    private mutating func append(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard output.count + bytes.count <= Self.maximumBytes else { return false }
        output += bytes
        return true
    }
}
