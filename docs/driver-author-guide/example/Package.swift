// swift-tools-version: 6.2
import PackageDescription

// DriverKit is linked as the dynamic product: a copy of its own would make every cast and every catch fail.
let kit = Target.Dependency.product(name: "DriverKit", package: "DriverKit")
let conformance = Target.Dependency.product(name: "DriverConformance", package: "DriverKit")

let package = Package(
    name: "paper",
    products: [.library(name: "PaperDriver", type: .dynamic, targets: ["PaperDriver"])],
    dependencies: [.package(path: "../../../Plugins/DriverKit")],
    targets: [
        .target(name: "PaperDriver", dependencies: [kit], path: "Sources"),
        .testTarget(name: "PaperDriverTests", dependencies: ["PaperDriver", kit, conformance]),
    ]
)
