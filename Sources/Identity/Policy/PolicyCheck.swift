/// A compiled check of the policy language.
package indirect enum PolicyCheck: Sendable, Hashable {
    /// `@`
    case always
    /// `!`
    case never
    case not(PolicyCheck)
    case and([PolicyCheck])
    case or([PolicyCheck])
    /// `rule:name`, replaced by that rule's check when rules are linked.
    case rule(String)
    /// `role:name`; the name may contain `%(key)s` and is compared without case.
    case role(PolicyTemplate)
    /// `path:value`: an attribute of the caller, reached through dots, compared with the text of the value.
    case attribute(path: [String], PolicyTemplate)
    /// `'literal':value`: a constant compared with the text of the value.
    case literal(String, PolicyTemplate)
}

/// Text in which `%(key)s` stands for an attribute of the target.
package struct PolicyTemplate: Sendable, Hashable {
    package enum Piece: Sendable, Hashable {
        case text(String)
        case key(String)
    }
    package let pieces: [Piece]

    package init(_ pieces: [Piece]) { self.pieces = pieces }
}

extension PolicyCheck: CustomStringConvertible {
    /// The check as one writes it.
    package var description: String {
        switch self {
        case .always: "@"
        case .never: "!"
        case .not(let check): "not \(check)"
        case .and(let checks): "(" + checks.map(\.description).joined(separator: " and ") + ")"
        case .or(let checks): "(" + checks.map(\.description).joined(separator: " or ") + ")"
        case .rule(let name): "rule:\(name)"
        case .role(let template): "role:\(template)"
        case .attribute(let path, let template): path.joined(separator: ".") + ":\(template)"
        case .literal(let text, let template): "'\(text)':\(template)"
        }
    }
}

extension PolicyTemplate: CustomStringConvertible {
    package var description: String {
        pieces.map { piece in
            switch piece {
            case .text(let text): text.replacing("%", with: "%%")
            case .key(let key): "%(\(key))s"
            }
        }.joined()
    }
}
