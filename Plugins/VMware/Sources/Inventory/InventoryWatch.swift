import ComputeModel
import DriverAPI

/// Keeps a mirror of the cluster current by updates from the server, and follows tasks in the same way.
///
/// One collector with two filters: the cluster with its hosts, datastores and machines, and a list view of the tasks
/// that somebody waits for. When the connection breaks, it says so, connects again with growing pauses, takes a fresh
/// picture and reports that events were lost.
final class InventoryWatch: Sendable {
    private struct State: Sendable {
        var mirror = Mirror()
        /// The list view of followed tasks; `nil` while there is no connection.
        var taskView: ManagedReference?
        var followers: [ManagedReference: AsyncStream<TaskProgress?>.Continuation] = [:]
        var loop: Task<Void, Never>?
    }
    let health = NewestValueBroadcast<DriverHealth>()
    let events = GuestEventBroadcast()
    private let client: VCenterClient
    private let host: any DriverHost
    private let cluster: ManagedReference
    private let state = Locked(State())
    private let onChange: @Sendable (Mirror) -> Void

    private static let waitSeconds = 60
    private static let pauseMin: Duration = .milliseconds(250)
    private static let pauseMax: Duration = .seconds(15)
    private static let taskPaths = ["info.state", "info.progress", "info.result", "info.error"]

    /// - Parameter onChange: called after each change with what the mirror shows.
    init(
        _ client: VCenterClient, _ cluster: ManagedReference, host: any DriverHost,
        onChange: @escaping @Sendable (Mirror) -> Void
    ) {
        (self.client, self.cluster, self.host, self.onChange) = (client, cluster, host, onChange)
    }

    /// What was told so far.
    var mirror: Mirror { state.with { $0.mirror } }

    /// Takes the first picture, then goes on by itself until ``stop()``.
    func start() async throws(VimFailure) {
        let (collector, version) = try await open()
        health.send(.healthy)
        let loop = Task { await self.run(collector, version) }
        state.with { $0.loop = loop }
    }

    func stop() async {
        let loop = state.with { $0.loop }
        loop?.cancel()
        await loop?.value
        health.finish()
        events.finish()
        dropFollowers()
    }

    private func run(_ collector: ManagedReference, _ version: String) async {
        var (collector, version) = (collector, version)
        var pause = Self.pauseMin
        var lastCut: ContinuousClock.Instant?
        while !Task.isCancelled {
            do throws(VimFailure) {
                let asked = ContinuousClock.now
                let update = try await client.waitForUpdates(collector, since: version, seconds: Self.waitSeconds)
                if let update {
                    version = update.version
                    take(update)
                    guard mirror.objects.count <= Mirror.objectsMax else { throw endless }
                }
                // A server that answers at once although nothing has changed must not keep a processor busy.
                if update?.objects.isEmpty ?? true, ContinuousClock.now - asked < .seconds(1) {
                    do { try await Task.sleep(for: Self.pauseMin) } catch { return }
                }
            } catch {
                if Task.isCancelled { return }
                // A long wait whose connection is cut, by a proxy for example, says nothing of the server: the next try
                // tells, at once unless the last one was cut just now.
                let isCut = error.isUnreachable && lastCut.map { .now - $0 > Self.pauseMin } ?? true
                lastCut = .now
                var isTriedAtOnce = isCut || Self.isForgotten(error)
                if !isTriedAtOnce { say(error) }
                dropFollowers()
                var failures = 0
                while !Task.isCancelled {
                    if !isTriedAtOnce {
                        try? await Task.sleep(for: pause)
                        pause = min(pause * 2, Self.pauseMax)
                    }
                    isTriedAtOnce = false
                    do throws(VimFailure) {
                        let old = collector
                        (collector, version) = try await open()
                        _ = try? await client.call("DestroyPropertyCollector", old)
                        break
                    } catch {
                        failures += 1
                        // Sessions do not end again and again; then it is the cluster that is gone.
                        if !Self.isForgotten(error) || failures > 2 { say(error) }
                    }
                }
                if Task.isCancelled { return }
                pause = Self.pauseMin
                if health.current != .healthy { health.send(.healthy) }
                events.send(.missed)
            }
        }
    }

