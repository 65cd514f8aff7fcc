"""Flavors and key pairs."""

import subprocess

from support import CloudTest


class FlavorsAndKeys(CloudTest):
    def test_a_flavor_with_properties(self):
        self.openstack.run("flavor", "create", "--id", "f-1", "--vcpus", "2", "--ram", "128", "--disk", "3",
                           "--ephemeral", "1", "--swap", "64", "--property", "hw:cpu_policy=shared", "wide")
        shown = self.openstack.json("flavor", "show", "wide")
        self.assertEqual((shown["id"], shown["vcpus"], shown["ram"], shown["disk"]), ("f-1", 2, 128, 3))
        self.assertEqual(shown["properties"], {"hw:cpu_policy": "shared"})
        self.openstack.run("flavor", "set", "--property", "note=one", "wide")
        self.assertEqual(self.openstack.json("flavor", "show", "wide")["properties"]["note"], "one")
        self.openstack.run("flavor", "unset", "--property", "note", "wide")
        self.assertNotIn("note", self.openstack.json("flavor", "show", "wide")["properties"])
        self.assertIn("wide", [row["Name"] for row in self.openstack.json("flavor", "list")])
        self.refused("409", "flavor", "create", "--id", "f-1", "--vcpus", "1", "--ram", "1", "--disk", "1", "again")
        self.openstack.run("flavor", "delete", "wide")
        self.refused("No Flavor found", "flavor", "show", "wide")

    def test_a_member_creates_no_flavor(self):
        self.openstack = self.demo
        self.refused("403", "flavor", "create", "--vcpus", "1", "--ram", "1", "--disk", "1", "mine")

    def test_a_private_flavor_is_not_seen_by_another_project(self):
        self.openstack.run("flavor", "create", "--private", "--vcpus", "1", "--ram", "1", "--disk", "1", "secret")
        self.assertNotIn("secret", [row["Name"] for row in self.demo.json("flavor", "list")])
        self.assertIn("secret", [row["Name"] for row in self.openstack.json("flavor", "list", "--all")])

    def test_a_given_key_is_kept_with_its_fingerprint(self):
        file = self.cloud.state / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file], check=True)
        public = file.with_suffix(".pub")
        created = self.openstack.json("keypair", "create", "--public-key", public, "mine")
        listing = subprocess.run(["ssh-keygen", "-l", "-E", "md5", "-f", public], check=True, capture_output=True,
                                 text=True)
        self.assertEqual("MD5:" + created["fingerprint"], listing.stdout.split()[1])
        self.assertEqual(self.openstack.json("keypair", "show", "mine")["name"], "mine")
        kept = self.openstack.run("keypair", "show", "--public-key", "mine").strip()
        self.assertEqual(kept, public.read_text().strip())
        self.assertEqual([row["Name"] for row in self.openstack.json("keypair", "list")], ["mine"])
        self.assertEqual(self.demo.json("keypair", "list"), [])
        self.refused("409", "keypair", "create", "--public-key", public, "mine")
        self.openstack.run("keypair", "delete", "mine")
        self.assertEqual(self.openstack.json("keypair", "list"), [])
