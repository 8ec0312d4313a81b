//! How low a wallet may fall: no further than its line, whatever happens in between.

use std::collections::BTreeMap;

use lessor_specs::Money;
use lessor_store::{Declared, Store};

use crate::fixture::{BACKENDS, Database};
use crate::shop::{assert_ledger, eur, money, pay};

/// Lets the wallet fall as low as that.
async fn draw_line(store: &Store, credit: &str) {
    let credit = BTreeMap::from([(eur(), money(credit))]);
    let (id, timezone) = ("acme".into(), "UTC".into());
    let acme = Declared { id, quota: None, timezone, owners: Vec::new(), credit };
    store.tenant_declare(&[acme]).await.unwrap();
}

/// What can be spent, and what should be: all that lies above the line.
async fn free(store: &Store, line: Money) -> (i64, i64) {
    let wallets = store.wallet_list("acme").await.unwrap();
    let Some(wallet) = wallets.first() else { return (0, 0) };
    let left = wallet.posted.micros() - wallet.held.micros() - line.micros();
    (wallet.available().micros(), left.max(0))
}

#[tokio::test]
async fn what_is_released_below_the_line_cannot_be_spent() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        for by_hand in [false, true] {
            draw_line(store, "10").await;
            let hold = store.hold_place("acme", eur(), money("8")).await.unwrap();
            draw_line(store, "0").await;

            if by_hand {
                // The control: as it was once, with nothing but the promise taken back.
                database.run("UPDATE wallet SET held = 0").await.unwrap();
                assert_eq!(free(store, money("0")).await, (8_000_000, 0));
            } else {
                store.hold_release(&hold).await.unwrap();
                assert_eq!(free(store, money("0")).await, (0, 0));
            }
        }
    }
}

/// The same sequence each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % sides
    }
}

#[tokio::test]
async fn whatever_happens_to_a_wallet_all_above_its_line_can_be_spent_and_nothing_below() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        let (mut dice, mut holds, mut line) = (Dice(7), Vec::new(), money("-0.00001"));
        draw_line(store, "0.00001").await;
        for step in 0..200 {
            let amount = Money::from_micros(i64::try_from(dice.roll(9) + 1).unwrap());
            let what = dice.roll(6);
            match what {
                0 => {
                    let credit = Money::from_micros(i64::try_from(dice.roll(20)).unwrap());
                    draw_line(store, &credit.to_string()).await;
                    line = Money::from_micros(-credit.micros());
                }
                1 => pay(store, "acme", &amount.to_string()).await,
                2 | 3 => holds.extend(store.hold_place("acme", eur(), amount).await.ok()),
                _ if holds.is_empty() => {}
                4 => {
                    let hold: String = holds.swap_remove(0);
                    store.hold_release(&hold).await.unwrap();
                }
                _ => {
                    let hold = holds.swap_remove(0);
                    store.hold_capture(&hold, Money::from_micros(1), "a bit").await.unwrap();
                }
            }
            let (free, expected) = free(store, line).await;
            assert_eq!(free, expected, "{step}: {what}");
        }
        assert_ledger(store).await;
    }
}
