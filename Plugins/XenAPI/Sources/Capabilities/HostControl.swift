import DriverAPI

/// The node's host itself.
struct HostControl: ControllingHostPower, MaintainingHost {
    let driver: XenAPIDriver

    private var client: XenClient { driver.client }
    private var reference: XenValue { .text(driver.place.reference) }
    private var name: String { driver.place.name }

    func reboot() async throws(DriverError) { try await whileDisabled("host.reboot", "restart the host \(name)") }

    func shutDownHost() async throws(DriverError) {
        try await whileDisabled("host.shutdown", "turn off the host \(name)")
    }

    func startUp() async throws(DriverError) {
        _ = try await client.call("host.power_on", [reference], "turn on the host \(name)")
    }

    /// The server turns off only hosts that take no guests any more; one that stays on takes them again.
    private func whileDisabled(_ method: String, _ doing: String) async throws(DriverError) {
        let wasEnabled = try await client.call("host.get_enabled", [reference], doing).truth
        _ = try await client.call("host.disable", [reference], doing)
        do throws(DriverError) {
            _ = try await client.call(method, [reference], doing)
        } catch {
            let failure = error
            if wasEnabled { await Task { _ = try? await client.ask("host.enable", [reference]) }.value }
            throw failure
        }
    }

    func setMaintenance(_ isWanted: Bool, _ call: DriverCall) async throws(DriverError) {
        if try await isInMaintenance() == isWanted { return }
        guard isWanted else {
            _ = try await client.call("host.enable", [reference], "enable the host \(name)")
            return
        }
        _ = try await client.call("host.disable", [reference], "disable the host \(name)")
        do throws(DriverError) {
            try await driver.long("host.evacuate", [reference], "move the guests of the host \(name) away")
        } catch {
            let failure = error
            await Task { _ = try? await client.ask("host.enable", [reference]) }.value
            switch failure {
            case .insufficientResources(let text):
                throw .refused("The host's servers cannot be moved to other hosts of its pool: \(text)")
            default: throw failure
            }
        }
    }

    func isInMaintenance() async throws(DriverError) -> Bool {
        !(try await client.call("host.get_enabled", [reference], "tell whether the host is enabled").truth)
    }
}
