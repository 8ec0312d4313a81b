//! Aliases and rules.

use serde::{Deserialize, Serialize};

use super::apply::Subsystem;
use super::client::{Client, Fields};
use super::error::CallError;
use super::interfaces::objects;
use super::lenient::{family, flag, inet, list, number, some_text, text};
use super::object::{Located, Object};

/// A name for addresses, networks or ports. Nothing keeps one from being deleted that rules use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// Letters, digits and `_`, up to 31. It never changes.
    pub name: String,
    /// What it stands for: `host`, `network` or `port`.
    #[serde(rename = "type")]
    pub sort: String,
    /// What it is for.
    #[serde(default, deserialize_with = "text")]
    pub descr: String,
    /// Addresses and names, networks with their prefix, or ports and ranges; other aliases too.
    #[serde(default, deserialize_with = "list")]
    pub address: Vec<String>,
    /// What each of them is for; not more than there are.
    #[serde(default, deserialize_with = "list")]
    pub detail: Vec<String>,
}

impl Object for Alias {
    /// The name.
    type Key = String;

    const NAME: &'static str = "alias";
    const ONE: &'static str = "/firewall/alias";
    const ALL: &'static str = "/firewall/aliases";
    const SUBSYSTEM: Option<Subsystem> = Some(Subsystem::Firewall);

    fn key(&self) -> String {
        self.name.clone()
    }

    fn filter(name: &String) -> Option<(&'static str, String)> {
        let is_text = name.contains(|letter: char| letter.is_ascii_alphabetic())
            && !["true", "false", "null"].contains(&name.as_str());
        is_text.then(|| ("name", name.clone()))
    }
}

/// A rule. The first in the list that fits a packet decides; floating ones come before.
///
/// Addresses are `any`, `(self)`, an address, a network, an alias, an interface (`lan`, its
/// network; `lan:ip`, its address), and any but the first with `!` before it. Ports are `443`,
/// `8000:8010` or an alias.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its only name, chosen when it is created and never changed. Left to the firewall (0), it is
    /// the second of its creation, which others may have too. One of a rule that has none is
    /// another on every look.
    #[serde(default, deserialize_with = "number", skip_serializing_if = "is_none")]
    pub tracker: u64,
    /// `pass`, `block` or `reject`.
    #[serde(rename = "type")]
    pub action: String,
    /// Interfaces; several only if it floats.
    #[serde(default, deserialize_with = "list")]
    pub interface: Vec<String>,
    /// `inet`, `inet6` or `inet46`.
    #[serde(default = "inet", deserialize_with = "family")]
    pub ipprotocol: String,
    /// `tcp`, `udp`, `tcp/udp`, `icmp`, …; any if there is none.
    #[serde(default, deserialize_with = "some_text")]
    pub protocol: Option<String>,
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
    /// What it is for.
    #[serde(default, deserialize_with = "text")]
    pub descr: String,
    /// Whether it is left out.
    #[serde(default, deserialize_with = "flag")]
    pub disabled: bool,
    /// Whether what it decides is logged.
    #[serde(default, deserialize_with = "flag")]
    pub log: bool,
    /// Whether it comes before those of interfaces. It never changes.
    #[serde(default, deserialize_with = "flag")]
    pub floating: bool,
    /// Of one that floats: whether it decides at once.
    #[serde(default, deserialize_with = "flag", skip_serializing_if = "is_no")]
    pub quick: bool,
    /// Of one that floats: `in`, `out` or `any`.
    #[serde(default, deserialize_with = "some_text", skip_serializing_if = "Option::is_none")]
    pub direction: Option<String>,
    /// The gateway it sends to.
    #[serde(default, deserialize_with = "some_text")]
    pub gateway: Option<String>,
    /// The port forward it follows.
    #[serde(default, deserialize_with = "some_text", skip_serializing)]
    pub associated_rule_id: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_none(tracker: &u64) -> bool {
    *tracker == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_no(flag: &bool) -> bool {
    !flag
}

impl Object for Rule {
    /// The tracker.
    type Key = u64;

    const NAME: &'static str = "rule";
    const ONE: &'static str = "/firewall/rule";
    const ALL: &'static str = "/firewall/rules";
    const SUBSYSTEM: Option<Subsystem> = Some(Subsystem::Firewall);
    const FIELDS: Fields =
        Fields { interfaces: &["interface"], places: &["source", "destination"] };

    fn key(&self) -> u64 {
        self.tracker
    }

    fn filter(tracker: &u64) -> Option<(&'static str, String)> {
        Some(("tracker", tracker.to_string()))
    }
}

impl Client {
    /// All aliases.
    pub async fn alias_list(&self) -> Result<Vec<Alias>, CallError> {
        Ok(objects(self.list().await?))
    }

    /// The alias with that name.
    pub async fn alias_find(&self, name: &String) -> Result<Option<Located<Alias>>, CallError> {
        self.find(name).await
    }

    /// Creates an alias.
    pub async fn alias_create(&self, alias: &Alias) -> Result<Alias, CallError> {
        self.create(alias, None).await
    }

    /// Updates an alias.
    pub async fn alias_update(
        &self,
        at: Located<Alias>,
        alias: &Alias,
    ) -> Result<Alias, CallError> {
        self.update(at, alias, None).await
    }

    /// Deletes an alias. Rules that use it stay, and break.
    pub async fn alias_delete(&self, at: Located<Alias>) -> Result<(), CallError> {
        self.delete(at).await
    }

    /// All rules, in their order.
    pub async fn rule_list(&self) -> Result<Vec<Rule>, CallError> {
        Ok(objects(self.list().await?))
    }

    /// The rule with that tracker.
    pub async fn rule_find(&self, tracker: u64) -> Result<Option<Located<Rule>>, CallError> {
        self.find(&tracker).await
    }

    /// Creates a rule, at the end or at that place of the list.
    pub async fn rule_create(
        &self,
        rule: &Rule,
        placement: Option<u32>,
    ) -> Result<Rule, CallError> {
        self.create(rule, placement).await
    }

    /// Updates a rule, and moves it to that place of the list if there is one.
    pub async fn rule_update(
        &self,
        at: Located<Rule>,
        rule: &Rule,
        placement: Option<u32>,
    ) -> Result<Rule, CallError> {
        self.update(at, rule, placement).await
    }

    /// Deletes a rule.
    pub async fn rule_delete(&self, at: Located<Rule>) -> Result<(), CallError> {
        self.delete(at).await
    }
}
