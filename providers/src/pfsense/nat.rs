//! Address translation.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::apply::Subsystem;
use super::client::{Client, Fields, Said};
use super::envelope::Call;
use super::error::CallError;
use super::interfaces::objects;
use super::lenient::{choice, family, flag, inet, some_number, some_text, text};
use super::object::{Located, Object, agree};
use crate::https::Method;

/// Whether packets that a port forward lets through need a rule, too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LinkedRule {
    /// There is none: another rule has to let them in.
    #[default]
    None,
    /// None is needed.
    Pass,
    /// The firewall shall make one, which then follows the port forward.
    New,
    /// This one, by its `associated_rule_id`.
    Rule(String),
}

impl Serialize for LinkedRule {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(match self {
            LinkedRule::None => "",
            LinkedRule::Pass => "pass",
            LinkedRule::New => "new",
            LinkedRule::Rule(id) => id,
        })
    }
}

impl<'de> Deserialize<'de> for LinkedRule {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(match text(from)?.as_str() {
            "" => LinkedRule::None,
            "pass" => LinkedRule::Pass,
            "new" => LinkedRule::New,
            id => LinkedRule::Rule(id.to_owned()),
        })
    }
}

/// A port forward: what arrives here goes there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortForward {
    /// Where it arrives.
    pub interface: String,
    /// `inet`, `inet6` or `inet46`.
    #[serde(default = "inet", deserialize_with = "family")]
    pub ipprotocol: String,
    /// `tcp`, `udp`, `tcp/udp`, `any`, …
    #[serde(default, deserialize_with = "text")]
    pub protocol: String,
    /// From where.
    #[serde(default, deserialize_with = "text")]
    pub source: String,
    /// From which ports; any if there is none.
    #[serde(default, deserialize_with = "some_text")]
    pub source_port: Option<String>,
    /// To which address.
    #[serde(default, deserialize_with = "text")]
    pub destination: String,
    /// To which ports.
    #[serde(default, deserialize_with = "some_text")]
    pub destination_port: Option<String>,
    /// Where it goes instead.
    #[serde(default, deserialize_with = "text")]
    pub target: String,
    /// To which port there, the first of a range.
    #[serde(default, deserialize_with = "some_text", skip_serializing_if = "Option::is_none")]
    pub local_port: Option<String>,
    /// Whether it is left out.
    #[serde(default, deserialize_with = "flag")]
    pub disabled: bool,
    /// What it is for, and all that tells it from others.
    #[serde(default, deserialize_with = "text")]
    pub descr: String,
    /// How it is for those inside: `enable`, `disable`, `purenat`; as the firewall is set if none.
    #[serde(default, deserialize_with = "some_text")]
    pub natreflection: Option<String>,
    /// The rule that lets it in.
    #[serde(default)]
    pub associated_rule_id: LinkedRule,
}

impl Object for PortForward {
    /// The description.
    type Key = String;

    const NAME: &'static str = "port forward";
    const ONE: &'static str = "/firewall/nat/port_forward";
    const ALL: &'static str = "/firewall/nat/port_forwards";
    const SUBSYSTEM: Option<Subsystem> = Some(Subsystem::Firewall);
    const FIELDS: Fields =
        Fields { interfaces: &["interface"], places: &["source", "destination", "target"] };

    fn key(&self) -> String {
        self.descr.clone()
    }

    fn agrees(&self, found: &Self) -> bool {
        let mut wish = self.clone();
        if wish.associated_rule_id == LinkedRule::New
            && matches!(found.associated_rule_id, LinkedRule::Rule(_))
        {
            wish.associated_rule_id = found.associated_rule_id.clone();
        }
        agree(&wish, found)
    }
}

