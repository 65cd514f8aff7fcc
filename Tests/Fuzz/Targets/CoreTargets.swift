import ComputeModel
import DriverAPI
import FoundationEssentials
import NIOHTTP1

@testable import APIVersioning
@testable import HTTPService
@testable import Identity
@testable import ServiceOptions
@testable import WireJSON

extension FuzzTarget {
    static let core = [
        wireJSON, configurationFile, httpRequest, policyRule, textPattern, driverManifest, identifiersAndTimes,
    ]

    private static let wireJSON = FuzzTarget(
        "wire-json",
        texts: [
            #"{"server": {"name": "a\"b\\c\u00e9\ud83d\ude00", "min_count": 1, "ratio": -1.5e-7, "x": null}}"#,
            "[1, 9223372036854775807, 18446744073709551616, true, false, \"\", {}, [[[]]]]", "\"\\/\\b\\f\\n\\r\\t\"",
        ],
        words: [
            "{", "}", "[", "]", ",", ":", "\"", "\\u0000", "\\ud83d", "\\ude00", "\\n", "null", "1e5", "-0", "0.1",
        ]
    ) { input in
        let value: JSONValue
        do throws(JSONParseError) { value = try JSONParser.parse(input) } catch {
            try promise((0...input.count).contains(error.offset), "an error at byte \(error.offset)")
            try promise(error.line > 0 && error.column > 0 && !error.description.isEmpty, "the error \(error)")
            return
        }
        try promise(try JSONParser.parse(value.serialized()) == value, "written and read again it is another")
    }

    private static let configurationFile = FuzzTarget(
        "configuration-file",
        texts: [
            "# nova.conf\n[DEFAULT]\ncompute_driver = libvirt.LibvirtDriver\ndebug: true\nlist = a,\n  b,\n\tc\n\n"
                + "[libvirt]\nvirt_type = \"qemu\"\n; x\nquoted = 'a'\r\nempty =\n",
            "a = b\n[x\n[]\n= c\n  indented\n",
        ], words: ["[", "]", "=", ":", "#", ";", "\n ", "\r\n", "\n", "\"", "'"]
    ) { input in
        let text = String(decoding: input, as: UTF8.self)
        let file = ConfigurationFile(path: "x", text: text)
        let lines = 1...max(1, text.count + 1)
        for assignment in file.assignments {
            try promise(lines.contains(assignment.line) && !assignment.name.isEmpty, "the assignment \(assignment)")
        }
        _ = file.errors
        _ = ByteSize(parsing: text)
    }

