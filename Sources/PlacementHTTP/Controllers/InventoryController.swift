import APIVersioning
import HTTPService
import Placement
import WireJSON

/// `/resource_providers/{uuid}/inventories`.
enum InventoryController {
    @Sendable static func list(_ call: PlacementCall) async throws -> HTTPResponse {
        let mirror = call.service.mirror
        return answerAll(try slot(call, mirror), mirror, call)
    }

    @Sendable static func show(_ call: PlacementCall) async throws -> HTTPResponse {
        let mirror = call.service.mirror
        let slot = try slot(call, mirror)
        let name = call.parameter("resource_class")
        guard let response = answer(200, slot, name, mirror, call) else {
            throw PlacementFault.notFound("No inventory of class \(name) for \(call.parameter("uuid"))")
        }
        return response
    }

    @Sendable static func create(_ call: PlacementCall) async throws -> HTTPResponse {
        let uuid = call.parameter("uuid")
        _ = try call.provider(call.service.mirror)
        let body = try await call.document()
        let name = body["resource_class"]?.string ?? ""
        let record = InventoryRecord(body)
        do {
            try check([name: record], uuid, call)
            try await call.service.addInventory(uuid, resourceClass: name, record)
        } catch let error as PlacementError {
            switch error {
            case .inventoryExists, .providerGenerationConflict:
                throw PlacementFault.conflict("Update conflict: \(error)", code: ErrorCode.concurrentUpdate)
            case .resourceClassNotFound:
                throw PlacementFault.badRequest("Unable to create inventory for resource provider \(uuid): \(error)")
            default: throw error
            }
        } catch let error as InventoryFault {
            throw PlacementFault.badRequest("Unable to create inventory for resource provider \(uuid): \(error.text)")
        }
        let mirror = call.service.mirror
        guard var response = answer(201, try call.provider(mirror), name, mirror, call) else {
            throw PlacementFault.conflict(
                "Update conflict: the inventory is gone again", code: ErrorCode.concurrentUpdate)
        }
        let path = "/resource_providers/\(uuid)/inventories/\(name)"
        response.headers.replaceOrAdd(name: "Location", value: call.request.absoluteURL(path))
        return response
    }

    @Sendable static func update(_ call: PlacementCall) async throws -> HTTPResponse {
        let (uuid, name) = (call.parameter("uuid"), call.parameter("resource_class"))
        let before = call.service.mirror
        let slot = try call.provider(before)
        let body = try await call.document()
        let generation = try generation(of: body, matching: before.generation(slot))
        let record = InventoryRecord(body)
        do {
            try check([name: record], uuid, call)
            try await call.service.updateInventory(uuid, resourceClass: name, record, generation: generation)
        } catch let error as PlacementError {
            switch error {
            case .providerGenerationConflict:
                throw PlacementFault.conflict("update conflict: \(error)", code: ErrorCode.concurrentUpdate)
            case .inventoryNotFound, .resourceClassNotFound:
                throw PlacementFault.badRequest(
                    "No inventory record with resource class for resource provider \(uuid): \(error)")
            default: throw error
            }
        } catch let error as InventoryFault {
            throw PlacementFault.badRequest("Unable to update inventory for resource provider \(uuid): \(error.text)")
        }
        let mirror = call.service.mirror
        guard let response = answer(200, try call.provider(mirror), name, mirror, call) else {
            throw PlacementFault.conflict(
                "update conflict: the inventory is gone again", code: ErrorCode.concurrentUpdate)
        }
        return response
    }

    @Sendable static func replace(_ call: PlacementCall) async throws -> HTTPResponse {
        let uuid = call.parameter("uuid")
        let before = call.service.mirror
        let slot = try call.provider(before)
        let body = try await call.document()
        let generation = try generation(of: body, matching: before.generation(slot))
        let records = InventoryRecord.all(body["inventories"])
        do {
            try check(records, uuid, call)
            try await call.service.setInventories(uuid, records, generation: generation)
        } catch let error as PlacementError {
            switch error {
            case .resourceClassNotFound:
                throw PlacementFault.badRequest(
                    "Unknown resource class in inventory for resource provider \(uuid): \(error)")
            case .providerGenerationConflict:
                throw PlacementFault.conflict("update conflict: \(error)", code: ErrorCode.concurrentUpdate)
            case .inventoryInUse:
                throw PlacementFault.conflict("update conflict: \(error)", code: ErrorCode.inventoryInUse)
            default: throw error
            }
        } catch let error as InventoryFault {
            throw PlacementFault.badRequest("Unable to update inventory for resource provider \(uuid): \(error.text)")
        }
        let mirror = call.service.mirror
        return answerAll(try call.provider(mirror), mirror, call)
    }

    @Sendable static func clear(_ call: PlacementCall) async throws -> HTTPResponse {
        let uuid = call.parameter("uuid")
        do {
            try await call.service.setInventories(uuid, [:], generation: nil)
        } catch PlacementError.providerGenerationConflict {
            throw PlacementFault.conflict(
                "Unable to delete inventory for resource provider \(uuid) because the inventory was updated by "
                    + "another process. Please retry your request.", code: ErrorCode.concurrentUpdate)
        }
        return call.answer(204)
    }

