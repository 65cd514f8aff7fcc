"""Hypervisors that refuse, lie or are full: each trouble is told once, clearly, where people look for it.

What cannot start is shown with the node; what fails a server is shown with the server; and on the hypervisor nothing
is left. Everything here is simulated, so it needs no root.
"""

import os
import shutil
import tempfile
import unittest
from pathlib import Path

from hypervisors import Looker, VCenter, XenPool, gone, missing_for_simulators, run_quietly
from support import CloudTest, Deployment, free_port, scaled, wait_until


class Troubles(CloudTest):
    """Simulators and one process of the nodes that `nodes` names."""

    nodes = ()

    @classmethod
    def setUpClass(cls):
        if missing_for_simulators():
            raise unittest.SkipTest(missing_for_simulators())
        cls.folder = Path(tempfile.mkdtemp(prefix="kilonova-troubles-"))
        cls.addClassCleanup(cls.remove_folder)
        cls.vcenter = VCenter(cls.folder / "vcenter").start()
        cls.addClassCleanup(cls.vcenter.stop)
        cls.pool = XenPool(cls.folder / "pool").start()
        cls.addClassCleanup(cls.pool.stop)
        cls.cloud = Deployment("fake", [
            f"kilonova.nodes={', '.join(cls.nodes)}", "DEFAULT.report_interval=1", *cls.settings()])
        cls.addClassCleanup(cls.cloud.remove)
        cls.cloud.start(seconds=scaled(60))
        cls.admin = cls.openstack = cls.cloud.client()
        cls.look = Looker(cls.cloud, cls.admin)
        cls.prepare()

    @classmethod
    def remove_folder(cls):
        if not os.environ.get("KEEP"):
            shutil.rmtree(cls.folder, ignore_errors=True)

    @classmethod
    def settings(cls):
        """Options of the nodes."""
        return []

    @classmethod
    def vsphere(cls, node, **changes):
        settings = [f"node:{node}.compute_driver=vmware", *cls.vcenter.options(node)]
        return settings + [f"node:{node}.vmware.{name}={value}" for name, value in changes.items()]

    @classmethod
    def xen(cls, node, **changes):
        settings = [f"node:{node}.compute_driver=xenapi", *cls.pool.options(node)]
        return settings + [f"node:{node}.xenserver.{name}={value}" for name, value in changes.items()]

    def services(self):
        rows = self.admin.json("compute", "service", "list", "--service", "nova-compute", "--long")
        return {row["Host"]: row for row in rows}

    def expect(self, node, *words):
        """The node is down, and why is told in these words."""
        row = wait_until(f"{node} tells its trouble", lambda: (
            found := self.services().get(node)) and found["Disabled Reason"] and found, scaled(40), 1)
        self.assertEqual(row["State"], "down")
        self.assertTrue(row["Disabled Reason"].startswith("AUTO: "), row)
        for word in words:
            self.assertIn(word, row["Disabled Reason"])
        return row["Disabled Reason"]


class AtTheStart(Troubles):
    """Nodes that cannot start beside one that can."""

    nodes = ("good", "nobody", "stranger", "password", "cluster", "pattern", "xpassword", "xstranger", "xnobody",
             "xstorage", "xold")

    @classmethod
    def settings(cls):
        cls.tls = XenPool(cls.folder / "tls", "--tls", "--subnet", "7").start()
        cls.addClassCleanup(cls.tls.stop)
        cls.old = XenPool(cls.folder / "old", "--product-version", "6.2.0").start()
        cls.addClassCleanup(cls.old.stop)
        cls.closed = free_port()
        return [
            *cls.vsphere("nobody", host_port=cls.closed),
            *cls.vsphere("stranger", ca_file=""),
            *cls.vsphere("password", host_password="wrong"),
            *cls.vsphere("cluster", cluster_name="nowhere"),
            *cls.vsphere("pattern", datastore_regex="ssd-.*"),
            *cls.xen("xpassword", connection_password="wrong"),
            *cls.xen("xstranger", connection_url=f"https://127.0.7.1:{cls.tls.port}"),
            *cls.xen("xnobody", connection_url=f"http://127.0.0.1:{cls.closed}"),
            *cls.xen("xstorage", sr_matching_filter="name-label:fast"),
            *cls.xen("xold", connection_url=f"http://127.0.0.1:{cls.old.port}"),
        ]

    def test_an_address_where_nobody_listens(self):
        self.expect("nobody", "node 'nobody'", "vmware", f"127.0.0.1:{self.closed}", "refused")
        self.expect("xnobody", "node 'xnobody'", "xenapi", f"127.0.0.1:{self.closed}", "refused")

    def test_a_certificate_that_nobody_vouches_for(self):
        for node, port in (("stranger", self.vcenter.port), ("xstranger", self.tls.port)):
            reason = self.expect(node, f":{port}")
            self.assertRegex(reason.lower(), "certificate")

    def test_a_login_that_is_refused(self):
        self.expect("password", "InvalidLogin", "vmware")
        self.expect("xpassword", "SESSION_AUTHENTICATION_FAILED", "xenapi")

    def test_a_cluster_that_is_not_there(self):
        self.expect("cluster", "[vmware] cluster_name", "nowhere", "DC0_C0")

    def test_storage_that_is_not_there(self):
        self.expect("pattern", "[vmware] datastore_regex", "ssd-.*", "LocalDS_0")
        self.expect("xstorage", "[xenserver] sr_matching_filter", "name-label:fast")

    def test_a_version_that_is_too_old(self):
        self.expect("xold", "[xenserver] connection_url", "6.2.0", "7.0")

    def test_the_one_that_can_start_works_and_only_it_is_a_hypervisor(self):
        self.assertEqual(self.services()["good"]["State"], "up")
        names = [row["Hypervisor Hostname"] for row in self.admin.json("hypervisor", "list")]
        self.assertEqual(names, ["good"])

    def test_nobody_left_anything_behind(self):
        self.assertEqual(self.vcenter.machines(), {})
        self.assertEqual(self.pool.machines(), {})


