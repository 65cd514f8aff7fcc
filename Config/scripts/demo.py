"""The resources and the server of `make up`, made through openstacksdk where they are absent.

    demo.py resources|server --state-dir DIR --driver NAME --image FILE

The cloud comes from the environment, as `source openrc` sets it. The last line printed is the remark of the stage.
"""

import argparse
import base64
import hashlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import openstack
from keystoneauth1.exceptions import ClientException
from openstack import exceptions

FLAVORS = [
    # name, vCPUs, memory in MiB, disk in GiB
    ("m1.nano", 1, 192, 1),
    ("m1.tiny", 1, 512, 1),
    ("m1.small", 1, 2048, 20),
    ("m1.medium", 2, 4096, 40),
]
IMAGE = "tiny-linux"
USER_DATA = """#!/bin/sh
echo "kilonova user data ran on $(hostname)"
"""
USER_DATA_PROOF = "GUEST-USERDATA-OUT kilonova user data ran"


class Refusal(Exception):
    """Something that the person at the keyboard has to know; the message says what and what to do."""


def say(text):
    print(text, flush=True)


def scaled(seconds):
    """A deadline for an emulated guest: a busy machine gets up to four times as long."""
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    return seconds * min(4.0, max(1.0, load))


# Resources


def ensure_flavors(cloud):
    present = {flavor.name for flavor in cloud.compute.flavors()}
    for name, vcpus, ram, disk in FLAVORS:
        if name not in present:
            cloud.compute.create_flavor(name=name, vcpus=vcpus, ram=ram, disk=disk)
            say(f"flavor {name}")


def ensure_image(cloud, path, driver):
    """The tiny guest, or for the fake driver a small file that stands for an image."""
    if driver == "fake":
        path = Path(path.parent / "fake.img")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\0" * 65536)
    disk_format = "raw" if driver == "fake" else "qcow2"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for image in cloud.image.images(name=IMAGE):
        if image.status == "active" and image.properties.get("source_sha256") == digest:
            return
        cloud.image.update_image(image, name=f"{IMAGE}-{image.id[:8]}")
        say(f"image {IMAGE} was built anew; the older one is now {IMAGE}-{image.id[:8]}")
    image = cloud.image.create_image(
        name=IMAGE, disk_format=disk_format, container_format="bare", visibility="public", min_disk=1, min_ram=128,
        filename=str(path), allow_duplicates=True, source_sha256=digest,
    )
    say(f"image {image.name}, {path.stat().st_size // 1024} KiB")


def ensure_networks(cloud):
    private = cloud.network.find_network("private") or cloud.network.create_network(name="private")
    inside = cloud.network.find_subnet("private") or cloud.network.create_subnet(
        name="private", network_id=private.id, ip_version=4, cidr="10.80.0.0/24")
    public = cloud.network.find_network("public") or cloud.network.create_network(
        name="public", is_router_external=True)
    # The host itself holds the gateway's address, so that it reaches floating addresses directly.
    cloud.network.find_subnet("public") or cloud.network.create_subnet(
        name="public", network_id=public.id, ip_version=4, cidr="172.24.80.0/24", gateway_ip="172.24.80.1",
        is_dhcp_enabled=False, allocation_pools=[{"start": "172.24.80.10", "end": "172.24.80.250"}])
    router = cloud.network.find_router("gateway") or cloud.network.create_router(
        name="gateway", external_gateway_info={"network_id": public.id})
    attached = [port for port in cloud.network.ports(network_id=private.id, device_id=router.id)]
    if not attached:
        cloud.network.add_interface_to_router(router, subnet_id=inside.id)
        say("network private 10.80.0.0/24, router gateway, network public 172.24.80.0/24")


def ensure_security_group(cloud):
    group = cloud.network.find_security_group("demo", project_id=cloud.current_project_id)
    if group is None:
        group = cloud.network.create_security_group(name="demo", description="ICMP, SSH and HTTP from everywhere")
        say("security group demo")
    present = {(rule.protocol, rule.port_range_min) for rule in cloud.network.security_group_rules(
        security_group_id=group.id, direction="ingress")}
    for protocol, port in (("icmp", None), ("tcp", 22), ("tcp", 80)):
        if (protocol, port) not in present:
            cloud.network.create_security_group_rule(
                security_group_id=group.id, direction="ingress", ether_type="IPv4", protocol=protocol,
                port_range_min=port, port_range_max=port, remote_ip_prefix="0.0.0.0/0")


def key_file(state):
    return state / "keys" / "demo"


def ensure_key_pair(cloud, state):
    file = key_file(state)
    if not file.exists():
        file.parent.mkdir(mode=0o700, exist_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "demo", "-f", str(file)], check=True)
    public = file.with_suffix(".pub").read_text().strip()
    present = cloud.compute.find_keypair("demo")
    if present is not None and present.public_key.strip() != public:
        cloud.compute.delete_keypair(present)
        present = None
    if present is None:
        cloud.compute.create_keypair(name="demo", public_key=public)
        say("key pair demo")


def make_resources(cloud, options):
    ensure_flavors(cloud)
    ensure_image(cloud, options.image, options.driver)
    ensure_networks(cloud)
    ensure_security_group(cloud)
    ensure_key_pair(cloud, options.state_dir)
    say("flavors, image tiny-linux, networks, router, security group, key pair")


# The server


def create_server(cloud):
    images = list(cloud.image.images(name=IMAGE))
    server = cloud.compute.create_server(
        name="demo", flavor_id=cloud.compute.find_flavor("m1.nano").id, image_id=images[0].id, key_name="demo",
        networks=[{"uuid": cloud.network.find_network("private").id}], security_groups=[{"name": "demo"}],
        user_data=base64.b64encode(USER_DATA.encode()).decode(), min_count=1, max_count=1)
    say(f"server {server.id} is being built")
    return server


