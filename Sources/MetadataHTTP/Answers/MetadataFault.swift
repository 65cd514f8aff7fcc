import HTTPService

/// What the metadata service refuses; the words are Nova's.
enum MetadataFault: Error, Sendable, Equatable {
    case badRequest(String)
    case forbidden(String)
    case notFound
    case methodNotAllowed
    case conflict
    case failed

    private var parts: (status: Int, explanation: String) {
        switch self {
        case .badRequest(let text): (400, text)
        case .forbidden(let text): (403, text)
        case .notFound: (404, "The resource could not be found.")
        case .methodNotAllowed: (405, "The method is not allowed for this resource.")
        case .conflict: (409, "There was a conflict when trying to complete your request.")
        case .failed: (500, "An unknown error has occurred. Please try your request again.")
        }
    }

    /// The small HTML page that clients of the service know.
    var response: HTTPResponse {
        let (status, explanation) = parts
        let title = "\(status) \(HTTPResponseStatus(statusCode: status).reasonPhrase)"
        let page = """
            <html>
             <head>
              <title>\(title)</title>
             </head>
             <body>
              <h1>\(title)</h1>
              \(explanation)<br /><br />



             </body>
            </html>
            """
        return HTTPResponse(
            status: status, headers: ["Content-Type": "text/html; charset=UTF-8"], body: .bytes(Array(page.utf8)))
    }
}
