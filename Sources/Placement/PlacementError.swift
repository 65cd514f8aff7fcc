/// Why placement did not do what it was asked, one case per thing a caller can act on.
///
/// The texts are those that clients of the reference know, because the API passes them on.
package enum PlacementError: Error, Hashable, Sendable {
    /// No provider has this UUID.
    case providerNotFound(String)
    /// A provider with one of these already exists: "uuid: …", "name: …".
    case duplicateProvider([String])
    /// The parent cannot be set, or not be changed. Action ("create", "update") and reason.
    case parentRefused(action: String, reason: String)
    /// The provider still has allocations.
    case providerInUse
    /// The provider has children.
    case providerHasChildren

    case resourceClassNotFound(String)
    case resourceClassExists(String)
    case resourceClassInUse(String)
    /// The resource class is one of the standard ones, which stay as they are.
    case resourceClassIsStandard(String)

    case traitsNotFound([String])
    case traitIsStandard(String)
    case traitInUse(String)

    /// The provider has no inventory of the class.
    case inventoryNotFound(resourceClass: String)
    /// The provider already has inventory of the class.
    case inventoryExists(resourceClass: String)
    /// Inventory that was to be removed has allocations.
    case inventoryInUse(resourceClasses: [String], provider: String)

    /// The provider has no inventory of what was to be allocated.
    case nothingToAllocate(resourceClasses: [String], provider: String)
    /// Too little is left.
    case capacityExceeded(resourceClass: String, provider: String)
    /// The amount is below the minimum, above the maximum, or no whole number of steps.
    case unitsViolated(resourceClass: String, provider: String)

    /// The provider's generation is not the one that was given or read.
    case providerGenerationConflict(provider: String, actual: Int64, given: Int64)
    /// The consumer's generation is not the one that was given; `nil` means no such consumer, or none expected.
    case consumerGenerationConflict(expected: Int64?, given: Int64?)
}

extension PlacementError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .providerNotFound(let uuid): "No resource provider with uuid \(uuid) found"
        case .duplicateProvider(let which):
            "Conflicting resource provider \(which.joined(separator: ", ")) already exists."
        case .parentRefused(let action, let reason): "Object action \(action) failed because: \(reason)"
        case .providerInUse: "Resource provider has allocations."
        case .providerHasChildren:
            "Cannot delete resource provider that is a parent of another. Delete child providers first."
        case .resourceClassNotFound(let name): "No such resource class \(name)."
        case .resourceClassExists(let name): "Resource class \(name) already exists."
        case .resourceClassInUse(let name): "Cannot delete resource class \(name). Class is in use in inventory."
        case .resourceClassIsStandard(let name): "Cannot delete standard resource class \(name)."
        case .traitsNotFound(let names): "No such trait(s): \(names.joined(separator: ", "))."
        case .traitIsStandard(let name): "Cannot delete standard trait \(name)."
        case .traitInUse(let name): "The trait \(name) is in use by a resource provider."
        case .inventoryNotFound(let name): "No inventory of class \(name) found."
        case .inventoryExists(let name): "The provider already has inventory of class \(name)."
        case .inventoryInUse(let names, let provider):
            "Inventory for '\(names.joined(separator: ", "))' on resource provider '\(provider)' in use."
        case .nothingToAllocate(let names, let provider):
            "Inventory for '\(names.joined(separator: ", "))' on resource provider '\(provider)' invalid."
        case .capacityExceeded(let name, let provider):
            "Unable to create allocation for '\(name)' on resource provider '\(provider)'. "
                + "The requested amount would exceed the capacity."
        case .unitsViolated(let name, let provider):
            "Unable to create allocation for '\(name)' on resource provider '\(provider)'. "
                + "The requested amount would violate inventory constraints."
        case .providerGenerationConflict:
            "Another thread concurrently updated the resource provider data. Please retry your update"
        case .consumerGenerationConflict(let expected, let given):
            "consumer generation conflict - expected \(Self.text(expected)) but got \(Self.text(given))"
        }
    }

    private static func text(_ generation: Int64?) -> String { generation.map(String.init) ?? "null" }
}