    /// Whether a session has ended, which takes its collectors along. That is no reason to call the server unusable.
    private static func isForgotten(_ failure: VimFailure) -> Bool {
        failure.kind == .managedObjectNotFound || failure.kind == .notAuthenticated
    }

    /// Makes collector and view and takes the first picture.
    private func open() async throws(VimFailure) -> (ManagedReference, String) {
        let answer = try await client.call("CreateListView", client.content.viewManager)
        guard let view = answer["returnval"]?.reference else {
            throw .driver(.failed("vCenter \(client.endpoint.authority) made no list view"))
        }
        let tasks = PropertyQuery(
            paths: ["Task": Self.taskPaths], roots: [view],
            steps: [.init(name: "tasks", type: "ListView", path: "view", next: [])])
        let collector = try await client.makeCollector([.cluster(cluster, Mirror.paths), tasks])
        var fresh = Mirror()
        var version = ""
        var fruitless = 0
        while true {
            guard let update = try await client.waitForUpdates(collector, since: version, seconds: Self.waitSeconds)
            else { break }
            let before = fresh.objects.count
            _ = fresh.apply(update)
            version = update.version
            if !update.isTruncated { break }
            fruitless = fresh.objects.count == before ? fruitless + 1 : 0
            guard fruitless < 10, fresh.objects.count <= Mirror.objectsMax else { throw endless }
        }
        let picture = fresh
        state.with { state in
            state.mirror = picture
            state.taskView = view
        }
        onChange(picture)
        return (collector, version)
    }

    private var endless: VimFailure {
        .driver(
            .failed(
                "vCenter \(client.endpoint.authority) tells of more than \(Mirror.objectsMax) objects, or of none "
                    + "again and again; that is no picture that ends"))
    }

    private func take(_ update: UpdateSet) {
        let (happened, mirror) = state.with { state in
            (state.mirror.apply(update), state.mirror)
        }
        for event in happened { events.send(event) }
        for object in update.objects where object.reference.type == "Task" {
            let values = object.changes.compactMapValues { $0 }
            let follower = state.with { $0.followers[object.reference] }
            follower?.yield(TaskProgress(values))
        }
        onChange(mirror)
    }

    private func say(_ failure: VimFailure) {
        let text = failure.driverError.message
        guard health.current != .unhealthy(text) else { return }
        host.log(.warning, "vCenter cannot be used", ["server": client.endpoint.authority, "reason": text])
        health.send(.unhealthy(text))
    }

    /// Ends all following; who waits for a task looks for himself.
    private func dropFollowers() {
        let followers = state.with { state in
            defer {
                state.followers = [:]
                state.taskView = nil
            }
            return Array(state.followers.values)
        }
        for follower in followers {
            follower.yield(nil)
            follower.finish()
        }
    }

    /// Updates of a task from now on; `nil` at the end when they cannot go on.
    func follow(_ task: ManagedReference) async -> AsyncStream<TaskProgress?> {
        let (stream, continuation) = AsyncStream.makeStream(of: TaskProgress?.self)
        let view = state.with { state in
            if state.taskView != nil { state.followers[task] = continuation }
            return state.taskView
        }
        guard let view else {
            continuation.yield(nil)
            continuation.finish()
            return stream
        }
        do throws(VimFailure) {
            _ = try await client.call("ModifyListView", view, [task.element("add")])
        } catch {
            _ = state.with { $0.followers.removeValue(forKey: task) }
            continuation.yield(nil)
            continuation.finish()
        }
        return stream
    }

    func unfollow(_ task: ManagedReference) async {
        let (follower, view) = state.with { ($0.followers.removeValue(forKey: task), $0.taskView) }
        guard let follower, let view else { return }
        follower.finish()
        _ = try? await client.call("ModifyListView", view, [task.element("remove")])
    }
}
