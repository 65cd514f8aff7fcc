"""Images: stored for real, streamed in and out."""

import os

from support import CloudTest, CommandFailed


class Images(CloudTest):
    def upload(self, name, content, disk_format="raw", *arguments):
        file = self.cloud.state / f"{name}.upload"
        file.write_bytes(content)
        return self.openstack.json("image", "create", "--file", file, "--disk-format", disk_format,
                                   "--container-format", "bare", *arguments, name)

    def test_an_image_comes_back_as_it_was_given(self):
        content = os.urandom(3_000_017)
        image = self.upload("round-trip", content)
        shown = self.openstack.json("image", "show", image["id"])
        self.assertEqual((shown["status"], shown["size"], shown["disk_format"]), ("active", len(content), "raw"))
        saved = self.cloud.state / "saved"
        self.openstack.run("image", "save", "--file", saved, "round-trip")
        self.assertEqual(saved.read_bytes(), content)

    def test_properties_tags_and_names_change(self):
        self.upload("changing", b"x" * 1000)
        self.openstack.run("image", "set", "--property", "os_distro=tiny", "--tag", "red", "--min-disk", "2",
                           "changing")
        shown = self.openstack.json("image", "show", "changing")
        self.assertEqual(shown["min_disk"], 2)
        self.assertIn("red", shown["tags"])
        self.assertEqual(shown["properties"]["os_distro"], "tiny")
        self.openstack.run("image", "set", "--name", "changed", "changing")
        self.assertIn("changed", [row["Name"] for row in self.openstack.json("image", "list")])

    def test_a_deleted_image_is_gone(self):
        self.upload("short-lived", b"x" * 1000)
        self.openstack.run("image", "delete", "short-lived")
        self.refused("No Image found", "image", "show", "short-lived")

    def test_a_private_image_is_not_seen_by_another_project(self):
        self.upload("hidden", b"x" * 1000, "raw", "--private")
        self.assertNotIn("hidden", [row["Name"] for row in self.demo.json("image", "list")])
        with self.assertRaises(CommandFailed):
            self.demo.run("image", "show", self.openstack.json("image", "show", "hidden")["id"])

    def test_the_list_is_filtered(self):
        self.upload("filter-public", b"x" * 1000, "raw", "--public")
        names = [row["Name"] for row in self.openstack.json("image", "list", "--public")]
        self.assertIn("filter-public", names)
        self.assertEqual([row["Name"] for row in self.openstack.json("image", "list", "--name", "filter-public")],
                         ["filter-public"])
