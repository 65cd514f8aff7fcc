package import ComputeModel
package import DriverAPI
package import Logging

/// What a process has for its drivers beyond the agent itself: the image service, HTTP and files of other nodes. The
/// calls are those of `DriverHost`, with its promises.
package protocol HostFacilities: Sendable {
    func fetchImage(_ image: ImageSpec, to path: String) async throws(DriverError)
    func storeImage(_ image: ImageID, from path: String, format: String) async throws(DriverError)
    func exchange(_ request: DriverHTTPRequest) async throws(DriverError) -> DriverHTTPAnswer
    func offerFile(_ path: String) async throws(DriverError) -> FileOffer
    func withdrawFile(_ offer: FileOffer) async
    func fetchFile(_ offer: FileOffer, to path: String) async throws(DriverError)
}

/// What the agent lends its driver.
package struct AgentDriverHost: DriverHost {
    package let nodeName: String
    package let stateDirectory: String
    private let facilities: any HostFacilities
    private let logger: Logger
    private let lastProgress = Locked<[GuestID: ContinuousClock.Instant]>([:])

    package init(nodeName: String, stateDirectory: String, facilities: any HostFacilities, logger: Logger) {
        self.nodeName = nodeName
        self.stateDirectory = stateDirectory
        self.facilities = facilities
        self.logger = logger
    }

    package func log(_ level: DriverLogLevel, _ message: String, _ facts: [String: String]) {
        let severity: Logger.Level =
            switch level {
            case .debug: .debug
            case .info: .info
            case .warning: .warning
            case .error: .error
            }
        logger.log(level: severity, "\(message)", metadata: facts.mapValues { .string($0) })
    }

    /// At most one line a second for each guest.
    package func report(_ progress: DriverProgress) {
        guard logger.logLevel <= .debug else { return }
        let now = ContinuousClock.now
        let isDue = lastProgress.with { last in
            if let earlier = last[progress.guest], now - earlier < .seconds(1) { return false }
            if last.count > 1000 { last = last.filter { now - $0.value < .seconds(1) } }
            last[progress.guest] = now
            return true
        }
        guard isDue else { return }
        logger.debug(
            "driver progress",
            metadata: [
                "instance.id": "\(progress.guest)", "phase": "\(progress.phase)",
                "percent": "\(progress.percent.map(String.init) ?? "?")",
            ])
    }

    package func fetchImage(_ image: ImageSpec, to path: String) async throws(DriverError) {
        try await facilities.fetchImage(image, to: path)
    }

    package func storeImage(_ image: ImageID, from path: String, format: String) async throws(DriverError) {
        try await facilities.storeImage(image, from: path, format: format)
    }

    package func exchange(_ request: DriverHTTPRequest) async throws(DriverError) -> DriverHTTPAnswer {
        try await facilities.exchange(request)
    }

    package func offerFile(_ path: String) async throws(DriverError) -> FileOffer {
        try await facilities.offerFile(path)
    }

    package func withdrawFile(_ offer: FileOffer) async { await facilities.withdrawFile(offer) }

    package func fetchFile(_ offer: FileOffer, to path: String) async throws(DriverError) {
        try await facilities.fetchFile(offer, to: path)
    }
}
