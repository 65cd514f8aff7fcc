#!/usr/bin/env python3
"""What `kilonovad driver verify` asks of a simulated pool: its world_command and its helper_command.

    helper.py URL VERB [WORD...]

Verbs are those of `[driver_verify] helper_command`, and `world`. Answers that are empty mean: not here.
"""
import json
import sys
import urllib.request

PORTAL = "192.0.2.1:3260"
POWERS = {"Running": "running", "Paused": "paused", "Suspended": "suspended", "Halted": "shutdown"}


def steer(url, verb, **body):
    with urllib.request.urlopen(url + "/simulator/" + verb, json.dumps(body).encode(), timeout=20) as answer:
        return json.load(answer)


def target(url, volume, gib):
    name = "iqn.2010-10.org.openstack:volume-" + volume
    steer(url, "target", portal=PORTAL, name=name, luns={"1": int(gib) << 30}, user="verify", password="volume-secret")
    return name


def main(url, verb, *words):
    if verb == "world":
        return "\n".join(steer(url, "world"))
    if verb == "volume-make" and words[1] == "iscsi" or verb == "volume-bootable":
        name = target(url, words[0], words[-1])
        return json.dumps({"iscsi": {"_0": {
            "portal": PORTAL, "name": name, "lun": 1, "user": "verify", "password": "volume-secret"}}})
    if verb == "volume-grow":
        target(url, *words)
    elif verb == "volume-remove":
        steer(url, "forget-target", portal=PORTAL, name="iqn.2010-10.org.openstack:volume-" + words[0])
    elif verb == "foreign-make":
        return steer(url, "foreign", name="somebody's")
    elif verb == "foreign-power":
        return POWERS.get(steer(url, "power", uuid=words[0]), "")
    elif verb == "foreign-remove":
        steer(url, "remove", uuid=words[0])
    elif verb == "stop":
        steer(url, "stop-guest", guest=words[0])
    return ""


print(main(*sys.argv[1:]))
