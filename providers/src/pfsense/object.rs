//! What all objects have in common: they are listed, found, created, updated and deleted.

use std::fmt::{Debug, Display};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::apply::Subsystem;
use super::client::{Client, Fields, Said};
use super::envelope::Call;
use super::error::CallError;
use crate::https::Method;

/// A sort of object that a firewall keeps a list of.
pub trait Object:
    Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// What tells one from another for as long as it lives, unlike its place in the list.
    type Key: Clone + Debug + Display + PartialEq + Send + Sync + 'static;

    /// What one is called: `VLAN`.
    const NAME: &'static str;

    /// The path of one.
    const ONE: &'static str;

    /// The path of all.
    const ALL: &'static str;

    /// What has to be applied behind a write; nothing when a write works at once.
    const SUBSYSTEM: Option<Subsystem>;

    /// The fields that name interfaces.
    const FIELDS: Fields = Fields::NONE;

    /// Whether creating one where there is one replaces it and all it holds.
    const OVERWRITES: bool = false;

    /// What tells this one from others.
    fn key(&self) -> Self::Key;

    /// What a firewall can look for by itself. It skips fields it does not know, and takes text
    /// for a number where it looks like one, so what it finds is looked at again.
    fn filter(_: &Self::Key) -> Option<(&'static str, String)> {
        None
    }

    /// Whether `found` has all that this wish asks for, as far as the firewall shows it.
    fn agrees(&self, found: &Self) -> bool {
        agree(self, found)
    }

    /// Whether `found` is what became of this wish. What the firewall names itself is not known
    /// before.
    fn became(&self, found: &Self) -> bool {
        self.key() == found.key()
    }
}

/// An object, and where it was a moment ago.
///
/// Where it is changes whenever anybody writes. So this is used up by one write, cannot be copied,
/// and tells nobody the place.
#[derive(Debug)]
pub struct Located<T> {
    id: Value,
    parent_id: Option<Value>,
    /// The object.
    pub object: T,
}

impl<T> Located<T> {
    /// Its place, where places are numbers.
    pub(super) fn place(&self) -> u64 {
        self.id.as_u64().unwrap_or_default()
    }
}

impl Client {
    pub(super) async fn list<T: Object>(&self) -> Result<Vec<Located<T>>, CallError> {
        self.listed(Vec::new()).await
    }

    /// The one with that key, if there is one.
    pub(super) async fn find<T: Object>(
        &self,
        key: &T::Key,
    ) -> Result<Option<Located<T>>, CallError> {
        let mut found: Vec<Located<T>> = self.listed(T::filter(key).into_iter().collect()).await?;
        found.retain(|located| located.object.key() == *key);
        match found.len() {
            0 | 1 => Ok(found.pop()),
            count => Err(CallError::Ambiguous { what: what::<T>(key), count }),
        }
    }

    /// Creates one, at that place if there shall be a certain one, and gives it as it was stored.
    pub(super) async fn create<T: Object>(
        &self,
        object: &T,
        placement: Option<u32>,
    ) -> Result<T, CallError> {
        if T::OVERWRITES && self.find::<T>(&object.key()).await?.is_some() {
            return Err(CallError::Taken { what: what::<T>(&object.key()) });
        }
        let body = self.body(object, placement).await?;
        let stored = self.write(Method::POST, T::ONE, Said::Body(body)).await?;
        Ok(stored.object)
    }

    /// Makes one what it shall be, and moves it if there is a place where it shall be.
    pub(super) async fn update<T: Object>(
        &self,
        located: Located<T>,
        object: &T,
        placement: Option<u32>,
    ) -> Result<T, CallError> {
        let mut body = self.body(object, placement).await?;
        body.insert("id".into(), located.id);
        if let Some(parent) = located.parent_id {
            body.insert("parent_id".into(), parent);
        }
        let answer = self.write::<T>(Method::PATCH, T::ONE, Said::Body(body)).await;
        match answer {
            // Some fields never change; one that was to stay as it is was not that of another.
            Err(CallError::Invalid { call, field: Some(field), id, why })
                if id == "FIELD_VALUE_CHANGED_WHEN_NOT_EDITABLE"
                    && are_alike(&located.object, object, &field) =>
            {
                let what = what::<T>(&object.key());
                Err(CallError::Moved { call, what, met: format!("another ({why})") })
            }
            answer => Ok(answer?.object),
        }
    }

