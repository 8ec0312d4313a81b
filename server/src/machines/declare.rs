//! Which machines there are, by what was applied.

use std::collections::{BTreeMap, BTreeSet};

use lessor_engine::replicas;
use lessor_specs::kinds::Pool;
use lessor_specs::{Kind, Specs, machine_name, made_number};
use lessor_store::{Actor, NewMachine};

use super::Machines;

impl Machines {
    /// Takes over the machines of files, and those that were made by them. Whether there are pools.
    pub(super) async fn declare(&self) -> anyhow::Result<bool> {
        let ground = self.latest.read(&self.store, &self.estate).await?;
        let Some(ground) = ground else { return Ok(false) };
        let mut known = self.taken_over.lock().await;
        if ground.specs.pool.is_empty()
            && known.as_ref().is_some_and(|(_, machines)| machines.is_empty())
        {
            return Ok(false);
        }
        let made = self.store.applied_list_of(Kind::Machine).await?;
        let made: BTreeSet<_> = made.iter().map(|address| address.name().to_owned()).collect();
        let booked = self.store.machine_list_booked().await?;
        let machines = declared(&ground.specs, &made, &booked);
        let now = (ground.revision, machines);
        if known.as_ref() != Some(&now) {
            match self.store.machine_declare(&now.1, now.0, &Actor::lessor()).await {
                Ok(_) => *known = Some(now),
                // Something was applied meanwhile, and is read next time.
                Err(error) if error.is_stale() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }
}

/// The machines that specs declare, and those of them that are `made`, in order of name.
fn declared(specs: &Specs, made: &BTreeSet<String>, booked: &BTreeSet<String>) -> Vec<NewMachine> {
    let members = specs.machine.iter().map(|(name, machine)| {
        let pool = specs.pool.get(&machine.pool);
        let mut labels = pool.map(|pool| pool.labels.clone()).unwrap_or_default();
        labels.extend(machine.labels.clone());
        let (name, pool) = (name.clone(), machine.pool.clone());
        NewMachine { name, pool, labels, withheld: machine.cordoned }
    });
    let pools = specs.pool.iter().filter(|(_, pool)| pool.is_made());
    let made = pools.flat_map(|(name, pool)| made_of(name, pool, made, booked));
    let all: BTreeMap<_, _> = members.chain(made).map(|one| (one.name.clone(), one)).collect();
    all.into_values().collect()
}

/// Those of a pool that we make. Of one that is to have fewer, those go that nobody has, and nobody
/// gets any other before that is so.
fn made_of(
    name: &str,
    pool: &Pool,
    made: &BTreeSet<String>,
    booked: &BTreeSet<String>,
) -> Vec<NewMachine> {
    let numbers = |names: &BTreeSet<String>| -> BTreeSet<u32> {
        names.iter().filter_map(|machine| made_number(name, machine)).collect()
    };
    let there = numbers(made);
    let reserved = numbers(booked).intersection(&there).copied().collect();
    let wanted = pool.replicas.unwrap_or_default();
    let stay = replicas(wanted, &reserved, &there);
    let withheld = stay.len() > usize::try_from(wanted).unwrap_or(usize::MAX);
    let stay = stay.intersection(&there);
    stay.map(|number| NewMachine {
        name: machine_name(name, *number),
        pool: name.to_owned(),
        labels: pool.labels.clone(),
        withheld,
    })
    .collect()
}
