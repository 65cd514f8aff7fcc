import Foundation

/// The table of modules in Package.swift, read as text.
struct ModuleTable {
    struct Entry {
        let name: String
        let kind: String
        let modules: [String]
        let products: [String]
    }
    let entries: [Entry]

    /// The modules that each product of Package.swift's constants makes importable.
    private static let products: [String: Set<String>] = [
        "kit": ["ComputeModel", "DriverAPI", "CDriverABI"], "logging": ["Logging"], "nio": ["NIOCore"],
        "nioPosix": ["NIOPosix"], "nioHTTP1": ["NIOHTTP1"], "nioLocks": ["NIOConcurrencyHelpers"],
        "nioSSL": ["NIOSSL"], "crypto": ["Crypto"], "cryptoExtras": ["CryptoExtras", "_CryptoExtras"],
        "httpClient": ["AsyncHTTPClient"],
        "arguments": ["ArgumentParser"], "conformance": ["DriverConformance"],
    ]

    struct Unreadable: Error, CustomStringConvertible {
        let description: String
    }

    init(_ package: String) throws {
        guard let begin = package.range(of: "let modules: [Module] = ["), let end = package.range(of: "\n]\n") else {
            throw Unreadable(description: "Package.swift has no table 'let modules: [Module]'; adapt ModuleTable")
        }
        var entries: [Entry] = []
        for part in package[begin.upperBound..<end.lowerBound].split(separator: "Module(").dropFirst() {
            entries.append(try Self.entry(String(part)))
        }
        self.entries = entries
    }

    private static func entry(_ text: String) throws -> Entry {
        let lists = text.split(separator: "[", omittingEmptySubsequences: false).dropFirst()
            .map { $0.prefix { $0 != "]" } }
        let kind = text.firstMatch(of: #/,\s*\.([a-z]+)/#).map { String($0.1) } ?? "library"
        // The first thing in quotes, on whichever line it stands.
        guard let name = text.split(separator: "\"", omittingEmptySubsequences: false).dropFirst().first else {
            throw Unreadable(description: "Package.swift: an entry without a name: \(text.prefix(40))")
        }
        let items = lists.map { list in
            list.split { ", \n".contains($0) }.map(String.init)
        }
        let modules = items.first { $0.first?.hasPrefix("\"") == true } ?? []
        let products = items.first { $0.first.map { !$0.hasPrefix("\"") } == true } ?? []
        return Entry(
            name: String(name), kind: kind, modules: modules.map { $0.filter { $0 != "\"" } }, products: products)
    }

    subscript(name: String) -> Entry? { entries.first { $0.name == name } }

    /// What a module's sources may import beside the system.
    func imports(of entry: Entry) throws -> Set<String> {
        var allowed = Set(entry.modules)
        // A library for tests only, with a trait of suites.
        if entry.name == "DatabaseServers" { allowed.insert("Testing") }
        for product in entry.products {
            guard let modules = Self.products[product] else {
                throw Unreadable(description: "TidyTests does not know the product '\(product)'; add it to ModuleTable")
            }
            allowed.formUnion(modules)
        }
        return allowed
    }
}

/// Who may know whom. docs/modules.md says why.
enum Layers {
    /// From the bottom up. A module may know modules of lower layers.
    static let all: [(name: String, modules: Set<String>)] = [
        ("vocabulary", ["CDriverABI", "ComputeModel", "DriverAPI", "DriverConformance"]),
        (
            "plumbing",
            [
                "CSQLite", "CMariaDB", "CPostgreSQL", "CRabbitMQ", "CNetworkNamespace", "WireJSON", "ServiceOptions",
                "HTTPService", "Messaging", "MessagingAMQP", "Database",
            ]
        ),
        (
            "mechanisms",
            [
                "Sagas", "APIVersioning", "ComputeStore", "Identity", "PeerClients", "ServiceInterfaces",
                "InstanceMetadata", "DriverHTTP",
            ]
        ),
        ("services", ["Placement", "Scheduling", "Conductor", "ComputeAgent", "NetworkAgent"]),
        (
            "edge",
            ["ComputeHTTP", "PlacementHTTP", "MetadataHTTP", "IdentityStandIn", "ImageStandIn", "NetworkStandIn"]
        ),
        ("composition", ["Deployment", "kilonovad"]),
        // Above all, so that nothing but plugins and tests can know them.
        ("outside", ["CDriverSupport", "DriverSupport", "HostilePeer", "TestBroker", "DatabaseServers"]),
    ]

    /// Arrows within a layer. Services and edges have none: they meet in ServiceInterfaces and over HTTP.
    static let sideways: Set<String> = [
        "DriverAPI → CDriverABI", "DriverAPI → ComputeModel", "DriverConformance → DriverAPI",
        "DriverConformance → ComputeModel", "HTTPService → WireJSON", "Messaging → ServiceOptions",
        "MessagingAMQP → Messaging", "MessagingAMQP → CRabbitMQ", "MessagingAMQP → ServiceOptions",
        "Database → CSQLite", "Database → CMariaDB", "Database → CPostgreSQL", "ComputeStore → Sagas",
        "PeerClients → Identity", "kilonovad → Deployment",
        "DriverSupport → CDriverSupport",
    ]

    /// Services that an edge may know: its own.
    static let edgeToService: Set<String> = ["PlacementHTTP → Placement"]

    /// System libraries that belong to one plugin, and what drivers of hypervisors on their own host share.
    static let pluginLibraries: [String: Set<String>] = [
        "LibvirtDriver": ["CLibvirt", "DriverSupport"], "XenDriver": ["CXen", "DriverSupport"],
    ]

    /// Standard library and system, open to all. DriverKit takes less, see ImportTests.
    static let system: Set<String> = [
        "Swift", "Foundation", "FoundationEssentials", "Glibc", "Synchronization", "Dispatch",
    ]

    static func layer(of module: String) -> Int? { all.firstIndex { $0.modules.contains(module) } }
}
