//! Scalars, which come as numbers or as text, and flags, which come in more ways than that.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserializer, Error, Visitor};

/// Text, or what a number or a flag looks like in text.
pub(super) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    scalar(from, |scalar| match scalar {
        Scalar::Text(text) => Some(text),
        Scalar::Whole(number) => Some(number.to_string()),
        Scalar::Part(number) => Some(number.to_string()),
        Scalar::Flag(on) => Some(u8::from(on).to_string()),
    })
}

/// A number without a sign and without a fraction.
pub(super) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    scalar(from, |scalar| match scalar {
        Scalar::Text(text) => text.trim().parse().ok(),
        Scalar::Whole(number) => u64::try_from(number).ok(),
        Scalar::Part(_) => None,
        Scalar::Flag(on) => Some(u64::from(on)),
    })
}

/// Text that has to be there.
pub(super) fn text_needed<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    text(from)?.ok_or_else(|| D::Error::custom("nothing where a text should be"))
}

/// A number that has to be there.
pub(super) fn number_needed<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    number(from)?.ok_or_else(|| D::Error::custom("nothing where a number should be"))
}

/// A flag that is off unless it is there.
pub(super) fn is_on<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Ok(flag(from)?.unwrap_or_default())
}

/// A share, such as the load of processors.
pub(super) fn share<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    scalar(from, |scalar| match scalar {
        Scalar::Text(text) => text.trim().parse().ok(),
        #[expect(clippy::cast_precision_loss, reason = "a share is small")]
        Scalar::Whole(number) => Some(number as f64),
        Scalar::Part(number) => Some(number),
        Scalar::Flag(_) => None,
    })
}

/// A flag.
pub(super) fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
    scalar(from, |scalar| match scalar {
        Scalar::Text(text) => of_word(&text),
        Scalar::Whole(0) => Some(false),
        Scalar::Whole(1) => Some(true),
        Scalar::Whole(_) | Scalar::Part(_) => None,
        Scalar::Flag(on) => Some(on),
    })
}

/// A flag in one of the words that Proxmox VE takes for it.
pub(crate) fn of_word(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "1" | "on" | "yes" | "true" => Some(true),
        "0" | "off" | "no" | "false" => Some(false),
        _ => None,
    }
}

#[derive(Debug)]
enum Scalar {
    Text(String),
    Whole(i128),
    Part(f64),
    Flag(bool),
}

fn scalar<'de, D, T>(from: D, read: fn(Scalar) -> Option<T>) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
{
    from.deserialize_any(Reader { read, read_as: PhantomData })
}

struct Reader<T> {
    read: fn(Scalar) -> Option<T>,
    read_as: PhantomData<T>,
}

impl<T> Reader<T> {
    fn read<E: Error>(&self, scalar: Scalar) -> Result<Option<T>, E> {
        (self.read)(scalar).map(Some).ok_or_else(|| E::custom("a scalar of another kind"))
    }
}

impl<T> Visitor<'_> for Reader<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar or nothing")
    }

    fn visit_bool<E: Error>(self, on: bool) -> Result<Self::Value, E> {
        self.read(Scalar::Flag(on))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        self.read(Scalar::Whole(number.into()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        self.read(Scalar::Whole(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        self.read(Scalar::Part(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        self.read(Scalar::Text(text.to_owned()))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default)]
    struct All {
        #[serde(deserialize_with = "text")]
        text: Option<String>,
        #[serde(deserialize_with = "number")]
        number: Option<u64>,
        #[serde(deserialize_with = "share")]
        share: Option<f64>,
        #[serde(deserialize_with = "flag")]
        flag: Option<bool>,
    }

    #[test]
    fn a_scalar_is_understood_however_it_is_written() {
        let read = |json| serde_json::from_str::<All>(json).unwrap();
        let some =
            All { text: Some("512".into()), number: Some(512), share: Some(1.5), flag: Some(true) };
        assert_eq!(read(r#"{"text":"512","number":512,"share":1.5,"flag":1}"#), some);
        assert_eq!(read(r#"{"text":512,"number":"512","share":"1.5","flag":"yes"}"#), some);
        assert_eq!(read(r#"{"text":512,"number":"512","share":1.5,"flag":true}"#), some);
        assert_eq!(read(r#"{"text":null,"number":null,"share":null,"flag":null}"#), All::default());
        assert_eq!(read("{}"), All::default());
    }

    #[test]
    fn what_is_none_is_not_guessed() {
        for wrong in [
            r#"{"number":-1}"#,
            r#"{"number":1.5}"#,
            r#"{"number":"many"}"#,
            r#"{"flag":2}"#,
            r#"{"flag":"maybe"}"#,
            r#"{"text":[]}"#,
        ] {
            assert!(serde_json::from_str::<All>(wrong).is_err(), "{wrong}");
        }
    }
}
