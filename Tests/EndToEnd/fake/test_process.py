"""The process itself: start, stop, death, and what it says when it cannot start."""

import os
import socket
import subprocess

from support import CloudTest, Deployment, wait_until


class Process(CloudTest):
    @classmethod
    def prepare(cls):
        cls.prepare_servers()

    def kilonovad(self, *arguments, seconds=30):
        return subprocess.run([os.environ["KILONOVAD"], *arguments], capture_output=True, text=True, timeout=seconds,
                              stdin=subprocess.DEVNULL, check=False)

    def test_a_graceful_stop_and_start_keep_everything(self):
        server = self.make_server("lasting")
        self.assertEqual(self.cloud.stop(), 0)
        self.cloud.start()
        shown = self.openstack.json("server", "show", "lasting")
        self.assertEqual((shown["id"], shown["addresses"]), (server["id"], server["addresses"]))
        self.openstack.run("server", "delete", "--wait", "lasting")

    def test_a_killed_process_leaves_no_server_stuck(self):
        for number in range(6):
            self.make_server(f"torn-{number}", wait=False)
        self.cloud.kill()
        self.cloud.start()
        wait_until("every server ended its build", lambda: {
            row["Status"] for row in self.openstack.json("server", "list")} <= {"ACTIVE", "ERROR"}, 60)
        for row in self.openstack.json("server", "list"):
            self.openstack.run("server", "delete", row["ID"])
        self.cloud.kill()
        self.cloud.start()
        wait_until("every server is gone", lambda: not self.openstack.json("server", "list"), 60)
        self.assertEqual(self.openstack.json("port", "list", "--device-owner", "compute:nova"), [])
        provider = self.openstack.json("resource", "provider", "list")[0]["uuid"]
        usage = self.openstack.json("resource", "provider", "usage", "show", provider)
        self.assertEqual({row["usage"] for row in usage}, {0})

    def test_driver_list_names_the_plugins(self):
        listing = self.kilonovad("driver", "list")
        self.assertEqual(listing.returncode, 0, listing.stderr)
        self.assertIn("fake", listing.stdout)
        self.assertIn("libvirt", listing.stdout)

    def test_wrong_usage_and_wrong_options_have_their_codes(self):
        self.assertEqual(self.kilonovad("up", "--no-such-option").returncode, 64)
        refused = self.kilonovad("up", "--state-dir", str(self.cloud.state / "other"),
                                 "--set", "kilonova.port=many")
        self.assertEqual(refused.returncode, 78, refused.stderr)
        self.assertIn("port", refused.stderr)

    def test_a_port_in_use_and_an_unknown_driver_are_said_in_one_sentence(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            other = Deployment("fake", state=self.cloud.state / "second")
            other.port = taken.getsockname()[1]
            with self.assertRaises(AssertionError) as caught:
                other.start()
            self.assertEqual(other.process.returncode, 69)
            self.assertIn(str(other.port), str(caught.exception))
        other = Deployment("no_such_driver", state=self.cloud.state / "third")
        with self.assertRaises(AssertionError) as caught:
            other.start()
        self.assertIn(other.process.returncode, (69, 78))
        self.assertIn("no_such_driver", str(caught.exception))
