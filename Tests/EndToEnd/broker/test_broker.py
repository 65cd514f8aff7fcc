"""The daemon whose services talk over RabbitMQ: it builds servers, and no death of the broker loses an accepted one."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from support import ROOT, Builders, Deployment, Wire, free_port, scaled, wait_until


class Broker:
    """A RabbitMQ of a test's own with a port mapper of its own, on loopback."""

    @staticmethod
    def missing():
        needed = ("/usr/lib/rabbitmq/bin/rabbitmq-server", "/usr/bin/epmd")
        absent = [file for file in needed if not os.path.exists(file)]
        return f"there is no {absent[0]}" if absent else None

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="kn-broker-", dir="/tmp")
        self.port, self.distribution, self.mapper_port = free_port(), free_port(), free_port()
        self.mapper = subprocess.Popen(
            ["/usr/bin/epmd", "-port", str(self.mapper_port), "-address", "127.0.0.1"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.process = None
        self.start()

    def url(self, user="guest", password="guest", port=None):
        return f"rabbit://{user}:{password}@127.0.0.1:{port or self.port}/"

    def start(self):
        with open(f"{self.directory}/output", "ab") as output:
            self.process = subprocess.Popen(
                ["bash", ROOT / "Tests/TestBroker/broker.sh", self.directory, str(self.port), str(self.distribution),
                 str(self.mapper_port)], stdin=subprocess.DEVNULL, stdout=output, stderr=output)

        def answers():
            self_ended = self.process.poll()
            if self_ended is not None:
                raise AssertionError(f"the broker ended with code {self_ended}: {open(output.name).read()[-2000:]}")
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0
        wait_until("the broker takes connections", answers, scaled(120))

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def remove(self):
        self.kill()
        self.mapper.kill()
        self.mapper.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


@unittest.skipIf(Broker.missing(), Broker.missing() or "")
class OverBroker(unittest.TestCase, Builders):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker()
        cls.addClassCleanup(cls.broker.remove)
        cls.cloud = Deployment("fake", [
            f"DEFAULT.transport_url={cls.broker.url()}", "conductor.saga_recovery_interval=1",
            "quota.instances=-1", "quota.cores=-1", "quota.ram=-1"])
        cls.addClassCleanup(cls.cloud.remove)
        cls.cloud.start(seconds=scaled(60))
        cls.wire = Wire(cls.cloud)
        cls.image, cls.network = cls.wire.lay_ground()

    def test_1_a_server_is_built_over_the_broker(self):
        self.expect_active([self.create("first")])
        with open(f"{self.broker.directory}/log/kilonova-{self.broker.port}@localhost.log") as log:
            self.assertNotIn("error", log.read())
        self.assertNotIn("guest:guest", (self.cloud.state / "log" / "kilonovad.log").read_text())

    def test_2_a_broker_that_restarts_between_operations_is_found_again(self):
        self.broker.kill()
        self.broker.start()
        server = wait_until("a server is accepted", lambda: self.create("after"), scaled(30))
        self.expect_active([server])

    def test_3_killing_the_broker_under_load_loses_nothing(self):
        accepted, running = [], threading.Event()
        running.set()

        def ask(number):
            count = 0
            while running.is_set():
                server = self.create(f"asked-{number}-{count}")
                count += 1
                if server:
                    accepted.append(server)
                time.sleep(0.05)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        try:
            wait_until("some servers are accepted", lambda: len(accepted) > 3, scaled(60))
            self.broker.kill()
            self.broker.start()
            before = len(accepted)
            wait_until("servers are accepted again", lambda: len(accepted) > before, scaled(30))
        finally:
            running.clear()
            for thread in threads:
                thread.join()
        self.assertIsNone(self.cloud.process.poll())
        # A broker that is away for longer than `service_down_time` makes the node look down: builds fail and say so.
        failed = self.expect_ended(accepted, 120)
        print(f"{len(accepted)} servers accepted, {failed} of them failed with a reason", flush=True)
        self.expect_active([wait_until("a server is accepted", lambda: self.create("after"), scaled(30))], 120)

    def test_4_killing_the_daemon_loses_nothing(self):
        accepted = [server for server in (self.create(f"torn-{i}") for i in range(5)) if server]
        self.assertEqual(len(accepted), 5)
        self.cloud.kill()
        self.cloud.start(seconds=scaled(60))
        self.expect_active(accepted)

    # What cannot work is refused at once, with option and remedy, and never with the password.

    def refusal(self, url):
        cloud = Deployment("fake", [f"DEFAULT.transport_url={url}", "kilonova.broker_start_patience=2"])
        self.addCleanup(cloud.remove)
        with self.assertRaises(AssertionError) as refused:
            cloud.start(seconds=scaled(60))
        text = str(refused.exception)
        self.assertRegex(text, r"kilonovad ended with code (69|78)")
        self.assertIn("transport_url", text)
        self.assertNotIn("s3cret", text)
        return text

    def test_5_a_wrong_password_is_refused(self):
        self.assertIn("127.0.0.1", self.refusal(self.broker.url(password="s3cret")))

    def test_6_a_broker_that_is_not_there_is_refused(self):
        self.assertIn("127.0.0.1", self.refusal(self.broker.url(port=free_port())))

    def test_7_a_wrong_url_is_refused(self):
        self.refusal("rabbit://guest:s3cret@127.0.0.1:many/")
