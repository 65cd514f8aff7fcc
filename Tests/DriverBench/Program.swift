import DriverAPI
import Foundation

/// What `make bench-drivers` measures inside a process; `Tests/Benchmarks/bench_drivers.py` starts hypervisors, calls
/// this and makes the table. Each command prints one object of JSON.
@main enum Program {
    private static let usage = """
        usage: DriverBench COMMAND [NAME=VALUE]…

          call-linked                          calls of the fake driver as it is linked in here
          call-loaded                          the same through the loaded library
          libvirt-listing   uri=URI            all guests of a libvirt driver
          vmware-listing    [vmware] options   all guests of a vCenter
          vmware-calls      guest=UUID seconds=N, [vmware] options
          vmware-memory     [vmware] options   memory that a started driver takes
          libvirt-spawn     image=FILE format=NAME [libvirt] options; a line on standard input for each guest

        Options of drivers stand as [group] options do in nova.conf.
        """

    static func main() async {
        var words = CommandLine.arguments.dropFirst()
        guard let command = words.popFirst() else { fail(usage) }
        let values = Dictionary(
            words.map { word in
                let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                return (String(parts[0]), parts.count > 1 ? String(parts[1]) : "")
            }, uniquingKeysWith: { $1 })
        do {
            switch command {
            case "call-linked": try await CallBench.run(isLoaded: false)
            case "call-loaded": try await CallBench.run(isLoaded: true)
            case "libvirt-listing": try await ListingBench.libvirt(values)
            case "vmware-listing": try await ListingBench.vmware(values)
            case "vmware-calls": try await ClientBench.calls(values)
            case "vmware-memory": try await ClientBench.memory(values)
            case "libvirt-spawn": try await SpawnBench.run(values)
            default: fail(usage)
            }
        } catch {
            fail("\(command): \(error)")
        }
    }

    private static func fail(_ text: String) -> Never {
        FileHandle.standardError.write(Data((text + "\n").utf8))
        exit(1)
    }
}

/// Prints figures as one line of JSON.
func tell(_ figures: [String: Double]) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    FileHandle.standardOutput.write(try encoder.encode(figures) + Data("\n".utf8))
}

extension Duration {
    var milliseconds: Double { self / .milliseconds(1) }
    var nanoseconds: Double { self / .nanoseconds(1) }
}

/// How long `body` took.
func time(_ body: () async throws -> Void) async rethrows -> Duration {
    let begun = ContinuousClock.now
    try await body()
    return ContinuousClock.now - begun
}

extension [Double] {
    /// The value below which that part of the values lies.
    func percentile(_ part: Double) -> Double {
        guard !isEmpty else { return .nan }
        return sorted()[Swift.min(count - 1, Int(part * Double(count)))]
    }
}
