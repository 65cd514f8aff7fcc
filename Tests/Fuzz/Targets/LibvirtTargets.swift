import ComputeModel
import DriverAPI

@testable import LibvirtDriver

extension FuzzTarget {
    static let libvirt = [libvirtXML, libvirtImage, libvirtDiskHeader, libvirtMovePackage]

    private static let documents = [
        """
        <domain type='kvm' id='3'><name>instance-1</name><uuid>3b241101-e2bb-4255-8caf-4136c566a962</uuid><metadata>\
        <kn:guest xmlns:kn='u' operation='4'/></metadata><devices><disk type='file' device='disk'><driver name='qemu'/>\
        <source file='/a/disk'/><target dev='vda' bus='virtio'/><serial>3b241101-e2bb-4255-8caf-4136c566a962</serial>\
        </disk><disk device='cdrom'><source file='/a/disk.config'/><target dev='hda'/></disk><interface type='bridge'>\
        <mac address='fa:16:3e:00:00:01'/><source bridge='br'/><target dev='tap0'/><alias name='ua-1'/></interface>\
        <channel><target type='virtio' name='org.qemu.guest_agent.0'/></channel><controller type='scsi'/></devices>\
        </domain>
        """,
        """
        <capabilities><host><uuid>u</uuid><cpu><arch>x86_64</arch><model>qemu64</model><topology sockets='1' cores='2' \
        threads='2'/><feature name='aes'/><pages unit='KiB' size='2048'/></cpu><topology><cells num='1'><cell id='0'>\
        <memory unit='KiB'>16000000</memory><pages unit='KiB' size='4'>4000000</pages><cpus num='2'><cpu id='0' \
        siblings='0-1'/><cpu id='1' siblings='0-1,5'/></cpus></cell></cells></topology></host><guest><os_type>hvm\
        </os_type><arch name='x86_64'><domain type='qemu'/><domain type='kvm'/></arch></guest></capabilities>
        """,
        """
        <domainCapabilities><domain>qemu</domain><machine>pc-q35</machine><vcpu max='255'/><os supported='yes'><enum \
        name='firmware'><value>efi</value></enum><loader><enum name='secure'><value>yes</value></enum></loader></os>\
        <cpu><mode name='host-model' supported='yes'><model>EPYC</model></mode></cpu><devices><disk supported='yes'>\
        <enum name='bus'><value>virtio</value></enum></disk></devices></domainCapabilities>
        """,
        "<?xml version='1.0'?><!-- c --><a b=\"&lt;&#x41;\"><![CDATA[<x>]]> text </a>",
    ]

    private static let libvirtXML = FuzzTarget(
        "libvirt-xml", texts: documents,
        words: [
            "<a>", "</a>", "<a/>", "<![CDATA[", "]]>", "<!--", "-->", "<?", "?>", "<!DOCTYPE", "&amp;", "&#x41;",
            "0-1,",
            "<disk>", "<interface>", "<cpu siblings='0-9'/>", "<pages size='4'>",
        ]
    ) { input in
        let text = String(decoding: input, as: UTF8.self)
        _ = try? HostCapabilities(xml: text).supportedGuests(kvm: false)
        _ = try? DomainCapabilities(xml: text)
        _ = GuestMetadata.isOurs(text)
        _ = GuestPlacement.numbers(text)
        guard let root = try? XMLReader.parse(text) else { return }
        let once = try XMLReader.parse(root.serialized)
        // What XML cannot hold is replaced by the first writing.
        try promise(plain(try XMLReader.parse(once.serialized)) == plain(once), "written and read again it is another")
        var document = GuestDocument(root)
        _ = (document.deviceNames, document.diskBus, document.hasAgentChannel, document.hasSCSIController)
        _ = (document.hasConfigDrive, document.volumes, document.macAddresses)
        _ = document.liveVolumes(kept: GuestDocument(once))
        document.editDevices { $0.set("x", nil) }
        document.remove { $0.name == "disk" }
    }

    /// Without white space: what stands beside elements, which libvirt never writes, is indented with them.
    private static func plain(_ element: XMLElement) -> XMLElement {
        var plain = element
        let text = element.text
        plain.contents = element.children.map { .element(self.plain($0)) }
        if !text.isEmpty { plain.contents.append(.text(text.filter { !$0.isWhitespace && !$0.isNewline })) }
        return plain
    }

    private static let declaredFormats = ["raw", "qcow2", "vmdk", "vpc", "vhdx", "vdi", "iso"]

    private static let libvirtImage = FuzzTarget(
        "libvirt-image",
        seeds: DiskPieces.samples(qcow2: 1, vmdk: 2, vhd: 3, vhdx: 4, vdi: 5, raw: 0, iso: 6).map(\.input),
        words: [
            "KDMV", "COWD", "conectix", "cxsparse", "vhdxfile", "regi", "metadata", "QED\0", "koly", "LUKS", "CD001",
            "RW 1 SPARSE \"a\"", "parentCID=0", "# Disk DescriptorFile\n", "version=1",
        ]
    ) { input in
        let disk = DiskPieces(reading: input)
        try disk.withFile { path in
            guard let image = try? ImageInspector.inspect(path) else { return }
            try promise(image.virtualSize > 0, "a disk of nothing")
            _ = try? ImageInspector.inspect(path, declared: declaredFormats[disk.declared % declaredFormats.count])
        }
    }

    private static let libvirtDiskHeader = FuzzTarget(
        "libvirt-disk-header",
        seeds: DiskPieces.samples(qcow2: 1, vmdk: 0, vhd: 0, vhdx: 0, vdi: 0, raw: 0, iso: 0).prefix(2).map(\.input)
    ) { input in
        try DiskPieces(reading: input).withFile { path in
            _ = DiskHeader(path, .qcow2)
            _ = DiskHeader.payloadOffset(ofLUKS: path)
        }
    }

    /// What another host's driver sent along with a guest.
    /// What another host's driver sent along with a guest.
    private static let libvirtMovePackage = FuzzTarget(
        "libvirt-move-package", seeds: [movePackage.package([]).data],
        words: ["null", "\"bridge\"", "<disk>", "{}", "[]"]
    ) { input in
        guard let package = try? LivePackage(MovePackage(version: LivePackage.version, data: input)) else { return }
        _ = package.package([])
        for text in documents { _ = package.document(from: GuestDocument(try XMLReader.parse(text))) }
    }

    private static let movePackage: LivePackage = {
        let offer = LivePackage.Offer(
            node: "n", daemon: "qemu+tcp://h/system", directory: "/there", kernel: "k", arch: "x86_64",
            virtType: "qemu")
        var package = LivePackage(offer: offer)
        package.source = LivePackage.Source(
            directory: "/a", isShared: false, sharesCache: false,
            disks: [.init(device: "vda", path: "/a/disk", format: "qcow2", bytes: 1, isReadOnly: false)])
        package.arrival = LivePackage.Arrival(
            volumes: [
                "3b241101-e2bb-4255-8caf-4136c566a962": "<disk type='file'><source file='/b'/></disk>"
            ],
            interfaces: ["fa:16:3e:00:00:01": .bridge(bridge: "br", tap: "tap1")], listen: "127.0.0.1", serialPort: 1)
        return package
    }()
}
