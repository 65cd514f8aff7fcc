import ComputeModel
import Placement

/// Readers of the query parameters that several operations share.
enum QueryText {
    /// "VCPU:2,MEMORY_MB:1024".
    static func resources(_ text: String) throws(PlacementFault) -> [CandidateRequest.Amount] {
        let form =
            "Badly formed resources parameter. Expected resources query string parameter in form: "
            + "?resources=VCPU:2,MEMORY_MB:1024. Got: "
        guard !text.trimmingSpaces.isEmpty else { throw .badRequest(form + "empty string.") }
        var amounts: [CandidateRequest.Amount] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let pieces = part.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
            guard pieces.count == 2 else { throw .badRequest("\(form)\(part).") }
            let (name, number) = (pieces[0], pieces[1].trimmingSpaces)
            guard let amount = Int64(number) else {
                throw .badRequest("Requested resource \(name) expected positive integer amount. Got: \(pieces[1]).")
            }
            guard amount >= 1 else {
                throw .badRequest("Requested resource \(name) requires amount >= 1. Got: \(amount).")
            }
            amounts.removeAll { $0.resourceClass == name }
            amounts.append(CandidateRequest.Amount(name, amount))
        }
        return amounts
    }

    /// Required and forbidden traits of one parameter's value.
    static func traits(
        _ text: String, forbiddenAllowed: Bool, anyAllowed: Bool
    ) throws(PlacementFault) -> (required: [[String]], forbidden: [String]) {
        let prefix = "Invalid query string parameters: "
        if text.hasPrefix("in:") {
            guard anyAllowed else {
                throw .badRequest(
                    "\(prefix)The format 'in:HW_CPU_X86_VMX,CUSTOM_MAGIC' only supported "
                        + "since microversion 1.39. Got: \(text)")
            }
            let names = list(text.dropFirst(3))
            guard !names.contains("") else {
                throw .badRequest(
                    "\(prefix)Expected 'required' parameter value of the form: "
                        + "in:HW_CPU_X86_VMX,CUSTOM_MAGIC. Got an empty trait in: \(text)")
            }
            guard !names.contains(where: { $0.hasPrefix("!") }) else {
                throw .badRequest(
                    "\(prefix)The format 'in:HW_CPU_X86_VMX,CUSTOM_MAGIC' does not support "
                        + "forbidden traits. Got: \(text)")
            }
            return ([names], [])
        }
        let names = list(text[...])
        let forbidden = names.filter { $0.hasPrefix("!") }.map { String($0.drop { $0 == "!" }) }
        guard !names.contains(""), !forbidden.contains("") else {
            let form = forbiddenAllowed ? "HW_CPU_X86_VMX,!CUSTOM_MAGIC" : "HW_CPU_X86_VMX,CUSTOM_MAGIC"
            throw .badRequest(
                "\(prefix)Expected 'required' parameter value of the form: \(form). "
                    + "Got an empty trait in: \(text)")
        }
        guard forbidden.isEmpty || forbiddenAllowed else {
            throw .badRequest(
                "\(prefix)Expected 'required' parameter value of the form: "
                    + "HW_CPU_X86_VMX,CUSTOM_MAGIC. Got: \(text)")
        }
        return (names.filter { !$0.hasPrefix("!") }.map { [$0] }, forbidden)
    }

    /// Required (any of) and forbidden aggregates of one parameter's value.
    static func memberOf(_ text: String) throws(PlacementFault) -> (required: [String], forbidden: [String]) {
        if text.contains(","), !text.hasPrefix("in:"), !text.hasPrefix("!in:") {
            throw .badRequest(
                "Multiple values for 'member_of' must be prefixed with the 'in:' or '!in:' keyword "
                    + "using the valid microversion. Got: \(text)")
        }
        var required: [String] = []
        var forbidden: [String] = []
        if text.hasPrefix("!in:") {
            forbidden = text.dropFirst(4).split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        } else if text.hasPrefix("!") {
            forbidden = [String(text.dropFirst())]
        } else if text.hasPrefix("in:") {
            required = text.dropFirst(3).split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        } else {
            required = [text]
        }
        for aggregate in required + forbidden where UUIDText.normalized(aggregate) == nil {
            throw .badRequest(
                "Invalid query string parameters: Expected 'member_of' parameter to contain valid "
                    + "UUID(s). Got: \(aggregate)")
        }
        return (required, forbidden)
    }

    private static func list(_ text: Substring) -> [String] {
        text.split(separator: ",", omittingEmptySubsequences: false).map { String($0).trimmingSpaces }
    }
}

/// UUIDs in the spellings that Python's `uuid.UUID` takes.
enum UUIDText {
    /// Lower case with hyphens; `nil` for what is no UUID.
    static func normalized(_ text: String) -> String? {
        var plain = text.replacing("urn:", with: "").replacing("uuid:", with: "")[...]
        while plain.first == "{" || plain.first == "}" { plain = plain.dropFirst() }
        while plain.last == "{" || plain.last == "}" { plain = plain.dropLast() }
        let digits = plain.filter { $0 != "-" }.lowercased()
        guard digits.utf8.count == 32, digits.allSatisfy(\.isHexDigit) else { return nil }
        let all = Array(digits)
        return [all[0..<8], all[8..<12], all[12..<16], all[16..<20], all[20..<32]].map { String($0) }.joined(
            separator: "-")
    }
}
