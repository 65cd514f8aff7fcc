import CLibvirt

extension LibvirtDomain {
    /// Limits how long calls wait for the guest's agent.
    func limitAgent(seconds: Int32) throws(LibvirtFailure) {
        guard virDomainAgentSetResponseTimeout(pointer, seconds, 0) == 0 else {
            throw .last("limit the wait for the guest's agent")
        }
    }

    /// Freezes its file systems.
    func freeze() throws(LibvirtFailure) {
        guard virDomainFSFreeze(pointer, nil, 0, 0) >= 0 else { throw .last("freeze the guest's file systems") }
    }

    /// Thaws them.
    func thaw() throws(LibvirtFailure) {
        guard virDomainFSThaw(pointer, nil, 0, 0) >= 0 else { throw .last("thaw the guest's file systems") }
    }

    /// Sets a password.
    func setPassword(_ password: String, user: String) throws(LibvirtFailure) {
        guard virDomainSetUserPassword(pointer, user, password, 0) == 0 else {
            throw .last("set the password of \(user) in the guest")
        }
    }

    /// Sets its clock.
    func setClock(seconds: Int64, nanoseconds: UInt32) throws(LibvirtFailure) {
        guard virDomainSetTime(pointer, seconds, nanoseconds, 0) == 0 else { throw .last("set the guest's clock") }
    }
}
