"""One process, four compute nodes, four hypervisors: libvirt (real), the fake one, vSphere and XenAPI (simulated).

Servers find their node by what their image and flavor say, and each hypervisor's own client tells what is really there.
"""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from hypervisors import Libvirt, Looker, VCenter, XenPool, gone, missing, output_of, run_quietly
from support import ROOT, CloudTest, CommandFailed, Deployment, scaled, wait_until

TYPES = {"kvm": "QEMU", "lab": "fake", "vsphere": "VMware vCenter Server", "xen": "XenServer"}
DRIVERS = {
    "kvm": "libvirt.LibvirtDriver", "lab": "fake.FakeDriver", "vsphere": "vmwareapi.VMwareVCDriver",
    "xen": "xenapi.XenAPIDriver",
}


class World:
    """The hypervisors and the process; made once for all classes of this module."""

    def __init__(self):
        self.state = Path(tempfile.mkdtemp(prefix="kilonova-drivers-"))
        (self.state / ".kilonova-state").touch()
        self.state.chmod(0o711)
        self.libvirt = Libvirt(self.state)
        self.vcenter = VCenter(self.state / "vcenter")
        self.pool = XenPool(self.state / "pool")
        options = [
            "kilonova.nodes=kvm, lab, vsphere, xen", "DEFAULT.report_interval=1", "node:lab.fake.vcpus=8",
            *self.vcenter.options("vsphere"), *self.pool.options("xen"),
            *(f"node:{node}.compute_driver={driver}" for node, driver in DRIVERS.items()),
        ]
        self.cloud = Deployment("libvirt", options, state=self.state)

    def start(self):
        self.libvirt.start()
        self.domains = self.libvirt.domains()
        self.vcenter.start()
        self.pool.start()
        self.cloud.start(seconds=scaled(60))
        self.admin = self.cloud.client()
        self.look = Looker(self.cloud, self.admin)
        self.make_images()
        self.make_resources()
        return self

    def make_images(self):
        given = os.environ.get("KILONOVA_TEST_GUEST_IMAGE")
        tiny = Path(given) if given else ROOT / ".build" / "guest-image" / "tiny-linux.qcow2"
        if not tiny.exists():
            run_quietly(ROOT / "Config/guest-image/build.sh", tiny.parent)
        raw, vmdk, vhd = (self.state / f"small.{kind}" for kind in ("raw", "vmdk", "vhd"))
        raw.write_bytes(os.urandom(4 << 20))
        run_quietly("qemu-img", "convert", "-O", "vmdk", "-o", "subformat=streamOptimized", raw, vmdk)
        run_quietly("qemu-img", "convert", "-O", "vpc", "-o", "subformat=dynamic,force_size=on", raw, vhd)
        self.image("tiny-linux", tiny, "qcow2", img_hv_type="qemu", hw_architecture="x86_64", hw_vm_mode="hvm")
        self.image("lab", raw, "raw", img_hv_type="fake", hw_architecture="aarch64")
        self.image("vsphere", vmdk, "vmdk", img_hv_type="vmware", hw_vm_mode="hvm", vmware_disktype="streamOptimized")
        self.image("xen", vhd, "vhd", img_hv_type="xapi", vm_mode="hvm")
        self.image("xen-raw", raw, "raw", hypervisor_type="xen", architecture="amd64")
        self.image("anywhere", raw, "raw")
        self.image("disk.vmdk", vmdk, "vmdk")
        self.image("disk.vhd", vhd, "vhd")

    def image(self, name, path, kind, **properties):
        words = [word for item in properties.items() for word in ("--property", "=".join(item))]
        self.admin.run("image", "create", "--file", path, "--disk-format", kind, "--container-format", "bare",
                       "--public", *words, name)

    def make_resources(self):
        run = self.admin.run
        run("flavor", "create", "--vcpus", "1", "--ram", "192", "--disk", "1", "nano")
        run("network", "create", "net")
        run("subnet", "create", "--network", "net", "--subnet-range", "10.83.0.0/24", "net")
        network = self.admin.value("id", "network", "show", "net")
        # Of vSphere's networks the integration bridge is taken; a pool's network is found by its name.
        self.pool.call(("network.create", {"name_label": network, "name_description": "", "MTU": "1500",
                                           "other_config": {}}))
        self.network = network

    def remove(self):
        self.cloud.stop()
        # A test that failed may have left it stopped, and guests do not end with it.
        self.libvirt.start()
        for domain in self.libvirt.domains() - self.domains:
            self.libvirt.virsh("destroy", domain)
            self.libvirt.virsh("undefine", domain)
        subprocess.run([os.environ["KILONOVAD"], "manage", "network", "clean", "--state-dir", str(self.state)],
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        self.vcenter.stop()
        self.pool.stop()
        self.libvirt.stop()
        if os.environ.get("KEEP"):
            print(f"kept {self.state}")
        else:
            shutil.rmtree(self.state, ignore_errors=True)


world = None


def setUpModule():
    global world
    if missing():
        raise unittest.SkipTest(missing())
    made = World()
    unittest.addModuleCleanup(made.remove)
    world = made.start()


class FourNodes(CloudTest):
    @classmethod
    def setUpClass(cls):
        cls.cloud, cls.admin, cls.openstack = world.cloud, world.admin, world.admin

    def tearDown(self):
        """A test that failed leaves no servers to the next one."""
        self.delete(*(row["ID"] for row in self.admin.json("server", "list")))

    def server(self, name, image, flavor="nano", *arguments, wait=True):
        """A new server; the command itself would look only every five seconds whether it is there."""
        made = self.make_server(name, "--image", image, "--flavor", flavor, *arguments, wait=False)
        if wait:
            world.look.settled(made["id"], "ACTIVE")
        return made

    def delete(self, *servers):
        if servers:
            rows = self.admin.json("server", "list")
            self.admin.run("server", "delete", *servers)
            world.look.gone(*(row["ID"] for row in rows if {row["ID"], row["Name"]} & set(servers)))

    def host_of(self, server):
        return self.admin.json("server", "show", server)["OS-EXT-SRV-ATTR:host"]

    def fault_of(self, server):
        """The fault of a server that must end in error: message, and details for administrators."""
        shown = self.admin.json("server", "show", server)
        world.look.settled(shown["id"], "ERROR")
        return self.admin.json("server", "show", server)["fault"]

    def flavor(self, name, **specs):
        words = [word for key, value in specs.items() for word in ("--property", f"trait:{key}={value}")]
        self.admin.run("flavor", "create", "--vcpus", "1", "--ram", "192", "--disk", "1", *words, name)
        self.addCleanup(self.admin.run, "flavor", "delete", name)


class Description(FourNodes):
    """What the four say of themselves."""

    def test_four_hypervisors_are_listed_with_their_types(self):
        rows = self.admin.json("hypervisor", "list", "--long")
        self.assertEqual(len(rows), 4, rows)
        self.assertEqual({row["Hypervisor Type"] for row in rows}, set(TYPES.values()))
        self.assertEqual({row["State"] for row in rows}, {"up"})

    def test_each_is_shown_with_host_version_and_sizes(self):
        shown = {}
        for row in self.admin.json("hypervisor", "list"):
            hypervisor = self.admin.json("hypervisor", "show", row["ID"], version="2.53")
            shown[hypervisor["service_host"]] = hypervisor
        self.assertEqual({host: item["hypervisor_type"] for host, item in shown.items()}, TYPES)
        for host, item in shown.items():
            self.assertGreater(item["vcpus"], 0, host)
            self.assertGreater(item["memory_mb"], 0, host)
            self.assertEqual((item["state"], item["status"]), ("up", "enabled"))
        self.assertEqual(shown["xen"]["hypervisor_version"], 8_003_000)
        self.assertEqual(shown["xen"]["hypervisor_hostname"], "pool-1")
        self.assertRegex(shown["vsphere"]["hypervisor_hostname"], r"^[a-z0-9-]+\.[0-9a-f-]{36}$")

    def test_capabilities_become_traits_by_one_table(self):
        """What `driver check` says of a node that is configured so is what placement knows of its provider."""
        expected = {
            "kvm": {"COMPUTE_IMAGE_TYPE_QCOW2", "COMPUTE_VOLUME_MULTI_ATTACH", "COMPUTE_STORAGE_BUS_VIRTIO"},
            "lab": {"COMPUTE_IMAGE_TYPE_RAW", "COMPUTE_VOLUME_MULTI_ATTACH", "COMPUTE_RESCUE_BFV"},
            "vsphere": {"COMPUTE_IMAGE_TYPE_VMDK", "COMPUTE_IMAGE_TYPE_ISO", "COMPUTE_SECURITY_UEFI_SECURE_BOOT",
                        "COMPUTE_VOLUME_EXTEND", "COMPUTE_NET_VIF_MODEL_VMXNET3"},
            "xen": {"COMPUTE_IMAGE_TYPE_VHD", "COMPUTE_DEVICE_TAGGING", "COMPUTE_TRUSTED_CERTS", "COMPUTE_RESCUE_BFV",
                    "COMPUTE_NET_ATTACH_INTERFACE_WITH_TAG", "HW_CPU_X86_AVX2"},
        }
        absent = {
            "kvm": set(), "lab": {"COMPUTE_NET_VIF_MODEL_VMXNET3"},
            "vsphere": {"COMPUTE_IMAGE_TYPE_QCOW2", "COMPUTE_DEVICE_TAGGING", "COMPUTE_VOLUME_MULTI_ATTACH"},
            "xen": {"COMPUTE_IMAGE_TYPE_VMDK", "COMPUTE_VOLUME_EXTEND", "COMPUTE_SECURITY_UEFI_SECURE_BOOT"},
        }
        always = {"COMPUTE_NODE", "COMPUTE_NET_ATTACH_INTERFACE", "HW_ARCH_X86_64", "COMPUTE_ARCH_X86_64"}
        for node in TYPES:
            with self.subTest(node=node):
                traits = self.traits(node)
                self.assertLessEqual(expected[node] | always, traits)
                self.assertEqual(absent[node] & traits, set())
                told = self.traits_by_check(node)
                self.assertGreater(len(told), 3)
                self.assertLessEqual(told, traits)
                # And nothing else, but for what every node has, its guests' architectures and operators' own.
                extra = traits - told - always - {"OWNER_NOVA"}
                self.assertEqual(
                    {name for name in extra if not name.startswith(("COMPUTE_ARCH_", "CUSTOM_"))}, set())

    def provider(self, node):
        rows = self.admin.json("hypervisor", "list")
        for row in rows:
            if self.admin.json("hypervisor", "show", row["ID"], version="2.53")["service_host"] == node:
                return row["ID"]
        raise AssertionError(f"no hypervisor of {node}: {rows}")

    def traits(self, node):
        names = self.admin.run("--os-placement-api-version", "1.39", "resource", "provider", "trait", "list",
                               self.provider(node), "-f", "value", "-c", "name")
        return set(names.split())

    def traits_by_check(self, node):
        settings = [word for option in world.cloud.options for word in ("--set", option)]
        done = subprocess.run(
            [os.environ["KILONOVAD"], "driver", "check", DRIVERS[node], "--node", node, *settings], text=True,
            capture_output=True, stdin=subprocess.DEVNULL, check=False, timeout=scaled(60))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        told = re.search(r"their traits\n((?:    .*\n)*)", done.stdout).group(1)
        found = re.search(r"    traits: ((?:.*\n)(?:    [A-Z_0-9, ]+\n)*)", done.stdout)
        return set(re.findall(r"[A-Z][A-Z0-9_]+", told + (found.group(1) if found else "")))


class Choice(FourNodes):
    """How servers find their node."""

    def test_the_image_names_the_hypervisor(self):
        for image, node in (("lab", "lab"), ("vsphere", "vsphere"), ("xen", "xen"), ("xen-raw", "xen")):
            with self.subTest(image=image):
                self.server("chosen", image)
                self.assertEqual(self.host_of("chosen"), node)
                self.delete("chosen")

    def test_the_format_of_an_image_decides_where_nothing_else_does(self):
        """Of the four only two take VHD and three VMDK; the flavor leaves one of them."""
        self.flavor("no-lab-no-kvm", COMPUTE_VOLUME_MULTI_ATTACH="forbidden")
        for image, node in (("disk.vmdk", "vsphere"), ("disk.vhd", "xen")):
            with self.subTest(image=image):
                self.server("formatted", image, "no-lab-no-kvm")
                self.assertEqual(self.host_of("formatted"), node)
                self.delete("formatted")

    def test_traits_of_flavors_choose_among_the_four(self):
        self.flavor("secure", COMPUTE_SECURITY_UEFI_SECURE_BOOT="required", COMPUTE_DEVICE_TAGGING="forbidden")
        self.flavor("tagged", COMPUTE_DEVICE_TAGGING="required", COMPUTE_VOLUME_MULTI_ATTACH="forbidden")
        self.flavor("virtio", COMPUTE_STORAGE_BUS_VIRTIO="required")
        for flavor, node in (("secure", "vsphere"), ("tagged", "xen"), ("virtio", "kvm")):
            with self.subTest(flavor=flavor):
                self.server("traited", "anywhere", flavor)
                self.assertEqual(self.host_of("traited"), node)
                self.delete("traited")

    def test_a_trait_of_the_operators_own_chooses_too(self):
        place = ("--os-placement-api-version", "1.39")
        lab = next(row["ID"] for row in self.admin.json("hypervisor", "list")
                   if self.admin.json("hypervisor", "show", row["ID"], version="2.53")["service_host"] == "lab")
        before = self.admin.run(*place, "resource", "provider", "trait", "list", lab, "-f", "value", "-c", "name")
        self.admin.run(*place, "trait", "create", "CUSTOM_BENCH")
        words = [word for name in [*before.split(), "CUSTOM_BENCH"] for word in ("--trait", name)]
        self.admin.run(*place, "resource", "provider", "trait", "set", *words, lab)
        self.flavor("bench", CUSTOM_BENCH="required")
        self.server("own", "anywhere", "bench")
        self.assertEqual(self.host_of("own"), "lab")
        self.delete("own")
        self.flavor("no-bench", CUSTOM_BENCH="forbidden", COMPUTE_STORAGE_BUS_VIRTIO="forbidden",
                    COMPUTE_SECURITY_UEFI_SECURE_BOOT="forbidden")
        self.server("other", "anywhere", "no-bench")
        self.assertEqual(self.host_of("other"), "xen")

    def test_what_fits_nowhere_is_refused_with_the_reason_of_each_node(self):
        self.admin.run("image", "set", "--property", "img_hv_type=hyperv", "anywhere")
        self.addCleanup(self.admin.run, "image", "unset", "--property", "img_hv_type", "anywhere")
        self.server("nowhere", "anywhere", wait=False)
        fault = self.fault_of("nowhere")
        self.assertIn("No valid host was found", fault["message"])
        for node, kind in (("kvm", "qemu"), ("lab", "fake"), ("vsphere", "vmware"), ("xen", "xen")):
            self.assertRegex(fault["details"], rf"{node}: the image asks for any/hyperv/any; it runs [^;]*{kind}")

    def test_traits_and_sizes_that_nobody_has_are_named(self):
        self.flavor("dream", COMPUTE_VOLUME_MULTI_ATTACH="forbidden", COMPUTE_STORAGE_BUS_LXC="required")
        self.server("dreamt", "anywhere", "dream", wait=False)
        details = self.fault_of("dreamt")["details"]
        self.assertIn("xen: it lacks the trait COMPUTE_STORAGE_BUS_LXC, which the flavor requires", details)
        self.assertRegex(details, "kvm: it lacks the trait COMPUTE_STORAGE_BUS_LXC, which the flavor requires and it "
                                  "has the trait COMPUTE_VOLUME_MULTI_ATTACH, which the flavor forbids")
        self.admin.run("flavor", "create", "--vcpus", "1", "--ram", "192", "--disk", "900000", "huge")
        self.addCleanup(self.admin.run, "flavor", "delete", "huge")
        self.server("hugest", "anywhere", "huge", wait=False)
        details = self.fault_of("hugest")["details"]
        for node in TYPES:
            self.assertIn(f"{node}: it has no 900000 DISK_GB free", details)
        self.assertIn("no valid host", (world.state / "log" / "kilonovad.log").read_text())


class Life(FourNodes):
    """A server on each hypervisor from its creation to its deletion, with the hypervisor's own client beside."""

    def live(self, image, node, power, running, stopped, there):
        """Creates, stops, starts and deletes; `power` and `there` look into the hypervisor."""
        server = self.server("tale", image)
        self.assertEqual(self.host_of("tale"), node)
        guest = server["id"]
        self.assertEqual(power(guest), running)
        row = next(row for row in self.admin.json("server", "list", "--long") if row["ID"] == guest)
        self.assertEqual((row["Status"], row["Power State"]), ("ACTIVE", 1))
        self.admin.run("server", "stop", "tale")
        world.look.settled(guest, "SHUTOFF")
        self.assertEqual(power(guest), stopped)
        self.admin.run("server", "start", "tale")
        world.look.settled(guest, "ACTIVE")
        self.assertEqual(power(guest), running)
        ports = self.admin.json("port", "list", "--server", guest, "--long")
        self.assertEqual(len(ports), 1)
        return guest, ports[0]["MAC Address"]

    def finish(self, guest, there):
        self.assertTrue(there(), "the hypervisor's client does not see what is there")
        self.delete("tale")
        gone(f"{guest} at its hypervisor", there)
        self.assertEqual(self.admin.json("port", "list", "--device-id", guest), [])

    def test_kvm(self):
        libvirt = world.libvirt
        guest, mac = self.live("tiny-linux", "kvm", libvirt.power, "running", "shut off", libvirt.domains)
        self.assertIn(mac, libvirt.virsh("dumpxml", guest))
        text = wait_until("the guest speaks", lambda: (
            shown := self.admin.run("console", "log", "show", "tale")) and "Linux version" in shown and shown,
            scaled(240), 1)
        self.assertIn("Linux version", text)
        self.assertIn("tap", output_of("ip", "-o", "link"))
        self.finish(guest, lambda: guest in libvirt.domains() or self.taps())
        left = [path for path in (world.state / "nodes" / "kvm").rglob("*")
                if guest in path.name and path.parent.name != "_removed"]
        self.assertEqual(left, [])

    @staticmethod
    def taps():
        return [line for line in output_of("ip", "-o", "link").splitlines() if re.match(r"\d+: tap", line)]

    def test_fake(self):
        def power(guest):
            return self.admin.json("server", "show", guest)["OS-EXT-STS:power_state"]
        guest, _ = self.live("lab", "lab", power, 1, 4, None)
        self.assertIn("tale", self.admin.run("console", "log", "show", "tale"))
        self.delete("tale")

    def test_vsphere(self):
        vcenter = world.vcenter
        guest, mac = self.live("vsphere", "vsphere", lambda guest: vcenter.machines()[guest].power, "poweredOn",
                               "poweredOff", vcenter.machines)
        machine = vcenter.machines()[guest]
        self.assertEqual((machine.memory_mb, machine.processors), (192, 1))
        self.assertEqual((machine.networks, machine.addresses), (["VM Network"], [mac]))
        self.assertTrue(machine.name.startswith("tale ("), machine.name)
        self.no_console_log()
        self.finish(guest, lambda: vcenter.machines() or vcenter.files())

    def test_xen(self):
        pool = world.pool
        guest, mac = self.live("xen", "xen", lambda guest: pool.machines()[guest]["power_state"], "Running", "Halted",
                               pool.machines)
        self.assertEqual(pool.networks(), {world.network: {mac}})
        self.assertEqual(pool.machines()[guest]["memory_static_max"], str(192 << 20))
        self.no_console_log()
        self.finish(guest, lambda: pool.machines() or pool.disks() or pool.networks())

    def no_console_log(self):
        """vSphere and XenAPI give no console log over their interfaces: the API says so."""
        with self.assertRaises(CommandFailed) as caught:
            self.admin.run("console", "log", "show", "tale")
        self.assertIn("501", caught.exception.errors)

    def test_all_four_at_once(self):
        images = {"kvm": "tiny-linux", "lab": "lab", "vsphere": "vsphere", "xen": "xen"}
        for node, image in images.items():
            self.server(f"at-{node}", image, wait=False)
        for row in self.admin.json("server", "list"):
            world.look.settled(row["ID"], "ACTIVE")
        self.assertEqual({node: self.host_of(f"at-{node}") for node in images}, {node: node for node in images})
        used = {}
        for row in self.admin.json("hypervisor", "list"):
            shown = self.admin.json("hypervisor", "show", row["ID"], version="2.53")
            used[shown["service_host"]] = (shown["running_vms"], shown["vcpus_used"])
        self.assertEqual(used, {node: (1, 1) for node in images})
        self.assertEqual(len(world.libvirt.domains() - world.domains), 1)
        self.assertEqual((len(world.vcenter.machines()), len(world.pool.machines())), (1, 1))
        self.delete(*(f"at-{node}" for node in images))
        gone("all four", lambda: world.libvirt.domains() - world.domains or world.vcenter.machines()
             or world.vcenter.files() or world.pool.machines() or world.pool.disks())


class Health(FourNodes):
    """Hypervisors that go away and come back, as the API shows them."""

    def row(self, node):
        rows = self.admin.json("compute", "service", "list", "--service", "nova-compute", "--long")
        return next(row for row in rows if row["Host"] == node)

    def hypervisor(self, node):
        rows = self.admin.json("hypervisor", "list", "--long")
        return next(row for row in rows if row["Hypervisor Type"] == TYPES[node])

    def goes_down(self, node, *words):
        wait_until(f"{node} is shown as down", lambda: self.hypervisor(node)["State"] == "down", scaled(30), 1)
        reason = wait_until("the reason is told", lambda: self.row(node)["Disabled Reason"], scaled(10))
        for word in words:
            self.assertIn(word, reason)
        self.assertEqual(self.row(node)["State"], "down")
        # The command shows of a hypervisor's service only the host; the answer that it reads holds the reason too.
        told = {found.service_details["host"]: found.service_details["disabled_reason"]
                for found in self.admin.sdk().compute.hypervisors(details=True)}
        # What is tried again says when, which changes.
        self.assertEqual(told[node].partition("; trying")[0], reason.partition("; trying")[0])
        return reason

    def comes_back(self, node):
        wait_until(f"{node} is shown as up", lambda: self.hypervisor(node)["State"] == "up", scaled(60), 1)
        self.assertFalse(self.row(node)["Disabled Reason"])

    def others_work(self, *nodes):
        for node in nodes:
            self.assertEqual(self.row(node)["State"], "up")
            name = f"beside-{node}"
            self.server(name, {"lab": "lab", "vsphere": "vsphere", "xen": "xen"}[node])
            self.delete(name)

    def test_a_vcenter_that_is_cut_off(self):
        guest = self.server("kept", "vsphere")["id"]
        self.addCleanup(world.vcenter.control, "up")
        world.vcenter.control("down")
        reason = self.goes_down("vsphere", "AUTO:", "vCenter", f"127.0.0.1:{world.vcenter.port}")
        self.others_work("lab", "xen")
        # A server that only this hypervisor could take is refused, and the hypervisor's trouble is the reason.
        self.server("late", "vsphere", wait=False)
        self.assertIn(reason.removeprefix("AUTO: ").partition("; trying")[0], self.fault_of("late")["details"])
        world.vcenter.control("up")
        self.comes_back("vsphere")
        self.assertEqual(self.admin.value("status", "server", "show", "kept"), "ACTIVE")
        self.admin.run("server", "stop", "kept")
        world.look.settled(guest, "SHUTOFF")
        self.assertEqual(world.vcenter.machines()[guest].power, "poweredOff")

    def test_a_vcenter_that_ends_and_is_started_again(self):
        world.vcenter.stop()
        self.addCleanup(lambda: world.vcenter.process or world.vcenter.start())
        self.goes_down("vsphere", "AUTO:", "127.0.0.1")
        self.others_work("lab")
        world.vcenter.start()
        self.comes_back("vsphere")
        self.server("anew", "vsphere")
        self.assertEqual(self.host_of("anew"), "vsphere")

    def test_a_pool_that_ends_and_is_started_again(self):
        guest = self.server("kept", "xen")["id"]
        world.pool.stop()
        self.addCleanup(lambda: world.pool.process or world.pool.start())
        self.goes_down("xen", "AUTO:", "XenAPI", "127.0.0.1")
        self.others_work("vsphere")
        world.pool.start()
        self.comes_back("xen")
        self.assertEqual(self.admin.value("status", "server", "show", "kept"), "ACTIVE")
        self.admin.run("server", "stop", "kept")
        world.look.settled(guest, "SHUTOFF")
        self.assertEqual(world.pool.machines()[guest]["power_state"], "Halted")

    def test_a_libvirtd_that_ends_and_is_started_again(self):
        if not world.libvirt.is_ours:
            self.skipTest("libvirt's daemon was there before and is not ours to stop")
        guest = self.server("kept", "tiny-linux")["id"]
        self.addCleanup(world.libvirt.start)
        world.libvirt.stop()
        self.goes_down("kvm", "AUTO:", "libvirt")
        self.others_work("lab")
        world.libvirt.start()
        self.comes_back("kvm")
        self.assertEqual(self.admin.value("status", "server", "show", "kept"), "ACTIVE")
        self.assertEqual(world.libvirt.power(guest), "running")
