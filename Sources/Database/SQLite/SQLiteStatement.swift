import CSQLite

/// A prepared statement that is finalised when nobody refers to it any more.
final class SQLiteStatement: CachedStatement {
    let handle: OpaquePointer
    var isInUse = true
    var lastUse: UInt64 = 0

    init(handle: OpaquePointer) {
        self.handle = handle
    }

    deinit {
        sqlite3_finalize(handle)
    }

    /// Makes it ready for its next use; nothing of the last one, not even an error, stays behind.
    func finish() {
        sqlite3_reset(handle)
        sqlite3_clear_bindings(handle)
        isInUse = false
    }
}
