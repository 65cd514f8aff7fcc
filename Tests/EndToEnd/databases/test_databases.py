"""The daemon on MariaDB and on PostgreSQL: it boots servers, and neither its death nor the database's loses any."""

import os
import subprocess
import threading
import time
import unittest

from databases.servers import PASSWORD, MariaDB, PostgreSQL
from support import Builders, Deployment, Wire, scaled, wait_until


def manage(*words, text=None):
    """`kilonovad manage db …`: exit code, and what it said."""
    answer = subprocess.run([os.environ["KILONOVAD"], "manage", "db", *words], input=text, capture_output=True,
                            text=True, timeout=300, check=False)
    return answer.returncode, answer.stdout + answer.stderr


class OnServer(Builders):
    """The tests, once per engine."""

    kind = None

    @classmethod
    def setUpClass(cls):
        if cls.kind.missing():
            raise unittest.SkipTest(f"{cls.kind.missing()} is not installed")
        cls.server = cls.kind()
        cls.addClassCleanup(cls.server.remove)
        cls.url = cls.server.url("nova")
        cls.cloud = Deployment("fake", [f"database.connection={cls.url}", "conductor.saga_recovery_interval=1",
                                        "database.max_retries=0", "database.max_pool_size=3",
                                        "quota.instances=-1", "quota.cores=-1", "quota.ram=-1"])
        cls.addClassCleanup(cls.cloud.remove)
        cls.where = ["--state-dir", str(cls.cloud.state), "--set", f"database.connection={cls.url}"]
        code, text = manage("sync", *cls.where)
        assert code == 0, text
        cls.cloud.start(seconds=scaled(60))
        cls.wire = Wire(cls.cloud)
        cls.image, cls.network = cls.wire.lay_ground()

    def test_a_server_is_built_and_its_row_is_in_the_database(self):
        server = self.create("first")
        self.expect_active([server])
        self.assertIn("compute: 000", manage("version", *self.where)[1])
        self.assertNotIn("pending", manage("version", *self.where)[1])
        saga = subprocess.run([os.environ["KILONOVAD"], "manage", "saga", "list", *self.where], capture_output=True,
                              text=True, check=False)
        self.assertIn("build-instance", saga.stdout, saga.stderr)

    def test_killing_the_daemon_loses_nothing(self):
        accepted = [server for server in (self.create(f"torn-{i}") for i in range(5)) if server]
        self.assertEqual(len(accepted), 5)
        self.cloud.kill()
        self.cloud.start(seconds=scaled(60))
        self.expect_active(accepted)

    def test_killing_the_database_loses_nothing(self):
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
            self.server.kill()
            self.server.start()
            back, before = time.monotonic(), len(accepted)
            wait_until("servers are accepted again", lambda: len(accepted) > before, scaled(10))
            print(f"accepted again {time.monotonic() - back:.1f} s after {self.kind.__name__} answered", flush=True)
        finally:
            running.clear()
            for thread in threads:
                thread.join()
        self.assertIsNone(self.cloud.process.poll())
        self.expect_active(accepted, 120)

    # What cannot work is refused at once, with option, value and remedy, and never with the password.

    def refusal(self, url, *options):
        cloud = Deployment("fake", [f"database.connection={url}", "database.max_retries=0", *options])
        self.addCleanup(cloud.remove)
        with self.assertRaises(AssertionError) as refused:
            cloud.start(seconds=scaled(60))
        text = str(refused.exception)
        self.assertRegex(text, r"kilonovad ended with code (69|78)")
        self.assertIn("[database] connection", text)
        self.assertNotIn(PASSWORD, text)
        self.assertNotIn("p%40ss", text)
        return text

    def test_a_wrong_password_is_refused(self):
        text = self.refusal(self.server.url("nova", password="wrong-secret", create=False))
        self.assertIn("the login to the database", text)
        self.assertNotIn("wrong-secret", text)

    def test_an_unknown_database_is_refused(self):
        self.assertIn("there is no database", self.refusal(self.server.url("nothere", create=False)))

    def test_a_server_that_is_not_there_is_refused(self):
        self.assertIn("does not answer", self.refusal(f"{self.kind.scheme}://u:p%40ss@127.0.0.1:1/nova"))

    def test_a_wrong_url_is_refused(self):
        self.assertIn("known are", self.refusal(f"{self.kind.scheme}://u:p%40ss@127.0.0.1/nova?sslmod=on"))

    def test_a_missing_schema_is_refused_until_it_is_made(self):
        url = self.server.url("bare")
        self.assertIn("kilonovad manage db sync", self.refusal(url))

    def test_a_newer_schema_is_refused(self):
        url = self.server.url("newer")
        self.assertEqual(manage("sync", "--set", f"database.connection={url}")[0], 0)
        statement = ("INSERT INTO schema_migrations (component, id, applied_at, phase, pending) "
                     "VALUES ('compute', '9999-later', CURRENT_TIMESTAMP, 'contract', 0)")
        self.enter("newer", statement)
        text = self.refusal(url)
        self.assertIn("9999-later", text)
        self.assertIn("newer version", text)

    def test_an_embedded_deployment_is_carried_over(self):
        small = Deployment("fake")
        self.addCleanup(small.remove)
        small.start(seconds=scaled(60))
        small.client().run("flavor", "create", "--id", "carried", "--ram", "64", "--disk", "1", "carried")
        small.stop()
        url = self.server.url("carried")
        code, text = manage("copy", "-", "-", text=f"sqlite://{small.state}/kilonova.sqlite\n{url}\n")
        self.assertEqual(code, 0, text)
        self.assertIn("copied", text)
        small.options.append(f"database.connection={url}")
        small.start(seconds=scaled(60))
        self.assertEqual(small.client().value("ram", "flavor", "show", "carried"), "64")
        # A second copy would mix two deployments.
        code, text = manage("copy", f"sqlite://{small.state}/kilonova.sqlite", url)
        self.assertNotEqual(code, 0)
        self.assertIn("already has rows", text)


class OnMariaDB(OnServer, unittest.TestCase):
    kind = MariaDB

    def enter(self, database, statement):
        self.server.sql(f"USE {database}; {statement}")


class OnPostgreSQL(OnServer, unittest.TestCase):
    kind = PostgreSQL

    def enter(self, database, statement):
        self.server.run("psql", "-q", "-h", self.server.directory, "-p", str(self.server.port), "-U", "postgres", "-c",
                        statement, database)


if __name__ == "__main__":
    unittest.main()
