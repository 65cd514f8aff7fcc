import CNetworkNamespace
import Glibc

/// One run of one program, from start to end, on the calling thread.
enum ChildProcess {
    struct Result: Sendable {
        var output: [UInt8] = []
        var complaint = ""
        var failure: HostCommandFailure.Reason?
    }

    /// More than this is not kept of what a program writes to either of its outputs.
    private static let outputMax = 64 << 20

    /// Starts the program at the path `arguments[0]` and waits until it ends or the time is over.
    ///
    /// What it leaves running in the background does not prolong the wait, even if it holds the outputs open.
    static func run(_ arguments: [String], input: [UInt8], timeout: Duration) -> Result {
        let memory = kn_memory_file(input, input.count)
        guard memory >= 0 else { return Result(failure: .notStarted(-memory)) }
        defer { close(memory) }
        guard let output = Pipe(), let complaint = Pipe() else { return Result(failure: .notStarted(errno)) }
        defer {
            output.closeReader()
            complaint.closeReader()
        }
        let (child, code) = start(arguments, input: memory, output: output.writer, complaint: complaint.writer)
        output.closeWriter()
        complaint.closeWriter()
        guard code == 0 else { return Result(failure: code == ENOENT ? .missing : .notStarted(code)) }
        let handle = kn_pidfd_open(child)
        defer { if handle >= 0 { close(handle) } }

        var kept: [[UInt8]] = [[], []]
        let inTime = wait(for: handle, reading: [output.reader, complaint.reader], into: &kept, limit: timeout)
        if !inTime { kill(-child, SIGKILL) }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        drain(output.reader, into: &kept[0])
        drain(complaint.reader, into: &kept[1])
        var result = Result(output: kept[0], complaint: String(decoding: kept[1], as: UTF8.self))
        if !inTime {
            result.failure = .timedOut(timeout)
        } else if status & 0x7f != 0 {
            result.failure = .signal(status & 0x7f)
        } else if status >> 8 & 0xff != 0 {
            result.failure = .status(status >> 8 & 0xff)
        }
        return result
    }

    /// Starts the program at the path `arguments[0]` with these descriptors and no others; the child, or why not.
    static func start(
        _ arguments: [String], input: Int32, output: Int32, complaint: Int32
    ) -> (child: pid_t, code: Int32) {
        let environment = ["PATH=\(HostCommand.searchPath.joined(separator: ":"))", "LC_ALL=C"]
        let result = withCStrings(arguments) { argumentPointers in
            withCStrings(environment) { environmentPointers in
                kn_start(argumentPointers, environmentPointers, input, output, complaint)
            }
        }
        return result < 0 ? (0, -result) : (result, 0)
    }

    /// Reads both outputs until the process ends; `false` if it did not within the limit.
    private static func wait(
        for handle: Int32, reading readers: [Int32], into kept: inout [[UInt8]], limit: Duration
    ) -> Bool {
        let deadline = ContinuousClock.now + limit
        var open = [true, true]
        while true {
            let left = (deadline - ContinuousClock.now).seconds
            guard left > 0 else { return false }
            var entries = [pollfd(fd: handle, events: Int16(POLLIN), revents: 0)]
            for index in 0..<2 {
                entries.append(pollfd(fd: open[index] ? readers[index] : -1, events: Int16(POLLIN), revents: 0))
            }
            let ready = poll(&entries, 3, Int32(min(left * 1000 + 1, 60_000)))
            if ready < 0, errno != EINTR { return false }
            guard ready > 0 else { continue }
            for index in 0..<2 where entries[index + 1].revents != 0 {
                open[index] = drain(readers[index], into: &kept[index])
            }
            if entries[0].revents != 0 { return true }
        }
    }

    /// Takes what is there; `false` at the end of the stream.
    @discardableResult
    private static func drain(_ descriptor: Int32, into kept: inout [UInt8]) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count > 0 {
                if kept.count < outputMax { kept.append(contentsOf: buffer[..<count]) }
            } else if count == 0 {
                return false
            } else if errno != EINTR {
                return errno == EAGAIN
            }
        }
    }

    private static func withCStrings<T>(
        _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> T
    ) -> T {
        let pointers: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        return body(pointers)
    }
}

/// A pipe whose reading end does not wait and whose ends are not inherited.
private struct Pipe {
    let reader, writer: Int32

    init?() {
        var ends: [Int32] = [-1, -1]
        guard kn_pipe(&ends) == 0 else { return nil }
        (reader, writer) = (ends[0], ends[1])
    }

    func closeReader() { close(reader) }
    func closeWriter() { close(writer) }
}
