import APIVersioning
import Identity

/// The operations on availability zones.
enum ZoneEndpoints {
    static let all: [ComputeEndpoint] = [
        ComputeEndpoint(
            "GET", "/os-availability-zone", always, policy: CloudPolicy.zoneList.name,
            query: ComputeEndpoints.noQuery, run: .asCaller(ZoneController.list)),
        ComputeEndpoint(
            "GET", "/os-availability-zone/detail", always, policy: CloudPolicy.zoneDetail.name,
            query: ComputeEndpoints.noQuery, run: .asCaller(ZoneController.detail)),
    ]
}
