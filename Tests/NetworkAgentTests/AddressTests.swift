import NetworkAgent
import Testing

@Suite struct AddressTests {
    @Test(arguments: ["0.0.0.0", "10.0.0.5", "255.255.255.255"])
    func anIPv4AddressReadsAndWritesTheSame(_ text: String) {
        #expect(IPv4Address(text)?.description == text)
    }

    @Test(arguments: ["", "1.2.3", "1.2.3.256", "1.2.3.4.5", "01.2.3.4", "a.b.c.d", "1.2.3.4 ", "1.2.3.4\n"])
    func whatIsNoIPv4AddressIsRefused(_ text: String) {
        #expect(IPv4Address(text) == nil)
    }

    @Test func anIPv6AddressIsWrittenInItsShortForm() {
        #expect(IPv6Address("2001:0db8:0:0:0:0:0:1")?.description == "2001:db8::1")
        #expect(IPv6Address("fe80::1%eth0") == nil)
    }

    @Test func theLinkLocalAddressFollowsFromTheHardwareAddress() throws {
        let mac = try #require(MACAddress("fa:16:3e:00:00:05"))
        #expect(IPv6Address(linkLocalFor: mac).description == "fe80::f816:3eff:fe00:5")
    }

    @Test(arguments: [
        "fa:16:3e:0:0:1", "fa-16-3e-00-00-01", "fa:16:3e:00:00", "fa:16:3e:00:00:0g", "fa:16:3e:00:00:+1",
    ])
    func whatIsNoHardwareAddressIsRefused(_ text: String) {
        #expect(MACAddress(text) == nil)
    }

    @Test func aBlockClearsHostBitsAndKnowsItsAddresses() throws {
        let block = try #require(AddressPrefix("10.1.2.3/22"))
        #expect(block.block.description == "10.1.0.0/22")
        #expect(block.netmask.description == "255.255.252.0")
        #expect(block.contains(try #require(IPAddress("10.1.3.255"))))
        #expect(!block.contains(try #require(IPAddress("10.1.4.0"))))
        #expect(!block.contains(try #require(IPAddress("::1"))))
        #expect(AddressPrefix("10.0.0.0/33") == nil)
        #expect(AddressPrefix("0.0.0.0/0")?.block.description == "0.0.0.0/0")
        #expect(AddressPrefix("2001:db8::7/64")?.block.description == "2001:db8::/64")
        #expect(AddressPrefix("2001:db8::7/0")?.block.description == "::/0")
    }
}
