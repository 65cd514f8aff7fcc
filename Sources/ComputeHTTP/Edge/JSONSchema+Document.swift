import APIVersioning
import WireJSON

extension JSONSchema {
    /// A schema written out, for what the factories do not cover. Traps when it does not compile, as that is a
    /// mistake in a table.
    static func document(_ document: JSONValue) -> JSONSchema {
        do {
            return try JSONSchema(document)
        } catch {
            preconditionFailure("a schema does not compile: \(error)")
        }
    }
}
