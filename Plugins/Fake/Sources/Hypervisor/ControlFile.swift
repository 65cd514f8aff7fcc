import ComputeModel
import Glibc

/// The file `hypervisor` in the state directory, by which tests and people do to the fake hypervisor what befalls real
/// ones.
///
/// | content | meaning |
/// |---|---|
/// | no file, or an empty one | the hypervisor works |
/// | `down` | it does not answer: every call throws `unreachable`, health is unhealthy |
/// | `hang` | it takes calls and does not answer them until that changes |
/// | `crash GUEST` | the guest crashes; the file is removed then |
/// | `stop GUEST` | the guest turns itself off; the file is removed then |
struct ControlFile: Sendable {
    /// What the file says.
    enum Order: Hashable, Sendable {
        case work
        case down
        case hang
        case crash(GuestID)
        case stop(GuestID)
        case unknown(String)
    }
    static let name = "hypervisor"
    private static let bytesMax = 256
    let path: String

    init(stateDirectory: String) { path = stateDirectory + "/" + Self.name }

    var order: Order {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return .work }
        defer { close(file) }
        let text = String(unsafeUninitializedCapacity: Self.bytesMax) { buffer in
            max(0, Glibc.read(file, buffer.baseAddress, Self.bytesMax))
        }
        let words = text.split { " \n\t\r".contains($0) }.map(String.init)
        guard let verb = words.first else { return .work }
        switch (verb, words.count > 1 ? GuestID(words[1]) : nil) {
        case ("down", _): return .down
        case ("hang", _): return .hang
        case ("crash", let guest?): return .crash(guest)
        case ("stop", let guest?): return .stop(guest)
        default: return .unknown(text)
        }
    }

    func remove() { _ = unlink(path) }
}
