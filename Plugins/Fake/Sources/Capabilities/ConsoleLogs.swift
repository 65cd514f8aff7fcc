import ComputeModel
import DriverAPI

/// Writes what a guest of that history would have written.
struct ConsoleLogs: ConsoleLogReading {
    let hypervisor: Hypervisor

    func consoleLog(of guest: GuestID, bytesMax: Int) async throws(DriverError) -> [UInt8] {
        let now = hypervisor.now()
        let mutation = hypervisor.mutation
        return try await hypervisor.look(.consoleLog, guest) { guest in
            var text = ""
            for line in guest.console.lines { text += "FAKE-GUEST \(line)\n" }
            if let until = guest.frozenUntil, until <= now { text += "FAKE-GUEST file systems thawed by themselves\n" }
            if guest.power == .running { text += "\(guest.name) login: " }
            let bytes = Array(text.utf8)
            if mutation == .consoleLogTooLong { return bytes }
            let most = max(0, bytesMax)
            return mutation == .consoleLogFromFront ? Array(bytes.prefix(most)) : Array(bytes.suffix(most))
        }
    }
}
