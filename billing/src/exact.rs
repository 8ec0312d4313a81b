//! Amounts before they are rounded: whole numbers of a unit so small that every price, size and
//! length of time comes out even.

use lessor_specs::Money;

/// Microseconds of an hour.
pub(crate) const HOUR: i64 = 3_600_000_000;

/// Bytes of a GiB: a price for each GiB is paid for each byte, too.
pub(crate) const GIB: i128 = 1 << 30;

/// So many of the unit are a millionth of the currency unit.
///
/// A line is at most 10 million currency units (2^44 millionths, see [`crate::TooDear`]), a month
/// has at most five times 745 of them (2^12): both fit 127 bits, also times the 2^14 of a discount.
pub(crate) const ONE: i128 = GIB * HOUR as i128;

/// `numerator / denominator`, rounded half to even. The denominator is above zero.
pub(crate) fn half_even(numerator: i128, denominator: i128) -> Money {
    let (whole, rest) = (numerator.div_euclid(denominator), numerator.rem_euclid(denominator));
    let up = match (rest * 2).cmp(&denominator) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => whole % 2 != 0,
        std::cmp::Ordering::Greater => true,
    };
    let rounded = whole + i128::from(up);
    let bounded = rounded.clamp(i64::MIN.into(), i64::MAX.into());
    Money::from_micros(i64::try_from(bounded).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::half_even;

    #[test]
    fn a_half_goes_to_the_even_neighbour_on_both_sides_of_zero() {
        for (numerator, denominator, rounded) in [
            (0, 2, 0),
            (1, 2, 0),
            (3, 2, 2),
            (5, 2, 2),
            (7, 2, 4),
            (-1, 2, 0),
            (-3, 2, -2),
            (-5, 2, -2),
            (1, 3, 0),
            (2, 3, 1),
            (-2, 3, -1),
            (51, 100, 1),
            (-49, 100, 0),
        ] {
            let found = half_even(numerator, denominator).micros();
            assert_eq!(found, rounded, "{numerator}/{denominator}");
        }
    }
}
