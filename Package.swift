// swift-tools-version: 6.2
import PackageDescription

// The modules, their layers and what each may import: docs/modules.md.
// TidyTests compares the imports in the sources with this table.
//
// `KILONOVA_ONLY=DatabaseTests,SagasTests swift test` narrows the package to the named targets and what
// they need, so that working on one module never compiles the others.

struct Module {
    /// A tool is a program for this repository only. `fuzz` is a test, and with KILONOVA_FUZZ a program of libFuzzer.
    enum Kind { case library, executable, plugin, test, tool, fuzz, system(pkgConfig: String, apt: String) }
    let name: String
    let kind: Kind
    let modules: [String]
    let products: [Target.Dependency]
    let path: String?
    init(
        _ name: String, _ kind: Kind = .library, _ modules: [String] = [], _ products: [Target.Dependency] = [],
        path: String? = nil
    ) {
        (self.name, self.kind, self.modules, self.products, self.path) = (name, kind, modules, products, path)
    }
}

let kit = Target.Dependency.product(name: "DriverKit", package: "DriverKit")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let nio = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioLocks = Target.Dependency.product(name: "NIOConcurrencyHelpers", package: "swift-nio")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let cryptoExtras = Target.Dependency.product(name: "CryptoExtras", package: "swift-crypto")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let httpClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let conformance = Target.Dependency.product(name: "DriverConformance", package: "DriverKit")

