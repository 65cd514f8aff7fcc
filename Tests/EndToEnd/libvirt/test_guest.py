"""A real guest under libvirt and QEMU: it boots, says who it is, is reached from the host, and leaves nothing behind.

The tests of the class are one story and run in the order of their numbers; when the guest does not boot, the rest
of the story is skipped.
"""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
import urllib.request
from pathlib import Path

from support import ROOT, CloudTest, Deployment, scaled, wait_until

USER_DATA = """#!/bin/sh
echo "hello from $(hostname)"
echo kept >/var/lib/guest/marker
"""
OUTSIDE = "172.24.81"


def missing():
    """What this machine lacks for the set, as a sentence; nothing when all is there."""
    if os.geteuid() != 0:
        return "guests and networks need root"
    for program in ("virsh", "qemu-system-x86_64", "qemu-img", "nft", "dnsmasq", "unshare", "ip"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    if not Path("/dev/net/tun").exists():
        return "there is no /dev/net/tun"
    return None


def output_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL).stdout


def virsh(*arguments):
    return output_of("virsh", "-q", "-c", "qemu:///system", *arguments)


def traces():
    """What a deployment makes outside its state directory."""
    links = {line.split(":")[1].strip().split("@")[0] for line in output_of("ip", "-o", "link").splitlines()}
    return {
        "domains": set(virsh("list", "--all", "--uuid").split()),
        "links": links,
        "namespaces": {line.split()[0] for line in output_of("ip", "netns", "list").splitlines()},
        "tables": set(output_of("nft", "list", "tables").splitlines()),
        "routes": set(output_of("ip", "-4", "route").splitlines()),
    }


