extension JSONWriter {
    /// A member that is a string.
    package mutating func field(_ key: String, _ value: String) {
        self.key(key)
        string(value)
    }

    /// A member that is a string, or null where there is none.
    package mutating func field(_ key: String, _ value: String?) {
        self.key(key)
        string(value)
    }

    /// A member that is a whole number.
    package mutating func field(_ key: String, _ value: Int) {
        self.key(key)
        int(value)
    }

    /// A member that is a whole number.
    package mutating func field(_ key: String, _ value: Int64) {
        self.key(key)
        int(value)
    }

    /// A member that is a whole number, or null where there is none.
    package mutating func field(_ key: String, _ value: Int?) {
        self.key(key)
        if let value { int(value) } else { null() }
    }

    /// A member that is true or false.
    package mutating func field(_ key: String, _ value: Bool) {
        self.key(key)
        bool(value)
    }

    /// A member that is true, false, or null where there is neither.
    package mutating func field(_ key: String, _ value: Bool?) {
        self.key(key)
        if let value { bool(value) } else { null() }
    }

    /// A member that is a number.
    package mutating func field(_ key: String, _ value: Double) {
        self.key(key)
        double(value)
    }

    /// A member that is any document.
    package mutating func field(_ key: String, _ value: JSONValue) {
        self.key(key)
        self.value(value)
    }

    /// A member that is an object.
    package mutating func field(_ key: String, _ value: JSONObject) {
        self.key(key)
        self.value(value)
    }

    /// A member that is an array of strings.
    package mutating func field(_ key: String, _ values: [String]) {
        self.key(key)
        array { for value in values { $0.string(value) } }
    }
}
