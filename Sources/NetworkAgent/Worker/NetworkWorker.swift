package import ComputeModel
package import Logging

/// Keeps the host as the plan says: puts each new plan into force, looks after it from time to time, and has metadata
/// served where guests ask for it.
package actor NetworkWorker {
    /// How the worker works.
    package struct Options: Hashable, Sendable {
        /// How often the host is compared with the plan although nothing changed.
        package var verifyInterval: Duration
        /// How long after a failure the same is tried again.
        package var retryInterval: Duration

        package init(verifyInterval: Duration = .seconds(30), retryInterval: Duration = .seconds(2)) {
            (self.verifyInterval, self.retryInterval) = (verifyInterval, retryInterval)
        }
    }

    private let host: HostNetwork
    private let source: any NetworkPlanSource
    private let metadata: (any MetadataService)?
    private let options: Options
    private let logger: Logger
    private let gate = SerialGate()
    /// Whether there may be a plan that is not in force.
    private var isPlanNew = false
    /// The networks whose metadata is served, with the identity of the namespace of the socket.
    private var served: [NetworkID: UInt64] = [:]

    /// A worker for the host. Without a metadata service there is none.
    package init(
        host: HostNetwork, source: any NetworkPlanSource, metadata: (any MetadataService)? = nil,
        options: Options = Options(), logger: Logger
    ) {
        (self.host, self.source, self.metadata) = (host, source, metadata)
        (self.options, self.logger) = (options, logger)
    }

    /// Works until the task is cancelled. What is on the host then stays.
    package func run() async {
        let changes = await source.changes()
        let (signals, signal) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for await _ in changes {
                    await self.planMayHaveChanged()
                    signal.yield()
                }
            }
            group.addTask { [interval = options.verifyInterval] in
                while (try? await Task.sleep(for: interval)) != nil { signal.yield() }
                signal.finish()
            }
            isPlanNew = true
            signal.yield()
            for await _ in signals {
                if isPlanNew { await refreshUntilDone() } else { await tryVerify() }
            }
            group.cancelAll()
        }
    }

    private func planMayHaveChanged() { isPlanNew = true }

    private func refreshUntilDone() async {
        while isPlanNew {
            isPlanNew = false
            if await tryRefresh() { continue }
            isPlanNew = true
            if (try? await Task.sleep(for: options.retryInterval)) == nil { return }
        }
    }

    /// Fetches the plan and puts it into force, metadata included.
    package func refresh() async throws {
        await gate.enter()
        let result: Result<Void, any Error>
        do { result = .success(try await refreshAlone()) } catch { result = .failure(error) }
        await gate.leave()
        try result.get()
    }

    /// Makes sure that everything is there that a guest with this port needs; fetches the plan if it does not know
    /// the port. To be called before the guest starts.
    ///
    /// - Throws: if the newest plan does not know the port either, or the host cannot be made ready.
    package func ensurePort(_ port: PortID, on network: NetworkID) async throws {
        do {
            try await host.ensurePort(port, on: network)
        } catch HostNetworkError.networkNotPlanned, HostNetworkError.portNotPlanned {
            try await refresh()
            try await host.ensurePort(port, on: network)
        }
    }

    private func refreshAlone() async throws {
        let plan = try await source.currentPlan()
        let remaining = Set(plan.networks.filter { $0.dhcpPort != nil }.map(\.id))
        for network in served.keys where !remaining.contains(network) {
            await metadata?.stopServing(network)
            served[network] = nil
        }
        let report = try await host.apply(plan)
        for notice in report.notices {
            logger.warning("part of the network plan left out", metadata: ["notice": "\(notice)"])
        }
        try await serveMetadata()
    }

    private func serveMetadata() async throws {
        guard let metadata else { return }
        for (network, identity) in await host.serviceNamespaces() where served[network] != identity {
            if served.removeValue(forKey: network) != nil { await metadata.stopServing(network) }
            try await metadata.serve(network, on: try await host.openMetadataSocket(for: network))
            served[network] = identity
        }
    }

    private func tryRefresh() async -> Bool {
        do {
            try await refresh()
            return true
        } catch {
            logger.error("host networks not as planned", metadata: ["reason": "\(error)"])
            return false
        }
    }

    private func tryVerify() async {
        do {
            let report = try await host.verify()
            if !report.changedNothing {
                logger.warning("host networks repaired", metadata: ["changes": "\(report.changes.map(\.description))"])
            }
            await gate.enter()
            let result: Result<Void, any Error>
            do { result = .success(try await serveMetadata()) } catch { result = .failure(error) }
            await gate.leave()
            try result.get()
        } catch {
            logger.error("host networks not verified", metadata: ["reason": "\(error)"])
        }
    }
}
