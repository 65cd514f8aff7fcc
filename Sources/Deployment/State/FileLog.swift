import ComputeModel
import DriverAPI
import Glibc
package import Logging

/// A log of lines: time, level, service, message, facts as `key=value`.
package final class LogFile: Sendable {
    private let descriptor: Int32

    /// - Parameter path: appended to; standard error when `nil`.
    package init(path: String?) throws(DeploymentError) {
        guard let path else {
            descriptor = 2
            return
        }
        descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else {
            throw DeploymentError(
                .unavailable, "the log file \(path) cannot be opened: \(String(cString: strerror(errno)))")
        }
    }

    /// One write, so that lines of several threads do not mix.
    func write(_ line: String) {
        var text = line
        text.withUTF8 { bytes in _ = Glibc.write(descriptor, bytes.baseAddress, bytes.count) }
    }

    /// Loggers of the whole process write here from now on. May be called once.
    package func install(level: Logger.Level) {
        LoggingSystem.bootstrap { label in LineLogHandler(file: self, label: label, logLevel: level) }
    }
}

/// Writes the lines of one logger.
private struct LineLogHandler: LogHandler {
    let file: LogFile
    let label: String
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]

    init(file: LogFile, label: String, logLevel: Logger.Level) {
        (self.file, self.label, self.logLevel) = (file, label, logLevel)
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var line =
            "\(Timestamp.now().iso8601WithMicrosecondsUTC) \(event.level.rawValue.uppercased()) "
            + "\(label) \(event.message)"
        let facts = event.metadata.map { metadata.merging($0) { $1 } } ?? metadata
        for (key, value) in facts.sorted(by: { $0.key < $1.key }) { line += " \(key)=\(Self.quoted("\(value)"))" }
        file.write(line + "\n")
    }

    /// A value that cannot break its line.
    private static func quoted(_ text: String) -> String {
        let plain = text.utf8.allSatisfy { $0 > 32 && $0 != 34 && $0 != 127 }
        if plain, !text.isEmpty { return text }
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            default: result.unicodeScalars.append(scalar.value < 32 ? " " : scalar)
            }
        }
        return result + "\""
    }
}
