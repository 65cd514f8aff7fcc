import DriverSupport
import Foundation
import Glibc

@testable import LibvirtDriver

/// A libvirt daemon of the test's own: in mount, network, process and host name namespaces of its own, so that no
/// other daemon, bridge or guest of the machine is seen or touched. Everything in it ends when its standard input
/// closes, so also when the test process dies.
///
/// `@unchecked Sendable`: the pipes are used only while `lock` is held.
final class LibvirtDaemon: @unchecked Sendable {
    /// Where the daemon's and the guests' files are, inside and outside of the namespaces.
    let path: String
    private let process: Process
    private let input: FileHandle
    private let output: FileHandle
    private let lock = NSLock()

    /// The daemon's address.
    var uri: String { "qemu+unix:///system?socket=\(path)/run/libvirt-sock" }

    /// Why no daemon can be started here; `nil` when one can.
    static let obstacle: String? = {
        guard geteuid() == 0 else { return "not root" }
        let programs = [
            "libvirtd", "virtlogd", "qemu-system-x86_64", "qemu-img", "unshare", "ip", "genisoimage", "perl",
        ]
        for program in programs where Subprocess.find(program) == nil { return "\(program) is missing" }
        return nil
    }()

    private struct Failure: Error { let text: String }

    private static let script = #"""
        D=$1 NAME=$2 FLAGS=$3
        export PATH=$PATH:/usr/sbin:/sbin
        mkdir -p $D/etc $D/lib $D/run $D/log $D/cache
        cp -a /etc/libvirt/. $D/etc/
        rm -rf $D/etc/qemu/* $D/etc/libxl/*
        cat >$D/etc/libvirtd.conf <<X
        auth_unix_rw = "none"
        auth_unix_ro = "none"
        unix_sock_group = "root"
        unix_sock_rw_perms = "0700"
        host_uuid = "$(cat /proc/sys/kernel/random/uuid)"
        listen_tls = 0
        listen_tcp = 1
        auth_tcp = "none"
        log_outputs = "3:file:$D/log/libvirtd.log"
        X
        cat >$D/etc/qemu.conf <<X
        security_driver = "none"
        remember_owner = 0
        cgroup_controllers = [ ]
        $QEMU_CONF
        X
        mount --make-rprivate /
        # Devices of its own: what libvirt does to /dev must not reach the machine's. libvirt moves what is mounted
        # there and is confused by a second mount below, so the machine's goes away first.
        mkdir -p $D/dev && mount -t tmpfs -o mode=755 tmpfs $D/dev && mkdir -p $D/dev/net $D/dev/pts $D/dev/shm
        for n in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 $D/dev/${n%:*} c 1 ${n#*:}; done
        mknod -m 666 $D/dev/tty c 5 0; mknod -m 666 $D/dev/net/tun c 10 200
        ln -s pts/ptmx $D/dev/ptmx; ln -s /proc/self/fd $D/dev/fd
        umount -R -l /dev && mount --move $D/dev /dev
        mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts /dev/pts
        mount -t tmpfs -o mode=1777 tmpfs /dev/shm
        for n in etc:/etc/libvirt lib:/var/lib/libvirt run:/run/libvirt log:/var/log/libvirt cache:/var/cache/libvirt
        do mkdir -p ${n#*:}; mount --bind $D/${n%%:*} ${n#*:}; done
        mount -t sysfs sysfs /sys
        # libvirt asks for the address of its own name, which must not wait for a name server.
        printf '127.0.0.1 localhost %s\n' $NAME >$D/hosts && mount --bind $D/hosts /etc/hosts
        hostname $NAME
        ip link set lo up
        # With an address beside the loopback's: the library that reads addresses for SPICE wants one.
        ip link add br-test type bridge && ip addr add 10.78.0.1/24 dev br-test && ip link set br-test up
        start_daemon() { libvirtd -d $FLAGS -p $D/libvirtd.pid; }
        stop_daemon() { p=$(cat $D/libvirtd.pid); kill $p; while [ -d /proc/$p ]; do sleep 0.05; done; }
        virtlogd -d -p $D/virtlogd.pid && start_daemon
        echo "DONE $?"
        while read -r line; do eval "$line" 2>&1; echo "DONE $?"; done
        """#

    /// Starts the daemon and waits until it listens.
    ///
    /// - Parameters:
    ///   - name: of the host that it believes to be on.
    ///   - listens: whether other daemons can reach it; see ``join(_:_:)``. Its guests then run as root, whom the
    ///     kernel lets do what post-copy needs.
    init(name: String = "kn-libvirt-test", listens: Bool = false) throws {
        // A short path: the name of a socket may not be longer than 107 bytes.
        path = "/var/tmp/kn-lv-\(UInt32.random(in: 0...UInt32.max))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        // The hypervisor's user must be able to pass.
        chmod(path, 0o711)
        let script = "\(path)/daemon.sh"
        try Self.script.write(toFile: script, atomically: true, encoding: .utf8)
        process = Process()
        // Foundation starts programs with most signals blocked, and a daemon that inherits that cannot be stopped.
        process.executableURL = URL(fileURLWithPath: Subprocess.find("perl") ?? "/usr/bin/perl")
        process.arguments = [
            "-MPOSIX", "-e", "sigprocmask(SIG_SETMASK, POSIX::SigSet->new()); exec @ARGV or die", "unshare", "--mount",
            "--net", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", script, path, name,
            listens ? "-l" : "",
        ]
        var environment = ProcessInfo.processInfo.environment
        environment["QEMU_CONF"] = listens ? "user = \"root\"\ngroup = \"root\"" : ""
        process.environment = environment
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        process.standardError = output
        try process.run()
        self.input = input.fileHandleForWriting
        self.output = output.fileHandleForReading
        _ = try answer()
    }

    /// Runs a shell command inside and returns what it wrote.
    @discardableResult
    func run(_ command: String) throws -> String {
        lock.lock()
        defer { lock.unlock() }
        try input.write(contentsOf: Data((command + "\n").utf8))
        return try answer()
    }

    // Blocks until the mark that follows each command.
    private func answer() throws -> String {
        var text = ""
        while true {
            let part = output.availableData
            guard !part.isEmpty else { throw Failure(text: "the daemon's shell ended: \(text)") }
            text += String(decoding: part, as: UTF8.self)
            guard text.hasSuffix("\n"), let last = text.split(separator: "\n").last, last.hasPrefix("DONE ") else {
                continue
            }
            guard last == "DONE 0" else { throw Failure(text: text) }
            return text.split(separator: "\n").dropLast().joined(separator: "\n")
        }
    }

    /// Joins the networks of two daemons by a cable; they then reach each other at 10.77.0.1 and 10.77.0.2.
    static func join(_ one: LibvirtDaemon, _ two: LibvirtDaemon) throws {
        let names = ["knl\(UInt16.random(in: 0...UInt16.max))a", "knl\(UInt16.random(in: 0...UInt16.max))b"]
        let ip = Subprocess.find("ip") ?? "/sbin/ip"
        let add = ["link", "add", names[0], "type", "veth", "peer", "name", names[1]]
        try Process.run(URL(fileURLWithPath: ip), arguments: add).waitUntilExit()
        for (number, daemon) in [one, two].enumerated() {
            // The process that made the namespaces is in the network's itself.
            let move = ["link", "set", names[number], "netns", "\(daemon.process.processIdentifier)"]
            try Process.run(URL(fileURLWithPath: ip), arguments: move).waitUntilExit()
            try daemon.run(
                "ip addr add 10.77.0.\(number + 1)/24 dev \(names[number]) && ip link set \(names[number]) up")
            try daemon.run("printf '10.77.0.1 kn-one\\n10.77.0.2 kn-two\\n' >>/etc/hosts")
        }
    }

    func stopDaemon() throws { try run("stop_daemon") }
    func startDaemon() throws { try run("start_daemon") }

    deinit {
        try? input.close()
        process.waitUntilExit()
        // The namespaces are gone, and with them every mount below.
        try? FileManager.default.removeItem(atPath: path)
    }
}

/// The guest image for tests that need an operating system inside.
enum TestGuest {
    /// From KILONOVA_TEST_GUEST_IMAGE, else where `make guest-image` puts it; `nil` when there is none.
    static let image: String? = {
        if let path = ProcessInfo.processInfo.environment["KILONOVA_TEST_GUEST_IMAGE"] { return path }
        var folder = URL(fileURLWithPath: #filePath)
        for _ in 0..<4 { folder.deleteLastPathComponent() }
        let path = folder.appendingPathComponent(".build/guest-image/tiny-linux.qcow2").path
        return FileManager.default.fileExists(atPath: path) ? path : nil
    }()

    /// Emulated guests are slow, and slower on a busy machine: KILONOVA_TEST_SCALE multiplies waits.
    static let scale = ProcessInfo.processInfo.environment["KILONOVA_TEST_SCALE"].flatMap { Double($0) } ?? 1

    static var bootTime: Duration { .seconds(180 * scale) }
}
