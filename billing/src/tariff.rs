//! What an offer costs in the sizes somebody chose.

use std::fmt;
use std::str::FromStr;

use lessor_specs::kinds::{Instance, Offer};
use lessor_specs::{ByteSize, Currency, Money};
use serde::{Deserialize, Serialize};

use crate::exact::{GIB, half_even};

/// What one part of an offer may cost for an hour: 10 million currency units. More is a slip of the
/// pen, and sums of more might not fit.
const HOURLY_MAX: i64 = 10_000_000_000_000;

/// How an order counts on its bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It runs.
    Running,
    /// Its customer stopped it; it keeps its place and its data.
    Stopped,
    /// It was stopped for a reason of ours; it keeps its data.
    Suspended,
    /// It is over. Nothing comes after.
    Ended,
}

/// What is billed of an order, each on lines of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The whole, at one price, while it runs.
    Base,
    /// The whole, at one price, while it does not run.
    Kept,
    /// Cores, while it runs.
    Cpu,
    /// Memory, while it runs.
    Memory,
    /// Disk, for as long as it is kept.
    Disk,
}

impl Part {
    /// Every part, in the order of a bill.
    pub const ALL: [Part; 5] = [Part::Base, Part::Kept, Part::Cpu, Part::Memory, Part::Disk];

    /// Its name on a bill.
    pub const fn as_str(self) -> &'static str {
        match self {
            Part::Base => "base",
            Part::Kept => "kept",
            Part::Cpu => "cpu",
            Part::Memory => "memory",
            Part::Disk => "disk",
        }
    }

    /// Whether it is billed of an order in this mode.
    pub const fn is_billed(self, mode: Mode) -> bool {
        match (self, mode) {
            (_, Mode::Ended) => false,
            (Part::Base | Part::Cpu | Part::Memory, mode) => matches!(mode, Mode::Running),
            (Part::Kept, mode) => !matches!(mode, Mode::Running),
            (Part::Disk, _) => true,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Part::ALL.into_iter().find(|part| part.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is no part of a bill"))
    }
}

/// The sizes a customer chose of an offer that leaves them open; the least where nothing was said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Choices {
    /// Cores.
    pub cpu: Option<u32>,
    /// Memory.
    pub memory: Option<ByteSize>,
    /// Disk.
    pub disk: Option<ByteSize>,
}

impl From<&Instance> for Choices {
    fn from(instance: &Instance) -> Self {
        Choices { cpu: instance.cpu, memory: instance.memory, disk: instance.disk }
    }
}

/// One part of an offer: how much of it, and its price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Component {
    /// Which part.
    pub part: Part,
    /// Cores, bytes, or 1 of the whole.
    pub quantity: u64,
    /// For each core, GiB or the whole, and hour.
    pub hourly: Money,
}

impl Component {
    /// The quantity on one scale for all parts: 2^30 a core, a GiB and a whole.
    pub(crate) fn weight(&self) -> i128 {
        let scale = match self.part {
            Part::Base | Part::Kept | Part::Cpu => GIB,
            Part::Memory | Part::Disk => 1,
        };
        i128::from(self.quantity) * scale
    }

    /// What it costs for an hour, in 2^-30 millionths.
    pub(crate) fn exact_hourly(&self) -> i128 {
        i128::from(self.hourly.micros()) * self.weight()
    }

    /// What it costs for an hour, for showing.
    pub fn an_hour(&self) -> Money {
        half_even(self.exact_hourly(), GIB)
    }
}

/// What an offer costs in the sizes that were chosen. Something of it costs something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tariff {
    pub(crate) currency: Currency,
    pub(crate) components: Vec<Component>,
    pub(crate) monthly_cap: Option<Money>,
    pub(crate) cap_hours: Option<u16>,
}

/// A part of an offer costs more than 10 million currency units an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{part}` costs more than 10 million an hour")]
pub struct TooDear {
    /// The part.
    pub part: Part,
}

impl Tariff {
    /// What an offer costs in these sizes; `None` when it is free.
    ///
    /// # Errors
    /// When a part of it costs more than can be billed.
    pub fn of(offer: &Offer, choices: &Choices) -> Result<Option<Tariff>, TooDear> {
        let price = &offer.price;
        let Some(currency) = price.currency else { return Ok(None) };
        let mut parts = vec![(Part::Base, 1, price.hourly), (Part::Kept, 1, price.hourly_stopped)];
        if let Some(vm) = &offer.vm {
            let cores = choices.cpu.unwrap_or(vm.cpu.min);
            let memory = choices.memory.unwrap_or(vm.memory.min);
            let disk = choices.disk.unwrap_or(vm.disk.min);
            parts.push((Part::Cpu, cores.into(), vm.cpu.hourly));
            parts.push((Part::Memory, memory.bytes(), vm.memory.hourly));
            parts.push((Part::Disk, disk.bytes(), vm.disk.hourly));
        }
        let components = parts.into_iter().filter_map(|(part, quantity, hourly)| {
            let hourly = hourly.filter(|hourly| hourly.micros() > 0 && quantity > 0)?;
            Some(Component { part, quantity, hourly })
        });
        let components: Vec<_> = components.collect();
        let most = i128::from(HOURLY_MAX) * GIB;
        match components.iter().find(|component| component.exact_hourly() > most) {
            Some(component) => Err(TooDear { part: component.part }),
            None if components.is_empty() => Ok(None),
            None => Ok(Some(Tariff {
                currency,
                components,
                monthly_cap: price.monthly_cap,
                cap_hours: price.cap_hours,
            })),
        }
    }

    /// The currency of every amount.
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// Its parts, in the order of a bill.
    pub fn components(&self) -> &[Component] {
        &self.components
    }

    /// At most this in a calendar month.
    pub fn monthly_cap(&self) -> Option<Money> {
        self.monthly_cap
    }

    /// At most this many hours in a calendar month.
    pub fn cap_hours(&self) -> Option<u16> {
        self.cap_hours
    }

    /// The parts that are billed in a mode.
    pub(crate) fn billed(&self, mode: Mode) -> impl Iterator<Item = &Component> {
        self.components.iter().filter(move |component| component.part.is_billed(mode))
    }

    /// What it costs for an hour in a mode, rounded once.
    pub fn hourly(&self, mode: Mode) -> Money {
        half_even(self.billed(mode).map(Component::exact_hourly).sum(), GIB)
    }

    /// What so many hours of one calendar month cost in a mode, rounded once.
    pub fn hours(&self, mode: Mode, hours: u16) -> Money {
        let hours = self.cap_hours.map_or(hours, |cap| cap.min(hours));
        let an_hour: i128 = self.billed(mode).map(Component::exact_hourly).sum();
        let money = half_even(an_hour * i128::from(hours), GIB);
        self.monthly_cap.map_or(money, |cap| cap.min(money))
    }
}
