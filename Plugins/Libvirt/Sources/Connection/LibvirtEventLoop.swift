import CLibvirt
import DriverSupport
import Glibc

/// libvirt's own event loop: one thread for the process, started before the first connection as libvirt demands.
/// It delivers life-cycle events and keep-alives of every connection.
enum LibvirtEventLoop {
    /// Prepares the library and starts the loop, once.
    static let started: Bool = {
        kn_errors_stay_silent()
        guard virInitialize() == 0, virEventRegisterDefaultImpl() == 0 else { return false }
        startDetachedThread {
            while true {
                // A failed turn waited for nothing; without a pause the thread would spin.
                if virEventRunDefaultImpl() < 0 { usleep(100_000) }
            }
        }
        return true
    }()
}
