import FoundationEssentials
import ServiceOptions
import Testing

/// Options of every type, for tests.
struct SampleOptions: OptionGroup {
    static let group = "sample"
    static let help = "A group."
    enum Color: String, OptionChoice { case red, green }

    @Option("text", help: "Text.") var text = "plain"
    @Option("count", .integer(1...10), help: "Count.", deprecated: ["old_count", "DEFAULT.older_count"]) var count = 3
    @Option("ratio", .double(0...), help: "Ratio.") var ratio: Double?
    @Option("flag", help: "Flag.") var flag = false
    @Option("items", help: "Items.") var items = ["a", "b"]
    @Option("many", .multiple, help: "Many.") var many: [String] = []
    @Option("wait", .duration(.seconds(1)...), help: "Wait.") var wait = Duration.seconds(60)
    @Option("size", .byteSize(min: nil, max: ByteSize(gibibytes: 1)), help: "Size.") var size = ByteSize(mebibytes: 4)
    @Option("color", help: "Color.") var color = Color.red
    @Option("port", .port, help: "Port.") var port = 80
    @Option("path", .path, help: "Path.") var path = "$state_path/sample"
    @Option("host", .host, help: "Host.") var host: String?
    @Option("url", .url(["http", "https"]), help: "URL.") var url: String?
    @Option("password", help: "Password.") var password: Secret = ""
}

private func sample(_ body: String) throws -> SampleOptions {
    try ConfigurationSource(text: "[sample]\n" + body).read { SampleOptions.read() }
}

private func text(_ value: String) throws -> String { try sample("text = " + value).text }

@Suite struct ConfigurationFileTests {
    /// What oslo.config answers for the same file; found by running it.
    @Test func valuesAreReadAsTheReferenceReadsThem() throws {
        let source = try ConfigurationSource(
            text: """
                [DEFAULT]
                state_path = /var/lib/x
                [Sample]
                # a comment
                ; another one
                text = first
                   second
                  third
                many = one
                many = two
                items = a, "b,c" , d
                url: http://u:p@h/?a=b
                path = ${state_path}z
                count = 4
                count = 5
                [DEFAULT]
                host = h1
                [sample]
                flag = yes
                """)
        let options = try source.read { SampleOptions.read() }
        #expect(options.text == "first\nsecond\nthird")
        #expect(options.many == ["one", "two"])
        #expect(options.items == ["a", "\"b", "c\"", "d"])
        #expect(options.url == "http://u:p@h/?a=b")
        #expect(options.path == "/var/lib/xz")
        #expect(options.count == 5)
        #expect(options.flag)
        #expect(try KilonovaOptions(source).node.host == "h1")
    }

    @Test func quotesAroundAValueAreDropped() throws {
        #expect(try text("\"quoted\"") == "quoted")
        #expect(try text("' quoted '") == " quoted ")
        #expect(try text("\"quo\" \"ted\"") == "quo\" \"ted")
        #expect(try text("colon = y") == "colon = y")
        #expect(try text("a # not a comment") == "a # not a comment")
        #expect(try text("") == "")
    }

    @Test func dollarsStandForOtherOptions() throws {
        #expect(try text("$state_path/y") == "/var/lib/kilonova/y")
        #expect(try text("$$state_path") == "$state_path")
        #expect(try text("\\$state_path") == "$state_path")
        #expect(try text("$api.max_limit/q") == "1000/q")
        #expect(try text("${api.max_limit}q") == "1000q")
        #expect(try text("$state_path.d") == "/var/lib/kilonova.d")
        #expect(try text("$path") == "/var/lib/kilonova/sample")
        #expect(try text("5$ and $5") == "5$ and $5")
        #expect(try sample("count = $port\nport = 7").count == 7)
    }

