//! The firewall of a guest. Its rules have places and no names: the digest of all of them is what
//! keeps a change from hitting another rule than was meant.

use serde::Deserialize;

use super::guest::Guest;
use super::{CallError, Client, Form, scalar};

/// What is set for the firewall of a guest. What is not set is at its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct FirewallOptions {
    /// Whether it filters at all. The cluster's own switch and each interface's have to be on too.
    #[serde(deserialize_with = "scalar::flag")]
    pub enable: Option<bool>,
    /// What becomes of what comes in and no rule is about.
    #[serde(deserialize_with = "scalar::text")]
    pub policy_in: Option<String>,
    /// The same for what goes out.
    #[serde(deserialize_with = "scalar::text")]
    pub policy_out: Option<String>,
    /// Whether only its own addresses may go out.
    #[serde(deserialize_with = "scalar::flag")]
    pub ipfilter: Option<bool>,
    /// Whether only its own MAC addresses may go out.
    #[serde(deserialize_with = "scalar::flag")]
    pub macfilter: Option<bool>,
    /// Whether it may ask for addresses.
    #[serde(deserialize_with = "scalar::flag")]
    pub dhcp: Option<bool>,
    /// Changes with anything in it.
    #[serde(deserialize_with = "scalar::text")]
    pub digest: Option<String>,
}

/// A rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Rule {
    /// `in`, `out`, `forward` or `group`.
    #[serde(rename = "type", deserialize_with = "scalar::text_needed")]
    pub sort: String,
    /// `ACCEPT`, `DROP`, `REJECT`, or the name of a group.
    #[serde(deserialize_with = "scalar::text_needed")]
    pub action: String,
    /// Whether it counts.
    #[serde(deserialize_with = "scalar::is_on")]
    pub enable: bool,
    /// A protocol and ports by name, such as `SSH`.
    #[serde(rename = "macro", deserialize_with = "scalar::text")]
    pub named: Option<String>,
    /// The protocol.
    #[serde(deserialize_with = "scalar::text")]
    pub proto: Option<String>,
    /// From where.
    #[serde(deserialize_with = "scalar::text")]
    pub source: Option<String>,
    /// To where.
    #[serde(deserialize_with = "scalar::text")]
    pub dest: Option<String>,
    /// From which ports.
    #[serde(deserialize_with = "scalar::text")]
    pub sport: Option<String>,
    /// To which ports.
    #[serde(deserialize_with = "scalar::text")]
    pub dport: Option<String>,
    /// Which messages, for ICMP.
    #[serde(rename = "icmp-type", deserialize_with = "scalar::text")]
    pub icmp_type: Option<String>,
    /// On which interface: `net0`.
    #[serde(deserialize_with = "scalar::text")]
    pub iface: Option<String>,
    /// How loudly it is logged.
    #[serde(deserialize_with = "scalar::text")]
    pub log: Option<String>,
    /// What somebody wrote about it, or whose it is.
    #[serde(deserialize_with = "scalar::text")]
    pub comment: Option<String>,
}

impl Rule {
    fn form(&self) -> Form {
        Form::new()
            .with("type", &self.sort)
            .with("action", &self.action)
            // Left out, it would be off.
            .with_switch("enable", self.enable)
            .with_some("macro", self.named.as_ref())
            .with_some("proto", self.proto.as_ref())
            .with_some("source", self.source.as_ref())
            .with_some("dest", self.dest.as_ref())
            .with_some("sport", self.sport.as_ref())
            .with_some("dport", self.dport.as_ref())
            .with_some("icmp-type", self.icmp_type.as_ref())
            .with_some("iface", self.iface.as_ref())
            .with_some("log", self.log.as_ref())
            .with_some("comment", self.comment.as_ref())
    }
}

/// The rules of a guest in the order in which they count, and the digest they were read with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleList {
    /// The rules; a rule's index is its place.
    pub rules: Vec<Rule>,
    /// Changes with any of them. There is none to read while there are no rules.
    pub digest: Option<String>,
}

