"""What an operator looks at: hosts, services, zones, quotas, limits, placement."""

from support import CloudTest, CommandFailed


class Operator(CloudTest):
    @classmethod
    def prepare(cls):
        cls.prepare_servers()
        cls.admin.run("server", "create", "--flavor", "small", "--image", "blank", "--network", "net", "--wait", "it")

    def host(self):
        return self.openstack.json("hypervisor", "list")[0]["Hypervisor Hostname"]

    def test_hypervisors(self):
        rows = self.openstack.json("hypervisor", "list")
        self.assertEqual((len(rows), rows[0]["State"]), (1, "up"))
        shown = self.openstack.json("hypervisor", "show", self.host())
        self.assertEqual((shown["state"], shown["status"]), ("up", "enabled"))
        self.openstack.json("hypervisor", "show", self.host(), version="2.53")
        self.openstack.json("hypervisor", "show", self.host(), version="2.1")

    def test_services(self):
        rows = self.openstack.json("compute", "service", "list")
        binaries = {row["Binary"] for row in rows}
        self.assertLessEqual({"nova-compute", "nova-conductor", "nova-scheduler"}, binaries)
        self.assertEqual({row["State"] for row in rows}, {"up"})
        host = next(row["Host"] for row in rows if row["Binary"] == "nova-compute")
        self.openstack.run("compute", "service", "set", "--disable", "--disable-reason", "cleaning", host,
                           "nova-compute")
        try:
            row = self.openstack.json("compute", "service", "list", "--service", "nova-compute", "--long")[0]
            self.assertEqual((row["Status"], row["Disabled Reason"]), ("disabled", "cleaning"))
            self.make_server("no-room", wait=False)
            self.status_of("no-room", "ERROR")
            self.openstack.run("server", "delete", "--wait", "no-room")
        finally:
            self.openstack.run("compute", "service", "set", "--enable", host, "nova-compute")
        self.make_server("room-again")
        self.openstack.run("server", "delete", "--wait", "room-again")

    def test_availability_zones(self):
        zones = {row["Zone Name"]: row["Zone Status"]
                 for row in self.openstack.json("availability", "zone", "list", "--compute")}
        self.assertEqual(zones.get("nova"), "available")

    def test_quotas_are_enforced(self):
        limits = {row["Resource"]: row["Limit"] for row in self.openstack.json("quota", "show", "--compute", "demo")}
        self.assertEqual(limits["instances"], 10)
        self.openstack.run("quota", "set", "--instances", "1", "--cores", "1", "admin")
        try:
            message = self.refused("403", *self.create("small", "blank"))
            self.assertIn("Quota exceeded", message)
        finally:
            self.openstack.run("quota", "set", "--instances", "10", "--cores", "20", "admin")
        self.openstack.run("quota", "set", "--ram", "64", "admin")
        try:
            self.refused("403", *self.create("small", "blank"))
        finally:
            self.openstack.run("quota", "set", "--ram", "51200", "admin")

    def test_limits_count_what_is_used(self):
        limits = {row["Name"]: row["Value"] for row in self.openstack.json("limits", "show", "--absolute")}
        used = {key.lower().replace("_", ""): value for key, value in limits.items()}
        self.assertEqual(used.get("totalinstancesused", used.get("instancesused")), 1)

    def test_placement_knows_the_host_and_the_server(self):
        providers = self.openstack.json("resource", "provider", "list")
        self.assertEqual([row["name"] for row in providers], [self.host()])
        provider = providers[0]["uuid"]
        self.assertEqual(self.openstack.json("resource", "provider", "show", provider)["uuid"], provider)
        inventory = {row["resource_class"]: row
                     for row in self.openstack.json("resource", "provider", "inventory", "list", provider)}
        self.assertLessEqual({"VCPU", "MEMORY_MB", "DISK_GB"}, set(inventory))
        usage = {row["resource_class"]: row["usage"]
                 for row in self.openstack.json("resource", "provider", "usage", "show", provider)}
        self.assertEqual((usage["VCPU"], usage["MEMORY_MB"], usage["DISK_GB"]), (1, 64, 1))
        environment = {**self.admin.environment, "OS_PLACEMENT_API_VERSION": "1.29"}
        candidates = type(self.admin)(environment).json("allocation", "candidate", "list", "--resource", "VCPU=1",
                                                        "--resource", "MEMORY_MB=64")
        self.assertEqual(candidates[0]["resource provider"], provider)

    def test_a_member_sees_none_of_it(self):
        for words in (("hypervisor", "list"), ("compute", "service", "list"), ("resource", "provider", "list")):
            with self.assertRaises(CommandFailed) as caught:
                self.demo.run(*words)
            self.assertIn("403", caught.exception.errors)
