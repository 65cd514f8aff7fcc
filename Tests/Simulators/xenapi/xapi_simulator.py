#!/usr/bin/env python3
"""A simulator of XenAPI: pools, hosts, storage and machines behind XML-RPC, JSON-RPC and the disk transfer paths.

    xapi_simulator.py --state DIR [--hosts N] [--tls] [--port P] ...

Prints one line of JSON when it serves: its port, the URL of each host and, with --tls, the certificate. State is kept
in DIR, so a simulator that was killed and started again has the same machines, as a toolstack that was restarted has;
sessions and tasks are gone. Tests steer it by POST /simulator/<verb> (see Control). No code of any real server is in
it; the calls answer with the codes that XenAPI's reference names.
"""
import argparse
import http.server
import json
import os
import shutil
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import xmlrpc.client

from machines import Machines
from storage import Storage
from vhd import BadVHD, raw_to_vhd, vhd_length, vhd_to_raw
from world import Cancelled, Failure, World

GIB = 1 << 30
LONG = {
    "VM.start", "VM.start_on", "VM.clean_shutdown", "VM.clean_reboot", "VM.suspend", "VM.resume", "VM.resume_on",
    "VM.pool_migrate", "VM.migrate_send", "VM.hard_shutdown", "host.evacuate",
}


