import APIVersioning
import HTTPService

/// The microversions of the compute API.
enum ComputeVersions {
    /// The first.
    static let minimum = Microversion(2, 1)
    /// The newest.
    static let maximum = Microversion(2, 104)
    /// How a request asks for one.
    static let policy = MicroversionPolicy.compute(minimum, maximum)

    /// The version that a request asks for.
    static func negotiate(_ headers: HTTPHeaders) throws(MicroversionRefusal) -> Microversion {
        let standard = headers[MicroversionPolicy.standardHeader]
        let legacy = policy.legacyHeader.map { headers[$0] } ?? []
        if standard.isEmpty, legacy.isEmpty { return minimum }
        return try policy.negotiate(standard: standard, legacy: legacy)
    }

    /// Says in the answer's headers which version it is of.
    static func mark(_ response: inout HTTPResponse, _ version: Microversion) {
        for header in policy.responseHeaders(for: version) {
            response.headers.add(name: header.name, value: header.value)
        }
    }
}

/// Microversion 2.`minor`.
func v(_ minor: Int) -> Microversion { Microversion(2, minor) }

/// A thing that exists from the first microversion on.
let always = VersionSpan.since(ComputeVersions.minimum)
