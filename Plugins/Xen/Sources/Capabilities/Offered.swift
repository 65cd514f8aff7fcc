import ComputeModel
import DriverAPI

extension XenDriver {
    var capabilities: Capabilities {
        var offered = Capabilities(
            consoleLog: consoleLogs, bindings: [.bridge], imageFormats: ImageCache.formats(),
            facts: [.configDrive, .trustedImages])
        offered.pausing = Pausing(driver: self)
        offered.suspending = Suspending(driver: self)
        offered.crashDumps = CrashDumps(driver: self)
        offered.diagnostics = Diagnostics(driver: self)
        offered.snapshots = Snapshots(driver: self)
        return offered
    }
}
