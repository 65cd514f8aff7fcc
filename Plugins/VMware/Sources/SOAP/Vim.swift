/// Names an object of the server: `VirtualMachine` `vm-42`.
struct ManagedReference: Hashable, Codable, Sendable, CustomStringConvertible {
    let type: String
    let value: String

    init(_ type: String, _ value: String) { (self.type, self.value) = (type, value) }

    /// The reference that an element holds; `nil` when it holds none.
    init?(_ element: XMLElement?) {
        guard let element, let type = element.attributes["type"], !element.text.isEmpty, element.children.isEmpty else {
            return nil
        }
        self.init(type, element.text)
    }

    var description: String { "\(type) \(value)" }

    /// The reference as an element of that name.
    func element(_ name: String) -> XMLElement { XMLElement(name, ["type": type], text: value) }
}

/// Builders of arguments. The order of children is that of the API's schema, which servers insist on.
extension XMLElement {
    init(_ name: String, _ text: String) { self.init(name, text: text) }
    init(_ name: String, _ number: Int) { self.init(name, text: String(number)) }
    init(_ name: String, _ truth: Bool) { self.init(name, text: truth ? "true" : "false") }

    /// An object of a type that the schema does not imply.
    init(_ name: String, type: String, _ children: [XMLElement?]) {
        self.init(name, ["xsi:type": type], children.compactMap(\.self))
    }

    /// An object of the type that the schema implies.
    init(_ name: String, _ children: [XMLElement?]) { self.init(name, [:], children.compactMap(\.self)) }

    /// A value where any type may stand.
    static func anyString(_ name: String, _ text: String) -> XMLElement {
        XMLElement(name, ["xsi:type": "xsd:string"], text: text)
    }
}

/// Readers of answers.
extension XMLElement {
    /// The `xsi:type` without its namespace.
    var type: String { attributes["xsi:type"].map { String($0.split(separator: ":").last ?? "") } ?? "" }
    /// The whole number; `nil` also for one so large that nothing a server counts is, so that sums never overflow.
    var int: Int? {
        guard let number = Int(text), number.magnitude <= 1 << 53 else { return nil }
        return number
    }
    var bool: Bool { text == "true" || text == "1" }
    var reference: ManagedReference? { ManagedReference(self) }
    /// The references of an `ArrayOfManagedObjectReference`.
    var references: [ManagedReference] { children.compactMap { ManagedReference($0) } }

    func string(_ path: String) -> String? { at(path)?.text }
    func int(_ path: String) -> Int? { at(path)?.int }
}