class Pool:
    """One pool: a world, its rules, and the table of calls."""

    def __init__(self, options):
        self.options = options
        self.world = World(options.state)
        self.world.url_of = lambda address: "%s://%s:%d" % ("https" if options.tls else "http", address, options.port)
        self.storage = Storage(self.world)
        self.machines = Machines(self.world, self.storage)
        if not self.world.load():
            with self.world.lock:
                self.build()
        self.calls = self.table()

    def build(self):
        world, options = self.world, self.options
        hosts = []
        for number in range(options.hosts):
            metrics = world.add("host_metrics", {
                "memory_total": options.memory_gib * GIB, "memory_free": options.memory_gib * GIB})
            hosts.append(world.add("host", {
                "name_label": "%s-%d" % (options.name, number + 1), "metrics": metrics,
                "hostname": "%s-%d" % (options.name, number + 1), "address": "127.0.%d.%d" % (
                    options.subnet, number + 1),
                "software_version": {
                    "product_brand": "XCP-ng", "product_version": options.product_version,
                    "platform_version": "3.4.0",
                    "xen": "4.17.5", "xapi": "25.6", "hostname": "simulator"},
                "cpu_info": {
                    "cpu_count": "8", "socket_count": "2", "threads_per_core": "2", "vendor": "GenuineIntel",
                    "modelname": "Simulated CPU @ 2.00GHz", "flags": "fpu sse sse2 avx avx2 aes", "speed": "2000.0"},
                "capabilities": ["xen-3.0-x86_64", "hvm-3.0-x86_32", "hvm-3.0-x86_64", ""],
                "power_on_mode": "simulated"}))
        shared = []
        for name, kind, is_shared, where in self.repositories(hosts):
            sr = world.add("SR", {
                "name_label": name, "type": kind, "shared": is_shared, "physical_size": options.sr_gib * GIB,
                "other_config": {} if is_shared else {"i18n-key": "local-storage"}})
            for host in where:
                pbd = self.storage.pbd_create({"host": host, "SR": sr, "device_config": {"device": "/dev/sda3"}})
                world.set("PBD", pbd, currently_attached=True)
            shared.append(sr)
        for name, bridge in (("Pool-wide network associated with eth0", "xenbr0"), ("integration", "xapi0")):
            network = world.add("network", {"name_label": name, "bridge": bridge})
            if bridge == "xenbr0":
                for host in hosts:
                    pif = world.add("PIF", {"network": network, "host": host, "management": True})
                    world.get("network", network)["PIFs"].append(pif)
        for number, host in enumerate(hosts):
            vm = world.add("VM", {
                "name_label": "Control domain on host: %d" % number, "is_control_domain": True,
                "power_state": "Running", "affinity": host, "domid": 0})
            self.machines.set_resident(vm, host)
            world.set("host", host, suspend_image_sr=shared[-1])
        world.add("pool", {"name_label": options.name, "master": hosts[0], "default_SR": shared[-1]})
        world.save()

    def repositories(self, hosts):
        found = []
        if self.options.local_sr:
            for number, host in enumerate(hosts):
                found.append(("Local storage %d" % (number + 1), "ext", False, [host]))
        if self.options.shared_sr:
            found.append(("Shared storage", "nfs", True, hosts))
        return found

    @property
    def master(self):
        return next(iter(self.world.db["pool"].values()))["master"]

    # -- calls

    def table(self):
        world, storage, machines = self.world, self.storage, self.machines
        done = lambda body: lambda *args: (body(*args), "")[1]
        return {
            "SR.introduce": storage.sr_introduce, "SR.forget": done(storage.sr_forget),
            "SR.scan": done(storage.sr_scan), "PBD.create": storage.pbd_create, "PBD.plug": done(storage.pbd_plug),
            "PBD.unplug": done(storage.pbd_unplug), "PBD.destroy": done(storage.pbd_destroy),
            "VDI.create": storage.vdi_create, "VDI.destroy": done(storage.vdi_destroy), "VDI.copy": storage.vdi_copy,
            "VDI.clone": storage.vdi_clone, "VDI.snapshot": storage.vdi_snapshot,
            "VDI.resize": done(storage.vdi_resize), "VDI.resize_online": done(storage.vdi_resize),
            "VDI.introduce": storage.vdi_introduce, "VBD.create": storage.vbd_create,
            "VBD.destroy": done(storage.vbd_destroy), "VBD.plug": done(storage.vbd_plug),
            "VBD.unplug": done(storage.vbd_unplug), "VM.create": machines.create, "VM.destroy": done(machines.destroy),
            "VIF.create": machines.vif_create, "VIF.destroy": done(machines.vif_destroy),
            "VIF.plug": done(lambda vif: machines.vif_plug(vif, True)),
            "VIF.unplug": done(lambda vif: machines.vif_plug(vif, False)),
            "VM.pause": done(lambda vm: (machines.require_state(vm, "pause"), world.set(
                "VM", vm, power_state="Paused"))),
            "VM.unpause": done(lambda vm: (machines.require_state(vm, "unpause"), world.set(
                "VM", vm, power_state="Running"))),
            "VM.hard_reboot": done(lambda vm: (machines.require_state(vm, "hard_reboot"), machines.restart(vm))),
            "VM.clone": lambda vm, name: machines.copy(vm, name, "clone"),
            "VM.copy": lambda vm, name, sr: machines.copy(vm, name, "copy"),
            "VM.snapshot": lambda vm, name, *rest: machines.copy(vm, name, "", snapshot=True),
            "VM.set_memory_limits": done(self.set_memory), "VM.set_VCPUs_max": done(self.set_processors("VCPUs_max")),
            "VM.set_VCPUs_at_startup": done(self.set_processors("VCPUs_at_startup")),
            "VM.get_allowed_VBD_devices": self.free_devices(16, "VBDs", "VBD", "userdevice"),
            "VM.get_allowed_VIF_devices": self.free_devices(7, "VIFs", "VIF", "device"),
            "VM.power_state_reset": done(machines.down), "VM.get_data_sources": self.data_sources,
            "VM.assert_can_migrate": done(machines.assert_can_migrate),
            "VM.assert_can_boot_here": done(machines.require_host),
            "host.disable": done(lambda host: world.set("host", host, enabled=False)),
            "host.enable": done(lambda host: world.set("host", host, enabled=True)),
            "host.reboot": done(lambda host: machines.power(host, "reboot")),
            "host.shutdown": done(lambda host: machines.power(host, "shutdown")),
            "host.power_on": done(lambda host: machines.power(host, "power_on")),
            "host.compute_free_memory": lambda host: str(machines.free_memory(host)),
            "host.get_uptime": lambda host: 86400.0,
            "task.create": world.new_task, "task.cancel": done(self.cancel_task),
            "task.destroy": done(lambda task: world.remove("task", task)), "network.create": self.create_network,
            "network.destroy": done(lambda network: world.remove("network", network)),
        }

    def long_call(self, method, args, task):
        """Calls that take their time without the lock."""
        machines = self.machines
        if method == "VM.start":
            machines.start(*args, task=task)
        elif method == "VM.start_on":
            machines.start(args[0], *args[2:], task=task, host=args[1])
        elif method == "VM.clean_shutdown":
            machines.clean(args[0], "clean_shutdown", task, lambda: machines.down(args[0]))
        elif method == "VM.clean_reboot":
            machines.clean(args[0], "clean_reboot", task, lambda: machines.restart(args[0]))
        elif method == "VM.hard_shutdown":
            machines.hard_shutdown(args[0], task=task)
        elif method == "VM.suspend":
            machines.suspend(args[0], task=task)
        elif method == "VM.resume":
            machines.resume(*args, task=task)
        elif method == "VM.resume_on":
            machines.resume(args[0], *args[2:], task=task, host=args[1])
        elif method == "VM.pool_migrate":
            machines.pool_migrate(*args, task=task)
        elif method == "VM.migrate_send":
            return machines.migrate_send(*args[:6], task=task)
        elif method == "host.evacuate":
            machines.evacuate(args[0], task=task)
        return ""

    def set_memory(self, vm, static_min, static_max, dynamic_min, dynamic_max):
        self.machines.require_state(vm, "destroy")
        limits = [int(static_min), int(dynamic_min), int(dynamic_max), int(static_max)]
        if limits != sorted(limits):
            raise Failure("MEMORY_CONSTRAINT_VIOLATION", "static_min <= dynamic_min <= dynamic_max <= static_max")
        self.world.set(
            "VM", vm, memory_static_min=limits[0], memory_static_max=limits[3], memory_dynamic_min=limits[1],
            memory_dynamic_max=limits[2])

    def set_processors(self, field):
        def change(vm, count):
            self.machines.require_state(vm, "destroy")
            record = self.world.get("VM", vm)
            after = dict(record, **{field: int(count)})
            if after["VCPUs_at_startup"] > after["VCPUs_max"]:
                raise Failure("VALUE_NOT_SUPPORTED", field, count, "must be at least VCPUs_at_startup")
            self.world.set("VM", vm, **{field: int(count)})

        return change

    def free_devices(self, count, field, kind, name):
        def find(vm):
            world = self.world
            taken = {world.get(kind, device)[name] for device in world.get("VM", vm)[field]}
            return [str(number) for number in range(count) if str(number) not in taken]

        return find

    def data_sources(self, vm):
        record = self.world.get("VM", vm)
        if record["power_state"] not in ("Running", "Paused"):
            return []
        names = [("cpu%d" % cpu, 0.125, "(fraction)") for cpu in range(record["VCPUs_at_startup"])]
        names += [("memory", float(record["memory_static_max"]), "B"), ("memory_internal_free", 262144.0, "KiB")]
        return [{
            "name_label": name, "name_description": name, "enabled": True, "standard": True, "units": unit,
            "min": 0.0, "max": 1e18, "value": value} for name, value, unit in names]

    def create_network(self, values):
        self.bridges = getattr(self, "bridges", 10) + 1
        return self.world.add("network", dict({"bridge": "xapi%d" % self.bridges}, **values))

    def cancel_task(self, task):
        record = self.world.get("task", task)
        if record["status"] == "pending":
            self.world.tasks_cancelled.add(task)

    def login(self, address, user, password, *rest):
        if (user, password) != (self.options.user, self.options.password):
            raise Failure("SESSION_AUTHENTICATION_FAILED", user, "Authentication failure")
        host = self.host_at(address)
        if host != self.master:
            raise Failure("HOST_IS_SLAVE", self.world.get("host", self.master)["address"])
        session = self.world.add("session", {"this_host": host})
        self.world.sessions[session] = host
        return session

    def host_at(self, address):
        found = self.world.find("host", address=address)
        return found[0] if found else self.master

    def call(self, address, method, args, task=None):
        """One call by name; answers its value or throws Failure."""
        world = self.world
        with world.lock:
            world.calls[method] = world.calls.get(method, 0) + 1
            delay = world.delays.get(method, 0)
            fault = world.faults.get(method)
            if fault and fault.get("skip", 0) > 0:
                fault["skip"] -= 1
                fault = None
            elif fault:
                fault["count"] -= 1
                if fault["count"] <= 0:
                    del world.faults[method]
        if delay:
            time.sleep(delay)
        if fault and not fault.get("after"):
            raise Failure(*fault["error"])
        value = self.dispatch(address, method, args, task)
        if fault:
            raise Failure(*fault["error"])
        return value

    def dispatch(self, address, method, args, task):
        world = self.world
        if method == "session.login_with_password":
            with world.lock:
                return self.login(address, *args)
        if not args:
            raise Failure("MESSAGE_PARAMETER_COUNT_MISMATCH", method, "1", "0")
        session, args = args[0], args[1:]
        with world.lock:
            if session not in world.sessions:
                raise Failure("SESSION_INVALID", session)
        if method == "session.logout":
            with world.lock:
                world.sessions.pop(session, None)
                world.remove("session", session)
            return ""
        if method == "event.from":
            return world.events_from(session, *args)
        if method.startswith("Async."):
            return self.begin(address, method[6:], session, args)
        if method in LONG:
            try:
                value = self.long_call(method, args, task)
            except (TypeError, IndexError) as error:
                raise Failure("MESSAGE_PARAMETER_COUNT_MISMATCH", method, "", error)
            with world.lock:
                world.save()
            return value
        with world.lock:
            value = self.short_call(method, session, args)
            if ".get_" not in method:
                world.save()
            return value

    def short_call(self, method, session, args):
        world = self.world
        kind, _, verb = method.partition(".")
        body = self.calls.get(method)
        if method == "host.migrate_receive":
            return self.machines.migrate_receive(session, *args)
        if kind == "session" and verb == "get_this_host":
            return world.sessions[session]
        if body:
            try:
                return body(*args)
            except (TypeError, KeyError) as error:
                raise Failure("MESSAGE_PARAMETER_COUNT_MISMATCH", method, "", error)
        if kind not in world.db:
            raise Failure("MESSAGE_METHOD_UNKNOWN", method)
        try:
            return world.generic(kind, verb, args)
        except IndexError:
            raise Failure("MESSAGE_PARAMETER_COUNT_MISMATCH", method, "", str(len(args)))

    def begin(self, address, method, session, args):
        world = self.world
        with world.lock:
            task = world.new_task("Async." + method)

        def run():
            try:
                if method not in LONG:
                    world.work(task, world.settings["task_seconds"])
                value = self.call(address, method, [session] + list(args), task)
                text = "<value>%s</value>" % value if isinstance(value, str) else ""
                world.finish_task(task, "success", text)
            except Cancelled:
                world.finish_task(task, "cancelled", error=["TASK_CANCELLED", task])
            except Failure as failure:
                world.finish_task(task, "failure", error=failure.details)
            except Exception as error:  # a mistake of the simulator's own must not leave the task pending
                world.finish_task(task, "failure", error=["INTERNAL_ERROR", repr(error)])

        threading.Thread(target=run, daemon=True).start()
        return task


