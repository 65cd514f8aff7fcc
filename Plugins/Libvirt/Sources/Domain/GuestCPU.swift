import DriverAPI

/// The processor that guests see.
enum GuestCPU {
    /// The `<cpu>` element for the options; `nil` leaves it to QEMU.
    ///
    /// - Throws: ``DriverError/badConfiguration(_:)`` when the host cannot give what is configured.
    static func element(
        mode: String?, models: [String], virtType: String, _ capabilities: DomainCapabilities
    ) throws(DriverError) -> XMLElement? {
        let emulated = virtType == "qemu"
        // Under emulation the poorest model is the fastest, and the host's own cannot be given.
        let isX86 = capabilities.usableCPUModels.contains("qemu64")
        guard let mode else {
            if emulated { return isX86 ? custom("qemu64") : nil }
            return capabilities.cpuModes.contains("host-model") ? XMLElement("cpu", ["mode": "host-model"]) : nil
        }
        switch mode {
        case "none": return nil
        case "custom":
            guard let model = models.first(where: { capabilities.usableCPUModels.contains($0) }) else {
                throw .badConfiguration(
                    "[libvirt] cpu_models = \(models.joined(separator: ",")): libvirt calls none of them usable with "
                        + "virt_type \(virtType) here; `virsh domcapabilities --virttype \(virtType)` lists those "
                        + "that are")
            }
            return custom(model)
        default:
            guard capabilities.cpuModes.contains(mode) else {
                throw .badConfiguration(
                    "[libvirt] cpu_mode = \(mode) is not possible with virt_type \(virtType) here; possible are "
                        + (capabilities.cpuModes.sorted() + ["none"]).joined(separator: ", "))
            }
            return XMLElement("cpu", ["mode": mode])
        }
    }

    /// A `<cpu>` element that libvirt can expand into features: for host-model what libvirt says that it is.
    static func expandable(_ element: XMLElement?, _ capabilities: DomainCapabilities) -> XMLElement? {
        guard let element else { return nil }
        if ["host-model", "host-passthrough", "maximum"].contains(element["mode"] ?? "") {
            return capabilities.hostModel
        }
        guard let model = element.child("model") else { return nil }
        return XMLElement("cpu", [:], [model])
    }

    private static func custom(_ model: String) -> XMLElement {
        XMLElement("cpu", ["mode": "custom", "match": "exact"], [XMLElement("model", text: model)])
    }
}
