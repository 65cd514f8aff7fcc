"""Storage: repositories, their connections to hosts, disks, and disks of virtual machines."""
import os

from records import NULL
from vhd import copy_sparse
from world import Failure


def allocated(path):
    try:
        return os.stat(path).st_blocks * 512
    except FileNotFoundError:
        return 0


class Storage:
    """Rules of SR, PBD, VDI and VBD over a world."""

    def __init__(self, world):
        self.world = world

    # -- repositories

    def used(self, sr):
        world = self.world
        return sum(allocated(world.path(vdi)) for vdi in world.get("SR", sr)["VDIs"])

    def refresh(self, sr):
        world = self.world
        virtual = sum(world.get("VDI", vdi)["virtual_size"] for vdi in world.get("SR", sr)["VDIs"])
        world.set("SR", sr, physical_utilisation=self.used(sr), virtual_allocation=virtual)

    def require_attached(self, sr):
        world = self.world
        if not any(world.get("PBD", pbd)["currently_attached"] for pbd in world.get("SR", sr)["PBDs"]):
            raise Failure("SR_HAS_NO_PBDS", sr)

    def require_room(self, sr, wanted):
        record = self.world.get("SR", sr)
        free = record["physical_size"] - self.used(sr)
        if record["type"] != "iscsi" and wanted > free:
            raise Failure("SR_FULL", wanted, free)

    def sr_introduce(self, identifier, name, description, kind, content, shared, sm_config):
        world = self.world
        if world.find("SR", uuid=identifier):
            raise Failure("SR_UUID_EXISTS", identifier)
        if kind not in ("iscsi", "ext", "nfs", "lvmoiscsi", "dummy"):
            raise Failure("SR_UNKNOWN_DRIVER", kind)
        return world.add("SR", {
            "name_label": name, "name_description": description, "type": kind, "content_type": content,
            "shared": shared, "sm_config": sm_config}, identifier=identifier)

    def sr_forget(self, sr):
        world = self.world
        record = world.get("SR", sr)
        if any(world.get("PBD", pbd)["currently_attached"] for pbd in record["PBDs"]):
            raise Failure("SR_HAS_PBD", sr)
        for vdi in list(record["VDIs"]):
            if world.get("VDI", vdi)["VBDs"]:
                raise Failure("VDI_IN_USE", vdi, "forget")
            self.drop(vdi)
        for pbd in list(record["PBDs"]):
            world.remove("PBD", pbd)
        world.remove("SR", sr)

    def sr_scan(self, sr):
        self.require_attached(sr)
        world = self.world
        record = world.get("SR", sr)
        if record["type"] == "iscsi":
            target = self.target(world.get("PBD", record["PBDs"][0])["device_config"])
            known = {world.get("VDI", vdi)["sm_config"].get("LUNid"): vdi for vdi in record["VDIs"]}
            for lun, size in target["luns"].items():
                if str(lun) in known:
                    vdi = known[str(lun)]
                    if world.get("VDI", vdi)["virtual_size"] != size:
                        os.truncate(world.path(vdi), size)
                        world.set("VDI", vdi, virtual_size=size)
                else:
                    self.make(sr, {
                        "name_label": "", "virtual_size": size, "sm_config": {"LUNid": str(lun)}})
        self.refresh(sr)

    # -- connections of hosts

    def target(self, config):
        portal = "%s:%s" % (config.get("target"), config.get("port", "3260"))
        found = self.world.targets.get((portal, config.get("targetIQN")))
        if found is None:
            raise Failure("SR_BACKEND_FAILURE_141", "", "Unable to connect to the iSCSI target", "")
        if found.get("user") and (config.get("chapuser"), config.get("chappassword")) != (
                found["user"], found["password"]):
            raise Failure("SR_BACKEND_FAILURE_68", "", "ISCSI login failed, verify CHAP credentials", "")
        return found

    def pbd_create(self, values):
        world = self.world
        world.get("SR", values["SR"])
        world.get("host", values["host"])
        for pbd in world.get("SR", values["SR"])["PBDs"]:
            if world.get("PBD", pbd)["host"] == values["host"]:
                raise Failure("PBD_EXISTS", values["SR"], values["host"], pbd)
        pbd = world.add("PBD", values)
        world.get("SR", values["SR"])["PBDs"].append(pbd)
        world.get("host", values["host"])["PBDs"].append(pbd)
        return pbd

    def pbd_plug(self, pbd):
        world = self.world
        record = world.get("PBD", pbd)
        if world.get("SR", record["SR"])["type"] == "iscsi":
            self.target(record["device_config"])
        world.set("PBD", pbd, currently_attached=True)
        if world.get("SR", record["SR"])["type"] == "iscsi":
            self.sr_scan(record["SR"])

    def pbd_unplug(self, pbd):
        world = self.world
        record = world.get("PBD", pbd)
        for vdi in world.get("SR", record["SR"])["VDIs"]:
            for vbd in world.get("VDI", vdi)["VBDs"]:
                if world.get("VBD", vbd)["currently_attached"]:
                    machine = world.get("VM", world.get("VBD", vbd)["VM"])
                    if machine["resident_on"] == record["host"]:
                        raise Failure("VDI_IN_USE", vdi, "PBD.unplug")
        world.set("PBD", pbd, currently_attached=False)

    def pbd_destroy(self, pbd):
        world = self.world
        record = world.get("PBD", pbd)
        if record["currently_attached"]:
            raise Failure("OPERATION_NOT_ALLOWED", "PBD is plugged")
        world.get("SR", record["SR"])["PBDs"].remove(pbd)
        world.get("host", record["host"])["PBDs"].remove(pbd)
        world.remove("PBD", pbd)

    # -- disks

    def make(self, sr, values, source=None):
        world = self.world
        vdi = world.add("VDI", dict(values, SR=sr))
        world.get("VDI", vdi)["location"] = world.get("VDI", vdi)["uuid"]
        world.get("SR", sr)["VDIs"].append(vdi)
        size = world.get("VDI", vdi)["virtual_size"]
        if source:
            copy_sparse(source, world.path(vdi), size)
        else:
            with open(world.path(vdi), "wb") as file:
                file.truncate(size)
        return vdi

    def drop(self, vdi):
        world = self.world
        record = world.get("VDI", vdi)
        path = world.path(vdi)
        if vdi in world.get("SR", record["SR"])["VDIs"]:
            world.get("SR", record["SR"])["VDIs"].remove(vdi)
        world.remove("VDI", vdi)
        if os.path.exists(path):
            os.remove(path)

    def vdi_create(self, values):
        sr = values.get("SR")
        self.world.get("SR", sr)
        self.require_attached(sr)
        try:
            size = int(values["virtual_size"])
        except (KeyError, ValueError):
            raise Failure("FIELD_TYPE_ERROR", "virtual_size")
        if size <= 0:
            raise Failure("VDI_TOO_SMALL", size, 1)
        # Repositories hand out whole blocks.
        size = (size + (2 << 20) - 1) // (2 << 20) * (2 << 20)
        self.require_room(sr, size)
        vdi = self.make(sr, dict(values, virtual_size=size, snapshot_of=NULL, is_a_snapshot=False, VBDs=[]))
        self.refresh(sr)
        return vdi

    def attached(self, vdi):
        world = self.world
        return [vbd for vbd in world.get("VDI", vdi)["VBDs"] if world.get("VBD", vbd)["currently_attached"]]

    def vdi_destroy(self, vdi):
        world = self.world
        record = world.get("VDI", vdi)
        if self.attached(vdi):
            raise Failure("VDI_IN_USE", vdi, "destroy")
        for vbd in list(record["VBDs"]):
            self.vbd_remove(vbd)
        sr = record["SR"]
        for snapshot in world.find("VDI", snapshot_of=vdi):
            world.set("VDI", snapshot, snapshot_of=NULL)
        self.drop(vdi)
        self.refresh(sr)

    def vdi_copy(self, vdi, sr, values=None):
        world = self.world
        record = world.get("VDI", vdi)
        self.require_attached(sr)
        self.require_room(sr, allocated(world.path(vdi)))
        kept = {name: record[name] for name in (
            "name_label", "name_description", "virtual_size", "type", "other_config", "sm_config", "xenstore_data",
            "tags")}
        kept.update(values or {})
        made = self.make(sr, kept, source=world.path(vdi))
        self.refresh(sr)
        return made

    def vdi_clone(self, vdi):
        """Both the disk and its clone lean on a hidden parent afterwards, as in a chain of VHDs."""
        record = self.world.get("VDI", vdi)
        parent = record["sm_config"].get("vhd-parent", "parent-of-" + record["uuid"])
        self.world.set("VDI", vdi, sm_config=dict(record["sm_config"], **{"vhd-parent": parent}))
        return self.vdi_copy(vdi, record["SR"], {"sm_config": dict(record["sm_config"], **{"vhd-parent": parent})})

    def vdi_snapshot(self, vdi, options=None):
        record = self.world.get("VDI", vdi)
        made = self.vdi_copy(vdi, record["SR"])
        self.world.set("VDI", made, is_a_snapshot=True, snapshot_of=vdi, read_only=False)
        record["snapshots"].append(made)
        return made

    def vdi_resize(self, vdi, size):
        world = self.world
        record = world.get("VDI", vdi)
        size = int(size)
        if size < record["virtual_size"]:
            raise Failure("VDI_TOO_SMALL", size, record["virtual_size"])
        if self.attached(vdi):
            raise Failure("VDI_IN_USE", vdi, "resize")
        self.require_room(record["SR"], size - record["virtual_size"])
        size = (size + (2 << 20) - 1) // (2 << 20) * (2 << 20)
        os.truncate(world.path(vdi), size)
        world.set("VDI", vdi, virtual_size=size)
        self.refresh(record["SR"])

    def vdi_introduce(self, identifier, name, description, sr, kind, sharable, read_only, other_config, location,
                      *rest):
        world = self.world
        for vdi in world.get("SR", sr)["VDIs"]:
            record = world.get("VDI", vdi)
            if record["location"] == location or record["uuid"] == identifier:
                return vdi
        raise Failure("SR_BACKEND_FAILURE_46", "", "The VDI is not available", location)

    # -- disks of machines

    def vbd_create(self, values):
        world = self.world
        machine = world.get("VM", values.get("VM"))
        if not values.get("empty"):
            world.get("VDI", values.get("VDI"))
        taken = {world.get("VBD", vbd)["userdevice"] for vbd in machine["VBDs"]}
        device = values.get("userdevice", "autodetect")
        free = [str(number) for number in range(16) if str(number) not in taken]
        if device == "autodetect":
            device = free[0]
        if device in taken:
            raise Failure("DEVICE_ALREADY_EXISTS", device)
        if values.get("type") not in ("Disk", "CD"):
            raise Failure("FIELD_TYPE_ERROR", "type")
        vbd = world.add("VBD", dict(values, userdevice=device, device="", currently_attached=False))
        machine["VBDs"].append(vbd)
        if not values.get("empty"):
            world.get("VDI", values["VDI"])["VBDs"].append(vbd)
            world.note("VDI", values["VDI"], "mod")
        world.note("VM", values["VM"], "mod")
        return vbd

    def vbd_remove(self, vbd):
        world = self.world
        record = world.get("VBD", vbd)
        if record["VM"] in world.db["VM"]:
            world.get("VM", record["VM"])["VBDs"].remove(vbd)
            world.note("VM", record["VM"], "mod")
        if record["VDI"] in world.db["VDI"]:
            world.get("VDI", record["VDI"])["VBDs"].remove(vbd)
        world.remove("VBD", vbd)

    def vbd_destroy(self, vbd):
        if self.world.get("VBD", vbd)["currently_attached"]:
            raise Failure("OPERATION_NOT_ALLOWED", "VBD '%s' still attached" % self.world.get("VBD", vbd)["uuid"])
        self.vbd_remove(vbd)

    def vbd_attach(self, vbd, host):
        """The rules by which a disk may be attached on a host."""
        world = self.world
        record = world.get("VBD", vbd)
        if not record["empty"]:
            vdi = world.get("VDI", record["VDI"])
            self.require_seen(vdi["SR"], host, record["VM"])
            others = [other for other in self.attached(record["VDI"]) if other != vbd]
            if others and not vdi["sharable"]:
                if record["mode"] == "RW" or any(world.get("VBD", other)["mode"] == "RW" for other in others):
                    raise Failure("VDI_IN_USE", record["VDI"], "attach")
        device = "xvd" + "abcdefghijklmnop"[int(record["userdevice"])]
        world.set("VBD", vbd, currently_attached=True, device=device)

    def require_seen(self, sr, host, machine):
        world = self.world
        for pbd in world.get("SR", sr)["PBDs"]:
            record = world.get("PBD", pbd)
            if record["host"] == host and record["currently_attached"]:
                return
        raise Failure("VM_REQUIRES_SR", machine, sr)

    def vbd_plug(self, vbd):
        world = self.world
        record = world.get("VBD", vbd)
        machine = world.get("VM", record["VM"])
        if machine["power_state"] != "Running":
            raise Failure("VM_BAD_POWER_STATE", record["VM"], "running", machine["power_state"].lower())
        if record["currently_attached"]:
            raise Failure("DEVICE_ALREADY_ATTACHED", vbd)
        self.vbd_attach(vbd, machine["resident_on"])

    def vbd_unplug(self, vbd):
        world = self.world
        record = world.get("VBD", vbd)
        machine = world.get("VM", record["VM"])
        if machine["power_state"] != "Running":
            raise Failure("VM_BAD_POWER_STATE", record["VM"], "running", machine["power_state"].lower())
        if not record["currently_attached"]:
            raise Failure("DEVICE_ALREADY_DETACHED", vbd)
        if machine["name_label"] in world.settings["refuses_unplug"]:
            raise Failure("DEVICE_DETACH_REJECTED", "VBD", vbd, "the guest holds the device")
        world.set("VBD", vbd, currently_attached=False, device="")
