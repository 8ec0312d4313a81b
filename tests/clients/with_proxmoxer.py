"""What users of proxmoxer do with a cluster, one printed line a step.

Reads on its input what `lessor sandbox --format json` announced.
"""

import hashlib
import json
import pathlib
import ssl
import sys
import tempfile
from urllib.parse import urlsplit

from proxmoxer import AuthenticationError, ProxmoxAPI, ResourceException
from proxmoxer.tools import Tasks

# How long a busy machine may take for an answer, in seconds.
PATIENCE = 60

IMAGE = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.gz"

access = json.load(sys.stdin)["systems"]["proxmox"]
where = urlsplit(access["endpoint"])
user, _, rest = access["token"].partition("!")
token_name, _, token_value = rest.partition("=")


def say(step, *what):
    print(f"{step}:", *(each for each in what if each != ""))


def in_order(members):
    """Members of an object come in any order."""
    return dict(sorted(members.items())) if members else ""


def known_certificate(folder):
    """Writes down the certificate, once its fingerprint is the announced one."""
    pem = ssl.get_server_certificate((where.hostname, where.port))
    digits = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest().upper()
    fingerprint = ":".join(digits[n : n + 2] for n in range(0, len(digits), 2))
    if fingerprint != access["fingerprint"]:
        sys.exit(f"the certificate has the fingerprint {fingerprint}")
    path = pathlib.Path(folder) / "sandbox.pem"
    path.write_text(pem)
    return str(path)


def refused(step, call, *args, **params):
    """Makes a call that has to fail, and says how."""
    try:
        answer = call(*args, **params)
    except ResourceException as error:
        say(step, error.status_code, error.content, in_order(error.errors))
    else:
        sys.exit(f"{step} was not refused: {answer}")


def done(step, upid):
    """Waits for a task and says how it ended."""
    task = Tasks.decode_upid(upid)
    status = Tasks.blocking_status(api, upid, timeout=30, polling_interval=0.05)
    say(step, task["type"], task["id"], status["exitstatus"])
    return status


def log_of(upid):
    return Tasks.decode_log(api.nodes("pve1").tasks(upid).log.get())


def log_in(certificate):
    by_token = ProxmoxAPI(
        where.hostname,
        port=where.port,
        user=user,
        token_name=token_name,
        token_value=token_value,
        verify_ssl=certificate,
        timeout=PATIENCE,
    )
    say("version", by_token.version.get()["version"])
    by_ticket = ProxmoxAPI(
        f"{where.hostname}:{where.port}",
        user=access["user"],
        password=access["password"],
        verify_ssl=False,
        timeout=PATIENCE,
    )
    ticket, csrf = by_ticket.get_tokens()
    say("ticket", ticket.split(":")[:2], bool(csrf), [node["node"] for node in by_ticket.nodes.get()])
    try:
        ProxmoxAPI(where.netloc, user=access["user"], password="wrong", verify_ssl=False)
    except AuthenticationError as error:
        say("wrong password", str(error).replace(where.netloc, "HOST"))
    stranger = ProxmoxAPI(
        where.netloc, user=user, token_name=token_name, token_value="no", verify_ssl=False
    )
    refused("wrong token", stranger.nodes.get)
    return by_token, by_ticket


def machines():
    node = api.nodes("pve1")
    upid = node.qemu.create(
        vmid=9000,
        name="debian",
        memory=512,
        scsihw="virtio-scsi-single",
        scsi0="local:2,format=qcow2,discard=on,iothread=1",
        ide2="local:cloudinit",
        net0="virtio,bridge=vmbr0",
        agent="enabled=1",
        ostype="l26",
    )
    done("create", upid)
    done("template", node.qemu(9000).template.post())
    newid = api.cluster.nextid.get()
    say("next id", newid)
    done("clone", node.qemu(9000).clone.create(newid=newid, name="web", full=1))
    vm = node.qemu(newid)
    say(
        "config",
        vm.config.put(
            memory=1024,
            cores=2,
            onboot=1,
            tags="web;prod",
            ciuser="admin",
            ipconfig0="ip=192.0.2.10/24,gw=192.0.2.1",
            sshkeys="ssh-ed25519%20AAAAC3NzaC1lZDI1NTE5AAAAIGzIO9DDpbCYnbZtKJhjiFN6D8F8rYfXt3jKcFyGhZ2H%20a%40b",
        ),
    )
    done("resize", vm.resize.put(disk="scsi0", size="+1G"))
    config = vm.config.get()
    shown = ["name", "memory", "cores", "tags", "scsi0", "ciuser", "ipconfig0", "onboot"]
    say("read", {key: config[key] for key in shown})
    refused("stale", vm.config.put, cores=4, digest="0" * 40)
    done("config in a task", vm.config.post(cores=1, digest=config["digest"]))
    done("start", vm.status.start.post())
    say("status", vm.status.current.get()["status"])
    done("start again", vm.status.start.post())
    refused("delete while it runs", vm.delete)
    upid = vm.snapshot.create(snapname="before", description="all is well", vmstate=0)
    done("snapshot", upid)
    vm.config.put(name="spoilt")
    say("snapshots", sorted(each["name"] for each in vm.snapshot.get()))
    done("rollback", vm.snapshot("before").rollback.post())
    say("name", vm.config.get()["name"])
    done("start after it", vm.status.start.post())
    done("delete snapshot", vm.snapshot("before").delete())
    done("stop", vm.status.stop.post(timeout=30))
    say("pending", [each["key"] for each in vm.pending.get() if "pending" in each])
    upid = node.qemu(9000).clone.post(newid=102, name="linked")
    done("linked clone", upid)
    say("log", log_of(upid).splitlines()[-1])
    done("base in use", node.qemu(9000).delete())
    say("machines", sorted((each["vmid"], each["name"], each["status"]) for each in node.qemu.get()))
    done("delete", node.qemu(102).delete(purge=1, **{"destroy-unreferenced-disks": 1}))