/// How packets that leave are given another source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct OutboundMapping {
    /// Where they leave.
    pub interface: String,
    /// `tcp`, `udp`, …; any if there is none.
    #[serde(default, deserialize_with = "some_text")]
    pub protocol: Option<String>,
    /// Whether it is left out.
    #[serde(default, deserialize_with = "flag")]
    pub disabled: bool,
    /// Whether they keep their source.
    #[serde(default, deserialize_with = "flag")]
    pub nonat: bool,
    /// From where.
    #[serde(default, deserialize_with = "text")]
    pub source: String,
    /// From which ports; any if there is none.
    #[serde(default, deserialize_with = "some_text")]
    pub source_port: Option<String>,
    /// To where.
    #[serde(default, deserialize_with = "text")]
    pub destination: String,
    /// To which ports; any if there is none.
    #[serde(default, deserialize_with = "some_text")]
    pub destination_port: Option<String>,
    /// The source they are given.
    #[serde(default, deserialize_with = "some_text", skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The length of its prefix, unless it is a single address.
    #[serde(default, deserialize_with = "some_number", skip_serializing_if = "Option::is_none")]
    pub target_subnet: Option<u8>,
    /// Whether they keep their port.
    #[serde(default, deserialize_with = "flag")]
    pub static_nat_port: bool,
    /// What it is for, and all that tells it from others.
    #[serde(default, deserialize_with = "text")]
    pub descr: String,
}

impl Serialize for OutboundMapping {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        OutboundMapping::serialize(self, to)
    }
}

/// What had a range once keeps the length of its prefix, which means nothing of an interface.
impl<'de> Deserialize<'de> for OutboundMapping {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut mapping = OutboundMapping::deserialize(from)?;
        if mapping.target.as_deref().is_some_and(|target| target.ends_with(":ip")) {
            mapping.target_subnet = None;
        }
        Ok(mapping)
    }
}

impl Object for OutboundMapping {
    /// The description.
    type Key = String;

    const NAME: &'static str = "outbound NAT mapping";
    const ONE: &'static str = "/firewall/nat/outbound/mapping";
    const ALL: &'static str = "/firewall/nat/outbound/mappings";
    const SUBSYSTEM: Option<Subsystem> = Some(Subsystem::Firewall);
    const FIELDS: Fields =
        Fields { interfaces: &["interface"], places: &["source", "destination", "target"] };

    fn key(&self) -> String {
        self.descr.clone()
    }
}

/// Whose mappings count for packets that leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutboundMode {
    /// Those that the firewall makes by itself.
    #[default]
    Automatic,
    /// Ours, and then those.
    Hybrid,
    /// Ours alone.
    Advanced,
    /// None.
    Disabled,
}

/// An address outside for one inside, both ways.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneToOne {
    /// Where the address outside is.
    pub interface: String,
    /// Whether it is left out.
    #[serde(default, deserialize_with = "flag")]
    pub disabled: bool,
    /// Whether it is an exception from others.
    #[serde(default, deserialize_with = "flag")]
    pub nobinat: bool,
    /// How it is for those inside: `enable`, `disable`; as the firewall is set if none.
    #[serde(default, deserialize_with = "some_text")]
    pub natreflection: Option<String>,
    /// `inet` or `inet6`.
    #[serde(default = "inet", deserialize_with = "family")]
    pub ipprotocol: String,
    /// The address outside.
    #[serde(default, deserialize_with = "text")]
    pub external: String,
    /// The address inside.
    #[serde(default, deserialize_with = "text")]
    pub source: String,
    /// For packets to where; `any` for all.
    #[serde(default, deserialize_with = "text")]
    pub destination: String,
    /// What it is for, and all that tells it from others.
    #[serde(default, deserialize_with = "text")]
    pub descr: String,
}

impl Object for OneToOne {
    /// The description.
    type Key = String;

    const NAME: &'static str = "1:1 NAT mapping";
    const ONE: &'static str = "/firewall/nat/one_to_one/mapping";
    const ALL: &'static str = "/firewall/nat/one_to_one/mappings";
    const SUBSYSTEM: Option<Subsystem> = Some(Subsystem::Firewall);
    const FIELDS: Fields =
        Fields { interfaces: &["interface"], places: &["external", "source", "destination"] };

    fn key(&self) -> String {
        self.descr.clone()
    }
}

const MODE: &str = "/firewall/nat/outbound/mode";

#[derive(Deserialize)]
struct Moded {
    #[serde(default, deserialize_with = "choice")]
    mode: OutboundMode,
}

impl Client {
    /// All port forwards.
    pub async fn port_forward_list(&self) -> Result<Vec<PortForward>, CallError> {
        Ok(objects(self.list().await?))
    }