def wait_for_status(cloud, server, wanted, seconds):
    deadline = time.monotonic() + seconds
    while True:
        server = cloud.compute.get_server(server.id)
        if server.status == wanted:
            return server
        if server.status == "ERROR":
            fault = (server.fault or {}).get("message", "no reason is recorded")
            raise Refusal(f"The server demo went to ERROR: {fault}. Mend the cause, then: openstack server delete demo")
        if time.monotonic() > deadline:
            raise Refusal(f"The server demo is still {server.status} ({server.task_state}) after {seconds:.0f} s.")
        say(f"{server.status} {server.task_state or ''}")
        time.sleep(0.2)


def console_of(cloud, server):
    try:
        return cloud.compute.get_server_console_output(server.id)["output"] or ""
    except (exceptions.ConflictException, exceptions.NotFoundException):
        return ""


def wait_for_guest(cloud, server, before):
    """Until the guest says on its console that it is up. `before` is what the console held before this boot."""
    limit = scaled(float(os.environ.get("KILONOVA_GUEST_TIMEOUT", "240")))
    deadline = time.monotonic() + limit
    while True:
        text = console_of(cloud, server)
        fresh = text[len(before):] if before and text.startswith(before) else text
        if "GUEST-READY" in fresh:
            return text
        if time.monotonic() > deadline:
            raise Refusal(f"The guest did not say GUEST-READY on its console within {limit:.0f} s.")
        status = cloud.compute.get_server(server.id).status
        if status != "ACTIVE":
            raise Refusal(f"The server demo became {status} while its guest was booting.")
        lines = [line for line in fresh.splitlines() if line.strip()]
        say(lines[-1] if lines else "the console is still empty")
        time.sleep(1)


def ensure_floating_address(cloud, server):
    port = next(cloud.network.ports(device_id=server.id), None)
    if port is None:
        raise Refusal("The server demo has no port on a network.")
    address = next(cloud.network.ips(port_id=port.id), None)
    if address is None:
        public = cloud.network.find_network("public")
        unused = next((ip for ip in cloud.network.ips(floating_network_id=public.id) if ip.port_id is None), None)
        address = unused or cloud.network.create_ip(floating_network_id=public.id)
        address = cloud.network.update_ip(address, port_id=port.id)
        say(f"floating address {address.floating_ip_address}")
    return address.floating_ip_address, port.fixed_ips[0]["ip_address"]


def fetch(address, seconds):
    """The guest's own page through its floating address: proves the way from the host into the guest."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(f"http://{address}/", timeout=5) as answer:
                return answer.read().decode(errors="replace").strip()
        except (urllib.error.URLError, OSError) as error:
            if time.monotonic() > deadline:
                raise Refusal(f"The guest is up, but this host cannot reach http://{address}/: {error}.") from error
            say(f"waiting for http://{address}/: {error}")
            time.sleep(0.5)


def fetch_now(address):
    """The page of a guest that has been up for long, or nothing."""
    try:
        return fetch(address, 0)
    except Refusal:
        return None


def make_server(cloud, options):
    server = cloud.compute.find_server("demo")
    before = ""
    booted = "runs already"
    if server is None:
        server = create_server(cloud)
        booted = "booted"
    else:
        server = cloud.compute.get_server(server.id)
        if server.status == "SHUTOFF":
            before = console_of(cloud, server)
            cloud.compute.start_server(server)
            booted = "started again"
    server = wait_for_status(cloud, server, "ACTIVE", scaled(120))
    floating, fixed = ensure_floating_address(cloud, server)
    if options.driver == "fake":
        write_summary(options, floating, fixed, page=None)
        say(f"ACTIVE at {fixed} and {floating}; the fake driver runs no guest")
        return
    page = fetch_now(floating) if booted == "runs already" else None
    if page is None:
        text = wait_for_guest(cloud, server, before)
        if booted == "booted" and USER_DATA_PROOF not in text:
            raise Refusal("The guest is up, but its console does not show that the user data ran.")
        page = fetch(floating, scaled(30))
    write_summary(options, floating, fixed, page)
    say(f"{booted}, answers at {floating}")


def write_summary(options, floating, fixed, page):
    state = options.state_dir
    shown = os.path.relpath(state)
    shown = str(state) if shown.startswith("..") else shown
    lines = [
        f"  identity     {os.environ['OS_AUTH_URL']}",
        f"  environment  source {shown}/openrc",
        f"  server       demo at {fixed}, from this host at {floating}",
    ]
    if page is not None:
        lines += [
            f"  it says      {page}",
            f"  reach it     curl http://{floating}/",
            f"               ssh -i {shown}/keys/demo -o UserKnownHostsFile={shown}/keys/known_hosts"
            f" -o StrictHostKeyChecking=accept-new root@{floating}",
            "  its console  openstack console log show demo",
        ]
    lines += ["  stop it      make down"]
    (state / "run" / "summary").write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("verb", choices=["resources", "server"])
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--driver", required=True)
    parser.add_argument("--image", type=Path, required=True)
    options = parser.parse_args()
    try:
        cloud = openstack.connect()
        if options.verb == "resources":
            make_resources(cloud, options)
        else:
            make_server(cloud, options)
    except Refusal as refusal:
        sys.exit(str(refusal))
    except (exceptions.SDKException, ClientException) as error:
        sys.exit(f"{options.verb}: {error}")


if __name__ == "__main__":
    main()
