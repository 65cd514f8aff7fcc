import Foundation
import Glibc

/// Runs the commands that an operator gives to `kilonovad driver verify`.
struct ShellCommands: Sendable {
    let stateDirectory: String

    /// A command that did not end well.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Runs a command to its end and returns what it prints. What it leaves running in the background, such as a
    /// daemon, is not waited for.
    ///
    /// - Throws: ``Failure`` with the option, the status and the end of what the command printed.
    func run(_ command: String, for option: String) async throws -> String {
        let output = FileManager.default.temporaryDirectory.path + "/kilonova-command-"
            + ProcessInfo.processInfo.globallyUniqueString
        defer { unlink(output) }
        let status = try await withCheckedThrowingContinuation { (done: CheckedContinuation<Int32, any Error>) in
            // Waiting blocks, so it has a thread of its own.
            Thread.detachNewThread { done.resume(with: Result { try start(command, output) }) }
        }
        let text = String(decoding: (try? Data(contentsOf: URL(filePath: output))) ?? Data(), as: UTF8.self)
        guard status == 0 else {
            throw Failure(
                description: "[driver_verify] \(option) ended with \(Self.told(status)): \(text.suffix(500))")
        }
        return text
    }

    /// Runs the command and waits for it. Foundation's `Process` would wait for everything in the background too, and
    /// lets programs begin with signals blocked, which daemons inherit.
    private func start(_ command: String, _ output: String) throws -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var (none, all) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        let environment = ProcessInfo.processInfo.environment.merging(["KILONOVA_DRIVER_STATE": stateDirectory]) { $1 }
        let words = Self.pointers(["/bin/sh", "-c", command])
        let variables = Self.pointers(environment.map { "\($0.key)=\($0.value)" })
        defer { for pointer in words + variables { free(pointer) } }
        var process: pid_t = 0
        let failure = posix_spawn(&process, "/bin/sh", &actions, &attributes, words, variables)
        guard failure == 0 else {
            throw Failure(description: "/bin/sh cannot be run: \(String(cString: strerror(failure)))")
        }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 {
            guard errno == EINTR else {
                throw Failure(description: "a command cannot be waited for: \(String(cString: strerror(errno)))")
            }
        }
        return status
    }

    /// As C wants lists of texts; the caller frees them.
    private static func pointers(_ texts: [String]) -> [UnsafeMutablePointer<CChar>?] {
        texts.map { strdup($0) } + [nil]
    }

    /// A status of `waitpid`, for people.
    private static func told(_ status: Int32) -> String {
        status & 0x7f == 0 ? "status \((status >> 8) & 0xff)" : "signal \(status & 0x7f)"
    }
}