class TooOld(Troubles):
    """A vCenter that is replaced by a newer one while its node waits."""

    nodes = ("good", "old")

    @classmethod
    def settings(cls):
        cls.vcenter.control("version?api=6.0")
        return cls.vsphere("old")

    def test_a_version_that_is_too_old_and_one_that_is_not(self):
        self.expect("old", "[vmware] host_ip", "version 6.0", "6.5")
        self.vcenter.control("version?api=6.7")
        wait_until("the node joins by itself", lambda: self.services()["old"]["State"] == "up", scaled(60), 1)
        self.assertFalse(self.services()["old"]["Disabled Reason"])


class Servers(Troubles):
    """What fails a server."""

    nodes = ("vsphere", "xen", "lab")

    @classmethod
    def settings(cls):
        return [*cls.vsphere("vsphere"), *cls.xen("xen", integration_bridge="xapi0")]

    @classmethod
    def prepare(cls):
        run = cls.admin.run
        run("flavor", "create", "--vcpus", "1", "--ram", "64", "--disk", "1", "small")
        run("network", "create", "net")
        run("subnet", "create", "--network", "net", "--subnet-range", "10.84.0.0/24", "net")
        files = {kind: cls.folder / f"disk.{kind}" for kind in ("raw", "vmdk", "vhd", "qcow2")}
        files["raw"].write_bytes(os.urandom(1 << 20))
        for kind, words in (("vmdk", ["vmdk", "-o", "subformat=streamOptimized"]),
                            ("vhd", ["vpc", "-o", "subformat=dynamic,force_size=on"]), ("qcow2", ["qcow2"])):
            run_quietly("qemu-img", "convert", "-O", *words, files["raw"], files[kind])
        # What the images are, and what they claim to be.
        for name, file, claimed, kind in (
                ("vmdk", "vmdk", "vmdk", "vmware"), ("vhd", "vhd", "vhd", "xen"), ("qcow2", "qcow2", "qcow2", None),
                ("liar-vmdk", "qcow2", "vmdk", "vmware"), ("liar-vhd", "qcow2", "vhd", "xen"),
                ("liar-raw", "qcow2", "raw", "xen")):
            words = ("--property", f"img_hv_type={kind}") if kind else ()
            run("image", "create", "--file", files[file], "--disk-format", claimed, "--container-format", "bare",
                "--public", *words, name)

    def fails(self, image, *words, arguments=()):
        """A server that must end in error; returns its fault. Nothing may be left of it but itself."""
        before = self.pool.disks(), self.vcenter.files()
        server = self.make_server("doomed", "--image", image, *arguments, wait=False)["id"]
        self.addCleanup(self.remove, server)
        self.look.settled(server, "ERROR")
        fault = self.admin.json("server", "show", server)["fault"]
        for word in words:
            self.assertIn(word, fault["message"] + "\n" + fault["details"])
        gone("the failed server", lambda: (
            self.vcenter.machines() or self.pool.machines() or self.pool.networks()
            or (self.pool.disks(), self.vcenter.files()) != before))
        self.assertEqual(self.admin.json("port", "list", "--device-id", server), [])
        self.assertEqual(self.look.allocations(server), {})
        self.remove(server)
        return fault

    def remove(self, server):
        if self.look.server(server):
            self.admin.run("server", "delete", server)
            self.look.gone(server)

    def test_a_format_that_no_hypervisor_there_takes(self):
        """Where the host is forced, the scheduler is not asked; the driver refuses."""
        self.assertIn("qcow2", self.fails("qcow2", arguments=("--availability-zone", "nova:vsphere"))["message"])
        self.assertIn("qcow2", self.fails("qcow2", arguments=("--availability-zone", "nova:xen"))["message"])

    def test_an_image_that_is_not_what_it_claims(self):
        for image in ("liar-vmdk", "liar-vhd", "liar-raw"):
            with self.subTest(image=image):
                fault = self.fails(image)
                self.assertRegex(fault["message"].lower(), "vmdk|vhd|qcow2|qfi")

    def test_a_datastore_that_is_full(self):
        for method in ("CreateVM_Task", "ReconfigVM_Task"):
            with self.subTest(method=method):
                self.vcenter.control(f"fault?method={method}&type=NoDiskSpace&count=1")
                fault = self.fails("vmdk", "NoDiskSpace", "vsphere: ")
                self.assertIn("No valid host was found", fault["message"])
                self.assertIn("The host has too little room for this server.", fault["message"])

    def test_a_repository_that_is_full(self):
        for method in ("VDI.clone", "VDI.resize"):
            with self.subTest(method=method):
                self.pool.control("fault", method=method, error=["SR_FULL", "1073741824", "4096"])
                fault = self.fails("vhd", "SR_FULL", "xen: ")
                self.assertIn("The host has too little room for this server.", fault["message"])
                self.pool.control("clear")

    def test_a_name_that_is_taken(self):
        self.vcenter.control("fault?method=CreateVM_Task&type=DuplicateName&count=1")
        self.fails("vmdk", "DuplicateName")

    def test_a_refusal_in_the_hypervisors_own_words(self):
        self.vcenter.control("fault?method=PowerOnVM_Task&type=InsufficientMemoryResourcesFault&count=1")
        self.fails("vmdk", "InsufficientMemoryResourcesFault")
        self.pool.control("fault", method="VM.start_on", error=["HOST_NOT_ENOUGH_FREE_MEMORY", "64", "1"])
        self.fails("vhd", "HOST_NOT_ENOUGH_FREE_MEMORY")
        self.pool.control("clear")

    def test_users_see_no_internals_of_the_host(self):
        self.vcenter.control("fault?method=CreateVM_Task&type=NoDiskSpace&count=1")
        demo = self.cloud.client("openrc-demo")
        demo.run("network", "create", "own")
        demo.run("subnet", "create", "--network", "own", "--subnet-range", "10.85.0.0/24", "own")
        made = demo.json("server", "create", "--flavor", "small", "--image", "vmdk", "--network", "own", "hidden")
        self.look.settled(made["id"], "ERROR")
        fault = demo.json("server", "show", "hidden")["fault"]
        self.assertNotIn("NoDiskSpace", str(fault))
        self.assertNotIn("details", fault)
        self.assertIn("NoDiskSpace", self.look.server(made["id"])["fault"]["details"])
        demo.run("server", "delete", "hidden")
        self.look.gone(made["id"])


