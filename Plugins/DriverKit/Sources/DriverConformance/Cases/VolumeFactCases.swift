import ComputeModel
import DriverAPI

extension ConformanceCase {
    /// Volumes with qualities that drivers declare as facts.
    static func addVolumeFactCases(_ list: inout CaseList) {
        addTagCases(&list)
        addSharingCases(&list)
        addEncryptionCases(&list)
        addBootCases(&list)
        list.add(
            "io-limits.volume", .diskRateLimit, "A volume with limits on its input and output is attached",
            needs: [.capability(.volumes), .fact(.ioLimits)], parts: [.volumes]
        ) { bench in
            let guest = try await bench.spawn()
            var volume = try await bench.volume()
            volume.limits.totalBytesPerSecond = 10 << 20
            volume.limits.readOperationsPerSecond = 100
            volume.limits.writeOperationsPerSecond = 100
            try await bench.volumes().attach(volume, to: guest.id, bench.call())
            try await bench.expectVolumes([volume.id], of: guest.id, "after attach")
        }
        list.add(
            "io-limits.flavor", .diskRateLimit, "A guest whose flavor limits its root disk and interfaces runs",
            needs: [.fact(.ioLimits)]
        ) { bench in
            let guest = try await bench.spawn { spec in
                spec.flavor.extraSpecs["quota:disk_total_bytes_sec"] = String(10 << 20)
                spec.flavor.extraSpecs["quota:disk_read_iops_sec"] = "100"
                spec.flavor.extraSpecs["quota:vif_inbound_average"] = "1024"
            }
            try await bench.expectPower([.running], of: guest.id, "after spawn")
        }
        list.add(
            "volumes.iscsi.chap", .iscsiCHAP, "An iSCSI volume that asks for a password is attached",
            needs: [.capability(.volumes), .connection(.iscsi)], parts: [.volumes]
        ) { bench in
            let volume = try await bench.volume(.iscsi)
            guard case .iscsi(let target) = volume.connection, target.user != nil else {
                throw CaseSkip.notShown("the iSCSI volumes here ask for no password")
            }
            let guest = try await bench.spawn()
            try await bench.volumes().attach(volume, to: guest.id, bench.call())
            try await bench.expectVolumes([volume.id], of: guest.id, "after attach")
        }
    }

    private static func addTagCases(_ list: inout CaseList) {
        list.add(
            "tagged-volumes.attach", .attachTaggedVolume, "A volume is attached with a tag",
            needs: [.capability(.volumes), .fact(.taggedVolumes)], parts: [.volumes]
        ) { bench in
            let guest = try await bench.spawn()
            var volume = try await bench.volume()
            volume.tag = "conformance-disk"
            try await bench.volumes().attach(volume, to: guest.id, bench.call())
            try await bench.expectVolumes([volume.id], of: guest.id, "after attach with a tag")
            try await bench.expectTags(["conformance-disk"], of: guest.id)
        }
        list.add(
            "tagged-volumes.not-declared", .attachTaggedVolume, "A volume's tag that cannot be kept is not supported",
            needs: [.capability(.volumes)], parts: [.volumes]
        ) { bench in
            guard !bench.capabilities.facts.contains(.taggedVolumes) else {
                throw CaseSkip.notShown("the driver declares it")
            }
            let guest = try await bench.spawn()
            var volume = try await bench.volume()
            volume.tag = "conformance-disk"
            let (volumes, tagged, call) = (try bench.volumes(), volume, bench.call())
            try await expectError([.notSupported], from: "attaching with a tag") {
                try await volumes.attach(tagged, to: guest.id, call)
            }
            throw CaseSkip.notDeclared("the driver does not declare tagged-volumes")
        }
        list.add(
            "device-tags.spawn", .deviceTags, "A guest is spawned with a tagged volume and a tagged interface",
            needs: [.fact(.deviceTags)], parts: [.interfaces], quick: true
        ) { bench in
            var interface = try await bench.interface()
            interface.tag = "conformance-nic"
            var volumes: [VolumeSpec] = []
            if bench.capabilities.volumes != nil, bench.subject.volumes != nil {
                var volume = try await bench.volume()
                volume.tag = "conformance-disk"
                volumes = [volume]
            }
            let (tagged, attached) = (interface, volumes)
            let guest = try await bench.spawn { spec in
                spec.interfaces = [tagged]
                spec.volumes = attached
            }
            try await bench.expectTags(Set(["conformance-nic"] + attached.compactMap(\.tag)), of: guest.id)
        }
    }

