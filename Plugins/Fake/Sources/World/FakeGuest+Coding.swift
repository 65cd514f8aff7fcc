import ComputeModel

extension FakeGuest {
    private enum CodingKeys: String, CodingKey {
        case id, name, isOurs, power, memory, operation, done, metadata, boots, startedAt, flavor, image, agent
        case hasConfigDrive, volumes, interfaces, topology, pciDevices, rescue, frozenUntil, isSetAside, arrivedBy
        case console
    }

    /// Reads also what earlier versions wrote, which knew identity, power, operation, metadata and boots.
    init(from decoder: any Decoder) throws {
        let box = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            id: try box.decode(GuestID.self, forKey: .id), name: try box.decode(String.self, forKey: .name),
            power: try box.decode(PowerState.self, forKey: .power),
            operation: try box.decode(Int64.self, forKey: .operation),
            metadata: try box.decode([String: String].self, forKey: .metadata),
            boots: try box.decode(Int.self, forKey: .boots))
        func read<Value: Decodable>(_ key: CodingKeys, _ value: inout Value) throws {
            value = try box.decodeIfPresent(Value.self, forKey: key) ?? value
        }
        memory = isUp ? .held : .none
        try read(.isOurs, &isOurs)
        try read(.memory, &memory)
        try read(.done, &done)
        try read(.flavor, &flavor)
        try read(.agent, &agent)
        try read(.hasConfigDrive, &hasConfigDrive)
        try read(.volumes, &volumes)
        try read(.interfaces, &interfaces)
        try read(.pciDevices, &pciDevices)
        try read(.isSetAside, &isSetAside)
        try read(.console, &console)
        startedAt = try box.decodeIfPresent(Timestamp.self, forKey: .startedAt)
        image = try box.decodeIfPresent(ImageID.self, forKey: .image)
        topology = try box.decodeIfPresent(GuestTopology.self, forKey: .topology)
        rescue = try box.decodeIfPresent(Rescue.self, forKey: .rescue)
        frozenUntil = try box.decodeIfPresent(Timestamp.self, forKey: .frozenUntil)
        arrivedBy = try box.decodeIfPresent(String.self, forKey: .arrivedBy)
    }

    /// Leaves out what is as usual: thousands of guests stand in the journal, most of them plain.
    func encode(to encoder: any Encoder) throws {
        var box = encoder.container(keyedBy: CodingKeys.self)
        try box.encode(id, forKey: .id)
        try box.encode(name, forKey: .name)
        if !isOurs { try box.encode(isOurs, forKey: .isOurs) }
        try box.encode(power, forKey: .power)
        try box.encode(memory, forKey: .memory)
        try box.encode(operation, forKey: .operation)
        if !done.isEmpty { try box.encode(done, forKey: .done) }
        try box.encode(metadata, forKey: .metadata)
        try box.encode(boots, forKey: .boots)
        try box.encodeIfPresent(startedAt, forKey: .startedAt)
        try box.encode(flavor, forKey: .flavor)
        try box.encodeIfPresent(image, forKey: .image)
        if agent != .answers { try box.encode(agent, forKey: .agent) }
        if hasConfigDrive { try box.encode(hasConfigDrive, forKey: .hasConfigDrive) }
        if !volumes.isEmpty { try box.encode(volumes, forKey: .volumes) }
        if !interfaces.isEmpty { try box.encode(interfaces, forKey: .interfaces) }
        try box.encodeIfPresent(topology, forKey: .topology)
        if !pciDevices.isEmpty { try box.encode(pciDevices, forKey: .pciDevices) }
        try box.encodeIfPresent(rescue, forKey: .rescue)
        try box.encodeIfPresent(frozenUntil, forKey: .frozenUntil)
        if isSetAside { try box.encode(isSetAside, forKey: .isSetAside) }
        try box.encodeIfPresent(arrivedBy, forKey: .arrivedBy)
        try box.encode(console, forKey: .console)
    }
}
