//! Quantities as people write them: `2GiB`, `1.5`, `24h`, `0.014900`, `10.64.0.0/16`.
//!
//! Each is a newtype over an integer, parsed from text and printed back in one canonical form.
//! None of them can hold a value that its text could not.

mod adopted;
mod byte_size;
mod cidr;
mod cpu;
mod decimal;
mod duration;
mod fingerprint;
mod host_key;
mod https_url;
mod ids;
mod moment;
mod money;
mod mount_path;
mod percent;
mod ports;
mod public_key;
mod secret;

pub use adopted::Adopted;
pub use byte_size::ByteSize;
pub use cidr::Cidr;
pub use cpu::Cpu;
pub use duration::Duration;
pub use fingerprint::Fingerprint;
pub use host_key::HostKey;
pub use https_url::HttpsUrl;
pub use ids::{IdRange, VlanIds, VmIds};
pub use moment::Moment;
pub use money::{Currency, Money};
pub use mount_path::MountPath;
pub use percent::Percent;
pub use ports::PortRange;
pub use public_key::PublicKey;
pub use secret::{EnvValue, SecretRef, looks_secret};

use std::fmt;

use crate::Code;

/// Why a text is not the quantity it should be: what was expected, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What sort of problem that is.
    pub code: Code,
    /// Completes “expected …”.
    pub expected: String,
    /// Something one can do now.
    pub hint: Option<String>,
}

impl Malformed {
    pub(crate) fn new(code: Code, expected: impl Into<String>) -> Self {
        Malformed { code, expected: expected.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.expected)
    }
}

impl std::error::Error for Malformed {}

/// A quantity that stands in a spec file as a string.
pub(crate) trait TextQuantity: std::str::FromStr<Err = Malformed> {
    /// The `format` of its JSON Schema, by which the loader finds it again.
    const FORMAT: &'static str;
    /// The pattern that editors check; the parser is stricter.
    const PATTERN: &'static str;
    /// Shown by editors.
    const DESCRIPTION: &'static str;
}

/// Gives a [`TextQuantity`] with `Display` its serde and JSON Schema forms.
macro_rules! text_quantity {
    ($type:ty, $name:literal) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                use crate::quantity::TextQuantity as Q;
                schemars::json_schema!({
                    "type": "string",
                    "format": <$type as Q>::FORMAT,
                    "pattern": <$type as Q>::PATTERN,
                    "description": <$type as Q>::DESCRIPTION,
                })
            }
        }
    };
}
pub(crate) use text_quantity;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_quantity_reads_back_what_it_prints(
            bytes in 0..=u64::MAX, cpu in 1..=1_000_000_u32, seconds in 0..=3_000_000_000_u64,
            money in i64::MIN + 1..=i64::MAX, address: u32, prefix in 0..=32_u8, first: u16, more: u16,
        ) {
            let bytes = ByteSize::from_bytes(bytes);
            prop_assert_eq!(bytes.to_string().parse(), Ok(bytes));
            let cpu = Cpu::from_millis(cpu);
            prop_assert_eq!(cpu.to_string().parse(), Ok(cpu));
            let duration = Duration::from_secs(seconds);
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
            let money = Money::from_micros(money);
            prop_assert_eq!(money.to_string().parse(), Ok(money));
            let net = ipnet::Ipv4Net::new(address.into(), prefix).unwrap().trunc();
            let cidr: Cidr = net.to_string().parse().unwrap();
            prop_assert_eq!(cidr.net(), net);
            let first = first.max(1);
            let ports = PortRange::new(first, first.saturating_add(more)).unwrap();
            prop_assert_eq!(ports.to_string().parse(), Ok(ports));
        }
    }
}
