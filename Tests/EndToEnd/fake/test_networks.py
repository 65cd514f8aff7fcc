"""Networks, subnets, ports, security groups, routers and floating addresses."""

from support import CloudTest


class Networks(CloudTest):
    def setUp(self):
        self.name = self.id().rpartition(".")[2][5:30]

    def make_network(self, cidr="10.91.0.0/24"):
        network = self.openstack.json("network", "create", self.name)
        subnet = self.openstack.json("subnet", "create", "--network", self.name, "--subnet-range", cidr, self.name)
        return network, subnet

    def test_a_network_and_its_subnet(self):
        network, subnet = self.make_network()
        self.assertEqual(self.openstack.json("network", "show", self.name)["subnets"], [subnet["id"]])
        self.assertEqual(subnet["gateway_ip"], "10.91.0.1")
        self.assertIn(self.name, [row["Name"] for row in self.openstack.json("network", "list")])
        self.assertIn(self.name, [row["Name"] for row in self.openstack.json("subnet", "list")])
        self.openstack.run("subnet", "delete", self.name)
        self.openstack.run("network", "delete", self.name)
        self.assertNotIn(network["id"], [row["ID"] for row in self.openstack.json("network", "list")])

    def test_a_port_takes_the_address_it_asks_for(self):
        self.make_network("10.92.0.0/24")
        port = self.openstack.json("port", "create", "--network", self.name, "--fixed-ip",
                                   f"subnet={self.name},ip-address=10.92.0.77", self.name)
        self.assertEqual(port["fixed_ips"][0]["ip_address"], "10.92.0.77")
        self.assertEqual(self.openstack.json("port", "show", self.name)["mac_address"], port["mac_address"])
        self.refused("409", "port", "create", "--network", self.name, "--fixed-ip",
                     f"subnet={self.name},ip-address=10.92.0.77", "second")
        self.refused("409", "network", "delete", self.name)
        self.openstack.run("port", "delete", self.name)
        self.assertNotIn(port["id"], [row["ID"] for row in self.openstack.json("port", "list")])

    def test_a_security_group_and_its_rules(self):
        group = self.openstack.json("security", "group", "create", "--description", "web", self.name)
        rule = self.openstack.json("security", "group", "rule", "create", "--protocol", "tcp", "--dst-port", "80",
                                   "--remote-ip", "0.0.0.0/0", self.name)
        self.assertEqual((rule["port_range_min"], rule["port_range_max"]), (80, 80))
        self.assertEqual(self.openstack.json("security", "group", "show", self.name)["id"], group["id"])
        rules = [row["ID"] for row in self.openstack.json("security", "group", "rule", "list", self.name)]
        self.assertIn(rule["id"], rules)
        self.openstack.run("security", "group", "rule", "delete", rule["id"])
        self.openstack.run("security", "group", "delete", self.name)
        self.assertNotIn(self.name, [row["Name"] for row in self.openstack.json("security", "group", "list")])

    def test_every_project_has_a_default_security_group(self):
        self.assertEqual([row["Name"] for row in self.demo.json("security", "group", "list")], ["default"])

    def test_a_router_joins_a_network_to_the_outside(self):
        self.make_network("10.93.0.0/24")
        self.openstack.run("network", "create", "--external", "outside")
        self.openstack.run("subnet", "create", "--network", "outside", "--subnet-range", "172.24.90.0/24", "--no-dhcp",
                           "outside")
        self.openstack.run("router", "create", self.name)
        self.openstack.run("router", "set", "--external-gateway", "outside", self.name)
        self.openstack.run("router", "add", "subnet", self.name, self.name)
        router = self.openstack.json("router", "show", self.name)
        self.assertTrue(router["external_gateway_info"])
        port = self.openstack.json("port", "create", "--network", self.name, "guest")
        address = self.openstack.json("floating", "ip", "create", "--port", port["id"], "outside")
        self.assertEqual(address["fixed_ip_address"], port["fixed_ips"][0]["ip_address"])
        self.openstack.run("floating", "ip", "delete", address["id"])
        self.openstack.run("port", "delete", port["id"])
        self.openstack.run("router", "remove", "subnet", self.name, self.name)
        self.openstack.run("router", "unset", "--external-gateway", self.name)
        self.openstack.run("router", "delete", self.name)
        self.openstack.run("subnet", "delete", "outside")
        self.openstack.run("network", "delete", "outside")

    def test_another_projects_network_is_not_seen(self):
        network, _ = self.make_network("10.94.0.0/24")
        self.assertNotIn(network["id"], [row["ID"] for row in self.demo.json("network", "list")])
