import ComputeModel
import DriverAPI
extension VMwareDriver {
    func vncOptions() async throws(VimFailure) -> [XMLElement] { [] }
    func attach(_ volume: VolumeSpec, to machine: Machine, _ guest: GuestID) async throws(VimFailure) {}
}
