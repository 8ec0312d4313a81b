//! Decimal numbers without floats.

/// Reads `text` as a decimal number with at most `places` digits behind the point, scaled to an
/// integer: `("1.5", 3)` is `1500`. Digits only, one optional point, no sign, no exponent.
pub(super) fn parse_scaled(text: &str, places: u32) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let has_point = whole.len() != text.len();
    if whole.is_empty() || !digits(whole) || !digits(part) || (has_point && part.is_empty()) {
        return None;
    }
    let missing = places.checked_sub(u32::try_from(part.len()).ok()?)?;
    let part = if part.is_empty() { 0 } else { part.parse::<u64>().ok()? };
    let whole = whole.parse::<u64>().ok()?.checked_mul(10_u64.checked_pow(places)?)?;
    whole.checked_add(part.checked_mul(10_u64.pow(missing))?)
}

#[cfg(test)]
mod tests {
    use super::parse_scaled;

    #[test]
    fn decimals_scale_exactly_or_not_at_all() {
        assert_eq!(parse_scaled("1.5", 3), Some(1500));
        assert_eq!(parse_scaled("0.014900", 6), Some(14_900));
        for bad in
            ["", ".", "1.", ".5", "-1", "+1", "1e3", "1.2345", "1 ", "１", "99999999999999999999"]
        {
            assert_eq!(parse_scaled(bad, 3), None, "{bad}");
        }
    }
}
