import CLibvirt
import ComputeModel
import DriverAPI
import DriverSupport
import Testing

@testable import LibvirtDriver

@Suite struct VirtTypeDecisionTests {
    private static let works = KVMProbe(hasFlags: true)
    private static let noFlags = KVMProbe(hasFlags: false)
    private static let noDevice = KVMProbe(hasFlags: true, deviceObstacle: "/dev/kvm cannot be opened: gone")
    private static let noVCPU = KVMProbe(hasFlags: true, vcpuObstacle: "KVM makes no virtual processor: no")

    private func decide(
        _ choice: LibvirtOptions.VirtTypeChoice, _ probe: KVMProbe, kvm: Bool = true, qemu: Bool = true
    ) throws -> VirtTypeDecision {
        try VirtTypeDecision.decide(choice, probe: probe, libvirtOffersKVM: kvm, libvirtOffersQEMU: qemu)
    }

    @Test func autoTakesKVMOnlyWhenEverythingAgrees() throws {
        #expect(try decide(.auto, Self.works).virtType == "kvm")
        let table: [(KVMProbe, Bool, String)] = [
            (Self.noFlags, true, "neither vmx nor svm"), (Self.noDevice, true, "/dev/kvm"),
            (Self.noVCPU, true, "virtual processor"), (Self.works, false, "libvirt does not offer"),
        ]
        for (probe, offered, reason) in table {
            let decision = try decide(.auto, probe, kvm: offered)
            #expect(decision.virtType == "qemu")
            #expect(decision.reason.contains(reason), "\(decision.reason)")
        }
    }

    @Test func theOperatorsChoiceIsKeptOrRefusedWithARemedy() throws {
        #expect(try decide(.qemu, Self.works).virtType == "qemu")
        let insisted = try decide(.kvm, Self.noFlags)
        #expect(insisted.virtType == "kvm")
        #expect(insisted.reason.contains("although"))
        for body in [
            { try decide(.kvm, Self.noDevice, kvm: false) }, { try decide(.qemu, Self.works, qemu: false) },
            { try decide(.auto, Self.noFlags, qemu: false) },
        ] {
            #expect { try body() } throws: { error in
                guard case DriverError.badConfiguration(let text) = error else { return false }
                return text.contains("virt_type") || text.contains("install")
            }
        }
    }

    @Test func processorFlagsAreReadFromTheFirstProcessor() {
        let text = "processor\t: 0\nflags\t\t: fpu vmx sse\n\nprocessor\t: 1\nflags\t\t: svm\n"
        #expect(KVMProbe.processorFlags(text) == ["fpu", "vmx", "sse"])
        #expect(KVMProbe.processorFlags(nil) == [])
    }
}

@Suite struct LibvirtFailureTests {
    private let guest = GuestID.random()

    private func mapped(
        _ code: virErrorNumber, domain: virErrorDomain = VIR_FROM_QEMU, _ text: String = "text", number: Int32 = 0
    ) -> DriverError {
        LibvirtFailure(
            call: "do it", code: Int32(code.rawValue), domain: Int32(domain.rawValue), text: text, number: number
        ).driverError(for: guest)
    }

    @Test func everyKindOfErrorBecomesWhatTheAgentCanActOn() {
        let sentence = { (code: Int) in "cannot do it: libvirt says: text (code \(code), domain 10)" }
        #expect(mapped(VIR_ERR_NO_DOMAIN) == .noSuchGuest(guest))
        #expect(mapped(VIR_ERR_NO_CONNECT) == .unreachable(sentence(5)))
        #expect(mapped(VIR_ERR_NO_MEMORY) == .insufficientResources(sentence(2)))
        #expect(mapped(VIR_ERR_OPERATION_TIMEOUT) == .busy(sentence(68)))
        #expect(mapped(VIR_ERR_RESOURCE_BUSY) == .busy(sentence(87)))
        #expect(mapped(VIR_ERR_AGENT_UNRESPONSIVE) == .timedOut(sentence(86)))
        #expect(mapped(VIR_ERR_CONFIG_UNSUPPORTED) == .notSupported(sentence(67)))
        #expect(mapped(VIR_ERR_NO_SUPPORT) == .notSupported(sentence(3)))
        #expect(mapped(VIR_ERR_ACCESS_DENIED) == .refused(sentence(88)))
        #expect(mapped(VIR_ERR_INTERNAL_ERROR) == .failed(sentence(1)))
    }

    @Test func shortageAndLostConnectionsAreKnownByNumberAndByText() {
        let table: [(DriverError, DriverError.Remedy)] = [
            (mapped(VIR_ERR_SYSTEM_ERROR, number: 28), .reschedule),
            (mapped(VIR_ERR_INTERNAL_ERROR, "qemu: cannot set up guest memory 'pc.ram'"), .reschedule),
            (mapped(VIR_ERR_SYSTEM_ERROR, number: 16), .retry),
            (mapped(VIR_ERR_SYSTEM_ERROR, domain: VIR_FROM_RPC, "Connection refused", number: 111), .retry),
            (mapped(VIR_ERR_INTERNAL_ERROR, domain: VIR_FROM_RPC, "client socket is closed"), .retry),
        ]
        for (error, remedy) in table { #expect(error.remedy == remedy, "\(error)") }
        if case .insufficientResources = table[1].0 {} else { Issue.record("\(table[1].0)") }
        if case .unreachable = table[4].0 {} else { Issue.record("\(table[4].0)") }
    }

    @Test func powerStatesAndEventsFollowLibvirts() {
        #expect((0...8).map { PowerState(libvirtState: $0) } == [
            .noState, .running, .running, .paused, .running, .shutdown, .crashed, .suspended, .noState,
        ])
        #expect(PowerState(libvirtState: -1) == .noState)
        let events = (0...8).map { PowerState.after(libvirtEvent: $0, detail: 0) }
        #expect(events == [nil, nil, .running, .paused, .running, .shutdown, nil, .suspended, .crashed])
        #expect(PowerState.after(libvirtEvent: 5, detail: 2) == .crashed)
        #expect(PowerState.after(libvirtEvent: 5, detail: 3) == nil, "moved to another node")
        #expect(PowerState.after(libvirtEvent: 5, detail: 4) == .suspended)
    }
}

