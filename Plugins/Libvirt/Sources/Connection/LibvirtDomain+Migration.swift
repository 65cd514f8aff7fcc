import CLibvirt

/// How a running guest goes to another daemon.
struct MigrationOrder: Sendable {
    /// The other daemon, as this one reaches it.
    var daemon: String
    /// Where memory goes: `tcp://address`; `nil` lets libvirt choose.
    var memory: String?
    /// The guest as it shall be there.
    var document: String
    /// Disks that are copied, by their device names; empty for none.
    var disks: [String] = []
    /// Whether the disks' bases are there already.
    var copiesOverlaysOnly = true
    var mayPostCopy = false
    var mayThrottle = false
    /// Whether both sides were proven to see the same disks, where libvirt cannot know.
    var disksAreShared = false
    var encrypts = false
    var bandwidthMiB: Int?
}

extension LibvirtDomain {
    /// Moves it; returns when it is there. Blocks for long.
    func migrate(_ order: MigrationOrder) throws(LibvirtFailure) {
        var flags = VIR_MIGRATE_LIVE.rawValue | VIR_MIGRATE_PEER2PEER.rawValue
        if !order.disks.isEmpty {
            let kind = order.copiesOverlaysOnly ? VIR_MIGRATE_NON_SHARED_INC : VIR_MIGRATE_NON_SHARED_DISK
            flags |= kind.rawValue
        }
        if order.mayPostCopy { flags |= VIR_MIGRATE_POSTCOPY.rawValue }
        if order.mayThrottle { flags |= VIR_MIGRATE_AUTO_CONVERGE.rawValue }
        if order.disksAreShared { flags |= VIR_MIGRATE_UNSAFE.rawValue }
        if order.encrypts { flags |= VIR_MIGRATE_TLS.rawValue }
        var parameters = TypedParameters()
        try parameters.add(VIR_MIGRATE_PARAM_DEST_XML, order.document)
        if let memory = order.memory { try parameters.add(VIR_MIGRATE_PARAM_URI, memory) }
        if let bandwidth = order.bandwidthMiB { try parameters.add(VIR_MIGRATE_PARAM_BANDWIDTH, UInt64(bandwidth)) }
        for disk in order.disks { try parameters.add(VIR_MIGRATE_PARAM_MIGRATE_DISKS, disk) }
        let status = parameters.with { list, count in
            virDomainMigrateToURI3(pointer, order.daemon, list, UInt32(count), UInt32(flags))
        }
        guard status == 0 else { throw .last("migrate the guest to \(order.daemon)") }
    }

    /// How long it may stand still at the end of a migration.
    func limitDowntime(milliseconds: Int) throws(LibvirtFailure) {
        guard virDomainMigrateSetMaxDowntime(pointer, UInt64(max(1, milliseconds)), 0) == 0 else {
            throw .last("limit the guest's downtime")
        }
    }

    /// Lets it run on at the destination while memory still comes over.
    func beginPostCopy() throws(LibvirtFailure) {
        guard virDomainMigrateStartPostCopy(pointer, 0) == 0 else { throw .last("begin post-copy") }
    }

    /// Whether it is off because it has gone to another node.
    var hasMoved: Bool {
        var (state, reason): (Int32, Int32) = (0, 0)
        guard virDomainGetState(pointer, &state, &reason, 0) == 0 else { return false }
        return state == Int32(VIR_DOMAIN_SHUTOFF.rawValue) && reason == Int32(VIR_DOMAIN_SHUTOFF_MIGRATED.rawValue)
    }

    /// Whether it stands still because a migration by post-copy broke: it can go on nowhere but by hand.
    var isStranded: Bool {
        var (state, reason): (Int32, Int32) = (0, 0)
        guard virDomainGetState(pointer, &state, &reason, 0) == 0 else { return false }
        return state == Int32(VIR_DOMAIN_PAUSED.rawValue)
            && [VIR_DOMAIN_PAUSED_POSTCOPY.rawValue, VIR_DOMAIN_PAUSED_POSTCOPY_FAILED.rawValue]
                .contains(UInt32(bitPattern: reason))
    }
}

extension LibvirtConnection {
    /// Whether a guest with that `<cpu>` element can run here: libvirt's words why not, or `nil`.
    func obstacle(toCPU cpu: XMLElement, arch: String, virtType: String) throws(LibvirtFailure) -> String? {
        let result = virConnectCompareHypervisorCPU(
            pointer, nil, arch, nil, virtType, cpu.serialized,
            UInt32(VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE.rawValue))
        if result >= Int32(VIR_CPU_COMPARE_IDENTICAL.rawValue) { return nil }
        let failure = LibvirtFailure.last("compare the processor")
        guard result < 0, !failure.hasCode(VIR_ERR_CPU_INCOMPATIBLE) else { return failure.text }
        throw failure
    }
}
