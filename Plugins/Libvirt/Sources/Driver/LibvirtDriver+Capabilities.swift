import ComputeModel
import DriverAPI

extension LibvirtDriver {
    /// Made anew for each reader, of facts that do not change: the objects hold the driver, never the other way round.
    var capabilities: Capabilities {
        var all = Capabilities(
            consoleLog: ConsoleLogs(instancesPath: options.instancesPath, threads: threads),
            bindings: [.bridge], imageFormats: Set(DiskFormat.bootable.map(\.rawValue)), facts: capabilityFacts)
        let consoles = Consoles(driver: self)
        if !consoles.kinds.isEmpty { all.consoles = consoles }
        all.pausing = Pausing(driver: self)
        all.suspending = Suspending(driver: self)
        all.crashDumps = CrashDumps(driver: self)
        all.diagnostics = Diagnostics(driver: self)
        all.interfaces = Interfaces(driver: self)
        all.volumes = Volumes(driver: self)
        all.volumeExtending = VolumeExtending(driver: self)
        all.volumeSwapping = VolumeSwapping(driver: self)
        all.snapshots = Snapshots(driver: self)
        all.quiescing = Quiescing(driver: self)
        all.passwords = Passwords(driver: self)
        all.clocks = Clocks(driver: self)
        all.rescue = Rescuing(driver: self)
        all.imageCache = ImageCaching(driver: self)
        all.resizing = Resizing(driver: self)
        all.evacuation = Evacuating(driver: self)
        all.liveMigration = LiveMigrating(driver: self)
        return all
    }

    private var capabilityFacts: Set<CapabilityFact> {
        var found: Set<CapabilityFact> = [
            .configDrive, .deviceTags, .taggedInterfaces, .taggedVolumes, .multiattach, .encryptedVolumes,
            .bootFromVolume, .rescueOfVolumes, .stableRescue, .trustedImages, .ioLimits,
        ]
        if facts.capabilities.topology != nil { found.insert(.topology) }
        if facts.domainCapabilities.firmwares.contains("efi") { found.insert(.uefi) }
        // Only q35 can boot securely, and an image may ask for it, whatever the default is.
        if facts.domainCapabilities.hasSecureFirmware { found.insert(.secureBoot) }
        return found
    }
}
