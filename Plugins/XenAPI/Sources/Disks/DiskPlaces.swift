import DriverAPI

/// The sixteen places of a machine's disks, and which are taken.
struct DiskPlaces: Hashable, Sendable {
    private var taken: Set<String> = []

    /// All free; places 0 to 3 are kept for root, ephemeral, swap and configuration disk.
    init() {}

    /// Those of an existing machine.
    init(taken: some Sequence<String>) { self.taken = Set(taken) }

    /// Takes a place.
    ///
    /// - Throws: ``DriverError/refused(_:)`` when it is taken.
    mutating func take(_ place: String) throws(DriverError) -> String {
        guard taken.insert(place).inserted else { throw .refused("The device place \(place) of the guest is in use.") }
        return place
    }

    /// Takes the place that a device name means, `/dev/vdb` or `/dev/xvdb`, or without a name the first free one behind
    /// those that are kept.
    mutating func take(forDevice name: String?) throws(DriverError) -> String {
        if let name, let place = Self.place(ofDevice: name) { return try take(place) }
        for number in 4..<16 where !taken.contains("\(number)") { return try take("\(number)") }
        throw .insufficientResources("the guest has no place for a further disk")
    }

    /// `b` of `/dev/xvdb` is place 1; `nil` for a name of another form.
    static func place(ofDevice name: String) -> String? {
        let bare = name.hasPrefix("/dev/") ? name.dropFirst(5) : Substring(name)
        guard ["vd", "sd", "hd"].contains(where: { bare.hasPrefix($0) && bare.count == 3 }) || bare.hasPrefix("xvd"),
            bare.count <= 4, let letter = bare.last?.asciiValue,
            letter >= UInt8(ascii: "a"), letter <= UInt8(ascii: "p")
        else { return nil }
        return "\(letter - UInt8(ascii: "a"))"
    }
}
