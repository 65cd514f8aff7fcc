import FoundationEssentials
import Glibc
import Sagas

/// Kills the process at a chosen event of a saga, so that tests can prove what happens then.
///
/// `KILONOVA_KILL_AT=build-on-host:spawn/succeeded/after` ends it with SIGKILL once that saga's event of that step, of
/// that kind, was written (`before`: just before). Without the variable there is no hook.
enum SagaFaultInjection {
    static var hook: SagaEventHook? {
        guard let wanted = ProcessInfo.processInfo.environment["KILONOVA_KILL_AT"], !wanted.isEmpty else { return nil }
        return { moment in
            let here = "\(moment.name):\(moment.event.step)/\(moment.event.kind.rawValue)/\(moment.side.rawValue)"
            if here == wanted { kill(getpid(), SIGKILL) }
        }
    }
}
