import ServiceOptions
import Testing

@Suite struct OptionDeclarationTests {
    @Test func defaultsAreTheStoredValues() throws {
        #expect(APIOptions().maxLimit == 1000)
        let options = try KilonovaOptions(ConfigurationSource())
        #expect(options.api.maxLimit == 1000)
        #expect(options.kilonova.imagePath == "/var/lib/kilonova/images")
        #expect(options.database.connection.revealed == "sqlite:///var/lib/kilonova/kilonova.sqlite")
        #expect(options.node.host == nil)
        #expect(options.compute.pluginDirectory == nil)
        #expect(options.network.credentials.projectName == "service")
    }

    @Test func novasFileCarriesOver() throws {
        let source = try ConfigurationSource(
            text: """
                [DEFAULT]
                compute_driver = libvirt.LibvirtDriver
                my_ip = 10.0.0.11
                max_concurrent_builds = 8
                osapi_max_limit = 500
                [api]
                auth_strategy = keystone
                [neutron]
                auth_url = http://controller:5000
                password = NEUTRON_PASS
                service_metadata_proxy = true
                metadata_proxy_shared_secret = METADATA_SECRET
                [vnc]
                enabled = true
                server_listen = 0.0.0.0
                [quota]
                instence = 3
                """)
        let options = try KilonovaOptions(source)
        #expect(options.node.myIP == "10.0.0.11")
        #expect(options.compute.concurrentBuildsMax == 8)
        #expect(options.api.maxLimit == 500)
        #expect(options.network.trustsMetadataProxy)
        #expect(options.network.credentials.password?.revealed == "NEUTRON_PASS")
        #expect(
            source.warnings(known: KilonovaOptions.schemas).map(\.description) == [
                "nova.conf:5: [DEFAULT] osapi_max_limit is deprecated; write [api] max_limit",
                "nova.conf:7: [api] auth_strategy is ignored: nothing here reads it",
                "nova.conf:14: [vnc] is ignored: nothing here reads this group",
                "nova.conf:17: [quota] instence is ignored: nothing here reads it; did you mean instances?",
            ])
    }

    @Test func everyDefaultIsAllowedByItsOwnDeclaration() throws {
        for schema in KilonovaOptions.schemas {
            let values = try ConfigurationSource().values(of: schema)
            for option in schema.options where option.defaultText != nil {
                #expect(values[option.name] != nil, "[\(schema.name)] \(option.name)")
            }
        }
    }

    @Test func namesAreUniqueAndHelpIsProse() {
        let schemas = KilonovaOptions.schemas
        #expect(schemas.map(\.name).count == Set(schemas.map(\.name)).count)
        #expect(schemas.flatMap(\.options).count >= 60)
        for schema in schemas {
            let names = schema.options.map(\.name)
            #expect(names.count == Set(names).count, "[\(schema.name)]")
            for option in schema.options {
                #expect(option.help.hasSuffix("."), "[\(schema.name)] \(option.name)")
                #expect(option.name == option.name.lowercased())
            }
        }
    }

    @Test func optionsDeclaredAsDataAreCheckedLikeOurs() throws {
        let schema = GroupSchema(
            name: "libvirt", help: "The libvirt plugin.",
            options: [
                DeclaredOption(
                    name: "virt_type", type: .choice(["auto", "kvm", "qemu"]), defaultText: "auto", help: "Type."),
                DeclaredOption(
                    name: "images_path", type: .path, defaultText: "$state_path/instances/_base", help: "Images."),
                DeclaredOption(name: "cpu_model", type: .string, defaultText: nil, help: "Model."),
            ])
        let source = try ConfigurationSource(text: "[libvirt]\nvirt_type = qemu\nvirt_typ = x\n")
        let values = try source.values(of: schema)
        #expect(values["virt_type"] == .string("qemu"))
        #expect(values["images_path"] == .string("/var/lib/kilonova/instances/_base"))
        #expect(values["cpu_model"] == nil)
        #expect(source.warnings(known: KilonovaOptions.schemas + [schema]).count == 1)
        #expect(source.warnings(known: KilonovaOptions.schemas).first?.message.contains("[libvirt] is ignored") == true)
        let bad = try ConfigurationSource(text: "[libvirt]\nvirt_type = hyperv\n")
        let errors = #expect(throws: ConfigurationErrors.self) { try bad.values(of: schema) }
        #expect(
            errors?.description
                == "nova.conf:2: [libvirt] virt_type = hyperv: not one of the choices; allowed: auto, kvm, qemu")
    }

    @Test func theSampleIsAFileOfDefaults() throws {
        let sample = OptionText.sample(KilonovaOptions.schemas)
        let live = sample.split(separator: "\n").map { line in
            let isDefault = line.hasPrefix("#") && !line.hasPrefix("# ") && line.contains(" =")
            return isDefault ? String(line.dropFirst()) : String(line)
        }
        let source = try ConfigurationSource(text: live.joined(separator: "\n"), path: "sample")
        #expect(source.warnings(known: KilonovaOptions.schemas) == [])
        let options = try KilonovaOptions(source)
        #expect(options.filterScheduler.enabledFilters == FilterSchedulerOptions().enabledFilters)
        #expect(options.kilonova.requestBodyLimit == KilonovaGroupOptions().requestBodyLimit)
        #expect(options.node.serviceDownTime == .seconds(60))
        #expect(sample.split(separator: "\n").allSatisfy { $0.count <= 120 })
    }

    @Test func theReferenceHasARowForEveryOption() {
        let reference = OptionText.reference(KilonovaOptions.schemas)
        for schema in KilonovaOptions.schemas {
            #expect(reference.contains("## [\(schema.name)]"))
            for option in schema.options { #expect(reference.contains("| `\(option.name)` |")) }
        }
    }
}
