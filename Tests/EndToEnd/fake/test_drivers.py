"""Drivers and their nodes: several in one process, one that fails alone, and the verbs of `kilonovad driver`."""

import json
import os
import subprocess
import xml.etree.ElementTree

from support import CloudTest, Deployment, scaled, wait_until


def kilonovad(*arguments, seconds=60):
    return subprocess.run([os.environ["KILONOVAD"], *arguments], capture_output=True, text=True,
                          timeout=scaled(seconds), stdin=subprocess.DEVNULL, check=False)


class SeveralNodes(CloudTest):
    options = (
        "kilonova.nodes=east, west, slow, broken",
        "DEFAULT.report_interval=1",
        "node:east.fake.vcpus=4",
        "node:west.host=west-1",
        "node:west.fake.vcpus=8",
        "node:slow.fake.vcpus=2",
        "node:slow.fake.memory_mb=1000",
        "node:slow.fake.spawn_delay=600",
        "node:slow.compute.driver_spawn_timeout=1",
        "node:broken.compute_driver=no_such_driver",
    )

    @classmethod
    def prepare(cls):
        cls.prepare_servers()

    def nodes(self):
        return {row["Hypervisor Hostname"]: row["State"] for row in self.openstack.json("hypervisor", "list")}

    def services(self):
        rows = self.openstack.json("compute", "service", "list", "--service", "nova-compute")
        return {row["Host"]: row["State"] for row in rows}

    def host_of(self, server):
        return self.openstack.json("server", "show", server)["OS-EXT-SRV-ATTR:host"]

    def log(self):
        return (self.cloud.state / "log" / "kilonovad.log").read_text()

    def test_each_node_has_its_own_driver_service_and_provider(self):
        nodes = self.nodes()
        self.assertEqual({nodes["east"], nodes["west-1"]}, {"up"})
        sizes = {name: self.openstack.json("hypervisor", "show", name, version="2.53")["vcpus"]
                 for name in ("east", "west-1")}
        self.assertEqual(sizes, {"east": 4, "west-1": 8})
        providers = {row["name"] for row in self.openstack.json("resource", "provider", "list")}
        self.assertLessEqual({"east", "west-1", "slow"}, providers)
        for name in ("east", "west"):
            self.assertTrue((self.cloud.state / "nodes" / name / "agent" / "operations.jsonl").exists())

    def test_a_node_whose_driver_cannot_start_is_down_and_the_others_work(self):
        services = self.services()
        self.assertEqual((services["east"], services["west-1"], services["broken"]), ("up", "up", "down"))
        self.assertIn("no_such_driver", self.log())
        rows = self.openstack.json("compute", "service", "list", "--service", "nova-compute", "--long")
        reason = next(row["Disabled Reason"] for row in rows if row["Host"] == "broken")
        self.assertIn("AUTO: node 'broken': compute_driver = no_such_driver", reason)
        self.assertNotIn("broken", self.nodes())

    def test_servers_land_on_both_and_stay_there(self):
        for number in range(4):
            self.make_server(f"spread-{number}")
        hosts = {f"spread-{number}": self.host_of(f"spread-{number}") for number in range(4)}
        self.assertEqual(set(hosts.values()), {"east", "west-1"})
        self.assertEqual(self.cloud.stop(), 0)
        self.cloud.start()
        self.assertEqual({name: self.host_of(name) for name in hosts}, hosts)
        for name in hosts:
            self.assertEqual(self.openstack.value("status", "server", "show", name), "ACTIVE")
            self.openstack.run("server", "stop", name)
            self.status_of(name, "SHUTOFF")
            self.openstack.run("server", "delete", "--wait", name)

    def test_a_call_that_takes_too_long_fails_its_own_server_only(self):
        self.make_server("stuck", "--availability-zone", "nova:slow", wait=False)
        self.status_of("stuck", "ERROR")
        self.assertIn("did not end spawn", self.log())
        self.make_server("free", "--availability-zone", "nova:east")
        for name in ("stuck", "free"):
            self.openstack.run("server", "delete", "--wait", name)

    def test_a_node_that_starts_later_joins_by_itself(self):
        cloud = Deployment("fake", ("kilonova.nodes=here, late", "DEFAULT.report_interval=1"))
        self.addCleanup(cloud.remove)
        # The driver keeps its guests in a file; a folder of that name stands in its way.
        obstacle = cloud.state / "nodes" / "late" / "drivers" / "fake" / "guests.jsonl"
        obstacle.mkdir(parents=True)
        cloud.start()
        client = cloud.client()

        def services():
            rows = client.json("compute", "service", "list", "--service", "nova-compute")
            return {row["Host"]: row["State"] for row in rows}

        wait_until("the node is shown as down", lambda: services().get("late") == "down")
        self.assertEqual(services()["here"], "up")
        obstacle.rmdir()
        wait_until("the node joins", lambda: services()["late"] == "up", scaled(40))
        wait_until("its hypervisor is there", lambda: "late" in {
            row["Hypervisor Hostname"] for row in client.json("hypervisor", "list")})


