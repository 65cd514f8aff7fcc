import Foundation

/// Progress on standard error, where it does not mix with the tests' own answers.
enum FileHandleLog {
    static func write(_ line: String) { FileHandle.standardError.write(Data((line + "\n").utf8)) }
}
