import CPostgreSQL

/// Turns PostgreSQL's SQLSTATEs into ``DatabaseError``. https://www.postgresql.org/docs/current/errcodes-appendix.html
struct PostgreSQLErrors {
    let address: ServerAddress

    private var name: String { address.name }

    /// What a failed result says of itself.
    struct Report {
        var state: String
        var message: String
        var detail: String
        var table: String
        var constraint: String
        var column: String

        init(_ result: OpaquePointer?) {
            func field(_ code: Character) -> String {
                PQresultErrorField(result, Int32(code.asciiValue ?? 0)).map { String(cString: $0) } ?? ""
            }
            state = field("C")
            message = field("M")
            detail = field("D")
            table = field("t")
            constraint = field("n")
            column = field("c")
        }
    }

    /// The error of a statement whose connection is still there.
    func error(_ report: Report, sql: String) -> DatabaseError {
        let message = report.detail.isEmpty ? report.message : "\(report.message) (\(report.detail))"
        switch report.state {
        case "40001", "40P01", "55P03", "57014":
            return .busy("the database \(name) holds a lock that somebody else has, or ended a deadlock: \(message)")
        case "0A000" where report.message.contains("cached plan"):
            return .busy("the schema of the database \(name) was changed meanwhile: \(message)")
        case "23505": return .constraint(failure(.unique, report, message))
        case "23503": return .constraint(failure(.foreignKey, report, message))
        case "23502": return .constraint(failure(.notNull, report, message))
        case "23514", "22001", "22003", "22021", "54000": return .constraint(failure(.check, report, message))
        case "P0001", "23P01": return .constraint(failure(.other, report, message))
        case "25006": return .readOnly("the database \(name) may only be read: \(message)")
        case "53100":
            return .full("no space is left for the database \(name) (\(message)); free space on the server")
        case "53300", "57P03":
            return .connectionLost("the database \(name) takes no work now: \(message)")
        case "57P01", "57P02", "57P05", "25P03":
            return .connectionLost("the connection to the database \(name) was ended: \(message)")
        case "42501":
            return .cannotOpen("the user lacks a right on the database \(name): \(message); grant it, or make the user "
                + "the database's owner")
        case "XX001", "XX002":
            return .corrupt("the database \(name) is damaged: \(message); see the server's log")
        case let state where state.hasPrefix("53"):
            return .unavailable("the database \(name) has run out of something: \(message)")
        case let state where state.hasPrefix("08"):
            return .connectionLost("the connection to the database \(name) was lost: \(message)")
        default: return .statement(message: message, sql: sql)
        }
    }

    /// Why no connection could be made. The library gives a text only.
    func refusal(_ text: String) -> DatabaseError {
        let message = text.split(whereSeparator: \.isNewline).joined(separator: " ")
        func says(_ parts: String...) -> Bool { parts.contains { message.contains($0) } }
        if says("authentication failed", "no password supplied", "role \"", "no pg_hba.conf entry") {
            return .cannotOpen("the login to the database \(name) was refused: \(message); check user and password in "
                + "the URL, and the server's pg_hba.conf")
        }
        if says("database \"") && says("does not exist") {
            return .cannotOpen("there is no database \(name): \(message); create it: CREATE DATABASE "
                + "\(address.database) ENCODING 'UTF8'")
        }
        if says("permission denied for database") {
            return .cannotOpen("the user may not use the database \(name): \(message); grant it: GRANT CONNECT ON "
                + "DATABASE \(address.database)")
        }
        if says("could not translate host name") {
            return .cannotOpen("the host of the database \(name) is not known: \(message); check the URL")
        }
        if says("SSL", "certificate", "private key") && !says("SSL SYSCALL", "SSL connection has been closed") {
            return .cannotOpen("no protected connection to the database \(name) can be made: \(message); check "
                + "sslmode, sslrootcert, sslcert and sslkey in the URL, and the server's certificate")
        }
        if says("too many clients", "remaining connection slots", "too many connections") {
            return .connectionLost("the database \(name) takes no more connections: \(message); raise max_connections "
                + "on the server, or lower max_pool_size and max_overflow")
        }
        return .connectionLost("the database \(name) does not answer: \(message); check that the server runs and that "
            + "host and port in the URL are right")
    }

    func lost(_ text: String) -> DatabaseError {
        let message = text.split(whereSeparator: \.isNewline).joined(separator: " ")
        return .connectionLost("the connection to the database \(name) was lost: \(message)")
    }

    private func failure(
        _ kind: DatabaseError.ConstraintFailure.Kind, _ report: Report, _ message: String
    ) -> DatabaseError.ConstraintFailure {
        var columns: [String] = []
        if kind == .unique, let open = report.detail.firstRange(of: "Key ("),
            let end = report.detail[open.upperBound...].firstRange(of: ")=")
        {
            columns = report.detail[open.upperBound..<end.lowerBound].split(separator: ",").map {
                "\(report.table).\($0.drop { $0 == " " })"
            }
        } else if !report.column.isEmpty {
            columns = ["\(report.table).\(report.column)"]
        } else if !report.constraint.isEmpty {
            columns = [report.constraint]
        }
        return DatabaseError.ConstraintFailure(kind: kind, columns: columns, message: message)
    }
}
