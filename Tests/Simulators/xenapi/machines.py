"""Virtual machines: their life cycle, interfaces, and moves between hosts and pools."""
import json
import ssl
import time
import urllib.request

from records import ALLOWED_STATES, NULL
from world import Failure, now


class Machines:
    """Rules of VM, VIF and host over a world. Long operations let go of the lock while they take their time."""

    def __init__(self, world, storage):
        self.world = world
        self.storage = storage

    # -- rules

    def require_state(self, vm, operation):
        record = self.world.get("VM", vm)
        if record["is_a_template"]:
            raise Failure("VM_IS_TEMPLATE", vm)
        states = ALLOWED_STATES[operation]
        if record["power_state"] not in states:
            wanted = ", ".join(sorted(state.lower() for state in states))
            raise Failure("VM_BAD_POWER_STATE", vm, wanted, record["power_state"].lower())
        if record["current_operations"]:
            raise Failure(
                "OTHER_OPERATION_IN_PROGRESS", "VM", vm, next(iter(record["current_operations"].values())))
        if operation in record["blocked_operations"]:
            raise Failure("OPERATION_BLOCKED", vm, record["blocked_operations"][operation])
        return record

    def busy(self, vm, operation, task, seconds):
        """Marks the machine while the operation takes its time."""
        world = self.world
        with world.lock:
            self.require_state(vm, operation)
            key = task or "sync-%f" % time.monotonic()
            world.get("VM", vm)["current_operations"][key] = operation
            world.note("VM", vm, "mod")
        try:
            world.work(task, seconds)
        finally:
            with world.lock:
                if vm in world.db["VM"]:
                    world.get("VM", vm)["current_operations"].pop(key, None)
                    world.note("VM", vm, "mod")

    def free_memory(self, host):
        world = self.world
        record = world.get("host", host)
        used = sum(world.get("VM", vm)["memory_static_max"] for vm in record["resident_VMs"])
        return world.get("host_metrics", record["metrics"])["memory_total"] - record["memory_overhead"] - used

    def require_host(self, vm, host):
        world = self.world
        record = world.get("host", host)
        if not record["enabled"]:
            raise Failure("HOST_DISABLED", host)
        if not world.get("host_metrics", record["metrics"])["live"]:
            raise Failure("HOST_NOT_LIVE", host)
        wanted = world.get("VM", vm)["memory_static_max"]
        free = self.free_memory(host)
        if wanted > free:
            raise Failure("HOST_NOT_ENOUGH_FREE_MEMORY", wanted, free)

    def set_resident(self, vm, host):
        world = self.world
        record = world.get("VM", vm)
        if record["resident_on"] != NULL and vm in world.get("host", record["resident_on"])["resident_VMs"]:
            world.get("host", record["resident_on"])["resident_VMs"].remove(vm)
            world.note("host", record["resident_on"], "mod")
        record["resident_on"] = host
        if host != NULL:
            world.get("host", host)["resident_VMs"].append(vm)
            world.note("host", host, "mod")

    # -- life

    def create(self, values):
        world = self.world
        for name in ("memory_static_max", "VCPUs_max", "VCPUs_at_startup"):
            if name not in values:
                raise Failure("MESSAGE_PARAMETER_COUNT_MISMATCH", "VM.create", name, "missing")
        if int(values["VCPUs_at_startup"]) > int(values["VCPUs_max"]) or int(values["VCPUs_max"]) < 1:
            raise Failure("VALUE_NOT_SUPPORTED", "VCPUs_max", values["VCPUs_max"], "must be at least VCPUs_at_startup")
        limits = [int(values.get("memory_" + name, 0)) for name in (
            "static_min", "dynamic_min", "dynamic_max", "static_max")]
        if limits != sorted(limits):
            raise Failure("MEMORY_CONSTRAINT_VIOLATION", "static_min <= dynamic_min <= dynamic_max <= static_max")
        kept = {
            name: value for name, value in values.items()
            if name not in ("uuid", "VBDs", "VIFs", "power_state", "resident_on", "metrics", "guest_metrics", "domid",
                            "current_operations", "allowed_operations", "consoles", "snapshots", "is_a_snapshot")}
        vm = world.add("VM", kept)
        metrics = world.add("VM_metrics", {
            "memory_actual": values["memory_static_max"], "VCPUs_number": values["VCPUs_max"], "install_time": now()})
        world.set("VM", vm, metrics=metrics)
        return vm

    def destroy(self, vm):
        world = self.world
        record = world.get("VM", vm)
        if not record["is_a_template"] and not record["is_a_snapshot"]:
            self.require_state(vm, "destroy")
        for vbd in list(record["VBDs"]):
            self.storage.vbd_remove(vbd)
        for vif in list(record["VIFs"]):
            self.vif_remove(vif)
        for console in list(record["consoles"]):
            world.remove("console", console)
        for kind, field in (("VM_metrics", "metrics"), ("VM_guest_metrics", "guest_metrics")):
            if record[field] in world.db[kind]:
                world.remove(kind, record[field])
        for snapshot in world.find("VM", snapshot_of=vm):
            world.set("VM", snapshot, snapshot_of=NULL)
        world.remove("VM", vm)

    def boot(self, vm, host, paused=False):
        world = self.world
        record = self.require_state(vm, "start")
        self.require_host(vm, host)
        if not record["HVM_boot_policy"] and not (record["PV_bootloader"] or record["PV_kernel"]):
            raise Failure("BOOTLOADER_FAILED", vm, "no boot method")
        plugged = []
        try:
            for vbd in record["VBDs"]:
                self.storage.vbd_attach(vbd, host)
                plugged.append(vbd)
        except Failure:
            for vbd in plugged:
                world.set("VBD", vbd, currently_attached=False, device="")
            raise
        for vif in record["VIFs"]:
            world.set("VIF", vif, currently_attached=True)
        self.up(vm, host, "Paused" if paused else "Running")

    def up(self, vm, host, state):
        world = self.world
        record = world.get("VM", vm)
        world.domains = getattr(world, "domains", max([0] + [m["domid"] for m in world.db["VM"].values()])) + 1
        self.set_resident(vm, host)
        if not record["consoles"]:
            console = world.add("console", {"protocol": "rfb", "VM": vm})
            world.get("console", console)["location"] = "%s/console?ref=%s" % (self.url(host), console)
            record["consoles"].append(console)
        if record["metrics"] in world.db["VM_metrics"]:
            world.set(
                "VM_metrics", record["metrics"], start_time=now(), memory_actual=record["memory_static_max"],
                VCPUs_number=record["VCPUs_at_startup"],
                VCPUs_utilisation={str(cpu): 0.125 for cpu in range(record["VCPUs_at_startup"])})
        world.set("VM", vm, power_state=state, domid=world.domains)

    def down(self, vm, state="Halted"):
        world = self.world
        record = world.get("VM", vm)
        for vbd in record["VBDs"]:
            world.set("VBD", vbd, currently_attached=False, device="")
        for vif in record["VIFs"]:
            world.set("VIF", vif, currently_attached=False)
        for console in record["consoles"]:
            world.remove("console", console)
        if state == "Halted" and record["suspend_VDI"] in world.db["VDI"]:
            self.storage.drop(record["suspend_VDI"])
        self.set_resident(vm, NULL)
        values = {"power_state": state, "domid": -1, "consoles": []}
        if state == "Halted":
            values["suspend_VDI"] = NULL
        world.set("VM", vm, **values)

    def start(self, vm, paused, force, task=None, host=None):
        world = self.world
        with world.lock:
            if host is None:
                affinity = world.get("VM", vm)["affinity"]
                hosts = [affinity] if affinity in world.db["host"] else list(world.db["host"])
                host = hosts[0]
            self.require_state(vm, "start")
            self.require_host(vm, host)
        self.busy(vm, "start", task, world.settings["task_seconds"])
        with world.lock:
            self.boot(vm, host, paused)

    def clean(self, vm, operation, task, then):
        """Asks the guest, which obeys after a while or never."""
        world = self.world
        with world.lock:
            record = self.require_state(vm, operation)
            obeys = record["name_label"] not in world.settings["ignores_shutdown"]
        self.busy(vm, operation, task, world.settings["shutdown_seconds"] if obeys else 1200)
        if not obeys:
            raise Failure("VM_SHUTDOWN_TIMEOUT", vm, "1200")
        with world.lock:
            then()

    def hard_shutdown(self, vm, task=None):
        with self.world.lock:
            record = self.world.get("VM", vm)
            # Pulling the plug goes before a polite wish that is still under way.
            for key, operation in list(record["current_operations"].items()):
                if operation in ("clean_shutdown", "clean_reboot"):
                    self.world.tasks_cancelled.add(key)
                    record["current_operations"].pop(key)
            self.require_state(vm, "hard_shutdown")
            self.down(vm)

    def restart(self, vm):
        world = self.world
        host = world.get("VM", vm)["resident_on"]
        world.set("VM", vm, power_state="Running", domid=world.get("VM", vm)["domid"] + 1)
        metrics = world.get("VM", vm)["metrics"]
        if metrics in world.db["VM_metrics"]:
            world.set("VM_metrics", metrics, start_time=now())
        return host

    def suspend(self, vm, task=None):
        world = self.world
        self.busy(vm, "suspend", task, world.settings["task_seconds"])
        with world.lock:
            record = world.get("VM", vm)
            sr = record["suspend_SR"]
            if sr not in world.db["SR"]:
                sr = world.get("host", record["resident_on"])["suspend_image_sr"]
            if sr not in world.db["SR"]:
                sr = next(iter(world.db["pool"].values()))["default_SR"]
            if sr not in world.db["SR"]:
                raise Failure("VM_NO_SUSPEND_SR", vm)
            self.storage.require_room(sr, record["memory_static_max"])
            vdi = self.storage.make(sr, {
                "name_label": "Suspend image", "type": "suspend", "virtual_size": record["memory_static_max"]})
            world.set("VM", vm, suspend_VDI=vdi)
            self.down(vm, "Suspended")

    def resume(self, vm, paused, force, task=None, host=None):
        world = self.world
        with world.lock:
            record = self.require_state(vm, "resume")
            if record["suspend_VDI"] not in world.db["VDI"]:
                raise Failure("VM_HAS_NO_SUSPEND_VDI", vm)
            host = host or (record["affinity"] if record["affinity"] in world.db["host"] else next(iter(
                world.db["host"])))
            self.require_host(vm, host)
        self.busy(vm, "resume", task, world.settings["task_seconds"])
        with world.lock:
            for vbd in record["VBDs"]:
                self.storage.vbd_attach(vbd, host)
            for vif in record["VIFs"]:
                world.set("VIF", vif, currently_attached=True)
            self.storage.drop(record["suspend_VDI"])
            world.set("VM", vm, suspend_VDI=NULL)
            self.up(vm, host, "Paused" if paused else "Running")

    # -- interfaces

    def vif_create(self, values):
        world = self.world
        machine = world.get("VM", values.get("VM"))
        world.get("network", values.get("network"))
        device = str(values.get("device", ""))
        taken = {world.get("VIF", vif)["device"] for vif in machine["VIFs"]}
        if device == "autodetect" or device == "":
            device = next(str(number) for number in range(7) if str(number) not in taken)
        if device in taken:
            raise Failure("DEVICE_ALREADY_EXISTS", device)
        if not device.isdigit() or int(device) > 6:
            raise Failure("INVALID_DEVICE", device)
        vif = world.add("VIF", dict(values, device=device, currently_attached=False))
        machine["VIFs"].append(vif)
        world.get("network", values["network"])["VIFs"].append(vif)
        world.note("VM", values["VM"], "mod")
        return vif

    def vif_remove(self, vif):
        world = self.world
        record = world.get("VIF", vif)
        world.get("VM", record["VM"])["VIFs"].remove(vif)
        world.note("VM", record["VM"], "mod")
        if record["network"] in world.db["network"]:
            world.get("network", record["network"])["VIFs"].remove(vif)
        world.remove("VIF", vif)

    def vif_destroy(self, vif):
        if self.world.get("VIF", vif)["currently_attached"]:
            raise Failure("OPERATION_NOT_ALLOWED", "VIF '%s' still attached" % vif)
        self.vif_remove(vif)

    def vif_plug(self, vif, wanted):
        world = self.world
        record = world.get("VIF", vif)
        machine = world.get("VM", record["VM"])
        if machine["power_state"] != "Running":
            raise Failure("VM_BAD_POWER_STATE", record["VM"], "running", machine["power_state"].lower())
        if record["currently_attached"] == wanted:
            raise Failure("DEVICE_ALREADY_ATTACHED" if wanted else "DEVICE_ALREADY_DETACHED", vif)
        if not wanted and machine["name_label"] in world.settings["refuses_unplug"]:
            raise Failure("DEVICE_DETACH_REJECTED", "VIF", vif, "the guest holds the device")
        world.set("VIF", vif, currently_attached=wanted)

    # -- copies

    def copy(self, vm, name, operation, snapshot=False):
        world = self.world
        if not snapshot:
            self.require_state(vm, operation)
        record = world.get("VM", vm)
        values = {key: value for key, value in record.items() if key not in (
            "uuid", "VBDs", "VIFs", "consoles", "current_operations", "metrics", "guest_metrics", "snapshots")}
        values.update(
            name_label=name, power_state="Halted", resident_on=NULL, domid=-1, suspend_VDI=NULL,
            is_a_template=snapshot, is_a_snapshot=snapshot, snapshot_of=vm if snapshot else NULL)
        made = world.add("VM", values)
        if snapshot:
            record["snapshots"].append(made)
        for vbd in record["VBDs"]:
            disk = world.get("VBD", vbd)
            if disk["type"] != "Disk" or disk["empty"]:
                continue
            vdi = self.storage.vdi_snapshot(disk["VDI"]) if snapshot else self.storage.vdi_clone(disk["VDI"])
            self.storage.vbd_create(dict(disk, VM=made, VDI=vdi))
        for vif in record["VIFs"]:
            self.vif_create(dict(world.get("VIF", vif), VM=made))
        return made

    # -- moves

    def require_migratable(self, vm, host):
        world = self.world
        record = world.get("VM", vm)
        for vbd in record["VBDs"]:
            disk = world.get("VBD", vbd)
            if not disk["empty"]:
                self.storage.require_seen(world.get("VDI", disk["VDI"])["SR"], host, vm)
        self.require_host(vm, host)

    def pool_migrate(self, vm, host, options, task=None):
        world = self.world
        with world.lock:
            self.require_state(vm, "pool_migrate")
            self.require_migratable(vm, host)
        self.busy(vm, "pool_migrate", task, world.settings["migrate_seconds"])
        with world.lock:
            self.relocate(vm, host)

    def relocate(self, vm, host):
        world = self.world
        self.set_resident(vm, host)
        for console in world.get("VM", vm)["consoles"]:
            world.set("console", console, location="%s/console?ref=%s" % (self.url(host), console))
        world.set("VM", vm, domid=world.get("VM", vm)["domid"] + 1)

    def migrate_receive(self, session, host, network, options):
        world = self.world
        self.require_receiver(host)
        world.get("network", network)
        return {
            "host": host, "url": self.url(host) + "/services/xenops?session_id=" + session, "SM": self.url(host),
            "xenops": self.url(host), "master": self.url(host), "session_id": session, "network": network,
        }

    def require_receiver(self, host):
        if not self.world.get("host", host)["enabled"]:
            raise Failure("HOST_DISABLED", host)

    def assert_can_migrate(self, vm, dest, live, vdi_map, vif_map, options):
        world = self.world
        record = world.get("VM", vm)
        if live and record["power_state"] not in ALLOWED_STATES["migrate_send"]:
            raise Failure("VM_BAD_POWER_STATE", vm, "running", record["power_state"].lower())
        if dest.get("host") in world.db["host"]:
            self.require_host(vm, dest["host"])
            for vbd in record["VBDs"]:
                disk = world.get("VBD", vbd)
                if not disk["empty"] and disk["VDI"] not in vdi_map:
                    self.storage.require_seen(world.get("VDI", disk["VDI"])["SR"], dest["host"], vm)
            return
        for vbd in record["VBDs"]:
            disk = world.get("VBD", vbd)
            if not disk["empty"] and disk["VDI"] not in vdi_map:
                raise Failure("VDI_NOT_IN_MAP", disk["VDI"])
        for vif in record["VIFs"]:
            if vif not in vif_map:
                raise Failure("VIF_NOT_IN_MAP", vif)

    def migrate_send(self, vm, dest, live, vdi_map, vif_map, options, task=None):
        world = self.world
        with world.lock:
            self.require_state(vm, "migrate_send")
            self.assert_can_migrate(vm, dest, live, vdi_map, vif_map, options)
        self.busy(vm, "migrate_send", task, world.settings["migrate_seconds"])
        with world.lock:
            if dest["host"] in world.db["host"]:
                self.move_disks(vm, vdi_map)
                if world.get("VM", vm)["power_state"] != "Halted":
                    self.relocate(vm, dest["host"])
                return vm
            made = self.send_away(vm, dest, vdi_map, vif_map)
            self.remove_sent(vm, vdi_map)
            return made

    def move_disks(self, vm, vdi_map):
        world = self.world
        for vbd in world.get("VM", vm)["VBDs"]:
            old = world.get("VBD", vbd)["VDI"]
            sr = vdi_map.get(old)
            if sr is None or sr == world.get("VDI", old)["SR"]:
                continue
            new = self.storage.vdi_copy(old, sr)
            world.get("VDI", old)["VBDs"].remove(vbd)
            world.get("VDI", new)["VBDs"].append(vbd)
            world.set("VBD", vbd, VDI=new)
            self.storage.drop(old)

    def send_away(self, vm, dest, vdi_map, vif_map):
        """Hands the machine to another pool's simulator with the bytes of its disks."""
        world = self.world
        record = world.get("VM", vm)
        disks = []
        for vbd in record["VBDs"]:
            disk = world.get("VBD", vbd)
            if disk["empty"]:
                continue
            vdi = world.get("VDI", disk["VDI"])
            disks.append({"vbd": disk, "vdi": vdi, "sr": vdi_map[disk["VDI"]], "path": world.path(disk["VDI"])})
        interfaces = [dict(world.get("VIF", vif), network=vif_map[vif]) for vif in record["VIFs"]]
        body = {
            "session": dest["session_id"], "host": dest["host"], "vm": record, "disks": disks, "vifs": interfaces,
            # Both simulators run on one machine: what a real pool streams is read from the file here.
        }
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        request = urllib.request.Request(
            dest["master"] + "/simulator/receive", data=json.dumps(body).encode(), method="POST")
        try:
            with urllib.request.urlopen(request, timeout=60, context=context) as answer:
                return json.loads(answer.read())["vm"]
        except (OSError, ValueError) as error:
            raise Failure("CANNOT_CONTACT_HOST", dest["master"], error)

    def remove_sent(self, vm, vdi_map):
        world = self.world
        record = world.get("VM", vm)
        disks = [world.get("VBD", vbd)["VDI"] for vbd in record["VBDs"]]
        if record["power_state"] != "Halted":
            self.down(vm)
        self.destroy(vm)
        for vdi in disks:
            if vdi in vdi_map and vdi in world.db["VDI"]:
                self.storage.vdi_destroy(vdi)

    def receive(self, body):
        world = self.world
        if body["session"] not in world.sessions:
            raise Failure("SESSION_INVALID", body["session"])
        self.require_receiver(body["host"])
        record = body["vm"]
        values = {key: value for key, value in record.items() if key not in (
            "uuid", "VBDs", "VIFs", "consoles", "current_operations", "metrics", "guest_metrics", "resident_on",
            "power_state", "domid", "affinity", "snapshots", "allowed_operations", "suspend_VDI", "suspend_SR")}
        vm = world.add("VM", values, identifier=record["uuid"])
        world.set("VM", vm, metrics=world.add("VM_metrics", {"memory_actual": record["memory_static_max"]}))
        for disk in body["disks"]:
            kept = {key: disk["vdi"][key] for key in (
                "name_label", "name_description", "virtual_size", "type", "other_config", "sm_config")}
            vdi = self.storage.make(disk["sr"], kept, source=disk["path"])
            self.storage.vbd_create(dict(disk["vbd"], VM=vm, VDI=vdi))
        for vif in body["vifs"]:
            self.vif_create(dict(vif, VM=vm))
        if record["power_state"] != "Halted":
            self.boot(vm, body["host"], record["power_state"] == "Paused")
        return vm

    # -- hosts

    def url(self, host):
        return self.world.url_of(self.world.get("host", host)["address"])

    def evacuate(self, host, task=None):
        world = self.world
        with world.lock:
            machines = [vm for vm in world.get("host", host)["resident_VMs"]
                        if not world.get("VM", vm)["is_control_domain"]]
            others = [other for other in world.db["host"] if other != host]
        for vm in machines:
            for other in others:
                try:
                    self.pool_migrate(vm, other, {}, task)
                    break
                except Failure as failure:
                    trouble = failure
            else:
                if not others:
                    raise Failure("NO_HOSTS_AVAILABLE")
                raise trouble

    def power(self, host, verb):
        world = self.world
        record = world.get("host", host)
        if verb == "power_on":
            if not record["power_on_mode"]:
                raise Failure("HOST_POWER_ON_MODE_DISABLED")
            world.set("host_metrics", record["metrics"], live=True)
            world.set("host", host, enabled=True)
            return
        if record["enabled"]:
            raise Failure("HOST_NOT_DISABLED")
        if record["resident_VMs"]:
            raise Failure("HOST_IN_USE", host, "VM", record["resident_VMs"][0])
        world.set("host_metrics", record["metrics"], live=verb == "reboot")
        if verb == "reboot":
            world.set("host", host, enabled=True)