class Control:
    """What tests do to the simulator."""

    def __init__(self, pool):
        self.pool = pool
        self.mangle = {}

    def run(self, verb, body):
        world = self.pool.world
        with world.lock:
            if verb == "dump":
                return world.dump()
            if verb == "world":
                return world.lasting()
            if verb == "record":
                return [world.wire(body["class"], record) for record in world.db[body["class"]].values()
                        if all(record.get(name) == value for name, value in body.get("where", {}).items())]
            if verb == "expire":
                world.sessions.clear()
                world.changed.notify_all()
            elif verb == "lose-events":
                world.lose_events()
            elif verb == "fault":
                world.faults[body["method"]] = {
                    "error": body["error"], "count": body.get("count", 1), "after": body.get("after", False),
                    "skip": body.get("skip", 0)}
            elif verb == "delay":
                world.delays[body["method"]] = body["seconds"]
            elif verb == "mangle":
                self.mangle[body["path"]] = body["how"]
            elif verb == "set":
                world.settings.update(body)
            elif verb == "clear":
                world.faults, world.delays, self.mangle = {}, {}, {}
            elif verb == "calls":
                calls, world.calls = world.calls, {}
                return calls
            elif verb == "target":
                world.targets[(body["portal"], body["name"])] = {
                    "luns": {int(lun): size for lun, size in body["luns"].items()}, "user": body.get("user"),
                    "password": body.get("password")}
                world.save()
            elif verb == "forget-target":
                world.targets.pop((body["portal"], body["name"]), None)
                world.save()
            elif verb == "power":
                found = world.find("VM", uuid=body["uuid"])
                return world.get("VM", found[0])["power_state"] if found else ""
            elif verb == "remove":
                for vm in world.find("VM", uuid=body["uuid"]):
                    if world.get("VM", vm)["power_state"] != "Halted":
                        self.pool.machines.down(vm)
                    self.pool.machines.destroy(vm)
                world.save()
            elif verb == "stop-guest":
                for vm in world.find("VM", name_label="instance-" + body["guest"]):
                    self.pool.machines.down(vm)
                world.save()
            elif verb == "crash":
                vm = world.find("VM", uuid=body["uuid"])[0]
                self.pool.machines.down(vm)
                world.save()
            elif verb == "dead-host":
                host = world.find("host", address=body["address"])[0]
                world.set("host_metrics", world.get("host", host)["metrics"], live=False)
            elif verb == "foreign":
                vm = self.pool.machines.create({
                    "name_label": body["name"], "memory_static_max": 1 << 28, "memory_dynamic_max": 1 << 28,
                    "memory_dynamic_min": 1 << 28, "memory_static_min": 0, "VCPUs_max": 1, "VCPUs_at_startup": 1,
                    "HVM_boot_policy": "BIOS order"})
                for _ in range(body.get("copies", 0)):
                    self.pool.machines.copy(vm, body["name"], "clone")
                if body.get("start", True):
                    self.pool.machines.boot(vm, self.pool.master)
                world.save()
                return world.get("VM", vm)["uuid"]
            elif verb == "receive":
                vm = self.pool.machines.receive(body)
                world.save()
                return {"vm": vm}
            elif verb == "path":
                return world.path(world.find("VDI", uuid=body["uuid"])[0])
            else:
                raise Failure("MESSAGE_METHOD_UNKNOWN", verb)
        return ""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536
    disable_nagle_algorithm = True
    pool = None
    control = None

    def log_message(self, *arguments):
        pass

    def setup(self):
        self.request.settimeout(120)
        super().setup()

    def answer(self, status, body, kind="text/plain", **headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    @property
    def address(self):
        return self.server.server_address[0]

    def do_POST(self):
        path = urllib.parse.urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if path.startswith("/simulator/"):
            return self.steer(path.rsplit("/", 1)[1], body)
        if self.mangled(path):
            return
        if path == "/jsonrpc" and self.pool.options.jsonrpc:
            return self.json_call(body)
        if path in ("/", "/RPC2"):
            return self.xml_call(body)
        self.answer(404, b"no such path")

    def steer(self, verb, body):
        try:
            value = self.control.run(verb, json.loads(body or b"{}"))
            self.answer(200, json.dumps(value).encode(), "application/json")
        except Failure as failure:
            self.answer(409, json.dumps(failure.details).encode(), "application/json")

    def mangled(self, path):
        """Answers as no proper server does, when a test wants it."""
        how = self.control.mangle.get(path)
        if how is None:
            return False
        if how == "drop":
            self.close_connection = True
        elif how == "truncate":
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(b'{"jsonrpc": "2.0", "result": "')
            self.close_connection = True
        elif how == "endless":
            self.send_response(200)
            self.send_header("Content-Length", str(1 << 40))
            self.end_headers()
            piece = b"[" * 65536
            try:
                while True:
                    self.wfile.write(piece)
            except OSError:
                pass
            self.close_connection = True
        elif how == "status":
            self.answer(503, b"busy")
        else:
            self.answer(200, how.encode(), "application/json")
        return True

    def run_call(self, method, args):
        try:
            return True, self.pool.call(self.address, method, list(args))
        except Failure as failure:
            return False, failure.details
        except Cancelled:
            return False, ["TASK_CANCELLED"]
        except Exception as error:  # what a real server calls an internal error
            return False, ["INTERNAL_ERROR", repr(error)]

    def json_call(self, body):
        try:
            call = json.loads(body)
            method, args = call["method"], call["params"]
        except (ValueError, KeyError, TypeError):
            return self.answer(400, b"bad request")
        good, value = self.run_call(method, args)
        answer = {"jsonrpc": "2.0", "id": call.get("id")}
        if good:
            answer["result"] = value
        else:
            answer["error"] = {"code": 1, "message": value[0], "data": value[1:]}
        self.answer(200, json.dumps(answer).encode(), "application/json")

    def xml_call(self, body):
        try:
            args, method = xmlrpc.client.loads(body)
        except Exception:
            return self.answer(400, b"bad request")
        good, value = self.run_call(method, args)
        answer = {"Status": "Success", "Value": value} if good else {"Status": "Failure", "ErrorDescription": value}
        self.answer(200, xmlrpc.client.dumps((answer,), methodresponse=True).encode(), "text/xml")

    # -- transfers of disks

    def query(self):
        parts = urllib.parse.urlsplit(self.path)
        return parts.path, {key: values[0] for key, values in urllib.parse.parse_qs(parts.query).items()}

    def transfer(self, expected):
        path, query = self.query()
        if self.mangled(path):
            return None
        world = self.pool.world
        if path != expected:
            self.answer(404, b"no such path")
            return None
        with world.lock:
            world.calls[path] = world.calls.get(path, 0) + 1
            fault = world.faults.pop(path, None)
            if query.get("session_id") not in world.sessions:
                self.answer(401, b"SESSION_INVALID")
                return None
            vdi = query.get("vdi", "")
            if vdi not in world.db["VDI"]:
                found = world.find("VDI", uuid=vdi)
                if not found:
                    self.answer(404, b"VDI_NOT_AVAILABLE")
                    return None
                vdi = found[0]
            sr = world.get("VDI", vdi)["SR"]
            here = self.pool.host_at(self.address)
            if not any(world.get("PBD", pbd)["host"] == here for pbd in world.get("SR", sr)["PBDs"]):
                other = world.get("PBD", world.get("SR", sr)["PBDs"][0])["host"]
                self.answer(302, b"", Location=self.pool.machines.url(other) + self.path)
                return None
        return vdi, query.get("format", "raw"), query.get("task_id"), fault

    def do_PUT(self):
        length = int(self.headers.get("Content-Length", "0"))
        world = self.pool.world
        with tempfile.NamedTemporaryFile(dir=world.directory, delete=False) as spool:
            rest = length
            while rest:
                piece = self.rfile.read(min(1 << 20, rest))
                if not piece:
                    break
                spool.write(piece)
                rest -= len(piece)
        try:
            self.put(spool.name)
        finally:
            os.unlink(spool.name)

    def put(self, spooled):
        found = self.transfer("/import_raw_vdi")
        if not found:
            return
        vdi, kind, task, fault = found
        world = self.pool.world
        try:
            if fault:
                raise Failure(*fault["error"])
            with world.lock:
                record = world.get("VDI", vdi)
                target, size = world.path(vdi), record["virtual_size"]
                length = os.path.getsize(spooled)
                if kind == "vhd":
                    self.pool.storage.require_room(record["SR"], length)
                    vhd_to_raw(spooled, target, size)
                elif kind == "raw":
                    if length > size:
                        raise Failure("VDI_IO_ERROR", "the data are larger than the disk")
                    with open(spooled, "rb") as reader, open(target, "r+b") as writer:
                        position = 0
                        while piece := reader.read(1 << 16):
                            if piece.strip(b"\0"):
                                writer.seek(position)
                                writer.write(piece)
                            position += len(piece)
                else:
                    raise Failure("IMPORT_ERROR_UNEXPECTED_FILE", kind)
                self.pool.storage.refresh(record["SR"])
                world.save()
            world.finish_task(task, "success")
            self.answer(200, b"")
        except BadVHD as error:
            world.finish_task(task, "failure", error=["VDI_IO_ERROR", str(error)])
            self.answer(500, str(error).encode())
        except Failure as failure:
            world.finish_task(task, "failure", error=failure.details)
            self.answer(500, failure.details[0].encode())

    def do_GET(self):
        path, query = self.query()
        if path == "/":
            return self.answer(200, b"xapi simulator")
        found = self.transfer("/export_raw_vdi")
        if not found:
            return
        vdi, kind, task, fault = found
        world = self.pool.world
        if fault:
            world.finish_task(task, "failure", error=fault["error"])
            return self.answer(500, fault["error"][0].encode())
        source = world.path(vdi)
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(vhd_length(source) if kind == "vhd" else os.path.getsize(source)))
        self.end_headers()
        if kind == "vhd":
            raw_to_vhd(source, self.wfile)
        else:
            with open(source, "rb") as reader:
                shutil.copyfileobj(reader, self.wfile)
        world.finish_task(task, "success")

    def do_CONNECT(self):
        """A console: the first bytes of an RFB server, as a proxy expects them."""
        path, query = self.query()
        world = self.pool.world
        with world.lock:
            good = query.get("session_id") in world.sessions and query.get("ref") in world.db["console"]
        if path != "/console" or not good:
            return self.answer(401 if path == "/console" else 404, b"")
        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\nRFB 003.008\n")
        self.close_connection = True


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True

    def handle_error(self, request, client_address):
        pass


