import ComputeModel
import DriverAPI
import Logging
import Messaging
import ServiceInterfaces

/// What the agent learns from its driver's streams, and what it does about it.
extension ComputeAgent {
    // MARK: - Finding guests again

    /// Finds the guests of earlier runs again, and wires what a restart of the host has taken away.
    func recoverGuests() async {
        guard !isRecovering else { return }
        isRecovering = true
        defer { isRecovering = false }
        guard let expected = await askExpectedGuests() else { return }
        var handles: [GuestID: GuestHandle] = [:]
        for guest in expected {
            if let handle = guest.handle {
                handles[guest.instance] = GuestHandle(version: handle.version, data: handle.data)
            }
        }
        do {
            let found = try await supervisor.call(.recover) { [handles] driver throws(DriverError) in
                try await driver.recover(handles)
            }
            needsRecovery = false
            troubles.set(.recovery, nil)
            let known = found.keys.count { handles[$0] != nil }
            logger.info(
                "guests recovered",
                metadata: ["expected": "\(handles.count)", "found": "\(known)", "strange": "\(found.count - known)"])
        } catch {
            guard !Task.isCancelled else { return }
            troubles.set(.recovery, "guests of earlier runs cannot be found: \(error.message)")
        }
        for guest in expected {
            do {
                try await runner.prepare(guest.interfaces)
            } catch {
                logger.error(
                    "a guest's network could not be prepared",
                    metadata: ["instance.id": "\(guest.instance)", "error": "\(error)"])
            }
        }
    }

    private func askExpectedGuests() async -> [ExpectedGuest]? {
        var pause = Duration.milliseconds(50)
        while !Task.isCancelled {
            do {
                let question = AskExpectedGuests(host: options.host)
                return try await bus.call(question, to: Address(topic: Topic.conductor), deadline: .seconds(10)).guests
            } catch {
                logger.notice("no conductor answers yet", metadata: ["error": "\(error)"])
            }
            try? await Task.sleep(for: pause)
            pause = min(pause * 2, .seconds(5))
        }
        return nil
    }

    // MARK: - Streams

    /// Tells conductors and the log when the node comes into trouble or out of it, not more often than the pace.
    func watchTroubles() async {
        var last: String?
        for await trouble in troubles.changes() where trouble != last {
            if let trouble {
                logger.error("the hypervisor cannot be used", metadata: ["reason": "\(trouble)"])
            } else {
                logger.notice("the hypervisor can be used again")
            }
            last = trouble
            await reportService()
            do { try await Task.sleep(for: options.limits.pace) } catch { return }
        }
    }

    func watchHealth() async {
        await follow(.health, { $0.health() }) { health in
            await self.take(health)
        }
    }

    private func take(_ word: DriverHealth) async {
        let isFirst = health.last == nil
        health.take(word, at: .now)
        await settleHealth(isFirst: isFirst)
    }

    /// Acts on what the driver says of its hypervisor, once that is a verdict.
    private func settleHealth(isFirst: Bool = false) async {
        var trouble = health.trouble(at: .now)
        if health.last == nil, ContinuousClock.now - began > options.limits.firstWord {
            trouble = "the driver has not said whether its hypervisor can be used"
        }
        let isNew = trouble != healthTrouble || isFirst
        healthTrouble = trouble
        troubles.set(.health, trouble)
        if trouble != nil, health.last != nil { needsRecovery = true }
        guard trouble == nil else { return }
        let isRecovered = needsRecovery && !isRecovering
        if isRecovered { await recoverGuests() }
        if isNew || isRecovered { await reportAllGuests() }
    }

    func watchInventory() async {
        let newest = NewestValueBroadcast<NodeInventory>()
        await withDiscardingTaskGroup { group in
            group.addTask {
                await self.follow(.inventory, { $0.inventory() }) { inventory in newest.send(inventory) }
                newest.finish()
            }
            group.addTask { [pace = options.limits.pace] in
                for await inventory in newest.stream() {
                    await self.take(inventory)
                    do { try await Task.sleep(for: pace) } catch { return }
                }
            }
        }
    }

    private func take(_ inventory: NodeInventory) async {
        var trouble = NonsenseCheck.trouble(in: inventory, capabilities: supervisor.capabilities)
        if trouble == nil, let other = options.nodeNames.take(inventory.hypervisorHostname, for: options.host) {
            trouble = "the hypervisor's host name '\(inventory.hypervisorHostname)' is that of node '\(other)' too"
        }
        troubles.set(.inventory, trouble.map { "the driver's inventory is refused: \($0)" })
        guard trouble == nil else { return }
        latest = inventory
        await reportNode()
    }

    func watchEvents() async {
        await withDiscardingTaskGroup { group in
            group.addTask {
                await self.follow(.events, { $0.events() }) { event in self.events.take(event) }
            }
            group.addTask { await self.lookAtEvents() }
        }
    }

    private func lookAtEvents() async {
        for await _ in events.signals {
            troubles.set(.events, events.trouble())
            switch events.drain() {
            case .some(let guests)?: await report(guests)
            case .everything?: await reportAllGuests()
            case nil: continue
            }
            do { try await Task.sleep(for: options.limits.eventPace) } catch { return }
        }
    }

    /// Reads one of the driver's streams as long as the agent works: one that ends is a trouble and is opened again.
    private nonisolated func follow<Element: Sendable>(
        _ name: DriverCallName, _ open: @escaping @Sendable (any ComputeDriver) -> AsyncStream<Element>,
        _ body: @Sendable (Element) async -> Void
    ) async {
        let firstPause = options.limits.reopenPause
        var pause = firstPause
        while !Task.isCancelled {
            let opened = ContinuousClock.now
            do {
                let stream = try await supervisor.call(name) { driver throws(DriverError) in open(driver) }
                let steady = Task { [pause] in
                    guard (try? await Task.sleep(for: pause)) != nil else { return }
                    await self.note(name, isOpen: true)
                }
                for await element in stream { await body(element) }
                steady.cancel()
            } catch {
                logger.warning("a stream of the driver's cannot be opened", metadata: ["error": "\(error.message)"])
            }
            guard !Task.isCancelled else { return }
            await note(name, isOpen: false)
            // One that was open for a while starts with a short pause again.
            pause = ContinuousClock.now - opened > .seconds(60) ? firstPause : min(pause * 2, .seconds(30))
            do { try await Task.sleep(for: pause) } catch { return }
        }
    }

    private func note(_ stream: DriverCallName, isOpen: Bool) {
        if isOpen { endedStreams.remove(stream) } else { endedStreams.insert(stream) }
        let names = endedStreams.map(\.rawValue).sorted().joined(separator: ", ")
        troubles.set(.streams, names.isEmpty ? nil : "the driver does not tell any more: \(names)")
    }

    /// The node's sign of life, and what must be tried again from time to time.
    func showLife() async {
        troubles.set(.events, events.trouble())
        await reportService()
        await settleHealth()
        if needsGuestList { await reportAllGuests() }
    }
}
