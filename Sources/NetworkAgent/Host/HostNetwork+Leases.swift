import ComputeModel
import Logging

extension HostNetwork {
    /// Puts the files of all services in place; answers those whose hosts or options changed.
    func writeLeaseFiles(_ services: [LeaseService]) throws(HostNetworkError) -> Set<NetworkID> {
        var changed: Set<NetworkID> = []
        for service in services {
            try SystemFile.makeDirectory(service.directory)
            let hosts = try SystemFile.write(service.hosts, to: service.hostsPath)
            let options = try SystemFile.write(service.options, to: service.optionsPath)
            if hosts || options { changed.insert(service.network) }
        }
        return changed
    }

    /// Removes the files of services that are no more.
    func removeOldLeaseFiles(_ services: [LeaseService]) {
        let wanted = Set(services.map(\.directory))
        for name in SystemFile.names(in: options.runtimeDirectory) where HostNames.isNamespaceOfOurs(name) {
            let path = options.leaseDirectory(name)
            if !wanted.contains(path) { SystemFile.remove(path) }
        }
    }

    /// Has running services read what changed. One that remembers a lease that is now another guest's is restarted
    /// without it; after a start of our own all are told, because a killed predecessor may not have.
    func refreshLeases(
        _ services: [LeaseService], changed: Set<NetworkID>, all: Bool
    ) async throws(HostNetworkError) -> [HostChange] {
        var changes: [HostChange] = []
        guard all || !changed.isEmpty else { return [] }
        let running = LeaseProcess.running(below: options.runtimeDirectory)
        for service in services where all || changed.contains(service.network) {
            guard let process = running.first(where: { $0.configurationPath == service.configurationPath }) else {
                continue
            }
            if service.leasesWithoutConflicts(SystemFile.text(service.leasesPath) ?? "") != nil {
                await process.stop()
                try await start(service)
                changes.append(HostChange(.started, "dnsmasq for \(service.network)"))
            } else {
                process.reload()
                if changed.contains(service.network) {
                    changes.append(HostChange(.reloaded, "dnsmasq for \(service.network)"))
                }
            }
        }
        return changes
    }

    func start(_ service: LeaseService) async throws(HostNetworkError) {
        for name in SystemFile.names(in: service.directory) where name.hasPrefix("dnsmasq-") {
            let path = "\(service.directory)/\(name)"
            if path != service.configurationPath { SystemFile.remove(path) }
        }
        try SystemFile.write(service.configuration, to: service.configurationPath)
        if let kept = service.leasesWithoutConflicts(SystemFile.text(service.leasesPath) ?? "") {
            try SystemFile.write(kept, to: service.leasesPath)
        }
        let namespace = HostNames.serviceNamespace(service.network)
        try await run(["ip", "netns", "exec", namespace, "dnsmasq", "--conf-file=\(service.configurationPath)"])
    }

    func announce(_ announcement: HostRepair.Announcement) {
        let path = options.place.namespacePath(announcement.namespace)
        let result = AddressAnnouncement.send(announcement.addresses, from: announcement.leg, namespace: path)
        if let result {
            logger.warning("addresses not announced", metadata: ["leg": "\(announcement.leg)", "reason": "\(result)"])
        }
    }
}
