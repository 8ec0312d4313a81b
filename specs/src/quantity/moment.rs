use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::de::{Error, MapAccess, Visitor};

use super::{Malformed, TextQuantity};
use crate::Code;

/// A moment, everywhere the same: `2026-12-31T23:59:59Z`. In TOML it is a date, or a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(Timestamp);

impl Moment {
    /// The moment itself.
    pub const fn timestamp(self) -> Timestamp {
        self.0
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Moment {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        text.parse().map(Moment).map_err(|_| {
            Malformed::new(
                Code::MalformedMoment,
                "a date and time with its offset, such as `2026-12-31T23:59:59Z`",
            )
            .hint("`Z` is the time of the world; `+01:00` is an hour ahead of it")
        })
    }
}

impl TextQuantity for Moment {
    const FORMAT: &'static str = "date-time";
    const PATTERN: &'static str = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9.]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$";
    const DESCRIPTION: &'static str = "A moment, such as `2026-12-31T23:59:59Z`.";
}

impl serde::Serialize for Moment {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Moment {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MomentVisitor)
    }
}

/// Takes a text, and what the TOML reader makes of a date: a map with one text.
struct MomentVisitor;

impl<'de> Visitor<'de> for MomentVisitor {
    type Value = Moment;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a date and time with its offset")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Moment, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Moment, A::Error> {
        match map.next_entry::<String, String>()? {
            Some((_, text)) => text.parse().map_err(A::Error::custom),
            None => Err(A::Error::custom("a date and time with its offset is missing")),
        }
    }
}

impl schemars::JsonSchema for Moment {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "format": Moment::FORMAT,
            "pattern": Moment::PATTERN,
            "description": Moment::DESCRIPTION,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Moment;

    #[test]
    fn a_moment_needs_its_offset() {
        let read = |text: &str| text.parse::<Moment>().map(|moment| moment.to_string()).ok();
        for (text, moment) in [
            ("2026-12-31T23:59:59Z", Some("2026-12-31T23:59:59Z")),
            ("2027-01-01T00:59:59+01:00", Some("2026-12-31T23:59:59Z")),
            ("2026-12-31 23:59:59.5Z", Some("2026-12-31T23:59:59.5Z")),
            ("2026-12-31T23:59:59", None),
            ("2026-12-31", None),
            ("2026-02-29T00:00:00Z", None),
            ("23:59:59", None),
            ("", None),
        ] {
            assert_eq!(read(text).as_deref(), moment, "{text}");
        }
    }
}
