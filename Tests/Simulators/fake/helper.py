#!/usr/bin/env python3
"""What `kilonovad driver verify` asks of the fake hypervisor: its world_command and its helper_command.

    helper.py FOLDER FOREIGN SHARED VERB [WORD...]

FOLDER keeps volumes, FOREIGN is the guest that the option foreign_guests names, SHARED the shared storage. What exists
is read from the journal of changes that the hypervisor keeps in the driver's state directory. Verbs are those of
`[driver_verify] helper_command`, and `world`.
"""
import base64
import json
import os
import sys
import time

STATE = os.environ["KILONOVA_DRIVER_STATE"]
POWERS = {0: "noState", 1: "running", 3: "paused", 4: "shutdown", 6: "crashed", 7: "suspended"}
# Guests of the fake hypervisor look at no volume, so every kind but files is a name.
CONNECTIONS = {
    "block": {"path": "/dev/conformance"},
    "iscsi": {"_0": {
        "portal": "192.0.2.1:3260", "name": "iqn.2010-10.org.openstack:v", "lun": 1, "user": "u", "password": "p"}},
    "rbd": {"_0": {"pool": "volumes", "image": "v", "monitors": ["192.0.2.1:6789"], "user": "u"}},
    "nfs": {"export": "192.0.2.1:/volumes", "file": "v", "format": "raw"},
    "nbd": {"host": "192.0.2.1", "port": 10809, "export": "v"},
}


def identity(name):
    return json.dumps(name, sort_keys=True)


def world():
    """Guests, disks, moves and the node, after all changes of the journal."""
    guests, disks, departures, arrivals, node = {}, {}, {}, {}, {}
    with open(STATE + "/guests.jsonl", encoding="utf-8") as journal:
        for line in journal:
            if not line.endswith("\n"):
                break
            change = json.loads(line)
            if "put" in change:
                guests[change["put"]["id"]] = change["put"]
            guests.pop(change.get("removed"), None)
            for disk in change.get("disks", []):
                disks[identity(disk["name"])] = disk
            for name in change.get("disksRemoved", []):
                disks.pop(identity(name), None)
            if "departure" in change:
                departures[change["departure"]["guest"]["id"]] = change["departure"]
            departures.pop(change.get("departureEnded"), None)
            if "arrival" in change:
                arrivals[change["arrival"]["guest"]["id"]] = change["arrival"]
            arrivals.pop(change.get("arrivalEnded"), None)
            node = change.get("node", node)
    return guests, disks, departures, arrivals, node


def files(folder, word):
    for path, _, names in os.walk(folder):
        for name in names:
            relative = os.path.relpath(os.path.join(path, name), folder)
            # An image that is kept is no leak; a part of one is.
            if relative in ("guests.jsonl", "guests.jsonl.new", "hypervisor") or (
                    relative.startswith("images/") and len(relative) == len("images/") + 36):
                continue
            yield word + " " + relative


def lines(shared):
    guests, disks, departures, arrivals, node = world()
    for guest in guests.values():
        told = [guest["id"], guest["name"], json.dumps(guest["flavor"], sort_keys=True)]
        told += [word for word in ("rescue", "isSetAside") if guest.get(word)]
        yield "guest " + " ".join(told)
        for volume in guest.get("volumes", []):
            yield "volume %s of %s %s" % (volume["id"], guest["id"], volume["sizeGiB"])
        for interface in guest.get("interfaces", []):
            yield "interface %s of %s" % (interface["macAddress"], guest["id"])
        for device in guest.get("pciDevices", []):
            yield "device %s of %s" % (device, guest["id"])
    for name, disk in disks.items():
        yield "disk %s %s %s" % (name, disk["sizeGiB"], disk["marker"])
    yield from ("departure %s %s" % (guest, left["kind"]) for guest, left in departures.items())
    yield from ("arrival " + guest for guest in arrivals)
    yield from ("node " + word for word, holds in node.items() if holds)
    yield from files(STATE, "file")
    if shared:
        yield from files(shared, "shared")


def befall(word, guest):
    path = STATE + "/hypervisor"
    with open(path + ".part", "w", encoding="ascii") as file:
        file.write("%s %s\n" % (word, guest))
    os.rename(path + ".part", path)
    # The hypervisor removes the file when it has happened.
    end = time.monotonic() + 20
    while os.path.exists(path):
        if time.monotonic() > end:
            raise SystemExit("the fake hypervisor did not take the order " + word)
        time.sleep(0.005)


def main(folder, foreign, shared, verb, *words):
    path = os.path.join(folder, words[0]) if words else ""
    if verb == "world":
        return "\n".join(sorted(lines(shared)))
    if verb in ("volume-make", "volume-bootable", "volume-encrypted"):
        kind = words[1] if verb == "volume-make" else "file"
        if kind != "file":
            return json.dumps({kind: CONNECTIONS[kind]}) if kind in CONNECTIONS else ""
        # Whatever it claims, it is small: the fake hypervisor copies volumes in full.
        os.makedirs(folder, exist_ok=True)
        with open(path, "wb"):
            pass
        return json.dumps({"file": {"path": path, "format": "raw"}})
    if verb == "volume-remove":
        if os.path.exists(path):
            os.remove(path)
    elif verb == "volume-write":
        with open(path, "r+b") as file:
            file.write(base64.b64decode(words[1]))
    elif verb == "volume-read" and os.path.exists(path):
        with open(path, "rb") as file:
            return base64.b64encode(file.read(int(words[1]))).decode()
    elif verb == "foreign-make":
        return foreign
    elif verb == "foreign-power":
        return POWERS.get(world()[0].get(words[0], {}).get("power"), "")
    elif verb == "stop":
        befall("stop", words[0])
    elif verb == "crash":
        befall("crash", words[0])
        return "crashed"
    return ""


print(main(*sys.argv[1:]))
