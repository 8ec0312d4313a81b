//! What is there, read again after it was touched.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::super::client::Client;
use super::super::error::CallError;
use super::super::interfaces::objects;
use super::super::{
    Alias, DhcpServer, Interface, Object, OneToOne, OutboundMapping, OutboundMode, Peer,
    PortForward, Rule, StaticMapping, Tunnel, VirtualIp, Vlan, WireGuard,
};
use super::edit::{Change, Edit};

/// All objects of the kinds that were touched; nothing of kinds that were not, or that could not
/// be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// All VLANs.
    pub vlans: Option<Vec<Vlan>>,
    /// All interfaces.
    pub interfaces: Option<Vec<Interface>>,
    /// All aliases.
    pub aliases: Option<Vec<Alias>>,
    /// All rules, in their order.
    pub rules: Option<Vec<Rule>>,
    /// All port forwards.
    pub port_forwards: Option<Vec<PortForward>>,
    /// All outbound NAT mappings, in their order.
    pub outbound_mappings: Option<Vec<OutboundMapping>>,
    /// All 1:1 NAT mappings.
    pub one_to_ones: Option<Vec<OneToOne>>,
    /// All virtual IPs.
    pub virtual_ips: Option<Vec<VirtualIp>>,
    /// All DHCP servers.
    pub dhcp_servers: Option<Vec<DhcpServer>>,
    /// All static mappings of all servers.
    pub static_mappings: Option<Vec<StaticMapping>>,
    /// All tunnels.
    pub tunnels: Option<Vec<Tunnel>>,
    /// All peers of all tunnels.
    pub peers: Option<Vec<Peer>>,
    /// Whose outbound mappings count.
    pub outbound_mode: Option<OutboundMode>,
    /// `WireGuard` as a whole.
    pub wireguard: Option<WireGuard>,
}

/// Reads something into its place.
pub(super) type Reader = for<'a> fn(&'a Client, &'a mut Seen) -> BoxFuture<'a, Read>;

/// How reading ended.
pub(super) type Read = Result<(), CallError>;

/// An object that can be edited, and has its place in what is seen.
pub trait Kept: Object {
    /// A change of it, as one of anything.
    fn edit(change: Change<Self>) -> Edit;

    /// The change that an edit is, if it is one of this kind.
    fn change(edit: &Edit) -> Option<&Change<Self>>;

    /// All of its kind, if they were read.
    fn all(seen: &Seen) -> Option<&[Self]>;

    /// Where they are put.
    fn place(seen: &mut Seen) -> &mut Option<Vec<Self>>;
}

macro_rules! kept {
    ($($kind:ident in $place:ident,)*) => {$(
        impl Kept for $kind {
            fn edit(change: Change<Self>) -> Edit {
                Edit::$kind(change)
            }

            fn change(edit: &Edit) -> Option<&Change<Self>> {
                match edit {
                    Edit::$kind(change) => Some(change),
                    _ => None,
                }
            }

            fn all(seen: &Seen) -> Option<&[Self]> {
                seen.$place.as_deref()
            }

            fn place(seen: &mut Seen) -> &mut Option<Vec<Self>> {
                &mut seen.$place
            }
        }
    )*};
}

kept! {
    Vlan in vlans,
    Interface in interfaces,
    Alias in aliases,
    Rule in rules,
    PortForward in port_forwards,
    OutboundMapping in outbound_mappings,
    OneToOne in one_to_ones,
    VirtualIp in virtual_ips,
    DhcpServer in dhcp_servers,
    StaticMapping in static_mappings,
    Tunnel in tunnels,
    Peer in peers,
}

pub(super) fn read_all<'a, T: Kept>(client: &'a Client, seen: &'a mut Seen) -> BoxFuture<'a, Read> {
    async move {
        *T::place(seen) = Some(objects(client.list::<T>().await?));
        Ok(())
    }
    .boxed()
}

pub(super) fn read_mode<'a>(client: &'a Client, seen: &'a mut Seen) -> BoxFuture<'a, Read> {
    async move {
        seen.outbound_mode = Some(client.outbound_mode().await?);
        Ok(())
    }
    .boxed()
}

pub(super) fn read_wireguard<'a>(client: &'a Client, seen: &'a mut Seen) -> BoxFuture<'a, Read> {
    async move {
        seen.wireguard = Some(client.wireguard().await?);
        Ok(())
    }
    .boxed()
}
