/// How a request's body is delimited and what happens to the connection afterwards (RFC 9112, 6 and 9).
///
/// Refuses everything that two parsers could read differently: both `Content-Length` and `Transfer-Encoding`, more than
/// one of either, a length that is not plain digits, a coding other than `chunked`, a missing or repeated `Host`.
struct RequestFraming: Equatable {
    enum Body: Equatable {
        case none
        case length(Int)
        case chunked
    }

    let body: Body
    let keepsAlive: Bool
    let expectsContinue: Bool
    /// HTTP/1.0: no chunked answers, and keep-alive is said aloud.
    let isHTTP10: Bool

    init(_ head: HTTPRequestHead) throws(HTTPRefusal) {
        guard head.version == .http1_1 || head.version == .http1_0 else {
            throw HTTPRefusal(status: 505, message: "Only HTTP/1.1 and HTTP/1.0 are spoken here.")
        }
        var fields = Fields()
        for (name, value) in head.headers { try fields.note(name, value) }
        isHTTP10 = head.version == .http1_0
        guard fields.hosts == 1 || (isHTTP10 && fields.hosts == 0) else {
            throw HTTPRefusal(status: 400, message: "The request must have exactly one Host field.")
        }
        if fields.isChunked, fields.length != nil || isHTTP10 {
            throw HTTPRefusal(
                status: 400, message: "Transfer-Encoding must not come with Content-Length or in HTTP/1.0.")
        }
        body =
            switch (fields.isChunked, fields.length) {
            case (true, _): .chunked
            case (false, nil), (false, 0): .none
            case (false, let length?): .length(length)
            }
        // A switch to another protocol is not made, and what follows the request would not be understood.
        keepsAlive = !fields.closes && !fields.upgrades && (!isHTTP10 || fields.asksKeepAlive)
        expectsContinue = fields.expectsContinue && !isHTTP10 && body != .none
    }

    /// What the fields that matter here say.
    private struct Fields {
        var hosts = 0
        var length: Int?
        var isChunked = false
        var closes = false
        var asksKeepAlive = false
        var upgrades = false
        var expectsContinue = false

        mutating func note(_ name: String, _ value: String) throws(HTTPRefusal) {
            // The length tells most fields apart without comparing letters.
            switch name.utf8.count {
            case 4 where name.lowercased() == "host":
                hosts += 1
                guard RequestOrigin.isValidAuthority(value) else {
                    throw HTTPRefusal(status: 400, message: "The Host field is not a valid host and port.")
                }
            case 6 where name.lowercased() == "expect":
                guard value.lowercased() == "100-continue" else {
                    throw HTTPRefusal(status: 417, message: "The only supported expectation is 100-continue.")
                }
                expectsContinue = true
            case 7 where name.lowercased() == "upgrade": upgrades = true
            case 10 where name.lowercased() == "connection": noteConnection(value)
            case 14 where name.lowercased() == "content-length": try noteLength(value)
            case 17 where name.lowercased() == "transfer-encoding":
                guard !isChunked, value.lowercased() == "chunked" else {
                    throw HTTPRefusal(status: 400, message: "The only supported Transfer-Encoding is chunked, once.")
                }
                isChunked = true
            default: break
            }
        }

        private mutating func noteConnection(_ value: String) {
            for token in value.lowercased().split(separator: ",") {
                switch token.drop(while: { $0 == " " }).prefix(while: { $0 != " " }) {
                case "close": closes = true
                case "keep-alive": asksKeepAlive = true
                default: break
                }
            }
        }

        private mutating func noteLength(_ value: String) throws(HTTPRefusal) {
            let isDigits = value.utf8.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
            guard length == nil, isDigits, let number = Int(value) else {
                throw HTTPRefusal(status: 400, message: "Content-Length must be given once, as a decimal number.")
            }
            length = number
        }
    }
}
