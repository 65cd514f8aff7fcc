import Database
import Testing

/// The value of `[database] connection`.
struct AddressTests {
    private func server(_ url: String) throws -> ServerAddress {
        guard case .server(let server) = try DatabaseAddress(url: url) else {
            throw DatabaseError.cannotOpen("not a server")
        }
        return server
    }

    @Test func whatOperatorsHaveInNovaConfIsTaken() throws {
        let one = try server("mysql+pymysql://nova:p%40ss%2Fw%3A@db.example:3307/nova?charset=utf8")
        #expect(one.dialect == .mariadb && one.user == "nova" && one.password == "p@ss/w:")
        #expect(one.host == "db.example" && one.port == 3307 && one.database == "nova" && one.protection == .disable)
        let two = try server("postgresql+psycopg2://nova@[fd00::1]/nova")
        #expect(two.dialect == .postgresql && two.host == "fd00::1" && two.port == 5432 && two.password == "")
        #expect(two.protection == .prefer)
        #expect(try server("mariadb://u:p@h/d").port == 3306)
        #expect(try server("mysql://u:p@localhost/d?unix_socket=/run/s").socket == "/run/s")
        #expect(try server("postgres://u:p@localhost/d?host=/run/pg").socket == "/run/pg")
    }

    @Test func protectionIsReadFromTheParameters() throws {
        #expect(try server("mysql://u:p@h/d?ssl_ca=/ca").protection == .verifyFull)
        #expect(try server("mysql://u:p@h/d?ssl_ca=/ca&ssl_verify_cert=false").protection == .require)
        #expect(try server("mysql://u:p@h/d?ssl_cert=/c&ssl_key=/k").protection == .require)
        #expect(try server("postgresql://u:p@h/d?sslmode=verify-ca&sslrootcert=/ca").protection == .verifyAuthority)
    }

    @Test(arguments: [
        ("mysql://u:hidden@h", "names no database"), ("mysql://h/d", "names no user"),
        ("mysql://u:hi@dden@h/d", "several @"), ("mysql://u:hidden@h:99999/d", "99999"),
        ("mysql://u:hidden@h:x/d", "\"x\""), ("mysql://u:hidden@::1/d", "without brackets"),
        ("mysql://u:hidden%4@h/d", "hexadecimal"), ("mysql://u:hidden@h/d?charset=latin1", "UTF-8"),
        ("mysql://u:hidden@h/d?ssl_verify_cert=maybe&ssl_ca=/x", "neither true nor false"),
        ("mysql://u:hidden@h/d?ssl_verify_cert=true", "without ssl_ca"),
        ("mysql://u:hidden@h/d?ssl_ca=x", "absolute path"),
        ("mysql://u:hidden@h/d?ssl_cert=/x", "without its key"), ("mysql://u:hidden@h/d?foo=1", "known are charset"),
        ("mysql://u:hidden@h/d?connect_timeout=0", "seconds"), ("mysql://u:hidden@h/d?charset", "without a value"),
        ("mysql://u:hidden@/d", "neither a host nor a socket"),
        ("postgresql://u:hidden@h/d?sslmode=on", "one of disable"),
        ("postgresql://u:hidden@h/d?sslmode=verify-full", "without sslrootcert"),
        ("postgresql://u:hidden@h/d?sslmode=require&sslmode=require", "twice"),
        ("db2://u:hidden@h/d", "no database engine"),
        ("u:hidden@h/d", "is no URL"), ("mysql://:hidden@h/d", "the user empty"),
    ])
    func whatIsWrongIsSaidWithoutThePassword(_ url: String, _ reason: String) {
        do throws(DatabaseError) {
            _ = try DatabaseAddress(url: url)
            Issue.record("\(url) was taken")
        } catch {
            #expect("\(error)".contains(reason))
            #expect(!"\(error)".contains("hidden"))
        }
    }

    @Test func aPasswordIsHiddenWherever() {
        #expect(DatabaseAddress.redacted("mysql://nova:secret@db/nova") == "mysql://nova:***@db/nova")
        #expect(DatabaseAddress.redacted("mysql://nova:se@cret@db/nova") == "mysql://nova:***@db/nova")
        #expect(DatabaseAddress.redacted("sqlite:///x") == "sqlite:///x")
        #expect(DatabaseAddress.redacted("nova:secret@db") == "nova:***@db")
        #expect(DatabaseAddress.redacted("mysql://nova@db/nova") == "mysql://nova@db/nova")
    }
}
