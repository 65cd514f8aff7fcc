import ComputeAgent
package import ComputeModel
package import DriverAPI
package import DriverConformance
import DriverHTTP
import FoundationEssentials
package import ServiceOptions

/// A loaded driver as the conformance suite's subject, with what the group `[driver_verify]` gives it.
package final class ConfiguredSubject: ConformanceSubject {
    package let name: String
    package let host: ScratchHost
    package let limits: ConformanceLimits
    package let images: ConformanceImages
    package let volumes: (any ConformanceVolumes)?
    package let hypervisor: (any HypervisorControl)?
    package let rehearsal: (any CallRehearsal)?
    package let foreignGuests: (any ForeignGuests)?
    package let accidents: (any GuestAccidents)?
    package let mayTurnHostOff: Bool
    package let facts: [String: String]
    private let selected: SelectedDriver
    private let options: KilonovaOptions
    private let folder: String
    private let commands: ShellCommands
    private let http: DriverHTTPClient

    /// Loads the driver that a name selects and prepares the images.
    ///
    /// - Throws: ``DeploymentError`` with the refusal, or for an image that is not there.
    package init(_ driver: String, _ source: ConfigurationSource) throws(DeploymentError) {
        let options: KilonovaOptions
        do {
            options = try KilonovaOptions(source)
        } catch {
            throw DeploymentError(.configuration, "\(error)")
        }
        let verify = options.driverVerify
        let selected = try DriverSelection(directory: options.compute.pluginDirectory).select(driver, source)
        let folder = FileManager.default.temporaryDirectory.path + "/kilonova-verify-" + UUIDValue.random().compact
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw DeploymentError(.unavailable, "the folder \(folder) cannot be made: \(error)")
        }
        let http = DriverHTTPClient()
        let node = "verify-" + UUIDValue.random().compact.prefix(8)
        let host = ScratchHost(stateDirectory: folder + "/state", nodeName: node) { request throws(DriverError) in
            try await http.exchange(request)
        }
        let helper: VerifyHelper?
        do throws(DeploymentError) {
            images = try Self.images(verify, host, folder)
            hypervisor = try Self.control(verify, ShellCommands(stateDirectory: host.stateDirectory))
            helper = try VerifyHelper(verify, ShellCommands(stateDirectory: host.stateDirectory))
        } catch {
            try? FileManager.default.removeItem(atPath: folder)
            throw error
        }
        (self.selected, self.options, self.folder, self.http, self.host) = (selected, options, folder, http, host)
        commands = ShellCommands(stateDirectory: host.stateDirectory)
        name = selected.loaded.manifest.name
        limits = Self.limits(verify)
        let files = FileVolumes(directory: folder + "/volumes")
        volumes = helper?.volumes(beside: files) ?? files
        (foreignGuests, accidents) = (helper?.foreignGuests, helper?.accidents)
        rehearsal = verify.slowMetadata.isEmpty && verify.failMetadata.isEmpty && verify.deafMetadata.isEmpty
            ? nil
            : MetadataRehearsal(slow: verify.slowMetadata, fail: verify.failMetadata, deaf: verify.deafMetadata)
        mayTurnHostOff = verify.mayTurnHostOff
        var facts = [
            "driver": "\(name) \(selected.loaded.manifest.version)", "driver_api": "\(selected.loaded.apiVersion)",
            // Not its path: a report is given to others.
            "library": URL(filePath: selected.loaded.path).lastPathComponent,
        ]
        facts["hypervisor"] = verify.hypervisor
        self.facts = facts
    }

    package func start() async throws(DriverError) -> any ComputeDriver {
        try await DriverStart.start(
            selected.loaded.factory, selected.configuration, host: host, within: options.driverCalls.start)
    }

    package func world() async throws -> [String]? {
        guard let command = options.driverVerify.worldCommand else { return nil }
        return try await commands.run(command, for: "world_command").split(separator: "\n").map(String.init)
    }

    package func makeInterface(for driver: any ComputeDriver) async throws -> NetworkInterfaceSpec? {
        let kinds = driver.capabilities.bindings
        if let bridge = options.driverVerify.bridge, kinds.contains(.bridge) {
            var interface = NetworkInterfaceSpec.unboundForConformance()
            // As the network agent names them; the kernel takes 15 characters.
            let tap = "tap" + interface.portID.description.prefix(11)
            interface.binding = .bridge(bridge: bridge, tap: tap)
            return interface
        }
        return kinds.contains(.unbound) ? .unboundForConformance() : nil
    }

    package func secondNode() async throws -> (any ConformanceSubject)? {
        guard let path = options.driverVerify.secondConfig else { return nil }
        // The same plugin, wherever it was found for the first node.
        let place = options.compute.pluginDirectory.map { ["DEFAULT.driver_plugin_dir=\($0)"] } ?? []
        return try ConfiguredSubject(name, try ConfigurationSource(files: [path], settings: place))
    }

    package func close() async {
        await http.shutDown()
        try? FileManager.default.removeItem(atPath: folder)
    }

    private static func images(_ verify: DriverVerifyOptions, _ host: ScratchHost, _ folder: String)
        throws(DeploymentError) -> ConformanceImages
    {
        func image(
            _ path: String?, _ option: String, _ properties: [String] = []
        ) throws(DeploymentError) -> ImageSpec? {
            guard let path else { return nil }
            guard FileManager.default.isReadableFile(atPath: path) else {
                throw DeploymentError(
                    .configuration, "[driver_verify] \(option): \(path) is not there or cannot be read")
            }
            return host.offer(image: path, format: verify.imageFormat, properties: try Self.table(properties, option))
        }
        let empty = folder + "/empty.raw"
        if verify.image == nil, !FileManager.default.createFile(atPath: empty, contents: Data(count: 1 << 20)) {
            throw DeploymentError(.unavailable, "\(empty) cannot be written; is the disk full?")
        }
        let properties = try Self.table(verify.imageProperties, "image")
        let boot = try image(verify.image, "image", verify.imageProperties)
            ?? host.offer(image: empty, format: verify.imageFormat, properties: properties)
        return ConformanceImages(
            boot: boot, rescue: try image(verify.rescueImage, "rescue_image"),
            uefi: try image(verify.uefiImage, "uefi_image"), broken: try image(verify.brokenImage, "broken_image"),
            agent: try image(verify.agentImage, "agent_image", verify.agentImageProperties))
    }

    private static func table(_ pairs: [String], _ option: String) throws(DeploymentError) -> [String: String] {
        var found: [String: String] = [:]
        for pair in pairs {
            let halves = pair.split(separator: "=", maxSplits: 1).map(String.init)
            guard halves.count == 2 else {
                throw DeploymentError(
                    .configuration, "[driver_verify] \(option)_properties: '\(pair)' has no form key=value")
            }
            found[halves[0]] = halves[1]
        }
        return found
    }

    private static func limits(_ verify: DriverVerifyOptions) -> ConformanceLimits {
        let small = FlavorSpec(
            flavorID: "verify", name: "verify", vcpus: 1, memoryMiB: verify.memoryMiB, rootGiB: verify.rootGiB)
        let large = FlavorSpec(
            flavorID: "verify-large", name: "verify-large", vcpus: 2, memoryMiB: verify.memoryMiB * 2,
            rootGiB: verify.rootGiB + 1)
        return ConformanceLimits(
            timeScale: verify.timeScale, guestsMax: verify.guestsMax, randomCalls: verify.randomCalls,
            floodChanges: verify.floodChanges, grace: verify.grace, quiesceLimit: verify.quiesceLimit, flavor: small,
            largerFlavor: large)
    }

    private static func control(_ verify: DriverVerifyOptions, _ commands: ShellCommands)
        throws(DeploymentError) -> (any HypervisorControl)?
    {
        switch (verify.stopCommand, verify.startCommand) {
        case (nil, nil): return nil
        case (let stop?, let start?):
            return CommandedHypervisor(
                endsGuests: verify.endsGuests, stop: stop, start: start, hangs: verify.hangCommand, commands: commands)
        case (nil, _?), (_?, nil):
            throw DeploymentError(
                .configuration, "[driver_verify] needs stop_command and start_command, or neither of them")
        }
    }
}

