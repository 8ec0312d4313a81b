//! The JSON Schema of a spec file, and the formats it names.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::kinds::Endpoint;
use crate::quantity::{Adopted, Malformed, MountPath, TextQuantity};
use crate::{
    Address, ByteSize, Cidr, Cpu, Currency, Duration, EnvValue, HostKey, Money, PortRange,
    SecretRef, Specs,
};

/// The schema of a spec file, in draft-07, which Taplo reads.
///
/// The loader holds files against this same schema, so an editor and `lessor validate` agree.
pub fn json_schema() -> Value {
    SchemaSettings::draft07().into_generator().into_root_schema_for::<Specs>().to_value()
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
        HostKey::FORMAT => check::<HostKey>(text),
        Money::FORMAT => check::<Money>(text),
        MountPath::FORMAT => check::<MountPath>(text),
        PortRange::FORMAT => check::<PortRange>(text),
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
            for format in ["address", "adopted", "byte-size", "endpoint", "cidr", "cpu", "currency", "lessor-duration", "env-value", "host-key",
                           "money", "mount-path", "port-range", "secret-ref"] {
                prop_assert!(check_format(format, &text).is_some());
            }
        }
    }
}
