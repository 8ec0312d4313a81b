//! What a firewall lists, as far as it could be read.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::https::Method;
use crate::pfsense::client::{Client, Fields, Said};
use crate::pfsense::envelope::Call;
use crate::pfsense::lenient::list;
use crate::pfsense::{
    Alias, CallError, DhcpServer, Interface, OneToOne, OutboundMapping, OutboundMode, Peer,
    PortForward, Rule, Seen, StaticMapping, Subsystem, Tunnel, VirtualIp, Vlan,
};

/// A list, or why it could not be had.
pub(super) type Listed<T> = Result<Vec<T>, CallError>;

/// All that one look read: a fixed number of calls, whatever there is.
#[derive(Debug)]
pub(super) struct World {
    pub(super) vlans: Listed<Vlan>,
    pub(super) interfaces: Listed<Interface>,
    /// The interfaces whose changes do not work yet, by id.
    pub(super) pending: Result<BTreeSet<String>, CallError>,
    pub(super) aliases: Listed<Alias>,
    /// In their order.
    pub(super) rules: Listed<Rule>,
    pub(super) port_forwards: Listed<PortForward>,
    pub(super) one_to_ones: Listed<OneToOne>,
    pub(super) virtual_ips: Listed<VirtualIp>,
    pub(super) tunnels: Listed<Tunnel>,
    pub(super) peers: Listed<Peer>,
    /// Whether `WireGuard` works at all.
    pub(super) wireguard: Result<bool, CallError>,
    pub(super) outbound_mappings: Listed<OutboundMapping>,
    /// Whose outbound mappings count.
    pub(super) outbound_mode: Result<OutboundMode, CallError>,
    pub(super) dhcp_servers: Listed<DhcpServer>,
    pub(super) static_mappings: Listed<StaticMapping>,
}

impl World {
    /// Looks at everything that can be ours, or can stand in its way.
    pub(super) async fn read(client: &Client) -> World {
        let wireguard = match client.wireguard().await {
            Ok(wireguard) => Ok(wireguard.enable),
            // What is not installed does not work.
            Err(CallError::NoPackage { .. }) => Ok(false),
            Err(error) => Err(error),
        };
        World {
            vlans: client.vlan_list().await,
            interfaces: client.interface_list().await,
            pending: client.interfaces_pending().await,
            aliases: client.alias_list().await,
            rules: client.rule_list().await,
            port_forwards: client.port_forward_list().await,
            one_to_ones: client.one_to_one_list().await,
            virtual_ips: client.virtual_ip_list().await,
            tunnels: client.tunnel_list().await,
            peers: client.peer_list().await,
            wireguard,
            outbound_mappings: client.outbound_mapping_list().await,
            outbound_mode: client.outbound_mode().await,
            dhcp_servers: client.dhcp_server_list().await,
            static_mappings: client.static_mapping_list().await,
        }
    }

    /// Takes over what was read after a write.
    pub(super) fn absorb(&mut self, seen: &Seen) {
        fn take<T: Clone>(listed: &mut Listed<T>, seen: Option<&Vec<T>>) {
            if let Some(seen) = seen {
                *listed = Ok(seen.clone());
            }
        }
        take(&mut self.vlans, seen.vlans.as_ref());
        take(&mut self.interfaces, seen.interfaces.as_ref());
        take(&mut self.aliases, seen.aliases.as_ref());
        take(&mut self.rules, seen.rules.as_ref());
        take(&mut self.port_forwards, seen.port_forwards.as_ref());
        take(&mut self.one_to_ones, seen.one_to_ones.as_ref());
        take(&mut self.virtual_ips, seen.virtual_ips.as_ref());
        take(&mut self.tunnels, seen.tunnels.as_ref());
        take(&mut self.peers, seen.peers.as_ref());
        take(&mut self.outbound_mappings, seen.outbound_mappings.as_ref());
        take(&mut self.dhcp_servers, seen.dhcp_servers.as_ref());
        take(&mut self.static_mappings, seen.static_mappings.as_ref());
        if let Some(mode) = seen.outbound_mode {
            self.outbound_mode = Ok(mode);
        }
    }

    /// Looks again which interfaces do not work yet.
    pub(super) async fn refresh_pending(&mut self, client: &Client) {
        self.pending = client.interfaces_pending().await;
    }

    /// What could not be read, each with the reason.
    pub(super) fn lacks(&self) -> Vec<(&'static str, &CallError)> {
        [
            ("VLANs", self.vlans.as_ref().err()),
            ("interfaces", self.interfaces.as_ref().err()),
            ("changes of interfaces", self.pending.as_ref().err()),
            ("aliases", self.aliases.as_ref().err()),
            ("rules", self.rules.as_ref().err()),
            ("port forwards", self.port_forwards.as_ref().err()),
            ("1:1 NAT mappings", self.one_to_ones.as_ref().err()),
            ("virtual IPs", self.virtual_ips.as_ref().err()),
            ("WireGuard tunnels", self.tunnels.as_ref().err()),
            ("WireGuard peers", self.peers.as_ref().err()),
            ("settings of WireGuard", self.wireguard.as_ref().err()),
            ("outbound NAT mappings", self.outbound_mappings.as_ref().err()),
            ("the mode of outbound NAT", self.outbound_mode.as_ref().err()),
            ("DHCP servers", self.dhcp_servers.as_ref().err()),
            ("static mappings", self.static_mappings.as_ref().err()),
        ]
        .into_iter()
        .filter_map(|(what, error)| Some((what, error?)))
        .collect()
    }

    /// Whether nothing at all could be read.
    pub(super) fn is_dark(&self) -> bool {
        self.lacks().len() == 15
    }
}

#[derive(Deserialize)]
struct Pending {
    #[serde(default, deserialize_with = "list")]
    pending_interfaces: Vec<String>,
}

impl Client {
    /// The interfaces whose changes are stored and do not work yet, by id.
    async fn interfaces_pending(&self) -> Result<BTreeSet<String>, CallError> {
        const FIELDS: Fields = Fields { interfaces: &["pending_interfaces"], places: &[] };
        let path = Subsystem::Interfaces.path();
        let shown = self.ask(Method::GET, path, Said::Query(Vec::new())).await?;
        let garbled = |why: String| Call::new(Method::GET, path).garbled(why);
        let Value::Object(status) = shown.data else {
            return Err(garbled("it holds no object".into()));
        };
        let mut statuses: [Map<String, Value>; 1] = [status];
        self.by_id(&mut statuses, &FIELDS).await?;
        let [status] = statuses;
        let pending: Pending = serde_json::from_value(Value::Object(status))
            .map_err(|error| garbled(error.to_string()))?;
        Ok(pending.pending_interfaces.into_iter().collect())
    }
}
