//! Carving networks out of a supernet.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use lessor_plans::Hold;
use lessor_specs::Cidr;

/// Which parts of a supernet are spoken for.
#[derive(Debug)]
pub(super) struct Subnets {
    supernet: Cidr,
    prefix: u8,
    /// First and last address of everything taken, in ranges that do not touch each other.
    taken: BTreeMap<Ipv4Addr, Ipv4Addr>,
    /// Everything before it is taken.
    next: Option<Ipv4Addr>,
}

impl Subnets {
    pub(super) fn new(supernet: Cidr, prefix: u8) -> Self {
        let next = Some(supernet.net().network());
        Subnets { supernet, prefix, taken: BTreeMap::new(), next }
    }

    pub(super) fn take_all(&mut self, holds: &[Hold]) {
        for hold in holds {
            if let Hold::Subnet(subnet) = hold {
                self.take(*subnet);
            }
        }
    }

    pub(super) fn take(&mut self, subnet: Cidr) {
        let (mut first, mut last) = (subnet.net().network(), subnet.net().broadcast());
        while let Some((start, end)) = self.overlapping(first, last) {
            self.taken.remove(&start);
            (first, last) = (first.min(start), last.max(end));
        }
        self.taken.insert(first, last);
    }

    fn overlapping(&self, first: Ipv4Addr, last: Ipv4Addr) -> Option<(Ipv4Addr, Ipv4Addr)> {
        let (start, end) = self.taken.range(..=last).next_back()?;
        (*end >= first).then_some((*start, *end))
    }

    pub(super) fn lowest_free(&mut self) -> Option<Cidr> {
        let end = self.supernet.net().broadcast();
        while let Some(start) = self.next.filter(|start| *start <= end) {
            let subnet = Cidr::new(ipnet::Ipv4Net::new(start, self.prefix).ok()?);
            let last = subnet.net().broadcast();
            self.next = u32::from(last).checked_add(1).map(Ipv4Addr::from);
            if self.overlapping(start, last).is_none() {
                self.take(subnet);
                return Some(subnet);
            }
        }
        None
    }
}