def containers():
    node = api.nodes("pve1")
    upid = node.lxc.create(
        vmid=200,
        ostemplate=IMAGE,
        hostname="box",
        storage="local",
        rootfs="local:2",
        memory=256,
        password="correct horse",
        unprivileged=1,
        net0="name=eth0,bridge=vmbr0,ip=dhcp",
    )
    done("create container", upid)
    done("clone container", node.lxc(200).clone.create(newid=201, hostname="twin", full=1))
    ct = node.lxc(201)
    say("config container", ct.config.put(memory=512, cores=1, description="a copy"))
    done("resize container", ct.resize.put(disk="rootfs", size="3G"))
    done("start container", ct.status.start.post())
    say("status container", ct.status.current.get()["status"])
    done("stop container", ct.status.stop.post())
    config = ct.config.get()
    say("read container", {key: config[key] for key in ["hostname", "memory", "rootfs", "arch"]})
    done("delete container", node.lxc(200).delete(purge=1))
    refused("absent container", node.lxc(200).config.get)


def walls():
    firewall = api.cluster.firewall
    firewall.aliases.create(name="office", cidr="203.0.113.0/24", comment="us")
    refused("same alias", firewall.aliases.create, name="office", cidr="203.0.113.0/24")
    firewall.ipset.create(name="admins")
    firewall.ipset("admins").create(cidr="203.0.113.7")
    firewall.ipset("admins").create(cidr="198.51.100.0/24", comment="others")
    say("set", sorted(each["cidr"] for each in firewall.ipset("admins").get()))
    # A slash divides resources for this client, and the server does not mind.
    firewall.ipset("admins")("198.51.100.0/24").delete()
    refused("full set", firewall.ipset("admins").delete)
    vm = api.nodes("pve1").qemu(100).firewall
    vm.options.put(enable=1, policy_in="DROP")
    vm.rules.create(action="ACCEPT", type="in", enable=1, proto="tcp", dport="443", comment="web")
    vm.rules.create(
        action="ACCEPT", type="in", enable=1, macro="SSH", source="+admins", comment="ssh"
    )
    refused("rule", vm.rules.create, action="ACCEPT", type="in", dport="22")
    vm.rules(0).put(moveto=2)
    say("rules", [(each["pos"], each["comment"]) for each in vm.rules.get()])
    vm.rules(1).delete()
    say("rules", [(each["pos"], each["comment"]) for each in vm.rules.get()])
    say("walls", in_order(vm.options.get()))


def pools_and_storages():
    api.pools.create(poolid="shop", comment="all of it")
    api.pools("shop").put(vms="100,201", storage="local")
    refused("full pool", api.pools("shop").delete)
    members = api.pools.get("shop")["members"]
    say("members", sorted({str(each.get("vmid", each.get("storage"))) for each in members}))
    api.pools("shop").put(vms="201", delete=1)
    local = api.nodes("pve1").storage("local")
    images = [each["volid"] for each in local.content.get(content="images", vmid=100)]
    say("content", sorted(images))
    volume = local.content.create(vmid=100, filename="vm-100-disk-9.qcow2", size="1G")
    say("volume", volume, local.content(volume).get()["size"])
    upid = local.content(volume).delete()
    done("delete volume", upid)
    api.storage.create(storage="more", type="dir", path="/srv/more", content="images")
    say("storages", sorted(each["storage"] for each in api.storage.get()))
    say("space", local.status.get()["type"], local.status.get()["avail"] > 0)
    api.storage("more").delete()


def refusals():
    refused("absent", api.nodes("pve1").qemu(999).config.get)
    refused("unknown path", api.nodes("pve1").nothing.get)
    refused("unknown node", api.nodes("pve9").qemu.get)
    refused("bad parameters", api.nodes("pve1").qemu.create, vmid="x", net0="nic", bogus=1)
    refused("root alone", api.nodes("pve1").qemu(100).config.put, args="-S")
    api.access.users.create(userid="guest@pve", password="twelve chars")
    guest = ProxmoxAPI(where.netloc, user="guest@pve", password="twelve chars", verify_ssl=False)
    refused("forbidden", guest.nodes("pve1").qemu(100).status.start.post)
    say("filtered", guest.nodes("pve1").qemu.get())
    api.access.acl.put(path="/vms/100", users="guest@pve", roles="PVEVMUser")
    say("granted", [each["vmid"] for each in guest.nodes("pve1").qemu.get()])


with tempfile.TemporaryDirectory() as folder:
    api, by_ticket = log_in(known_certificate(folder))
    machines()
    containers()
    walls()
    pools_and_storages()
    refusals()
    # A cookie changes things as a token does, with what keeps other sites from using it.
    by_ticket.nodes("pve1").lxc(201).config.put(description="by ticket")
    say("by ticket", api.nodes("pve1").lxc(201).config.get()["description"].strip())
    say("guests", sorted(each["vmid"] for each in api.cluster.resources.get(type="vm")))
