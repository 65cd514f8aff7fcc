import CXen
import DriverAPI
import DriverSupport
import Glibc

/// Tells when domains come and go, from Xen's store. A thread of its own waits; it ends with ``stop()``.
final class XenWatch: Sendable {
    private let wake: Int32
    private let ended = Locked(false)

    /// Begins to watch; `onChange` runs on the watching thread, at each change and at least every `interval`, and is
    /// told whether the store answers.
    init(interval: Duration, onChange: @escaping @Sendable (_ isConnected: Bool) -> Void) throws(DriverError) {
        let reader: Int32
        do throws(FileFailure) {
            (reader, wake) = try makePipe()
        } catch {
            throw .insufficientResources("no watch on Xen's store: \(error.message)")
        }
        let milliseconds = Int32(clamping: interval.components.seconds * 1000)
        startDetachedThread {
            Self.run(wakeUp: reader, milliseconds: milliseconds, onChange)
            close(reader)
        }
    }

    /// Ends the watching thread; safe to repeat.
    func stop() {
        let isFirst = ended.with { ended in
            defer { ended = true }
            return !ended
        }
        if isFirst { close(wake) }
    }

    private static func run(wakeUp: Int32, milliseconds: Int32, _ onChange: (Bool) -> Void) {
        var store: OpaquePointer?
        defer { if let store { xs_close(store) } }
        while true {
            if store == nil { store = connect() }
            onChange(store != nil)
            var files = [pollfd(fd: wakeUp, events: Int16(POLLIN), revents: 0)]
            if let store { files.append(pollfd(fd: xs_fileno(store), events: Int16(POLLIN), revents: 0)) }
            let count = poll(&files, nfds_t(files.count), store == nil ? 1000 : milliseconds)
            if files[0].revents != 0 { return }
            guard count > 0, let opened = store else { continue }
            // All that has gathered is one change.
            while let fired = xs_check_watch(opened) { free(fired) }
            if files[1].revents & Int16(POLLHUP | POLLERR) != 0 {
                xs_close(opened)
                store = nil
            }
        }
    }

    private static func connect() -> OpaquePointer? {
        guard let store = xs_open(0) else { return nil }
        for path in ["@introduceDomain", "@releaseDomain"] {
            guard xs_watch(store, path, path) else {
                xs_close(store)
                return nil
            }
        }
        return store
    }
}
