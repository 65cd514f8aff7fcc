import ComputeModel
import HTTPService
import InstanceMetadata
import Synchronization

/// The documents of one server, and its answers as they were rendered.
final class CachedServer: Sendable {
    let id: InstanceID
    let projectID: String
    /// When they are to be made anew.
    let expiresAt: ContinuousClock.Instant
    private let documents: InstanceDocuments
    private let answers = Mutex<[String: Answer]>([:])

    /// The most paths whose answers are kept; there are not many more documents.
    private static let answersMax = 128

    private enum Answer {
        case fixed(HTTPResponse)
        /// With a seed that nobody gets twice.
        case seeded(MetadataDocument, HTTPHeaders)
    }

    /// What a path is.
    enum Found {
        case response(HTTPResponse)
        case password
        case nothing
    }

    init(
        id: InstanceID, projectID: String, documents: InstanceDocuments, expiresAt: ContinuousClock.Instant
    ) {
        (self.id, self.projectID, self.documents, self.expiresAt) = (id, projectID, documents, expiresAt)
    }

    /// The answer to a request for a document.
    func find(_ request: HTTPRequest) -> Found {
        let path = request.path
        if let answer = answers.withLock({ $0[path] }) { return .response(Self.response(answer)) }
        let document: MetadataDocument
        switch documents.find(request.pathSegments) {
        case .document(let found), .directory(let found): document = found
        case .password: return .password
        case .notFound: return .nothing
        }
        let answer = Self.answer(document)
        answers.withLock { answers in
            if answers.count < Self.answersMax { answers[path] = answer }
        }
        return .response(Self.response(answer))
    }

    private static func answer(_ document: MetadataDocument) -> Answer {
        let headers: HTTPHeaders = ["Content-Type": document.contentType.rawValue]
        if document.seedRange != nil { return .seeded(document, headers) }
        return .fixed(HTTPResponse(status: 200, headers: headers, body: .bytes(document.bytes)))
    }

    private static func response(_ answer: Answer) -> HTTPResponse {
        switch answer {
        case .fixed(let response): response
        case .seeded(let document, let headers):
            HTTPResponse(
                status: 200, headers: headers, body: .bytes(document.reseeded(InstanceDocuments.systemSeed())))
        }
    }
}