    /// The port forward with that description.
    pub async fn port_forward_find(
        &self,
        descr: &String,
    ) -> Result<Option<Located<PortForward>>, CallError> {
        self.find(descr).await
    }

    /// Creates a port forward.
    pub async fn port_forward_create(
        &self,
        port_forward: &PortForward,
    ) -> Result<PortForward, CallError> {
        self.create(port_forward, None).await
    }

    /// Updates a port forward; the rule that follows it does.
    pub async fn port_forward_update(
        &self,
        at: Located<PortForward>,
        port_forward: &PortForward,
    ) -> Result<PortForward, CallError> {
        self.update(at, port_forward, None).await
    }

    /// Deletes a port forward, and the rule that follows it.
    pub async fn port_forward_delete(&self, at: Located<PortForward>) -> Result<(), CallError> {
        self.delete(at).await
    }

    /// All outbound NAT mappings, in their order.
    pub async fn outbound_mapping_list(&self) -> Result<Vec<OutboundMapping>, CallError> {
        Ok(objects(self.list().await?))
    }

    /// The outbound NAT mapping with that description.
    pub async fn outbound_mapping_find(
        &self,
        descr: &String,
    ) -> Result<Option<Located<OutboundMapping>>, CallError> {
        self.find(descr).await
    }

    /// Creates an outbound NAT mapping, at the end or at that place of the list.
    pub async fn outbound_mapping_create(
        &self,
        outbound_mapping: &OutboundMapping,
        placement: Option<u32>,
    ) -> Result<OutboundMapping, CallError> {
        self.create(outbound_mapping, placement).await
    }

    /// Updates an outbound NAT mapping, and moves it to that place of the list if there is one.
    pub async fn outbound_mapping_update(
        &self,
        at: Located<OutboundMapping>,
        outbound_mapping: &OutboundMapping,
        placement: Option<u32>,
    ) -> Result<OutboundMapping, CallError> {
        self.update(at, outbound_mapping, placement).await
    }

    /// Deletes an outbound NAT mapping.
    pub async fn outbound_mapping_delete(
        &self,
        at: Located<OutboundMapping>,
    ) -> Result<(), CallError> {
        self.delete(at).await
    }

    /// All 1:1 NAT mappings.
    pub async fn one_to_one_list(&self) -> Result<Vec<OneToOne>, CallError> {
        Ok(objects(self.list().await?))
    }

    /// The 1:1 NAT mapping with that description.
    pub async fn one_to_one_find(
        &self,
        descr: &String,
    ) -> Result<Option<Located<OneToOne>>, CallError> {
        self.find(descr).await
    }

    /// Creates a 1:1 NAT mapping.
    pub async fn one_to_one_create(&self, one_to_one: &OneToOne) -> Result<OneToOne, CallError> {
        self.create(one_to_one, None).await
    }

    /// Updates a 1:1 NAT mapping.
    pub async fn one_to_one_update(
        &self,
        at: Located<OneToOne>,
        one_to_one: &OneToOne,
    ) -> Result<OneToOne, CallError> {
        self.update(at, one_to_one, None).await
    }

    /// Deletes a 1:1 NAT mapping.
    pub async fn one_to_one_delete(&self, at: Located<OneToOne>) -> Result<(), CallError> {
        self.delete(at).await
    }

    /// Whose mappings count for packets that leave.
    pub async fn outbound_mode(&self) -> Result<OutboundMode, CallError> {
        let shown = self.ask(Method::GET, MODE, Said::Query(Vec::new())).await?;
        moded(&Call::new(Method::GET, MODE), shown.data)
    }

    /// Changes whose mappings count.
    pub async fn outbound_mode_set(&self, mode: OutboundMode) -> Result<OutboundMode, CallError> {
        let mode = serde_json::to_value(mode).unwrap_or_default();
        let body = Map::from_iter([("mode".to_owned(), mode)]);
        let shown = self.ask(Method::PATCH, MODE, Said::Body(body)).await?;
        moded(&Call::new(Method::PATCH, MODE), shown.data)
    }
}

fn moded(call: &Call<'_>, data: Value) -> Result<OutboundMode, CallError> {
    let moded: Result<Moded, _> = serde_json::from_value(data);
    moded.map(|moded| moded.mode).map_err(|error| call.garbled(error.to_string()))
}
