"""A machine that is not as it should be: read-only places, full disks, absent hypervisors, drivers and files. Each is
said in one sentence that names the remedy, and nothing is left half done."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from support import ROOT, scaled, wait_until

# Mounts that only this process sees.
PRIVATE = ["unshare", "--mount", "--propagation", "private"]


def can_mount():
    return os.geteuid() == 0 and subprocess.run([*PRIVATE, "true"], check=False).returncode == 0


class Environment(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="kilonova-environment-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def refused(self, code, *fragments, mount=None, driver="fake", settings=(), arguments=()):
        """`kilonovad up` must end with the code and one sentence that holds all fragments."""
        command = [os.environ["KILONOVAD"], "up", "--state-dir", str(self.folder / "state"), *arguments]
        for setting in (f"DEFAULT.compute_driver={driver}", "kilonova.port=0", "network_agent.enabled=false",
                        *settings):
            command += ["--set", setting]
        if mount:
            script = f'mount -t tmpfs -o {mount} none "$0" && exec "$@"'
            command = [*PRIVATE, "sh", "-c", script, str(self.folder), *command]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=scaled(60), stdin=subprocess.DEVNULL,
                               check=False)
        self.assertEqual(ended.returncode, code, ended.stderr)
        sentence = [line for line in ended.stderr.splitlines() if line.startswith("kilonovad: ")]
        self.assertEqual(len(sentence), 1, ended.stderr)
        for fragment in fragments:
            self.assertIn(fragment, sentence[0])

    @unittest.skipUnless(can_mount(), "mounting needs root")
    def test_a_read_only_state_directory(self):
        self.refused(69, "state", "Read-only file system", "--state-dir", mount="ro")

    @unittest.skipUnless(can_mount(), "mounting needs root")
    def test_a_disk_that_is_full_at_the_start(self):
        self.refused(69, "no space is left", "kilonova.sqlite", "free space", mount="size=200k")

    def test_a_state_directory_that_is_a_file(self):
        (self.folder / "state").write_text("")
        self.refused(69, str(self.folder / "state"), "--state-dir")

    def test_an_absent_hypervisor(self):
        self.refused(69, "libvirt", str(self.folder / "socket"), "[libvirt] connection_uri", driver="libvirt",
                     settings=[f"libvirt.connection_uri=qemu+unix:///system?socket={self.folder}/socket"])

    def test_absent_plugins(self):
        self.refused(78, "compute_driver = fake", "there is no such driver", "driver_plugin_dir",
                     settings=[f"DEFAULT.driver_plugin_dir={self.folder}"])

    def test_a_configuration_that_cannot_be_read(self):
        self.refused(78, f"{self.folder}/absent.conf", "No such file or directory",
                     arguments=["--config", str(self.folder / "absent.conf")])
        self.refused(78, "it is a directory", arguments=["--config", str(self.folder)])

    @unittest.skipUnless(can_mount(), "mounting needs root")
    def test_a_disk_that_becomes_full(self):
        """In a process of its own, because the file system is mounted for that one alone."""
        script = f"import sys; sys.path.insert(0, {str(ROOT / 'Tests' / 'EndToEnd')!r}); " \
                 f"from fake import test_environment as t; t.live_on_a_small_disk({str(self.folder)!r})"
        ended = subprocess.run([*PRIVATE, sys.executable, "-c", script], capture_output=True, text=True,
                               timeout=scaled(180), check=False)
        self.assertEqual(ended.returncode, 0, ended.stdout + ended.stderr)


def live_on_a_small_disk(folder):
    """Fills the disk under a running daemon, sees every service say so, makes room, sees it work again."""
    from fake.test_kill_matrix import Wire
    from support import Deployment

    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", folder], check=True)
    cloud = Deployment("fake", state=folder + "/state")
    try:
        cloud.start()
        wire = Wire(cloud)
        wire.need("/compute/v2.1/flavors", {"flavor": {"name": "small", "id": "1", "ram": 64, "vcpus": 1, "disk": 1}})
        wish = {"server": {"name": "one", "imageRef": "", "flavorRef": "1", "networks": "none"}}
        image = wire.need("/image/v2/images", {"name": "blank", "disk_format": "raw", "container_format": "bare"})["id"]
        wish["server"]["imageRef"] = image
        data = {"X-Auth-Token": wire.token, "Content-Type": "application/octet-stream"}
        assert cloud.get(f"/image/v2/images/{image}/file", data, "PUT", b"x" * 512)[0] == 204
        fill = os.open(folder + "/fill", os.O_WRONLY | os.O_CREAT)
        try:
            while True:
                os.write(fill, b"x" * 4096)
        except OSError:
            pass
        requests = {
            "/compute/v2.1/servers": (wish, 503), "/network/v2.0/networks": ({"network": {"name": "n"}}, 503),
            "/identity/v3/projects": ({"project": {"name": "p", "domain_id": "default"}}, 503),
            "/image/v2/images": ({"name": "i", "disk_format": "raw", "container_format": "bare"}, 507),
        }
        for path, (body, expected) in requests.items():
            status, answer = wire.call(path, body)
            assert status == expected and "space" in json.dumps(answer), (path, status, answer)
        assert wire.call("/compute/v2.1/servers")[0] == 200, "reading goes on"
        status, _, body = cloud.get("/readyz")
        assert status == 503 and b"no space is left" in body, (status, body)
        os.close(fill)
        os.remove(folder + "/fill")
        for path, (body, _) in requests.items():
            status, answer = wire.call(path, body)
            assert status in (201, 202), (path, status, answer)
        wait_until("the server is active", lambda: {s["status"] for s in wire.servers()} == {"ACTIVE"}, scaled(30))
        wait_until("ready again", lambda: cloud.get("/readyz")[0] == 200, scaled(30))
    finally:
        cloud.stop()