    private static func addSharingCases(_ list: inout CaseList) {
        list.add(
            "multiattach.two-guests", .multiattach, "Two guests hold one volume, and one gives it back",
            needs: [.capability(.volumes), .fact(.multiattach)], parts: [.volumes], guests: 2
        ) { bench in
            let (first, second) = (try await bench.spawn(), try await bench.spawn())
            var volume = try await bench.volume()
            volume.isShared = true
            let volumes = try bench.volumes()
            try await volumes.attach(volume, to: first.id, bench.call())
            try await volumes.attach(volume, to: second.id, bench.call())
            try await bench.expectVolumes([volume.id], of: first.id, "after both attaches")
            try await bench.expectVolumes([volume.id], of: second.id, "after both attaches")
            try await volumes.detach(volume.id, from: first.id, bench.call())
            try await bench.expectVolumes([], of: first.id, "after detach")
            try await bench.expectVolumes([volume.id], of: second.id, "after detach from the other guest")
        }
        list.add(
            "multiattach.destroy", .multiattach, "Destroying one guest leaves a shared volume with the other",
            needs: [.capability(.volumes), .fact(.multiattach)], parts: [.volumes], guests: 2
        ) { bench in
            var volume = try await bench.volume()
            volume.isShared = true
            let shared = volume
            let (first, second) = (
                try await bench.spawn { $0.volumes = [shared] }, try await bench.spawn { $0.volumes = [shared] },
            )
            try await bench.driver.destroy(first.id, bench.call())
            try await bench.expectVolumes([shared.id], of: second.id, "after the other guest was destroyed")
        }
    }

    private static func addEncryptionCases(_ list: inout CaseList) {
        list.add(
            "encrypted-volumes.attach", .encryptedVolume, "A volume that the hypervisor decrypts is attached",
            needs: [.capability(.volumes), .fact(.encryptedVolumes)], parts: [.volumes]
        ) { bench in
            let guest = try await bench.spawn()
            let volume = try await bench.encryptedVolume()
            try await bench.volumes().attach(volume, to: guest.id, bench.call())
            try await bench.expectVolumes([volume.id], of: guest.id, "after attach")
            let secret = String(decoding: volume.encryption?.passphrase ?? [], as: UTF8.self)
            let isTold = bench.subject.host.logged.contains { $0.contains(secret) }
            try check(!isTold, "the passphrase stands in the log")
            try await bench.volumes().detach(volume.id, from: guest.id, bench.call())
            try await bench.expectVolumes([], of: guest.id, "after detach")
        }
        list.add(
            "encrypted-volumes.not-declared", .encryptedVolume, "Encryption that cannot be undone is not supported",
            needs: [.capability(.volumes)], parts: [.volumes]
        ) { bench in
            guard !bench.capabilities.facts.contains(.encryptedVolumes) else {
                throw CaseSkip.notShown("the driver declares it")
            }
            let guest = try await bench.spawn()
            var volume = try await bench.volume()
            volume.encryption = VolumeEncryption(provider: "luks", passphrase: Array("conformance".utf8))
            let (volumes, encrypted, call) = (try bench.volumes(), volume, bench.call())
            try await expectError([.notSupported], from: "attaching an encrypted volume") {
                try await volumes.attach(encrypted, to: guest.id, call)
            }
            throw CaseSkip.notDeclared("the driver does not declare encrypted-volumes")
        }
        list.add(
            "encrypted-volumes.unknown-provider", .encryptedVolume, "An encryption that nobody knows is not supported",
            needs: [.capability(.volumes), .fact(.encryptedVolumes)], parts: [.volumes]
        ) { bench in
            let guest = try await bench.spawn()
            var volume = try await bench.volume()
            volume.encryption = VolumeEncryption(provider: "conformance", passphrase: Array("secret".utf8))
            let (volumes, encrypted, call) = (try bench.volumes(), volume, bench.call())
            try await expectError([.notSupported], from: "attaching with an unknown encryption") {
                try await volumes.attach(encrypted, to: guest.id, call)
            }
            try await bench.expectVolumes([], of: guest.id, "after a refused attach")
        }
    }

