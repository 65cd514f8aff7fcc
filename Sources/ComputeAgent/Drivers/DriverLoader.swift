import CDriverABI
package import DriverAPI
import FoundationEssentials
import Glibc

/// Opens a driver's library. The only place in the repository that calls `dlopen`.
///
/// The order of checks matters: each makes the next one safe. Manifest → API version → build fingerprint of the
/// manifest → open → symbol → magic and size → ABI → compiler → interface → name → factory. Nothing of Swift's in
/// the library is touched before its compiler and its copy of DriverKit are known to be ours. An opened library is
/// never closed, because Swift keeps its metadata registered.
package struct DriverLoader: Sendable {
    /// A driver that may be used.
    package struct Loaded: Sendable {
        package let manifest: DriverManifest
        package let factory: DriverFactory
        package let apiVersion: DriverAPIVersion
        /// The file that was opened.
        package let path: String
    }

    /// What this host was built with.
    package let host: BuildFingerprint
    private let libraryDirectories: [String]

    /// A loader that looks for libraries beside the manifest and then in `libraryDirectories`.
    package init(libraryDirectories: [String] = [DriverLoader.executableDirectory]) {
        self.libraryDirectories = libraryDirectories
        host = BuildFingerprint(
            abi: kn_driverkit_abi(), compiler: String(cString: kn_compiler_version()),
            interfaceHash: String(cString: kn_driverkit_interface_hash()))
    }

    /// The folder of the running program.
    package static var executableDirectory: String {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let length = buffer.withUnsafeMutableBytes { bytes in
            bytes.baseAddress.map { readlink("/proc/self/exe", $0, bytes.count) } ?? -1
        }
        guard length > 0 else { return "." }
        let path = String(decoding: buffer.prefix(length), as: UTF8.self)
        return path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    }

    /// Where drivers are looked for when `driver_plugin_dir` is not set: `drivers` beside the program and in
    /// `../lib`, then the folder `Plugins` of the checkout that the program was built in.
    package static func defaultDirectories() -> [String] {
        var directories = [executableDirectory + "/drivers", executableDirectory + "/../lib/drivers"]
        var folder = executableDirectory
        while let slash = folder.lastIndex(of: "/"), folder != "/" {
            folder = String(folder[..<slash])
            let manifest = folder + "/Plugins/DriverKit/Package.swift"
            if FileManager.default.fileExists(atPath: manifest) {
                directories.append(folder + "/Plugins")
                break
            }
        }
        return directories
    }

    /// Loads the driver of a catalog's entry.
    package func load(_ entry: DriverCatalog.Entry) throws(DriverRefusal) -> Loaded {
        let manifest = entry.manifest
        let version = try negotiate(manifest)
        if let promised = manifest.buildFingerprint, promised != host.description {
            throw .fingerprint(name: manifest.name, manifest: promised, host: host.description)
        }
        let path = try locate(manifest, beside: entry.directory)
        guard let library = dlopen(path, RTLD_NOW | RTLD_LOCAL) else {
            throw .cannotOpen(
                name: manifest.name, path: path, reason: dlerror().map { String(cString: $0) } ?? "unknown")
        }
        guard let symbol = dlsym(library, DriverEntry.symbol) else {
            throw .notADriver(name: manifest.name, path: path, symbol: DriverEntry.symbol)
        }
        typealias Entry = @convention(c) () -> UnsafePointer<kn_driver_descriptor>?
        let descriptor = unsafeBitCast(symbol, to: Entry.self)()
        let factory = try factory(from: descriptor, manifest, path)
        return Loaded(manifest: manifest, factory: factory, apiVersion: version, path: path)
    }

    private func negotiate(_ manifest: DriverManifest) throws(DriverRefusal) -> DriverAPIVersion {
        let offered = manifest.driverAPI.compactMap { DriverAPIVersion($0) }
        guard let version = DriverAPIVersion.negotiate(offered: offered) else {
            throw .noCommonVersion(
                name: manifest.name, offered: manifest.driverAPI, known: DriverAPIVersion.known.map(\.description))
        }
        return version
    }

    private func locate(_ manifest: DriverManifest, beside directory: String) throws(DriverRefusal) -> String {
        let searched = [directory] + libraryDirectories
        for folder in searched {
            let path = folder + "/" + manifest.library
            if FileManager.default.fileExists(atPath: path) { return path }
        }
        throw .libraryMissing(name: manifest.name, library: manifest.library, searched: searched)
    }

    private func factory(
        from descriptor: UnsafePointer<kn_driver_descriptor>?, _ manifest: DriverManifest, _ path: String
    ) throws(DriverRefusal) -> DriverFactory {
        let name = manifest.name
        guard let found = descriptor?.pointee, found.magic == kn_driver_magic(),
            found.descriptor_size == UInt32(MemoryLayout<kn_driver_descriptor>.size)
        else { throw .badDescriptor(name: name, path: path) }
        guard found.abi == host.abi else { throw .wrongABI(name: name, driver: found.abi, host: host.abi) }
        func text(_ pointer: UnsafePointer<CChar>?) -> String { pointer.map { String(cString: $0) } ?? "" }
        let compiler = text(found.compiler)
        guard compiler == host.compiler else {
            throw .wrongCompiler(name: name, driver: compiler, host: host.compiler)
        }
        let interface = text(found.interface_hash)
        guard interface == host.interfaceHash else {
            throw .wrongInterface(name: name, driver: interface, host: host.interfaceHash)
        }
        guard text(found.name) == name else { throw .wrongName(name: name, library: text(found.name)) }
        guard let make = found.make_factory, let pointer = make() else {
            throw .badDescriptor(name: name, path: path)
        }
        let object = Unmanaged<AnyObject>.fromOpaque(pointer).takeRetainedValue()
        guard let factory = object as? DriverFactory else { throw .ownCopyOfDriverKit(name: name, path: path) }
        return factory
    }
}
