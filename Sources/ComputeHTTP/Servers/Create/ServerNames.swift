/// The names that a new server gets: those given, numbered when several are made at once.
enum ServerNames {
    /// The display name of the server at that position.
    static func display(_ name: String, index: Int, of count: Int) -> String {
        count > 1 ? "\(name)-\(index + 1)" : name
    }

    /// The name by which the guest knows itself, where none was given.
    static func host(_ name: String, id: String, index: Int, of count: Int) -> String {
        let plain = sanitized(name)
        guard !plain.isEmpty else { return "Server-\(id)" }
        return count > 1 ? "\(plain)-\(index + 1)" : plain
    }

    /// A name that a host may have: at most 63 characters, lower case, with dashes for spaces, dots and underscores.
    static func sanitized(_ name: String) -> String {
        let latin = String(String.UnicodeScalarView(name.unicodeScalars.filter { $0.value < 256 }).prefix(63))
        var result = String.UnicodeScalarView()
        for scalar in latin.unicodeScalars {
            switch scalar {
            case " ", "_", ".": result.append("-")
            case "-": result.append(scalar)
            default: if scalar.properties.isAlphabetic || scalar.properties.numericType != nil { result.append(scalar) }
            }
        }
        let lowered = String(result).lowercased()
        return String(lowered.drop { $0 == "-" }.reversed().drop { $0 == "-" }.reversed())
    }
}

/// Texts that nobody shall guess or that only need to differ.
enum RandomText {
    private static let passwordGroups = ["23456789", "ABCDEFGHJKLMNPQRSTUVWXYZ", "abcdefghijkmnopqrstuvwxyz"]

    /// A password with a character of each kind, none of which looks like another.
    static func password(length: Int, using generator: inout some RandomNumberGenerator) -> String {
        var characters = passwordGroups.compactMap { $0.randomElement(using: &generator) }
        characters.shuffle(using: &generator)
        characters = Array(characters.prefix(length))
        let all = passwordGroups.joined()
        while characters.count < length {
            guard let next = all.randomElement(using: &generator) else { break }
            characters.append(next)
        }
        return String(characters.shuffled(using: &generator))
    }

    /// `r-` and eight characters: one request's servers.
    static func reservation(using generator: inout some RandomNumberGenerator) -> String {
        let characters = "0123456789abcdefghijklmnopqrstuvwxyz"
        return "r-" + String((0..<8).compactMap { _ in characters.randomElement(using: &generator) })
    }
}