@unittest.skipIf(missing(), missing() or "")
class Guest(CloudTest):
    driver = "libvirt"
    ready = False

    @classmethod
    def setUpClass(cls):
        state = Path(tempfile.mkdtemp(prefix="kilonova-libvirt-"))
        cls.addClassCleanup(lambda: os.environ.get("KEEP") or shutil.rmtree(state, ignore_errors=True))
        (state / ".kilonova-state").touch()
        state.chmod(0o711)
        cls.scripts_environment = {**os.environ, "STATE_DIR": str(state), "DRIVER": "libvirt"}
        cls.image = cls.make_image()
        cls.addClassCleanup(cls.script, "hypervisor.sh", "stop")
        cls.script("hypervisor.sh", "start")
        cls.before = traces()
        cls.cloud = Deployment("libvirt", state=state)
        cls.addClassCleanup(cls.clean)
        cls.cloud.start(seconds=scaled(60))
        cls.admin = cls.cloud.client()
        cls.openstack = cls.admin
        cls.make_resources()

    @classmethod
    def script(cls, name, *arguments):
        done = subprocess.run([ROOT / "Config/scripts" / name, *arguments], env=cls.scripts_environment, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            raise AssertionError(f"{name}: {done.stdout}")
        return done.stdout

    @classmethod
    def make_image(cls):
        given = os.environ.get("KILONOVA_TEST_GUEST_IMAGE")
        if given:
            return Path(given)
        folder = ROOT / ".build" / "guest-image"
        subprocess.run([ROOT / "Config/guest-image/build.sh", folder], check=True, stdout=subprocess.DEVNULL)
        return folder / "tiny-linux.qcow2"

    @classmethod
    def clean(cls):
        """Ends what a failed story left, so that the machine is as it was."""
        cls.cloud.stop()
        for uuid in set(virsh("list", "--all", "--uuid").split()) - cls.before["domains"]:
            virsh("destroy", uuid)
            virsh("undefine", uuid)
        cls.clean_networks()

    @classmethod
    def clean_networks(cls):
        subprocess.run([os.environ["KILONOVAD"], "manage", "network", "clean", "--state-dir", str(cls.cloud.state)],
                       stdin=subprocess.DEVNULL, check=False)

    @classmethod
    def make_resources(cls):
        run, state = cls.admin.run, cls.cloud.state
        run("flavor", "create", "--vcpus", "1", "--ram", "192", "--disk", "1", "nano")
        run("image", "create", "--file", cls.image, "--disk-format", "qcow2", "--container-format", "bare", "--public",
            "tiny-linux")
        run("network", "create", "inside")
        run("subnet", "create", "--network", "inside", "--subnet-range", "10.81.0.0/24", "inside")
        run("network", "create", "--external", "outside")
        run("subnet", "create", "--network", "outside", "--subnet-range", f"{OUTSIDE}.0/24",
            "--no-dhcp", "--allocation-pool", f"start={OUTSIDE}.10,end={OUTSIDE}.99", "outside")
        run("router", "create", "way-out")
        run("router", "set", "--external-gateway", "outside", "way-out")
        run("router", "add", "subnet", "way-out", "inside")
        run("security", "group", "create", "open")
        run("security", "group", "rule", "create", "--protocol", "icmp", "open")
        for port in (22, 80):
            run("security", "group", "rule", "create", "--protocol", "tcp", "--dst-port", port, "open")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", state / "key"], check=True)
        run("keypair", "create", "--public-key", state / "key.pub", "key")
        (state / "user-data").write_text(USER_DATA)

    def setUp(self):
        if not self.ready and "_01_" not in self.id():
            self.skipTest("the guest did not boot")

    def console(self):
        return self.admin.run("console", "log", "show", "tale")

    def fact(self, name):
        """What the guest last said after GUEST-name on its console."""
        found = re.findall(rf"GUEST-{name} (.*)", self.console())
        self.assertTrue(found, f"the guest never said GUEST-{name}")
        return found[-1].strip()

    def wait_for_boots(self, number):
        def booted():
            last = self.console().rpartition(f"GUEST-STATE boots={number} ")
            return last[1] and "GUEST-READY" in last[2]
        wait_until(f"the guest's boot number {number}", booted, scaled(240), 1, self.clues)

    def clues(self):
        """What the guest, libvirt and the daemon say of a guest that does not do as expected."""
        guest = self.server["id"]
        state = virsh("domstate", "--reason", guest).strip()
        console = "\n".join(self.console().splitlines()[-25:])
        log = [line for line in (self.cloud.state / "log" / "kilonovad.log").read_text().splitlines() if guest in line]
        said = "\n".join(log[-25:])
        return f"libvirt: {state}\n--- the end of the console\n{console}\n--- the daemon on the guest\n{said}"

    def floating(self):
        return self.admin.json("floating", "ip", "list")[0]["Floating IP Address"]

    def page(self):
        try:
            with urllib.request.urlopen(f"http://{self.floating()}/", timeout=5) as answer:
                return answer.read().decode().strip()
        except OSError:
            return None

    def ssh(self, command):
        return output_of(
            "ssh", "-i", str(self.cloud.state / "key"), "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no",
            "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=20", f"root@{self.floating()}", command).strip()

    def test_01_the_guest_boots(self):
        server = self.admin.json(
            "server", "create", "--flavor", "nano", "--image", "tiny-linux", "--network", "inside", "--key-name", "key",
            "--security-group", "open", "--user-data", self.cloud.state / "user-data", "--wait", "tale")
        self.assertEqual(server["status"], "ACTIVE")
        type(self).server = server
        wait_until("GUEST-READY on the console", lambda: "GUEST-READY" in self.console(), scaled(240), 1, self.clues)
        type(self).ready = True

    def test_02_the_console_shows_kernel_lease_metadata_and_login(self):
        text = wait_until("a login prompt", lambda: "login:" in self.console() and self.console(), scaled(30), 1)
        self.assertIn("Linux version", text)
        self.assertIn(self.server["addresses"]["inside"][0], self.fact("DHCP"))
        self.assertTrue(self.fact("METADATA").startswith("ok"))
        self.assertEqual(self.fact("METADATA-UUID"), self.server["id"])
        self.assertTrue(self.fact("METADATA-HOSTNAME").startswith("tale"))
        self.assertRegex(self.fact("METADATA-INSTANCE-ID"), "^i-[0-9a-f]{8}$")
        self.assertIn(f"local-ipv4={self.server['addresses']['inside'][0]}", self.fact("METADATA-EC2"))
        self.assertIn(f"uuid={self.server['id']}", self.fact("SMBIOS"))
        key = (self.cloud.state / "key.pub").read_text().split()[1]
        self.assertIn(key, self.fact("METADATA-KEY"))

    def test_03_the_user_data_has_run(self):
        self.assertTrue(self.fact("USERDATA-OUT").startswith("hello from tale"))
        self.assertEqual(self.fact("USERDATA-DONE"), "status=0")

    def test_04_the_disk_has_the_flavors_size(self):
        sizes = re.findall(r"GUEST-DISK vda sectors=(\d+)", self.console())
        self.assertEqual(int(sizes[-1]) * 512, 1 << 30)

    def test_05_the_host_reaches_the_guest_at_its_floating_address(self):
        address = self.admin.json("floating", "ip", "create", "outside")["floating_ip_address"]
        self.admin.run("server", "add", "floating", "ip", "tale", address)
        page = wait_until("the guest's page", self.page, scaled(30))
        self.assertIn(self.server["id"], page)
        self.assertTrue(self.ssh("hostname").startswith("tale"))

    def test_06_a_guest_without_a_rule_for_it_is_not_reached(self):
        rules = self.admin.json("security", "group", "rule", "list", "open")
        web = next(row["ID"] for row in rules if row["Port Range"] == "80:80")
        self.admin.run("security", "group", "rule", "delete", web)
        wait_until("the page is closed off", lambda: self.page() is None, scaled(30))
        self.admin.run("security", "group", "rule", "create", "--protocol", "tcp", "--dst-port", 80, "open")
        wait_until("the page is open again", self.page, scaled(30))

    def test_07_a_soft_reboot_goes_through_the_guest(self):
        self.admin.run("server", "reboot", "tale")
        self.wait_for_boots(2)
        self.status_of("tale", "ACTIVE", scaled(60))
        self.assertIn("GUEST-SHUTDOWN", self.console())

    def test_08_stop_and_start_keep_the_disk(self):
        self.admin.run("server", "stop", "tale")
        self.status_of("tale", "SHUTOFF", scaled(90))
        self.admin.run("server", "start", "tale")
        self.wait_for_boots(3)
        self.assertIn("marker=kept", self.fact("STATE"))

    def test_09_the_guest_outlives_the_daemon(self):
        uptime = float(self.ssh("cut -d' ' -f1 /proc/uptime") or 0)
        self.cloud.kill()
        self.cloud.start(seconds=scaled(60))
        self.assertEqual(self.admin.value("status", "server", "show", "tale"), "ACTIVE")
        self.assertGreater(float(self.ssh("cut -d' ' -f1 /proc/uptime") or 0), uptime)

    def test_10_a_config_drive_is_read(self):
        self.admin.run("server", "create", "--flavor", "nano", "--image", "tiny-linux", "--nic", "none",
                       "--config-drive", "True", "--key-name", "key", "--wait", "offline", version="2.37")
        server = self.admin.value("id", "server", "show", "offline")
        text = wait_until("the second guest is up", lambda: "GUEST-READY" in (
            shown := self.admin.run("console", "log", "show", "offline")) and shown, scaled(240), 1)
        self.assertIn(f"GUEST-CONFIGDRIVE-META uuid={server} hostname=offline", text)
        self.admin.run("server", "delete", "--wait", "offline")

    def test_11_nothing_is_left_of_a_deleted_server(self):
        self.admin.run("server", "delete", "--wait", "tale")
        self.assertNotIn(self.server["id"], virsh("list", "--all", "--uuid"))
        # The driver keeps the number of the last operation for a day, so that a late message cannot act.
        left = [path for path in self.cloud.state.rglob("*")
                if self.server["id"] in path.name and path.parent.name != "_removed"]
        self.assertEqual(left, [])
        self.assertEqual(self.cloud.stop(), 0)
        self.clean_networks()
        after = traces()
        for kind, things in self.before.items():
            self.assertEqual(after[kind] - things, set(), kind)
