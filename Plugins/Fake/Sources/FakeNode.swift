import ComputeModel
public import DriverAPI
import FoundationEssentials

/// What programs that link this library may use of it: a way to make drivers, and the outside of the hypervisor.
public enum FakeNode {
    /// Makes drivers, as the host gets it through the library's door.
    public static var factory: DriverFactory {
        DriverFactory(optionGroup: "fake", options: FakeOptions.declared) {
            configuration, host throws(DriverError) in
            try FakeDriver(options: FakeOptions(configuration), host: host)
        }
    }

    /// The seeded bugs that the option `mutation` knows, with what is wrong, in one line each.
    public static var mutations: [(name: String, summary: String)] {
        Mutation.allCases.map { ($0.rawValue, $0.summary) }
    }

    /// The file of a node by which its hypervisor is taken down (`down`), made to hang (`hang`) and, when it is
    /// removed, brought back; `crash GUEST` and `stop GUEST` befall a guest, and remove the file.
    public static func controlFile(stateDirectory: String) -> String {
        ControlFile(stateDirectory: stateDirectory).path
    }

    /// What a node holds, seen from outside its driver: a line for each guest, device, disk, move and stray file,
    /// sorted. Images that are kept are not among them, nor what changes by itself. For drivers with a journal; without
    /// one, only files are seen.
    public static func world(stateDirectory: String, sharedStorage: String? = nil) -> [String] {
        WorldListing(stateDirectory: stateDirectory, sharedStorage: sharedStorage).lines
    }
}
