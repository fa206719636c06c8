// swift-tools-version: 6.2
import PackageDescription

/// Settings of every target of ours.
let base: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error), .treatWarning("DeprecatedDeclaration", as: .warning),
    // Generic code of one target is made fit for its types in the others.
    .unsafeFlags(["-cross-module-optimization"], .when(configuration: .release)),
]
/// Every target except `Native` and `SQL`, the only places where `unsafe` occurs.
let safe = base + [.strictMemorySafety()]

let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let metrics = Target.Dependency.product(name: "Metrics", package: "swift-metrics")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")

let package = Package(
    name: "tocsin",
    traits: [
        .trait(
            name: "PostgreSQL",
            description: "The PostgreSQL driver, by libpq: many nodes on one database."
        ),
        .default(enabledTraits: ["PostgreSQL"]),
    ],
    dependencies: [
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.1"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-nio-extras.git", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-system.git", from: "1.8.1"),
        .package(url: "https://github.com/apple/swift-metrics.git", from: "2.13.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
        .package(
            url: "https://github.com/apple/swift-configuration.git",
            from: "1.4.0",
            traits: [.defaults, "YAML"]
        ),
        .package(url: "https://github.com/apple/swift-collections.git", from: "1.6.0"),
        .package(url: "https://github.com/jpsim/Yams.git", from: "6.2.2"),
    ],
    targets: [
        .systemLibrary(name: "COpenSSL", path: "CSupport/COpenSSL", pkgConfig: "openssl"),
        .systemLibrary(name: "CCurl", path: "CSupport/CCurl", pkgConfig: "libcurl"),
        .systemLibrary(name: "CSQLite", path: "CSupport/CSQLite", pkgConfig: "sqlite3"),
        .systemLibrary(name: "CPostgres", path: "CSupport/CPostgres", pkgConfig: "libpq"),
        .systemLibrary(name: "CZstd", path: "CSupport/CZstd", pkgConfig: "libzstd"),
        .systemLibrary(name: "CZlib", path: "CSupport/CZlib", pkgConfig: "zlib"),
        .target(
            name: "CSimdjson",
            path: "CSupport/CSimdjson",
            linkerSettings: [.linkedLibrary("simdjson")]
        ),
        .target(name: "CCrash", path: "CSupport/CCrash"),
        .target(name: "CAllocator", path: "CSupport/CAllocator"),
        // Yams brings libyaml, whose header is in reach of what depends on it.
        .target(
            name: "CYAMLEvents",
            dependencies: [.product(name: "Yams", package: "Yams")],
            path: "CSupport/CYAMLEvents"
        ),
        .target(name: "COpenAPI", path: "CSupport/COpenAPI"),
        .target(name: "CRE2", path: "CSupport/CRE2", linkerSettings: [.linkedLibrary("re2")]),

        .target(
            name: "Native",
            dependencies: [
                "COpenSSL", "CCurl", "CSimdjson", "CRE2", "CZstd", "CZlib", "CAllocator", "CCrash",
                "COpenAPI",
                "CYAMLEvents",
            ],
            swiftSettings: base
        ),
        .target(name: "Domain", dependencies: ["Native"], swiftSettings: safe),
        .target(name: "Formats", dependencies: ["Domain", "Native"], swiftSettings: safe),
        .target(
            name: "SQL",
            dependencies: [
                "CSQLite", .target(name: "CPostgres", condition: .when(traits: ["PostgreSQL"])), nioPosix,
                logging,
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "HeapModule", package: "swift-collections"),
            ],
            swiftSettings: base
        ),
        .target(
            name: "Storage",
            dependencies: [
                "Domain", "Native", "SQL", logging, metrics, lifecycle,
                nioCore, nioPosix,
                .product(name: "DequeModule", package: "swift-collections"),
            ],
            resources: [.embedInCode("Resources/push-1.dictionary")],
            swiftSettings: safe
        ),
        .target(name: "TLS", dependencies: ["Native", nioCore], swiftSettings: safe),
        .target(
            name: "Web",
            dependencies: [
                "Domain", "Native", "Storage", hummingbird, nioCore, logging,
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
            ],
            swiftSettings: safe
        ),
        .target(
            name: "Ingest",
            dependencies: [
                "Domain", "Formats", "Native", "Storage", "Web", metrics, nioCore,
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            swiftSettings: safe
        ),
        .target(
            name: "API",
            dependencies: [
                "Domain", "Formats", "Native", "Outbound", "Storage", "Web", hummingbird, nioCore,
                .product(name: "HTTPTypes", package: "swift-http-types"),
            ],
            swiftSettings: safe
        ),
        .target(
            name: "Reference",
            dependencies: [.product(name: "Yams", package: "Yams")],
            resources: [.embedInCode("Resources/reference.css")],
            swiftSettings: safe
        ),
        .target(
            name: "Workers",
            dependencies: ["Domain", "Storage", lifecycle, logging, metrics],
            swiftSettings: safe
        ),
        .target(
            name: "Outbound",
            dependencies: [
                "Domain", "Native", nioCore, nioPosix,
                .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
            ],
            swiftSettings: safe
        ),
        .target(
            name: "App",
            dependencies: [
                "Domain", "Native", "Formats", "SQL", "Storage", "Outbound", "Web", "Ingest", "API",
                "Reference", "TLS", "Workers",
                hummingbird, logging, lifecycle, nioCore, nioPosix,
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "SystemPackage", package: "swift-system"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "Configuration", package: "swift-configuration"),
            ],
            swiftSettings: safe
        ),
        .executableTarget(
            name: "tocsin",
            dependencies: [
                "App", "Domain", "Native", "Outbound", nioCore, logging,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: safe
        ),

        .target(
            name: "TestDatabases",
            dependencies: ["SQL", "Storage"],
            path: "Tests/TestDatabases",
            swiftSettings: safe
        ),
        .target(
            name: "TestSupport",
            dependencies: [
                "App", "Domain", "Native", "Storage", "TestDatabases", hummingbird, logging, nioCore,
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "Yams", package: "Yams"),
            ],
            path: "Tests/TestSupport",
            // Optimised in a debug build, too: holding each answer against openapi.yaml is a quarter of what the API's tests cost.
            swiftSettings: safe + [.unsafeFlags(["-O"], .when(configuration: .debug))]
        ),
        .testTarget(name: "TestSupportTests", dependencies: ["TestSupport"], swiftSettings: safe),
        .testTarget(name: "NativeTests", dependencies: ["Native"], swiftSettings: safe),
        .testTarget(
            name: "TLSTests",
            dependencies: [
                "TLS", "TestSupport", "Native", nioCore, nioPosix,
                .product(name: "NIOEmbedded", package: "swift-nio"),
            ],
            swiftSettings: safe
        ),
        .testTarget(name: "DomainTests", dependencies: ["Domain", "Native"], swiftSettings: safe),
        .testTarget(name: "FormatsTests", dependencies: ["Formats", "Domain"], swiftSettings: safe),
        .testTarget(
            name: "SQLTests",
            dependencies: ["SQL", "Storage", "TestDatabases"],
            swiftSettings: safe
        ),
        .testTarget(
            name: "StorageTests",
            dependencies: [
                "Storage", "Workers", "Formats", "Outbound", "Domain", "Native", "SQL", "TestDatabases",
                logging,
                .product(name: "CoreMetrics", package: "swift-metrics"),
            ],
            swiftSettings: safe
        ),
        .testTarget(
            name: "OutboundTests",
            dependencies: [
                "Outbound", "Domain", "Native", "TLS", nioCore, nioPosix,
                .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
            ],
            swiftSettings: safe
        ),
        .testTarget(
            name: "IngestTests",
            dependencies: ["TestSupport", "Domain", "Storage"],
            swiftSettings: safe
        ),
        .testTarget(
            name: "APITests",
            dependencies: [
                "TestSupport", "TestDatabases", "SQL", "Domain", "Native", "Storage", "Outbound", "Web",
                "App",
                "Ingest", hummingbird, nioCore,
                .product(name: "HTTPTypes", package: "swift-http-types"),
            ],
            swiftSettings: safe
        ),
        .testTarget(
            name: "ReferenceTests",
            dependencies: [
                "Reference", "TestSupport", "TestDatabases", "App", "Native", hummingbird, logging,
            ],
            swiftSettings: safe
        ),
        .testTarget(
            name: "AppTests",
            dependencies: [
                "App", "SQL", "TestDatabases", "TestSupport", "Domain", "Native", "Storage", "Web", lifecycle,
                logging,
                nioCore, nioPosix,
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
            ],
            swiftSettings: safe
        ),
    ],
    swiftLanguageModes: [.v6],
    cxxLanguageStandard: .cxx17
)