    /// The lines of a request's head: the target, then fields.
    private static let httpRequest = FuzzTarget(
        "http-request",
        texts: [
            "/v2.1/servers/detail?limit=1&name=%41+b&x\nHost: a:80\nContent-Length: 5\nRange: bytes=0-9",
            "http://h/p%2fq\nHost: [::1]:80\nTransfer-Encoding: chunked\nExpect: 100-continue\nConnection: close, x",
            "/\nHost: h\nForwarded: for=1.2.3.4;proto=https;host=h\nX-Forwarded-For: ::1, 10.0.0.1\nRange: bytes=-5",
        ],
        words: [
            "%2e", "%", "+", "&", "=", "?", "..", "\nHost: h", "bytes=", "0-", "-1", "10.0.0.0/8", "chunked", "[::1]",
        ]
    ) { input in
        let lines = String(decoding: input, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        let target = String(lines.first ?? "")
        if let read = try? RequestTarget(target, method: .GET) {
            try promise(!read.segments.contains { $0 == ".." || $0.utf8.contains(0) }, "the segments \(read.segments)")
            _ = read.query.map { ($0.name, $0.value) }
        }
        var head = HTTPRequestHead(version: .http1_1, method: .GET, uri: target)
        for line in lines.dropFirst() {
            let (name, value) = (line.prefix { $0 != ":" }, line.drop { $0 != ":" }.dropFirst())
            // SwiftNIO's own parser lets no other names through.
            if name.utf8.allSatisfy({ $0 < 0x80 }) {
                head.headers.add(name: String(name), value: String(value.drop { $0 == " " }))
            }
            let text = String(value.drop { $0 == " " })
            if case .part(let range) = FileRange(field: text, size: 100) {
                try promise(range.lowerBound >= 0 && range.upperBound <= 100, "the range \(range)")
            }
            _ = RequestOrigin.isValidAuthority(text)
            _ = try? TrustedProxies([text])
        }
        if let framing = try? RequestFraming(head), case .length(let length) = framing.body {
            try promise(length > 0, "a body of \(length) bytes")
        }
    }

    private static let policyRule = FuzzTarget(
        "policy-rule",
        texts: [
            "", "@", "!", "rule:admin or (role:member and project_id:%(project_id)s)", "not not role:a",
            "'x':%(target.a)s and None:%(b)s",
        ], words: ["(", ")", "and", "or", "not", "@", "!", "rule:", "role:", "%(", ")s", ":", " "]
    ) { input in
        let text = String(decoding: input, as: UTF8.self)
        guard let check = try? PolicyParser.parse(text) else { return }
        _ = check.description
    }

    /// An expression, zero, and the text in which it is looked for.
    private static let textPattern = FuzzTarget(
        "text-pattern",
        texts: [
            "^[a-zA-Z0-9-_.]+$\0name-1", "(a|b)*c{2,5}?\\d\0abccc", "(?i)x\0X", "^(?!\\s)[\\w \\p{Lu}]*(?<!\\s)$\0A b",
            "((a{1,9}){1,9})+\0aaaa",
        ],
        words: [
            "(", ")", "(?:", "(?=", "(?!", "(?<=", "|", "*", "+", "?", "{1,1000}", "[^", "]", "\\b", "\\d", "\\p{L}",
            "^", "$",
        ]
    ) { input in
        let parts = input.prefix(600).split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
        let text = String(decoding: parts.count > 1 ? parts[1] : [], as: UTF8.self)
        let source = String(decoding: parts.first ?? [], as: UTF8.self)
        _ = TextPattern.isValid(source)
        guard let pattern = try? TextPattern(source) else { return }
        _ = pattern.matches(text)
    }

    private static let driverManifest = FuzzTarget(
        "driver-manifest",
        texts: [
            """
            {"name": "fake", "aliases": ["fake.FakeDriver"], "version": "0.1.0", "summary": "x", \
            "driver_api": ["1.0"], "library": "libFakeDriver.so"}
            """
        ], words: ["null", "{}", "[]", "\"1.0\"", "\"../x\""]
    ) { input in
        guard let manifest = try? JSONDecoder().decode(DriverManifest.self, from: Data(input)) else { return }
        _ = DriverAPIVersion.negotiate(offered: manifest.driverAPI.compactMap { DriverAPIVersion($0) })
    }

    private static let identifiersAndTimes = FuzzTarget(
        "identifiers-and-times",
        texts: [
            "3b241101-e2bb-4255-8caf-4136c566a962", "2026-08-21T10:15:30.123456+05:30", "2026-08-21 10:15",
            "20260821T101530Z", "0001-01-01", "9999-12-31T23:59:60Z", "1.5GiB", "1.0",
        ], words: ["-", ":", "T", "Z", "+14:00", ".", "9999"]
    ) { input in
        let text = String(decoding: input, as: UTF8.self)
        if let id = UUIDValue(text) { try promise(UUIDValue("\(id)") == id, "\(id) is read as another") }
        _ = ISOTime.isValid(text)
        _ = DriverAPIVersion(text)
        guard let moment = Timestamp(iso8601: text) else { return }
        try promise(Timestamp(iso8601: moment.iso8601WithMicrosecondsUTC) == moment, "\(moment) is read as another")
    }
}
