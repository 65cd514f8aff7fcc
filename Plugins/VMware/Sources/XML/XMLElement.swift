/// One element of a document, with what it holds. Elements hold text or other elements; SOAP has no mixture of both.
///
/// Element names stand without their namespace prefix: SOAP and the vSphere API never use one local name for two
/// things.
struct XMLElement: Hashable, Sendable {
    var name: String
    /// As they stand, but that an object's type is `xsi:type` whatever the prefix; a reference's own is `type`.
    var attributes: [String: String]
    var text: String
    var children: [XMLElement]

    init(_ name: String, _ attributes: [String: String] = [:], text: String = "", _ children: [XMLElement] = []) {
        self.name = name
        self.attributes = attributes
        self.text = text
        self.children = children
    }

    /// The first child of that name.
    subscript(_ name: String) -> XMLElement? { children.first { $0.name == name } }

    /// The element that a path of names leads to, `summary/config/name`.
    func at(_ path: String) -> XMLElement? {
        var element: XMLElement? = self
        for name in path.split(separator: "/") { element = element?[String(name)] }
        return element
    }

    /// All children of that name.
    func all(_ name: String) -> [XMLElement] { children.filter { $0.name == name } }
}

extension XMLElement {
    /// The element as text, without a declaration.
    var serialized: String {
        var text = ""
        write(to: &text)
        return text
    }

    private func write(to output: inout String) {
        output += "<\(name)"
        for (name, value) in attributes.sorted(by: { $0.key < $1.key }) {
            output += " \(name)=\""
            Self.escape(value, to: &output)
            output += "\""
        }
        if text.isEmpty && children.isEmpty {
            output += "/>"
            return
        }
        output += ">"
        Self.escape(text, to: &output)
        for child in children { child.write(to: &output) }
        output += "</\(name)>"
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "&"), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "\""): false
        case 0x20..<0x7F: true
        default: false
        }
    }

    /// Characters that XML 1.0 cannot carry are left out: names that users choose may hold them.
    private static func escape(_ text: String, to output: inout String) {
        // Most texts are plain.
        if text.utf8.allSatisfy(isPlain) {
            output += text
            return
        }
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": output += "&amp;"
            case "<": output += "&lt;"
            case ">": output += "&gt;"
            case "\"": output += "&quot;"
            case "\r": output += "&#13;"
            case "\t", "\n", "\u{20}"..."\u{D7FF}", "\u{E000}"..."\u{FFFD}", "\u{10000}"..."\u{10FFFF}":
                output.unicodeScalars.append(scalar)
            default: break
            }
        }
    }
}
