import ComputeModel
import DriverAPI
import Foundation

/// Brings a compressed VMDK to a datastore by an NFC lease: vSphere makes a machine for it, takes the disk's data,
/// and the disk is then taken out of the machine.
struct LeaseImport: Sendable {
    let client: VCenterClient
    let files: DatastoreFiles
    let tasks: TaskRunner
    let cluster: Cluster
    let host: any DriverHost

    private static let readyLimit: Duration = .seconds(120)
    private static let transferLimit: Duration = .seconds(6 * 3600)
    /// A lease that hears nothing for five minutes ends.
    private static let keepAliveInterval: Duration = .seconds(60)

    /// Imports the disk and moves it to `target`. If it throws, nothing of it remains.
    func importDisk(
        _ local: String, kib: Int, adapter: DiskAdapter, as target: DatastorePath, for guest: GuestID?
    ) async throws(VimFailure) {
        let name = "kilonova-import-\(UUIDValue.random())"
        let answer = try await client.call(
            "ImportVApp", cluster.resourcePool,
            [specification(name, kib, adapter, target.datastore), cluster.machineFolder.element("folder")])
        guard let lease = answer["returnval"]?.reference else {
            throw .driver(.failed("vCenter \(client.endpoint.authority) gave no lease for an import"))
        }
        try await withRollback { (rollback: inout Rollback) async throws(VimFailure) in
            rollback.onFailure { [client] in _ = try? await client.call("HttpNfcLeaseAbort", lease) }
            let info = try await ready(lease)
            guard let machine = info["entity"]?.reference else {
                throw .driver(.failed("the import's lease names no machine"))
            }
            // An abort removes the machine on vSphere; where it does not, this does.
            rollback.onFailure { [tasks] in _ = try? await tasks.run("Destroy_Task", machine) }
            try await send(local, lease, info)
            _ = try await client.call("HttpNfcLeaseComplete", lease)
            try await takeOut(machine, to: target)
        }
    }

    private func specification(_ name: String, _ kib: Int, _ adapter: DiskAdapter, _ datastore: String) -> XMLElement {
        let devices = [
            DeviceChange.add(DeviceChange.controller(adapter, key: -101)),
            DeviceChange.add(
                DeviceChange.disk(
                    key: -102, controller: -101, unit: 0, file: "[\(datastore)]", kib: kib), file: "create"),
        ]
        let config = XMLElement(
            "configSpec",
            [
                XMLElement("name", name), XMLElement("guestId", "otherGuest64"),
                XMLElement("files", [XMLElement("vmPathName", "[\(datastore)]")]), XMLElement("numCPUs", 1),
                XMLElement("memoryMB", 128),
            ] + devices)
        return XMLElement("spec", type: "VirtualMachineImportSpec", [config])
    }

    /// Waits until the lease takes data.
    private func ready(_ lease: ManagedReference) async throws(VimFailure) -> XMLElement {
        let clock = ContinuousClock()
        let deadline = clock.now + Self.readyLimit
        while clock.now < deadline {
            let now = try await client.properties(["state", "info", "error"], of: lease)
            switch now.string("state") {
            case "ready":
                if let info = now["info"] { return info }
            case "error":
                let fault = now["error"].map { VimFault(localized: $0) } ?? VimFault(type: "", message: "no reason")
                throw .fault(fault, during: "the import's lease")
            default: break
            }
            do { try await Task.sleep(for: tasks.pollInterval) } catch { throw .driver(.cancelled) }
        }
        throw .driver(.timedOut("an import's lease was not ready within \(Self.readyLimit)"))
    }

    private func send(_ local: String, _ lease: ManagedReference, _ info: XMLElement) async throws(VimFailure) {
        let urls = info.all("deviceUrl").filter { $0["disk"]?.bool ?? true }
        guard urls.count == 1, var url = urls.first?.string("url") else {
            throw .driver(.failed("the import's lease takes \(urls.count) disks, not one"))
        }
        // A star stands for the server that was asked.
        if let star = url.range(of: "://*") { url.replaceSubrange(star, with: "://\(client.endpoint.authority)") }
        let keepAlive = Task {
            while !Task.isCancelled {
                _ = try? await client.call("HttpNfcLeaseProgress", lease, [XMLElement("percent", 50)])
                try? await Task.sleep(for: Self.keepAliveInterval)
            }
        }
        defer { keepAlive.cancel() }
        let answer = try await client.transfer(
            DriverHTTPRequest(
                "POST", url, headers: [.init("Content-Type", "application/x-vnd.vmware-streamVmdk")],
                body: .file(path: local), sink: .memory(bytesMax: 1 << 20), timeout: Self.transferLimit))
        guard (200...204).contains(answer.status) else {
            throw .driver(.imageUnacceptable("vSphere does not take the image's disk: HTTP status \(answer.status)"))
        }
    }

    /// Keeps the disk and forgets the machine.
    private func takeOut(_ machine: ManagedReference, to target: DatastorePath) async throws(VimFailure) {
        let now = try await client.properties(["config.hardware.device", "config.files.vmPathName"], of: machine)
        let devices = (now["config.hardware.device"]?.children ?? []).map { Device($0) }
        guard let disk = devices.first(where: \.isDisk)?.file,
            let configuration = now.string("config.files.vmPathName").flatMap({ DatastorePath($0) })
        else { throw .driver(.failed("the imported machine has no disk")) }
        _ = try await client.call("UnregisterVM", machine)
        do throws(VimFailure) {
            try await files.moveDisk(disk, to: target)
        } catch {
            await Task { try? await files.remove(configuration.folder) }.value
            throw error
        }
        try await files.remove(configuration.folder)
    }
}
