"""Calls every operation of the compute API at every microversion, for a recording proxy to judge the answers.

    sweep.py [--wrong] [VERSION...]     the minor versions; default: 1 to 104

The cloud is the one of the OS_ variables, on the fake driver and of no further use, or else a new one for this run.
With `--wrong` each operation also gets bodies that are wrong in one place; the default is then the versions where
bodies changed. The last line says how many calls there were and how many ended in a fault of the server.
"""

import collections
import contextlib
import http.client
import json
import os
import sys
import time
import urllib.parse

LAST = 104
# Where the reference's request bodies changed.
EDGES = (1, 2, 10, 11, 19, 26, 32, 33, 36, 37, 42, 50, 52, 53, 55, 57, 63, 67, 73, 74, 75, 90, 92, 94, 102, 104)
WRONG = (None, True, -5, "", " ", "x" * 70000, "no\u0000good", ["x"], {"x": "y"})
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJB4Ve+8nBsWUGYjOhVZbpvVHfQVMxNOlwMPvjR2Yz7Q someone"


class Endpoint:
    """One service of the cloud. Each call has a connection of its own: on a kept one, a proxy that writes headers and
    body apart waits 40 ms for the acknowledgement."""

    def __init__(self, url, token=None):
        parts = urllib.parse.urlsplit(url)
        self.prefix, self.token = parts.path.rstrip("/"), token
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=120)

    def call(self, method, path, body=None, version=None):
        """Status, headers and decoded body of one call; `version` is a minor version of the compute API."""
        headers = {"X-Auth-Token": self.token} if self.token else {}
        if version is not None:
            headers["OpenStack-API-Version"] = f"compute 2.{version}"
        if isinstance(body, bytes):
            headers["Content-Type"] = "application/octet-stream"
        elif body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body).encode()
        self.connection.request(method, self.prefix + path, body, headers)
        answer = self.connection.getresponse()
        text = answer.read()
        self.connection.close()
        is_json = "json" in (answer.getheader("Content-Type") or "")
        return answer.status, answer.headers, json.loads(text) if text and is_json else {}

    def need(self, method, path, body=None, version=None):
        """The body of an answer that must be a success."""
        status, _, answer = self.call(method, path, body, version)
        if status >= 300:
            raise SystemExit(f"sweep.py: {method} {path} {body}: {status} {answer}")
        return answer


def sign_in():
    """The endpoints of the cloud by type of service, and the caller's project."""
    scope = {"project": {"name": os.environ["OS_PROJECT_NAME"],
                         "domain": {"name": os.environ.get("OS_PROJECT_DOMAIN_NAME", "Default")}}}
    user = {"name": os.environ["OS_USERNAME"], "password": os.environ["OS_PASSWORD"],
            "domain": {"name": os.environ.get("OS_USER_DOMAIN_NAME", "Default")}}
    request = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
    status, headers, answer = Endpoint(os.environ["OS_AUTH_URL"]).call("POST", "/auth/tokens", request)
    if status != 201:
        raise SystemExit(f"sweep.py: no token: {status} {answer}")
    token = answer["token"]
    services = {
        service["type"]: Endpoint(endpoint["url"], headers["X-Subject-Token"])
        for service in token["catalog"] for endpoint in service["endpoints"] if endpoint["interface"] == "public"}
    return services, token["project"]["id"], token["user"]["id"]


def wrong(body):
    """Copies of `body` that are wrong in one place each: a member too many, a member missing, a value that is odd."""
    if isinstance(body, dict):
        yield {**body, "surplus": "x"}
        for key, value in body.items():
            rest = {other: value for other, value in body.items() if other != key}
            if rest or not isinstance(value, dict):
                yield rest
            for odd in WRONG:
                yield {**body, key: odd}
            for variant in wrong(value):
                yield {**body, key: variant}
    elif isinstance(body, list) and body:
        yield [*body, body[0]]
        for variant in wrong(body[0]):
            yield [variant]
        for odd in WRONG:
            yield [odd]