@Suite struct HostTraitsTests {
    private static let capabilities = """
        <capabilities><host><uuid>1</uuid><cpu><arch>x86_64</arch><model>EPYC</model><vendor>AMD</vendor>
        <topology sockets='1' dies='1' cores='2' threads='2'/><feature name='avx2'/><feature name='aes'/></cpu></host>
        <guest><os_type>hvm</os_type><arch name='x86_64'><wordsize>64</wordsize><emulator>/usr/bin/q</emulator>
        <domain type='qemu'/><domain type='kvm'/></arch></guest></capabilities>
        """

    @Test func theHostIsDescribed() throws {
        let host = try HostCapabilities(xml: Self.capabilities)
        #expect(host.cpu == CPUDescription(
            arch: "x86_64", vendor: "AMD", model: "EPYC", sockets: 1, cores: 2, threads: 2, features: ["aes", "avx2"]))
        #expect(host.supportedGuests(kvm: false).map(\.hypervisorType) == ["qemu"])
        #expect(host.supportedGuests(kvm: true).map(\.hypervisorType) == ["qemu", "kvm"])
        #expect(host.guests.first?.emulator == "/usr/bin/q")
    }

    @Test func processorFeaturesBecomeStandardTraits() {
        let cpu = """
            <cpu><model>x</model><feature policy='require' name='pni'/><feature policy='require' name='sse4.2'/>
            <feature policy='disable' name='avx'/><feature policy='require' name='vmx'/><feature name='unheard'/></cpu>
            """
        let traits = HostTraits.processor(features: HostTraits.features(ofCPU: cpu)).map(\.rawValue).sorted()
        #expect(traits == [
            "HW_CPU_X86_INTEL_VMX", "HW_CPU_X86_SSE3", "HW_CPU_X86_SSE42", "HW_CPU_X86_VMX",
        ])
        #expect(HostTraits.features(ofCPU: "nonsense").isEmpty)
    }

    @Test func deviceTraitsFollowDomainCapabilities() {
        let traits = HostTraits.devices(.sample).map(\.rawValue)
        #expect(traits.contains("COMPUTE_STORAGE_BUS_VIRTIO"))
        #expect(traits.contains("COMPUTE_GRAPHICS_MODEL_VGA"))
        #expect(!traits.contains("COMPUTE_GRAPHICS_MODEL_QXL"))
        #expect(traits.contains("COMPUTE_NET_VIF_MODEL_E1000"))
    }

    @Test func uptimeReadsLikeTheProgram() {
        let text = HostUptime.text(clock: (2, 10, 39), uptime: "94980.5 1.0", load: "0.68 0.49 0.40 1/200 99")
        #expect(text == " 02:10:39 up 1 day,  2:23,  0 users,  load average: 0.68, 0.49, 0.40")
        #expect(HostUptime.text(clock: (0, 0, 0), uptime: "x", load: "") == nil)
    }

    @Test func theGuestsProcessorFollowsTheOptions() throws {
        let sample = DomainCapabilities.sample
        func cpu(_ mode: String?, _ models: [String] = [], _ type: String = "qemu") throws -> XMLElement? {
            try GuestCPU.element(mode: mode, models: models, virtType: type, sample)
        }
        #expect(try cpu(nil)?.child("model")?.text == "qemu64")
        #expect(try cpu("none") == nil)
        #expect(try cpu(nil, [], "kvm")?["mode"] == "host-model")
        #expect(try cpu("custom", ["EPYC", "Nehalem"])?.child("model")?.text == "Nehalem")
        #expect(throws: DriverError.self) { try cpu("custom", ["EPYC"]) }
        #expect(throws: DriverError.self) { try cpu("host-passthrough") }
    }
}

extension DomainCapabilities {
    /// As libvirt says of emulated `pc` guests, shortened.
    static var sample: DomainCapabilities { machine("pc-i440fx-7.2") }

    static func machine(_ machine: String) -> DomainCapabilities {
        let xml = """
            <domainCapabilities><domain>qemu</domain><machine>\(machine)</machine><arch>x86_64</arch><vcpu max='255'/>
            <os supported='yes'><enum name='firmware'><value>bios</value><value>efi</value></enum>
            <loader supported='yes'><enum name='secure'><value>yes</value><value>no</value></enum></loader></os>
            <cpu><mode name='host-passthrough' supported='no'/><mode name='host-model' supported='yes'>
            <model fallback='forbid'>EPYC</model></mode><mode name='custom' supported='yes'>
            <model usable='yes'>qemu64</model><model usable='no'>EPYC</model><model usable='yes'>Nehalem</model></mode>
            </cpu><devices><disk supported='yes'><enum name='bus'><value>ide</value><value>scsi</value>
            <value>virtio</value><value>usb</value><value>sata</value></enum></disk><graphics supported='yes'>
            <enum name='type'><value>vnc</value></enum></graphics><video supported='yes'><enum name='modelType'>
            <value>vga</value><value>cirrus</value><value>virtio</value></enum></video><rng supported='yes'>
            <enum name='model'><value>virtio</value></enum></rng></devices></domainCapabilities>
            """
        do { return try DomainCapabilities(xml: xml) } catch { fatalError("\(error)") }
    }
}
