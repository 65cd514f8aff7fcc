import ComputeModel
import DriverAPI
import DriverConformance
import Foundation

/// Spawns guests one after the other. Between spawn and removal the caller, who reads the guest's identifier, measures
/// what the same machine takes without the driver, and says so by a line on standard input.
enum SpawnBench {
    static func run(_ values: [String: String]) async throws {
        var options = values
        guard let image = options.removeValue(forKey: "image"), let format = options.removeValue(forKey: "format")
        else { throw DriverError.refused("image=FILE and format=NAME are missing") }
        let (host, factory) = (try BenchHost(), try loadedFactory("libvirt"))
        let scratch = host.scratch()
        let driver = try await factory.makeDriver(factory.configuration(options), host: scratch)
        let offered = scratch.offer(image: image, format: format)
        var operation: Int64 = 0
        func call() -> DriverCall {
            operation += 1
            return DriverCall(operation: operation, requestID: "bench")
        }
        while let line = readLine(), line == "spawn" {
            let spec = GuestSpec(
                id: .random(), name: "bench", projectID: "p", userID: "u",
                flavor: FlavorSpec(
                    flavorID: "1", name: "m", vcpus: 1, memoryMiB: 64, rootGiB: 1, ephemeralGiB: 0, swapMiB: 0),
                image: offered, interfaces: [], volumes: [], configDrive: nil)
            let took = try await time { _ = try await driver.spawn(spec, call()) }
            let answer = "\(spec.id) \(took.milliseconds)\n"
            FileHandle.standardOutput.write(Data(answer.utf8))
            _ = readLine()
            try await driver.destroy(spec.id, call())
            FileHandle.standardOutput.write(Data("gone\n".utf8))
        }
        await driver.shutDown()
        await host.end()
    }
}
