import ComputeModel
import DriverAPI
import FoundationEssentials
import Glibc

/// Swaps attached volumes. Where both are files their content is copied; the content of others is out of reach.
struct VolumeSwapping: SwappingVolumes {
    private static let pieceBytes = 1 << 20

    let hypervisor: Hypervisor

    func swap(_ old: VolumeID, for new: VolumeSpec, of guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        let hypervisor = hypervisor
        let subject = "\(old)/\(new.id)"
        _ = try await hypervisor.carryOut(.swapVolume, guest, call, about: subject) { (known) throws(DriverError) in
            let known = try hypervisor.own(known, guest)
            guard let source = known.volumes.first(where: { $0.id == old }) else {
                if known.volumes.contains(where: { $0.id == new.id }) { return "" }
                throw .refused("guest \(guest) does not hold volume \(old)")
            }
            guard new.sizeGiB >= source.sizeGiB else {
                throw .refused("volume \(new.id) of \(new.sizeGiB) GiB is smaller than \(old) of \(source.sizeGiB)")
            }
            let rules = hypervisor.rules
            try hypervisor.world.check { (state) throws(DriverError) in try rules.check(new, state, for: guest) }
            try await hypervisor.rehearse(.swapVolume, "guest \(guest)", known.metadata)
            try await self.copy(source, to: new, of: guest)
            try hypervisor.commit(.swapVolume, guest, call, about: subject) { (guest, state) throws(DriverError) in
                try rules.check(new, state, for: guest.id)
                guard let index = guest.volumes.firstIndex(where: { $0.id == old }) else { return }
                var replacement = AttachedVolume(new)
                replacement.deviceName = guest.volumes[index].deviceName
                replacement.bootIndex = guest.volumes[index].bootIndex
                if hypervisor.mutation == .swapKeepsOld { return guest.volumes.append(replacement) }
                guest.volumes[index] = replacement
            }
            return ""
        }
    }

    private func copy(_ source: AttachedVolume, to new: VolumeSpec, of guest: GuestID) async throws(DriverError) {
        hypervisor.host.report(DriverProgress(guest: guest, phase: "copying volume", percent: 0))
        if let from = source.path, case .file(let to, _) = new.connection, hypervisor.mutation != .swapLosesData {
            let isCancelled = Locked(false)
            let fault: DriverError? = await withTaskCancellationHandler {
                do throws(DriverError) {
                    try await OwnThread.run { () throws(DriverError) in
                        try Self.copy(from, to) { isCancelled.with { $0 } }
                    }
                    return nil
                } catch {
                    return error
                }
            } onCancel: {
                isCancelled.with { $0 = true }
            }
            if let fault { throw fault }
        }
        hypervisor.host.report(DriverProgress(guest: guest, phase: "copying volume", percent: 100))
    }

    /// Copies the content of a file over that of another, which keeps its length where it is longer.
    private static func copy(_ from: String, _ to: String, _ isCancelled: () -> Bool) throws(DriverError) {
        let input = open(from, O_RDONLY | O_CLOEXEC)
        guard input >= 0 else { throw failure("read", from) }
        defer { close(input) }
        let output = open(to, O_WRONLY | O_CLOEXEC)
        guard output >= 0 else { throw failure("write", to) }
        defer { close(output) }
        var piece = [UInt8](repeating: 0, count: pieceBytes)
        while true {
            if isCancelled() { throw .cancelled }
            let count = piece.withUnsafeMutableBytes { Glibc.read(input, $0.baseAddress, $0.count) }
            guard count >= 0 else { throw failure("read", from) }
            if count == 0 { return }
            var done = 0
            while done < count {
                let written = piece[done..<count].withUnsafeBytes { Glibc.write(output, $0.baseAddress, $0.count) }
                guard written > 0 else { throw failure("write", to) }
                done += written
            }
        }
    }

    private static func failure(_ what: String, _ path: String) -> DriverError {
        .failed("the fake driver cannot \(what) the volume \(path): \(String(cString: strerror(errno)))")
    }
}