    /// Deletes one.
    pub(super) async fn delete<T: Object>(&self, located: Located<T>) -> Result<(), CallError> {
        let parent = located.parent_id.as_ref().map(|parent| ("parent_id", said(parent)));
        let query = parent.into_iter().chain([("id", said(&located.id))]).collect();
        let gone: Located<T> = self.write(Method::DELETE, T::ONE, Said::Query(query)).await?;
        if gone.object.key() == located.object.key() {
            return Ok(());
        }
        Err(CallError::Moved {
            call: Call::new(Method::DELETE, T::ONE).to_string(),
            what: what::<T>(&located.object.key()),
            met: what::<T>(&gone.object.key()),
        })
    }

    async fn listed<T: Object>(
        &self,
        query: Vec<(&'static str, String)>,
    ) -> Result<Vec<Located<T>>, CallError> {
        let shown = self.ask(Method::GET, T::ALL, Said::Query(query)).await?;
        let call = Call::new(Method::GET, T::ALL);
        let garbled = |why| call.garbled(why);
        let Value::Array(shown) = shown.data else {
            return Err(garbled("it holds no list".into()));
        };
        let objects: Option<Vec<_>> = shown.into_iter().map(object).collect();
        let mut objects = objects.ok_or_else(|| garbled("its list holds no objects".into()))?;
        self.by_id(&mut objects, &T::FIELDS).await?;
        objects.into_iter().map(|object| located(object).map_err(garbled)).collect()
    }

    async fn body<T: Object>(
        &self,
        wish: &T,
        placement: Option<u32>,
    ) -> Result<Map<String, Value>, CallError> {
        // A struct with text keys always is an object.
        let wish = serde_json::to_value(wish).ok().and_then(object);
        let mut body = wish.unwrap_or_default();
        if let Some(placement) = placement {
            body.insert("placement".into(), placement.into());
        }
        self.as_shown(&mut body, &T::FIELDS).await?;
        Ok(body)
    }

    async fn write<T: Object>(
        &self,
        method: Method,
        path: &str,
        said: Said,
    ) -> Result<Located<T>, CallError> {
        let shown = self.ask(method.clone(), path, said).await;
        if T::NAME == super::Interface::NAME {
            self.forget_names();
        }
        // It is done, whatever the answer says; only we do not know what.
        let call = Call::new(method.clone(), path).to_string();
        let unknown = |why| CallError::Unknown { call: call.clone(), why };
        let object = object(shown?.data).ok_or_else(|| unknown("no object was shown".into()))?;
        let mut objects = [object];
        // What is gone has no name any more.
        if method != Method::DELETE {
            let named = self.by_id(&mut objects, &T::FIELDS).await;
            named.map_err(|error| unknown(error.to_string()))?;
        }
        let [object] = objects;
        located(object).map_err(unknown)
    }
}

/// Whether what both say of themselves is the same.
pub(super) fn agree<T: Object>(wish: &T, found: &T) -> bool {
    let said = |object: &T| serde_json::to_value(object).ok().and_then(self::object);
    let (Some(wish), Some(found)) = (said(wish), said(found)) else { return false };
    wish.iter().all(|(field, value)| found.get(field).is_none_or(|found| found == value))
}

/// Whether both say the same of themselves in that field.
fn are_alike<T: Object>(one: &T, other: &T, field: &str) -> bool {
    let said = |object: &T| serde_json::to_value(object).ok()?.get(field).cloned();
    said(one) == said(other)
}

/// What an object is called in messages.
pub(super) fn what<T: Object>(key: &T::Key) -> String {
    format!("{} `{key}`", T::NAME)
}

fn object(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

fn located<T: Object>(object: Map<String, Value>) -> Result<Located<T>, String> {
    let id = object.get("id").cloned().unwrap_or_default();
    if !(id.is_u64() || id.is_string()) {
        return Err(format!("a {} has no id", T::NAME));
    }
    let parent_id = object.get("parent_id").cloned();
    let object = serde_json::from_value(Value::Object(object));
    let object = object.map_err(|error| format!("a {} is unlike one: {error}", T::NAME))?;
    Ok(Located { id, parent_id, object })
}

fn said(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

/// An object as answers show it.
#[cfg(test)]
pub(super) fn object_of<T: Object>(shown: Value) -> Result<T, String> {
    located(object(shown).ok_or("it is no object")?).map(|located| located.object)
}
