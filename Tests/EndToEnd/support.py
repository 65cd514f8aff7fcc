"""A daemon of its own for each set of tests, and the unmodified clients to drive it."""

import contextlib
import http.client
import io
import json
import logging
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path

import openstack
from openstackclient import shell
from openstackclient.common import clientmanager

ROOT = Path(os.environ["KILONOVA_ROOT"])
# What a request meets when the daemon dies under it.
LOST = (ConnectionError, http.client.HTTPException, urllib.error.URLError, TimeoutError)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(what, condition, seconds=30, interval=0.05, clues=None):
    """The first true answer of `condition`; when none comes in time, fails with `what` and what `clues` says."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}" + (f"\n{clues()}" if clues else ""))
        time.sleep(interval)


def scaled(seconds):
    """A deadline that a busy machine stretches, up to four times."""
    return seconds * min(4.0, max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)))


class Deployment:
    """One `kilonovad up` with its own state directory."""

    def __init__(self, driver, options=(), state=None):
        self.driver = driver
        self.state = Path(state or tempfile.mkdtemp(prefix=f"kilonova-{driver}-"))
        self.owns_state = state is None
        self.port = int(os.environ.get("E2E_PORT", "0")) or free_port()
        self.options = ["network_agent.enabled=false"] if driver == "fake" else []
        if os.environ.get("E2E_AUTH_URL"):
            # A proxy finds its own address to replace in the catalog only if that names the daemon's.
            self.options.append(f"kilonova.public_url=http://127.0.0.1:{self.port}")
        # A build without optimization takes half a second for each password otherwise, at each start.
        self.options.append("kilonova.password_hash_cost=8")
        self.options += options
        self.process = None

    def start(self, seconds=60, environment=None):
        """Starts the daemon, with more variables in its environment if given, and waits until it is ready."""
        ready = self.state / "run" / "ready"
        ready.unlink(missing_ok=True)
        (self.state / "log").mkdir(parents=True, exist_ok=True)
        (self.state / ".kilonova-state").touch()
        command = [
            os.environ["KILONOVAD"], "up", "--state-dir", str(self.state),
            "--set", f"DEFAULT.compute_driver={self.driver}",
            "--set", f"kilonova.port={self.port}",
            "--set", f"DEFAULT.log_file={self.state}/log/kilonovad.log",
        ]
        for option in self.options:
            command += ["--set", option]
        output = open(self.state / "log" / "kilonovad.out", "ab")
        began = time.monotonic()
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, **(environment or {})})
        output.close()
        while not (ready.exists() and ready.stat().st_size > 0):
            if self.process.poll() is not None:
                raise AssertionError(f"kilonovad ended with code {self.process.returncode}:\n{self.tail()}")
            if time.monotonic() > began + seconds:
                raise AssertionError(f"kilonovad was not ready within {seconds} s:\n{self.tail()}")
            time.sleep(0.01)
        self.ready = json.loads(ready.read_text())
        return self

    def tail(self, lines=15):
        text = ""
        for name in ("kilonovad.log", "kilonovad.out"):
            file = self.state / "log" / name
            if file.exists():
                text += f"--- {file}\n" + "\n".join(file.read_text(errors="replace").splitlines()[-lines:]) + "\n"
        return text

    def stop(self, seconds=30):
        """Asks the daemon to end and returns its exit code."""
        if self.process is None or self.process.poll() is not None:
            return None if self.process is None else self.process.returncode
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"kilonovad did not end within {seconds} s of SIGTERM:\n{self.tail()}") from None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def remove(self):
        try:
            self.stop()
        finally:
            if os.environ.get("KEEP"):
                print(f"kept {self.state}")
            elif self.owns_state:
                shutil.rmtree(self.state, ignore_errors=True)

    def environment(self, name="openrc"):
        """The OS_ variables of one of the daemon's openrc files."""
        variables = {}
        for line in (self.state / name).read_text().splitlines():
            words = shlex.split(line, comments=True)
            words = words[1:] if words[:1] == ["export"] else words
            for word in words:
                key, separator, value = word.partition("=")
                if separator and key.startswith("OS_"):
                    variables[key] = value
        if os.environ.get("E2E_AUTH_URL"):
            variables["OS_AUTH_URL"] = os.environ["E2E_AUTH_URL"]
        return variables

    def client(self, name="openrc"):
        return Client(self.environment(name))

    def get(self, path, headers=None, method="GET", body=None):
        """One plain HTTP request; returns status, headers and body whatever the status is."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", headers=headers or {}, method=method, data=body)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()


class Wire:
    """Plain requests of the admin, so that an answer that never comes is seen as such."""

    def __init__(self, cloud):
        self.cloud = cloud
        self.token = cloud.client().token()

    def call(self, path, body=None, method=None):
        headers = {"X-Auth-Token": self.token, "Content-Type": "application/json",
                   "OpenStack-API-Version": "compute 2.90, placement 1.30"}
        status, _, answer = self.cloud.get(path, headers, method or ("GET" if body is None else "POST"),
                                           None if body is None else json.dumps(body).encode())
        return status, json.loads(answer) if answer[:1] in (b"{", b"[") else None

    def need(self, path, body=None, method=None):
        status, answer = self.call(path, body, method)
        if status >= 300:
            raise AssertionError(f"{method or ''} {path}: {status} {answer}")
        return answer

    def servers(self):
        return self.need("/compute/v2.1/servers/detail?all_tenants=1")["servers"]

    def states(self):
        return {server["id"]: server["status"] for server in self.servers()}

    def lay_ground(self):
        """A flavor `1`, an image and a network with a subnet; returns the identifiers of image and network."""
        self.need("/compute/v2.1/flavors", {"flavor": {"name": "small", "id": "1", "ram": 64, "vcpus": 1, "disk": 1}})
        image = self.need("/image/v2/images", {"name": "blank", "disk_format": "raw", "container_format": "bare"})
        self.cloud.get(f"/image/v2/images/{image['id']}/file",
                       {"X-Auth-Token": self.token, "Content-Type": "application/octet-stream"}, "PUT", b"x" * 512)
        network = self.need("/network/v2.0/networks", {"network": {"name": "net"}})["network"]
        self.need("/network/v2.0/subnets", {"subnet": {
            "network_id": network["id"], "cidr": "10.91.0.0/16", "ip_version": 4}})
        return image["id"], network["id"]


class Builders:
    """For tests that have servers built over `self.wire` while something else dies."""

    def create(self, name):
        """The identifier of a server that was accepted; None where the answer was a refusal or never came."""
        try:
            status, answer = self.wire.call("/compute/v2.1/servers", {"server": {
                "name": name, "imageRef": self.image, "flavorRef": "1", "networks": [{"uuid": self.network}]}})
        except LOST:
            return None
        return answer["server"]["id"] if status == 202 else None

    def expect_active(self, servers, seconds=60):
        def settled():
            try:
                states = self.wire.states()
            except LOST + (AssertionError,):
                return False
            return set(servers) <= set(states) and all(states[server] == "ACTIVE" for server in servers)
        wait_until("all accepted servers are ACTIVE", settled, scaled(seconds))

    def expect_ended(self, servers, seconds=60):
        """Each is built, or is in ERROR and says why: what was accepted ends."""
        def ended():
            try:
                shown = {server["id"]: server for server in self.wire.servers()}
            except LOST + (AssertionError,):
                return None
            states = [shown.get(server, {}).get("status") for server in servers]
            return shown if set(states) <= {"ACTIVE", "ERROR"} else None
        shown = wait_until("all accepted servers have ended", ended, scaled(seconds))
        failed = [shown[server] for server in servers if shown[server]["status"] == "ERROR"]
        for server in failed:
            if not server["fault"]["message"]:
                raise AssertionError(f"server {server['id']} does not say why it failed")
        return len(failed)


class CommandFailed(AssertionError):
    """A client's command ended with a code other than 0."""

    def __init__(self, arguments, code, output, errors):
        super().__init__(f"openstack {shlex.join(arguments)}: code {code}\n{output}{errors}")
        self.errors = errors


