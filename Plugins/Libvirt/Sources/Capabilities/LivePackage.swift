import ComputeModel
import DriverAPI
import FoundationEssentials

/// What the drivers of both sides tell each other of a guest that moves while it runs.
struct LivePackage: Hashable, Codable, Sendable {
    static let version = 1

    /// What the destination says of itself.
    struct Offer: Hashable, Codable, Sendable {
        var node: String
        /// Its daemon, as the source's reaches it, and where memory goes.
        var daemon: String
        var memory: String?
        /// The guest's directory there, and the token of the guest that is seen in it.
        var directory: String
        var token: String?
        /// Tells whether both nodes are one machine.
        var kernel: String
        var arch: String
        var virtType: String
    }

    /// A disk that is a file in the guest's directory.
    struct Disk: Hashable, Codable, Sendable {
        /// Device name, `vda`.
        var device: String
        var path: String
        var format: String
        var bytes: UInt64
        /// Name of the file in the image cache that it leans on.
        var base: String?
        var isReadOnly: Bool
    }

    /// What the source says of the guest.
    struct Source: Hashable, Codable, Sendable {
        var directory: String
        /// Whether the destination sees the guest's directory.
        var isShared: Bool
        /// Whether both sides read files through the same cache.
        var sharesCache: Bool
        var disks: [Disk]
        /// The `<cpu>` element.
        var cpu: String?
        var adminUser: String?
    }

    /// What the destination has prepared.
    struct Arrival: Hashable, Codable, Sendable {
        /// `<disk>` elements of volumes as they are reached there.
        var volumes: [String: String]
        /// By hardware address.
        var interfaces: [String: PortBinding]
        /// Address on which consoles listen there, and the serial console's port.
        var listen: String
        var serialPort: Int?
    }

    var offer: Offer
    var source: Source?
    var arrival: Arrival?

    init(offer: Offer) { self.offer = offer }

    /// Reads a package.
    init(_ package: MovePackage) throws(DriverError) {
        guard package.version == Self.version,
            let read = try? JSONDecoder().decode(Self.self, from: Data(package.data))
        else { throw .refused("the move was begun by a libvirt driver of another version") }
        self = read
    }

    func package(_ files: [FileOffer]) -> MovePackage {
        let data = (try? JSONEncoder().encode(self)).map { Array($0) } ?? []
        return MovePackage(version: Self.version, data: data, files: files)
    }

    /// The guest's document as it shall be at the destination.
    ///
    /// - Parameter live: as libvirt would send it. Nothing that the guest sees is changed.
    func document(from live: GuestDocument) -> GuestDocument {
        guard let source, let arrival else { return live }
        var document = live
        func moved(_ path: String?) -> String? {
            guard let path, path.hasPrefix(source.directory + "/") else { return nil }
            return offer.directory + path.dropFirst(source.directory.count)
        }
        document.root.edit("os") { system in
            system.edit("nvram") { variables in
                guard let path = moved(variables.text) else { return }
                variables.contents = [.text(path)]
            }
        }
        document.editDevices { device in
            switch device.name {
            case "disk":
                // What lies below is found anew at the destination.
                device.remove { $0.name == "backingStore" }
                if let volume = GuestDocument.volume(of: device), let text = arrival.volumes[volume.description],
                    let there = try? XMLReader.parse(text), let place = there.child("source")
                {
                    device.set("type", there["type"])
                    device.edit("source") { $0 = place }
                } else if let path = moved(device.child("source")?["file"]) {
                    device.edit("source") { $0.set("file", path) }
                }
            case "interface":
                guard let address = device.child("mac")?["address"]?.lowercased(),
                    case .bridge(let bridge, let tap) = arrival.interfaces[address]
                else { return }
                device.edit("source") { source in
                    source = XMLElement("source", ["bridge": bridge])
                }
                device.edit("target") { $0.set("dev", tap) }
            case "serial", "console":
                device.edit("log") { log in if let path = moved(log["file"]) { log.set("file", path) } }
                guard device["type"] == "tcp", let port = arrival.serialPort else { return }
                device.edit("source") { source in
                    source.set("host", arrival.listen)
                    source.set("service", "\(port)")
                }
            case "graphics":
                device.set("listen", arrival.listen)
                device.edit("listen") { $0.set("address", arrival.listen) }
            default: break
            }
        }
        return document
    }
}
