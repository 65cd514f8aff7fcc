// swift-tools-version: 6.2
import PackageDescription

// The driver interface is a package of its own with a dynamic product: on Linux, a module that host and
// plugin each link statically exists twice, and casts and error matching fail silently between the copies.
// It depends on nothing but the standard library. See docs/decisions/0003-driverkit-is-a-dynamic-package.md.

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

let package = Package(
    name: "DriverKit",
    products: [
        .library(name: "DriverKit", type: .dynamic, targets: ["ComputeModel", "DriverAPI", "CDriverABI"]),
        .library(name: "DriverConformance", targets: ["DriverConformance"]),
    ],
    targets: [
        .target(name: "CDriverABI"),
        .target(name: "ComputeModel", swiftSettings: settings),
        .target(name: "DriverAPI", dependencies: ["ComputeModel", "CDriverABI"], swiftSettings: settings),
        .target(name: "DriverConformance", dependencies: ["DriverAPI", "ComputeModel"], swiftSettings: settings),
    ]
)
