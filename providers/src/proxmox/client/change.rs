//! What is done to a guest. Each call answers with the task that it began, if it needs one.

use std::time::Duration;

use super::guest::{Guest, GuestKind};
use super::{CallError, Client, Form, Upid};

/// A copy that shall be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewClone {
    /// Its number.
    pub vmid: u32,
    /// Its name.
    pub name: Option<String>,
    /// Its description, which a copy would take over from its source otherwise.
    pub description: Option<String>,
    /// The pool it joins.
    pub pool: Option<String>,
    /// Whether it has disks of its own, or those of the template below them.
    pub full: bool,
    /// Where its disks are made. Full copies only.
    pub storage: Option<String>,
    /// The node it is made on. Every disk has to be on a storage that both share.
    pub target: Option<String>,
}

/// How a guest is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// As by pulling the plug.
    Now,
    /// It is asked to, and has so long to do it; then it goes on running.
    Asked(Duration),
    /// It is asked to, and stopped when it has not done it in time.
    AskedThenNow(Duration),
}

impl Client {
    /// Copies a guest or a template. The task runs on the node of the source and carries its
    /// number. Copies of one source are to be made one after the other.
    pub async fn guest_clone(&self, source: &Guest, clone: &NewClone) -> Result<Upid, CallError> {
        let form = Form::new()
            .with("newid", clone.vmid)
            .with_some(source.kind.name_key(), clone.name.as_ref())
            .with_some("description", clone.description.as_ref())
            .with_some("pool", clone.pool.as_ref())
            .with_switch("full", clone.full)
            .with_some("storage", clone.storage.as_ref())
            .with_some("target", clone.target.as_ref());
        self.guest_post(source, &["clone"], &form).await
    }

    /// Changes the configuration; with the digest it was read with, only if nobody else did.
    ///
    /// Of a machine it is the way that leaves the work to a task: the other one holds a worker of
    /// the node for as long as it takes. A container has only that other one.
    pub async fn guest_update(
        &self,
        guest: &Guest,
        digest: Option<&str>,
        form: Form,
    ) -> Result<Option<Upid>, CallError> {
        let form = form.with_some("digest", digest);
        match guest.kind {
            GuestKind::Qemu => self.guest_post(guest, &["config"], &form).await,
            GuestKind::Lxc => self.guest_put(guest, &["config"], &form).await,
        }
    }

    /// Writes the configuration of a machine and waits for it. Only what touches neither disks nor
    /// a running guest belongs here, and a password, which the other way keeps in clear.
    pub async fn guest_update_now(
        &self,
        guest: &Guest,
        digest: Option<&str>,
        form: Form,
    ) -> Result<(), CallError> {
        self.guest_put(guest, &["config"], &form.with_some("digest", digest)).await
    }

    /// Makes a disk larger: `3G`, or `+512M`. It cannot become smaller.
    pub async fn guest_resize(
        &self,
        guest: &Guest,
        disk: &str,
        size: &str,
        digest: Option<&str>,
    ) -> Result<Option<Upid>, CallError> {
        let form = Form::new().with("disk", disk).with("size", size).with_some("digest", digest);
        self.guest_put(guest, &["resize"], &form).await
    }

    /// Starts it.
    pub async fn guest_start(&self, guest: &Guest) -> Result<Upid, CallError> {
        self.guest_post(guest, &["status", "start"], &Form::new()).await
    }

    /// Stops it. One that does not run stays as it is.
    pub async fn guest_stop(&self, guest: &Guest, stop: Stop) -> Result<Upid, CallError> {
        let asked = |within: Duration| Form::new().with("timeout", within.as_secs());
        match stop {
            Stop::Now => self.guest_post(guest, &["status", "stop"], &Form::new()).await,
            Stop::Asked(within) => {
                self.guest_post(guest, &["status", "shutdown"], &asked(within)).await
            }
            Stop::AskedThenNow(within) => {
                let form = asked(within).with("forceStop", 1);
                self.guest_post(guest, &["status", "shutdown"], &form).await
            }
        }
    }

    /// Asks it to start again, which puts into effect what waits for that.
    pub async fn guest_reboot(&self, guest: &Guest, within: Duration) -> Result<Upid, CallError> {
        let form = Form::new().with("timeout", within.as_secs());
        self.guest_post(guest, &["status", "reboot"], &form).await
    }

    /// Removes a guest that does not run, with its disks, those that its configuration no longer
    /// names, and everything that refers to it.
    pub async fn guest_delete(&self, guest: &Guest) -> Result<Upid, CallError> {
        let query = Form::new().with("purge", 1).with("destroy-unreferenced-disks", 1);
        self.guest_remove(guest, &[], &query).await
    }

    /// Makes it a template. There is no way back.
    pub async fn guest_make_template(&self, guest: &Guest) -> Result<Option<Upid>, CallError> {
        self.guest_post(guest, &["template"], &Form::new()).await
    }

    /// Writes the cloud-init drive of a machine anew; it is read at its next start.
    pub async fn guest_write_cloudinit(&self, guest: &Guest) -> Result<(), CallError> {
        self.guest_put(guest, &["cloudinit"], &Form::new()).await
    }
}
