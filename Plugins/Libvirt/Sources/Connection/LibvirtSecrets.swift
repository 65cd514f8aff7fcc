import CLibvirt
import ComputeModel

/// What a volume needs that must not stand in a definition.
enum SecretUse: String, CaseIterable, Sendable {
    /// The passphrase of an encrypted volume.
    case volume
    /// The key of a Ceph user.
    case ceph
    /// The password of an iSCSI initiator.
    case iscsi

    /// libvirt's number of the kind.
    fileprivate var type: Int32 {
        switch self {
        case .volume: Int32(VIR_SECRET_USAGE_TYPE_VOLUME.rawValue)
        case .ceph: Int32(VIR_SECRET_USAGE_TYPE_CEPH.rawValue)
        case .iscsi: Int32(VIR_SECRET_USAGE_TYPE_ISCSI.rawValue)
        }
    }

    /// The name under which definitions refer to the secret.
    func name(_ volume: VolumeID) -> String { "kilonova-\(volume)" }

    fileprivate func document(_ volume: VolumeID) -> XMLElement {
        let inner = self == .volume ? "volume" : self == .ceph ? "name" : "target"
        return XMLElement(
            "secret", ["ephemeral": "no", "private": "yes"],
            [
                XMLElement("description", text: "volume \(volume)"),
                XMLElement("usage", ["type": rawValue], [XMLElement(inner, text: name(volume))]),
            ])
    }
}

extension LibvirtConnection {
    /// Keeps a secret for a volume, replacing an earlier value. libvirt gives it to QEMU only.
    func keepSecret(_ use: SecretUse, of volume: VolumeID, _ value: [UInt8]) throws(LibvirtFailure) {
        var secret = virSecretLookupByUsage(pointer, use.type, use.name(volume))
        if secret == nil { secret = virSecretDefineXML(pointer, use.document(volume).serialized, 0) }
        guard let secret else { throw .last("keep a secret of the volume \(volume)") }
        defer { virSecretFree(secret) }
        guard virSecretSetValue(secret, value, value.count, 0) == 0 else {
            throw .last("keep a secret of the volume \(volume)")
        }
    }

    /// Forgets the secrets of a volume; succeeds when there are none.
    func forgetSecrets(of volume: VolumeID) throws(LibvirtFailure) {
        for use in SecretUse.allCases {
            guard let secret = virSecretLookupByUsage(pointer, use.type, use.name(volume)) else { continue }
            defer { virSecretFree(secret) }
            guard virSecretUndefine(secret) == 0 else { throw .last("forget a secret of the volume \(volume)") }
        }
    }
}
