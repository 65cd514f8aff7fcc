import CLibvirt

/// A list of named values for one call of libvirt.
struct TypedParameters: ~Copyable {
    private var list: UnsafeMutablePointer<virTypedParameter>?
    private var count: Int32 = 0
    private var room: Int32 = 0

    /// No values.
    init() {}

    deinit { virTypedParamsFree(list, count) }

    /// Adds a text. Lists have several of one name.
    mutating func add(_ name: String, _ text: String) throws(LibvirtFailure) {
        guard virTypedParamsAddString(&list, &count, &room, name, text) == 0 else {
            throw .last("pass the parameter \(name)")
        }
    }

    /// Adds a number of 64 bits.
    mutating func add(_ name: String, _ number: UInt64) throws(LibvirtFailure) {
        guard virTypedParamsAddULLong(&list, &count, &room, name, number) == 0 else {
            throw .last("pass the parameter \(name)")
        }
    }

    /// Adds a signed number of 32 bits.
    mutating func add(_ name: String, _ number: Int32) throws(LibvirtFailure) {
        guard virTypedParamsAddInt(&list, &count, &room, name, number) == 0 else {
            throw .last("pass the parameter \(name)")
        }
    }

    /// Lends the list to a call.
    borrowing func with<Result>(_ body: (UnsafeMutablePointer<virTypedParameter>?, Int32) -> Result) -> Result {
        body(list, count)
    }
}

/// Named values that libvirt has returned.
struct ParameterValues: Sendable {
    private var numbers: [String: UInt64] = [:]
    private var texts: [String: String] = [:]

    /// Copies a list of libvirt's.
    init(_ list: UnsafeMutablePointer<virTypedParameter>?, _ count: Int32) {
        guard let list else { return }
        for index in 0..<Int(count) {
            guard let name = kn_parameter_name(list + index).map({ String(cString: $0) }) else { continue }
            if let text = kn_parameter_text(list + index) {
                texts[name] = String(cString: text)
            } else {
                numbers[name] = kn_parameter_number(list + index)
            }
        }
    }

    /// A number.
    func number(_ name: String) -> UInt64? { numbers[name] }
    /// A text.
    func text(_ name: String) -> String? { texts[name] }
}
