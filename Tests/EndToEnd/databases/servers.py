"""A MariaDB or PostgreSQL server of a test's own: data in a temporary directory, on loopback, stopped with the test."""

import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time

from support import free_port, scaled

# Signs that a URL must escape.
USER, PASSWORD, ESCAPED = "kilonova", "p@ss/w:rd", "p%40ss%2Fw%3Ard"


def find(program):
    places = os.environ["PATH"].split(":") + ["/usr/sbin"] + sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    return shutil.which(program, path=":".join(places))


def unprivileged():
    """As root the servers insist on another user."""
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.getuid() == 0 else []


class Server:
    """Common to both; a subclass says how it is made and asked."""

    needs = ()

    @classmethod
    def missing(cls):
        return next((program for program in cls.needs if find(program) is None), None)

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="kn-db-", dir="/tmp")
        if os.getuid() == 0:
            os.chown(self.directory, 65534, 65534)
        self.port = free_port()
        self.process = None
        self.make()
        self.start()
        self.make_user()

    def run(self, *words):
        answer = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if answer.returncode:
            raise AssertionError(f"{' '.join(words)}: {answer.stdout}{answer.stderr}")
        return answer.stdout

    def start(self):
        deadline = time.monotonic() + scaled(60)
        while True:
            log = open(f"{self.directory}/log", "ab")
            self.process = subprocess.Popen(
                unprivileged() + self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            log.close()
            while self.process.poll() is None and time.monotonic() < deadline:
                if subprocess.run(self.question(), capture_output=True, check=False).returncode == 0:
                    return
                time.sleep(0.05)
            # A predecessor's last processes may still be ending.
            if time.monotonic() > deadline:
                raise AssertionError("the server does not start: " + open(f"{self.directory}/log").read()[-600:])
            time.sleep(0.2)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def remove(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(self.end_signal)
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


class MariaDB(Server):
    scheme, needs, end_signal = "mysql+pymysql", ("mariadbd", "mariadb-install-db", "mariadb-admin"), signal.SIGTERM

    def make(self):
        self.run(*unprivileged(), "mariadb-install-db", "--no-defaults", f"--datadir={self.directory}/data",
                 "--skip-test-db", "--auth-root-authentication-method=normal")

    def command(self):
        return [find("mariadbd"), "--no-defaults", f"--datadir={self.directory}/data", f"--port={self.port}",
                f"--socket={self.directory}/s", f"--pid-file={self.directory}/pid", "--bind-address=127.0.0.1",
                "--skip-name-resolve", "--innodb-buffer-pool-size=64M"]

    def question(self):
        return ["mariadb-admin", "--no-defaults", "-S", f"{self.directory}/s", "-u", "root", "ping"]

    def sql(self, statement):
        return self.run("mariadb", "--no-defaults", "-N", "-S", f"{self.directory}/s", "-u", "root", "-e", statement)

    def make_user(self):
        self.sql(f"CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON *.* TO {USER}@'%'")

    def url(self, name, password=ESCAPED, create=True):
        if create:
            self.sql(f"CREATE DATABASE {name}")
        return f"mysql+pymysql://{USER}:{password}@127.0.0.1:{self.port}/{name}?charset=utf8"


class PostgreSQL(Server):
    scheme, needs, end_signal = "postgresql+psycopg2", ("postgres", "initdb", "psql"), signal.SIGINT

    def make(self):
        self.run(*unprivileged(), find("initdb"), "-D", f"{self.directory}/data", "-U", "postgres",
                 "--encoding=UTF8", "--no-sync", "--auth-local=trust", "--auth-host=scram-sha-256")

    def command(self):
        return [find("postgres"), "-D", f"{self.directory}/data", "-k", self.directory, "-p", str(self.port),
                "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200"]

    def question(self):
        return [find("pg_isready"), "-q", "-h", self.directory, "-p", str(self.port)]

    def sql(self, statement):
        return self.run("psql", "-qtA", "-h", self.directory, "-p", str(self.port), "-U", "postgres", "-c", statement,
                        "postgres")

    def make_user(self):
        self.sql(f"CREATE ROLE {USER} LOGIN CREATEDB PASSWORD '{PASSWORD}'")

    def url(self, name, password=ESCAPED, create=True):
        if create:
            self.sql(f"CREATE DATABASE {name} OWNER {USER} ENCODING 'UTF8' TEMPLATE template0")
        return f"postgresql+psycopg2://{USER}:{password}@127.0.0.1:{self.port}/{name}"
