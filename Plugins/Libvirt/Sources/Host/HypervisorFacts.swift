import ComputeModel
import DriverAPI
import DriverSupport

/// What is found out about the hypervisor when the driver starts; fixed from then on.
struct HypervisorFacts: Sendable {
    /// libvirt versions below this are refused: metadata, virtlogd, domain capabilities and backups as used here.
    static let libraryVersionMin = 7_002_000

    var decision: VirtTypeDecision
    var capabilities: HostCapabilities
    /// For the default machine type.
    var domainCapabilities: DomainCapabilities
    /// The default machine type as configured.
    var machine: String
    var emulator: String?
    /// The processor that guests see, and its features as traits.
    var cpu: XMLElement?
    var traits: Set<Trait>
    /// libvirt's driver name, Nova's `hypervisor_type`.
    var hypervisorType: String
    var hypervisorVersion: Int
    var hostname: String
    var libraryVersion: Int
    /// Kinds of volume that QEMU here can open.
    var volumeKinds: Set<VolumeConnection.Kind>

    /// Asks libvirt and the host.
    static func find(
        _ session: LibvirtSession, _ options: LibvirtOptions, threads: BlockingThreads
    ) async throws(DriverError) -> HypervisorFacts {
        let probe = await threads.run { KVMProbe.look() }
        let raw = try await session.read { connection throws(LibvirtFailure) in try RawFacts(connection, options) }
        guard raw.libraryVersion >= libraryVersionMin else {
            throw .notSupported("libvirt \(raw.libraryVersion / 1_000_000) is too old; 7.2 or newer is needed")
        }
        let capabilities: HostCapabilities
        var offered: [String: DomainCapabilities] = [:]
        do throws(XMLReader.Failure) {
            capabilities = try HostCapabilities(xml: raw.capabilities)
            for (type, xml) in raw.domainCapabilities { offered[type] = try DomainCapabilities(xml: xml) }
        } catch {
            throw .failed("libvirt's capabilities cannot be read: \(error.reason) at byte \(error.offset)")
        }
        let decision = try VirtTypeDecision.decide(
            options.virtType, probe: probe, libvirtOffersKVM: offered["kvm"] != nil,
            libvirtOffersQEMU: offered["qemu"] != nil)
        guard let domain = offered[decision.virtType] else {
            throw .badConfiguration(
                "libvirt offers no \(decision.virtType) guests of machine type \(raw.machine); "
                    + "see [libvirt] virt_type and hw_machine_type")
        }
        let cpu = try GuestCPU.element(
            mode: options.cpuMode, models: options.cpuModels, virtType: decision.virtType, domain)
        var traits = HostTraits.devices(domain).union(HostTraits.node(arch: capabilities.arch))
        if let expandable = GuestCPU.expandable(cpu, domain)?.serialized {
            // Not every libvirt driver can expand; then no processor traits are claimed.
            let expanded = try? await session.read { connection throws(LibvirtFailure) in
                try connection.expandedCPU(
                    expandable, arch: capabilities.arch, machine: raw.machine, virtType: decision.virtType)
            }
            traits.formUnion(HostTraits.processor(features: HostTraits.features(ofCPU: expanded ?? "")))
        }
        for kind in options.graphics where !domain.graphics.contains(kind) {
            throw .badConfiguration(
                "[libvirt] graphics = \(kind), but QEMU here offers only "
                    + domain.graphics.sorted().joined(separator: ", ") + "; install qemu-system-gui for spice")
        }
        let guest = capabilities.guests.first { $0.arch == capabilities.arch && $0.machineMode == "hvm" }
        return HypervisorFacts(
            decision: decision, capabilities: capabilities, domainCapabilities: domain, machine: raw.machine,
            emulator: guest?.emulator, cpu: cpu, traits: traits, hypervisorType: raw.driverName,
            hypervisorVersion: raw.version, hostname: raw.hostname, libraryVersion: raw.libraryVersion,
            volumeKinds: await volumeKinds(threads))
    }

    /// Files and block devices always; network disks as QEMU's programs list them.
    private static func volumeKinds(_ threads: BlockingThreads) async -> Set<VolumeConnection.Kind> {
        var kinds: Set<VolumeConnection.Kind> = [.file, .block]
        let help = try? await Subprocess("qemu-img", ["--help"], timeout: .seconds(60)).run(on: threads)
        let words = Set((help ?? "").split(whereSeparator: { $0 == " " || $0 == ";" }))
        for kind in VolumeDisk.kinds where words.contains(Substring(kind.rawValue)) { kinds.insert(kind) }
        return kinds
    }

    /// Answers of libvirt, still as text.
    private struct RawFacts: Sendable {
        var capabilities: String
        var domainCapabilities: [String: String] = [:]
        var machine: String
        var driverName: String
        var version: Int
        var libraryVersion: Int
        var hostname: String

        init(_ connection: LibvirtConnection, _ options: LibvirtOptions) throws(LibvirtFailure) {
            capabilities = try connection.capabilities()
            driverName = try connection.driverName()
            version = try connection.hypervisorVersion()
            libraryVersion = try connection.libraryVersion()
            hostname = try connection.hostname()
            let arch = (try? HostCapabilities(xml: capabilities))?.arch ?? "x86_64"
            machine = options.machineTypes[arch] ?? (arch == "x86_64" ? "pc" : "virt")
            for type in ["kvm", "qemu"] {
                // Refused for a type that does not exist here: that is the answer.
                domainCapabilities[type] = try? connection.domainCapabilities(
                    arch: arch, machine: machine, virtType: type)
            }
        }
    }
}
