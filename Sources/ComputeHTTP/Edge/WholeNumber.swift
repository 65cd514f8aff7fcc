import WireJSON

/// Whole numbers that bodies may carry as numbers or as text.
enum WholeNumber {
    /// The number; nil for what is none. Schemas have checked form and range.
    static func value(_ json: JSONValue?) -> Int? {
        switch json {
        case .int(let number): Int(number)
        case .double(let number): Int(exactly: number)
        case .string(let text): Int(text)
        case .none, .null, .bool, .array, .object: nil
        }
    }
}
