import CRabbitMQ
import DriverAPI
import Glibc

/// A thread of the system for calls that block.
enum EventThread {
    private final class Work: Sendable {
        let run: @Sendable () -> Void
        init(run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Starts a thread that runs `body`.
    ///
    /// - Returns: false when the system gives no further thread.
    static func start(_ body: @escaping @Sendable () -> Void) -> Bool {
        let work = Unmanaged.passRetained(Work(run: body))
        var thread = pthread_t()
        let code = pthread_create(&thread, nil, { pointer in
            guard let pointer else { return nil }
            Unmanaged<Work>.fromOpaque(pointer).takeRetainedValue().run()
            return nil
        }, work.toOpaque())
        guard code == 0 else {
            work.release()
            return false
        }
        pthread_detach(thread)
        return true
    }
}

/// Commands for a thread that sleeps in `poll`: whoever adds one wakes it.
final class Mailbox<Command: Sendable>: Sendable {
    private struct State: Sendable {
        var commands: [Command] = []
        var isClosed = false
    }
    private let state = Locked(State())
    /// Readable while there is something in the box.
    let descriptor: Int32

    init() { descriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK)) }

    deinit { close(descriptor) }

    /// Adds a command.
    ///
    /// - Returns: false when nobody takes commands any more.
    @discardableResult
    func send(_ command: Command) -> Bool {
        let (isOpen, isFirst) = state.with { state in
            guard !state.isClosed else { return (false, false) }
            state.commands.append(command)
            return (true, state.commands.count == 1)
        }
        if isFirst { wake() }
        return isOpen
    }

    /// Takes everything.
    func take() -> [Command] {
        var count: UInt64 = 0
        _ = read(descriptor, &count, 8)
        return state.with { state in
            defer { state.commands = [] }
            return state.commands
        }
    }

    /// Refuses commands from now on, and takes what was left.
    func shut() -> [Command] {
        state.with { state in
            state.isClosed = true
            defer { state.commands = [] }
            return state.commands
        }
    }

    private func wake() {
        var one: UInt64 = 1
        _ = write(descriptor, &one, 8)
    }
}
