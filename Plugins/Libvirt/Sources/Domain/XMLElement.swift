/// An XML element: what libvirt's documents are made of, written with escaping and read without surprises.
struct XMLElement: Hashable, Sendable {
    /// What an element contains.
    enum Content: Hashable, Sendable {
        case element(XMLElement)
        case text(String)
    }

    /// Name with prefix, as written.
    var name: String
    /// Attributes in the order in which they were added.
    var attributes: [(name: String, value: String)]
    /// Children and texts in order.
    var contents: [Content]

    /// An element with attributes and child elements.
    init(_ name: String, _ attributes: KeyValuePairs<String, String> = [:], _ children: [XMLElement] = []) {
        self.name = name
        self.attributes = attributes.map { (name: $0.key, value: $0.value) }
        contents = children.map { .element($0) }
    }

    /// An element that contains a text.
    init(_ name: String, _ attributes: KeyValuePairs<String, String> = [:], text: String) {
        self.init(name, attributes)
        contents = [.text(text)]
    }

    /// Adds a child.
    mutating func add(_ child: XMLElement) { contents.append(.element(child)) }

    /// The value of an attribute.
    subscript(attribute: String) -> String? { attributes.first { $0.name == attribute }?.value }

    /// Child elements.
    var children: [XMLElement] {
        contents.compactMap { if case .element(let element) = $0 { element } else { nil } }
    }

    /// Child elements of that name.
    func children(_ name: String) -> [XMLElement] { children.filter { $0.name == name } }

    /// The first child of that name.
    func child(_ name: String) -> XMLElement? { children.first { $0.name == name } }

    /// The first element found by following names down.
    func descendant(_ path: String...) -> XMLElement? {
        var found: XMLElement? = self
        for name in path { found = found?.child(name) }
        return found
    }

    /// All text directly inside, without white space around it.
    var text: String {
        var text = contents.map { if case .text(let text) = $0 { text } else { "" } }.joined()[...]
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }

    /// Changes the first child of that name, where there is one.
    mutating func edit<Failure: Error>(
        _ name: String, _ body: (inout XMLElement) throws(Failure) -> Void
    ) throws(Failure) {
        for index in contents.indices {
            guard case .element(var element) = contents[index], element.name == name else { continue }
            try body(&element)
            contents[index] = .element(element)
            return
        }
    }

    /// Changes every child.
    mutating func editChildren(_ body: (inout XMLElement) -> Void) {
        for index in contents.indices {
            guard case .element(var element) = contents[index] else { continue }
            body(&element)
            contents[index] = .element(element)
        }
    }

    /// Removes the children for which `isUnwanted` holds.
    mutating func remove(where isUnwanted: (XMLElement) -> Bool) {
        contents.removeAll { if case .element(let element) = $0 { isUnwanted(element) } else { false } }
    }

    /// Sets an attribute; `nil` removes it.
    mutating func set(_ attribute: String, _ value: String?) {
        attributes.removeAll { $0.name == attribute }
        if let value { attributes.append((name: attribute, value: value)) }
    }

    static func == (left: Self, right: Self) -> Bool {
        left.name == right.name && left.contents == right.contents
            && left.attributes.elementsEqual(right.attributes) { $0 == $1 }
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(name)
        for attribute in attributes {
            hasher.combine(attribute.name)
            hasher.combine(attribute.value)
        }
        hasher.combine(contents)
    }
}

extension XMLElement {
    /// The document, indented by two spaces.
    var serialized: String {
        var text = ""
        write(into: &text, indent: 0)
        return text
    }

    private func write(into output: inout String, indent: Int) {
        let margin = String(repeating: "  ", count: indent)
        output += "\(margin)<\(name)"
        for attribute in attributes { output += " \(attribute.name)='\(Self.escaped(attribute.value))'" }
        if contents.isEmpty {
            output += "/>\n"
            return
        }
        output += ">"
        let hasChildren = contents.contains { if case .element = $0 { true } else { false } }
        if hasChildren { output += "\n" }
        for content in contents {
            switch content {
            case .element(let element): element.write(into: &output, indent: indent + 1)
            case .text(let text): output += Self.escaped(text)
            }
        }
        output += hasChildren ? "\(margin)</\(name)>\n" : "</\(name)>\n"
    }

    /// Text as it may stand in content and in attributes. What XML 1.0 cannot hold becomes U+FFFD.
    static func escaped(_ text: String) -> String {
        var output = ""
        output.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": output += "&amp;"
            case "<": output += "&lt;"
            case ">": output += "&gt;"
            case "'": output += "&apos;"
            case "\"": output += "&quot;"
            case "\n", "\r", "\t": output += "&#\(scalar.value);"
            case "\u{0}"..<"\u{20}", "\u{7f}"..<"\u{a0}", "\u{fffe}", "\u{ffff}": output += "\u{fffd}"
            default: output.unicodeScalars.append(scalar)
            }
        }
        return output
    }
}
