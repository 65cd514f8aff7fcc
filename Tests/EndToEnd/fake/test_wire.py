"""The wire itself: microversions, faults, health."""

import json

from support import CloudTest

# The microversion in which a field of GET /servers/{id} first appears for an administrator.
FIELDS = {
    "2.3": {"OS-EXT-SRV-ATTR:hostname", "OS-EXT-SRV-ATTR:root_device_name", "OS-EXT-SRV-ATTR:launch_index",
            "OS-EXT-SRV-ATTR:ramdisk_id", "OS-EXT-SRV-ATTR:kernel_id", "OS-EXT-SRV-ATTR:reservation_id",
            "OS-EXT-SRV-ATTR:user_data"},
    "2.9": {"locked"},
    "2.16": {"host_status"},
    "2.19": {"description"},
    "2.26": {"tags"},
    "2.63": {"trusted_image_certificates"},
    "2.71": {"server_groups"},
    "2.73": {"locked_reason"},
    "2.96": {"pinned_availability_zone"},
    "2.100": {"scheduler_hints"},
}
FIRST = {
    "accessIPv4", "accessIPv6", "addresses", "created", "flavor", "hostId", "id", "image", "links", "metadata", "name",
    "status", "tenant_id", "updated", "user_id", "progress", "key_name", "config_drive", "security_groups",
    "OS-DCF:diskConfig", "OS-EXT-AZ:availability_zone", "OS-EXT-STS:power_state", "OS-EXT-STS:task_state",
    "OS-EXT-STS:vm_state", "OS-EXT-SRV-ATTR:host", "OS-EXT-SRV-ATTR:hypervisor_hostname",
    "OS-EXT-SRV-ATTR:instance_name", "OS-SRV-USG:launched_at", "OS-SRV-USG:terminated_at",
    "os-extended-volumes:volumes_attached",
}


def number(version):
    return int(version.partition(".")[2])


class Wire(CloudTest):
    @classmethod
    def prepare(cls):
        cls.prepare_servers()
        cls.server = cls.admin.json(
            "server", "create", "--flavor", "small", "--image", "blank", "--network", "net", "--wait", "it")["id"]
        cls.token = cls.admin.token()

    def compute(self, path, version=None, method="GET", body=None, **headers):
        headers = {"X-Auth-Token": self.token, **headers}
        if version:
            headers["OpenStack-API-Version"] = f"compute {version}"
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.cloud.get(f"/compute/v2.1{path}", headers, method, body)

    def test_fields_appear_in_their_microversion(self):
        for version in ("2.1", *FIELDS, "2.104"):
            status, headers, body = self.compute(f"/servers/{self.server}", version)
            self.assertEqual(status, 200)
            expected = set(FIRST)
            for first, fields in FIELDS.items():
                if number(first) <= number(version):
                    expected |= fields
            with self.subTest(version=version):
                self.assertEqual(set(json.loads(body)["server"]), expected)
                self.assertEqual(headers["OpenStack-API-Version"], f"compute {version}")
                self.assertIn("OpenStack-API-Version", headers["Vary"])

    def test_the_flavor_is_embedded_from_2_47(self):
        old = json.loads(self.compute(f"/servers/{self.server}", "2.46")[2])["server"]["flavor"]
        new = json.loads(self.compute(f"/servers/{self.server}", "2.47")[2])["server"]["flavor"]
        self.assertEqual(set(old), {"id", "links"})
        self.assertLessEqual({"original_name", "vcpus", "ram", "disk", "ephemeral", "swap", "extra_specs"}, set(new))

    def test_a_version_that_does_not_exist_is_refused(self):
        for version in ("2.105", "3.0", "1.9"):
            status, _, body = self.compute("/servers", version)
            self.assertEqual(status, 406, body)
        self.assertEqual(self.compute("/servers", "nonsense")[0], 400)
        self.assertEqual(self.compute("/servers", "latest")[0], 200)

    def test_requests_without_a_token_or_with_a_foreign_one(self):
        self.assertEqual(self.cloud.get("/compute/v2.1/servers")[0], 401)
        self.assertEqual(self.cloud.get("/compute/v2.1/servers", {"X-Auth-Token": "gAAAAA-foreign"})[0], 401)
        self.assertEqual(self.cloud.get("/placement/resource_providers")[0], 401)

    def test_bodies_that_are_not_what_they_should_be(self):
        cases = [
            (b"{", 400), (b"[]", 400), ({"server": {}}, 400), ({"server": {"name": "x", "surprise": 1}}, 400),
            ({"server": {"name": "", "flavorRef": "1", "networks": "auto"}}, 400),
        ]
        for body, expected in cases:
            with self.subTest(body=body):
                status, _, answer = self.compute("/servers", "2.104", "POST", body)
                self.assertEqual(status, expected)
                self.assertEqual(json.loads(answer)["badRequest"]["code"], 400)
        xml = {"Content-Type": "application/xml"}
        self.assertEqual(self.compute("/servers", None, "POST", b"<server/>", **xml)[0], 415)
        self.assertEqual(self.compute("/servers", None, "POST", b" " * (200 * 1024))[0], 413)

    def test_what_is_not_there(self):
        self.assertEqual(self.compute("/nothing", "2.104")[0], 404)
        for path in ("/servers/00000000-0000-0000-0000-000000000000", "/flavors/absent"):
            status, _, body = self.compute(path, "2.104")
            self.assertEqual(status, 404, path)
            self.assertEqual(json.loads(body)["itemNotFound"]["code"], 404)
        self.assertEqual(self.compute(f"/servers/{self.server}/action", None, "POST", {"unheardOf": None})[0], 400)

    def test_version_documents_need_no_token(self):
        status, _, body = self.cloud.get("/compute/")
        self.assertEqual(status, 200)
        self.assertIn("v2.1", [version["id"] for version in json.loads(body)["versions"]])
        self.assertEqual(self.cloud.get("/identity/v3")[0], 200)
        self.assertEqual(self.cloud.get("/identity/")[0], 300)
        self.assertEqual(self.cloud.get("/placement/")[0], 200)

    def test_health(self):
        self.assertEqual(self.cloud.get("/healthz")[0], 200)
        status, _, body = self.cloud.get("/readyz")
        self.assertEqual(status, 200)
        json.loads(body)
