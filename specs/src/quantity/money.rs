use std::fmt;
use std::str::FromStr;

use super::decimal::parse_scaled;
use super::{Malformed, TextQuantity, text_quantity};
use crate::Code;

/// An amount of money, in millionths of the currency unit: `0.014900`.
///
/// The currency stands beside it, never inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i64);

impl Money {
    /// So many millionths of the currency unit.
    pub const fn from_micros(micros: i64) -> Self {
        Money(micros)
    }

    /// Millionths of the currency unit.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// To two decimal places, half to even; for people, who do not read millionths.
    pub fn to_the_cent(self) -> String {
        let (cents, rest) = (self.0.unsigned_abs() / 10_000, self.0.unsigned_abs() % 10_000);
        let up = rest > 5_000 || rest == 5_000 && cents % 2 == 1;
        let cents = cents + u64::from(up);
        let sign = if self.0 < 0 && cents > 0 { "-" } else { "" };
        format!("{sign}{}.{:02}", cents / 100, cents % 100)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let micros = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}

impl FromStr for Money {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, text),
        };
        parse_scaled(digits, 6)
            .and_then(|micros| i64::try_from(micros).ok())
            .map(|micros| Money(sign * micros))
            .ok_or_else(|| {
                Malformed::new(
                    Code::MalformedMoney,
                    "an amount such as `9.99`, with at most six decimal places",
                )
                .hint("the currency stands beside it: `currency = \"EUR\"`")
            })
    }
}

impl TextQuantity for Money {
    const FORMAT: &'static str = "money";
    const PATTERN: &'static str = r"^-?[0-9]+(\.[0-9]{1,6})?$";
    const DESCRIPTION: &'static str = "An amount of money, such as `0.014900`.";
}

text_quantity!(Money, "Money");

/// A currency by its ISO 4217 code: `EUR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|&letter| write!(f, "{}", char::from(letter)))
    }
}

impl FromStr for Currency {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        match <[u8; 3]>::try_from(text.as_bytes()) {
            Ok(code) if code.iter().all(u8::is_ascii_uppercase) => Ok(Currency(code)),
            _ => Err(Malformed::new(
                Code::MalformedCurrency,
                "a currency code of three capitals, such as `EUR`",
            )),
        }
    }
}

impl TextQuantity for Currency {
    const FORMAT: &'static str = "currency";
    const PATTERN: &'static str = "^[A-Z]{3}$";
    const DESCRIPTION: &'static str = "A currency by its ISO 4217 code, such as `EUR`.";
}

text_quantity!(Currency, "Currency");

#[cfg(test)]
mod tests {
    use super::Money;

    #[test]
    fn money_is_shown_to_the_cent_half_to_even() {
        for (exact, shown) in [
            ("428.138", "428.14"),
            ("0.005", "0.00"),
            ("0.015", "0.02"),
            ("0.025", "0.02"),
            ("0.025001", "0.03"),
            ("-0.004", "0.00"),
            ("-1.999", "-2.00"),
            ("0.999999", "1.00"),
        ] {
            assert_eq!(exact.parse::<Money>().unwrap().to_the_cent(), shown, "{exact}");
        }
    }
}
