import APIVersioning
import Identity
import WireJSON

/// The operations on servers and their parts.
enum ServerEndpoints {
    static let all: [ComputeEndpoint] = []
}
