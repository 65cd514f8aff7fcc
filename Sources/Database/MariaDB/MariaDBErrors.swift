import CMariaDB

/// Turns MariaDB's error numbers into ``DatabaseError``. https://mariadb.com/kb/en/mariadb-error-code-reference/
struct MariaDBErrors {
    let address: ServerAddress

    private var name: String { address.name }

    /// Numbers after which the connection is of no use.
    static func isLoss(_ code: UInt32) -> Bool {
        switch code {
        // Shutdown, aborted and killed connections, network errors; the client's own: refused, gone, lost.
        case 1053, 1077, 1079, 1152, 1158...1161, 1184, 1927, 2000...2013, 2027, 2048, 2055, 4150: true
        default: false
        }
    }

    /// What was to be defined is there, or what was to be dropped is not.
    static func meansDone(_ code: UInt32) -> Bool { [1050, 1051, 1060, 1061, 1062, 1091, 1826].contains(code) }

    /// The error of a number and message that the server or the library gave.
    func error(_ code: UInt32, _ message: String, sql: String) -> DatabaseError {
        switch code {
        case 1205, 1213, 1020, 1317, 1615, 1637, 3024, 1969:
            return .busy("the database \(name) holds a lock that somebody else has, or ended a deadlock: \(message)")
        case 1062, 1586, 1169, 1022:
            return .constraint(.init(kind: .unique, columns: quoted(message, after: "for key '"), message: message))
        case 1216, 1217, 1451, 1452, 1557, 1761, 1762:
            return .constraint(.init(kind: .foreignKey, columns: [], message: message))
        case 1048, 1364:
            return .constraint(.init(kind: .notNull, columns: quoted(message, after: "'"), message: message))
        case 4025, 1264, 1265, 1366, 1406, 1690, 4078:
            return .constraint(.init(kind: .check, columns: quoted(message, after: "'"), message: message))
        case 1153, 1162, 1644:
            return .constraint(.init(kind: .other, columns: [], message: message))
        case 1290, 1792, 1836, 4000:
            return .readOnly("the database \(name) may only be read: \(message)")
        case 1021, 1114, 3:
            return full(message)
        case 1030 where message.contains("28"), 1026 where message.contains("28"):
            return full(message)
        case 1044, 1142, 1143, 1227, 1370:
            return .cannotOpen("the user lacks a right on the database \(name): \(message); grant it: "
                + "GRANT ALL ON `\(address.database)`.* TO '\(address.user)'@'…'")
        case 1034, 1194, 1712, 145, 126:
            return .corrupt("the database \(name) is damaged: \(message); see the server's log")
        case 1047, 1040, 1203, 1226, 1129:
            return .connectionLost("the database \(name) takes no work now: \(message)")
        case _ where Self.isLoss(code):
            return .connectionLost("the connection to the database \(name) was lost: \(message)")
        default: return .statement(message: message, sql: sql)
        }
    }

    /// Why a connection could not be made.
    func refusal(_ code: UInt32, _ message: String) -> DatabaseError {
        switch code {
        case 1045, 1698, 1251, 1275, 1862, 1820, 4151, 2049, 2059, 2061:
            return .cannotOpen("the login to the database \(name) was refused: \(message); "
                + "check user and password in the URL")
        case 1044, 1142:
            return .cannotOpen("the user may not use the database \(name): \(message); grant it: "
                + "GRANT ALL ON `\(address.database)`.* TO '\(address.user)'@'…'")
        case 1049:
            return .cannotOpen("there is no database \(name): \(message); create it: CREATE DATABASE "
                + "`\(address.database)` CHARACTER SET utf8mb4")
        case 1130:
            return .cannotOpen("the server does not let this host use the database \(name): \(message); "
                + "create the user for this host")
        case 2026, 2012:
            return .cannotOpen("no protected connection to the database \(name) can be made: \(message); "
                + "check ssl_ca, ssl_cert, ssl_key and ssl_verify_cert in the URL, and the server's certificate")
        case 2005:
            return .cannotOpen("the host of the database \(name) is not known: \(message); check the URL")
        case 2002, 2003:
            return .connectionLost("the database \(name) does not answer: \(message); check that the server runs and "
                + "that host and port in the URL are right")
        case 1040, 1203:
            return .connectionLost("the database \(name) takes no more connections: \(message); raise max_connections "
                + "on the server, or lower max_pool_size and max_overflow")
        default: return error(code, message, sql: "")
        }
    }

    private func full(_ message: String) -> DatabaseError {
        .full("no space is left for the database \(name) (\(message)); free space on the server")
    }

    private func quoted(_ message: String, after mark: String) -> [String] {
        guard let start = message.firstRange(of: mark) else { return [] }
        let rest = message[start.upperBound...]
        return [String(rest.prefix { $0 != "'" })]
    }
}