let modules: [Module] = [
    // Plumbing
    Module("CSQLite", .system(pkgConfig: "sqlite3", apt: "libsqlite3-dev")),
    Module("CMariaDB", .system(pkgConfig: "libmariadb", apt: "libmariadb-dev")),
    Module("CPostgreSQL", .system(pkgConfig: "libpq", apt: "libpq-dev")),
    Module("WireJSON"),
    Module("ServiceOptions"),
    Module("HTTPService", .library, ["WireJSON"], [nio, nioPosix, nioHTTP1, nioLocks, logging]),
    Module("Messaging", .library, ["ServiceOptions"], [kit, logging]),
    Module("Database", .library, ["CSQLite", "CMariaDB", "CPostgreSQL"], [logging]),
    Module("CRabbitMQ", .system(pkgConfig: "librabbitmq", apt: "librabbitmq-dev")),
    Module("MessagingAMQP", .library, ["Messaging", "CRabbitMQ", "ServiceOptions"], [kit, logging]),
    // Mechanisms
    Module("Sagas", .library, [], [logging]),
    Module("APIVersioning", .library, ["WireJSON"]),
    Module("InstanceMetadata", .library, ["WireJSON"], [kit]),
    Module("ComputeStore", .library, ["Database", "Sagas", "WireJSON"], [kit]),
    Module("Identity", .library, ["ServiceOptions", "WireJSON"], [kit]),
    Module(
        "PeerClients", .library, ["ServiceOptions", "Identity", "WireJSON"],
        [kit, httpClient, nio, nioHTTP1, logging, crypto]),
    Module("ServiceInterfaces", .library, ["Messaging"], [kit]),
    Module("DriverHTTP", .library, [], [kit, httpClient, nio, nioHTTP1, nioSSL]),
    // Services
    Module("Placement", .library, ["Database", "ServiceInterfaces", "Messaging", "ServiceOptions"], [kit, logging]),
    Module(
        "Scheduling", .library, ["ComputeStore", "ServiceInterfaces", "Messaging", "ServiceOptions"], [kit, logging]),
    Module(
        "Conductor", .library, ["ComputeStore", "Sagas", "PeerClients", "ServiceInterfaces", "Messaging", "WireJSON"],
        [kit, logging]),
    Module("ComputeAgent", .library, ["ServiceInterfaces", "Messaging"], [kit, logging]),
    Module("CNetworkNamespace", .library, path: "Sources/CNetworkNamespace"),
    Module("NetworkAgent", .library, ["CNetworkNamespace", "PeerClients", "WireJSON"], [kit, logging]),
    // Edge
    Module(
        "ComputeHTTP", .library,
        [
            "ComputeStore", "Identity", "PeerClients", "ServiceInterfaces", "Messaging", "APIVersioning", "HTTPService",
            "WireJSON", "ServiceOptions",
        ], [kit, logging, crypto]),
    Module(
        "PlacementHTTP", .library,
        ["Identity", "APIVersioning", "Placement", "HTTPService", "WireJSON", "ServiceOptions"], [kit, logging]),
    Module(
        "MetadataHTTP", .library, ["InstanceMetadata", "ComputeStore", "HTTPService", "WireJSON"],
        [kit, logging, crypto]),
    Module(
        "IdentityStandIn", .library, ["Database", "HTTPService", "WireJSON"], [kit, logging, crypto, cryptoExtras]),
    Module(
        "ImageStandIn", .library, ["Database", "HTTPService", "Identity", "WireJSON", "ServiceOptions"],
        [kit, logging, crypto, nio, nioPosix]),
    Module(
        "NetworkStandIn", .library, ["Database", "HTTPService", "Identity", "WireJSON", "ServiceOptions"],
        [kit, logging]),
    // Composition
    Module(
        "Deployment", .library,
        [
            "Database", "HTTPService", "Messaging", "MessagingAMQP", "ServiceOptions", "Sagas", "ComputeStore",
            "Identity",
            "PeerClients", "ServiceInterfaces",
            "Placement", "Scheduling", "Conductor", "ComputeAgent", "DriverHTTP", "NetworkAgent", "ComputeHTTP",
            "PlacementHTTP",
            "MetadataHTTP", "InstanceMetadata",
            "IdentityStandIn", "ImageStandIn", "NetworkStandIn", "WireJSON",
        ], [kit, conformance, logging, nio, nioPosix, httpClient]),
    Module(
        "kilonovad", .executable, ["Deployment", "ServiceOptions", "ComputeAgent"],
        [kit, conformance, arguments, logging]),
    // Plugins
    Module("FakeDriver", .plugin, [], [kit], path: "Plugins/Fake/Sources"),
    Module("CDriverSupport", .library, path: "Plugins/Support/Sources/CDriverSupport"),
    Module("DriverSupport", .library, ["CDriverSupport"], [kit], path: "Plugins/Support/Sources/DriverSupport"),
    Module("CLibvirt", .system(pkgConfig: "libvirt", apt: "libvirt-dev"), path: "Plugins/Libvirt/CLibvirt"),
    Module("LibvirtDriver", .plugin, ["CLibvirt", "DriverSupport"], [kit], path: "Plugins/Libvirt/Sources"),
    Module("VMwareDriver", .plugin, [], [kit], path: "Plugins/VMware/Sources"),
    Module("CXen", .system(pkgConfig: "xenlight", apt: "libxen-dev"), path: "Plugins/Xen/CXen"),
    Module("XenDriver", .plugin, ["CXen", "DriverSupport"], [kit], path: "Plugins/Xen/Sources"),
    Module("XenAPIDriver", .plugin, [], [kit], path: "Plugins/XenAPI/Sources"),
    // Tests
    Module("HostilePeer", .library, path: "Tests/HostilePeer"),
    Module("DatabaseServers", .library, path: "Tests/DatabaseServers"),
    Module("WireJSONTests", .test, ["WireJSON"]),
    Module("ServiceOptionsTests", .test, ["ServiceOptions"]),
    Module("HTTPServiceTests", .test, ["HTTPService", "WireJSON"], [nioPosix, nioLocks, logging]),
    Module("TestBroker", .library, path: "Tests/TestBroker"),
    Module(
        "MessagingTests", .test, ["Messaging", "MessagingAMQP", "ServiceOptions", "TestBroker"], [kit, logging]),
    Module("IdentityTests", .test, ["Identity", "WireJSON"], [kit]),
    Module("DatabaseTests", .test, ["Database", "DatabaseServers"], [logging]),
    Module("SagasTests", .test, ["Sagas"], [logging]),
    Module("ComputeStoreTests", .test, ["ComputeStore", "Database", "DatabaseServers", "Sagas"], [kit, logging]),
    Module(
        "SchedulingTests", .test,
        ["Scheduling", "ComputeStore", "Database", "DatabaseServers", "Messaging", "ServiceInterfaces"],
        [kit, logging]),
    Module(
        "ConductorTests", .test,
        [
            "Conductor", "ComputeStore", "Database", "DatabaseServers",
            "Sagas", "PeerClients", "Messaging", "ServiceInterfaces",
            "WireJSON",
        ], [kit, logging]),
    Module("APIVersioningTests", .test, ["APIVersioning", "WireJSON"]),
    Module(
        "PlacementTests", .test,
        ["Placement", "Database", "DatabaseServers", "ServiceInterfaces", "Messaging"], [kit, logging]),
    Module(
        "PlacementHTTPTests", .test,
        ["PlacementHTTP", "Placement", "Database", "DatabaseServers", "HTTPService", "Identity", "WireJSON"],
        [kit, logging]),
    Module(
        "ComputeHTTPTests", .test,
        [
            "APIVersioning", "ComputeHTTP", "ComputeStore", "Database", "DatabaseServers",
            "HTTPService", "Identity", "Messaging",
            "PeerClients", "ServiceInterfaces", "ServiceOptions", "WireJSON",
        ], [kit, logging]),
    Module(
        "ImageStandInTests", .test,
        ["ImageStandIn", "Database", "DatabaseServers", "HTTPService", "Identity", "WireJSON"],
        [kit, logging, crypto, nioPosix]),
    Module("InstanceMetadataTests", .test, ["InstanceMetadata", "WireJSON"], [kit]),
    Module(
        "MetadataHTTPTests", .test,
        ["MetadataHTTP", "InstanceMetadata", "ComputeStore", "Database", "DatabaseServers", "HTTPService", "WireJSON"],
        [kit, logging, crypto]),
    Module(
        "ComputeAgentTests", .test, ["ComputeAgent", "ServiceInterfaces", "Messaging"], [kit, conformance, logging]),
    Module("ConformanceTests", .test, ["FakeDriver"], [kit, conformance]),
    Module("DriverHTTPTests", .test, ["DriverHTTP"], [kit]),
    Module("FakeDriverTests", .test, ["FakeDriver"], [kit, conformance]),
    Module("NetworkAgentTests", .test, ["NetworkAgent", "PeerClients", "WireJSON"], [kit, logging]),
    Module("LibvirtDriverTests", .test, ["LibvirtDriver", "CLibvirt", "DriverSupport"], [kit, conformance]),
    Module("VMwareDriverTests", .test, ["VMwareDriver", "DriverHTTP", "HostilePeer"], [kit, conformance]),
    Module("XenDriverTests", .test, ["XenDriver", "CXen", "DriverSupport"], [kit, conformance]),
    Module("XenAPIDriverTests", .test, ["XenAPIDriver", "DriverHTTP", "HostilePeer"], [kit, conformance]),
    Module(
        "NetworkStandInTests", .test,
        ["NetworkStandIn", "Database", "DatabaseServers", "HTTPService", "Identity", "WireJSON"],
        [kit, logging]),
    Module(
        "StoreTests", .test,
        [
            "Database", "DatabaseServers", "ComputeStore", "Placement", "IdentityStandIn", "ImageStandIn",
            "NetworkStandIn",
        ], [kit, logging]),
    Module("TidyTests", .test),
    Module(
        "Fuzz", .fuzz,
        [
            "APIVersioning", "HTTPService", "Identity", "LibvirtDriver", "ServiceOptions", "VMwareDriver", "WireJSON",
            "XenAPIDriver",
        ], [kit, nioHTTP1]),
    Module(
        "DriverBench", .tool, ["FakeDriver", "LibvirtDriver", "ComputeAgent", "DriverHTTP"], [kit, conformance]),
]

