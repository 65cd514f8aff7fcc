import ComputeModel
import DriverAPI

extension ConformanceCase {
    /// Qualities of how guests are made.
    static let bootCases: [ConformanceCase] = {
        var list = CaseList()
        addDriveCases(&list)
        addFirmwareCases(&list)
        addTrustCases(&list)
        addDeviceCases(&list)
        return list.cases
    }()

    private static func addDriveCases(_ list: inout CaseList) {
        let files: [String: [UInt8]] = [
            "openstack/latest/meta_data.json": Array("{\"uuid\": \"conformance\"}".utf8),
            "openstack/latest/user_data": Array("#!/bin/sh\n".utf8), "ec2/latest/meta-data.json": [],
        ]
        list.add(
            "config-drive.spawn", .configDrive, "A guest with a configuration drive runs, and finds its files",
            needs: [.fact(.configDrive)], quick: true
        ) { bench in
            let guest = try await bench.spawn { $0.configDrive = files }
            try await bench.expectPower([.running], of: guest.id, "after spawn")
            guard let found = try await bench.subject.insight?.configDrive(of: guest.id) else { return }
            for (path, content) in files {
                try check(found[path] == content, "the configuration drive lacks \(path), or it has another content")
            }
        }
        list.add(
            "config-drive.lasts", .configDrive, "The configuration drive is there after a reboot and a power cycle",
            needs: [.fact(.configDrive)]
        ) { bench in
            let guest = try await bench.spawn { $0.configDrive = files }
            let before = try await bench.observe(guest.id)
            try await bench.driver.reboot(guest.id, .hard, within: .zero, bench.call())
            try await bench.driver.powerOff(guest.id, within: .zero, bench.call())
            try await bench.driver.powerOn(guest.id, bench.call())
            try await bench.expectUnchanged(guest.id, since: before, "after a power cycle", ignoringPower: true)
        }
        list.add(
            "config-drive.destroy", .configDrive, "Destroying a guest removes its configuration drive",
            needs: [.fact(.configDrive)]
        ) { bench in
            let guest = try await bench.spawn { $0.configDrive = files }
            try await bench.driver.destroy(guest.id, bench.call())
            let left = try await bench.observe(guest.id).world
            try check(left.isEmpty, "after destroy there is left: \(left.joined(separator: " / "))")
        }
        list.add(
            "config-drive.large", .configDrive, "A configuration drive of a few megabytes is made",
            needs: [.fact(.configDrive)]
        ) { bench in
            let guest = try await bench.spawn { spec in
                spec.configDrive = files
                spec.configDrive?["openstack/content/0000"] = [UInt8](repeating: 0x5a, count: 3 << 20)
            }
            try await bench.expectPower([.running], of: guest.id, "after spawn")
        }
    }

    private static func addFirmwareCases(_ list: inout CaseList) {
        list.add(
            "uefi.spawn", .uefiBoot, "A guest boots with UEFI firmware and is destroyed with its variables",
            needs: [.fact(.uefi)]
        ) { bench in
            let image = try bench.uefiImage()
            let guest = try await bench.spawn { spec in
                spec.image = image
                spec.image?.properties["hw_firmware_type"] = "uefi"
            }
            try await bench.expectPower([.running], of: guest.id, "after spawn")
            try await bench.driver.reboot(guest.id, .hard, within: .zero, bench.call())
            try await bench.expectPower([.running], of: guest.id, "after a reboot")
        }
        list.add(
            "secure-boot.spawn", .uefiBoot, "A guest boots with secure boot", needs: [.fact(.uefi), .fact(.secureBoot)]
        ) { bench in
            let image = try bench.uefiImage()
            let guest = try await bench.spawn { spec in
                spec.image = image
                spec.image?.properties["hw_firmware_type"] = "uefi"
                spec.image?.properties["os_secure_boot"] = "required"
            }
            try await bench.expectPower([.running], of: guest.id, "after spawn")
        }
    }

    private static func addTrustCases(_ list: inout CaseList) {
        list.add(
            "trusted-images.spawn", .trustedCerts, "An image with trusted certificates is fetched through the host",
            needs: [.fact(.trustedImages)]
        ) { bench in
            let image = bench.subject.host.offerAgain(bench.subject.images.boot)
            let fetches = bench.subject.host.fetches
            let guest = try await bench.spawn { spec in
                spec.image = image
                spec.image?.trustedCertificates = ["conformance"]
            }
            try await bench.expectPower([.running], of: guest.id, "after spawn")
            // The host checks the signature when it fetches; a driver that does not ask it checks nothing.
            try check(bench.subject.host.fetches > fetches, "the image was not fetched through the host")
        }
        list.add(
            "trusted-images.refused", .trustedCerts, "An image that the host does not hand out makes no guest",
            needs: [.fact(.trustedImages)]
        ) { bench in
            var spec = bench.makeSpec()
            spec.image?.id = .random()
            spec.image?.trustedCertificates = ["conformance"]
            bench.track(spec.id)
            let (driver, asked, call) = (bench.driver, spec, bench.call())
            try await expectError([.imageUnavailable, .imageUnacceptable], from: "spawning from an untrusted image") {
                _ = try await driver.spawn(asked, call)
            }
            try await bench.expectAbsent(spec.id, "after spawn from an untrusted image")
        }
    }

    private static func addDeviceCases(_ list: inout CaseList) {
        let needs = [ConformanceNeed.fact(.pciPassthrough)]
        list.add(
            "pci-passthrough.inventory", nil, "Devices that guests can have are told with address, vendor and product",
            needs: needs, guests: 0
        ) { bench in
            let devices = try await bench.inventory().topology?.pciDevices ?? []
            try check(!devices.isEmpty, "pci-passthrough is declared and there are no devices")
            try check(Set(devices.map(\.address)).count == devices.count, "two devices have one address")
            for device in devices {
                let isID = device.vendorID.utf8.count == 4 && device.productID.utf8.count == 4
                try check(isID, "device \(device.address) is \(device.vendorID):\(device.productID)")
            }
        }
        list.add("pci-passthrough.spawn", nil, "A guest gets a device for itself and gives it back", needs: needs) {
            bench in
            let address = try await bench.pciDevice()
            for _ in 0..<2 {
                let guest = try await bench.spawn { $0.pciDevices = [address] }
                try await bench.expectPower([.running], of: guest.id, "after spawn")
                try await bench.driver.destroy(guest.id, bench.call())
            }
        }
        list.add(
            "pci-passthrough.in-use", nil, "A device that another guest has makes no guest", needs: needs, guests: 2
        ) { bench in
            let address = try await bench.pciDevice()
            _ = try await bench.spawn { $0.pciDevices = [address] }
            var spec = bench.makeSpec()
            spec.pciDevices = [address]
            bench.track(spec.id)
            let (driver, asked, call) = (bench.driver, spec, bench.call())
            try await expectError([.insufficientResources, .refused], from: "spawning with a device in use") {
                _ = try await driver.spawn(asked, call)
            }
            try await bench.expectAbsent(spec.id, "after spawn with a device in use")
        }
    }
}

extension Bench {
    /// An image that boots with UEFI firmware.
    func uefiImage() throws -> ImageSpec {
        guard let image = subject.images.uefi else { throw CaseSkip.notShown("there is no image that boots with UEFI") }
        return image
    }

    /// A device of the node.
    func pciDevice() async throws -> String {
        let device = try await inventory().topology?.pciDevices.first
        return try unwrap(device?.address, "pci-passthrough is declared and there are no devices")
    }
}
