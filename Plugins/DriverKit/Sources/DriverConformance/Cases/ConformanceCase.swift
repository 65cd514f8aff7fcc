public import ComputeModel
public import DriverAPI

/// What a driver must declare before a case applies to it.
public enum ConformanceNeed: Hashable, Sendable, CustomStringConvertible {
    /// The object.
    case capability(CapabilityName)
    /// The quality.
    case fact(CapabilityFact)
    /// Consoles of that kind.
    case console(ConsoleKind)
    /// Volumes that are reached so.
    case connection(VolumeConnection.Kind)

    public var description: String {
        switch self {
        case .capability(let name): name.rawValue
        case .fact(let fact): fact.rawValue
        case .console(let kind): "console-\(kind.rawValue)"
        case .connection(let kind): "volume-\(kind.rawValue)"
        }
    }
}

/// How a case uses the guest that several cases share, so that slow hypervisors boot fewer.
public enum SharedGuestUse: Sendable {
    /// Not at all.
    case none
    /// It reads it or calls what must not change it.
    case reads
    /// It takes a node without guests.
    case excludes
    /// It looks whether it is harmed by what is done to another; skipped where there is no room for both.
    case watches
}

/// One thing that a driver must do, and the proof of it.
public struct ConformanceCase: Sendable {
    /// Stable name: `core.spawn.repeated`. The first part is `core` or the name of a capability.
    public let id: String
    /// What it shows.
    public let sentence: String
    /// The row of the support matrix that it proves; `nil` for what the matrix has no row for.
    public let feature: FeatureKey?
    /// What the driver must declare; empty for the core.
    public let needs: [ConformanceNeed]
    /// What the subject must give.
    public let parts: Set<SubjectPart>
    /// How many guests it makes, at most, on one node, beside the shared one.
    public let guests: Int
    /// How it uses the guest that several cases share.
    public let sharedGuest: SharedGuestUse
    /// Whether it belongs to everyday's subset.
    public let isQuick: Bool
    /// How long it may take, before the subject's scale.
    public let deadline: Duration
    /// The proof: throws when the driver does not do what the sentence says.
    let body: @Sendable (Bench) async throws -> Void

    /// Whether it belongs to the core, which every driver must pass.
    public var isCore: Bool { id.hasPrefix("core.") }

    /// Every case, in the order in which they run.
    public static let all: [ConformanceCase] = coreCases + capabilityCases
}

/// Collects cases.
struct CaseList {
    private(set) var cases: [ConformanceCase] = []

    mutating func add(
        _ id: String, _ feature: FeatureKey?, _ sentence: String, needs: [ConformanceNeed] = [],
        parts: Set<SubjectPart> = [], guests: Int = 1, shared: SharedGuestUse = .none, quick: Bool = false,
        deadline: Duration = .seconds(30), _ body: @escaping @Sendable (Bench) async throws -> Void
    ) {
        cases.append(
            ConformanceCase(
                id: id, sentence: sentence, feature: feature, needs: needs, parts: parts, guests: guests,
                sharedGuest: shared, isQuick: quick, deadline: deadline, body: body))
    }
}

extension ConformanceCase {
    /// The core: what every driver must do.
    static let coreCases: [ConformanceCase] =
        CallProbe.core.flatMap(\.cases) + coreLifeCases + corePowerCases + coreRecoverCases + coreStreamCases
        + coreRandomCases
    /// What drivers do that declare it.
    static let capabilityCases: [ConformanceCase] =
        consoleCases + pausingCases + suspendingCases + diagnosticsCases + snapshotCases + rescueCases + volumeCases
        + interfaceCases + agentCases + bootCases + imageCacheCases + resizingCases + evacuationCases
        + liveMigrationCases + hostCases
}