class NodesThatCannotBe(CloudTest):
    @classmethod
    def setUpClass(cls):
        cls.cloud = Deployment("fake")
        cls.addClassCleanup(cls.cloud.remove)

    def refused(self, code, words, *settings):
        arguments = [word for setting in settings for word in ("--set", setting)]
        ended = kilonovad("up", "--state-dir", str(self.cloud.state / "refused"), "--set",
                          "DEFAULT.compute_driver=fake", "--set", f"kilonova.port={self.cloud.port}",
                          "--set", "network_agent.enabled=false", *arguments)
        self.assertEqual(ended.returncode, code, ended.stderr)
        for word in words:
            self.assertIn(word, ended.stderr)

    def test_names_and_groups_are_checked(self):
        self.refused(78, ["'Bad Name'", "lower-case"], "kilonova.nodes=a, Bad Name")
        self.refused(78, ["'a' is there twice"], "kilonova.nodes=a, a")
        self.refused(78, ["[node:b]", "not among the nodes"], "kilonova.nodes=a", "node:b.host=x")
        self.refused(78, ["one host name, 'x'"], "kilonova.nodes=a, b", "node:a.host=x", "node:b.host=x")
        self.refused(78, ["report_interval", "often"], "kilonova.nodes=a", "node:a.report_interval=often")

    def test_without_any_node_that_starts_the_process_refuses_with_every_reason(self):
        self.refused(78, ["node 'a'", "no_such", "node 'b'", "vcpus"], "kilonova.nodes=a, b",
                     "node:a.compute_driver=no_such", "node:b.fake.vcpus=none")


class Verbs(CloudTest):
    @classmethod
    def setUpClass(cls):
        cls.cloud = Deployment("fake")
        cls.addClassCleanup(cls.cloud.remove)

    def expect(self, code, words, *arguments, seconds=60):
        ended = kilonovad("driver", *arguments, seconds=seconds)
        self.assertEqual(ended.returncode, code, ended.stdout[-3000:] + ended.stderr)
        for word in words:
            self.assertIn(word, ended.stdout + ended.stderr)
        return ended

    def test_show(self):
        self.expect(0, ["driver API 1.0", "[fake]", "spawn_delay", "default: 0", "capabilities", "console-log"],
                    "show", "fake")
        self.expect(78, ["no_such"], "show", "no_such")

    def test_show_says_when_a_driver_cannot_start(self):
        ended = self.expect(0, ["vcpus", "capabilities are not known"], "show", "fake", "--set", "fake.vcpus=many")
        self.assertNotIn("their traits", ended.stdout)

    def test_check(self):
        self.expect(0, ["health: healthy", "VCPU 7", "console-log", "works"], "check", "fake", "--set", "fake.vcpus=7")
        self.expect(78, ["vcpus", "many"], "check", "fake", "--set", "fake.vcpus=many")
        self.expect(78, ["no_such"], "check", "no_such")
        self.expect(0, ["VCPU 5"], "check", "fake", "--node", "a", "--set", "node:a.fake.vcpus=5")

    def test_verify(self):
        report = self.cloud.state / "report.json"
        junit = self.cloud.state / "report.xml"
        self.expect(0, ["core.spawn passed"], "verify", "fake", "--quick", "--json", str(report), "--junit",
                    str(junit), "--set", "driver_verify.slow_metadata=fake:{call}:delay={seconds}",
                    "--set", "driver_verify.fail_metadata=fake:{call}:fail=failed, fake:{call}:fail_first=1",
                    seconds=180)
        results = json.loads(report.read_text())["results"]
        self.assertGreater(len(results), 5)
        self.assertEqual([result for result in results if result["outcome"] == "failed"], [])
        xml.etree.ElementTree.parse(junit)

    def test_verify_one_case(self):
        ended = self.expect(0, ["core.destroy"], "verify", "fake", "--case", "core.destroy*", seconds=120)
        self.assertNotIn("core.spawn passed", ended.stdout)

    def test_verify_fails_with_the_driver(self):
        self.expect(1, ["failed"], "verify", "fake", "--case", "core.spawn", "--set", "fake.spawn_failure=failed")
        self.expect(78, ["image", "not there"], "verify", "fake", "--set", "driver_verify.image=/nonexistent")

    def test_new(self):
        folder = self.cloud.state / "my_cloud"
        self.expect(0, ["Package.swift", "CoreTests.swift", "driver check my_cloud"], "new", "my_cloud", "--directory",
                    str(folder))
        manifest = json.loads((folder / "driver.json").read_text())
        self.assertEqual((manifest["name"], manifest["library"]), ("my_cloud", "libMyCloudDriver.so"))
        self.expect(78, ["not empty"], "new", "my_cloud", "--directory", str(folder))
        self.expect(78, ["lower-case"], "new", "My-Cloud", "--directory", str(folder) + "2")
