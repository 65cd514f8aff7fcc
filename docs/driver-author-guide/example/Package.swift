// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "paper",
    products: [.library(name: "PaperDriver", type: .dynamic, targets: ["PaperDriver"])],
    dependencies: [.package(path: "../../../Plugins/DriverKit")],
    targets: [
        .target(
            name: "PaperDriver", dependencies: [.product(name: "DriverKit", package: "DriverKit")], path: "Sources")
    ]
)
