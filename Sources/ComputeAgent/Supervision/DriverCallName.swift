/// How long an agent waits for its driver, by kind of call.
package struct CallDeadlines: Hashable, Sendable {
    /// For calls without a deadline of their own (`[compute] driver_call_timeout`).
    package var ordinary: Duration = .seconds(120)
    /// For the start of a driver and for finding its guests again (`driver_start_timeout`).
    package var start: Duration = .seconds(300)
    /// For calls that may fetch an image: spawn, rescue, filling the image cache (`driver_spawn_timeout`).
    package var spawn: Duration = .seconds(3600)
    /// For snapshots and the swapping of volumes (`driver_snapshot_timeout`).
    package var snapshot: Duration = .seconds(7200)
    /// For the calls that move a guest between nodes (`driver_move_timeout`).
    package var move: Duration = .seconds(21600)
    /// How long a call may take to answer its cancellation before it is given up: the driver API's own promise.
    package var cancelGrace: Duration = .seconds(5)

    package init() {}

    /// The deadline of one kind of call.
    package subscript(name: DriverCallName) -> Duration {
        switch name.length {
        case .ordinary: ordinary
        case .start: start
        case .spawn: spawn
        case .snapshot: snapshot
        case .move: move
        }
    }
}

/// Every call of the driver API by name: one table of what the supervisor must know of it.
package enum DriverCallName: String, CaseIterable, Sendable {
    case start
    case shutDown = "shut-down"
    case recover
    case guests
    case health
    case inventory
    case events
    case powerState = "power-state"
    case consoleLog = "console-log"
    case spawn
    case destroy
    case powerOn = "power-on"
    case powerOff = "power-off"
    case reboot
    case pause
    case unpause
    case suspend
    case resume
    case snapshot
    case rescue
    case unrescue
    case attach
    case detach
    case extendVolume = "extend-volume"
    case swapVolume = "swap-volume"
    case readDevices = "read-devices"
    case depart
    case arrive
    case confirmDeparture = "confirm-departure"
    case abandonArrival = "abandon-arrival"
    case takeBack = "take-back"
    case adopt
    case forget
    case checkMove = "check-move"
    case prepareArrival = "prepare-arrival"
    case migrate
    case steerMove = "steer-move"
    case finishMove = "finish-move"
    case guestAgent = "guest-agent"
    case diagnostics
    case console
    case crashDump = "crash-dump"
    case listImages = "list-images"
    case cacheImage = "cache-image"
    case removeImages = "remove-images"
    case hostControl = "host-control"

    /// Which deadline counts.
    enum Length { case ordinary, start, spawn, snapshot, move }

    var length: Length {
        switch self {
        case .start, .recover: .start
        case .spawn, .rescue, .cacheImage: .spawn
        case .snapshot, .swapVolume: .snapshot
        case .depart, .arrive, .takeBack, .adopt, .prepareArrival, .migrate, .finishMove: .move
        case .shutDown, .guests, .health, .inventory, .events, .powerState, .consoleLog, .destroy, .powerOn, .powerOff,
            .reboot, .pause, .unpause, .suspend, .resume, .unrescue, .attach, .detach, .extendVolume, .readDevices,
            .confirmDeparture, .abandonArrival, .forget, .checkMove, .steerMove, .guestAgent, .diagnostics, .console,
            .crashDump, .listImages, .removeImages, .hostControl:
            .ordinary
        }
    }

    /// Whether it changes a guest: of these only one at a time may be on its way for a guest, by the driver API.
    var changesGuest: Bool {
        switch self {
        case .spawn, .destroy, .powerOn, .powerOff, .reboot, .pause, .unpause, .suspend, .resume, .snapshot, .rescue,
            .unrescue, .attach, .detach, .extendVolume, .swapVolume, .depart, .arrive, .confirmDeparture,
            .abandonArrival, .takeBack, .adopt, .forget, .prepareArrival, .migrate, .finishMove, .guestAgent,
            .crashDump:
            true
        case .start, .shutDown, .recover, .guests, .health, .inventory, .events, .powerState, .consoleLog,
            .readDevices, .checkMove, .steerMove, .diagnostics, .console, .listImages, .cacheImage, .removeImages,
            .hostControl:
            false
        }
    }
}
