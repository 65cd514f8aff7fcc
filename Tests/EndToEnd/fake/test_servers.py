"""Creating, listing, changing and deleting servers."""

import subprocess

from support import CloudTest, wait_until


class Servers(CloudTest):
    @classmethod
    def prepare(cls):
        cls.prepare_servers()

    def tearDown(self):
        for row in self.openstack.json("server", "list"):
            self.openstack.run("server", "delete", "--wait", row["ID"])

    def test_a_server_becomes_active_on_its_network(self):
        server = self.make_server("one")
        self.assertEqual((server["status"], server["name"]), ("ACTIVE", "one"))
        self.assertTrue(server["addresses"]["net"][0].startswith("10.90.0."))
        self.assertEqual(server["OS-EXT-STS:vm_state"], "active")
        port = self.openstack.json("port", "list", "--server", "one")[0]
        self.assertEqual(port["Fixed IP Addresses"][0]["ip_address"], server["addresses"]["net"][0])

    def test_create_takes_everything_that_the_client_offers(self):
        key = self.cloud.state / "key"
        if not key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        self.openstack.run("keypair", "create", "--public-key", key.with_suffix(".pub"), "key")
        self.openstack.run("security", "group", "create", "web")
        script = self.cloud.state / "user-data"
        script.write_text("#!/bin/sh\necho hello\n")
        server = self.make_server(
            "full", "--key-name", "key", "--security-group", "web", "--user-data", script, "--property", "a=1",
            "--property", "b=2", "--description", "has everything", "--tag", "x", "--tag", "y",
            "--config-drive", "True", "--availability-zone", "nova", version="2.90")
        self.assertEqual(server["status"], "ACTIVE")
        self.assertEqual(server["properties"], {"a": "1", "b": "2"})
        self.assertEqual((server["key_name"], server["description"]), ("key", "has everything"))
        self.assertEqual(sorted(server["tags"]), ["x", "y"])
        self.assertTrue(server["config_drive"])
        self.assertEqual(server["OS-EXT-AZ:availability_zone"], "nova")
        self.assertEqual([group["name"] for group in server["security_groups"]], ["web"])
        self.openstack.run("server", "delete", "--wait", "full")
        self.openstack.run("security", "group", "delete", "web")
        self.openstack.run("keypair", "delete", "key")

    def test_a_server_on_a_given_port_keeps_that_port(self):
        port = self.openstack.json("port", "create", "--network", "net", "given")
        server = self.make_server("ported", "--port", "given")
        self.assertEqual(server["addresses"]["net"], [port["fixed_ips"][0]["ip_address"]])
        self.openstack.run("server", "delete", "--wait", "ported")
        self.assertEqual(self.openstack.json("port", "show", "given")["id"], port["id"])
        self.openstack.run("port", "delete", "given")

    def test_a_server_without_a_network_and_one_with_the_only_network(self):
        none = self.make_server("none", "--nic", "none", version="2.37")
        self.assertEqual(none["addresses"], {})
        automatic = self.make_server("automatic", "--nic", "auto", version="2.37")
        self.assertEqual(list(automatic["addresses"]), ["net"])

    def test_several_servers_in_one_request(self):
        self.make_server("many", "--min", "3", "--max", "3")
        names = sorted(row["Name"] for row in self.openstack.json("server", "list", "--name", "many"))
        self.assertEqual(names, ["many-1", "many-2", "many-3"])
        wait_until("three servers ACTIVE", lambda: {row["Status"] for row in self.openstack.json("server", "list")}
                   == {"ACTIVE"})
        self.openstack.run("server", "delete", "--wait", *names)
        self.assertEqual(self.openstack.json("server", "list"), [])

    def test_impossible_requests_say_why(self):
        self.refused("No Image found", *self.create("small", "absent"))
        self.refused("No Flavor found", *self.create("absent", "blank"))
        self.refused("400", *self.create("small", "blank", "--key-name", "absent"))
        self.refused("400", *self.create("small", "blank", "--availability-zone", "absent"))

    def test_a_server_that_fits_nowhere_goes_to_error_with_the_reason(self):
        self.openstack.run("flavor", "create", "--vcpus", "1", "--ram", "99999999", "--disk", "1", "vast")
        self.openstack.run("quota", "set", "--ram", "-1", "admin")
        self.openstack.run("server", "create", "--flavor", "vast", "--image", "blank", "--network", "net", "lost")
        self.status_of("lost", "ERROR")
        fault = self.openstack.json("server", "show", "lost")["fault"]
        self.assertIn("No valid host", fault["message"])

    def test_names_descriptions_properties_and_tags_change(self):
        self.make_server("before", version="2.52")
        self.openstack.run("server", "set", "--name", "after", "--description", "new", "--property", "p=q",
                           "--tag", "t", "before", version="2.52")
        server = self.openstack.json("server", "show", "after", version="2.52")
        self.assertEqual((server["description"], server["properties"], server["tags"]), ("new", {"p": "q"}, ["t"]))
        self.openstack.run("server", "unset", "--property", "p", "--tag", "t", "--description", "after", version="2.52")
        server = self.openstack.json("server", "show", "after", version="2.52")
        self.assertEqual((server["description"], server["properties"], server["tags"]), ("", {}, []))


