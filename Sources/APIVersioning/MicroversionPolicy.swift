/// Which microversions a service speaks and how a request asks for one.
///
/// Facts: `microversion_parse` (both services), nova `api_version_request.py`, and the middleware that placement
/// uses. The two services refuse in different words and differ in how strictly a version is read.
package struct MicroversionPolicy: Sendable, Hashable {
    /// The header that every service understands: `compute 2.96, placement 1.39`.
    package static let standardHeader = "OpenStack-API-Version"

    /// How the version's text is read and a bad one refused.
    package enum Dialect: Sendable, Hashable {
        /// Exactly `MajorNum.MinorNum`.
        case compute
        /// Whatever Python's `int` reads on both sides of the point.
        case placement
    }

    /// The service's name in the standard header.
    package let serviceType: String
    /// A header of the service's own with nothing but a version, asked when the standard one is silent.
    package let legacyHeader: String?
    /// The oldest version, and the one a request gets that asks for none.
    package let minimum: Microversion
    /// The newest version, and the one that `latest` means.
    package let maximum: Microversion
    /// How versions are read and refused.
    package let dialect: Dialect

    /// The policy of the compute API.
    package static func compute(_ minimum: Microversion, _ maximum: Microversion) -> Self {
        Self(
            serviceType: "compute", legacyHeader: "X-OpenStack-Nova-API-Version",
            minimum: minimum, maximum: maximum, dialect: .compute)
    }

    /// The policy of the placement API.
    package static func placement(_ minimum: Microversion, _ maximum: Microversion) -> Self {
        Self(serviceType: "placement", legacyHeader: nil, minimum: minimum, maximum: maximum, dialect: .placement)
    }

    /// The version that a request asks for.
    ///
    /// - Parameters:
    ///   - standard: the values of `OpenStack-API-Version`, one per header line; empty when absent.
    ///   - legacy: the values of `legacyHeader`, likewise.
    package func negotiate(standard: [String], legacy: [String] = []) throws(MicroversionRefusal) -> Microversion {
        guard let asked = fromStandard(standard) ?? fromLegacy(legacy) else { return minimum }
        if asked == "latest" { return maximum }
        switch dialect {
        case .compute:
            guard let version = Microversion(asked) else { throw .malformedCompute(asked) }
            guard version >= minimum, version <= maximum else { throw .outOfRange(version, self) }
            return version
        case .placement:
            let version = try PlacementVersionText.parse(asked)
            guard version >= minimum, version <= maximum, version.major == minimum.major else {
                throw MicroversionRefusal(
                    status: 406, message: "Invalid microversion: Unacceptable version header: \(asked)")
            }
            return version
        }
    }

    /// The headers that every answer at that version carries, in this order.
    package func responseHeaders(for version: Microversion) -> [(name: String, value: String)] {
        var headers = [(name: Self.standardHeader, value: "\(serviceType) \(version)")]
        if let legacyHeader { headers.append((legacyHeader, "\(version)")) }
        headers.append(("Vary", Self.standardHeader))
        if let legacyHeader { headers.append(("Vary", legacyHeader)) }
        return headers
    }

    /// Of several entries for this service the last counts; entries of others and without a version are skipped.
    private func fromStandard(_ values: [String]) -> String? {
        for entry in values.joined(separator: ",").split(separator: ",").reversed() {
            let parts = entry.split(maxSplits: 1, whereSeparator: \.isWhitespace)
            guard parts.count == 2, parts[0].lowercased() == serviceType else { continue }
            let version = PythonText.stripped(parts[1])
            if !version.isEmpty { return version }
        }
        return nil
    }

    private func fromLegacy(_ values: [String]) -> String? {
        guard !values.isEmpty, legacyHeader != nil else { return nil }
        let entries = values.joined(separator: ",").split(separator: ",", omittingEmptySubsequences: false)
        return entries.last.map { PythonText.stripped($0) }
    }
}

/// Why a request gets no microversion.
package struct MicroversionRefusal: Error, Sendable, Hashable {
    /// 400 for what is no version, 406 for one that is not spoken.
    package let status: Int
    /// The sentence for the client.
    package let message: String

    static func malformedCompute(_ text: String) -> Self {
        Self(
            status: 400,
            message: "API Version String \(text) is of invalid format. Must be of format MajorNum.MinorNum.")
    }

    static func outOfRange(_ version: Microversion, _ policy: MicroversionPolicy) -> Self {
        Self(
            status: 406,
            message: "Version \(version) is not supported by the API. "
                + "Minimum is \(policy.minimum) and maximum is \(policy.maximum).")
    }
}

/// Placement's reading of a version: both sides of the first point go through Python's `int`.
enum PlacementVersionText {
    static func parse(_ text: String) throws(MicroversionRefusal) -> Microversion {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        var numbers: [Int] = []
        for part in parts {
            guard let number = PythonNumber.whole(part) else {
                throw refusal(text, "invalid literal for int() with base 10: \(PythonText.repr(String(part)))")
            }
            numbers.append(number)
        }
        guard numbers.count == 2 else {
            throw refusal(text, "Version.__new__() missing 1 required positional argument: 'minor'")
        }
        return Microversion(numbers[0], numbers[1])
    }

    private static func refusal(_ text: String, _ cause: String) -> MicroversionRefusal {
        MicroversionRefusal(status: 400, message: "Invalid microversion: invalid version string: \(text); \(cause)")
    }
}
