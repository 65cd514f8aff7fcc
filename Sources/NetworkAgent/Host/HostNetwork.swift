package import ComputeModel
package import Logging

/// The networks of one host.
///
/// What the plan says is compared with what is found, and only the difference is done; so everything can be repeated,
/// and a process that was killed half-way is followed by one that finishes. Guests, leases and translations work on
/// while no process runs. Rules come first and are replaced in one transaction, so nothing is ever unprotected.
package actor HostNetwork {
    let options: HostNetworkOptions
    let logger: Logger
    let command: HostCommand
    var record = RuleRecord()
    /// The host's rules as this process knows them to be in force.
    var rulesInForce: RulesInForce?
    private let gate = SerialGate()
    private var features: HostFeatures?
    private var numbers = NumberBook()
    /// The plan that was given last.
    private var wanted: NetworkPlan?
    /// Its layout, once it is in force.
    private var inForce: HostLayout?
    /// Whether this process has seen to the whole host once.
    private var hasLooked = false
    /// How often the host is looked at again before a difference that will not go away is an error.
    private static let roundsMax = 5

    /// The networks of the host that the options name. Nothing is touched before the first call.
    package init(options: HostNetworkOptions, logger: Logger) {
        self.init(options: options, logger: logger, command: HostCommand(place: options.place, logger: logger))
    }

    /// The same with a runner of the caller's.
    init(options: HostNetworkOptions, logger: Logger, command: HostCommand) {
        (self.options, self.logger, self.command) = (options, logger, command)
    }

    // MARK: Operations

    /// Puts a plan into force. What was in force for an earlier plan, of this or an earlier process, and is not in
    /// this one, is removed.
    ///
    /// - Throws: the first thing that cannot be done; then the earlier plan may be partly in force, but no guest is
    ///   less protected than either plan says. `verify` tries again.
    @discardableResult
    package func apply(_ plan: NetworkPlan) async throws(HostNetworkError) -> ApplyReport {
        try await alone { () async throws(HostNetworkError) in
            self.wanted = plan
            return try await self.enforce(plan, lookingAtHost: false)
        }
    }

    /// Looks at everything, and repairs what is not as the plan says. Does nothing before the first plan.
    @discardableResult
    package func verify() async throws(HostNetworkError) -> ApplyReport {
        try await alone { () async throws(HostNetworkError) in
            guard let plan = self.wanted else { return ApplyReport() }
            return try await self.enforce(plan, lookingAtHost: true)
        }
    }

    /// Makes sure that everything is there that a guest with this port needs at its first packet.
    ///
    /// - Throws: `networkNotPlanned` or `portNotPlanned` if the plan does not know of it.
    @discardableResult
    package func ensurePort(_ port: PortID, on network: NetworkID) async throws(HostNetworkError) -> ApplyReport {
        try await alone { () async throws(HostNetworkError) in
            guard let plan = self.wanted, let planned = plan.networks.first(where: { $0.id == network }) else {
                throw .networkNotPlanned(network)
            }
            guard planned.ports.contains(where: { $0.id == port }) else { throw .portNotPlanned(port, on: network) }
            if let layout = self.inForce, await self.isReady(network, layout) {
                return ApplyReport(notices: layout.notices)
            }
            return try await self.enforce(plan, lookingAtHost: true)
        }
    }

    /// Removes all that is ours from the host.
    @discardableResult
    package func removeEverything() async throws(HostNetworkError) -> ApplyReport {
        try await alone { () async throws(HostNetworkError) in
            var report = try await self.enforce(NetworkPlan(), lookingAtHost: true)
            let text = ["bridge", "inet"].map { NftTable.removal(family: $0, name: self.options.owner) }.joined()
            try await self.run(["nft", "-f", "-"], input: text)
            SystemFile.remove(self.options.runtimeDirectory)
            (self.wanted, self.inForce, self.rulesInForce) = (nil, nil, nil)
            (self.record, self.numbers) = (RuleRecord(), NumberBook())
            report.changes.append(HostChange(.removed, "tables \(self.options.owner)"))
            return report
        }
    }

    /// The plan that was given last, if there was one.
    package var plan: NetworkPlan? { wanted }

    /// What of the kernel's abilities is missing here; asks the kernel at the first call.
    package func missingFeatures() async throws(HostNetworkError) -> [HostFeature: String] {
        try await prepare().missing
    }

    /// What each service namespace of the plan is recognized by while it exists. A socket that was opened in a
    /// namespace with another identity is of no use any more.
    package func serviceNamespaces() -> [NetworkID: UInt64] {
        var identities: [NetworkID: UInt64] = [:]
        for network in wanted?.networks ?? [] where network.dhcpPort != nil {
            let path = options.place.namespacePath(HostNames.serviceNamespace(network.id))
            identities[network.id] = SystemFile.identity(path)
        }
        return identities
    }

    /// A socket for the metadata of a network in force; see `MetadataSocket`.
    package func openMetadataSocket(for network: NetworkID) throws(HostNetworkError) -> Int32 {
        try MetadataSocket.open(inNamespaceOf: network, at: options.place)
    }

    /// What is there now.
    package func status() async throws(HostNetworkError) -> HostNetworkStatus {
        let missing = try await missingFeatures()
        let layout = inForce ?? HostLayout()
        let found = try await HostObserver(command: command, options: options).observe(for: layout)
        return HostNetworkStatus(found: found, owner: options.owner, missing: missing, notices: layout.notices)
    }

    // MARK: Putting into force

    private func alone(
        _ work: () async throws(HostNetworkError) -> ApplyReport
    ) async throws(HostNetworkError) -> ApplyReport {
        let started = ContinuousClock.now
        await gate.enter()
        let result: Result<ApplyReport, HostNetworkError>
        do { result = .success(try await work()) } catch { result = .failure(error) }
        await gate.leave()
        var report = try result.get()
        report.duration = ContinuousClock.now - started
        if !report.changedNothing {
            logger.info("host networks changed", metadata: [
                "changes": "\(report.changes.map(\.description))", "seconds": "\(report.duration.seconds)",
            ])
        }
        return report
    }

    private func enforce(_ plan: NetworkPlan, lookingAtHost: Bool) async throws(HostNetworkError) -> ApplyReport {
        let features = try await prepare()
        let layout = HostLayoutBuilder.layout(of: plan, options: options, numbers: &numbers)
        try SystemFile.makeDirectory(options.runtimeDirectory)
        try SystemFile.write(numbers.text, to: options.numbersPath)
        var report = ApplyReport(notices: layout.notices)
        // Until all is done nothing counts as in force, so that the next call looks at the host again.
        let before = inForce
        inForce = nil
        let mustLook = lookingAtHost || before == nil
        if mustLook { report.notices += await foreignObstacles() }
        report.changes += try await enforceHostRules(layout, lookingAtKernel: mustLook)
        let changedLeases = try writeLeaseFiles(layout.leases)
        if mustLook || before?.topology != layout.topology {
            report.changes += try await repairDifferences(layout, hasIPv6: features.hasIPv6)
        }
        report.changes += try await refreshLeases(layout.leases, changed: changedLeases, all: !hasLooked)
        removeOldLeaseFiles(layout.leases)
        record.keep(namespaces: Set(layout.namespaces.map(\.name) + [Self.hostKey]))
        try SystemFile.write(record.text, to: options.rulesPath)
        inForce = layout
        hasLooked = true
        return report
    }

    private func prepare() async throws(HostNetworkError) -> HostFeatures {
        if let features { return features }
        try HostRequirements.check()
        let features = await HostFeatures.probe(command)
        for feature in HostFeature.allCases where !feature.isOptional {
            if let complaint = features.missing[feature] { throw .featureMissing(feature, complaint: complaint) }
        }
        for (feature, complaint) in features.missing {
            logger.debug("kernel feature missing", metadata: [
                "feature": "\(feature.rawValue)", "remedy": "\(feature.remedy)", "complaint": "\(complaint)",
            ])
        }
        try SystemFile.makeDirectory(options.runtimeDirectory)
        if let closed = SystemFile.firstClosedDirectory(onTheWayTo: options.runtimeDirectory) {
            throw .directoryClosed(closed)
        }
        numbers = NumberBook(text: SystemFile.text(options.numbersPath) ?? "")
        record = RuleRecord(text: SystemFile.text(options.rulesPath) ?? "")
        self.features = features
        return features
    }

    // MARK: Devices, namespaces, processes

    private func repairDifferences(
        _ layout: HostLayout, hasIPv6: Bool
    ) async throws(HostNetworkError) -> [HostChange] {
        let observer = HostObserver(command: command, options: options)
        var changes: [HostChange] = []
        var round = 0
        while true {
            let found = try await observer.observe(for: layout)
            let record = record
            var comparison = HostComparison(
                layout: layout, found: found, options: options, hasIPv6: hasIPv6,
                recordedRules: { record.listed($1, in: $0) })
            let repair = try comparison.work()
            if repair.isEmpty { return changes }
            if round == Self.roundsMax { throw .didNotHold(repair.changes.map(\.description)) }
            round += 1
            do {
                try await carryOut(repair)
            } catch {
                // What is removed may take a moment to go, and then be gone when its turn comes: look again.
                guard round < Self.roundsMax, case .command(let failure) = error, case .status = failure.reason else {
                    throw error
                }
                try? await Task.sleep(for: .milliseconds(50 * round))
            }
            changes += repair.changes.filter { !changes.contains($0) }
        }
    }

    private func carryOut(_ repair: HostRepair) async throws(HostNetworkError) {
        for process in repair.stops { await process.stop() }
        if !repair.hostLines.isEmpty { try await run(["ip", "-batch", "-"], input: Self.lines(repair.hostLines)) }
        for setting in repair.hostSettings { try setting.write(in: options.place.networkNamespace) }
        for (namespace, lines) in repair.namespaceLines {
            try await run(["ip", "-n", namespace, "-batch", "-"], input: Self.lines(lines))
        }
        for rules in repair.namespaceRules { try await replace([rules.table], in: rules.namespace) }
        for (namespace, setting) in repair.namespaceSettings {
            try setting.write(in: options.place.namespacePath(namespace))
        }
        for service in repair.starts { try await start(service) }
        for announcement in repair.announcements { announce(announcement) }
    }

    func run(_ arguments: [String], input: String = "") async throws(HostNetworkError) {
        do {
            try await command.run(arguments, input: input, timeout: options.commandTimeout)
        } catch { throw .command(error) }
    }

    private static func lines(_ lines: [String]) -> String { lines.map { $0 + "\n" }.joined() }

    /// Whether what a guest on this network needs is there, by a look at the devices, rules and processes concerned.
    private func isReady(_ network: NetworkID, _ layout: HostLayout) async -> Bool {
        let services = layout.leases.filter { $0.network == network }
        let running = Set(LeaseProcess.running(below: options.runtimeDirectory).map(\.configurationPath))
        guard services.allSatisfy({ running.contains($0.configurationPath) }) else { return false }
        let devices = ["ip", "-json", "-details", "address", "show"]
        guard let output = try? await command.run(devices, timeout: options.commandTimeout).standardOutput,
            let links = try? HostObservation.links(output)
        else { return false }
        let bridge = HostNames.bridge(network)
        let cables = layout.cables.filter { $0.bridge == bridge }
        guard links[bridge]?.isUp == true, links[bridge]?.filtersFrames == true,
            cables.allSatisfy({ links[$0.name]?.master == bridge && links[$0.name]?.isUp == true })
        else { return false }
        guard let known = rulesInForce, known.tables == layout.hostRules, known.generation == ruleGeneration() else {
            return false
        }
        return true
    }
}