class Sweep:
    def __init__(self, sends_wrong):
        self.sends_wrong = sends_wrong
        services, self.project, self.user = sign_in()
        self.compute = next(services[name] for name in ("compute", "compute_legacy") if name in services)
        self.calls = collections.Counter()
        self.faults = []
        self.version = 1
        self.prepare(services)

    def prepare(self, services):
        """What a server needs, and quotas that are no limit."""
        image, network = services["image"], services["network"]
        properties = {"name": "sweep", "disk_format": "raw", "container_format": "bare"}
        self.image = image.need("POST", "/v2/images", properties)["id"]
        image.need("PUT", f"/v2/images/{self.image}/file", b"\0" * 65536)
        self.network = network.need("POST", "/v2.0/networks", {"network": {"name": "sweep"}})["network"]["id"]
        subnet = {"network_id": self.network, "ip_version": 4, "cidr": "10.99.0.0/16"}
        network.need("POST", "/v2.0/subnets", {"subnet": subnet})
        flavor = {"name": f"sweep {self.image}", "ram": 64, "vcpus": 1, "disk": 0}
        self.flavor = self.compute.need("POST", "/flavors", {"flavor": flavor}, 1)["flavor"]["id"]
        spec = {"extra_specs": {"hw:cpu_policy": "shared"}}
        self.compute.need("POST", f"/flavors/{self.flavor}/os-extra_specs", spec, 1)
        limits = {"instances": -1, "cores": -1, "ram": -1, "key_pairs": -1}
        self.compute.need("PUT", f"/os-quota-sets/{self.project}", {"quota_set": limits}, 1)
        self.compute.call("POST", "/os-keypairs", {"keypair": {"name": "sweep", "public_key": KEY}}, 1)

    def call(self, method, path, body=None):
        """One call at the version of the moment; its answer, or nothing when it was refused."""
        status, _, answer = self.compute.call(method, path, body, self.version)
        self.calls[status] += 1
        if status >= 500 and status != 501:
            self.faults.append(f"2.{self.version} {method} {path} {json.dumps(body)[:200]}: {status} {answer}")
        return answer if status < 300 else None

    def send(self, method, path, body, undo=None):
        """A call with a body, after the wrong ones of the same; `undo` gets what those that pass had for an answer."""
        if self.sends_wrong:
            for variant in wrong(body):
                answer = self.call(method, path, variant)
                if answer is not None and undo:
                    undo(answer)
        return self.call(method, path, body)

    def get(self, *paths):
        for path in paths:
            self.call("GET", path)

    # What belongs to no server

    def flavors(self):
        self.get("/flavors", "/flavors?limit=1", "/flavors/detail", "/flavors/detail?is_public=None&sort_key=name",
                 f"/flavors/{self.flavor}", f"/flavors/{self.flavor}/os-extra_specs")
        body = {"name": f"f{self.version}", "ram": 64, "vcpus": 1, "disk": 1, "swap": 0, "rxtx_factor": 1.0,
                "OS-FLV-EXT-DATA:ephemeral": 0, "os-flavor-access:is_public": False}
        if self.version >= 55:
            body["description"] = "of the sweep"
        if self.version >= 102:
            del body["rxtx_factor"]
        made = self.send("POST", "/flavors", {"flavor": body},
                         lambda answer: self.call("DELETE", f"/flavors/{answer['flavor']['id']}"))
        if made is None:
            return
        path = f"/flavors/{made['flavor']['id']}"
        self.send("PUT", path, {"flavor": {"description": "anew"}})
        self.send("POST", f"{path}/os-extra_specs", {"extra_specs": {"hw:cpu_policy": "shared", "hw:numa_nodes": "1"}})
        self.get(f"{path}/os-extra_specs", f"{path}/os-extra_specs/hw:numa_nodes")
        self.send("PUT", f"{path}/os-extra_specs/hw:numa_nodes", {"hw:numa_nodes": "2"})
        self.call("DELETE", f"{path}/os-extra_specs/hw:numa_nodes")
        self.send("POST", f"{path}/action", {"addTenantAccess": {"tenant": self.project}})
        self.get(f"{path}/os-flavor-access")
        self.call("POST", f"{path}/action", {"addTenantAccess": {"tenant": self.project}})
        self.send("POST", f"{path}/action", {"removeTenantAccess": {"tenant": self.project}})
        self.call("DELETE", path)

    def keypairs(self):
        body = {"name": f"k{self.version}", "public_key": KEY}
        if self.version >= 2:
            body["type"] = "ssh"
        if self.version >= 10:
            body["user_id"] = self.user
        self.send("POST", "/os-keypairs", {"keypair": body},
                  lambda answer: self.call("DELETE", "/os-keypairs/" + urllib.parse.quote(answer["keypair"]["name"])))
        if self.version < 92:
            self.call("POST", "/os-keypairs", {"keypair": {"name": f"g{self.version}"}})
            self.call("DELETE", f"/os-keypairs/g{self.version}")
        self.get("/os-keypairs", "/os-keypairs?limit=1", f"/os-keypairs?user_id={self.user}",
                 f"/os-keypairs/k{self.version}")
        self.call("DELETE", f"/os-keypairs/k{self.version}")

    def quotas(self):
        path = f"/os-quota-sets/{self.project}"
        self.get(path, f"{path}?user_id={self.user}", f"{path}/detail", f"{path}/defaults")
        self.send("PUT", path, {"quota_set": {"metadata_items": 128, "force": True}})
        self.send("PUT", path, {"quota_set": {"instances": -1, "cores": -1, "ram": -1, "key_pairs": -1}})
        self.call("DELETE", "/os-quota-sets/" + "0" * 32)
        self.get("/os-quota-class-sets/default")
        self.send("PUT", "/os-quota-class-sets/default", {"quota_class_set": {"metadata_items": 128}})
        self.get("/limits", "/limits?reserved=1", f"/limits?tenant_id={self.project}")

    def hosts(self):
        self.get("/os-hypervisors", "/os-hypervisors?limit=1", "/os-hypervisors/detail",
                 "/os-hypervisors/statistics", "/os-hypervisors?with_servers=true",
                 "/os-hypervisors/detail?with_servers=true", "/os-hypervisors?hypervisor_hostname_pattern=a")
        listed = self.call("GET", "/os-hypervisors") or {"hypervisors": []}
        for host in listed["hypervisors"]:
            path = f"/os-hypervisors/{host['id']}"
            name = f"/os-hypervisors/{host['hypervisor_hostname']}"
            self.get(path, f"{path}?with_servers=true", f"{path}/uptime", f"{name}/search", f"{name}/servers")
        self.get("/os-availability-zone", "/os-availability-zone/detail", "/extensions", "/extensions/servers",
                 "/extensions/os-keypairs", "/versions/v2.1", "/", "/os-services?binary=nova-compute")
        self.services()

    def services(self):
        listed = (self.call("GET", "/os-services") or {"services": []})["services"]
        service = next(one for one in listed if one["binary"] == "nova-compute")
        where = {"host": service["host"], "binary": "nova-compute"}
        if self.version < 53:
            self.send("PUT", "/os-services/disable", where)
            self.send("PUT", "/os-services/disable-log-reason", {**where, "disabled_reason": "sweep"})
            self.get("/os-services")
            self.send("PUT", "/os-services/force-down", {**where, "forced_down": True})
            self.call("PUT", "/os-services/force-down", {**where, "forced_down": False})
            self.send("PUT", "/os-services/enable", where)
        else:
            path = f"/os-services/{service['id']}"
            self.send("PUT", path, {"status": "disabled", "disabled_reason": "sweep"})
            self.get("/os-services")
            self.call("PUT", path, {"forced_down": True})
            self.send("PUT", path, {"forced_down": False})
            self.send("PUT", path, {"status": "enabled"})

    # Servers

    def server_body(self):
        """A create that uses every member that its version knows and the fake driver can serve."""
        body = {
            "name": f"s{self.version}", "imageRef": self.image, "flavorRef": self.flavor, "key_name": "sweep",
            "adminPass": "secret", "metadata": {"key": "value"}, "networks": [{"uuid": self.network}],
            "OS-DCF:diskConfig": "AUTO", "accessIPv4": "192.0.2.1", "accessIPv6": "2001:db8::1",
            "availability_zone": "nova", "config_drive": False, "min_count": 1, "max_count": 1,
            "security_groups": [{"name": "default"}], "user_data": "IyEvYmluL3NoCg==",
        }
        since = {19: ("description", "of the sweep"), 52: ("tags", ["one"]), 90: ("hostname", f"h{self.version}")}
        body |= {key: value for first, (key, value) in since.items() if first <= self.version}
        return {"server": body, "os:scheduler_hints": {"custom": "x"}}

    def drop(self, server):
        """Undoes a create that was meant to be refused."""
        if "server" in server:
            self.call("DELETE", f"/servers/{server['server']['id']}")

    def wait(self, server, *wanted):
        """Waits until the server is in one of these states, or gone."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            status, _, answer = self.compute.call("GET", f"/servers/{server}", version=1)
            if status == 404 or answer["server"]["status"] in wanted:
                return
            if answer["server"]["status"] == "ERROR":
                raise SystemExit(f"sweep.py: 2.{self.version}: {answer}")
            time.sleep(0.02)
        raise SystemExit(f"sweep.py: server {server} is not {' or '.join(wanted)}")

    def servers(self):
        body = self.server_body()
        made = self.send("POST", "/servers", body, self.drop)
        if made is None:
            self.faults.append(f"2.{self.version}: no server")
            return
        server = made["server"]["id"]
        path = f"/servers/{server}"
        self.call("GET", path)
        self.wait(server, "ACTIVE")
        self.lists(server)
        self.parts(path)
        self.send("PUT", path, {"server": {"name": "renamed", "accessIPv4": "192.0.2.2", "accessIPv6": "2001:db8::2",
                                           "OS-DCF:diskConfig": "MANUAL"}})
        for member in ("description", "hostname", "pinned_availability_zone"):
            self.send("PUT", path, {"server": {member: "anew"}})
        self.actions(path, server)
        self.call("DELETE", path)
        reservation = {**body["server"], "return_reservation_id": True, "max_count": 2}
        reservation.pop("hostname", None)
        answer = self.call("POST", "/servers", {"server": reservation})
        if answer is not None:
            self.call("GET", f"/servers/detail?reservation_id={answer['reservation_id']}")
        self.failed()
        self.wait(server)
        self.clear()

    def failed(self):
        """A server that no host has room for, so that there is a fault to show."""
        body = {"name": "large", "imageRef": self.image, "flavorRef": self.large(), "networks": [{"uuid": self.network}]}
        if self.version >= 37:
            body["networks"] = "none"
        made = self.call("POST", "/servers", {"server": body})
        if made is None:
            return
        path = f"/servers/{made['server']['id']}"
        deadline = time.monotonic() + 60
        while self.compute.call("GET", path, version=1)[2]["server"]["status"] != "ERROR":
            if time.monotonic() > deadline:
                raise SystemExit("sweep.py: a server without room does not fail")
            time.sleep(0.02)
        self.get(path, "/servers/detail?status=ERROR")
        self.history(path)

    def large(self):
        """A flavor that no host has room for."""
        flavor = {"flavor": {"name": "large", "id": "large", "ram": 1 << 30, "vcpus": 1, "disk": 0}}
        self.compute.call("POST", "/flavors", flavor, 1)
        return "large"

    def clear(self):
        """Deletes every server."""
        for server in self.compute.need("GET", "/servers", version=1)["servers"]:
            self.call("POST", f"/servers/{server['id']}/action", {"unlock": None})
            self.call("DELETE", f"/servers/{server['id']}")

    def lists(self, server):
        self.get("/servers", "/servers?limit=1", "/servers/detail", "/servers/detail?limit=1&all_tenants=1",
                 "/servers/detail?name=s&status=ACTIVE&sort_key=created_at&sort_dir=asc", "/servers?deleted=true",
                 "/servers/detail?changes-since=2020-01-01T00:00:00Z", "/servers/detail?tags=one", f"/servers/{server}",
                 "/servers/detail?locked=true", "/servers?unknown=x", "/servers?marker=x", "/servers?limit=-1",
                 f"/servers/{server}?unknown=x", "/servers/detail?changes-before=2099-01-01T00:00:00Z",
                 f"/servers/detail?ip=10&uuid={server}", "/servers?sort_key=unknown")

    def history(self, path):
        listed = self.call("GET", f"{path}/os-instance-actions") or {"instanceActions": []}
        self.get(f"{path}/os-instance-actions?limit=1", f"{path}/os-instance-actions?unknown=x",
                 *(f"{path}/os-instance-actions/{one['request_id']}" for one in listed["instanceActions"]))

    def parts(self, path):
        self.get(f"{path}/ips", f"{path}/ips/sweep", f"{path}/os-security-groups")
        listed = self.call("GET", f"{path}/os-interface") or {"interfaceAttachments": []}
        self.get(*(f"{path}/os-interface/{one['port_id']}" for one in listed["interfaceAttachments"]))
        self.history(path)
        for method in ("POST", "PUT"):
            self.send(method, f"{path}/metadata", {"metadata": {"key": "value"}})
        self.get(f"{path}/metadata", f"{path}/metadata/key")
        self.send("PUT", f"{path}/metadata/key", {"meta": {"key": "other"}})
        self.call("DELETE", f"{path}/metadata/key")
        self.send("PUT", f"{path}/tags", {"tags": ["one", "two"]})
        self.get(f"{path}/tags", f"{path}/tags/one")
        self.call("PUT", f"{path}/tags/three")
        self.call("PUT", f"{path}/tags/three", {"surplus": "x"})
        self.call("DELETE", f"{path}/tags/one")
        self.call("DELETE", f"{path}/tags")

    def actions(self, path, server):
        def act(body, *wanted):
            self.send("POST", f"{path}/action", body, lambda _: self.wait(server, "ACTIVE", "SHUTOFF"))
            self.wait(server, *wanted)

        act({"os-getConsoleOutput": {"length": 10}}, "ACTIVE")
        self.call("POST", f"{path}/action", {"os-getConsoleOutput": {}})
        self.call("POST", f"{path}/action", {"lock": None})
        act({"lock": {"locked_reason": "sweep"}}, "ACTIVE")
        self.call("GET", path)
        act({"unlock": None}, "ACTIVE")
        act({"reboot": {"type": "SOFT"}}, "ACTIVE")
        act({"reboot": {"type": "HARD"}}, "ACTIVE")
        self.send("POST", f"{path}/action", {"os-stop": None}, lambda _: self.wait(server, "SHUTOFF"))
        self.wait(server, "SHUTOFF")
        self.call("GET", path)
        self.send("POST", f"{path}/action", {"os-start": None}, lambda _: self.wait(server, "ACTIVE"))
        self.wait(server, "ACTIVE")
        self.send("POST", f"{path}/action", {"os-resetState": {"state": "active"}})
        self.history(path)

    def run(self, versions):
        for self.version in versions:
            began, before = time.monotonic(), self.calls.total()
            for part in (self.flavors, self.keypairs, self.quotas, self.hosts, self.servers):
                part()
            print(f"2.{self.version}: {self.calls.total() - before} calls, {time.monotonic() - began:.1f} s", flush=True)
        for fault in self.faults:
            print(f"FAULT {fault}")
        print(f"{self.calls.total()} calls, {len(self.faults)} faults; "
              + ", ".join(f"{count} of {status}" for status, count in sorted(self.calls.items())))
        return 1 if self.faults else 0


@contextlib.contextmanager
def cloud():
    """The cloud of the OS_ variables, or a new one."""
    if "OS_AUTH_URL" in os.environ:
        yield
        return
    from support import Deployment
    deployment = Deployment("fake")
    try:
        os.environ.update(deployment.start().environment())
        yield
    finally:
        deployment.remove()


def main():
    words = sys.argv[1:]
    sends_wrong = "--wrong" in words
    versions = [int(word) for word in words if word != "--wrong"]
    with cloud():
        sys.exit(Sweep(sends_wrong).run(versions or (EDGES if sends_wrong else range(1, LAST + 1))))


if __name__ == "__main__":
    main()