    private static func addBootCases(_ list: inout CaseList) {
        let needs: [ConformanceNeed] = [.capability(.volumes), .fact(.bootFromVolume)]
        list.add(
            "boot-from-volume.spawn", .blockStorage, "A guest boots from a volume and leaves it when it is destroyed",
            needs: needs, parts: [.volumes], quick: true
        ) { bench in
            let volume = try await bench.bootVolume()
            let guest = try await bench.spawn { spec in
                spec.image = nil
                spec.volumes = [volume]
            }
            try await bench.expectPower([.running], of: guest.id, "after spawn from a volume")
            try await bench.driver.reboot(guest.id, .hard, within: .zero, bench.call())
            try await bench.driver.destroy(guest.id, bench.call())
            try await bench.expectAbsent(guest.id, "after destroy")
            _ = try await bench.subject.volumes?.read(1, from: volume)
        }
        list.add(
            "boot-from-volume.rebuild", .rebuild, "A guest that boots from a volume is spawned again from it",
            needs: needs, parts: [.volumes]
        ) { bench in
            let volume = try await bench.bootVolume()
            let guest = try await bench.spawn { spec in
                spec.image = nil
                spec.volumes = [volume]
            }
            try await bench.driver.destroy(guest.id, bench.call())
            let again = try await bench.spawn(guest.spec)
            try await bench.expectPower([.running], of: again.id, "after the second spawn")
        }
        list.add(
            "rescue-of-volumes.rescue", .rescue, "A guest that boots from a volume is rescued and comes back",
            needs: needs + [.capability(.rescue), .fact(.rescueOfVolumes)], parts: [.volumes]
        ) { bench in
            let volume = try await bench.bootVolume()
            let guest = try await bench.spawn { spec in
                spec.image = nil
                spec.volumes = [volume]
            }
            let before = try await bench.observe(guest.id)
            let rescuing = try unwrap(bench.capabilities.rescue, "no rescue")
            try await rescuing.rescue(guest.id, with: RescueSpec(image: bench.subject.images.rescue), bench.call())
            try await bench.expectPower([.running], of: guest.id, "after rescue")
            try await rescuing.unrescue(guest.id, bench.call())
            try await bench.expectUnchanged(guest.id, since: before, "after unrescue", ignoringPower: true)
            try await bench.expectPower([.running], of: guest.id, "after unrescue")
        }
    }
}

extension Bench {
    /// Fails the case unless the guest finds these tags, where that can be seen.
    func expectTags(_ wanted: Set<String>, of guest: GuestID) async throws {
        guard let tags = try await subject.insight?.tags(of: guest) else { return }
        try check(tags.isSuperset(of: wanted), "the guest has the tags \(tags.sorted()), not \(wanted.sorted())")
    }

    /// A volume that the hypervisor must decrypt.
    func encryptedVolume() async throws -> VolumeSpec {
        guard let volumes = subject.volumes, let volume = try await volumes.makeEncrypted() else {
            throw CaseSkip.notShown("there are no encrypted volumes")
        }
        track(volume)
        return volume
    }
}
