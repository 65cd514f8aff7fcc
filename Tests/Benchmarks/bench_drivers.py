#!/usr/bin/env python3
"""Measures drivers: calls through a loaded library, listings, spawns, the vSphere client, events up to the API.

Prints a table and writes the same figures as JSON. Starts the hypervisors and simulators that it needs, on loopback
only, and stops them.

    bench_drivers.py BUILD OUT.json [--only NAME,…] [--trials N]

BUILD is the folder of a release build, with DriverBench, kilonovad and the drivers' libraries. Rows that this machine
cannot measure (no root, no QEMU, no Go) say so. The exit status is 1 when a figure misses its bar.
"""
import argparse
import contextlib
import json
import os
import select
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid

from bench import Cloud

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
USER, PASSWORD = "administrator@vsphere.local", "a <secret> & more"


class Skipped(Exception):
    """Why a row cannot be measured here."""


class Table:
    def __init__(self):
        self.rows = []

    def add(self, what, value, unit, bar=None, **more):
        """A figure; `bar` is ("at most" or "at least", number) or nothing for one that explains another."""
        met = None
        if bar:
            met = value <= bar[1] if bar[0] == "at most" else value >= bar[1]
        self.rows.append({"what": what, "value": value, "unit": unit, "bar": bar, "met": met, **more})
        told = f"{bar[0]} {bar[1]:g}: {'met' if met else 'MISSED'}" if bar else ""
        print(f"{what:<66}{value:>12.2f} {unit:<10} {told}", flush=True)

    def skip(self, what, why):
        self.rows.append({"what": what, "skipped": why})
        print(f"{what:<66}{'skipped':>12} {why}", flush=True)


