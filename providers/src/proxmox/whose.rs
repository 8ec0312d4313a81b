//! What has an id, and whose it is.

use futures_util::future::{OptionFuture, join3};
use lessor_engine::ApplyError;
use lessor_plans::{Adoption, Mark, MarkError, Present};
use lessor_specs::Address;

use super::client::{CallError, Client, Guest, Resource};
use super::error::refused;
use super::rules::Filter;
use super::values::Values;
use super::{Proxmox, read};
use crate::seen::{adopted_mark, why_not};

/// What has an id.
pub(super) enum Whose {
    /// A guest of ours.
    Ours(Box<Seen>),
    /// A guest of somebody else, or one that cannot be told to be ours.
    Others(String),
    /// A guest that is only just being made, for this reason: it has no description yet, so nobody
    /// can tell.
    Unmade(String),
    /// Nothing. Holds what else there is in the cluster.
    Nobodys(Vec<Resource>),
}

/// A guest of ours.
pub(super) struct Seen {
    pub(super) guest: Guest,
    /// The mark it carries, or gets.
    pub(super) mark: Mark,
    /// Whether it has no mark yet, and counts as ours since an entry adopts it.
    pub(super) adopted: bool,
    pub(super) values: Values,
    pub(super) running: bool,
    /// Whether the cluster itself starts and stops it.
    pub(super) managed: bool,
    pub(super) pool: Option<String>,
    /// What filters before it, where that is ours to say.
    pub(super) filter: Option<Filter>,
}

impl Seen {
    /// How it looks.
    pub(super) fn present(&self) -> Result<Present, String> {
        let body = lessor_plans::Body::Guest(read::body(self)?.into());
        let id = || self.guest.vmid.to_string();
        let adoption = || Adoption { id: id(), beyond: Vec::new(), takes_mark: true };
        let adopted = self.adopted.then(adoption);
        Ok(Present { adopted, ..present(&self.mark, body) })
    }
}

pub(super) fn present(mark: &Mark, body: lessor_plans::Body) -> Present {
    Present {
        birth: mark.address.clone(),
        origin: mark.origin.clone(),
        adopted: None,
        body,
        inherited: std::collections::BTreeSet::new(),
        secrets: std::collections::BTreeMap::new(),
    }
}

/// The mark in the description of a guest.
pub(super) fn mark_of(proxmox: &Proxmox, id: &str, values: &Values) -> Result<Mark, MarkError> {
    Mark::from_text(values.description(), &proxmox.installation, id)
}

/// For what a guest is locked while it is made.
pub(super) fn making(values: &Values) -> Option<&str> {
    values.lock().filter(|lock| matches!(*lock, "clone" | "create"))
}

impl Proxmox {
    /// The guest of this id, on whatever node it is now. One without a mark is ours as well if it
    /// is `adopted` as the thing at that address.
    pub(super) async fn whose(
        &self,
        client: &Client,
        id: &str,
        adopted: Option<&Address>,
    ) -> Result<Whose, ApplyError> {
        let vmid = number(id)?;
        let resources = client.cluster_resources(None).await?;
        let found = resources.iter().find(|one| one.vmid == Some(vmid.into()));
        let Some(found) = found else {
            return Ok(if client.guest_id_is_free(vmid).await? {
                Whose::Nobodys(resources)
            } else {
                Whose::Others("we may not even look at it".into())
            });
        };
        let (Some(kind), Some(node)) = (found.guest(), &found.node) else {
            return Ok(Whose::Others("it is no guest that this lessor knows".into()));
        };
        check_online(&resources, node, &self.place)?;
        let guest = Guest { kind, node: node.clone(), vmid };
        match self.look(client, guest, found.pool.clone(), adopted).await? {
            Some(whose) => Ok(whose),
            None => Ok(Whose::Nobodys(resources)),
        }
    }

    /// A guest on its node; `None` when it is not there any more.
    async fn look(
        &self,
        client: &Client,
        guest: Guest,
        pool: Option<String>,
        adopted: Option<&Address>,
    ) -> Result<Option<Whose>, CallError> {
        let filter = self.entry.guest_firewall.then(|| Filter::read(client, &guest));
        let asked = join3(
            client.guest_pending(&guest),
            client.guest_status(&guest),
            OptionFuture::from(filter),
        );
        let (values, status, filter) = asked.await;
        let (values, status) = match (values, status) {
            (Ok(values), Ok(Some(status))) => (Values::new(values), status),
            (Ok(_), Ok(None)) => return Ok(None),
            (Err(error), _) if error.is_no_guest() => return Ok(None),
            (Err(error), _) | (_, Err(error)) => return Err(error),
        };
        let id = guest.vmid.to_string();
        let mark = mark_of(self, &id, &values);
        let gets = |address| adopted_mark(address, &id, values.description(), &self.installation);
        let gets = adopted.and_then(|address| gets(address).ok());
        let is_adopted = gets.is_some();
        Ok(Some(match (gets.map_or(mark, Ok), making(&values)) {
            (_, Some(lock)) => Whose::Unmade(unmade(&guest, lock)),
            (Ok(mark), None) => Whose::Ours(Box::new(Seen {
                running: status.is_running(),
                adopted: is_adopted,
                managed: status.is_managed(),
                filter: filter.transpose()?,
                guest,
                mark,
                values,
                pool,
            })),
            (Err(error), None) => Whose::Others(why_not(&error)),
        }))
    }
}

/// What is said of a guest that is not made yet.
pub(super) fn unmade(guest: &Guest, lock: &str) -> String {
    let (vmid, kind) = (guest.vmid, guest.kind.as_str());
    format!(
        "guest `{vmid}` is locked (`{lock}`) for as long as it is being made; if no task works on \
         it any more, unlock and remove {kind}/{vmid} on node `{}`",
        guest.node
    )
}

pub(super) fn number(id: &str) -> Result<u32, ApplyError> {
    id.parse()
        .map_err(|_| refused(format!("`{id}` is no id of a guest"), "run `lessor plan` again"))
}

/// A node that does not take part can be asked nothing.
pub(super) fn check_online(
    resources: &[Resource],
    node: &str,
    place: &Address,
) -> Result<(), ApplyError> {
    let is_it = |one: &&Resource| one.sort == "node" && one.node.as_deref() == Some(node);
    let status = resources.iter().find(is_it).and_then(|one| one.status.as_deref());
    match status {
        Some("offline") => Err(refused(
            format!("node `{node}` of `{place}` is offline"),
            "bring it back, or take what runs there over to another node",
        )),
        _ => Ok(()),
    }
}
