/// A Swift type that an option may have.
package protocol OptionValue: Sendable {
    /// The type of the option where its declaration names none.
    static var optionType: OptionType { get }
    /// True when the value must never be printed.
    static var isSecret: Bool { get }
    /// True when the option may be unset.
    static var isOptional: Bool { get }
    /// The value, or nil when the datum is of another type.
    init?(_ datum: OptionDatum)
    /// The value as one writes it in a file; nil when unset.
    var optionText: String? { get }
}

extension OptionValue {
    package static var isSecret: Bool { false }
    package static var isOptional: Bool { false }
}

extension Int: OptionValue {
    package static var optionType: OptionType { .integer }
    package init?(_ datum: OptionDatum) {
        guard case .integer(let value) = datum else { return nil }
        self = value
    }
    package var optionText: String? { String(self) }
}

extension Double: OptionValue {
    package static var optionType: OptionType { .double }
    package init?(_ datum: OptionDatum) {
        guard case .double(let value) = datum else { return nil }
        self = value
    }
    package var optionText: String? { ServiceOptions.optionText(self) }
}

extension Bool: OptionValue {
    package static var optionType: OptionType { .bool }
    package init?(_ datum: OptionDatum) {
        guard case .bool(let value) = datum else { return nil }
        self = value
    }
    package var optionText: String? { self ? "true" : "false" }
}

extension String: OptionValue {
    package static var optionType: OptionType { .string }
    package init?(_ datum: OptionDatum) {
        guard case .string(let value) = datum else { return nil }
        self = value
    }
    package var optionText: String? { self }
}

extension [String]: OptionValue {
    package static var optionType: OptionType { .list }
    package init?(_ datum: OptionDatum) {
        guard case .list(let value) = datum else { return nil }
        self = value
    }
    package var optionText: String? { joined(separator: ",") }
}

extension Duration: OptionValue {
    package static var optionType: OptionType { .duration }
    package init?(_ datum: OptionDatum) {
        guard case .duration(let value) = datum else { return nil }
        self = value
    }
    package var optionText: String? { ServiceOptions.optionText(self) }
}

extension ByteSize: OptionValue {
    package static var optionType: OptionType { .byteSize }
    package init?(_ datum: OptionDatum) {
        guard case .byteSize(let value) = datum else { return nil }
        self = value
    }
    package var optionText: String? { description }
}

extension Secret: OptionValue {
    package static var optionType: OptionType { .string }
    package static var isSecret: Bool { true }
    package init?(_ datum: OptionDatum) {
        guard case .string(let value) = datum else { return nil }
        self.init(value)
    }
    package var optionText: String? { revealed }
}

extension Optional: OptionValue where Wrapped: OptionValue {
    package static var optionType: OptionType { Wrapped.optionType }
    package static var isSecret: Bool { Wrapped.isSecret }
    package static var isOptional: Bool { true }
    package init?(_ datum: OptionDatum) {
        guard let value = Wrapped(datum) else { return nil }
        self = .some(value)
    }
    package var optionText: String? { self?.optionText }
}

/// An enum of words as the type of an option: `enum Format: String, OptionChoice { case iso9660, vfat }`.
package protocol OptionChoice: OptionValue, RawRepresentable, CaseIterable where RawValue == String {}

extension OptionChoice {
    package static var optionType: OptionType { .choice(allCases.map(\.rawValue)) }
    package init?(_ datum: OptionDatum) {
        guard case .string(let word) = datum else { return nil }
        self.init(rawValue: word)
    }
    package var optionText: String? { rawValue }
}
