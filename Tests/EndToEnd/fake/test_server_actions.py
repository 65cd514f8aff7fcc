"""What can be done with a server that is there."""

from support import CloudTest, wait_until


class ServerActions(CloudTest):
    @classmethod
    def prepare(cls):
        cls.prepare_servers()
        cls.admin.run("server", "create", "--flavor", "small", "--image", "blank", "--network", "net", "--wait", "it")

    def setUp(self):
        if self.openstack.value("status", "server", "show", "it") == "SHUTOFF":
            self.openstack.run("server", "start", "it")
        self.status_of("it", "ACTIVE")

    def test_stop_and_start(self):
        self.openstack.run("server", "stop", "it")
        self.status_of("it", "SHUTOFF")
        self.refused("409", "server", "stop", "it")
        self.refused("409", "server", "reboot", "it")
        self.openstack.run("server", "start", "it")
        self.status_of("it", "ACTIVE")
        self.refused("409", "server", "start", "it")

    def test_reboot_soft_and_hard(self):
        self.openstack.run("server", "reboot", "--wait", "it")
        self.status_of("it", "ACTIVE")
        self.openstack.run("server", "reboot", "--hard", "--wait", "it")
        self.status_of("it", "ACTIVE")

    def test_a_locked_server_refuses_its_owner(self):
        demo_project = self.openstack.value("id", "project", "show", "demo")
        self.assertTrue(demo_project)
        self.openstack.run("server", "lock", "--reason", "do not touch", "it", version="2.73")
        server = self.openstack.json("server", "show", "it", version="2.73")
        self.assertTrue(server["locked"])
        self.assertEqual(server["locked_reason"], "do not touch")
        self.openstack.run("server", "unlock", "it")
        self.assertFalse(self.openstack.json("server", "show", "it", version="2.73")["locked"])

    def test_the_console_log_is_shown(self):
        text = self.openstack.run("console", "log", "show", "it")
        self.assertTrue(text.strip())
        self.assertLessEqual(len(self.openstack.run("console", "log", "show", "--lines", "1", "it").splitlines()), 2)

    def test_every_action_leaves_an_event(self):
        self.openstack.run("server", "stop", "it")
        self.status_of("it", "SHUTOFF")
        events = self.openstack.json("server", "event", "list", "it")
        actions = [event["Action"] for event in events]
        self.assertIn("create", actions)
        self.assertEqual(actions[0], "stop")
        shown = self.openstack.json("server", "event", "show", "it", events[0]["Request ID"])
        self.assertEqual(shown["action"], "stop")
        steps = wait_until("the steps of the action have ended", lambda: [
            step for step in self.openstack.json("server", "event", "show", "it", events[0]["Request ID"])["events"]
            if step["result"] == "Success"])
        self.assertTrue(steps[0]["event"])

    def test_a_member_acts_on_a_server_of_its_own(self):
        self.demo.run("network", "create", "own")
        self.demo.run("subnet", "create", "--network", "own", "--subnet-range", "10.95.0.0/24", "own")
        self.demo.run("server", "create", "--flavor", "small", "--image", "blank", "--network", "own", "--wait", "own")
        shown = self.demo.json("server", "show", "own")
        self.assertNotIn("OS-EXT-SRV-ATTR:host", {key for key, value in shown.items() if value})
        self.openstack.run("server", "lock", shown["id"])
        try:
            with self.assertRaises(AssertionError) as caught:
                self.demo.run("server", "stop", "own")
            self.assertIn("409", str(caught.exception))
        finally:
            self.openstack.run("server", "unlock", shown["id"])
        self.demo.run("server", "delete", "--wait", "own")
        self.assertEqual(self.demo.json("server", "list"), [])
