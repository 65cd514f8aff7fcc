#!/usr/bin/env python3
"""Measures a release build of kilonovad: fake driver, SQLite, one process, loopback.

Prints a table and writes the same figures as JSON. Needs wrk for the rates of single requests.

    bench.py KILONOVAD OUT.json [--runs N]

Figures are medians over the runs, with the least and the most. Nothing here decides whether a figure is good; the
bars stand beside them for the reader.
"""
import argparse
import concurrent.futures
import http.client
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time


class Cloud:
    """One kilonovad with a state directory of its own."""

    def __init__(self, program, driver="fake", options=()):
        self.directory = tempfile.mkdtemp(prefix="kilonova-bench-")
        self.log = open(os.path.join(self.directory, "stderr"), "wb")
        self.started = time.perf_counter()
        settings = [
            f"DEFAULT.compute_driver={driver}", "kilonova.port=0", "DEFAULT.metadata_listen=127.0.0.1",
            "DEFAULT.metadata_listen_port=0", "neutron.service_metadata_proxy=true",
            "neutron.metadata_proxy_shared_secret=bench", "quota.instances=-1", "quota.cores=-1", "quota.ram=-1",
            "filter_scheduler.max_instances_per_host=100000",
            f"DEFAULT.log_file={self.directory}/log/kilonovad.log", *options]
        self.process = subprocess.Popen(
            [program, "up", "--state-dir", self.directory]
            + [word for setting in settings for word in ("--set", setting)],
            stderr=self.log, stdin=subprocess.DEVNULL)
        ready = os.path.join(self.directory, "run", "ready")
        deadline = time.monotonic() + 60
        while not os.path.exists(ready):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(open(self.log.name).read() or "kilonovad did not become ready")
            time.sleep(0.001)
        while True:
            text = open(ready).read()
            if text.endswith("\n"):
                break
        self.facts = json.loads(text)
        self.identity = self.facts["identity_url"]
        self.host, self.port = re.match(r"http://([^:/]+):(\d+)", self.identity).groups()
        rc = open(os.path.join(self.directory, "openrc")).read()
        self.password = re.search(r"OS_PASSWORD=(\S+)", rc).group(1)

    def connection(self):
        return http.client.HTTPConnection(self.host, int(self.port), timeout=60)

    def call(self, connection, method, path, body=None, headers=None, expect=(200, 201, 202, 204)):
        headers = dict(headers or {})
        if hasattr(self, "token"):
            headers.setdefault("X-Auth-Token", self.token)
        data = None
        if body is not None:
            data = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        connection.request(method, path, body=data, headers=headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status not in expect:
            raise SystemExit(f"{method} {path}: {answer.status} {text[:500]!r}")
        return answer, (json.loads(text) if text and text[:1] in b"{[" else None)

    def log_in(self):
        connection = self.connection()
        answer, _ = self.call(connection, "POST", "/identity/v3/auth/tokens", {"auth": {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": "admin", "domain": {"name": "Default"}, "password": self.password}}},
            "scope": {"project": {"name": "admin", "domain": {"name": "Default"}}}}})
        self.token = answer.getheader("X-Subject-Token")
        return connection

    def prepare(self, connection):
        self.call(connection, "POST", "/compute/v2.1/flavors", {"flavor": {
            "name": "m1.nano", "id": "1", "ram": 64, "vcpus": 1, "disk": 1}})
        _, image = self.call(connection, "POST", "/image/v2/images", {
            "name": "bench", "disk_format": "raw", "container_format": "bare"})
        connection.request("PUT", f"/image/v2/images/{image['id']}/file", body=b"x" * 512,
                           headers={"X-Auth-Token": self.token, "Content-Type": "application/octet-stream"})
        connection.getresponse().read()
        self.image = image["id"]
        _, network = self.call(connection, "POST", "/network/v2.0/networks", {"network": {"name": "bench"}})
        self.network = network["network"]["id"]
        self.call(connection, "POST", "/network/v2.0/subnets", {"subnet": {
            "network_id": self.network, "cidr": "10.0.0.0/16", "ip_version": 4}})

    def create(self, connection, name):
        _, answer = self.call(connection, "POST", "/compute/v2.1/servers", {"server": {
            "name": name, "imageRef": self.image, "flavorRef": "1", "networks": [{"uuid": self.network}]}},
            headers={"OpenStack-API-Version": "compute 2.90"})
        return answer["server"]["id"]

    def wait_active(self, connection, server):
        while True:
            _, answer = self.call(connection, "GET", f"/compute/v2.1/servers/{server}")
            status = answer["server"]["status"]
            if status == "ACTIVE":
                return answer
            if status == "ERROR":
                raise SystemExit(f"server {server}: {answer['server'].get('fault')}")
            time.sleep(0.0005)

    def wait_gone(self, connection, server):
        while True:
            answer, _ = self.call(connection, "GET", f"/compute/v2.1/servers/{server}", expect=(200, 404))
            if answer.status == 404:
                return
            time.sleep(0.0005)

    def processor_seconds(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mib(self):
        for line in open(f"/proc/{self.process.pid}/smaps_rollup"):
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
        raise SystemExit("no Pss in smaps_rollup")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def wrk(url, connections, headers=(), seconds=3):
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
    for header in headers:
        command += ["-H", header]
    text = subprocess.run(command + [url], check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in text and "/readyz" not in url:
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
        if bad and int(bad.group(1)) and not url.endswith("/compute/"):
            raise SystemExit(f"{url}: {bad.group(0)}")
    return float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))


def measure(program):
    figures = {}
    cloud = Cloud(program)
    try:
        connection = cloud.log_in()
        cloud.prepare(connection)
        cloud.wait_active(connection, cloud.create(connection, "first"))
        figures["start to first ACTIVE server, s"] = time.perf_counter() - cloud.started
        time.sleep(1)
        figures["idle memory (PSS), MiB"] = cloud.memory_mib()
        times = []
        for number in range(20):
            began = time.perf_counter()
            server = cloud.create(connection, f"single-{number}")
            cloud.wait_active(connection, server)
            times.append((time.perf_counter() - began) * 1000)
        figures["create to ACTIVE, one server, ms"] = statistics.median(times)
        servers = many(cloud, figures)
        lists(cloud, figures, servers)
        remove(cloud, figures, servers)
    finally:
        cloud.stop()
    return figures


def many(cloud, figures):
    """50 servers, 8 in parallel, until all are ACTIVE."""
    before, began = cloud.processor_seconds(), time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        def one(number):
            connection = cloud.connection()
            server = cloud.create(connection, f"many-{number}")
            cloud.wait_active(connection, server)
            return server
        servers = list(pool.map(one, range(50)))
    elapsed = time.perf_counter() - began
    figures["50 servers, 8 in parallel, /s"] = 50 / elapsed
    figures["50 servers, CPU-ms each"] = (cloud.processor_seconds() - before) * 1000 / 50
    return servers


def remove(cloud, figures, servers):
    before, began = cloud.processor_seconds(), time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        def one(server):
            connection = cloud.connection()
            cloud.call(connection, "DELETE", f"/compute/v2.1/servers/{server}")
            cloud.wait_gone(connection, server)
        list(pool.map(one, servers))
    figures["delete 50, 8 in parallel, /s"] = len(servers) / (time.perf_counter() - began)
    figures["delete 50, CPU-ms each"] = (cloud.processor_seconds() - before) * 1000 / len(servers)


def lists(cloud, figures, servers):
    connection = cloud.connection()
    _, page = cloud.call(connection, "GET", "/compute/v2.1/servers?limit=1000")
    extra = [cloud.create(connection, f"fill-{number}") for number in range(max(0, 100 - len(page["servers"])))]
    for server in extra:
        cloud.wait_active(connection, server)
    base = f"http://{cloud.host}:{cloud.port}"
    token = [f"X-Auth-Token: {cloud.token}", "OpenStack-API-Version: compute 2.90"]
    detail = f"{base}/compute/v2.1/servers/detail?limit=100"
    figures["GET servers/detail of 100, 1 client, /s"] = wrk(detail, 1, token)
    before = cloud.processor_seconds()
    figures["GET servers/detail of 100, 8 clients, /s"] = rate = wrk(detail, 8, token)
    figures["GET servers/detail of 100, CPU-ms each"] = (cloud.processor_seconds() - before) * 1000 / (rate * 3)
    figures["GET servers/{id}, 8 clients, /s"] = wrk(f"{base}/compute/v2.1/servers/{servers[0]}", 8, token)
    figures["GET / version document, 8 clients, /s"] = wrk(f"{base}/compute/", 8)
    metadata(cloud, figures, servers[0])


def metadata(cloud, figures, server):
    import hashlib
    import hmac
    mark = os.path.join(cloud.directory, "run", "metadata")
    if not os.path.exists(mark):
        return
    url = open(mark).read().strip()
    connection = cloud.connection()
    _, answer = cloud.call(connection, "GET", f"/compute/v2.1/servers/{server}")
    signature = hmac.new(b"bench", server.encode(), hashlib.sha256).hexdigest()
    headers = [f"X-Instance-ID: {server}", f"X-Tenant-ID: {answer['server']['tenant_id']}",
               f"X-Instance-ID-Signature: {signature}", "X-Forwarded-For: 10.0.0.9"]
    figures["metadata meta_data.json, 8 clients, /s"] = wrk(f"{url}/openstack/latest/meta_data.json", 8, headers)


BARS = {
    "start to first ACTIVE server, s": ("at most", 1.0), "idle memory (PSS), MiB": ("at most", 70),
    "create to ACTIVE, one server, ms": ("at most", 25), "50 servers, 8 in parallel, /s": ("at least", 100),
    "50 servers, CPU-ms each": ("at most", 15), "GET servers/detail of 100, CPU-ms each": ("at most", 2), "delete 50, 8 in parallel, /s": ("at least", 100),
    "GET servers/detail of 100, 1 client, /s": ("at least", 500),
    "GET servers/detail of 100, 8 clients, /s": ("at least", 800),
    "GET servers/{id}, 8 clients, /s": ("at least", 4000),
    "metadata meta_data.json, 8 clients, /s": ("at least", 12000),
    "GET / version document, 8 clients, /s": ("at least", 20000),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("output")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    if not shutil.which("wrk"):
        raise SystemExit("wrk is missing: apt-get install wrk")
    runs = []
    for number in range(arguments.runs):
        print(f"run {number + 1} of {arguments.runs}", file=sys.stderr)
        runs.append(measure(arguments.program))
    table = {}
    print(f"{'figure':<44}{'median':>10}{'least':>10}{'most':>10}  bar")
    for name in runs[0]:
        values = [run[name] for run in runs if name in run]
        table[name] = {"median": statistics.median(values), "least": min(values), "most": max(values)}
        kind, bar = BARS.get(name, ("", None))
        row = table[name]
        print(f"{name:<44}{row['median']:>10.2f}{row['least']:>10.2f}{row['most']:>10.2f}"
              f"  {kind} {bar if bar is not None else ''}")
    with open(arguments.output, "w") as file:
        json.dump({"figures": table, "runs": runs}, file, indent=2)


if __name__ == "__main__":
    main()
