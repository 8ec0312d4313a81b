//! One request at work: its caller, its moment, and its own copy of the configuration.

use std::rc::Rc;

use super::kind::Kind;
use super::model::Model;
use super::models;
use super::object::Object;
use super::refusal::{Granted, Refusal};
use super::state::{Revision, State};
use super::value::{Map, Value};
use super::{Version, apply, views};

/// Where the package keeps its settings.
pub(super) const SETTINGS: &str = "installedpackages/package/0/conf";

/// What the version of the configuration's format is.
pub(super) const CONFIG_VERSION: &str = "23.3";

/// What a write is told when another left its lock.
pub(super) const LOCKED: &str = "MODEL_WRITE_CONFIG_LOCKED";

/// One request at work.
pub(super) struct Session<'a> {
    pub(super) state: &'a mut State,
    /// As it was when the request came, and as the request changes it.
    pub(super) config: Value,
    /// The unix second of the request.
    pub(super) now: i64,
    pub(super) user: String,
    pub(super) address: String,
    /// Who new objects say made them. The package forgets it where it makes the object itself.
    pub(super) author: String,
    /// Whether what is written is kept, which it is not for some callers.
    pub(super) may_write: bool,
    pub(super) wish: Wish,
}

/// What a request asks for beside the object.
#[derive(Clone, Debug, Default)]
pub(super) struct Wish {
    pub(super) applies: bool,
    pub(super) waits: bool,
    pub(super) appends: bool,
    pub(super) removes: bool,
    /// Only to see what would be.
    pub(super) is_dry: bool,
    pub(super) placement: Option<i64>,
    pub(super) limit: usize,
    pub(super) offset: usize,
    pub(super) is_reversed: bool,
    pub(super) sort_by: Vec<String>,
    pub(super) is_descending: bool,
    pub(super) sorts_naturally: bool,
}