def certificate(directory, addresses):
    """A certificate of our own for all hosts of the pool."""
    paths = os.path.join(directory, "cert.pem"), os.path.join(directory, "key.pem")
    if not os.path.exists(paths[0]):
        names = ",".join("IP:" + address for address in addresses)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", paths[1], "-out", paths[0],
             "-days", "2", "-subj", "/CN=xapi-simulator", "-addext", "subjectAltName=" + names],
            check=True, stderr=subprocess.DEVNULL)
    return paths


def bind(addresses, port):
    """Servers on one port of all addresses; the system chooses it when it is 0."""
    for _ in range(50):
        servers = []
        try:
            for address in addresses:
                wanted = port or (servers[0].server_address[1] if servers else 0)
                servers.append(Server((address, wanted), Handler))
            return servers
        except OSError:
            for server in servers:
                server.server_close()
            if port:
                time.sleep(0.1)
    raise SystemExit("xapi_simulator: no port is free on " + ", ".join(addresses))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--state", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--hosts", type=int, default=1)
    parser.add_argument("--subnet", type=int, default=0, help="hosts listen on 127.0.SUBNET.1 and on")
    parser.add_argument("--name", default="pool")
    parser.add_argument("--user", default="root")
    parser.add_argument("--password", default="secret")
    parser.add_argument("--memory-gib", type=int, default=64)
    parser.add_argument("--sr-gib", type=int, default=500)
    parser.add_argument("--product-version", default="8.3.0")
    parser.add_argument("--no-local-sr", dest="local_sr", action="store_false")
    parser.add_argument("--no-shared-sr", dest="shared_sr", action="store_false")
    parser.add_argument("--no-jsonrpc", dest="jsonrpc", action="store_false")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--watch-parent", action="store_true", help="end when standard input closes")
    options = parser.parse_args()
    os.makedirs(options.state, exist_ok=True)
    addresses = ["127.0.%d.%d" % (options.subnet, number + 1) for number in range(options.hosts)]
    servers = bind(addresses, options.port)
    options.port = servers[0].server_address[1]
    Handler.pool = Pool(options)
    Handler.control = Control(Handler.pool)
    told = {"port": options.port, "urls": [Handler.pool.world.url_of(address) for address in addresses]}
    if options.tls:
        paths = certificate(options.state, addresses)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*paths)
        for server in servers:
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        told["certificate"] = paths[0]
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    if options.watch_parent:
        sys.stdin.read()
    else:
        threading.Event().wait()


if __name__ == "__main__":
    main()
