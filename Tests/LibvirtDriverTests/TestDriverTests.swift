import ComputeModel
import DriverAPI
import DriverSupport
import Testing

@testable import LibvirtDriver

/// libvirt's own in-memory driver: no daemon, no privileges.
@Suite struct TestDriverTests {
    private func open() async throws -> LibvirtSession {
        let session = LibvirtSession(uri: "test:///default", threads: BlockingThreads(count: 2), log: { _, _, _ in })
        try await session.open()
        return session
    }

    private func document(_ id: GuestID, ours: Bool) -> String {
        var domain = XMLElement("domain", ["type": "test"])
        domain.add(XMLElement("name", text: DomainDefinition.name(of: id)))
        domain.add(XMLElement("uuid", text: id.description))
        if ours {
            let element = GuestMetadata.element(guestSpec(nil, id: id), node: "n", operation: 1)
            domain.add(XMLElement("metadata", [:], [element]))
        }
        domain.add(XMLElement("memory", ["unit": "MiB"], text: "8"))
        domain.add(XMLElement("vcpu", text: "1"))
        domain.add(XMLElement("os", [:], [XMLElement("type", text: "hvm")]))
        return domain.serialized
    }

    @Test func aDomainGoesThroughItsLifeAndTellsEveryStep() async throws {
        let session = try await open()
        let id = GuestID.random()
        let xml = document(id, ours: true)
        let seen = Locked<[PowerState]>([])
        let events = session.events.stream()
        let reader = Task {
            for await event in events {
                if case .power(id, let power) = event { seen.with { $0.append(power) } }
            }
        }
        try await session.change(id) { connection throws(LibvirtFailure) in
            let domain = try connection.define(xml)
            try domain.start()
            try domain.start()
        }
        let power = try await session.read(id) { connection throws(LibvirtFailure) in
            try connection.domain(id)?.powerState()
        }
        #expect(power == .running)
        try await session.change(id) { connection throws(LibvirtFailure) in
            guard let domain = try connection.domain(id) else { return }
            try domain.stop()
            try domain.stop()
            try domain.undefine()
        }
        #expect(try await session.read(id) { connection throws(LibvirtFailure) in try connection.domain(id) == nil })
        #expect(await eventually { seen.with { $0 } == [.running, .shutdown] }, "\(seen.with { $0 })")
        await session.close()
        await reader.value
    }

    @Test func oursAndForeignGuestsAreToldApart() async throws {
        let session = try await open()
        let (ours, foreign) = (GuestID.random(), GuestID.random())
        let documents = [document(ours, ours: true), document(foreign, ours: false)]
        let marks = try await session.change { connection throws(LibvirtFailure) in
            for xml in documents { try connection.define(xml) }
            var marks: [GuestID: Bool] = [:]
            try connection.eachDomain { (domain) throws(LibvirtFailure) in
                if let id = domain.id { marks[id] = GuestMetadata.isOurs(try domain.metadata()) }
            }
            return marks
        }
        #expect(marks[ours] == true)
        #expect(marks[foreign] == false)
        #expect(marks.count >= 3, "libvirt's own example domain is there too")
        await session.close()
    }

    @Test func hostFactsAreRead() async throws {
        let session = try await open()
        let (cpus, memory, name) = try await session.read { connection throws(LibvirtFailure) in
            let node = try connection.node()
            return (node.cpus, node.memoryMiB, try connection.driverName())
        }
        #expect(cpus == 16)
        #expect(memory == 3072)
        #expect(name == "TEST")
        let missing = await driverError {
            _ = try await session.read { connection throws(LibvirtFailure) in
                try connection.domainCapabilities(arch: "x86_64", machine: nil, virtType: "qemu")
            }
        }
        #expect(missing?.remedy == .giveUp, "the test driver has no domain capabilities")
        await session.close()
        let closed = await driverError { _ = try await session.read { _ throws(LibvirtFailure) in 1 } }
        #expect(closed == .unreachable("the driver is shut down"))
    }

    @Test func anUnreachableDaemonIsSaidWithARemedy() async {
        let session = LibvirtSession(
            uri: "qemu+unix:///system?socket=/nonexistent/socket", threads: BlockingThreads(count: 1),
            log: { _, _, _ in })
        let error = await driverError { try await session.open() }
        guard case .unreachable(let text) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(text.contains("Is libvirtd"))
        #expect(text.contains("/nonexistent/socket"))
    }
}
