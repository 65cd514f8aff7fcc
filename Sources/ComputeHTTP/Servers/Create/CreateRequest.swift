import ComputeModel
import WireJSON

/// What a `POST /servers` asks for, in the newest form: what an older version cannot say is absent.
struct CreateRequest {
    let name: String
    let description: String?
    let hostname: String?
    let flavorID: String
    let imageID: ImageID?
    let adminPassword: String?
    let metadata: [String: String]
    let networks: JSONValue?
    let securityGroups: [String]
    /// As they stand in the answer.
    let securityGroupsShown: JSONValue
    let zone: String?
    let host: String?
    let node: String?
    let keyName: String?
    let userData: String?
    let configDrive: Bool
    let autoDiskConfig: Bool
    let accessIPv4: String?
    let accessIPv6: String?
    let tags: [String]
    let hints: JSONObject
    let countMin: Int
    let countMax: Int
    let wantsReservation: Bool

    /// - Throws: a 400 for numbers that contradict each other, and for what there is not: files to inject, volumes,
    ///   signed images.
    init(_ call: ComputeCall) throws(ComputeFault) {
        let server = call.body["server"] ?? .null
        let name = server["name"]?.string?.trimmingSpaces ?? ""
        self.name = name
        // Before there were descriptions, the name was one.
        description = call.has(19) ? server["description"]?.string : name
        hostname = server["hostname"]?.string
        flavorID = Self.flavorID(server["flavorRef"])
        imageID = try Self.image(server)
        adminPassword = server["adminPass"]?.string
        metadata = Self.strings(server["metadata"])
        networks = server["networks"]
        // A group without a name is none, though the schema lets it pass.
        let groups = server["security_groups"]?.array?.filter { $0["name"]?.string != nil }
        securityGroups = Self.unique((groups ?? []).compactMap { $0["name"]?.string })
        securityGroupsShown = groups.map(JSONValue.array) ?? [["name": "default"]]
        zone = server["availability_zone"]?.string
        host = server["host"]?.string
        node = server["hypervisor_hostname"]?.string
        keyName = server["key_name"]?.string
        userData = server["user_data"]?.string
        configDrive = BooleanText.value(server["config_drive"])
        autoDiskConfig = server["OS-DCF:diskConfig"]?.string == "AUTO"
        accessIPv4 = server["accessIPv4"]?.string
        accessIPv6 = server["accessIPv6"]?.string
        tags = (server["tags"]?.array ?? []).compactMap(\.string)
        hints = Self.hints(call.body)
        let least = Self.count(server["min_count"]) ?? 1
        countMin = least
        countMax = Self.count(server["max_count"]) ?? least
        wantsReservation = BooleanText.value(server["return_reservation_id"])
        try Self.refuseUnsupported(server, hints)
        guard countMin <= countMax else { throw .badRequest("min_count must be <= max_count") }
        guard countMax == 1 || hostname == nil else {
            throw .badRequest("Unable to allocate a single hostname to multiple instances")
        }
    }

    /// A number, a name, or the address of a flavor whose last part counts.
    private static func flavorID(_ reference: JSONValue?) -> String {
        let text = reference?.string ?? reference?.int.map(String.init) ?? ""
        let path = text.prefix { $0 != "?" && $0 != "#" }
        return path.split(separator: "/", omittingEmptySubsequences: false).last.map(String.init) ?? ""
    }

    private static func image(_ server: JSONValue) throws(ComputeFault) -> ImageID? {
        let image = server["imageRef"]?.string.flatMap { ImageID($0) }
        try BlockDevices.check(server, image: image)
        guard let image else { throw .badRequest("Missing imageRef attribute") }
        return image
    }

    private static func refuseUnsupported(_ server: JSONValue, _ hints: JSONObject) throws(ComputeFault) {
        if server["personality"]?.array?.isEmpty == false { throw .badRequest("File injection is not supported.") }
        if server["trusted_image_certificates"]?.array?.isEmpty == false {
            throw .badRequest("Image signature certificate validation is not supported.")
        }
        if let group = hints["group"]?.string ?? hints["group"]?[0]?.string {
            throw .badRequest("Instance group \(group) could not be found.")
        }
    }

    /// Hints without those that are meant for the service itself. Single values of hints that may have several become
    /// lists, which is how they are shown.
    private static func hints(_ body: JSONValue) -> JSONObject {
        let asked = body["os:scheduler_hints"]?.object ?? body["OS-SCH-HNT:scheduler_hints"]?.object
        let single: Set<String> = ["query", "target_cell", "build_near_host_ip", "cidr"]
        var hints = JSONObject()
        for (name, value) in asked?.members ?? [] where !name.hasPrefix("_nova") {
            hints.set(name, value.array != nil || single.contains(name) ? value : [value])
        }
        return hints
    }

    private static func count(_ value: JSONValue?) -> Int? { value?.int ?? value?.string.flatMap { Int($0) } }

    private static func strings(_ json: JSONValue?) -> [String: String] {
        var items: [String: String] = [:]
        for (key, value) in json?.object?.members ?? [] { items[key] = value.string }
        return items
    }

    private static func unique(_ names: [String]) -> [String] {
        names.enumerated().filter { names.firstIndex(of: $0.element) == $0.offset }.map(\.element)
    }
}

/// The block devices of a new server. Only the root disk from the image exists, which may be spelled out.
enum BlockDevices {
    static func check(_ server: JSONValue, image: ImageID?) throws(ComputeFault) {
        let old = server["block_device_mapping"]?.array ?? []
        let devices = server["block_device_mapping_v2"]?.array ?? []
        if !old.isEmpty, !devices.isEmpty {
            throw .badRequest("Using different block_device_mapping syntaxes is not allowed in the same request.")
        }
        guard old.isEmpty else { throw volumes }
        for device in devices {
            guard device["source_type"]?.string == "image", device["destination_type"]?.string == "local" else {
                throw volumes
            }
            let index = device["boot_index"]?.int ?? device["boot_index"]?.string.flatMap { Int($0) }
            guard index == 0, let image else {
                throw .badRequest("Block Device Mapping is Invalid: Mapping image to local is not supported.")
            }
            let named = device["uuid"]?.string ?? device["image_id"]?.string
            guard devices.count == 1, named == nil || named.flatMap({ ImageID($0) }) == image else {
                throw .badRequest(
                    "Block Device Mapping is Invalid: Boot sequence for the instance and image/block device mapping "
                        + "combination is not valid.")
            }
        }
    }

    private static let volumes = ComputeFault.badRequest("Volumes are not supported yet")
}
