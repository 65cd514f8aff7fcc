import ComputeModel
import ServiceInterfaces
import Testing

@testable import Scheduling

struct FilterTests {
    private func refusal(_ filter: String, _ host: HostState, _ spec: RequestSpec = Scene.spec()) -> String? {
        HostFilter.known(FilterLimits(ioOperationsMax: 2, instancesMax: 3))[filter]?.refusal(host, spec)
    }

    @Test func everyFilterIsKnownByItsName() {
        #expect(
            Set(HostFilter.known(FilterLimits()).keys) == [
                "AllHostsFilter", "ComputeFilter", "AvailabilityZoneFilter", "ComputeCapabilitiesFilter",
                "ImagePropertiesFilter", "IoOpsFilter", "NumInstancesFilter",
            ])
    }

    @Test func hostsPassOrAreRefusedWithAReason() {
        let cases: [(String, HostState, RequestSpec, String?)] = [
            ("AllHostsFilter", Scene.host("h", isUp: false), Scene.spec(), nil),
            ("ComputeFilter", Scene.host("h"), Scene.spec(), nil),
            ("ComputeFilter", Scene.host("h", isUp: false), Scene.spec(), "its service is down"),
            (
                "ComputeFilter", Scene.host("h", isUp: false, trouble: "no vCenter"), Scene.spec(),
                "its service is down (no vCenter)"
            ),
            ("ComputeFilter", Scene.host("h", isDisabled: true), Scene.spec(), "its service is disabled (repairs)"),
            ("AvailabilityZoneFilter", Scene.host("h"), Scene.spec(), nil),
            ("AvailabilityZoneFilter", Scene.host("h"), Scene.spec(zone: "nova"), nil),
            (
                "AvailabilityZoneFilter", Scene.host("h"), Scene.spec(zone: "az2"),
                "it is in availability zone nova; az2 is asked for"
            ),
            ("IoOpsFilter", Scene.host("h", ioOperations: 1), Scene.spec(), nil),
            (
                "IoOpsFilter", Scene.host("h", ioOperations: 2), Scene.spec(),
                "2 builds and moves are under way; at most 2 may be"
            ),
            ("NumInstancesFilter", Scene.host("h", instances: 2), Scene.spec(), nil),
            (
                "NumInstancesFilter", Scene.host("h", instances: 3), Scene.spec(),
                "it has 3 instances; at most 3 are allowed"
            ),
        ]
        for (filter, host, spec, wanted) in cases { #expect(refusal(filter, host, spec) == wanted, "\(filter)") }
    }

    @Test func imagesRunOnlyWhereTheirKindOfGuestRuns() {
        let host = Scene.host(
            "h", guests: [SupportedGuest(architecture: "x86_64", hypervisorType: "kvm", machineMode: "hvm")])
        let cases: [([String: String]?, Bool)] = [
            (nil, true), ([:], true), (["hw_architecture": "x86_64"], true), (["hw_architecture": "aarch64"], false),
            (["architecture": "X86_64", "img_hv_type": "KVM"], true), (["img_hv_type": "xen"], false),
            (["hw_vm_mode": "hvm"], true), (["vm_mode": "xen"], false), (["hw_architecture": "amd64"], true),
            (["vm_mode": "hv"], true), (["vm_mode": "pv"], false), (["hypervisor_type": "KVM"], true),
            (["img_hv_type": "kvm", "img_hv_requested_version": ">=8.0, <9"], true),
            (["img_hv_type": "kvm", "hypervisor_version_requires": ">8.2"], false),
            (["img_hv_type": "kvm", "img_hv_requested_version": "==8.2.0,!=8.2.1"], true),
            (["img_hv_type": "kvm", "img_hv_requested_version": "new"], false),
        ]
        for (properties, passes) in cases {
            let reason = refusal("ImagePropertiesFilter", host, Scene.spec(imageProperties: properties))
            #expect((reason == nil) == passes, "\(properties ?? [:]): \(reason ?? "passed")")
        }
    }

    @Test func namesOfOtherReleasesMeanTheSameKindOfGuest() {
        let pool = [
            SupportedGuest(architecture: "x86_64", hypervisorType: "xen", machineMode: "xen"),
            SupportedGuest(architecture: "i686", hypervisorType: "xen", machineMode: "hvm"),
        ]
        let host = Scene.host("h", guests: pool)
        for (properties, passes) in [
            (["img_hv_type": "xapi"], true), (["img_hv_type": "xen", "vm_mode": "pv"], true),
            (["hw_architecture": "i386", "vm_mode": "hvm"], true),
            // Architecture and mode must belong to one kind of guest.
            (["hw_architecture": "x86_64", "vm_mode": "hvm"], false),
        ] {
            let reason = refusal("ImagePropertiesFilter", host, Scene.spec(imageProperties: properties))
            #expect((reason == nil) == passes, "\(properties): \(reason ?? "passed")")
        }
        let none = refusal("ImagePropertiesFilter", Scene.host("h"), Scene.spec(imageProperties: ["vm_mode": "hvm"]))
        #expect(none == "the image asks for any/any/hvm; it runs nothing")
        let old = refusal(
            "ImagePropertiesFilter", host,
            Scene.spec(imageProperties: ["img_hv_type": "xen", "img_hv_requested_version": ">=9"]))
        #expect(old == "the image asks for a hypervisor of version >=9; it has 8.2.0")
    }

    @Test func extraSpecsMatchWhatTheHostSaysOfItself() {
        let cases: [([String: String], Bool)] = [
            ([:], true), (["hw:cpu_policy": "dedicated"], true), (["trait:X": "required"], true),
            (["capabilities:hypervisor_type": "QEMU"], true), (["capabilities:hypervisor_type": "xen"], false),
            (["hypervisor_version": ">= 8000000"], true), (["hypervisor_version": "< 8000000"], false),
            (["capabilities:cpu_info:arch": "s== x86_64"], true),
            (["capabilities:cpu_info:features": "<in> aes"], true),
            (["capabilities:cpu_info:features": "<all-in> aes sse"], true),
            (["capabilities:cpu_info:features": "<all-in> aes avx"], false), (["capabilities:nonsense": "1"], false),
            (["capabilities:free_ram_mb": ">= 4000"], true), (["capabilities:free_ram_mb": ">= 4001"], false),
        ]
        for (extraSpecs, passes) in cases {
            let reason = refusal("ComputeCapabilitiesFilter", Scene.host("h"), Scene.spec(extraSpecs: extraSpecs))
            #expect((reason == nil) == passes, "\(extraSpecs): \(reason ?? "passed")")
        }
    }

    @Test func theLanguageOfCapabilities() {
        let cases: [(requirement: String, value: String, holds: Bool)] = [
            ("1", "1", true), ("1", "2", false), ("", "", true), ("a b", "a b", true), ("= 2", "2", true),
            ("= 2", "3", true), ("= 2", "1", false), ("== 2", "2.0", true), ("== 2", "3", false),
            ("!= 2", "3", true), (">= 2", "10", true), ("<= 2", "10", false), ("> 2", "2", false), ("< 2", "1", true),
            ("== x", "1", false), ("==", "1", false), ("s== 10", "10", true), ("s!= a", "b", true),
            ("s< b", "a", true), ("s<= a", "a", true), ("s> a", "b", true), ("s>= 2", "10", false),
            ("<in> ell", "hello", true), ("<in> x", "hello", false), ("<in>", "hello", false),
            ("<or> a <or> b", "b", true), ("<or> a <or> b", "c", false), ("<all-in> a b", "b a c", true),
        ]
        for item in cases {
            #expect(
                CapabilityRequirement(item.requirement).isMet(by: item.value) == item.holds,
                "\(item.requirement) of \(item.value)")
        }
    }
}
