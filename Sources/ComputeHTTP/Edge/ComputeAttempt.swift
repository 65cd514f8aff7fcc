import APIVersioning
import HTTPService
import Identity
import Logging
import ServiceOptions
import WireJSON

/// One request whose caller, route and microversion are known: finds the operation, checks what was sent, runs it.
struct ComputeAttempt {
    let services: ComputeServices
    let request: HTTPRequest
    let path: ComputePath
    let route: ComputeRoute
    let parameters: RouteParameters
    let context: RequestContext
    let version: Microversion
    let bodyBytesMax: Int

    func response() async -> HTTPResponse {
        do {
            return try await run()
        } catch {
            return fault(for: error, endpoint: nil).response()
        }
    }

    private func run() async throws -> HTTPResponse {
        let body = try await document()
        let endpoint = try operation(body)
        if let project = path.project, project != context.projectID {
            throw ComputeFault.invalid(
                "Malformed request URL: URL's project_id '\(project)' doesn't match Context's project_id "
                    + "'\(context.projectID ?? "None")'")
        }
        let query = try checkedQuery(endpoint)
        if let violation = schema(endpoint.bodySchema(at: version))?.violation(by: body) {
            throw ComputeFault.invalid(violation.bodyDetail)
        }
        if endpoint.run.scope == .caller, let rule = endpoint.policy,
            !services.policy.allows(rule, context, PolicyTarget(context))
        {
            throw ComputeFault.refused(by: rule)
        }
        let call = ComputeCall(
            services: services, request: request, context: context, version: version, endpoint: endpoint,
            parameters: parameters, query: query, body: body,
            links: Links(request, path, prefix: services.options.api.computeLinkPrefix))
        do {
            return try await endpoint.run.run(call)
        } catch {
            return fault(for: error, endpoint: endpoint).response()
        }
    }

    /// What the client learns of an error. A refusal that the row does not declare is a defect, like every error that
    /// means nothing to a client.
    private func fault(for error: any Error, endpoint: ComputeEndpoint?) -> ComputeFault {
        if let fault = ComputeFault(error), fault.isCommon || endpoint?.errors.contains(fault.status) ?? true {
            if fault.status >= 500 { log(error, endpoint, .warning) }
            return fault
        }
        log(error, endpoint, .error)
        return .unexpected(error)
    }

    private func log(_ error: any Error, _ endpoint: ComputeEndpoint?, _ level: Logger.Level) {
        services.logger.log(
            level: level, "request failed",
            metadata: [
                "request.id": "\(context.requestID)", "operation": "\(endpoint?.title ?? request.path)",
                "error": "\(error)",
            ])
    }

    // MARK: Body

    /// The body of a POST or PUT; null where it is empty.
    private func document() async throws(ComputeFault) -> JSONValue {
        if let type = request.headers.first(name: "Content-Type") {
            let plain = type.prefix { $0 != ";" }.filter { $0 != " " }.lowercased()
            // As in the reference, text/plain counts as nothing said.
            guard ["", "text/plain", "application/json", "application/vnd.openstack.compute+json"].contains(plain)
            else { throw .wrongMediaType }
        }
        guard request.method == .POST || request.method == .PUT, !request.body.isEmpty else { return .null }
        let bytes: [UInt8]
        do throws(HTTPBodyError) {
            bytes = try await request.body.collect(upTo: bodyBytesMax)
        } catch {
            if case .tooLarge = error { throw .tooLarge }
            throw ComputeFault(status: error.status, message: error.description, isCommon: true)
        }
        guard !bytes.isEmpty else { return .null }
        do {
            return try JSONParser.parse(bytes)
        } catch {
            throw .malformedBody
        }
    }

    /// A schema as the path's base wants it: below `/v2` members that it does not know are overlooked.
    private func schema(_ schema: JSONSchema?) -> JSONSchema? { path.isLegacy ? schema?.overlookingUnknown : schema }

    private func checkedQuery(_ endpoint: ComputeEndpoint) throws(ComputeFault) -> HTTPQuery {
        guard let schema = schema(endpoint.querySchema(at: version)), !request.query.isEmpty else {
            return request.query
        }
        do throws(SchemaViolation) {
            return HTTPQuery(try schema.knownParameters(in: Array(request.query)))
        } catch {
            throw .invalid(error.queryDetail)
        }
    }

    // MARK: Operation

    private func operation(_ body: JSONValue) throws(ComputeFault) -> ComputeEndpoint {
        var action: String?
        if route.takesActions(request.method.rawValue) {
            guard !body.isNull || !request.body.isEmpty else { throw .malformedBody }
            guard let members = body.object else { throw .notFound() }
            guard members.count == 1 else { throw .malformedBody }
            action = members.keys[0]
        }
        switch route.lookup(method: request.method.rawValue, action: action, version: version) {
        case .found(let endpoint): return endpoint
        case .noSuchAction(let name): throw .invalid("There is no such action: \(name)")
        case .notFound, .methodNotAllowed: throw .notFound()
        }
    }
}

extension JSONSchema {
    /// The same schema where no object refuses members that it does not name.
    fileprivate var overlookingUnknown: JSONSchema {
        func relaxed(_ value: JSONValue) -> JSONValue {
            switch value {
            case .object(let members):
                return .object(
                    JSONObject(
                        members.members.map { key, value in
                            (key, key == "additionalProperties" && value == .bool(false) ? true : relaxed(value))
                        }))
            case .array(let elements): return .array(elements.map(relaxed))
            case .null, .bool, .int, .double, .string: return value
            }
        }
        return (try? JSONSchema(relaxed(document))) ?? self
    }
}
