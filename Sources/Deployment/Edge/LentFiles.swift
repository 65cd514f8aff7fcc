import ComputeModel
import DriverAPI
import Glibc
import HTTPService

/// Files that this node lends to drivers of other nodes: `GET /lent-files/{key}`. The key is random and permits the
/// fetch; nothing but what was lent can be had, and only until it is taken back.
final class LentFiles: HTTPResponder {
    static let path = "/lent-files"

    private let url: String
    private let files = Locked<[String: String]>([:])

    /// - Parameter url: where other nodes reach this process's listener.
    init(url: String) { self.url = url }

    func lend(_ path: String) throws(DriverError) -> FileOffer {
        var information = stat()
        guard stat(path, &information) == 0 else {
            throw .failed("\(path) cannot be lent: \(String(cString: strerror(errno)))")
        }
        let key = "\(UUIDValue.random())\(UUIDValue.random())"
        files.with { $0[key] = path }
        let name = path.split(separator: "/").last.map(String.init) ?? path
        return FileOffer(name: name, url: "\(url)\(Self.path)/\(key)", bytes: UInt64(information.st_size))
    }

    func takeBack(_ offer: FileOffer) {
        let key = offer.url.split(separator: "/").last.map(String.init) ?? ""
        files.with { $0[key] = nil }
    }

    func respond(to request: HTTPRequest) async -> HTTPResponse {
        let key = request.path.split(separator: "/").last.map(String.init) ?? ""
        guard request.method == .GET, let path = files.with({ $0[key] }) else {
            return .refusal(404, "Nothing is lent here.")
        }
        do {
            let headers: HTTPHeaders = ["Content-Type": "application/octet-stream"]
            return HTTPResponse(status: 200, headers: headers, body: .file(try await HTTPFile.open(path: path)))
        } catch {
            return .refusal(404, "What was lent here is gone.")
        }
    }
}