    @Sendable static func delete(_ call: PlacementCall) async throws -> HTTPResponse {
        let (uuid, name) = (call.parameter("uuid"), call.parameter("resource_class"))
        do {
            try await call.service.deleteInventory(uuid, resourceClass: name)
        } catch let error as PlacementError {
            switch error {
            case .providerGenerationConflict, .inventoryInUse:
                throw PlacementFault.conflict(
                    "Unable to delete inventory of class \(name): \(error)", code: ErrorCode.concurrentUpdate)
            case .inventoryNotFound:
                throw PlacementFault.notFound(
                    "No inventory of class \(name) found for delete: "
                        + "No inventory of class \(name) found for delete")
            case .resourceClassNotFound:
                throw PlacementFault.notFound("No inventory of class \(name) found for delete: \(error)")
            default: throw error
            }
        }
        return call.answer(204)
    }

    // MARK: Parts

    private static func slot(
        _ call: PlacementCall, _ mirror: ProviderMirror
    ) throws(PlacementFault) -> ProviderMirror.Slot {
        let uuid = call.parameter("uuid")
        guard let slot = mirror.slot(uuid: uuid) else {
            throw .notFound("No resource provider with uuid \(uuid) found : \(PlacementError.providerNotFound(uuid))")
        }
        return slot
    }

    private static func generation(of body: JSONValue, matching actual: Int64) throws(PlacementFault) -> Int64 {
        guard let given = body["resource_provider_generation"]?.int, Int64(given) == actual else {
            throw .conflict("resource provider generation conflict", code: ErrorCode.concurrentUpdate)
        }
        return actual
    }

    /// Since 1.26 everything may be reserved; before, something must be left.
    static func check(
        _ records: [String: InventoryRecord], _ provider: String, _ call: PlacementCall
    ) throws(InventoryFault) {
        let mayBeFull = call.has(PlacementVersions.fullyReserved)
        for (name, record) in records.sorted(by: { $0.key < $1.key }) {
            guard mayBeFull ? record.capacity < 0 : record.capacity <= 0 else { continue }
            throw InventoryFault(
                text: "Invalid inventory for '\(name)' on resource provider '\(provider)'. "
                    + "The reserved value is greater than \(mayBeFull ? "" : "or equal to ")total.")
        }
    }

    private static func answerAll(
        _ slot: ProviderMirror.Slot, _ mirror: ProviderMirror, _ call: PlacementCall
    ) -> HTTPResponse {
        var writer = JSONWriter(capacity: 1 << 10)
        writer.object { w in
            w.field("resource_provider_generation", mirror.generation(slot))
            w.object("inventories") { w in
                for inventory in mirror.inventories(slot) {
                    w.object(mirror.catalog.className(inventory.classID)) { w in write(inventory, to: &w) }
                }
            }
        }
        return call.answer(modifiedAt: mirror.modifiedAt(slot), writer)
    }

    private static func answer(
        _ status: Int, _ slot: ProviderMirror.Slot, _ name: String, _ mirror: ProviderMirror, _ call: PlacementCall
    ) -> HTTPResponse? {
        let classID = mirror.catalog.classID(name)
        guard let inventory = mirror.inventories(slot).first(where: { $0.classID == classID }) else { return nil }
        var writer = JSONWriter(capacity: 256)
        writer.object { w in
            write(inventory, to: &w)
            // The reference leaves out a generation of 0.
            if mirror.generation(slot) > 0 { w.field("resource_provider_generation", mirror.generation(slot)) }
        }
        return call.answer(status, modifiedAt: mirror.modifiedAt(slot), writer)
    }

    private static func write(_ inventory: InventoryImage, to w: inout JSONWriter) {
        w.field("total", inventory.total)
        w.field("reserved", inventory.reserved)
        w.field("min_unit", inventory.minUnit)
        w.field("max_unit", inventory.maxUnit)
        w.field("step_size", inventory.stepSize)
        w.field("allocation_ratio", inventory.allocationRatio)
    }
}

/// Inventory that no provider can have.
struct InventoryFault: Error {
    let text: String
}

extension InventoryRecord {
    /// From a body that fits the schema.
    init(_ body: JSONValue) {
        func whole(_ name: String, _ otherwise: Int64) -> Int64 { body[name].map(\.wholeNumber) ?? otherwise }
        self.init(
            total: whole("total", 0), reserved: whole("reserved", 0), minUnit: whole("min_unit", 1),
            maxUnit: whole("max_unit", Self.amountMax), stepSize: whole("step_size", 1),
            allocationRatio: body["allocation_ratio"]?.double ?? 1)
    }

    static func all(_ bodies: JSONValue?) -> [String: InventoryRecord] {
        Dictionary((bodies?.object?.members ?? []).map { ($0.key, InventoryRecord($0.value)) }) { _, last in last }
    }
}

extension JSONValue {
    /// A whole number however it is written; far beyond any amount where it does not fit.
    var wholeNumber: Int64 {
        switch self {
        case .int(let number): number
        case .double(let number): number > 1e15 ? 1 << 50 : number < -1e15 ? -(1 << 50) : Int64(number)
        case .null, .bool, .string, .array, .object: 0
        }
    }
}
