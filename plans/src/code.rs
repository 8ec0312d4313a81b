//! The sorts of reasons for which a plan is not carried out.

use lessor_specs::codes;

codes! {
    /// What can stand between a plan and the world.
    pub enum Code {
        "Planning" {
            E1001 SelectsNothing = "a selector selects nothing",
            E1002 NoRoom = "no host has room for an instance",
            E1003 NoNetworkLeft = "a bridge has no network left for a tenant",
            E1004 NoPortLeft = "a port range has no port left",
            E1005 NameHeld = "a name on a host belongs to something that is not ours",
            E1006 PortHeld = "a port of a host belongs to something that is not ours",
            E1007 SubnetHeld = "a subnet on a host overlaps something that is not ours",
            E1008 StillOurs = "something of ours still holds what is asked for",
            E1009 NotAdoptable = "an entry adopts what has an owner already",
            E1010 NoIdLeft = "a range has no id or address left",
            E1011 DiskShrinks = "a disk would become smaller",
            E1012 NoTemplate = "a cluster has no such template",
            E1013 NoAddressLeft = "the network of a tenant has no address left",
        }
        "The gate" {
            E1101 TooManyRemovals = "a plan removes more than a few things",
            E1102 DataDestroyed = "a plan destroys data",
            E1103 NothingDeclared = "a plan removes things, and no spec declares anything",
            E1104 TenantLosesMuch = "a tenant loses several instances at once",
            E1105 OnlyRenamed = "a plan removes a thing that was only renamed",
            E1106 OrdersMissing = "a plan removes what a customer ordered",
        }
        "Carrying out" {
            E1201 Overtaken = "another run was applied since the plan was made",
            E1202 Expired = "something fell due since the plan was made",
            E1203 WorldMoved = "a thing was changed between planning and its step",
            E1204 NotAPlan = "a file is not a plan that can be trusted",
            E1205 OtherInstallation = "a plan was made for another installation",
            E1206 SecretMissing = "a secret is not to be had",
        }
    }
}
