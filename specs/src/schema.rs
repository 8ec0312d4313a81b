//! The JSON Schema of a spec file, and the formats it names.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::kinds::Endpoint;
use crate::quantity::{
    Adopted, Fingerprint, HttpsUrl, Malformed, Moment, MountPath, Percent, PublicKey, TextQuantity,
    VlanIds, VmIds,
};
use crate::{
    Address, ByteSize, Cidr, Cpu, Currency, Duration, EnvValue, HostKey, Kind, Money, PortRange,
    SecretRef, Specs, kinds,
};

/// The schema of a spec file, in draft-07, which Taplo reads.
///
/// The loader holds files against this same schema, so an editor and `lessor validate` agree.
pub fn json_schema() -> Value {
    let mut schema = schema_for::<Specs>();
    fit_for_editors(&mut schema);
    schema
}

/// The part of it that is about entries of one kind, or about `policy` as a whole. The loader asks for it each
/// time it runs, and needs nothing of what is done for editors.
pub(crate) fn entry_schema(kind: Kind) -> Value {
    match kind {
        Kind::Docker => schema_for::<kinds::Docker>(),
        Kind::Proxmox => schema_for::<kinds::Proxmox>(),
        Kind::PfSense => schema_for::<kinds::PfSense>(),
        Kind::Location => schema_for::<kinds::Location>(),
        Kind::Image => schema_for::<kinds::Image>(),
        Kind::Network => schema_for::<kinds::Network>(),
        Kind::Volume => schema_for::<kinds::Volume>(),
        Kind::Container => schema_for::<kinds::Container>(),
        Kind::PortRange => schema_for::<kinds::PortRangeSpec>(),
        Kind::Bridge => schema_for::<kinds::Bridge>(),
        Kind::Vlan => schema_for::<kinds::Vlan>(),
        Kind::VlanRange => schema_for::<kinds::VlanRange>(),
        Kind::AddressPool => schema_for::<kinds::AddressPool>(),
        Kind::Alias => schema_for::<kinds::Alias>(),
        Kind::FirewallRule => schema_for::<kinds::FirewallRule>(),
        Kind::FirewallTemplate => schema_for::<kinds::FirewallTemplate>(),
        Kind::PortForward => schema_for::<kinds::PortForward>(),
        Kind::OutboundNat => schema_for::<kinds::OutboundNat>(),
        Kind::Vpn => schema_for::<kinds::Vpn>(),
        Kind::Pool => schema_for::<kinds::Pool>(),
        Kind::Machine => schema_for::<kinds::Machine>(),
        Kind::PromoCode => schema_for::<kinds::PromoCode>(),
        Kind::Offer => schema_for::<kinds::Offer>(),
        Kind::Quota => schema_for::<kinds::Quota>(),
        Kind::Tenant => schema_for::<kinds::Tenant>(),
        Kind::Instance => schema_for::<kinds::Instance>(),
        Kind::Policy => schema_for::<kinds::Policy>(),
    }
}

fn schema_for<T: JsonSchema>() -> Value {
    SchemaSettings::draft07().into_generator().into_root_schema_for::<T>().to_value()
}

/// Looks like an IP address, whatever an editor knows about formats.
const IP: &str = r"^([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$";

/// As [`IP`], of the fourth version.
const IPV4: &str = r"^[0-9]{1,3}(\.[0-9]{1,3}){3}$";

/// Says the same so that an editor marks the very place that is wrong, and nothing around it.
///
/// TOML has no null, and a choice with it is marked as a whole where only one part of the other
/// side does not fit. Words to choose from are listed when none of them fits, which choices between
/// constants are not; Taplo has a place of its own for what they mean. A field that is not allowed would be marked at everything beside it; one that
/// nothing fits is marked at itself.
fn fit_for_editors(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(fit_for_editors);
            without_null(fields);
            choices_listed(fields);
            for (format, pattern) in [("ip", IP), ("ipv4", IPV4)] {
                if fields.get("format") == Some(&json!(format)) {
                    fields.insert("pattern".into(), pattern.into());
                }
            }
            if fields.get("additionalProperties") == Some(&json!(false)) {
                let nothing = json!({ "not": { "description": "no field has this name" } });
                fields.insert("additionalProperties".into(), nothing);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(fit_for_editors),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// “This or null” becomes this.
fn without_null(fields: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = fields.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            fields.insert("type".into(), only);
        }
    }
    let Some(Value::Array(mut choices)) = fields.remove("anyOf") else { return };
    choices.retain(|choice| choice["type"] != "null");
    match choices.as_slice() {
        [Value::Object(only)] if !only.contains_key("$ref") => {
            for (name, value) in only {
                fields.entry(name).or_insert_with(|| value.clone());
            }
        }
        // Beside a reference, a description counts for nothing.
        [_] => drop(fields.insert("allOf".into(), choices.into())),
        _ => drop(fields.insert("anyOf".into(), choices.into())),
    }
}

/// “One of these constants, each described” becomes a list of words, described beside it.
fn choices_listed(fields: &mut Map<String, Value>) {
    let Some(Value::Array(values)) = fields.remove("oneOf") else { return };
    let each = |name: &str| values.iter().map(|value| value[name].clone()).collect();
    let (names, said): (Value, Value) = (each("const"), each("description"));
    fields.insert("type".into(), "string".into());
    fields.insert("enum".into(), names);
    fields.insert("x-taplo".into(), json!({ "docs": { "enumValues": said } }));
}

/// Holds `text` against the quantity whose schema has this `format`.
///
/// `None` when no quantity is called so.
pub(crate) fn check_format(format: &str, text: &str) -> Option<Result<(), Malformed>> {
    fn check<T: TextQuantity>(text: &str) -> Result<(), Malformed> {
        text.parse::<T>().map(drop)
    }
    Some(match format {
        Address::FORMAT => check::<Address>(text),
        Adopted::FORMAT => check::<Adopted>(text),
        ByteSize::FORMAT => check::<ByteSize>(text),
        Cidr::FORMAT => check::<Cidr>(text),
        Cpu::FORMAT => check::<Cpu>(text),
        Currency::FORMAT => check::<Currency>(text),
        Duration::FORMAT => check::<Duration>(text),
        Endpoint::FORMAT => check::<Endpoint>(text),
        EnvValue::FORMAT => check::<EnvValue>(text),
        Fingerprint::FORMAT => check::<Fingerprint>(text),
        HttpsUrl::FORMAT => check::<HttpsUrl>(text),
        VlanIds::FORMAT => check::<VlanIds>(text),
        VmIds::FORMAT => check::<VmIds>(text),
        HostKey::FORMAT => check::<HostKey>(text),
        Moment::FORMAT => check::<Moment>(text),
        Money::FORMAT => check::<Money>(text),
        MountPath::FORMAT => check::<MountPath>(text),
        Percent::FORMAT => check::<Percent>(text),
        PortRange::FORMAT => check::<PortRange>(text),
        PublicKey::FORMAT => check::<PublicKey>(text),
        SecretRef::FORMAT => check::<SecretRef>(text),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_makes_a_quantity_panic(text in ".{0,24}") {
            for format in ["address", "adopted", "byte-size", "endpoint", "cidr", "cpu", "currency", "date-time", "percent", "lessor-duration", "env-value", "fingerprint", "host-key", "https-url",
                           "money", "mount-path", "port-range", "public-key", "secret-ref", "vlan-ids", "vm-ids"] {
                prop_assert!(check_format(format, &text).is_some());
            }
        }
    }
}
