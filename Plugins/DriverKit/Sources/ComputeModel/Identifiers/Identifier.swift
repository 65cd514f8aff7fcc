/// An identifier of one kind of thing. Identifiers of different kinds do not compare, assign or mix.
public struct Identifier<Kind>: Hashable, Comparable, Sendable {
    /// The bare value.
    public let uuid: UUIDValue

    /// Wraps a bare value.
    @inlinable public init(_ uuid: UUIDValue) { self.uuid = uuid }

    /// Parses the textual form of a UUID; `nil` if it is none.
    @inlinable public init?(_ text: some StringProtocol) {
        guard let uuid = UUIDValue(parsing: String(text)) else { return nil }
        self.uuid = uuid
    }

    /// A new random identifier.
    public static func random() -> Self { Self(.random()) }

    /// A new random identifier from the given generator.
    public static func random(using generator: inout some RandomNumberGenerator) -> Self {
        Self(.random(using: &generator))
    }

    public static func < (left: Self, right: Self) -> Bool { left.uuid < right.uuid }
}

extension Identifier: CustomStringConvertible {
    @inlinable public var description: String { uuid.description }
}

extension Identifier: Codable {
    public init(from decoder: any Decoder) throws { uuid = try UUIDValue(from: decoder) }
    public func encode(to encoder: any Encoder) throws { try uuid.encode(to: encoder) }
}

extension Identifier: CodingKeyRepresentable {
    private struct Key: CodingKey {
        let stringValue: String
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
        var intValue: Int? { nil }
    }

    public var codingKey: any CodingKey { Key(stringValue: description) }
    public init?(codingKey: some CodingKey) { self.init(codingKey.stringValue) }
}

/// What identifiers tell apart. Never instantiated.
public enum IdentifierKind {
    /// A server, as users call it; the guest that a hypervisor runs for it has the same identifier.
    public enum Instance {}
    /// An image of the image service.
    public enum Image {}
    /// A network of the network service.
    public enum Network {}
    /// A subnet of the network service.
    public enum Subnet {}
    /// A port of the network service.
    public enum Port {}
    /// A security group of the network service.
    public enum SecurityGroup {}
    /// A volume of the block storage service.
    public enum Volume {}
    /// A hypervisor node; also its resource provider.
    public enum Node {}
    /// A resource provider.
    public enum Provider {}
    /// A consumer of allocations.
    public enum Consumer {}
    /// A running service's record.
    public enum Service {}
    /// A saga.
    public enum Saga {}
}

/// Identifies a server.
public typealias InstanceID = Identifier<IdentifierKind.Instance>
/// Identifies a guest on its hypervisor: the identifier of its server.
public typealias GuestID = Identifier<IdentifierKind.Instance>
/// Identifies an image.
public typealias ImageID = Identifier<IdentifierKind.Image>
/// Identifies a network.
public typealias NetworkID = Identifier<IdentifierKind.Network>
/// Identifies a subnet.
public typealias SubnetID = Identifier<IdentifierKind.Subnet>
/// Identifies a port.
public typealias PortID = Identifier<IdentifierKind.Port>
/// Identifies a security group.
public typealias SecurityGroupID = Identifier<IdentifierKind.SecurityGroup>
/// Identifies a volume.
public typealias VolumeID = Identifier<IdentifierKind.Volume>
/// Identifies a hypervisor node.
public typealias NodeID = Identifier<IdentifierKind.Node>
/// Identifies a resource provider.
public typealias ProviderID = Identifier<IdentifierKind.Provider>
/// Identifies a consumer of resources in placement.
public typealias ConsumerID = Identifier<IdentifierKind.Consumer>
/// Identifies a service record.
public typealias ServiceID = Identifier<IdentifierKind.Service>
