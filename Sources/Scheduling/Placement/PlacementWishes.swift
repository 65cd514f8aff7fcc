import ComputeModel
import ServiceInterfaces

/// Which wishes of images placement is asked about before any filter runs: options of `[scheduler]`.
package struct PrefilterOptions: Sendable {
    /// `query_placement_for_image_type_support`: only nodes whose hypervisor takes the image's format.
    package var asksForImageFormat = true
    /// `image_metadata_prefilter`: only nodes that have the devices and architectures that the image's properties name.
    package var asksForImageProperties = false

    package init() {}
}

/// What placement is asked for one request: amounts, and the traits that flavor, image and pre-filters ask for.
struct PlacementWishes: Sendable {
    /// One trait that a node must have, or must not.
    struct TraitWish: Hashable, Sendable {
        let trait: Trait
        /// What is said of a node that does not do as is wished: `it lacks …`.
        let refusal: String
    }

    let resources: [ResourceClass: Int]
    let required: [TraitWish]
    let forbidden: [TraitWish]

    init(_ spec: RequestSpec, _ options: PrefilterOptions) {
        resources = spec.flavor.resources.merging(Self.resourceOverrides(spec.flavor)) { $1 }.filter { $0.value > 0 }
        var required: [TraitWish] = []
        var forbidden: [TraitWish] = []
        for (asking, properties) in [
            ("flavor", spec.flavor.extraSpecs), ("image", spec.image?.properties ?? [:]),
        ] {
            for (key, value) in properties.sorted(by: { $0.key < $1.key }) where key.hasPrefix("trait:") {
                let trait = Trait(String(key.dropFirst("trait:".count)))
                switch value {
                case "required":
                    required.append(
                        TraitWish(trait: trait, refusal: "it lacks the trait \(trait), which the \(asking) requires"))
                case "forbidden":
                    forbidden.append(
                        TraitWish(trait: trait, refusal: "it has the trait \(trait), which the \(asking) forbids"))
                default: break
                }
            }
        }
        if options.asksForImageFormat, let format = spec.image?.diskFormat, !format.isEmpty {
            required.append(
                TraitWish(
                    trait: Trait("COMPUTE_IMAGE_TYPE_\(Self.word(format))"),
                    refusal: "it takes no images of the format \(format)"))
        }
        if options.asksForImageProperties { required += Self.deviceWishes(spec.image?.properties ?? [:]) }
        (self.required, self.forbidden) = (required, forbidden)
    }

    /// The question, without the place to ask about.
    func question(inTree: ProviderID? = nil, limit: Int) -> FindCandidates {
        FindCandidates(
            resources: resources, requiredTraits: Set(required.map(\.trait)).sorted().map { [$0] },
            forbiddenTraits: Set(forbidden.map(\.trait)), inTree: inTree, limit: limit)
    }

    /// `resources:CLASS=n` of the flavor replaces or adds an amount; 0 removes it.
    private static func resourceOverrides(_ flavor: FlavorSpec) -> [ResourceClass: Int] {
        var amounts: [ResourceClass: Int] = [:]
        for (key, value) in flavor.extraSpecs where key.hasPrefix("resources:") {
            if let amount = Int(value) { amounts[ResourceClass(String(key.dropFirst("resources:".count)))] = amount }
        }
        return amounts
    }

    /// The reference's prefixes of the traits that properties of images become.
    private static let devicePrefixes = [
        "hw_architecture": "HW_ARCH", "hw_cdrom_bus": "COMPUTE_STORAGE_BUS", "hw_disk_bus": "COMPUTE_STORAGE_BUS",
        "hw_emulation_architecture": "COMPUTE_ARCH", "hw_video_model": "COMPUTE_GRAPHICS_MODEL",
        "hw_vif_model": "COMPUTE_NET_VIF_MODEL",
    ]

    private static func deviceWishes(_ properties: [String: String]) -> [TraitWish] {
        devicePrefixes.sorted { $0.key < $1.key }.compactMap { key, prefix in
            guard let value = properties[key], !value.isEmpty else { return nil }
            let canonical = key.hasSuffix("architecture") ? GuestKind.architecture(value) : value
            return TraitWish(
                trait: Trait("\(prefix)_\(word(canonical))"), refusal: "it has no \(key) = \(value), as the image asks")
        }
    }

    /// A value as part of a trait's name.
    private static func word(_ value: String) -> String { value.uppercased().replacing("-", with: "_") }
}
