import APIVersioning
import HTTPService
import Placement
import WireJSON

/// `/resource_classes`.
enum ResourceClassController {
    @Sendable static func list(_ call: PlacementCall) async throws -> HTTPResponse {
        let classes = call.service.mirror.catalog.classes
        var writer = JSONWriter(capacity: 1 << 12)
        writer.object { w in
            w.array("resource_classes") { w in
                for entry in classes { write(entry.name, call, to: &w) }
            }
        }
        return call.answer(modifiedAt: classes.map(\.modifiedAt).max(), writer)
    }

    @Sendable static func show(_ call: PlacementCall) async throws -> HTTPResponse {
        let name = call.parameter("name")
        guard let entry = call.service.mirror.catalog.classes.first(where: { $0.name == name }) else {
            throw PlacementFault.notFound(PlacementError.resourceClassNotFound(name).description)
        }
        return answer(entry, call)
    }

    @Sendable static func create(_ call: PlacementCall) async throws -> HTTPResponse {
        let name = try await call.document()["name"]?.string ?? ""
        do {
            try await call.service.createResourceClass(name)
        } catch PlacementError.resourceClassExists {
            throw PlacementFault.conflict("Conflicting resource class already exists: \(name)")
        }
        var response = call.answer(201)
        addLocation(&response, name, call)
        return response
    }

    /// Until 1.6: gives the class another name.
    @Sendable static func rename(_ call: PlacementCall) async throws -> HTTPResponse {
        let name = call.parameter("name")
        let newName = try await call.document()["name"]?.string ?? ""
        do {
            try await call.service.renameResourceClass(name, to: newName)
        } catch PlacementError.resourceClassExists {
            throw PlacementFault.conflict("Resource class already exists: \(newName)")
        } catch PlacementError.resourceClassIsStandard {
            throw PlacementFault.badRequest("Cannot update standard resource class \(name)")
        }
        var writer = JSONWriter(capacity: 256)
        write(newName, call, to: &writer)
        return call.answer(writer)
    }

    /// From 1.7: makes sure that the class exists.
    @Sendable static func ensure(_ call: PlacementCall) async throws -> HTTPResponse {
        let name = call.parameter("name")
        let body: JSONValue = ["name": .string(name)]
        if let violation = PlacementSchemas.resourceClass.violation(by: body) {
            throw PlacementFault.badRequest(
                "JSON does not validate: \(violation.text(in: PlacementSchemas.resourceClass.document))")
        }
        var isNew = true
        do {
            try await call.service.createResourceClass(name)
        } catch PlacementError.resourceClassExists {
            isNew = false
        }
        var response = call.answer(isNew ? 201 : 204)
        addLocation(&response, name, call)
        return response
    }

    @Sendable static func delete(_ call: PlacementCall) async throws -> HTTPResponse {
        do {
            try await call.service.deleteResourceClass(call.parameter("name"))
        } catch let error as PlacementError {
            switch error {
            case .resourceClassIsStandard: throw PlacementFault.badRequest("Error in delete resource class: \(error)")
            case .resourceClassInUse: throw PlacementFault.conflict("Error in delete resource class: \(error)")
            default: throw error
            }
        }
        return call.answer(204)
    }

    private static func answer(_ entry: PlacementCatalog.Entry, _ call: PlacementCall) -> HTTPResponse {
        var writer = JSONWriter(capacity: 256)
        write(entry.name, call, to: &writer)
        return call.answer(modifiedAt: entry.modifiedAt, writer)
    }

    private static func write(_ name: String, _ call: PlacementCall, to writer: inout JSONWriter) {
        writer.object { w in
            w.field("name", name)
            w.array("links") { w in
                w.object { w in
                    w.field("rel", "self")
                    w.field("href", call.link("/resource_classes/\(name)"))
                }
            }
        }
    }

    private static func addLocation(_ response: inout HTTPResponse, _ name: String, _ call: PlacementCall) {
        response.headers.replaceOrAdd(name: "Location", value: call.request.absoluteURL("/resource_classes/\(name)"))
    }
}