    @Test(arguments: [
        ("text = pa$word", "nova.conf:2: [sample] text = pa$word: $word names no option; write $$ for a dollar sign"),
        ("text = $path\npath = $text", "refers to itself: sample.text → sample.path → sample.text"),
        ("text = $host", "refers to [sample] host, which is not set"),
        ("count = many", "nova.conf:2: [sample] count = many: not an integer; allowed: an integer from 1 to 10"),
        ("count = 11", "too large; allowed: an integer from 1 to 10"),
        ("ratio = -0.5", "too small; allowed: a number of at least 0.0"),
        ("ratio = nan", "not a number"),
        ("flag = maybe", "neither true nor false; allowed: true, yes, on, 1, false, no, off or 0"),
        ("wait = 10 parsecs", "unknown unit of time"),
        ("wait = 0", "too small; allowed: seconds, or a number with ms, s, m, h or d of at least 1"),
        ("size = 2 GiB", "too large; allowed: bytes, or a number with KiB, MiB, GiB, TiB, kB, MB, GB or TB of at"),
        ("color = blue", "not one of the choices; allowed: red, green"),
        ("port = 70000", "too large; allowed: a port"),
        ("path =", "empty"),
        ("host = a b", "contains a character that no host name or address has"),
        ("url = ftp://x", "scheme ftp is not supported here; allowed: http://… or https://…"),
        ("url = x", "not of the form scheme://…"),
    ])
    func aBadValueSaysWhereAndWhatIsAllowed(body: String, expected: String) {
        let errors = #expect(throws: ConfigurationErrors.self) { try sample(body) }
        #expect(errors?.description.contains(expected) == true, "\(String(describing: errors))")
    }

    @Test(arguments: [
        ("x = 1", "nova.conf:1: x stands before the first [group]"),
        ("[a\nx = 1", "nova.conf:1: a group must end with ]"),
        ("[]", "nova.conf:1: the group has no name"),
        ("[a]\nnonsense", "nova.conf:2: neither a group, a comment nor an assignment: no = found"),
        ("[a]\n = 1", "nova.conf:2: an indented line continues nothing"),
        ("[a]\n= 1", "nova.conf:2: the assignment has no name"),
        ("[a]\nx = 1\n\n  y", "nova.conf:4: an indented line continues nothing"),
    ])
    func aBrokenLineIsNamed(text: String, expected: String) {
        let errors = #expect(throws: ConfigurationErrors.self) { try ConfigurationSource(text: text) }
        #expect(errors?.description.contains(expected) == true, "\(String(describing: errors))")
    }

    @Test func allMistakesAreReportedAtOnce() {
        let errors = #expect(throws: ConfigurationErrors.self) { try sample("count = x\nport = y\nflag = z") }
        #expect(errors?.errors.map(\.option) == ["count", "flag", "port"])
    }

    @Test func valuesHaveUnits() throws {
        let options = try sample("wait = 1.5m\nsize = 64 KiB\nitems = ,x,,\nratio = 2")
        #expect(options.wait == .seconds(90))
        #expect(options.size == ByteSize(kibibytes: 64))
        #expect(options.items == ["", "x"])
        #expect(options.ratio == 2)
        #expect(try sample("wait = 2500ms").wait == .milliseconds(2500))
        #expect(try sample("items =\nhost =\nratio =").items == [])
        #expect(try sample("color = GREEN").color == .green)
    }

    @Test func secretsAreNotPrinted() throws {
        let options = try sample("password = hunter2")
        #expect(options.password.revealed == "hunter2")
        #expect("\(options.password) \(options)".contains("hunter2") == false)
        var dumped = ""
        dump(options, to: &dumped)
        #expect(!dumped.contains("hunter2"))
        let errors = #expect(throws: ConfigurationErrors.self) { try sample("password = hunter2 $nothing") }
        #expect(errors?.description.contains("hunter2") == false)
    }

    @Test func laterFilesTheEnvironmentAndTheCommandLineTakePrecedenceInThisOrder() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "options-\(UInt64.random(in: 0 ... .max))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let paths = try ["a.conf", "b.conf"].map { name in
            let url = folder.appending(path: name)
            let number = name == "a.conf" ? 1 : 2
            try Data("[sample]\ncount = \(number)\nport = \(number)\nmany = m\(number)\n".utf8).write(to: url)
            return url.path
        }
        let source = try ConfigurationSource(
            files: paths, environment: ["KILONOVA_SAMPLE__COUNT": "3", "KILONOVA_SAMPLE__WAIT": "3", "HOME": "/"],
            settings: ["sample.wait=4", "DEFAULT.host = h=1", "sample.wait=5"])
        let options = try source.read { SampleOptions.read() }
        #expect(options.port == 2)
        #expect(options.count == 3)
        #expect(options.wait == .seconds(5))
        #expect(options.many == ["m1", "m2"])
        #expect(throws: ConfigurationErrors.self) { try KilonovaOptions(source) }
        let errors = #expect(throws: ConfigurationErrors.self) {
            try ConfigurationSource(files: [folder.path + "/none"], settings: ["nonsense"])
        }
        #expect(errors?.errors.count == 2)
    }
}
