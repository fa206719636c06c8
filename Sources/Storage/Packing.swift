import Domain
import Native

/// How raw bodies and the texts of events and alerts are kept: zstd with a dictionary trained on such texts.
///
/// Measured here: an ARMS push of 2.5 kB takes 3 us and 230 to 400 bytes; without the dictionary 11 us and 870 bytes.
///
/// The dictionary is `Resources/push-1.dictionary`, made by `Tests/scripts/train_dictionary.py`. Its id is in every frame. It is never
/// changed: a better one is added beside it under another name, so that old rows stay readable.
enum Packing {
    private static let dictionary: ZstdDictionary? = try? ZstdDictionary(
        PackageResources.push_1_dictionary,
        level: 1
    )

    /// Packs bytes of any kind.
    static func pack(_ bytes: [UInt8]) -> [UInt8] {
        Zstd.compress(bytes, dictionary: dictionary)
    }

    /// Unpacks what `pack` made; nil when it is damaged.
    static func unpack(_ bytes: [UInt8]) -> [UInt8]? {
        try? Zstd.decompress(bytes, dictionary: dictionary, maximumSize: 256 << 20)
    }

    /// The part of an event that an alert takes over and shows.
    static func pack(_ event: DecodedEvent) -> [UInt8] {
        pack(
            title: event.title,
            description: event.description,
            link: event.link,
            addresses: event.addresses,
            labels: event.labels,
            annotations: event.annotations
        )
    }

    /// The texts of an alert.
    static func pack(_ content: AlertContent) -> [UInt8] {
        pack(
            title: content.title,
            description: content.description,
            link: content.link,
            addresses: content.addresses,
            labels: content.labels,
            annotations: content.annotations
        )
    }

    private static func pack(
        title: Text,
        description: Text,
        link: Text?,
        addresses: SourceAddresses,
        labels: Labels,
        annotations: Labels
    ) -> [UInt8] {
        pack(
            JSONWriter.encode(capacity: 2_048) { writer in
                writer.object { object in
                    object.field("title", utf8: title.bytes)
                    object.field("description", utf8: description.bytes)
                    object.field("link", utf8: link?.bytes)
                    if let external = addresses.external {
                        object.field("external_url", utf8: external.bytes)
                    }
                    if let generator = addresses.generator {
                        object.field("generator_url", utf8: generator.bytes)
                    }
                    labels.write(to: &object, as: "labels")
                    annotations.write(to: &object, as: "annotations")
                }
            }
        )
    }

    /// Reads the texts of an event or alert; nil when they are damaged.
    static func content(_ bytes: [UInt8]) -> AlertContent? {
        guard let json = unpack(bytes) else { return nil }
        return PackedJSON.read(json) { root in
            guard let title = root.text("title"),
                let description = root.text("description"),
                let labels = root.member("labels").flatMap({ PackedJSON.labels($0) }),
                let annotations = root.member("annotations").flatMap({ PackedJSON.labels($0) })
            else { return nil }
            return AlertContent(
                title: title,
                description: description,
                link: root.text("link"),
                addresses: SourceAddresses(
                    external: root.text("external_url"),
                    generator: root.text("generator_url")
                ),
                labels: labels,
                annotations: annotations
            )
        }
    }
}
