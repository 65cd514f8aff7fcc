"""SIGKILL at every event of every saga: after the next start each server is what it should be, and nothing leaks.

The points are not written down here: undisturbed runs of the flows leave them in the saga log, and the matrix kills the
process right before and right after each event that it finds there. The beginning of a step is written together with the
end of the step before it, so it is no point of its own; `KILL_MATRIX=all` dies there too.
"""

import contextlib
import json
import os
import signal
import sqlite3
import sys
import unittest

from support import LOST, Deployment, Wire, scaled, wait_until

# A deletion may be refused while another task ends; the tests ask again.
SETTLED = ("ACTIVE", "ERROR", "SHUTOFF")


class KillMatrix(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cloud = Deployment("fake", ["conductor.saga_recovery_interval=1"])
        cls.addClassCleanup(cls.cloud.remove)
        cls.cloud.start()
        cls.wire = Wire(cls.cloud)
        cls.image, cls.network = cls.wire.lay_ground()

    # What is done to a server

    def create(self, **metadata):
        status, answer = self.wire.call("/compute/v2.1/servers", {"server": {
            "name": "torn", "imageRef": self.image, "flavorRef": "1", "metadata": metadata,
            "networks": [{"uuid": self.network}]}})
        self.assertEqual(status, 202, answer)
        return answer["server"]["id"]

    def create_doomed(self):
        return self.create(**{"fake:spawn:fail": "refused"})

    def make_settled(self):
        server = self.create()
        self.settle()
        return server

    def stop(self, server):
        self.assertEqual(self.wire.call(f"/compute/v2.1/servers/{server}/action", {"os-stop": None})[0], 202)

    def delete(self, server):
        self.assertEqual(self.wire.call(f"/compute/v2.1/servers/{server}", method="DELETE")[0], 204)

    # What must hold

    def settle(self):
        """Waits until no server has a task and no saga runs; returns what servers there are."""
        def settled():
            servers = self.wire.servers()
            busy = [s for s in servers if s["OS-EXT-STS:task_state"] or s["status"] not in SETTLED]
            return None if busy or self.unfinished() else (servers,)
        return wait_until("every server settled", settled, scaled(60))[0]

    def clear(self):
        for server in self.settle():
            self.delete(server["id"])
        wait_until("every server gone", lambda: not self.wire.servers() and not self.unfinished(), scaled(60))
        self.check_nothing_leaks([])

    def database(self):
        file = self.cloud.state / "kilonova.sqlite"
        return contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30))

    def unfinished(self):
        with self.database() as database:
            return database.execute(
                "SELECT name, status FROM sagas WHERE status NOT IN ('completed', 'unwound')").fetchall()

    def events(self, *sagas):
        """Every event that the log holds of these sagas, in the order in which they first happened."""
        with self.database() as database:
            rows = database.execute(
                "SELECT s.name, e.step, e.kind FROM saga_events e JOIN sagas s ON s.id = e.saga"
                " ORDER BY e.at, e.position").fetchall()
        return list(dict.fromkeys(row for row in rows if row[0] in sagas))

    def guests(self):
        """The guests that the fake hypervisor holds, by its own journal."""
        found = set()
        for line in (self.cloud.state / "drivers" / "fake" / "guests.jsonl").read_text().splitlines():
            change = json.loads(line)
            if "put" in change:
                found.add(change["put"]["id"])
            if "removed" in change:
                found.discard(change["removed"])
        return found

    def check_nothing_leaks(self, servers):
        alive = {s["id"] for s in servers if s["status"] != "ERROR"}
        self.assertEqual(self.guests(), alive, "guests")
        provider = self.wire.need("/placement/resource_providers")["resource_providers"][0]["uuid"]
        held = self.wire.need(f"/placement/resource_providers/{provider}/allocations")["allocations"]
        self.assertEqual(set(held), alive, "allocations")
        ports = self.wire.need("/network/v2.0/ports")["ports"]
        self.assertEqual(sorted(p["device_id"] for p in ports if p["device_owner"].startswith("compute:")),
                         sorted(alive), "ports")

    # The matrix

    def run_to_death(self, point, act):
        """Acts while the process is going to die at the point; the last answer may be lost."""
        with contextlib.suppress(*LOST):
            act()
        wait_until(f"death at {point}", lambda: self.cloud.process.poll() is not None, scaled(30))
        self.assertEqual(self.cloud.process.returncode, -signal.SIGKILL, point)

    def matrix(self, sagas, kinds, act, prepare=None, final=SETTLED):
        """Dies at each point of the sagas while `act` runs; `final` are the states in which the server may end."""
        points, begun = [], set()
        for saga, step, kind in self.events(*sagas):
            is_joined = kind in ("started", "undo-started") and saga in begun
            begun.add(saga)
            if kind in kinds and (not is_joined or os.environ.get("KILL_MATRIX") == "all"):
                points += [f"{saga}:{step}/{kind}/{side}" for side in ("before", "after")]
        self.assertGreater(len(points), 3, f"the log holds no events of {sagas}")
        for point in points:
            with self.subTest(point=point):
                argument = prepare() if prepare else None
                self.cloud.stop()
                self.cloud.start(environment={"KILONOVA_KILL_AT": point})
                self.run_to_death(point, (lambda a=argument: act(a)) if prepare else act)
                self.cloud.start()
                servers = self.settle()
                self.assertLessEqual({s["status"] for s in servers}, set(final), point)
                for server in servers:
                    self.assertTrue(server["status"] != "ERROR" or server["fault"]["message"], point)
                self.check_nothing_leaks(servers)
                self.clear()
        print(f"        {len(points)} points of {', '.join(sagas)}: {', '.join(sorted(kinds))}", file=sys.stderr)
        return len(points)

    def test_a_build_dies_at_each_event(self):
        self.make_settled()
        self.clear()
        self.matrix(["build-instance", "build-on-host"], {"started", "succeeded"}, self.create)

    def test_a_failing_build_dies_at_each_event_of_its_undoing(self):
        self.create_doomed()
        self.clear()
        self.matrix(["build-instance", "build-on-host"], {"failed", "undo-started", "undo-finished"},
                    self.create_doomed, final=("ERROR",))

    def test_a_deletion_dies_at_each_event(self):
        self.make_settled()
        self.clear()
        # An answer that got lost before the deletion was stored leaves the server as it was.
        self.matrix(["delete-instance"], {"started", "succeeded"}, self.delete, self.make_settled, final=())

    def test_a_stop_dies_at_each_event(self):
        self.stop(self.make_settled())
        self.clear()
        self.matrix(["power-instance"], {"started", "succeeded"}, self.stop, self.make_settled, final=("SHUTOFF",))