class WithoutNetworks(Troubles):
    """Nodes whose administrators named no network to join."""

    nodes = ("vsphere", "xen")

    @classmethod
    def settings(cls):
        return [*cls.vsphere("vsphere", integration_bridge=""), *cls.xen("xen")]

    prepare = classmethod(Servers.prepare.__func__)
    fails, remove = Servers.fails, Servers.remove

    def test_a_network_that_the_hypervisor_does_not_have(self):
        network = self.admin.value("id", "network", "show", "net")
        for image, option in (("vmdk", "[vmware] integration_bridge"), ("vhd", "[xenserver] integration_bridge")):
            with self.subTest(image=image):
                fault = self.fails(image)
                self.assertIn(network, fault["message"])
                self.assertIn(option, fault["message"])

    def test_the_name_that_a_user_gave_a_network_selects_nothing(self):
        """Else a user would join the network of the hosts by naming his own like it."""
        for name in ("VM Network", "Pool-wide network associated with eth0"):
            self.admin.run("network", "create", name)
            self.addCleanup(self.admin.run, "network", "delete", name)
            self.admin.run("subnet", "create", "--network", name, "--subnet-range", "10.86.0.0/24", name)
        self.fails("vmdk", arguments=("--network", "VM Network"))
        self.fails("vhd", arguments=("--network", "Pool-wide network associated with eth0"))
