/// Every call of the driver API, by the name under which it is rehearsed.
enum Call: String, CaseIterable, Sendable {
    case recover
    case guests
    case powerState = "power_state"
    case spawn
    case destroy
    case powerOn = "power_on"
    case powerOff = "power_off"
    case reboot
    case consoleLog = "console_log"
    case console
    case pause
    case unpause
    case suspend
    case resume
    case snapshot
    case rescue
    case unrescue
    case connector
    case attachVolume = "attach_volume"
    case detachVolume = "detach_volume"
    case volumes
    case extendVolume = "extend_volume"
    case swapVolume = "swap_volume"
    case attachInterface = "attach_interface"
    case detachInterface = "detach_interface"
    case interfaces
    case depart
    case arrive
    case confirmDeparture = "confirm_departure"
    case abandonArrival = "abandon_arrival"
    case takeBack = "take_back"
    case holdsDisks = "holds_disks"
    case adopt
    case forget
    case offer
    case check
    case prepareArrival = "prepare_arrival"
    case migrate
    case forceComplete = "force_complete"
    case abort
    case finishArrival = "finish_arrival"
    case finishDeparture = "finish_departure"
    case abandonLiveArrival = "abandon_live_arrival"
    case setPassword = "set_password"
    case setClock = "set_clock"
    case quiesce
    case unquiesce
    case diagnostics
    case triggerCrashDump = "trigger_crash_dump"
    case cachedImages = "cached_images"
    case cacheImage = "cache_image"
    case removeImages = "remove_images"
    case hostReboot = "host_reboot"
    case hostShutDown = "host_shut_down"
    case hostStartUp = "host_start_up"
    case setMaintenance = "set_maintenance"
    case isInMaintenance = "is_in_maintenance"
}
