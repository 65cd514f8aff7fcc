import ComputeModel
import DriverAPI
import Logging
import Messaging
import ServiceInterfaces

/// What the agent tells conductors on its own.
extension ComputeAgent {
    func reportService() async {
        await tell(
            ReportService(
                binary: "nova-compute", host: options.host, topic: Topic.compute, trouble: troubles.summary))
    }

    func reportNode() async {
        guard let latest else { return }
        let capabilities = supervisor.capabilities
        let message = ReportNode(
            host: options.host, driver: options.driverName, inventory: options.adjustment.applied(to: latest),
            capabilityTraits: capabilities.placementTraits,
            bindings: capabilities.bindings, hostIP: options.hostIP)
        do {
            _ = try await bus.call(message, to: Address(topic: Topic.conductor), deadline: .seconds(10))
            troubles.set(.description, nil)
        } catch {
            logger.warning("report not delivered", metadata: ["report": "\(ReportNode.name)", "error": "\(error)"])
            // A node that placement does not take gets no server, and nobody would know why.
            if case .remote(let fault) = error {
                troubles.set(.description, "the node's description is not taken: \(fault.message)")
            }
        }
    }

    /// Reports every guest of ours. What an operation may have changed while the hypervisor was being asked is asked
    /// again or left to that operation's own report.
    func reportAllGuests() async {
        let before = journal.operations
        let guests: [GuestSummary]
        do {
            guests = try await supervisor.call(.guests) { driver throws(DriverError) in try await driver.guests() }
        } catch {
            logger.warning("guests cannot be listed", metadata: ["error": "\(error)"])
            return
        }
        let trouble = NonsenseCheck.trouble(in: guests)
        needsGuestList = trouble != nil
        troubles.set(.guests, trouble.map { "the driver's list of guests is refused: \($0)" })
        guard trouble == nil else { return }
        let after = journal.operations
        var observed: [GuestObservation] = []
        var listed: Set<GuestID> = []
        for guest in guests {
            guard guest.isOurs else {
                let name = guest.name.oneLine(lengthMax: 255)
                logger.debug("a guest that is not ours", metadata: ["guest": "\(guest.id)", "name": "\(name)"])
                continue
            }
            listed.insert(guest.id)
            let operation = before[guest.id] ?? 0
            var seen: GuestObservation? = GuestObservation(instance: guest.id, power: guest.power, operation: operation)
            if after[guest.id] ?? 0 != operation { seen = await observation(of: guest.id) }
            if let seen { observed.append(seen) }
        }
        let isNew = { (guest: InstanceID) in !listed.contains(guest) }
        let changed = after.contains { before[$0.key] != $0.value && isNew($0.key) }
        let complete = !changed && !isBusy(beside: listed)
        if observed.isEmpty, !complete { return }
        await tell(ReportGuests(host: options.host, observed: observed, complete: complete))
    }

    /// Reports guests that changed, but for those with an operation on the way, whose report will tell.
    func report(_ guests: [GuestID]) async {
        var observed: [GuestObservation] = []
        for guest in guests {
            if let seen = await observation(of: guest), !isBusy(guest) { observed.append(seen) }
        }
        if observed.isEmpty { return }
        await tell(ReportGuests(host: options.host, observed: observed, complete: false))
    }

    /// The power state of a guest and the operation after which it was seen; `nil` when there is no such guest.
    private func observation(of guest: GuestID) async -> GuestObservation? {
        while !Task.isCancelled {
            let before = journal[guest]
            if before?.guestIsGone == true { return nil }
            do {
                let power = try await supervisor.call(.powerState, guest) { driver throws(DriverError) in
                    try await driver.powerState(of: guest)
                }
                guard journal[guest] == before else { continue }
                return GuestObservation(instance: guest, power: power, operation: before?.operation ?? 0)
            } catch {
                return nil
            }
        }
        return nil
    }

    /// Reports that the next interval repeats: one try.
    private func tell<Message: RPCMessage>(_ message: Message) async {
        do {
            _ = try await bus.call(message, to: Address(topic: Topic.conductor), deadline: .seconds(10))
        } catch {
            logger.warning("report not delivered", metadata: ["report": "\(Message.name)", "error": "\(error)"])
        }
    }
}
