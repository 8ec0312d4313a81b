//! How long each core and each byte was billed in a month, so that a cap in hours holds for each.
//!
//! A size that grew is a pile of layers: the lower ones were there before and reach the cap sooner.
//! Whoever doubles a machine at the end of a month then pays for what came, and not for what was
//! paid up.

use serde::{Deserialize, Serialize};

/// The layers of one part, from the lowest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Layers(Vec<Layer>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Layer {
    /// Where it ends; the one below ends where it begins. A weight as [`crate::Component`] has it.
    top: u128,
    /// For how many microseconds it was billed, cap or not.
    used: i64,
}

impl Layers {
    /// Bills `length` microseconds of the lowest `weight`; below zero, gives them back. Answers with
    /// weight times microseconds, without what is beyond `cap`.
    pub(crate) fn bill(&mut self, weight: i128, length: i64, cap: i64) -> i128 {
        let weight = u128::try_from(weight).unwrap_or_default();
        self.split(weight);
        let mut bottom = 0;
        let mut billed = 0;
        for layer in self.0.iter_mut().take_while(|layer| layer.top <= weight) {
            let before = layer.used.min(cap);
            layer.used += length;
            let width = i128::try_from(layer.top - bottom).unwrap_or(i128::MAX);
            billed += width * i128::from(layer.used.min(cap) - before);
            bottom = layer.top;
        }
        billed
    }

    /// Makes a layer end at `weight`.
    fn split(&mut self, weight: u128) {
        let at = self.0.partition_point(|layer| layer.top < weight);
        match self.0.get(at) {
            _ if weight == 0 => {}
            Some(layer) if layer.top == weight => {}
            Some(layer) => {
                let used = layer.used;
                self.0.insert(at, Layer { top: weight, used });
            }
            None => self.0.push(Layer { top: weight, used: 0 }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Layers;

    #[test]
    fn each_layer_reaches_the_cap_by_itself() {
        let mut layers = Layers::default();
        assert_eq!(layers.bill(2, 60, 100), 2 * 60);
        assert_eq!(layers.bill(4, 60, 100), 2 * 40 + 2 * 60, "the lower two were there before");
        assert_eq!(layers.bill(1, 10, 100), 0, "paid up");
        assert_eq!(layers.bill(4, 60, 100), 2 * 40, "the upper two are paid up now");
        assert_eq!(layers.bill(4, -60, 100), 2 * -40, "what is beyond the cap is not given back");
    }

    #[test]
    fn what_is_given_back_is_what_was_billed() {
        let mut layers = Layers::default();
        let billed = layers.bill(8, 100, 70);
        assert_eq!(layers.bill(8, -100, 70), -billed);
        assert_eq!(layers, {
            let mut same = Layers::default();
            same.bill(8, 0, 70);
            same
        });
    }
}
