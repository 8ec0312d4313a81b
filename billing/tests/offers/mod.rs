//! Offers, and what they cost.

#![allow(dead_code, reason = "each test takes what it needs")]

use jiff::Timestamp;
use lessor_billing::{Choices, Tariff};
use lessor_specs::kinds::Offer;
use lessor_specs::load::parse;
use lessor_specs::{ByteSize, Money, Tree};

pub(crate) const SURVIVAL: &str = r#"
price = { currency = "EUR", hourly = "0.014900", monthly_cap = "9.99" }
container = { cpu = "1", memory = "2GiB" }
images = ["paper"]
"#;

pub(crate) const FREE: &str = r#"
price = {}
container = { cpu = "1", memory = "2GiB" }
images = ["paper"]
"#;

pub(crate) const FLEX: &str = r#"
images = ["ubuntu"]
price = { currency = "EUR" }
[offer.it.vm]
cpu = { min = 1, max = 16, step = 1, hourly = "0.004500" }
memory = { min = "1GiB", max = "64GiB", step = "1GiB", hourly = "0.002100" }
disk = { min = "10GiB", max = "500GiB", step = "10GiB", hourly = "0.000120" }
"#;

pub(crate) const FLEX_CAPPED: &str = r#"
images = ["ubuntu"]
price = { currency = "EUR", cap_hours = 672 }
[offer.it.vm]
cpu = { min = 1, max = 16, step = 1, hourly = "0.004500" }
memory = { min = "1GiB", max = "64GiB", step = "1GiB", hourly = "0.002100" }
disk = { min = "10GiB", max = "500GiB", step = "10GiB", hourly = "0.000120" }
"#;

/// Costs something while it is stopped, too.
pub(crate) const KEPT: &str = r#"
price = { currency = "EUR", hourly = "0.014900", hourly_stopped = "0.002000" }
container = { cpu = "1", memory = "2GiB" }
images = ["paper"]
"#;

const IMAGES: &str = r#"
[image.paper.container]
ref = "paper:1"
[image.ubuntu.vm]
template = {}
cloud_init = true
[offer.it]
"#;

/// The offer whose fields these are.
pub(crate) fn offer(fields: &str) -> Offer {
    let files = [("web.toml".to_owned(), format!("{IMAGES}{fields}"))];
    let loaded = parse(Tree::new(files.into())).unwrap();
    loaded.specs.offer["it"].clone()
}

/// What it costs.
pub(crate) fn tariff(fields: &str, choices: Choices) -> Option<Tariff> {
    Tariff::of(&offer(fields), &choices).unwrap()
}

/// So many cores, GiB of memory and GiB of disk.
pub(crate) fn size(cores: u32, memory: u64, disk: u64) -> Choices {
    let gib = |count: u64| Some(ByteSize::from_bytes(count << 30));
    Choices { cpu: Some(cores), memory: gib(memory), disk: gib(disk) }
}

pub(crate) fn money(text: &str) -> Money {
    text.parse().unwrap()
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}
