import CLibvirt
import ComputeModel
import DriverAPI
import Glibc

/// An error of libvirt as it was on the thread of the failed call.
struct LibvirtFailure: Error, Hashable, Sendable {
    /// What was attempted, in our words: `start the guest`.
    var call: String
    /// libvirt's error number (virErrorNumber).
    var code: Int32
    /// The part of libvirt that reports it (virErrorDomain).
    var domain: Int32
    /// libvirt's own text.
    var text: String
    /// libvirt's first extra number; for system errors, errno.
    var number: Int32

    init(call: String, code: Int32, domain: Int32, text: String, number: Int32 = 0) {
        self.call = call
        self.code = code
        self.domain = domain
        self.text = text
        self.number = number
    }

    /// The calling thread's last error.
    static func last(_ call: String) -> LibvirtFailure {
        guard let error = virGetLastError() else {
            return LibvirtFailure(call: call, code: 0, domain: 0, text: "libvirt gives no reason")
        }
        let text = error.pointee.message.map { String(cString: $0) } ?? "libvirt gives no text"
        return LibvirtFailure(
            call: call, code: error.pointee.code, domain: error.pointee.domain, text: text,
            number: error.pointee.int1)
    }

    /// libvirt knows no such domain.
    static func noDomain(_ call: String) -> LibvirtFailure {
        LibvirtFailure(
            call: call, code: Int32(VIR_ERR_NO_DOMAIN.rawValue), domain: Int32(VIR_FROM_QEMU.rawValue),
            text: "no such domain")
    }

    /// Whether libvirt knows no such domain.
    var isNoDomain: Bool { hasCode(VIR_ERR_NO_DOMAIN) }

    /// One sentence for operators.
    var message: String { "cannot \(call): libvirt says: \(text) (code \(code), domain \(domain))" }

    func hasCode(_ codes: virErrorNumber...) -> Bool {
        codes.contains { $0.rawValue == UInt32(bitPattern: code) }
    }

    /// Whether the connection to the daemon is gone, so that no call on it can succeed.
    var isLostConnection: Bool {
        if hasCode(
            VIR_ERR_NO_CONNECT, VIR_ERR_INVALID_CONN, VIR_ERR_AUTH_FAILED, VIR_ERR_AUTH_CANCELLED,
            VIR_ERR_AUTH_UNAVAILABLE, VIR_ERR_RPC, VIR_ERR_GNUTLS_ERROR)
        {
            return true
        }
        if hasCode(VIR_ERR_SYSTEM_ERROR), [VIR_FROM_RPC.rawValue, VIR_FROM_REMOTE.rawValue].contains(
            UInt32(bitPattern: domain))
        {
            return true
        }
        let words = ["client socket is closed", "End of file while reading data", "Cannot write data", "keepalive"]
        return hasCode(VIR_ERR_INTERNAL_ERROR, VIR_ERR_SYSTEM_ERROR) && words.contains { text.contains($0) }
    }

    private var isShortOfRoom: Bool {
        if hasCode(VIR_ERR_NO_MEMORY) { return true }
        if hasCode(VIR_ERR_SYSTEM_ERROR), [ENOMEM, ENOSPC, EMFILE, ENFILE, EDQUOT].contains(number) { return true }
        let words = ["Cannot allocate memory", "cannot set up guest memory", "No space left on device",
            "Too many open files", "Disk quota exceeded", "unable to map backing store"]
        return words.contains { text.contains($0) }
    }

    /// What the agent is told.
    ///
    /// - Parameter guest: the guest concerned, where one is.
    func driverError(for guest: GuestID? = nil) -> DriverError {
        if isLostConnection { return .unreachable(message) }
        if isNoDomain, let guest { return .noSuchGuest(guest) }
        if isShortOfRoom { return .insufficientResources(message) }
        if hasCode(VIR_ERR_SYSTEM_ERROR), number == EBUSY { return .busy(message) }
        if hasCode(VIR_ERR_OPERATION_TIMEOUT, VIR_ERR_RESOURCE_BUSY) { return .busy(message) }
        if hasCode(VIR_ERR_AGENT_UNRESPONSIVE) { return .timedOut(message) }
        if hasCode(
            VIR_ERR_NO_SUPPORT, VIR_ERR_CONFIG_UNSUPPORTED, VIR_ERR_ARGUMENT_UNSUPPORTED,
            VIR_ERR_OPERATION_UNSUPPORTED)
        {
            return .notSupported(message)
        }
        if hasCode(VIR_ERR_OPERATION_DENIED, VIR_ERR_ACCESS_DENIED) { return .refused(message) }
        return .failed(message)
    }
}