#[derive(Deserialize)]
struct Placed {
    #[serde(deserialize_with = "scalar::number_needed")]
    pos: u64,
    #[serde(default, deserialize_with = "scalar::text")]
    digest: Option<String>,
    #[serde(flatten)]
    rule: Rule,
}

impl Client {
    /// What is set for the firewall of a guest.
    pub async fn firewall_options(&self, guest: &Guest) -> Result<FirewallOptions, CallError> {
        self.guest_get(guest, &["firewall", "options"], &Form::new()).await
    }

    /// Changes what is set; with the digest it was read with, only if nobody else did.
    pub async fn firewall_set_options(
        &self,
        guest: &Guest,
        digest: Option<&str>,
        form: Form,
    ) -> Result<(), CallError> {
        let form = form.with_some("digest", digest);
        self.guest_put(guest, &["firewall", "options"], &form).await
    }

    /// The rules of a guest.
    pub async fn firewall_rules(&self, guest: &Guest) -> Result<RuleList, CallError> {
        let mut placed: Vec<Placed> =
            self.guest_get(guest, &["firewall", "rules"], &Form::new()).await?;
        placed.sort_by_key(|one| one.pos);
        let digest = placed.first().and_then(|one| one.digest.clone());
        // A list with a hole would shift what is changed by place.
        let whole = (0..).zip(&placed).all(|(place, one)| one.pos == place);
        if !whole {
            let call = format!("GET the rules of {guest}");
            return Err(CallError::garbled(call, "places are missing in the list"));
        }
        Ok(RuleList { rules: placed.into_iter().map(|one| one.rule).collect(), digest })
    }

    /// Puts a rule before all others: Proxmox VE knows no other place for a new one, and looks at
    /// no digest here.
    pub async fn firewall_insert_first(&self, guest: &Guest, rule: &Rule) -> Result<(), CallError> {
        self.guest_post(guest, &["firewall", "rules"], &rule.form()).await
    }

    /// Puts rules before all others, so that they stand in the order given. What fails in between
    /// leaves the last ones of them.
    pub async fn firewall_insert_all(
        &self,
        guest: &Guest,
        rules: &[Rule],
    ) -> Result<(), CallError> {
        for rule in rules.iter().rev() {
            self.firewall_insert_first(guest, rule).await?;
        }
        Ok(())
    }

    /// Puts the rule at one place before the one that is now at another.
    pub async fn firewall_move(
        &self,
        guest: &Guest,
        place: usize,
        before: usize,
        digest: Option<&str>,
    ) -> Result<(), CallError> {
        let form = Form::new().with("moveto", before).with_some("digest", digest);
        self.guest_put(guest, &["firewall", "rules", &place.to_string()], &form).await
    }

    /// Makes the rule at a place another one, leaving nothing of the old.
    pub async fn firewall_replace(
        &self,
        guest: &Guest,
        place: usize,
        old: &Rule,
        new: &Rule,
        digest: Option<&str>,
    ) -> Result<(), CallError> {
        let form = new.form();
        let set: Vec<_> = form.keys().map(str::to_owned).collect();
        let gone: Vec<_> = old
            .form()
            .keys()
            .filter(|key| !set.iter().any(|set| set == key))
            .map(str::to_owned)
            .collect();
        let gone = (!gone.is_empty()).then(|| gone.join(","));
        let form = form.with_some("delete", gone).with_some("digest", digest);
        self.guest_put(guest, &["firewall", "rules", &place.to_string()], &form).await
    }

    /// Removes the rule at a place; those behind it move up.
    pub async fn firewall_delete(
        &self,
        guest: &Guest,
        place: usize,
        digest: Option<&str>,
    ) -> Result<(), CallError> {
        let query = Form::new().with_some("digest", digest);
        self.guest_remove(guest, &["firewall", "rules", &place.to_string()], &query).await
    }
}
