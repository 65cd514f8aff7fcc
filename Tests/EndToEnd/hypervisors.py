"""Hypervisors that end-to-end tests start for themselves, and each one's own client to look into it.

libvirtd is real; vCenter and XenAPI are the simulators in Tests/Simulators, asked through pyvmomi and plain XML-RPC.
"""

import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import urllib.parse
import urllib.request
import xmlrpc.client
from pathlib import Path

from support import ROOT, free_port, scaled, wait_until

SIMULATORS = ROOT / "Tests" / "Simulators"


def output_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL).stdout


def run_quietly(*command, **options):
    """Runs a command that must succeed; its words are told only when it does not."""
    done = subprocess.run([str(word) for word in command], text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **options)
    if done.returncode != 0:
        raise AssertionError(f"{command[0]}: {done.stdout}")
    return done.stdout


class Simulator:
    """A program that prints its port and ends with its standard input. Stopped and started, it keeps its port."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.process = None

    def command(self):
        raise NotImplementedError

    def start(self):
        errors = open(self.folder / "errors", "ab")
        self.process = subprocess.Popen(
            [str(word) for word in self.command()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
        errors.close()
        line = self.process.stdout.readline().decode()
        if not re.search(r"\d", line):
            raise AssertionError(f"{self.command()[0]} did not start: {line}{(self.folder / 'errors').read_text()}")
        return self

    def stop(self):
        """As a hypervisor that loses its power: nobody is told."""
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process = None


class VCenter(Simulator):
    """vcsim behind our front, with a certificate of its own authority."""

    user, password = "administrator@vsphere.local", "a <secret> & more"

    def __init__(self, folder):
        super().__init__(folder)
        self.program = ROOT / ".build" / "vcsim" / "vcsim"
        run_quietly(SIMULATORS / "vmware" / "build-vcsim.sh", self.program)
        self.certificate, self.key = self.folder / "cert.pem", self.folder / "key.pem"
        run_quietly(
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", self.key, "-out", self.certificate, "-days", "2", "-subj", "/CN=127.0.0.1",
            "-addext", "subjectAltName=IP:127.0.0.1")
        self.trust = ssl.create_default_context(cafile=self.certificate)

    def command(self):
        return [self.program, "-port", self.port, "-user", self.user, "-pass", self.password, "-cert",
                self.certificate, "-key", self.key, "-clusters", "1", "-hosts", "2", "-vms", "0", "-datastores", "1"]

    def options(self, node):
        """The options of a node on the cluster."""
        values = {"host_ip": "127.0.0.1", "host_port": self.port, "host_username": self.user,
                  "host_password": self.password, "cluster_name": "DC0_C0", "ca_file": self.certificate,
                  "integration_bridge": "VM Network", "api_retry_count": 1, "task_poll_interval": 0.05}
        return [f"node:{node}.vmware.{name}={value}" for name, value in values.items()]

    def control(self, path):
        """Asks something of the front: see Tests/Simulators/vmware/control.go."""
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}/control/{path}", method="POST", data=b"")
        with urllib.request.urlopen(request, context=self.trust, timeout=30) as answer:
            return answer.read().decode()

    def files(self):
        """Files of guests. What lies in the cache of images is no guest's."""
        names = [line.split("\t")[0] for line in self.control("files").splitlines()]
        return {name for name in names if "_base" not in name}

    def machines(self):
        """Every machine by the identifier that its vCenter gives it, seen by VMware's own client."""
        from pyVim.connect import Disconnect, SmartConnect
        from pyVmomi import vim

        service = SmartConnect(host="127.0.0.1", port=self.port, user=self.user, pwd=self.password,
                               sslContext=self.trust)
        try:
            content = service.RetrieveContent()
            view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
            return {machine.config.instanceUuid: Machine(machine) for machine in view.view}
        finally:
            Disconnect(service)


class Machine:
    """What a vSphere machine is: read at once, because the session ends."""

    def __init__(self, machine):
        self.name = machine.name
        self.power = str(machine.runtime.powerState)
        self.memory_mb = machine.config.hardware.memoryMB
        self.processors = machine.config.hardware.numCPU
        self.networks = sorted(
            device.backing.deviceName for device in machine.config.hardware.device
            if hasattr(device, "macAddress") and hasattr(device.backing, "deviceName"))
        self.addresses = sorted(
            device.macAddress for device in machine.config.hardware.device if hasattr(device, "macAddress"))


