import ComputeModel
import Testing
import WireJSON

@testable import InstanceMetadata

struct OpenStackDocumentsTests {
    let documents = Sample.documents(Sample.full)

    @Test func versionsAreListedUpToToday() {
        #expect(documents.text("/openstack/")?.hasSuffix("2020-10-14\n2025-04-04\nlatest") == true)
        let old = InstanceDocuments(Sample.plain, now: Timestamp(iso8601: "2020-01-01T00:00:00Z")!)
        #expect(old.text("/openstack") == """
            2012-08-10\n2013-04-04\n2013-10-17\n2015-10-15\n2016-06-30\n2016-10-06\n2017-02-22\n2018-08-27\nlatest
            """)
        // What is not listed yet can be asked for.
        #expect(old.bytes("/openstack/2025-04-04/meta_data.json") != nil)
        #expect(old.bytes("/openstack/2011-01-01/meta_data.json") == nil)
    }

    @Test(arguments: [
        ("2012-08-10", "meta_data.json\nuser_data"), ("2013-04-04", "meta_data.json\nuser_data\npassword"),
        ("2013-10-17", "meta_data.json\nuser_data\npassword\nvendor_data.json"),
        ("2015-10-15", "meta_data.json\nuser_data\npassword\nvendor_data.json\nnetwork_data.json"),
        ("2016-10-06", "meta_data.json\nuser_data\npassword\nvendor_data.json\nnetwork_data.json\nvendor_data2.json"),
        ("latest", "meta_data.json\nuser_data\npassword\nvendor_data.json\nnetwork_data.json\nvendor_data2.json"),
    ])
    func aDirectoryListsItsDocuments(_ version: String, _ listing: String) {
        #expect(documents.text("/openstack/\(version)") == listing)
        #expect(documents.text("/openstack/\(version)/") == listing)
        let plain = Sample.documents(Sample.plain).text("/openstack/\(version)")
        #expect(plain == listing.replacing("user_data\n", with: "").replacing("\nuser_data", with: ""))
    }

    @Test(arguments: [
        (
            "2012-08-10",
            ["uuid", "meta", "public_keys", "keys", "hostname", "name", "launch_index", "availability_zone"]
        ),
        ("2013-04-04", ["random_seed"]), ("2015-10-15", ["project_id"]), ("2016-06-30", ["devices"]),
        ("2020-10-14", ["dedicated_cpus"]),
    ])
    func fieldsAppearWithTheirVersions(_ since: String, _ added: [String]) throws {
        for version in MetadataVersion.allCases {
            let keys = try #require(try documents.json("/openstack/\(version.rawValue)/meta_data.json").object).keys
            for key in added { #expect(keys.contains(key) == (version.rawValue >= since), "\(version) \(key)") }
            #expect(!keys.contains("admin_pass"))
        }
    }

    @Test func metaDataSayWhatTheServerIs() throws {
        let data = try documents.json("/openstack/latest/meta_data.json")
        #expect(data["uuid"]?.string == "\(Sample.id)")
        #expect(data["hostname"] == "my-demo.novalocal")
        #expect(data["name"] == "My demo")
        #expect(data["meta"] == ["app": "shop", "role": "web"])
        #expect(data["public_keys"] == ["mykey": "ssh-ed25519 AAAA me"])
        #expect(data["keys"] == [["name": "mykey", "type": "ssh", "data": "ssh-ed25519 AAAA me"]])
        #expect(data["random_seed"]?.string?.count == 684)
        #expect(data["dedicated_cpus"] == [1, 3])
        #expect(data["launch_index"] == 0)
        let plain = try Sample.documents(Sample.plain).json("/openstack/latest/meta_data.json")
        #expect(plain["hostname"] == "my-demo")
        #expect(plain["meta"] == nil)
        #expect(plain["keys"] == nil)
        #expect(plain["availability_zone"] == .null)
        #expect(plain["devices"] == [])
    }

    @Test func devicesShowWhatTheirVersionKnows() throws {
        func devices(_ version: String) throws -> [JSONValue] {
            try #require(try documents.json("/openstack/\(version)/meta_data.json")["devices"]?.array)
        }
        let first = try devices("2016-06-30")
        #expect(first.count == 2)
        #expect(first[0] == [
            "type": "nic", "mac": "fa:16:3e:00:00:01", "bus": "pci", "address": "0000:00:02.0", "tags": ["t"],
        ])
        #expect(first[1] == [
            "type": "disk", "serial": "s", "path": "/dev/sda", "bus": "none", "address": "none", "tags": ["d"],
        ])
        #expect(try devices("2017-02-22")[0]["vlan"] == 7)
        #expect(try devices("2018-08-27")[0]["vf_trusted"] == true)
        #expect(try devices("2018-08-27").count == 3)
        #expect(try devices("latest").count == 4)
        #expect(try devices("latest")[2]["share_id"] == "sh")
    }

    @Test func userDataComeAsTheyWereGiven() {
        #expect(documents.bytes("/openstack/latest/user_data") == Sample.full.userData)
        #expect(Sample.documents(Sample.plain).bytes("/openstack/latest/user_data") == nil)
    }

    @Test func vendorDataAreTheOperators() throws {
        #expect(documents.text("/openstack/latest/vendor_data.json") == #"{"site":"north"}"#)
        #expect(documents.text("/openstack/latest/vendor_data2.json") == #"{"static":{"site":"north"}}"#)
        #expect(documents.bytes("/openstack/2013-04-04/vendor_data.json") == nil)
        #expect(documents.bytes("/openstack/2016-06-30/vendor_data2.json") == nil)
    }

    @Test func networkDataNameLinksNetworksAndServices() throws {
        var facts = Sample.full
        let dynamic = try Sample.documents(facts).json("/openstack/latest/network_data.json")
        #expect(dynamic["links"] == [[
            "id": "tapbbbbbbbb-22", "vif_id": .string("\(Sample.port)"), "type": "bridge", "mtu": 1450,
            "ethernet_mac_address": "fa:16:3e:00:00:01",
        ]])
        #expect(dynamic["networks"]?[0] == [
            "id": "network0", "type": "ipv4_dhcp", "link": "tapbbbbbbbb-22", "network_id": .string("\(Sample.network)"),
        ])
        #expect(dynamic["networks"]?[1]?["type"] == "ipv6_dhcp")
        #expect(dynamic["services"] == [["type": "dns", "address": "8.8.8.8"], ["type": "dns", "address": "fd00::53"]])
        facts.interfaces = [Sample.interface(dhcp: false)]
        let fixed = try Sample.documents(facts).json("/openstack/latest/network_data.json")
        let first = try #require(fixed["networks"]?[0])
        #expect(first["type"] == "ipv4")
        #expect(first["ip_address"] == "10.0.0.5")
        #expect(first["netmask"] == "255.255.252.0")
        #expect(first["routes"] == [
            ["network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.0.0.1"],
            ["network": "192.168.0.0", "netmask": "255.255.0.0", "gateway": "10.0.0.9"],
        ])
        #expect(fixed["networks"]?[1]?["netmask"] == "ffff:ffff:ffff:ffff::")
        #expect(Sample.documents(Sample.plain).text("/openstack/latest/network_data.json") == "{}")
    }

    @Test func whatIsNotThereIsNotFound() {
        for path in ["/openstack/content", "/openstack/content/0000", "/openstack/latest/nothing",
            "/openstack/latest/meta_data.json/x", "/latest/nothing", "/nothing", "/openstack/LATEST/meta_data.json"]
        {
            #expect(documents.bytes(path) == nil, "\(path)")
        }
        #expect(documents.find(["openstack", "latest", "password"]) == .password)
        #expect(documents.find(["openstack", "2012-08-10", "password"]) == .notFound)
    }

    @Test func aSeedIsReplacedInPlace() throws {
        guard case .document(let document) = documents.find(["openstack", "latest", "meta_data.json"]) else {
            Issue.record("no document")
            return
        }
        let fresh = try JSONParser.parse(document.reseeded([UInt8](repeating: 0xff, count: 512)))
        #expect(fresh["random_seed"]?.string?.hasPrefix("/////") == true)
        #expect(fresh["project_id"] == "p1")
        #expect(try JSONParser.parse(document.reseeded(InstanceDocuments.systemSeed()))["uuid"] != nil)
        #expect(InstanceDocuments.systemSeed() != InstanceDocuments.systemSeed())
    }

    @Test func aDriveHoldsEveryVersionAndThePassword() throws {
        let files = documents.configDriveFiles()
        let ec2Files = files.keys.filter { $0.hasPrefix("ec2/") }.sorted()
        #expect(ec2Files == ["ec2/latest/meta-data.json", "ec2/latest/user-data"])
        #expect(files.keys.filter { $0.hasSuffix("/meta_data.json") }.count == 11)
        #expect(files["openstack/latest/user_data"] == Sample.full.userData)
        #expect(files["openstack/2012-08-10/network_data.json"] == nil)
        #expect(files["openstack/2015-10-15/network_data.json"] != nil)
        #expect(!files.keys.contains { $0.hasSuffix("password") })
        let data = try JSONParser.parse(try #require(files["openstack/latest/meta_data.json"]))
        #expect(data["admin_pass"] == "secret")
        let ec2 = try JSONParser.parse(try #require(files["ec2/latest/meta-data.json"]))
        #expect(ec2["instance-id"] == "i-11111111")
        #expect(ec2["public-keys"]?["0"]?["openssh-key"] == "ssh-ed25519 AAAA me")
        #expect(documents.configDriveFiles(ec2Versions: ["1.0", "latest", "x"])["ec2/1.0/meta-data.json"] != nil)
    }
}
