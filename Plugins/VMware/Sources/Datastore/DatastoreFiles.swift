import ComputeModel
import DriverAPI

/// Adapters that a disk can be made for.
enum DiskAdapter: String, CaseIterable, Sendable {
    case lsiLogic
    case busLogic
    case lsiLogicsas
    case paraVirtual
    case ide

    /// The name that disk managers know: they know three.
    var diskManagerName: String {
        switch self {
        case .lsiLogic, .lsiLogicsas, .paraVirtual: "lsiLogic"
        case .busLogic: "busLogic"
        case .ide: "ide"
        }
    }
    var controllerType: String {
        switch self {
        case .lsiLogic: "VirtualLsiLogicController"
        case .busLogic: "VirtualBusLogicController"
        case .lsiLogicsas: "VirtualLsiLogicSASController"
        case .paraVirtual: "ParaVirtualSCSIController"
        case .ide: "VirtualIDEController"
        }
    }
}

/// Works on files and disks of a datacenter's datastores.
struct DatastoreFiles: Sendable {
    let client: VCenterClient
    let tasks: TaskRunner
    let datacenter: ManagedReference
    /// The datacenter's place in the inventory, `folder/DC0`.
    let datacenterPath: String

    /// The longest that a whole transfer may take.
    private static let transferLimit: Duration = .seconds(6 * 3600)

    func makeFolder(_ path: DatastorePath) async throws(VimFailure) {
        do throws(VimFailure) {
            _ = try await client.call(
                "MakeDirectory", client.content.fileManager,
                [
                    XMLElement("name", path.description), datacenter.element("datacenter"),
                    XMLElement("createParentDirectories", true),
                ])
        } catch where error.kind == .fileAlreadyExists {
            return
        }
    }

    /// Removes a file or a folder with all it holds; an absent one is fine.
    func remove(_ path: DatastorePath) async throws(VimFailure) {
        do throws(VimFailure) {
            try await tasks.run(
                "DeleteDatastoreFile_Task", client.content.fileManager,
                [XMLElement("name", path.description), datacenter.element("datacenter")])
        } catch where error.kind == .fileNotFound {
            return
        }
    }

    /// - Throws: a fault of kind `fileAlreadyExists` when something has that name.
    func move(_ source: DatastorePath, to target: DatastorePath) async throws(VimFailure) {
        try await tasks.run(
            "MoveDatastoreFile_Task", client.content.fileManager,
            [
                XMLElement("sourceName", source.description), datacenter.element("sourceDatacenter"),
                XMLElement("destinationName", target.description), datacenter.element("destinationDatacenter"),
                XMLElement("force", false),
            ])
    }

    /// The files of a folder with their sizes; `nil` when there is no such folder.
    func list(
        _ folder: DatastorePath, on datastore: ManagedReference
    ) async throws(VimFailure) -> [(name: String, bytes: UInt64)]? {
        guard let browser = try await client.properties(["browser"], of: datastore)["browser"]?.reference else {
            return nil
        }
        let details = XMLElement(
            "details",
            [
                XMLElement("fileType", false), XMLElement("fileSize", true), XMLElement("modification", false),
                XMLElement("fileOwner", false),
            ])
        do throws(VimFailure) {
            let result = try await tasks.run(
                "SearchDatastore_Task", browser,
                [
                    XMLElement("datastorePath", folder.description),
                    XMLElement("searchSpec", [details, XMLElement("matchPattern", "*")]),
                ])
            return (result?.all("file") ?? []).map { file in
                (file.string("path") ?? "", UInt64(file.string("fileSize") ?? "") ?? 0)
            }
        } catch where error.kind == .fileNotFound {
            return nil
        }
    }

    // MARK: Disks

    func createDisk(
        _ path: DatastorePath, kib: Int, adapter: DiskAdapter, isThin: Bool
    ) async throws(VimFailure) {
        try await tasks.run(
            "CreateVirtualDisk_Task", client.content.virtualDiskManager,
            [
                XMLElement("name", path.description), datacenter.element("datacenter"),
                XMLElement(
                    "spec", type: "FileBackedVirtualDiskSpec",
                    [
                        XMLElement("diskType", isThin ? "thin" : "preallocated"),
                        XMLElement("adapterType", adapter.diskManagerName), XMLElement("capacityKb", kib),
                    ]),
            ])
    }

    /// Copies a disk, whatever it leans on, to one that stands alone.
    func copyDisk(
        _ source: DatastorePath, to target: DatastorePath, _ purpose: TaskRunner.Purpose? = nil
    ) async throws(VimFailure) {
        try await tasks.run(
            "CopyVirtualDisk_Task", client.content.virtualDiskManager,
            fromTo(source, target, [XMLElement("force", false)]), purpose)
    }

    func moveDisk(_ source: DatastorePath, to target: DatastorePath) async throws(VimFailure) {
        try await tasks.run(
            "MoveVirtualDisk_Task", client.content.virtualDiskManager,
            fromTo(source, target, [XMLElement("force", false)]))
    }

    func extendDisk(_ path: DatastorePath, toKiB kib: Int) async throws(VimFailure) {
        try await tasks.run(
            "ExtendVirtualDisk_Task", client.content.virtualDiskManager,
            [
                XMLElement("name", path.description), datacenter.element("datacenter"),
                XMLElement("newCapacityKb", kib), XMLElement("eagerZero", false),
            ])
    }

    /// Removes a disk with its content; an absent one is fine.
    func removeDisk(_ path: DatastorePath) async throws(VimFailure) {
        do throws(VimFailure) {
            try await tasks.run(
                "DeleteVirtualDisk_Task", client.content.virtualDiskManager,
                [XMLElement("name", path.description), datacenter.element("datacenter")])
        } catch where error.kind == .fileNotFound {
            return
        }
    }

    // MARK: Transfers

    /// Sends a file of this host to a datastore.
    func upload(_ file: String, to path: DatastorePath) async throws(VimFailure) {
        try await upload(.file(path: file), to: path)
    }

    func upload(_ body: DriverHTTPRequest.Body, to path: DatastorePath) async throws(VimFailure) {
        let answer = try await client.transfer(
            DriverHTTPRequest(
                "PUT", path.url(client.endpoint.base, datacenterPath: datacenterPath),
                headers: [.init("Content-Type", "application/octet-stream")], body: body,
                sink: .memory(bytesMax: 1 << 20), timeout: Self.transferLimit))
        guard (200...204).contains(answer.status) else { throw Self.failure(answer, "store \(path)") }
    }

    /// Fetches a file from a datastore to a new file of this host.
    func download(_ path: DatastorePath, to file: String) async throws(VimFailure) {
        let answer = try await client.transfer(
            DriverHTTPRequest(
                "GET", path.url(client.endpoint.base, datacenterPath: datacenterPath), sink: .file(path: file),
                timeout: Self.transferLimit))
        guard answer.status == 200 else { throw Self.failure(answer, "read \(path)") }
    }

    static func failure(_ answer: DriverHTTPAnswer, _ what: String) -> VimFailure {
        let text = "vCenter does not \(what): HTTP status \(answer.status)"
        return switch answer.status {
        case 502, 503, 504: .driver(.unreachable(text))
        case 507: .driver(.insufficientResources(text + ", the datastore is full"))
        default: .driver(.failed(text))
        }
    }

    private func fromTo(_ source: DatastorePath, _ target: DatastorePath, _ rest: [XMLElement]) -> [XMLElement] {
        [
            XMLElement("sourceName", source.description), datacenter.element("sourceDatacenter"),
            XMLElement("destName", target.description), datacenter.element("destDatacenter"),
        ] + rest
    }
}
