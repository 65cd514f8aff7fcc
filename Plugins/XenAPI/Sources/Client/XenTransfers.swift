import ComputeModel
import DriverAPI

/// Moves the bytes of disks over HTTP: `/import_raw_vdi` and `/export_raw_vdi`.
struct XenTransfers: Sendable {
    let client: XenClient
    let tasks: XenTasks
    /// A whole disk may take long.
    private static let timeout = Duration.seconds(6 * 3600)

    /// Fills a disk from a file.
    ///
    /// - Parameters:
    ///   - endpoint: a host that sees the disk's repository; the others would only point to it.
    ///   - progress: gets the progress in percent.
    func fill(
        _ vdi: String, from path: String, format: TransferFormat, at endpoint: XenEndpoint,
        progress: @escaping @Sendable (Int) -> Void = { _ in }
    ) async throws(DriverError) {
        try await transfer("fill a disk from an image", progress) {
            (task: String, session: String) async throws(DriverError) in
            try await self.client.host.exchange(
                DriverHTTPRequest(
                    "PUT", Self.url(endpoint, "/import_raw_vdi", vdi, format, session, task),
                    headers: [.init("Content-Type", "application/octet-stream")], body: .file(path: path),
                    trust: self.client.options.trust, timeout: Self.timeout))
        }
    }

    /// Writes a disk's content to a new file.
    func read(
        _ vdi: String, to path: String, format: TransferFormat, at endpoint: XenEndpoint,
        progress: @escaping @Sendable (Int) -> Void = { _ in }
    ) async throws(DriverError) {
        try await transfer("export a disk", progress) { (task: String, session: String) async throws(DriverError) in
            try await self.client.host.exchange(
                DriverHTTPRequest(
                    "GET", Self.url(endpoint, "/export_raw_vdi", vdi, format, session, task), sink: .file(path: path),
                    trust: self.client.options.trust, timeout: Self.timeout))
        }
    }

    private static func url(
        _ endpoint: XenEndpoint, _ path: String, _ vdi: String, _ format: TransferFormat, _ session: String,
        _ task: String
    ) -> String {
        "\(endpoint)\(path)?vdi=\(escaped(vdi))&format=\(format.rawValue)&session_id=\(escaped(session))"
            + "&task_id=\(escaped(task))"
    }

    /// References hold a colon, which some servers want escaped in a query and all accept so.
    static func escaped(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default: result += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
        return result
    }

    private func transfer(
        _ doing: String, _ progress: @escaping @Sendable (Int) -> Void,
        _ body: (String, String) async throws(DriverError) -> DriverHTTPAnswer
    ) async throws(DriverError) {
        let task = try await client.call("task.create", ["kilonova", .text(doing)], doing).text
        let reporter = Task { [tasks] in await tasks.watch(task, progress) }
        let result: Result<DriverHTTPAnswer, DriverError>
        do throws(DriverError) {
            // A session may have ended unseen: the transfer itself cannot renew it, so ask with a cheap call first.
            _ = try await client.call("task.get_status", [.text(task)], doing)
            let session = try await client.session()
            result = .success(try await body(task, session.reference))
        } catch {
            result = .failure(error)
        }
        reporter.cancel()
        let refusal = await Task { [client] () -> XenFailure? in
            defer { Task { _ = try? await client.ask("task.destroy", [.text(task)]) } }
            guard case .success(let record) = try? await client.ask("task.get_record", [.text(task)]),
                record["status"].text == "failure"
            else { return nil }
            return XenFailure(description: record["error_info"].texts)
        }.value
        if case .failure(.cancelled) = result { throw .cancelled }
        if let refusal { throw refusal.driverError(doing) }
        let answer = try result.get()
        guard answer.status == 200 else { throw .failed("XenAPI answered the wish to \(doing) with \(answer.status)") }
    }
}

/// Forms in which a disk's bytes travel.
enum TransferFormat: String, Codable, Sendable {
    case raw
    case vhd
}
