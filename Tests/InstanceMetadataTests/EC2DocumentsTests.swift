import ComputeModel
import Testing

@testable import InstanceMetadata

struct EC2DocumentsTests {
    let documents = Sample.documents(Sample.full)

    @Test(arguments: ["", "/", "/ec2", "/ec2/", "/./", "/x/../"])
    func theRootListsVersions(_ path: String) {
        #expect(documents.text(path) == """
            1.0\n2007-01-19\n2007-03-01\n2007-08-29\n2007-10-10\n2007-12-15\n2008-02-01\n2008-09-01\n2009-04-04\nlatest
            """)
    }

    @Test func directoriesAreListedWithSlashesAndLabels() {
        #expect(documents.text("/latest") == "meta-data/\nuser-data")
        #expect(Sample.documents(Sample.plain).text("/latest/") == "meta-data/")
        #expect(documents.text("/latest/meta-data/") == """
            ami-id\nami-launch-index\nami-manifest-path\nblock-device-mapping/\nhostname\ninstance-action\ninstance-id
            instance-type\nlocal-hostname\nlocal-ipv4\nplacement/\npublic-hostname\npublic-ipv4\npublic-keys/
            reservation-id\nsecurity-groups
            """)
        #expect(documents.text("/latest/meta-data/public-keys/") == "0=mykey")
        #expect(documents.text("/latest/meta-data/public-keys/0/") == "openssh-key")
        #expect(documents.text("/latest/meta-data/public-keys/0/openssh-key") == "ssh-ed25519 AAAA me")
        #expect(documents.text("/latest/meta-data/placement") == "availability-zone")
        #expect(documents.text("/latest/meta-data/block-device-mapping") == "ami\nroot")
    }

    @Test(arguments: [
        ("ami-id", "ami-dddddddd", "1.0"), ("ami-launch-index", "0", "1.0"), ("hostname", "my-demo.novalocal", "1.0"),
        ("local-ipv4", "10.0.0.5", "1.0"), ("reservation-id", "r-abcdefgh", "1.0"),
        ("security-groups", "default\nweb", "1.0"), ("instance-id", "i-11111111", "1.0"),
        ("public-hostname", "my-demo.novalocal", "2007-01-19"), ("public-ipv4", "", "2007-01-19"),
        ("instance-type", "m1.tiny", "2007-08-29"), ("block-device-mapping/root", "/dev/vda", "2007-12-15"),
        ("placement/availability-zone", "nova", "2008-02-01"), ("instance-action", "none", "2008-09-01"),
    ])
    func itemsAppearWithTheirVersions(_ item: String, _ value: String, _ since: String) {
        for version in EC2Version.allCases {
            let expected = version.rawValue >= since ? value : nil
            #expect(documents.text("/\(version.rawValue)/meta-data/\(item)") == expected)
            #expect(documents.text("/ec2/\(version.rawValue)/meta-data/\(item)") == expected)
        }
    }

    @Test func userDataAndKeysAreThereWhenGiven() {
        #expect(documents.bytes("/2009-04-04/user-data") == Sample.full.userData)
        let plain = Sample.documents(Sample.plain)
        #expect(plain.bytes("/latest/user-data") == nil)
        #expect(plain.bytes("/latest/meta-data/public-keys") == nil)
        #expect(documents.bytes("/latest/meta-data/hostname/x") == nil)
        #expect(documents.bytes("/2010-01-01/meta-data") == nil)
    }

    @Test(arguments: [
        ([], ""), ([0], "AA=="), ([1, 2], "AQI="), ([1, 2, 3], "AQID"), ([255, 254, 253, 252], "//79/A=="),
    ])
    func base64RoundTrips(_ bytes: [UInt8], _ text: String) {
        #expect(Base64.encode(bytes) == text)
        #expect(Base64.decode(text) == bytes)
        #expect(Base64.decode("A") == nil)
        #expect(Base64.decode("A=B=") == nil)
        #expect(Base64.decode("AQ\nI") == [1, 2])
        #expect(Base64.decode("A*==") == nil)
    }
}