impl Session<'_> {
    pub(super) fn version(&self) -> Version {
        self.state.version
    }

    pub(super) fn model(&self, kind: Kind) -> &'static Model {
        models::of(self.version(), kind)
    }

    /// A setting of the package, empty when it is not set.
    pub(super) fn setting(&self, name: &str) -> &str {
        self.config.at(SETTINGS).map_or("", |settings| settings.text(name))
    }

    /// Who it is, as objects show it.
    pub(super) fn signature(&self, user: &str) -> String {
        format!("{user}@{} (API)", self.address)
    }

    /// All objects of a kind; of children, those of all parents.
    pub(super) fn all(&self, kind: Kind) -> Vec<Object> {
        match self.model(kind).parent {
            None => self.listed(&self.blank(kind)),
            Some(parent) => {
                let of = |parent: Object| {
                    let mut child = self.blank(kind);
                    child.parent_id = parent.id.clone();
                    child.parent = Some(Rc::new(parent));
                    self.listed(&child)
                };
                self.all(parent).into_iter().flat_map(of).collect()
            }
        }
    }

    /// All objects beside this one: of its kind, and of its parent.
    pub(super) fn beside(&self, object: &Object) -> Vec<Object> {
        self.listed(object)
    }

    fn listed(&self, like: &Object) -> Vec<Object> {
        let entries = match views::entries(self, like.kind) {
            Some(entries) => entries,
            None => self.config.at(&like.path()).map(entries).unwrap_or_default(),
        };
        let object = |(id, stored): (Value, Value)| {
            let mut object = self.blank(like.kind);
            object.id = id;
            object.parent_id = like.parent_id.clone();
            object.parent.clone_from(&like.parent);
            self.load(&mut object, &stored);
            object
        };
        entries.into_iter().map(object).collect()
    }

    /// The only object of a kind.
    pub(super) fn only(&self, kind: Kind) -> Object {
        let mut object = self.blank(kind);
        let stored = match views::only(self, kind) {
            Some(view) => view,
            None => self.config.at(object.model.path).cloned().unwrap_or(Value::Map(Map::new())),
        };
        self.load(&mut object, &stored);
        object
    }

    /// The object that has this value in that field.
    pub(super) fn find(&self, kind: Kind, field: &str, value: &Value) -> Option<Object> {
        self.all(kind).into_iter().find(|object| match field {
            "id" => object.id == *value,
            _ => object.get(field) == value,
        })
    }

    /// The object that a request speaks of: there already when it says an id, else blank, with the
    /// values it says.
    ///
    /// # Errors
    /// When there is no such object, or no such parent.
    pub(super) fn meant(&self, kind: Kind, data: &Map) -> Granted<Object> {
        let mut object = self.blank(kind);
        if let (Some(parent), Some(id)) = (object.model.parent, data.get("parent_id")) {
            object.parent_id = id.clone();
            object.parent = Some(Rc::new(self.parent(parent, id)?));
        }
        if let Some(id) = data.get("id") {
            object.id = id.clone();
            self.refresh(&mut object)?;
            object.before = Some(object.values.clone());
        } else if !object.model.is_many {
            let values = self.only(kind).values;
            object.before = Some(values.clone());
            object.values = values;
        }
        object.take(data);
        Ok(object)
    }

    /// Reads an object again.
    ///
    /// # Errors
    /// When it is not there, or its parent is not known.
    pub(super) fn refresh(&self, object: &mut Object) -> Granted<()> {
        if object.model.parent.is_some() && object.parent.is_none() {
            return Err(Refusal::broken(
                "MODEL_CANNOT_GET_CONFIG_PATH_WITHOUT_PARENT_MODEL",
                "Cannot obtain the config path of a Model without its parent Model.",
            ));
        }
        let wanted = object.id.shown();
        let found = self.beside(object).into_iter().find(|known| known.id.shown() == wanted);
        let Some(found) = found else {
            let message = format!("Object with ID `{wanted}` does not exist.");
            return Err(Refusal::not_found("MODEL_OBJECT_NOT_FOUND", message));
        };
        object.values = found.values;
        Ok(())
    }

    fn parent(&self, kind: Kind, id: &Value) -> Granted<Object> {
        let mut parent = self.blank(kind);
        parent.id = id.clone();
        self.refresh(&mut parent).map_err(|_| {
            let message = format!("Parent object with ID `{}` does not exist.", id.shown());
            Refusal::not_found("MODEL_PARENT_OBJECT_NOT_FOUND", message)
        })?;
        Ok(parent)
    }

    /// Writes the configuration, as the caller.
    ///
    /// # Errors
    /// When the lock is there.
    pub(super) fn write(&mut self, note: &str) -> Granted<()> {
        let description = format!("{}@{}:  {note}", self.user, self.address);
        self.keep(description, true)
    }

    /// Writes the configuration as pfSense's own functions do, which know no caller. The history
    /// shows no size for what they write.
    ///
    /// # Errors
    /// When the lock is there.
    pub(super) fn write_as_system(&mut self, note: &str) -> Granted<()> {
        let description = format!("(system)@{}: {note}", self.address);
        self.keep(description, false)
    }

    fn keep(&mut self, description: String, is_sized: bool) -> Granted<()> {
        if self.state.is_locked {
            return Err(Refusal::unavailable(
                LOCKED,
                "Failed to write to the configuration file after multiple attempts.",
                5,
            ));
        }
        if self.may_write {
            let size = if is_sized { self.config.to_json().len() } else { 0 };
            let size = i64::try_from(size).unwrap_or(i64::MAX);
            let revision = Revision { time: self.now, description, size };
            self.state.write(self.config.clone(), revision);
            self.config = self.state.config.clone();
        }
        Ok(())
    }

    /// Remembers that something of a model is not applied.
    pub(super) fn soil(&mut self, model: &Model) {
        if let Some(subsystem) = model.subsystem {
            self.state.dirty.insert(subsystem.to_owned());
        }
    }

    /// Applies what was written of a model, when it does so at once or was asked to.
    ///
    /// # Errors
    /// When too much is being applied already.
    pub(super) fn apply_written(&mut self, model: &Model) -> Granted<()> {
        if !self.wish.applies && !model.applies_at_once {
            return Ok(());
        }
        if let Some(what) = model.subsystem.and_then(apply::of_subsystem) {
            apply::begin(self, what)?;
        } else if model.path.starts_with("filter/") {
            apply::begin(self, "firewall")?;
        }
        // The flag goes at once, though the work may go on.
        if let Some(subsystem) = model.subsystem {
            self.state.dirty.remove(subsystem);
        }
        Ok(())
    }

    /// Whether there is an alias of that name, for ports or for the rest.
    pub(super) fn is_alias(&self, name: &str, of_ports: bool) -> bool {
        let aliases = self.config.at("aliases/alias").and_then(Value::as_list).unwrap_or_default();
        aliases
            .iter()
            .any(|alias| alias.text("name") == name && (alias.text("type") == "port") == of_ports)
    }

    /// The interfaces, by id.
    pub(super) fn interfaces(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.config.at("interfaces").and_then(Value::as_map).into_iter().flatten()
    }

    /// How an interface is called in answers; what is none stays as it is.
    pub(super) fn interface_shown(&self, id: &str) -> String {
        let Some((_, interface)) = self.interfaces().find(|(known, _)| *known == id) else {
            return id.to_owned();
        };
        match self.setting("represent_interfaces_as") {
            "if" => interface.text("if").to_owned(),
            "descr" if interface.text("descr").is_empty() => id.to_uppercase(),
            "descr" => interface.text("descr").to_owned(),
            _ => id.to_owned(),
        }
    }

    /// The id of an interface by what it is called in requests; what is none stays as it is.
    pub(super) fn interface_id(&self, shown: &str) -> String {
        let mut ids = self.interfaces().map(|(id, _)| id);
        ids.find(|id| self.interface_shown(id) == shown).map_or(shown.to_owned(), Clone::clone)
    }

    /// The id of an object that comes next at the end of its list.
    pub(super) fn next_position(&self, object: &Object) -> Value {
        let length =
            self.config.at(&object.path()).and_then(Value::as_list).map_or(0, <[Value]>::len);
        Value::Integer(i64::try_from(length).unwrap_or(i64::MAX))
    }
}

fn entries(list: &Value) -> Vec<(Value, Value)> {
    match list {
        Value::List(values) => {
            let numbered = values.iter().enumerate();
            numbered
                .map(|(n, value)| {
                    (Value::Integer(i64::try_from(n).unwrap_or_default()), value.clone())
                })
                .collect()
        }
        Value::Map(map) => {
            map.iter().map(|(name, value)| (Value::from(name.as_str()), value.clone())).collect()
        }
        _ => Vec::new(),
    }
}
