extension SQLDialect {
    /// A statement of a migration as this engine defines the same.
    ///
    /// Migrations are written once, with SQLite's types. There an INTEGER has 64 bits, a TEXT or BLOB has any length,
    /// and texts are compared byte by byte; so the others' types are chosen.
    func definition(_ statement: SQL) -> SQL {
        let head = statement.template.prefix(24).uppercased()
        guard self != .sqlite, head.hasPrefix("CREATE TABLE") || head.hasPrefix("ALTER TABLE") else { return statement }
        var text = ""
        var word = ""
        var isQuoted = false
        func finishWord() {
            text += columnType(word) ?? word
            word = ""
        }
        for character in statement.template {
            if !isQuoted, character.isLetter || character.isNumber || character == "_" {
                word.append(character)
                continue
            }
            finishWord()
            if character == "'" { isQuoted.toggle() }
            text.append(character)
            if self == .postgresql, !isQuoted, character == ")" { text = Self.collated(text) }
        }
        finishWord()
        if self == .mariadb, head.hasPrefix("CREATE TABLE") {
            text += " ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin ROW_FORMAT = DYNAMIC"
        }
        return SQL(template: text, values: statement.values)
    }

    private func columnType(_ word: String) -> String? {
        switch (self, word) {
        case (.mariadb, "TEXT"): "MEDIUMTEXT"
        case (.mariadb, "BLOB"): "LONGBLOB"
        case (.mariadb, "TIMESTAMP"): "DATETIME"
        case (.postgresql, "TEXT"): "TEXT COLLATE \"C\""
        case (.postgresql, "BLOB"): "BYTEA"
        case (.mariadb, "INTEGER"), (.postgresql, "INTEGER"): "BIGINT"
        default: nil
        }
    }

    /// A text that ends in `VARCHAR(n)`, with the collation that goes by bytes.
    private static func collated(_ text: String) -> String {
        guard let open = text.lastIndex(of: "("), text[..<open].hasSuffix("VARCHAR"),
            text[text.index(after: open)...].dropLast().allSatisfy(\.isNumber)
        else { return text }
        return text + " COLLATE \"C\""
    }
}