def forget_clients():
    """The command keeps its service clients in the class: without this, the next command would act as the last user."""
    for kind in clientmanager.ClientManager.__mro__:
        for attribute in vars(kind).values():
            if hasattr(attribute, "_handle"):
                attribute._handle = None


class Client:
    """The `openstack` command, run in this process: the same program without the cost of starting Python each time."""

    def __init__(self, environment):
        self.environment = environment

    def run(self, *arguments, version=None):
        """Runs one command and returns what it printed."""
        arguments = [str(argument) for argument in arguments]
        if version:
            arguments = ["--os-compute-api-version", version, *arguments]
        output, errors = io.StringIO(), io.StringIO()
        forget_clients()
        root = logging.getLogger()
        for handler in list(root.handlers):
            root.removeHandler(handler)
        with self.variables(), contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            try:
                code = shell.OpenStackShell().run(arguments)
            except SystemExit as end:
                code = end.code
        if code not in (0, None):
            raise CommandFailed(arguments, code, output.getvalue(), errors.getvalue())
        return output.getvalue()

    def json(self, *arguments, version=None):
        return json.loads(self.run(*arguments, "-f", "json", version=version))

    def value(self, column, *arguments, version=None):
        return self.run(*arguments, "-f", "value", "-c", column, version=version).strip()

    @contextlib.contextmanager
    def variables(self):
        before = {key: value for key, value in os.environ.items() if key.startswith("OS_")}
        for key in before:
            del os.environ[key]
        os.environ.update(self.environment)
        try:
            yield
        finally:
            for key in self.environment:
                os.environ.pop(key, None)
            os.environ.update(before)

    def sdk(self, **options):
        """A connection of openstacksdk with the same credentials."""
        with self.variables():
            return openstack.connect(load_yaml_config=False, **options)

    def token(self):
        return self.value("id", "token", "issue")

    def endpoint(self, service):
        """The path of a service's public endpoint on the daemon's own listener."""
        for entry in self.json("catalog", "list"):
            if entry["Type"] == service:
                for endpoint in entry["Endpoints"]:
                    if endpoint["interface"] == "public":
                        return endpoint["url"]
        raise AssertionError(f"the catalog names no {service} service")


