public import ComputeModel

/// How to rescue a guest.
public struct RescueSpec: Hashable, Codable, Sendable {
    /// The image to boot.
    public var image: ImageSpec
    /// Bus and kind of device on which it appears, from the image's `hw_rescue_bus` and `hw_rescue_device`; with
    /// them the guest keeps all its other devices where they were (stable device rescue).
    public var stableDevice: StableRescueDevice?
    /// Password for the rescue system's administrator, where the driver can set one.
    public var password: String?
    /// The files of the configuration drive by their path; `nil` for no drive.
    public var configDrive: [String: [UInt8]]?

    /// A rescue.
    public init(
        image: ImageSpec, stableDevice: StableRescueDevice? = nil, password: String? = nil,
        configDrive: [String: [UInt8]]? = nil
    ) {
        (self.image, self.stableDevice) = (image, stableDevice)
        (self.password, self.configDrive) = (password, configDrive)
    }
}

/// On what a rescue image appears.
public struct StableRescueDevice: Hashable, Codable, Sendable {
    /// `cdrom`, `disk` or `floppy`.
    public var device: String
    /// `virtio`, `scsi`, `ide`, `usb` or `sata`.
    public var bus: String

    /// A device.
    public init(device: String, bus: String) { (self.device, self.bus) = (device, bus) }
}

/// Boots a guest from a rescue image with its own root disk beside. Proves `operation.rescue`.
public protocol RescuingGuests: Sendable {
    /// Stops the guest and starts it on the rescue image; succeeds for a guest that is in rescue through the same
    /// operation. If it throws, the guest's definition is as before; it may be off.
    ///
    /// - Throws: ``DriverError/noSuchGuest(_:)``; the errors of images; ``DriverError/notSupported(_:)`` for a stable
    ///   device that the driver cannot make.
    func rescue(_ guest: GuestID, with spec: RescueSpec, _ call: DriverCall) async throws(DriverError)

    /// Starts the guest as it was before and removes what was made for the rescue; succeeds for a guest that is not
    /// in rescue, which then runs. A guest in rescue stays so across restarts of driver and host.
    ///
    /// - Throws: ``DriverError/noSuchGuest(_:)``.
    func unrescue(_ guest: GuestID, _ call: DriverCall) async throws(DriverError)
}