/// A hypervisor that an operator's commands stop and start.
private struct CommandedHypervisor: HypervisorControl {
    let endsGuests: Bool
    let stop: String
    let start: String
    let hangs: String?
    let commands: ShellCommands

    func kill() async throws { _ = try await commands.run(stop, for: "stop_command") }
    func revive() async throws { _ = try await commands.run(start, for: "start_command") }
    func hang() async throws -> Bool {
        guard let hangs else { return false }
        _ = try await commands.run(hangs, for: "hang_command")
        return true
    }
}

/// Slow and failing calls by metadata of a form that the driver's author names.
private struct MetadataRehearsal: CallRehearsal {
    let slow: [String]
    let fail: [String]
    let deaf: [String]

    func slowing(_ call: String, by delay: Duration) -> [String: String]? {
        let seconds = Double(delay.components.seconds) + Double(delay.components.attoseconds) / 1e18
        return filled(Self.chosen(slow, call), ["{call}": call, "{seconds}": String(seconds)])
    }

    func failing(_ call: String) -> [String: String]? { filled(Self.chosen(fail, call), ["{call}": call]) }

    var deafening: [String: String]? { filled(deaf, [:]) }

    /// The templates for a call: those that are for it alone, `CALL|key=value`, or else those for every call.
    private static func chosen(_ templates: [String], _ call: String) -> [String] {
        let own = templates.filter { $0.hasPrefix(call + "|") }.map { String($0.dropFirst(call.count + 1)) }
        return own.isEmpty ? templates.filter { !$0.contains("|") } : own
    }

    private func filled(_ templates: [String], _ words: [String: String]) -> [String: String]? {
        var metadata: [String: String] = [:]
        for template in templates {
            let halves = template.split(separator: "=", maxSplits: 1).map(String.init)
            guard halves.count == 2 else { continue }
            let texts = halves.map { half in words.reduce(half) { $0.replacing($1.key, with: $1.value) } }
            metadata[texts[0]] = texts[1]
        }
        return metadata.isEmpty ? nil : metadata
    }
}