let isFuzzing = Context.environment["KILONOVA_FUZZ"] != nil

/// Narrowed by KILONOVA_ONLY to the closure of the named targets.
let selected: [Module] = {
    let named = isFuzzing ? "Fuzz" : Context.environment["KILONOVA_ONLY"]
    guard let only = named, !only.isEmpty else { return modules }
    var wanted: Set<String> = []
    var queue = only.split(separator: ",").map(String.init)
    while let name = queue.popLast() {
        guard wanted.insert(name).inserted else { continue }
        guard let module = modules.first(where: { $0.name == name }) else {
            fatalError("KILONOVA_ONLY: no target named \(name)")
        }
        queue += module.modules
    }
    return modules.filter { wanted.contains($0.name) }
}()

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

/// All tests are linked into one program, also the plugins that tests know from inside, and every plugin has the same
/// entry point. Nothing in that program calls it. Tools link plugins in the same way.
let oneBundle: [LinkerSetting] = [.unsafeFlags(["-Xlinker", "-z", "-Xlinker", "muldefs"])]

extension Module {
    var target: Target {
        let dependencies = modules.map { Target.Dependency.byName(name: $0) } + products
        switch kind {
        case .library, .plugin:
            let isC = name.hasPrefix("C") && name.dropFirst().first!.isUppercase && path?.contains("Sources/C") == true
            return .target(name: name, dependencies: dependencies, path: path, swiftSettings: isC ? [] : settings)
        case .executable:
            return .executableTarget(name: name, dependencies: dependencies, path: path, swiftSettings: settings)
        case .tool:
            return .executableTarget(
                name: name, dependencies: dependencies, path: path ?? "Tests/\(name)", swiftSettings: settings,
                linkerSettings: oneBundle)
        case .fuzz where isFuzzing:
            return .executableTarget(
                name: name, dependencies: dependencies, path: path ?? "Tests/\(name)", exclude: ["FuzzTests.swift"],
                swiftSettings: settings, linkerSettings: oneBundle + [.unsafeFlags(["-use-ld=lld"])])
        case .fuzz:
            return .testTarget(
                name: name, dependencies: dependencies, path: path ?? "Tests/\(name)", exclude: ["Program.swift"],
                swiftSettings: settings, linkerSettings: oneBundle)
        case .test:
            return .testTarget(
                name: name, dependencies: dependencies, path: path ?? "Tests/\(name)", swiftSettings: settings,
                linkerSettings: oneBundle)
        case .system(let pkgConfig, let apt):
            return .systemLibrary(name: name, path: path, pkgConfig: pkgConfig, providers: [.apt([apt])])
        }
    }
    var product: Product? {
        switch kind {
        case .plugin: .library(name: name, type: .dynamic, targets: [name])
        case .executable, .tool: .executable(name: name, targets: [name])
        case .fuzz where isFuzzing: .executable(name: name, targets: [name])
        case .library, .test, .fuzz, .system: nil
        }
    }
}

let package = Package(
    name: "kilonova",
    products: selected.compactMap(\.product),
    dependencies: [
        .package(path: "Plugins/DriverKit"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
    ],
    targets: selected.map(\.target)
)