class Bench:
    def __init__(self, build, trials, table):
        self.build = build
        self.trials = trials
        self.table = table
        self.work = tempfile.mkdtemp(prefix="kilonova-bench-drivers-")
        self.closing = contextlib.ExitStack()
        self.closing.callback(shutil.rmtree, self.work, ignore_errors=True)

    def ask(self, command, *options, before=()):
        """What a command of DriverBench answers."""
        done = subprocess.run(
            [*before, f"{self.build}/DriverBench", command, *options], capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL)
        if done.returncode:
            raise SystemExit(f"DriverBench {command}: {done.stderr or done.returncode}")
        return json.loads(done.stdout.splitlines()[-1])

    # Calls

    def calls(self):
        """Alternating, so that what else the machine does meets both."""
        least = {}
        for _ in range(7):
            for kind in ("linked", "loaded"):
                for name, value in self.ask(f"call-{kind}").items():
                    key = (name, kind)
                    least[key] = min(least.get(key, value), value)
        worst = 0
        for name in sorted({name for name, _ in least}):
            linked, loaded = least[name, "linked"], least[name, "loaded"]
            self.table.add(f"  {name}: linked", linked, "ns")
            self.table.add(f"  {name}: loaded", loaded, "ns")
            worst = max(worst, loaded / linked)
        self.table.add("a call through the loaded library, against linked in (worst)", worst, "times", ("at most", 1.1))

    # Listings

    def libvirt_listing(self):
        path = f"{self.work}/node.xml"
        with open(path, "w", encoding="utf-8") as file:
            file.write("<node><cpu><mhz>2000</mhz><model>x</model><active>64</active><nodes>1</nodes>"
                       "<sockets>1</sockets><cores>64</cores><threads>1</threads></cpu><memory>1073741824</memory>")
            for number in range(1000):
                guest = uuid.UUID(int=number + 1)
                file.write(
                    f"<domain type='test'><name>instance-{guest}</name><uuid>{guest}</uuid><metadata><kilonova:guest "
                    f"xmlns:kilonova='urn:kilonova:libvirt:guest:1' operation='1'/></metadata><memory>8192</memory>"
                    "<vcpu>1</vcpu><os><type>hvm</type></os></domain>")
            file.write("</node>")
        figures = self.ask("libvirt-listing", f"uri=test://{path}")
        if figures["guests"] != 1000:
            raise SystemExit(f"libvirt's test driver has {figures['guests']} guests, not 1000")
        self.table.add("  processor time of each", figures["processor, ms"], "ms")
        self.table.add("  the fastest", figures["least, ms"], "ms")
        self.table.add("state of 1,000 guests, libvirt's test driver (p50)", figures["p50, ms"], "ms",
                       ("at most", 50), most=figures["most, ms"])

    def certificate(self):
        path = f"{self.work}/cert.pem"
        if not os.path.exists(path):
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                 "-keyout", f"{self.work}/key.pem", "-out", path, "-days", "2", "-subj", "/CN=127.0.0.1",
                 "-addext", "subjectAltName=IP:127.0.0.1"], check=True, stderr=subprocess.DEVNULL)
        return ["-cert", path, "-key", f"{self.work}/key.pem"]

    @contextlib.contextmanager
    def server(self, program, *options, before=()):
        """A simulator that prints its port and ends with its standard input; gives the driver's options."""
        process = subprocess.Popen([*before, program, *self.certificate(), *options], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        try:
            port = int(process.stdout.readline())
            yield port, [
                "host_ip=127.0.0.1", f"host_port={port}", f"host_username={USER}", f"host_password={PASSWORD}",
                "cluster_name=DC0_C0", f"ca_file={self.work}/cert.pem", "maximum_objects=1000"]
        finally:
            process.stdin.close()
            process.terminate()
            process.wait()

    def vcsim(self, machines):
        path = f"{ROOT}/.build/vcsim/vcsim"
        self.build_with_go("bash", f"{ROOT}/Tests/Simulators/vmware/build-vcsim.sh", path)
        return self.server(path, "-user", USER, "-pass", PASSWORD, "-vms", str(machines))

    def canned(self, machines, before=()):
        path = f"{self.work}/canned-vcenter"
        if not os.path.exists(path):
            self.build_with_go("go", "build", "-o", path, ".", folder=f"{ROOT}/Tests/Benchmarks/canned-vcenter")
        return self.server(path, "-machines", str(machines), before=before)

    @staticmethod
    def build_with_go(*command, folder=None):
        if not shutil.which("go"):
            raise Skipped("go is not installed (apt install golang-go golang-github-vmware-govmomi-dev)")
        environment = {**os.environ, "GO111MODULE": "off", "GOFLAGS": ""}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Skipped(f"the simulator cannot be built: {done.stderr.strip()}")

    def vcsim_listing(self):
        with self.vcsim(1000) as (_, options):
            figures = self.ask("vmware-listing", *options)
        if figures["guests"] != 1000:
            raise SystemExit(f"vcsim lists {figures['guests']} guests, not 1000")
        self.table.add("  rounds of the property collector", figures["exchanges in each"], "", ("at most", 1))
        self.table.add("  the driver's processor time of each", figures["processor, ms"], "ms")
        self.table.add("  the fastest", figures["least, ms"], "ms")
        self.table.add("state of 1,000 guests, vcsim (p50, vcsim's own time included)", figures["p50, ms"], "ms",
                       ("at most", 300), most=figures["most, ms"])

    # The vSphere client

    def client(self):
        guest = "guest=3b241101-e2bb-4255-8caf-000000000001"
        own, other = (["taskset", "-c", str(core)] for core in (1, 0)) if os.cpu_count() > 1 else ([], [])
        with self.canned(10, before=other) as (_, options):
            figures = self.ask("vmware-calls", guest, "seconds=8", *options, before=own)
        self.table.add("  calls per second of the clock, canned vCenter on another core",
                       figures["calls per second"], "/s")
        self.table.add("vSphere client: calls per second of one core's time",
                       figures["calls per processor second"], "/s", ("at least", 2000))

    def memory(self):
        sizes = {}
        for machines in (10, 10_000):
            with self.canned(machines) as (_, options):
                sizes[machines] = self.ask("vmware-memory", *options)
        few, many = sizes[10], sizes[10_000]
        self.table.add("  most at any moment while it is read", many["most, MiB"] - few["most, MiB"], "MiB")
        self.table.add("vSphere client: memory for 10,000 machines",
                       many["resident, MiB"] - few["resident, MiB"], "MiB", ("at most", 64))

    # Spawns

    @staticmethod
    def virsh(*arguments):
        return subprocess.run(["virsh", "-q", "-c", "qemu:///system", *arguments], capture_output=True, text=True,
                              check=True, stdin=subprocess.DEVNULL).stdout

    def libvirt(self):
        """A daemon, where none answers."""
        if os.geteuid() != 0:
            raise Skipped("guests need root")
        for program in ("virsh", "qemu-system-x86_64", "qemu-img"):
            if not shutil.which(program):
                raise Skipped(f"{program} is not installed (make prerequisites)")
        script = f"{ROOT}/Config/scripts/hypervisor.sh"
        state = f"{self.work}/libvirt"
        os.makedirs(state, exist_ok=True)
        os.chmod(self.work, 0o711)
        open(f"{state}/.kilonova-state", "w", encoding="utf-8").close()
        environment = {**os.environ, "STATE_DIR": state}
        if not hasattr(self, "has_libvirt"):
            self.closing.callback(subprocess.run, [script, "stop"], env=environment, check=False,
                                  stdout=subprocess.DEVNULL)
            done = subprocess.run([script, "start"], env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                raise Skipped(f"libvirt does not start: {done.stdout}{done.stderr}")
            self.has_libvirt = True
        image = f"{self.work}/blank.raw"
        with open(image, "wb") as file:
            file.write(b"\xfa\xf4\xeb\xfd" + bytes(506) + b"\x55\xaa" + bytes((1 << 20) - 512))
        return image

    def spawn(self):
        image = self.libvirt()
        instances = f"{self.work}/instances"
        os.makedirs(instances)
        process = subprocess.Popen(
            [f"{self.build}/DriverBench", "libvirt-spawn", f"image={image}", "format=raw", "virt_type=qemu",
             f"instances_path={instances}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        def tell(line):
            process.stdin.write(line + "\n")
            process.stdin.flush()

        spawns, starts, beyond = [], [], []
        try:
            for trial in range((self.trials or 15) + 1):
                tell("spawn")
                answer = process.stdout.readline().split()
                if len(answer) != 2:
                    raise SystemExit("DriverBench libvirt-spawn ended early")
                guest, spawned = answer[0], float(answer[1])
                started = statistics.median(self.time_start(guest) for _ in range(3))
                tell("next")
                process.stdout.readline()
                # The first brings the image into the cache, which later ones find there.
                if trial:
                    spawns.append(spawned)
                    starts.append(started)
                    beyond.append(spawned - started)
        finally:
            process.stdin.close()
            process.wait()
        self.table.add("  spawn by the driver (p50)", statistics.median(spawns), "ms")
        self.table.add("  start of the same machine by virsh alone (p50)", statistics.median(starts), "ms")
        self.table.add("spawn in libvirt beyond what QEMU itself takes (p50)", statistics.median(beyond), "ms",
                       ("at most", 150), most=max(beyond))

    def time_start(self, guest):
        """What libvirt and QEMU take to start a defined machine, without the start of virsh."""
        self.virsh("destroy", guest)
        before = time.perf_counter()
        self.virsh("domstate", guest)
        between = time.perf_counter()
        self.virsh("start", guest)
        return ((time.perf_counter() - between) - (between - before)) * 1000

    # Events

    def events_libvirt(self):
        self.libvirt()
        cloud = EventCloud(f"{self.build}/kilonovad", "libvirt", ["libvirt.virt_type=qemu"])
        try:
            times = cloud.trials(self.trials or 50, self.kill_machine)
        finally:
            cloud.remove()
            cloud.stop()
        self.report_events("libvirt, the machine's process ends", times)

    def kill_machine(self, server):
        """Destroys a machine; the time at which its process ended."""
        name = self.virsh("domname", server).strip()
        with open(f"/run/libvirt/qemu/{name}.pid", encoding="utf-8") as file:
            descriptor = os.pidfd_open(int(file.read()))
        ended = []

        def watch():
            select.select([descriptor], [], [], 60)
            ended.append(time.perf_counter())

        watcher = threading.Thread(target=watch)
        watcher.start()
        destroyer = threading.Thread(target=self.virsh, args=("destroy", server))
        destroyer.start()
        watcher.join()
        os.close(descriptor)
        return ended[0], destroyer.join

    def events_vmware(self):
        with self.vcsim(0) as (port, options):
            cloud = EventCloud(f"{self.build}/kilonovad", "vmware",
                               [f"vmware.{option}" for option in options] + ["vmware.task_poll_interval=0.05"])

            def power_off(server):
                subprocess.run(
                    ["curl", "-sk", "-X", "POST",
                     f"https://127.0.0.1:{port}/control/power?uuid={server}&state=poweredOff"], check=True)
                return time.perf_counter(), lambda: None

            try:
                times = cloud.trials(self.trials or 50, power_off)
            finally:
                cloud.remove()
                cloud.stop()
        self.report_events("vcsim, the machine is turned off", times)

    def report_events(self, what, times):
        times.sort()
        self.table.add(f"  event to the API's answer, {what} (p50)", times[len(times) // 2], "ms")
        self.table.add(f"event to the API's answer, {what} (p99 of {len(times)})",
                       times[min(len(times) - 1, int(0.99 * len(times)))], "ms", ("at most", 250))


class EventCloud(Cloud):
    """A deployment with one server, which others stop again and again."""

    def __init__(self, program, driver, options):
        super().__init__(program, driver, ["network_agent.enabled=false", *options])
        self.driver = driver
        self.server = None
        self.link = self.log_in()
        self.call(self.link, "POST", "/compute/v2.1/flavors", {"flavor": {
            "name": "m1.nano", "id": "1", "ram": 64, "vcpus": 1, "disk": 1}})
        _, image = self.call(self.link, "POST", "/image/v2/images", {
            "name": "bench", "disk_format": "raw" if driver == "libvirt" else "vmdk", "container_format": "bare",
            "min_disk": 0})
        self.link.request("PUT", f"/image/v2/images/{image['id']}/file", body=bytes(1 << 20), headers={
            "X-Auth-Token": self.token, "Content-Type": "application/octet-stream"})
        self.link.getresponse().read()
        _, answer = self.call(self.link, "POST", "/compute/v2.1/servers", {"server": {
            "name": "events", "imageRef": image["id"], "flavorRef": "1", "networks": "none"}},
            headers={"OpenStack-API-Version": "compute 2.90"})
        self.server = answer["server"]["id"]
        self.wait(lambda server: server["status"] == "ACTIVE")

    def look(self):
        _, answer = self.call(self.link, "GET", f"/compute/v2.1/servers/{self.server}")
        return answer["server"]

    def wait(self, condition, seconds=300):
        deadline = time.monotonic() + seconds
        while True:
            server = self.look()
            if condition(server):
                return
            if server["status"] == "ERROR" or time.monotonic() > deadline:
                raise SystemExit(f"the server of the measurement: {server}")
            time.sleep(0.05)

    def trials(self, count, turn_off):
        """How long it takes, each time, from the hypervisor's change to the API's new answer, in milliseconds."""
        times = []
        for _ in range(count):
            self.wait(lambda server: server["status"] == "ACTIVE" and server["OS-EXT-STS:power_state"] == 1
                      and not server["OS-EXT-STS:task_state"])
            changed, finish = turn_off(self.server)
            deadline = changed + 60
            while self.look()["OS-EXT-STS:power_state"] == 1:
                if time.perf_counter() > deadline:
                    raise SystemExit("the API does not tell of the change within 60 s")
            times.append((time.perf_counter() - changed) * 1000)
            finish()
            self.wait(lambda server: server["status"] == "SHUTOFF" and not server["OS-EXT-STS:task_state"])
            self.call(self.link, "POST", f"/compute/v2.1/servers/{self.server}/action", {"os-start": None})
        return times

    def remove(self):
        if self.server:
            self.call(self.link, "DELETE", f"/compute/v2.1/servers/{self.server}", expect=(204, 404))
            self.wait_gone(self.link, self.server)


SECTIONS = ["calls", "libvirt_listing", "vcsim_listing", "spawn", "client", "memory", "events_libvirt", "events_vmware"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("output")
    parser.add_argument("--only", default=",".join(SECTIONS))
    parser.add_argument("--trials", type=int, help="spawns (15) and events (50)")
    arguments = parser.parse_args()
    # Whoever ends this wants what it started to end as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    names = arguments.only.split(",")
    for name in names:
        if name not in SECTIONS:
            raise SystemExit(f"there is no section '{name}'; there are {', '.join(SECTIONS)}")
    table = Table()
    bench = Bench(os.path.abspath(arguments.build), arguments.trials, table)
    with bench.closing:
        for name in names:
            try:
                getattr(bench, name)()
            except Skipped as reason:
                table.skip(name, str(reason))
    with open(arguments.output, "w", encoding="utf-8") as file:
        json.dump({"rows": table.rows, "load": os.getloadavg(), "processors": os.cpu_count()}, file, indent=2)
    if any(row.get("met") is False for row in table.rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
