import ComputeAgent
import DriverAPI
import Foundation
import Testing

/// Libraries that are wrong in one way each. Their factories abort when called: a refusal comes before that.
@Suite struct BadLibraryTests {
    private func refusal(_ macros: String...) async throws -> (DriverRefusal?, path: String, host: BuildFingerprint) {
        // The compiler takes its time, which other tests need.
        try await onThread {
            let bench = try Workbench()
            try bench.compile(macros)
            return (try bench.refusal(), bench.scratch.path + "/bad/libBad.so", bench.loader.host)
        }
    }

    @Test func aWrongABINumber() async throws {
        let (refusal, _, host) = try await refusal("ABI=99")
        #expect(refusal == .wrongABI(name: "bad", driver: 99, host: host.abi))
        #expect(
            try #require(refusal).description
                == "driver 'bad' was built for DriverKit ABI 99, this host has 1; rebuild it")
    }

    @Test func anotherCompiler() async throws {
        let (refusal, _, host) = try await refusal("COMPILER=\"Other 1.0\"")
        #expect(refusal == .wrongCompiler(name: "bad", driver: "Other 1.0", host: host.compiler))
    }

    @Test func otherSourcesOfDriverKit() async throws {
        let (refusal, _, host) = try await refusal("INTERFACE=\"feedfacefeedface\"")
        #expect(refusal == .wrongInterface(name: "bad", driver: "feedfacefeedface", host: host.interfaceHash))
    }

    @Test(arguments: ["MAGIC=1", "SIZE=8", "NO_DESCRIPTOR", "FACTORY=0", "FACTORY=nothing"])
    func aDescriptorThatIsNotOurs(macro: String) async throws {
        let (refusal, path, _) = try await refusal(macro)
        #expect(refusal == .badDescriptor(name: "bad", path: path))
    }

    @Test(arguments: ["NAME=\"good\"", "NAME=0"]) func anotherName(macro: String) async throws {
        let (refusal, _, _) = try await refusal(macro)
        #expect(refusal == .wrongName(name: "bad", library: macro == "NAME=0" ? "" : "good"))
    }

    @Test func noEntrySymbol() async throws {
        let (refusal, path, _) = try await refusal("SYMBOL=something_else")
        #expect(refusal == .notADriver(name: "bad", path: path, symbol: "kilonova_driver_plugin_v1"))
    }

    @Test func anUndefinedSymbol() async throws {
        let (refusal, path, _) = try await refusal("MISSING_FUNCTION")
        guard case .cannotOpen("bad", path, let reason) = refusal else {
            Issue.record("refused with \(String(describing: refusal))")
            return
        }
        #expect(reason.contains("missing_function"))
    }

    @Test func aFileThatIsNoLibrary() async throws {
        let bench = try Workbench()
        _ = try bench.scratch.folder("bad")
        try bench.scratch.write("hello", to: "bad/libBad.so")
        let refusal = try bench.refusal()
        guard case .cannotOpen = refusal else {
            Issue.record("refused with \(String(describing: refusal))")
            return
        }
    }

    @Test func aFactoryFromAnotherCopyOfDriverKit() async throws {
        let (refusal, path) = try await onThread {
            let bench = try Workbench()
            let stranger = try bench.compileStranger()
            try bench.compile(["FACTORY=make_stranger"], also: [stranger, "-Wl,-rpath," + bench.scratch.path])
            return (try bench.refusal(), bench.scratch.path + "/bad/libBad.so")
        }
        #expect(refusal == .ownCopyOfDriverKit(name: "bad", path: path))
        #expect(try #require(refusal).description.hasSuffix("link it to the dynamic product instead"))
    }
}