class ServerLists(CloudTest):
    @classmethod
    def prepare(cls):
        cls.prepare_servers()
        cls.openstack = cls.admin
        run = cls.admin.run
        for name in ("alpha", "beta", "gamma", "delta"):
            run("server", "create", "--flavor", "small", "--image", "blank", "--network", "net", "--wait", name)
        run("server", "stop", "delta")
        wait_until("delta is off", lambda: cls.admin.value("status", "server", "show", "delta") == "SHUTOFF")

    def names(self, *arguments, client=None, version=None):
        rows = (client or self.openstack).json("server", "list", *arguments, version=version)
        return [row["Name"] for row in rows]

    def test_the_newest_server_comes_first(self):
        self.assertEqual(self.names(), ["delta", "gamma", "beta", "alpha"])

    def test_filters(self):
        self.assertEqual(self.names("--name", "^al"), ["alpha"])
        self.assertEqual(self.names("--status", "SHUTOFF"), ["delta"])
        self.assertEqual(sorted(self.names("--status", "ACTIVE")), ["alpha", "beta", "gamma"])
        self.assertEqual(len(self.names("--flavor", "small")), 4)
        self.assertEqual(len(self.names("--image", "blank")), 4)
        address = self.openstack.json("server", "show", "beta")["addresses"]["net"][0]
        self.assertEqual(self.names("--ip", f"^{address}$"), ["beta"])

    def test_sorting_and_paging(self):
        sdk = self.openstack.sdk()
        names = [server.name for server in sdk.compute.servers(sort_key="display_name", sort_dir="asc")]
        self.assertEqual(names, ["alpha", "beta", "delta", "gamma"])
        first = [server for server in sdk.compute.servers(sort_key="display_name", sort_dir="asc", limit=3,
                                                          paginated=False)]
        self.assertEqual([server.name for server in first], names[:3])
        second = sdk.compute.servers(sort_key="display_name", sort_dir="asc", limit=3, marker=first[-1].id,
                                     paginated=False)
        self.assertEqual([server.name for server in second], names[3:])
        self.assertEqual(len(self.names("--limit", "2")), 2)

    def test_long_and_of_all_projects(self):
        row = self.openstack.json("server", "list", "--long", "--name", "alpha")[0]
        self.assertEqual((row["Power State"], row["Availability Zone"]), (1, "nova"))
        self.assertTrue(row["Host"])
        self.assertEqual(self.names(client=self.demo), [])
        self.assertEqual(len(self.names("--all-projects")), 4)

    def test_one_that_another_project_owns_is_not_found(self):
        server = self.openstack.value("id", "server", "show", "alpha")
        self.openstack = self.demo
        try:
            self.refused("No Server found", "server", "show", server)
        finally:
            self.openstack = self.admin
