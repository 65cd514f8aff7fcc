import CDriverSupport
import DriverAPI
import Glibc

/// A program run to its end, with limits.
package struct Subprocess: Sendable {
    /// Absolute path, or a name looked up in the system's usual folders.
    package var program: String
    package var arguments: [String]
    /// Longest time by the clock.
    package var timeout: Duration
    /// Address space in bytes, processor seconds, largest file in bytes: set by prlimit(1) before the program starts.
    package var addressSpaceMax: UInt64?
    package var cpuSecondsMax: Int?
    package var fileSizeMax: UInt64?

    /// A program without limits but of time.
    package init(_ program: String, _ arguments: [String], timeout: Duration) {
        self.program = program
        self.arguments = arguments
        self.timeout = timeout
    }

    /// How a run can go wrong.
    package enum Failure: Error, Hashable, Sendable {
        case notFound(String)
        case notStarted(String)
        case failed(program: String, status: Int32, output: String)
        case killed(program: String, signal: Int32, output: String)
        case timedOut(program: String, Duration)
        case cancelled

        package var message: String {
            switch self {
            case .notFound(let program): "the program \(program) is not installed"
            case .notStarted(let text): text
            case .failed(let program, let status, let output): "\(program) ended with status \(status): \(output)"
            case .killed(let program, let signal, let output):
                "\(program) was ended by signal \(signal) (a limit of time, memory or file size?) \(output)"
            case .timedOut(let program, let limit): "\(program) did not end within \(limit)"
            case .cancelled: "cancelled"
            }
        }
    }

    /// Runs the program on one of `threads` and returns what it wrote. Cancelling the task kills it.
    package func run(on threads: BlockingThreads) async throws(Failure) -> String {
        let cancelled = Locked(false)
        let work = self
        let result: Result<String, Failure> = await withTaskCancellationHandler {
            await threads.run { () -> Result<String, Failure> in
                Result { () throws(Failure) in try work.runHere { cancelled.with { $0 } } }
            }
        } onCancel: {
            cancelled.with { $0 = true }
        }
        return try result.get()
    }

    /// The first of the usual folders that holds an executable of that name.
    package static func find(_ program: String) -> String? {
        if program.hasPrefix("/") { return access(program, X_OK) == 0 ? program : nil }
        let folders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        return folders.map { "\($0)/\(program)" }.first { access($0, X_OK) == 0 }
    }

    private func commandLine() throws(Failure) -> [String] {
        guard let path = Self.find(program) else { throw .notFound(program) }
        var limits: [String] = []
        if let addressSpaceMax { limits.append("--as=\(addressSpaceMax)") }
        if let cpuSecondsMax { limits.append("--cpu=\(cpuSecondsMax)") }
        if let fileSizeMax { limits.append("--fsize=\(fileSizeMax)") }
        guard !limits.isEmpty else { return [path] + arguments }
        guard let prlimit = Self.find("prlimit") else { throw .notFound("prlimit") }
        return [prlimit] + limits + ["--", path] + arguments
    }

    private func runHere(_ isCancelled: () -> Bool) throws(Failure) -> String {
        if isCancelled() { throw .cancelled }
        let command = try commandLine()
        let pipe: (reading: Int32, writing: Int32)
        do throws(FileFailure) { pipe = try makePipe() } catch { throw .notStarted(error.message) }
        defer { close(pipe.reading) }
        let child: pid_t
        do {
            defer { close(pipe.writing) }
            child = try Self.spawn(command, output: pipe.writing)
        }
        return try follow(child, output: pipe.reading, isCancelled)
    }

    /// Starts the program in a process group of its own, with nothing of ours but the pipe.
    private static func spawn(_ command: [String], output: Int32) throws(Failure) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_adddup2(&actions, output, 2)
        kn_support_spawn_close_from(&actions, 3)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setpgroup(&attributes, 0)
        let flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK
        posix_spawnattr_setflags(&attributes, Int16(flags))

        let arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
        let variables = ["LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
        let environment: [UnsafeMutablePointer<CChar>?] = variables.map { strdup($0) } + [nil]
        defer { for text in arguments + environment { free(text) } }
        var child = pid_t()
        let status = posix_spawn(&child, command[0], &actions, &attributes, arguments, environment)
        guard status == 0 else { throw .notStarted("cannot start \(command[0]): \(systemErrorText(status))") }
        return child
    }

    private func follow(_ child: pid_t, output: Int32, _ isCancelled: () -> Bool) throws(Failure) -> String {
        let clock = ContinuousClock()
        let deadline = clock.now + timeout
        var kept: [UInt8] = []
        var open = true
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            if isCancelled() || clock.now > deadline {
                kill(-child, SIGKILL)
                var status: Int32 = 0
                waitpid(child, &status, 0)
                if isCancelled() { throw .cancelled }
                throw .timedOut(program: program, timeout)
            }
            var ready = pollfd(fd: open ? output : -1, events: Int16(POLLIN), revents: 0)
            if poll(&ready, 1, open ? 50 : 10) > 0 {
                let count = read(output, &buffer, buffer.count)
                if count > 0 {
                    // The rest is read so that the program can go on, but not kept.
                    kept += buffer.prefix(max(0, min(count, 65_536 - kept.count)))
                    continue
                }
                open = false
            }
            var status: Int32 = 0
            if waitpid(child, &status, WNOHANG) == child { return try verdict(status, kept) }
        }
    }

    private func verdict(_ status: Int32, _ output: [UInt8]) throws(Failure) -> String {
        let text = String(decoding: output, as: UTF8.self).split(separator: "\n").joined(separator: "; ")
        let signal = status & 0x7f
        if signal != 0 { throw .killed(program: program, signal: signal, output: text) }
        let exit = (status >> 8) & 0xff
        guard exit == 0 else { throw .failed(program: program, status: exit, output: text) }
        return text
    }
}

/// A pipe whose ends no other program inherits.
package func makePipe() throws(FileFailure) -> (reading: Int32, writing: Int32) {
    var ends: [Int32] = [-1, -1]
    guard kn_support_pipe(&ends) == 0 else { throw FileFailure(call: "make a pipe", number: errno) }
    return (ends[0], ends[1])
}

/// The system's words for an error number.
package func systemErrorText(_ number: Int32) -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    guard strerror_r(number, &buffer, buffer.count) == 0 else { return "error \(number)" }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
