"""Tokens, catalog, projects, users and roles."""

from support import Client, CloudTest, CommandFailed


class Identity(CloudTest):
    def test_a_token_is_issued_for_the_project(self):
        token = self.openstack.json("token", "issue")
        project = self.openstack.json("project", "show", "admin")
        self.assertEqual(token["project_id"], project["id"])
        self.assertTrue(token["id"] and token["expires"])

    def test_a_wrong_password_is_refused(self):
        wrong = Client({**self.admin.environment, "OS_PASSWORD": "not the password"})
        with self.assertRaises(CommandFailed) as caught:
            wrong.run("token", "issue")
        self.assertIn("401", caught.exception.errors)

    def test_the_catalog_names_the_five_services(self):
        catalog = {entry["Type"]: entry for entry in self.openstack.json("catalog", "list")}
        for kind in ("identity", "compute", "placement", "image", "network"):
            interfaces = {endpoint["interface"] for endpoint in catalog[kind]["Endpoints"]}
            self.assertEqual(interfaces, {"public", "internal", "admin"}, kind)

    def test_every_endpoint_announces_its_versions(self):
        versions = self.openstack.json("versions", "show")
        found = {row["Service Type"] for row in versions}
        self.assertLessEqual({"identity", "compute", "placement", "image", "network"}, found)
        compute = [row for row in versions if row["Service Type"] == "compute" and row["Version"].startswith("2.1")]
        self.assertEqual(compute[0]["Max Microversion"], "2.104")
        self.assertEqual(compute[0]["Min Microversion"], "2.1")

    def test_a_project_is_created_shown_listed_and_deleted(self):
        created = self.openstack.json("project", "create", "--description", "for a test", "lab")
        self.assertEqual(self.openstack.json("project", "show", "lab")["id"], created["id"])
        self.assertIn("lab", [row["Name"] for row in self.openstack.json("project", "list")])
        self.openstack.run("project", "delete", "lab")
        self.assertNotIn("lab", [row["Name"] for row in self.openstack.json("project", "list")])

    def test_a_user_with_a_role_gets_a_token_and_one_without_does_not(self):
        self.openstack.run("project", "create", "shop")
        self.openstack.run("user", "create", "--password", "a secret word", "carol")
        environment = {**self.admin.environment, "OS_USERNAME": "carol", "OS_PASSWORD": "a secret word",
                       "OS_PROJECT_NAME": "shop"}
        environment.pop("OS_PROJECT_ID", None)
        environment.pop("OS_USER_ID", None)
        carol = Client(environment)
        with self.assertRaises(CommandFailed):
            carol.run("token", "issue")
        self.openstack.run("role", "add", "--user", "carol", "--project", "shop", "member")
        token = carol.json("token", "issue")
        self.assertEqual(token["project_id"], self.openstack.json("project", "show", "shop")["id"])
        self.assertEqual(carol.json("server", "list"), [])
        with self.assertRaises(CommandFailed) as caught:
            carol.run("hypervisor", "list")
        self.assertIn("403", caught.exception.errors)
        self.openstack.run("user", "delete", "carol")
        with self.assertRaises(CommandFailed):
            carol.run("token", "issue")
        self.openstack.run("project", "delete", "shop")

    def test_users_and_roles_are_listed(self):
        self.assertLessEqual({"admin", "demo"}, {row["Name"] for row in self.openstack.json("user", "list")})
        roles = {row["Name"] for row in self.openstack.json("role", "list")}
        self.assertLessEqual({"admin", "manager", "member", "reader", "service"}, roles)
        self.assertEqual(self.openstack.json("role", "show", "member")["name"], "member")
        self.assertEqual(self.openstack.json("user", "show", "demo")["name"], "demo")
