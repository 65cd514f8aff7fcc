/// XML-RPC as XenAPI speaks it: every answer is a struct of `Status` and `Value` or `ErrorDescription`.
enum XMLRPC {
    /// The body of a call.
    static func call(_ method: String, _ arguments: [XenValue]) -> [UInt8] {
        var text = "<?xml version=\"1.0\"?><methodCall><methodName>\(escaped(method))</methodName><params>"
        for argument in arguments { text += "<param>\(written(argument))</param>" }
        return Array((text + "</params></methodCall>").utf8)
    }

    private static func written(_ value: XenValue) -> String {
        switch value {
        case .text(let text): return "<value><string>\(escaped(text))</string></value>"
        case .truth(let truth): return "<value><boolean>\(truth ? 1 : 0)</boolean></value>"
        case .integer(let number): return "<value><string>\(number)</string></value>"
        case .number(let number): return "<value><double>\(number.isFinite ? number : 0)</double></value>"
        case .nothing: return "<value><string></string></value>"
        case .list(let elements):
            return "<value><array><data>\(elements.map(written).joined())</data></array></value>"
        case .map(let members):
            let inside = members.sorted { $0.key < $1.key }.map {
                "<member><name>\(escaped($0.key))</name>\(written($0.value))</member>"
            }
            return "<value><struct>\(inside.joined())</struct></value>"
        }
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "&": result += "&amp;"
            case "\r": result += "&#13;"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// The value inside an answer: the struct that XenAPI sends. A fault of XML-RPC itself is trouble.
    static func answer(_ bytes: [UInt8], limits: WireLimits = WireLimits()) throws(WireTrouble) -> XenValue {
        var reader = Reader(parser: XMLPullParser(bytes, limits: limits), limits: limits)
        try reader.begin("methodResponse")
        let first = try reader.element()
        if first == "fault" {
            try reader.begin("value")
            let fault = try reader.value(depth: 0)
            throw WireTrouble(message: "XML-RPC fault \(fault["faultCode"].text): \(fault["faultString"].text)")
        }
        guard first == "params" else { throw reader.trouble("<\(first)> instead of <params>") }
        try reader.begin("param")
        try reader.begin("value")
        let value = try reader.value(depth: 0)
        for name in ["param", "params", "methodResponse"] { try reader.end(name) }
        guard try reader.next() == nil else { throw reader.trouble("more after the answer") }
        return value
    }

    private struct Reader {
        var parser: XMLPullParser
        let limits: WireLimits
        var values = 0

        init(parser: XMLPullParser, limits: WireLimits) { (self.parser, self.limits) = (parser, limits) }

        func trouble(_ what: String) -> WireTrouble { parser.trouble(what) }

        mutating func next() throws(WireTrouble) -> XMLPullParser.Event? { try parser.next() }

        /// The next event that is not blank text.
        mutating func solid() throws(WireTrouble) -> XMLPullParser.Event {
            while let event = try parser.next() {
                if case .text(let text) = event {
                    guard text.allSatisfy(\.isWhitespace) else { throw trouble("text where an element should be") }
                    continue
                }
                return event
            }
            throw trouble("the document is cut off")
        }

        mutating func element() throws(WireTrouble) -> String {
            guard case .begin(let name) = try solid() else { throw trouble("an element is missing") }
            return name
        }

        mutating func begin(_ name: String) throws(WireTrouble) {
            let found = try element()
            guard found == name else { throw trouble("<\(found)> instead of <\(name)>") }
        }

        mutating func end(_ name: String) throws(WireTrouble) {
            guard try solid() == .end(name) else { throw trouble("</\(name)> is missing") }
        }

        /// What stands in a `<value>` that has just begun, up to its end.
        mutating func value(depth: Int) throws(WireTrouble) -> XenValue {
            guard depth < limits.depthMax else { throw trouble("nested deeper than \(limits.depthMax)") }
            values += 1
            guard values <= limits.valuesMax else { throw trouble("more than \(limits.valuesMax) values") }
            var text = ""
            while let event = try parser.next() {
                switch event {
                case .text(let more): text += more
                case .end: return .text(text)
                case .begin(let kind):
                    guard text.allSatisfy(\.isWhitespace) else { throw trouble("text beside <\(kind)>") }
                    let value = try typed(kind, depth: depth)
                    try end("value")
                    return value
                }
            }
            throw trouble("the document is cut off")
        }

        /// The value of an element that has just begun, up to its end.
        mutating func typed(_ kind: String, depth: Int) throws(WireTrouble) -> XenValue {
            switch kind {
            case "struct": return try map(depth: depth)
            case "array": return try list(depth: depth)
            case "nil":
                try end("nil")
                return .nothing
            default: break
            }
            var text = ""
            read: while let event = try parser.next() {
                switch event {
                case .text(let more): text += more
                case .end: break read
                case .begin(let inner): throw trouble("<\(inner)> in <\(kind)>")
                }
            }
            switch kind {
            case "string", "dateTime.iso8601", "base64": return .text(text)
            case "boolean":
                guard text == "1" || text == "0" else { throw trouble("'\(text.prefix(20))' is no truth value") }
                return .truth(text == "1")
            case "int", "i4", "i8":
                guard let number = Int64(text) else { throw trouble("'\(text.prefix(20))' is no whole number") }
                return .integer(number)
            case "double":
                guard let number = Double(text) else { throw trouble("'\(text.prefix(20))' is no number") }
                return .number(number)
            default: throw trouble("<\(kind)> is no type of XML-RPC")
            }
        }

        mutating func map(depth: Int) throws(WireTrouble) -> XenValue {
            var members: [String: XenValue] = [:]
            while true {
                let event = try solid()
                if event == .end("struct") { return .map(members) }
                guard event == .begin("member") else { throw trouble("a struct holds members only") }
                try begin("name")
                var name = ""
                read: while let event = try parser.next() {
                    switch event {
                    case .text(let more): name += more
                    case .end: break read
                    case .begin: throw trouble("an element in a name")
                    }
                }
                try begin("value")
                let value = try value(depth: depth + 1)
                try end("member")
                guard members.updateValue(value, forKey: name) == nil else { throw trouble("'\(name)' twice") }
            }
        }

        mutating func list(depth: Int) throws(WireTrouble) -> XenValue {
            var elements: [XenValue] = []
            try begin("data")
            while true {
                let event = try solid()
                if event == .end("data") {
                    try end("array")
                    return .list(elements)
                }
                guard event == .begin("value") else { throw trouble("an array holds values only") }
                elements.append(try value(depth: depth + 1))
            }
        }
    }
}
