import ComputeAgent
import DriverAPI
import HTTPService
import Messaging
import NetworkAgent

/// A node whose driver has started.
struct StartedNode: Sendable {
    let plan: NodePlan
    let agent: ComputeAgent
    let driver: any ComputeDriver
    /// The worker for the networks of this machine; on one node of the process at most.
    let network: NetworkWorker?
}

/// What runs in this process for its nodes, to be ended when the process ends. Guests go on.
final class RunningNodes: Sendable {
    private struct State {
        var drivers: [String: any ComputeDriver] = [:]
        var subscription: Subscription?
        /// The host whose node has the networks of this machine.
        var networkOwner: String?
        /// Hosts whose driver did not start, with the reason.
        var failures: [String: String] = [:]
    }
    private let metadata: HTTPServer
    private let state = Locked(State())
    /// Names that hypervisors have taken.
    let names = NodeNames()

    init(metadata: HTTPServer) { self.metadata = metadata }

    var metadataServer: HTTPServer { metadata }

    /// Why a host's driver did not start; `nil` when it has, or is being tried.
    func failure(of host: String) -> String? { state.with { $0.failures[host] } }

    func note(_ host: String, failure: String?) { state.with { $0.failures[host] = failure } }

    func add(_ driver: any ComputeDriver, of host: String) { state.with { $0.drivers[host] = driver } }

    /// Forgets a driver that is shut down apart.
    func remove(_ host: String) { state.with { $0.drivers[host] = nil } }

    /// Gives the machine's networks to a node.
    ///
    /// - Returns: the host of the node that has them already; `nil` when they are this node's now.
    func takeNetworks(for host: String) -> String? {
        state.with { state in
            if let owner = state.networkOwner, owner != host { return owner }
            state.networkOwner = host
            return nil
        }
    }

    func keep(_ subscription: Subscription) { state.with { $0.subscription = subscription } }

    func stop() async {
        let (subscription, drivers) = state.with { ($0.subscription, Array($0.drivers.values)) }
        await subscription?.stop(grace: .seconds(2))
        await metadata.shutdown(grace: .seconds(1))
        await withDiscardingTaskGroup { group in
            for driver in drivers { group.addTask { await DriverStart.shutDown(driver) } }
        }
    }
}
