//! What can be edited, and how an edit ends.

use super::super::apply::Unapplied;
use super::super::error::CallError;
use super::super::{
    Alias, DhcpServer, Interface, Object, OneToOne, OutboundMapping, OutboundMode, Peer,
    PortForward, Rule, StaticMapping, Tunnel, VirtualIp, Vlan, WireGuard,
};
use super::seen::Kept;

/// A change of one object.
#[derive(Clone, Debug)]
pub enum Change<T: Object> {
    /// It is created, at that place of its list if there shall be a certain one.
    Create {
        /// How it shall be.
        object: T,
        /// Where.
        place: Option<Place<T::Key>>,
    },
    /// It is made so, and moved if there is a place where it shall be.
    Update {
        /// Which.
        key: T::Key,
        /// How it shall be.
        object: T,
        /// Where.
        place: Option<Place<T::Key>>,
        /// How it has to be for that; nothing is done to one that is otherwise.
        only: Option<Box<T>>,
    },
    /// It is deleted. One that is gone already is as good.
    Delete {
        /// Which.
        key: T::Key,
        /// How it has to be for that; nothing is done to one that is otherwise.
        only: Option<Box<T>>,
    },
}

/// A place in a list. What stands elsewhere is looked up right before the write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place<K> {
    /// This one, counted from 0.
    At(u32),
    /// Right before another object.
    Before(K),
    /// Right behind another object.
    Behind(K),
}

/// A change of anything.
#[derive(Clone, Debug)]
pub enum Edit {
    /// Of a VLAN.
    Vlan(Change<Vlan>),
    /// Of an interface.
    Interface(Change<Interface>),
    /// Of an alias.
    Alias(Change<Alias>),
    /// Of a rule.
    Rule(Change<Rule>),
    /// Of a port forward.
    PortForward(Change<PortForward>),
    /// Of an outbound NAT mapping.
    OutboundMapping(Change<OutboundMapping>),
    /// Of a 1:1 NAT mapping.
    OneToOne(Change<OneToOne>),
    /// Of a virtual IP.
    VirtualIp(Change<VirtualIp>),
    /// Of a DHCP server.
    DhcpServer(Change<DhcpServer>),
    /// Of a static mapping.
    StaticMapping(Change<StaticMapping>),
    /// Of a tunnel.
    Tunnel(Change<Tunnel>),
    /// Of a peer.
    Peer(Change<Peer>),
    /// Of whose outbound mappings count.
    OutboundMode(OutboundMode),
    /// Of `WireGuard` as a whole.
    WireGuard(WireGuard),
}

impl Edit {
    /// Creates an object.
    pub fn create<T: Kept>(object: T) -> Edit {
        T::edit(Change::Create { object, place: None })
    }

    /// Creates an object at that place of its list.
    pub fn create_at<T: Kept>(object: T, placement: u32) -> Edit {
        T::edit(Change::Create { object, place: Some(Place::At(placement)) })
    }

    /// Creates an object, at that place if there shall be a certain one.
    pub fn create_in<T: Kept>(object: T, place: Option<Place<T::Key>>) -> Edit {
        T::edit(Change::Create { object, place })
    }

    /// Makes an object so.
    pub fn update<T: Kept>(key: T::Key, object: T) -> Edit {
        T::edit(Change::Update { key, object, place: None, only: None })
    }

    /// Makes an object so, and moves it to that place of its list.
    pub fn move_to<T: Kept>(key: T::Key, object: T, placement: u32) -> Edit {
        let place = Some(Place::At(placement));
        T::edit(Change::Update { key, object, place, only: None })
    }

    /// Makes an object so, and moves it if there is a place where it shall be; but only if it is
    /// still as it was `seen`.
    pub fn update_seen<T: Kept>(seen: &T, object: T, place: Option<Place<T::Key>>) -> Edit {
        let only = Some(Box::new(seen.clone()));
        T::edit(Change::Update { key: seen.key(), object, place, only })
    }

    /// Deletes an object.
    pub fn delete<T: Kept>(key: T::Key) -> Edit {
        T::edit(Change::Delete { key, only: None })
    }

    /// Deletes an object, but only if it is still as it was `seen`.
    pub fn delete_seen<T: Kept>(seen: &T) -> Edit {
        T::edit(Change::Delete { key: seen.key(), only: Some(Box::new(seen.clone())) })
    }
}

/// How an edit ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// The object is as it was written.
    Written {
        /// What it is called; what is created may have got its name only now.
        key: String,
    },
    /// It is not there.
    Gone,
}

/// Why an edit did not end well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// It was not made, or nobody knows.
    #[error(transparent)]
    Call(CallError),
    /// The firewall said that it was made, and it is not to be seen.
    #[error("{what} was written, and is not as it was written: its firewall lost the write")]
    Lost {
        /// What was written.
        what: String,
    },
    /// The firewall said that it was made, and nobody could look.
    #[error("{what} was written, and could not be looked at afterwards")]
    Unseen {
        /// What was written.
        what: String,
        /// Why not.
        #[source]
        why: CallError,
    },
    /// It is stored and does not work yet.
    #[error(transparent)]
    Unapplied(Unapplied),
}

impl EditError {
    /// Whether the same edit may succeed a little later, once somebody looked what is there.
    pub fn may_pass(&self) -> bool {
        match self {
            EditError::Call(why)
            | EditError::Unseen { why, .. }
            | EditError::Unapplied(Unapplied::Refused { why, .. }) => why.may_pass(),
            EditError::Lost { .. } | EditError::Unapplied(Unapplied::Unfinished { .. }) => true,
        }
    }

    /// Something one can do now.
    pub fn hint(&self) -> Option<String> {
        match self {
            EditError::Call(why)
            | EditError::Unseen { why, .. }
            | EditError::Unapplied(Unapplied::Refused { why, .. }) => why.hint(),
            EditError::Lost { .. } => Some(
                "somebody else wrote at the same time, or the user has the privilege `Deny Config \
                 Write`: try again, and look at the user if it comes again"
                    .into(),
            ),
            EditError::Unapplied(Unapplied::Unfinished { .. }) => Some(
                "look at the system log of the firewall; what is stored works from its next \
                 restart on"
                    .into(),
            ),
        }
    }
}