class CloudTest(unittest.TestCase):
    """Tests that share one daemon, with a flavor, an image and a network ready to use."""

    driver = "fake"
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.cloud = Deployment(cls.driver, cls.options)
        cls.addClassCleanup(cls.cloud.remove)
        cls.cloud.start()
        cls.admin = cls.cloud.client()
        cls.demo = cls.cloud.client("openrc-demo")
        cls.openstack = cls.admin
        cls.prepare()

    @classmethod
    def prepare(cls):
        """What the tests of a class find in the cloud when they begin."""

    @classmethod
    def prepare_servers(cls):
        run = cls.admin.run
        run("flavor", "create", "--vcpus", "1", "--ram", "64", "--disk", "1", "small")
        image = cls.cloud.state / "image.raw"
        image.write_bytes(os.urandom(65536))
        run("image", "create", "--file", image, "--disk-format", "raw", "--container-format", "bare", "--public",
            "blank")
        run("network", "create", "net")
        run("subnet", "create", "--network", "net", "--subnet-range", "10.90.0.0/24", "subnet")

    @staticmethod
    def create(flavor, image, *arguments):
        """The words of a command that creates one more server."""
        return "server", "create", "--flavor", flavor, "--image", image, "--network", "net", *arguments, "another"

    def make_server(self, name, *arguments, version=None, wait=True):
        """Creates a server on `net`, unless the arguments choose another network, and returns what is shown of it."""
        options = ["--flavor", "small", "--image", "blank", *arguments]
        if not {"--network", "--nic", "--port", "--no-network", "--auto-network"} & set(arguments):
            options += ["--network", "net"]
        if wait:
            options.append("--wait")
        return self.openstack.json("server", "create", *options, name, version=version)

    def status_of(self, server, wanted, seconds=30):
        return wait_until(f"server {server} {wanted}", lambda: self.openstack.value(
            "status", "server", "show", server) == wanted, seconds)

    def refused(self, fragment, *arguments, version=None):
        """The command must fail, and its message must hold `fragment`."""
        with self.assertRaises(CommandFailed) as caught:
            self.openstack.run(*arguments, version=version)
        self.assertIn(fragment, caught.exception.errors)
        return caught.exception.errors
