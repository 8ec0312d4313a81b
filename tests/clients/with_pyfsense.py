"""What users of pyfsense-client do with a firewall, one printed line a step.

Reads on its input what `lessor sandbox --format json` announced.
"""

import json
import sys
import time
import warnings

from pyfsense_client.v2 import (
    APIError,
    AuthenticationError,
    ClientConfig,
    FirewallAliasCreate,
    FirewallAliasUpdate,
    PfSenseV2Client,
    SortOrder,
    ValidationError,
)

# The certificate is nobody's but its own.
warnings.filterwarnings("ignore", message="Unverified HTTPS request")

access = json.load(sys.stdin)["systems"]["pfsense"]
where = access["endpoint"]


def say(step, *what):
    print(f"{step}:", *what)


def refused(step, call, *args):
    """Makes a call that has to fail, and says how."""
    try:
        answer = call(*args)
    except APIError as error:
        said = error.response.json()
        say(step, type(error).__name__, said["code"], said["response_id"])
    else:
        sys.exit(f"{step} was not refused: {answer}")


def names():
    return [(alias.id, alias.name, alias.address) for alias in firewall.get_firewall_aliases()]


def applied():
    """Waits until nothing is pending."""
    for _ in range(200):
        status = firewall.get_firewall_apply_status().data
        if status["applied"]:
            return status
        time.sleep(0.05)
    sys.exit("changes were not applied")


def alias(name, kind, address, detail=()):
    return FirewallAliasCreate(
        name=name, type=kind, descr=name.upper(), address=list(address), detail=list(detail)
    )


firewall = PfSenseV2Client(ClientConfig(host=where, verify_ssl=False, api_key=access["token"]))
say("empty", names())
made = firewall.create_firewall_alias(alias("web", "host", ["192.0.2.10"], ["first"]))
say("made", made)
firewall.create_firewall_alias(alias("nets", "network", ["198.51.100.0/24"]))
firewall.create_firewall_alias(alias("ports", "port", ["443", "8000:8010"]))
say("all", names())
say("pending", firewall.get_firewall_apply_status().data)
say("apply", firewall.apply_firewall_changes().code)
say("applied", applied())
say("one", firewall.get_firewall_alias(1).name)
# The model has a value for each field, and sends all of them.
wanted = FirewallAliasUpdate(
    id=0, name="web", type="host", descr="Web", address=["192.0.2.10", "192.0.2.11"]
)
say("updated", firewall.update_firewall_alias(wanted))
renamed = FirewallAliasUpdate(id=0, name="site", type="host", descr="", address=[])
refused("renamed", firewall.update_firewall_alias, renamed)
refused("no such", firewall.get_firewall_alias, 9)
refused("taken", firewall.create_firewall_alias, alias("nets", "host", []))
refused("bad address", firewall.create_firewall_alias, alias("bad", "network", ["10.0.0.1"]))
say("deleted", firewall.delete_firewall_alias(0).data["name"])
say("all", names())
both = [alias("a", "host", ["192.0.2.1"]), alias("b", "host", ["192.0.2.2"])]
say("replaced", [each.name for each in firewall.replace_all_firewall_aliases(both)])
say("deleted", firewall.delete_all_firewall_alias(query={"name__startswith": "b"}).code)
say("all", names())
say("leases", firewall.get_dhcp_leases(sort_by=["ip"], sort_order=SortOrder.DESCENDING))
stranger = PfSenseV2Client(ClientConfig(host=where, verify_ssl=False, api_key="no"))
refused("wrong key", stranger.get_firewall_aliases)
