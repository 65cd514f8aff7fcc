package import ComputeModel
package import DriverAPI
package import Logging

/// Fetches the file of an image to a path, checked against what the image service promises.
package protocol ImageFetching: Sendable {
    /// - Throws: `DriverError`; then there is no file at `path`.
    func fetch(_ image: ImageSpec, to path: String) async throws(DriverError)
}

/// What the agent lends its driver.
package struct AgentDriverHost: DriverHost {
    package let nodeName: String
    package let stateDirectory: String
    private let images: any ImageFetching
    private let logger: Logger
    private let lastProgress = Locked<[GuestID: ContinuousClock.Instant]>([:])

    package init(nodeName: String, stateDirectory: String, images: any ImageFetching, logger: Logger) {
        self.nodeName = nodeName
        self.stateDirectory = stateDirectory
        self.images = images
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
        try await images.fetch(image, to: path)
    }
}