class XenPool(Simulator):
    """The XenAPI simulator: one pool of one host."""

    user, password = "root", "secret"

    def __init__(self, folder, *arguments):
        super().__init__(folder)
        self.arguments = arguments

    def command(self):
        python = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable
        return [python, SIMULATORS / "xenapi" / "xapi_simulator.py", "--state", self.folder / "state", "--port",
                self.port, "--user", self.user, "--password", self.password, "--watch-parent", *self.arguments]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def options(self, node):
        values = {"connection_url": self.url, "connection_username": self.user, "connection_password": self.password}
        return [f"node:{node}.xenserver.{name}={value}" for name, value in values.items()]

    def control(self, verb, **body):
        """Asks something of the simulator: see `Control` there."""
        request = urllib.request.Request(
            f"{self.url}/simulator/{verb}", method="POST", data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()

    def call(self, *calls):
        """Calls over the wire, within one session; returns the last one's answer."""
        server = xmlrpc.client.ServerProxy(self.url, allow_none=True)

        def value(answer):
            if answer["Status"] != "Success":
                raise AssertionError(f"XenAPI: {answer['ErrorDescription']}")
            return answer["Value"]

        session = value(server.session.login_with_password(self.user, self.password, "1.0", "kilonova-test"))
        try:
            for name, *arguments in calls:
                found = value(getattr(server, name)(session, *arguments))
            return found
        finally:
            server.session.logout(session)

    def machines(self):
        """The records of guests, without the control domain, by the identifier of the server."""
        records = self.call(("VM.get_all_records",)).values()
        return {record["other_config"].get("kilonova:guest", record["uuid"]): record for record in records
                if not record["is_control_domain"] and not record["is_a_template"]}

    def disks(self):
        """The disks but for cached images."""
        return {record["name_label"] for record in self.call(("VDI.get_all_records",)).values()
                if not record["name_label"].startswith("kilonova image ")}

    def networks(self):
        """Interfaces by their network's name: hardware addresses."""
        names = {reference: record["name_label"] for reference, record in
                 self.call(("network.get_all_records",)).items()}
        found = {}
        for record in self.call(("VIF.get_all_records",)).values():
            found.setdefault(names[record["network"]], set()).add(record["MAC"].lower())
        return found


class Libvirt:
    """libvirtd by Config/scripts/hypervisor.sh, asked through virsh."""

    def __init__(self, state):
        self.environment = {**os.environ, "STATE_DIR": str(state), "DRIVER": "libvirt"}
        self.is_ours = False

    def script(self, verb):
        return run_quietly(ROOT / "Config" / "scripts" / "hypervisor.sh", verb, env=self.environment)

    def start(self):
        """Starts it, unless one answers already that is not ours to stop."""
        self.is_ours = "started " in self.script("start") or self.is_ours
        return self

    def stop(self):
        self.script("stop")

    def domains(self):
        return set(self.virsh("list", "--all", "--uuid").split())

    def power(self, domain):
        return self.virsh("domstate", domain).strip()

    @staticmethod
    def virsh(*arguments):
        return output_of("virsh", "-q", "-c", "qemu:///system", *arguments)


class Looker:
    """Plain questions to the APIs, for waiting: a command of the client costs a hundred times as much."""

    def __init__(self, cloud, client):
        self.cloud = cloud
        self.token = client.token()
        self.paths = {name: urllib.parse.urlsplit(client.endpoint(name)).path for name in ("compute", "placement")}

    def ask(self, service, path):
        """The answer as JSON; nothing for what is not there."""
        version = {"compute": "2.53", "placement": "1.39"}[service]
        status, _, body = self.cloud.get(self.paths[service].rstrip("/") + path, {
            "X-Auth-Token": self.token, "OpenStack-API-Version": f"{service} {version}"})
        if status == 404:
            return None
        if status != 200:
            raise AssertionError(f"{service} {path}: {status} {body[:300]}")
        return json.loads(body)

    def server(self, server):
        found = self.ask("compute", f"/servers/{server}")
        return found and found["server"]

    def settled(self, server, wanted):
        """Waits until nothing is done with a server any more; one in another state than `wanted` says why."""
        def ended():
            shown = self.server(server)
            return shown["status"] not in ("BUILD", "REBOOT") and not shown["OS-EXT-STS:task_state"] and shown
        shown = wait_until(f"an end of what is done with {server}", ended, scaled(120), 0.1)
        if shown["status"] != wanted:
            raise AssertionError(f"{server} is {shown['status']}, not {wanted}: {shown.get('fault')}")
        return shown

    def gone(self, *servers):
        """Waits until servers are deleted."""
        for server in servers:
            wait_until(f"{server} is deleted", lambda: self.server(server) is None, scaled(60), 0.1)

    def allocations(self, server):
        return self.ask("placement", f"/allocations/{server}")["allocations"]


def lacking(*programs):
    return next((f"{program} is not installed" for program in programs if shutil.which(program) is None), None)


def missing_for_simulators():
    """What this machine lacks for the simulators, as a sentence; nothing when all is there."""
    if not Path("/usr/share/gocode/src/github.com/vmware/govmomi").is_dir():
        return "govmomi's source (golang-github-vmware-govmomi-dev) is not installed"
    try:
        import pyVmomi  # noqa: F401
    except ImportError:
        return "pyvmomi is not among the clients; run 'make clients'"
    return lacking("go", "openssl", "qemu-img")


def missing():
    """The same for guests of libvirt as well."""
    if os.geteuid() != 0:
        return "guests and networks of libvirt need root"
    if not Path("/dev/net/tun").exists():
        return "there is no /dev/net/tun"
    programs = ("virsh", "qemu-system-x86_64", "nft", "dnsmasq", "unshare", "ip")
    return lacking(*programs) or missing_for_simulators()


def gone(what, look, seconds=30):
    """Waits until `look` finds nothing."""
    wait_until(f"nothing is left: {what}", lambda: not look(), scaled(seconds), 0.2)
