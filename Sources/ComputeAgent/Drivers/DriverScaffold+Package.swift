/// What surrounds a new driver's sources.
extension DriverScaffold {
    static let package = ##"""
        // swift-tools-version: 6.2
        import PackageDescription

        // DriverKit is linked as the dynamic product: a copy of its own would make every cast and every catch fail.
        let kit = Target.Dependency.product(name: "DriverKit", package: "DriverKit")
        let conformance = Target.Dependency.product(name: "DriverConformance", package: "DriverKit")

        let package = Package(
            name: "@NAME@",
            products: [.library(name: "@TYPE@", type: .dynamic, targets: ["@TYPE@"])],
            dependencies: [.package(path: "@DRIVERKIT@")],
            targets: [
                .target(name: "@TYPE@", dependencies: [kit], path: "Sources"),
                .testTarget(name: "@TYPE@Tests", dependencies: ["@TYPE@", kit, conformance]),
            ]
        )

        """##

    static let manifest = ##"""
        {
            "name": "@NAME@",
            "aliases": [],
            "version": "0.1.0",
            "summary": "Guests on paper: a file for each, and nothing runs",
            "driver_api": ["1.0"],
            "library": "lib@TYPE@.so"
        }

        """##

    static let makefile = ##"""
        # make          build the driver and put it where kilonovad can find it: plugins/@NAME@
        # make test     its tests, with the core of the conformance suite
        # make verify   the whole suite on the driver as kilonovad loads it

        CONFIG ?=

        .PHONY: build test verify clean
        build:
        \##tswift build
        \##tmkdir -p plugins/@NAME@
        \##tcp driver.json .build/debug/lib@TYPE@.so plugins/@NAME@/

        test:
        \##tswift test

        verify: build
        \##tkilonovad driver verify @NAME@ --set DEFAULT.driver_plugin_dir=$(CURDIR)/plugins $(CONFIG:%=--config %)

        clean:
        \##trm -rf .build plugins

        """##

    static let ignored = ##"""
        /.build
        /plugins

        """##

    static let readme = ##"""
        # The driver @NAME@

        A hypervisor driver for Kilonova. Its guests are files yet; `Sources/GuestFiles.swift` is what to replace first.

        ```console
        $ make                # build, and install into plugins/@NAME@
        $ make test           # the core of the conformance suite, inside the tests
        $ kilonovad driver check @NAME@ --set DEFAULT.driver_plugin_dir=$PWD/plugins
        $ make verify         # the whole suite on the library as the daemon loads it
        ```

        Choose it with

        ```ini
        [DEFAULT]
        compute_driver = @NAME@
        driver_plugin_dir = …/plugins
        ```

        """##

    static let tests = ##"""
        import ComputeModel
        import DriverAPI
        import DriverConformance
        import Foundation
        import Testing

        @testable import @TYPE@

        @Suite struct CoreTests {
            @Test func theDriverPassesTheCore() async throws {
                let report = await DriverSuite(try Subject(), SuiteOptions(patterns: ["core.*"])).run()
                #expect(report.isPassed, "\(report.table())")
            }
        }

        /// The driver on a hypervisor of its own: here, a folder.
        final class Subject: ConformanceSubject {
            let name = "@NAME@"
            let host: ScratchHost
            let images: ConformanceImages
            let limits = ConformanceLimits()
            private let folder: String

            init() throws {
                folder = NSTemporaryDirectory() + "@NAME@-" + UUIDValue.random().compact
                try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
                let image = folder + "/image.raw"
                try Data(count: 1 << 16).write(to: URL(filePath: image))
                host = ScratchHost(stateDirectory: folder + "/state")
                images = ConformanceImages(boot: host.offer(image: image))
            }

            func start() async throws(DriverError) -> any ComputeDriver {
                var values: [String: String] = [:]
                for option in @TYPE@.options { values[option.name] = option.defaultValue }
                return @TYPE@(DriverConfiguration(values), host)
            }

            /// What exists on the hypervisor, seen without the driver's help.
            func world() async throws -> [String]? {
                try FileManager.default.contentsOfDirectory(atPath: host.stateDirectory + "/guests")
            }

            func close() async { try? FileManager.default.removeItem(atPath: folder) }
        }

        """##
}
