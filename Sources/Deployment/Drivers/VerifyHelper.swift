import ComputeModel
import DriverConformance
import Foundation
import ServiceOptions

/// What an operator's `helper_command` does for the conformance suite: volumes that the hypervisor reaches, guests that
/// are not the driver's, and what befalls guests.
///
/// The command is run with a verb and words appended. An answer that is empty means: not here.
struct VerifyHelper: Sendable {
    /// What a helper may be able to do; the words of `helper_parts`.
    private enum Part: String, CaseIterable {
        case volumes
        case foreignGuests = "foreign_guests"
        case accidents
    }
    private let parts: Set<Part>
    private let caller: Caller

    /// - Returns: `nil` when no helper is configured.
    /// - Throws: ``DeploymentError`` for parts without a command, a command without parts, and unknown parts.
    init?(_ verify: DriverVerifyOptions, _ commands: ShellCommands) throws(DeploymentError) {
        guard let command = verify.helperCommand else {
            guard verify.helperParts.isEmpty else {
                throw DeploymentError(.configuration, "[driver_verify] helper_parts needs helper_command")
            }
            return nil
        }
        var parts: Set<Part> = []
        for word in verify.helperParts {
            guard let part = Part(rawValue: word) else {
                let known = Part.allCases.map(\.rawValue).joined(separator: ", ")
                throw DeploymentError(
                    .configuration, "[driver_verify] helper_parts: '\(word)' is none of \(known)")
            }
            parts.insert(part)
        }
        guard !parts.isEmpty else {
            throw DeploymentError(.configuration, "[driver_verify] helper_command needs helper_parts")
        }
        self.parts = parts
        caller = Caller(command: command, commands: commands)
    }

    /// The helper's volumes, and files for the kinds that it does not make; `nil` when it makes none.
    func volumes(beside files: FileVolumes) -> (any ConformanceVolumes)? {
        parts.contains(.volumes) ? HelperVolumes(caller: caller, files: files) : nil
    }

    var foreignGuests: (any ForeignGuests)? {
        parts.contains(.foreignGuests) ? HelperForeignGuests(caller: caller) : nil
    }
    var accidents: (any GuestAccidents)? { parts.contains(.accidents) ? HelperAccidents(caller: caller) : nil }

    /// Runs the command.
    fileprivate struct Caller: Sendable {
        let command: String
        let commands: ShellCommands

        /// An answer that cannot be understood.
        struct Failure: Error, CustomStringConvertible {
            let description: String
        }

        func ask(_ words: String...) async throws -> String {
            // Words are identifiers, numbers and kinds: none needs quoting.
            let text = try await commands.run(
                ([command] + words).joined(separator: " "), for: "helper_command \(words.first ?? "")")
            return text.trimmingCharacters(in: .whitespacesAndNewlines)
        }

        func unreadable(_ verb: String, _ answer: String) -> Failure {
            Failure(description: "[driver_verify] helper_command \(verb) answered what is not understood: \(answer)")
        }
    }
}

/// `volume-make ID KIND GIB`, `volume-bootable ID GIB` and `volume-encrypted ID GIB PASSPHRASE` print a connection as
/// JSON.
private struct HelperVolumes: ConformanceVolumes {
    let caller: VerifyHelper.Caller
    let files: FileVolumes

    func make(_ kind: VolumeConnection.Kind?, sizeGiB: Int) async throws -> VolumeSpec? {
        guard let kind else { return try await files.make(nil, sizeGiB: sizeGiB) }
        let id = VolumeID.random()
        let answer = try await caller.ask("volume-make", id.description, kind.rawValue, "\(sizeGiB)")
        if let made = try volume(id, answer, sizeGiB) { return made }
        return try await files.make(kind, sizeGiB: sizeGiB)
    }

    func makeBootable() async throws -> VolumeSpec? {
        let id = VolumeID.random()
        return try volume(id, try await caller.ask("volume-bootable", id.description, "1"), 1)
    }

    func makeEncrypted() async throws -> VolumeSpec? {
        let (id, passphrase) = (VolumeID.random(), "passphrase-\(UUIDValue.random().compact)")
        let answer = try await caller.ask("volume-encrypted", id.description, "1", passphrase)
        guard var made = try volume(id, answer, 1) else { return nil }
        made.encryption = VolumeEncryption(provider: "luks", passphrase: Array(passphrase.utf8))
        return made
    }

    private func volume(_ id: VolumeID, _ answer: String, _ sizeGiB: Int) throws -> VolumeSpec? {
        guard !answer.isEmpty else { return nil }
        do {
            let connection = try JSONDecoder().decode(VolumeConnection.self, from: Data(answer.utf8))
            return VolumeSpec(id: id, connection: connection, sizeGiB: sizeGiB)
        } catch {
            throw caller.unreadable("volume-make", answer)
        }
    }

    /// Files are the suite's own unless the helper made them; it is asked about everything else.
    private func isOwn(_ volume: VolumeSpec) -> Bool { files.holds(volume) }

    func remove(_ volume: VolumeSpec) async throws {
        if isOwn(volume) { return try await files.remove(volume) }
        _ = try await caller.ask("volume-remove", volume.id.description)
    }

    func grow(_ volume: VolumeSpec, toGiB sizeGiB: Int) async throws {
        if isOwn(volume) { return try await files.grow(volume, toGiB: sizeGiB) }
        _ = try await caller.ask("volume-grow", volume.id.description, "\(sizeGiB)")
    }

    func write(_ bytes: [UInt8], to volume: VolumeSpec) async throws {
        if isOwn(volume) { return try await files.write(bytes, to: volume) }
        _ = try await caller.ask("volume-write", volume.id.description, Data(bytes).base64EncodedString())
    }

    func read(_ count: Int, from volume: VolumeSpec) async throws -> [UInt8]? {
        if isOwn(volume) { return try await files.read(count, from: volume) }
        let answer = try await caller.ask("volume-read", volume.id.description, "\(count)")
        guard !answer.isEmpty else { return nil }
        guard let data = Data(base64Encoded: answer) else { throw caller.unreadable("volume-read", answer) }
        return Array(data)
    }
}

/// `foreign-make` prints a UUID, `foreign-power UUID` a power state, `foreign-remove UUID` nothing.
private struct HelperForeignGuests: ForeignGuests {
    let caller: VerifyHelper.Caller

    func make() async throws -> GuestID {
        let answer = try await caller.ask("foreign-make")
        guard let guest = GuestID(answer) else { throw caller.unreadable("foreign-make", answer) }
        return guest
    }

    func power(of guest: GuestID) async throws -> PowerState? {
        let answer = try await caller.ask("foreign-power", guest.description)
        if answer.isEmpty { return nil }
        guard let power = PowerState.allCases.first(where: { "\($0)" == answer }) else {
            throw caller.unreadable("foreign-power", answer)
        }
        return power
    }

    func remove(_ guest: GuestID) async throws { _ = try await caller.ask("foreign-remove", guest.description) }
}

/// `stop UUID` turns a guest off from inside; `crash UUID` prints `crashed` when it could let it crash.
private struct HelperAccidents: GuestAccidents {
    let caller: VerifyHelper.Caller

    func stop(_ guest: GuestID) async throws { _ = try await caller.ask("stop", guest.description) }
    func crash(_ guest: GuestID) async throws -> Bool {
        try await caller.ask("crash", guest.description) == "crashed"
    }
}
