//! What is said of a field: its form, what it may hold, and how it is stored.

use super::kind::Kind;
use super::value::Value;

/// A field of a model, as the package declares it.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) form: Form,
    pub(super) is_required: bool,
    pub(super) is_unique: bool,
    /// Cannot change once the object is there.
    pub(super) is_fixed: bool,
    pub(super) is_read_only: bool,
    /// Never shown.
    pub(super) is_write_only: bool,
    /// Shown only when a setting says so.
    pub(super) is_sensitive: bool,
    /// Not stored.
    pub(super) is_shown_only: bool,
    pub(super) many: Option<Many>,
    pub(super) choices: Vec<Value>,
    pub(super) default: Default,
    pub(super) allows_empty: bool,
    pub(super) allows_null: bool,
    pub(super) longest: usize,
    pub(super) least: i64,
    pub(super) most: i64,
    /// The name it is stored under, and the entry that name is in.
    pub(super) stored: &'static str,
    pub(super) within: Option<&'static str>,
    /// It has a value only when all of these hold.
    pub(super) conditions: Vec<Condition>,
    pub(super) checks: Vec<Check>,
}

/// What sort of value it is.
#[derive(Clone, Debug)]
pub(super) enum Form {
    Text,
    Number,
    /// How yes and no are stored; nothing is stored for a no without text.
    Flag {
        yes: &'static str,
        no: Option<&'static str>,
    },
    /// A unix second, of the creation or of the last change.
    Time {
        is_renewed: bool,
    },
    Port {
        allows_alias: bool,
        allows_range: bool,
    },
    /// Where packets come from or go to: any of these [`places`].
    Place(u8),
    /// An address to translate to: any of these [`places`].
    Target(u8),
    Interface,
    /// The value of a field of another object.
    Foreign {
        kinds: &'static [Kind],
        field: &'static str,
        keywords: &'static [&'static str],
        /// The field of it that is stored, if that is another one.
        kept_as: Option<&'static str>,
    },
    /// Children.
    Nested(Kind),
    /// Text that is stored in base64.
    Coded,
    /// Chosen by the firewall.
    UniqueId,
}

/// A field that holds a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Many {
    pub(super) least: usize,
    /// 0 for no limit.
    pub(super) most: usize,
    /// What stands between values in the configuration, unless they stand apart.
    pub(super) delimiter: Option<&'static str>,
}

/// What it has when nothing is said.
#[derive(Clone, Debug)]
pub(super) enum Default {
    None,
    Value(Value),
    /// A value made at that moment.
    Made,
}

/// Another field has one of these values.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub(super) field: &'static str,
    pub(super) is_of_parent: bool,
    pub(super) is_inverted: bool,
    pub(super) values: Vec<Value>,
}

/// What else a value is held against.
#[derive(Clone, Debug)]
pub(super) enum Check {
    Address(Addresses),
    Mac,
    FilterName,
    /// No object of that kind has it in that field.
    Apart(Kind, &'static str),
    Hostname {
        plain: bool,
        domain: bool,
        fqdn: bool,
    },
    /// So many bytes in hexadecimal behind `0x`.
    Hex(usize),
    Pattern {
        pattern: &'static str,
        inverted: bool,
        message: &'static str,
    },
}

/// Which addresses, or subnets, are taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    pub(super) are_subnets: bool,
    pub(super) v4: bool,
    pub(super) v6: bool,
    pub(super) fqdn: bool,
    pub(super) alias: bool,
    pub(super) keywords: &'static [&'static str],
}

/// What a place may be.
pub(super) mod places {
    pub(crate) const INTERFACE: u8 = 1;
    pub(crate) const INTERFACE_IP: u8 = 1 << 1;
    pub(crate) const IP: u8 = 1 << 2;
    pub(crate) const SUBNET: u8 = 1 << 3;
    pub(crate) const ALIAS: u8 = 1 << 4;
    pub(crate) const ANY: u8 = 1 << 5;
    pub(crate) const SELF: u8 = 1 << 6;
    pub(crate) const INVERT: u8 = 1 << 7;
}

/// How long text may be where nothing is said.
const LONGEST: usize = 1024;

fn field(name: &'static str, form: Form) -> Field {
    Field {
        name,
        form,
        is_required: false,
        is_unique: false,
        is_fixed: false,
        is_read_only: false,
        is_write_only: false,
        is_sensitive: false,
        is_shown_only: false,
        many: None,
        choices: Vec::new(),
        default: Default::None,
        allows_empty: false,
        allows_null: false,
        longest: LONGEST,
        least: 0,
        most: i64::MAX,
        stored: name,
        within: None,
        conditions: Vec::new(),
        checks: Vec::new(),
    }
}

pub(super) fn text(name: &'static str) -> Field {
    field(name, Form::Text)
}

pub(super) fn number(name: &'static str) -> Field {
    field(name, Form::Number)
}

pub(super) fn flag(name: &'static str) -> Field {
    field(name, Form::Flag { yes: "", no: None })
}

pub(super) fn time(name: &'static str) -> Field {
    field(name, Form::Time { is_renewed: false })
}

pub(super) fn port(name: &'static str) -> Field {
    field(name, Form::Port { allows_alias: false, allows_range: false })
}

pub(super) fn place(name: &'static str, places: u8) -> Field {
    field(name, Form::Place(places))
}

pub(super) fn target(name: &'static str, places: u8) -> Field {
    field(name, Form::Target(places))
}

pub(super) fn interface_name(name: &'static str) -> Field {
    field(name, Form::Interface)
}

pub(super) fn foreign(name: &'static str, kinds: &'static [Kind], of_field: &'static str) -> Field {
    field(name, Form::Foreign { kinds, field: of_field, keywords: &[], kept_as: None })
}

pub(super) fn nested(name: &'static str, kind: Kind) -> Field {
    let mut nested = field(name, Form::Nested(kind));
    nested.many = Some(Many { least: 0, most: 0, delimiter: None });
    nested
}

pub(super) fn coded(name: &'static str) -> Field {
    field(name, Form::Coded)
}

pub(super) fn unique_id(name: &'static str) -> Field {
    field(name, Form::UniqueId)
}

pub(super) fn ip() -> Addresses {
    Addresses { are_subnets: false, v4: false, v6: false, fqdn: false, alias: false, keywords: &[] }
}

pub(super) fn subnet() -> Addresses {
    Addresses { are_subnets: true, ..ip() }
}

impl Addresses {
    pub(super) fn v4(self) -> Self {
        Addresses { v4: true, ..self }
    }

    pub(super) fn v6(self) -> Self {
        Addresses { v6: true, ..self }
    }

    pub(super) fn fqdn(self) -> Self {
        Addresses { fqdn: true, ..self }
    }

    pub(super) fn alias(self) -> Self {
        Addresses { alias: true, ..self }
    }

    pub(super) fn keywords(self, keywords: &'static [&'static str]) -> Self {
        Addresses { keywords, ..self }
    }
}

impl Field {
    pub(super) fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    pub(super) fn unique(mut self) -> Self {
        self.is_unique = true;
        self
    }

    pub(super) fn fixed(mut self) -> Self {
        self.is_fixed = true;
        self
    }

    pub(super) fn read_only(mut self) -> Self {
        self.is_read_only = true;
        self
    }

    pub(super) fn write_only(mut self) -> Self {
        self.is_write_only = true;
        self
    }

    pub(super) fn sensitive(mut self) -> Self {
        self.is_sensitive = true;
        self
    }

    pub(super) fn shown_only(mut self) -> Self {
        self.is_shown_only = true;
        self
    }

    /// A list, stored with commas.
    pub(super) fn many(self) -> Self {
        self.many_by(",")
    }

    pub(super) fn many_by(mut self, delimiter: &'static str) -> Self {
        self.many = Some(Many { least: 0, most: 128, delimiter: Some(delimiter) });
        self
    }

    /// A list, stored as several entries.
    pub(super) fn many_apart(mut self) -> Self {
        self.many = Some(Many { least: 0, most: 128, delimiter: None });
        self
    }

    pub(super) fn entries(mut self, least: usize, most: usize) -> Self {
        self.many = self.many.map(|many| Many { least, most, ..many });
        self
    }

    pub(super) fn choices<T: Into<Value> + Copy>(mut self, choices: &[T]) -> Self {
        self.choices = choices.iter().map(|choice| (*choice).into()).collect();
        self
    }

    pub(super) fn default(mut self, value: impl Into<Value>) -> Self {
        self.default = Default::Value(value.into());
        self
    }

    pub(super) fn default_list(mut self, values: &[&str]) -> Self {
        self.default = Default::Value(values.iter().copied().collect());
        self
    }

    pub(super) fn made(mut self) -> Self {
        self.default = Default::Made;
        self
    }

    pub(super) fn empty(mut self) -> Self {
        self.allows_empty = true;
        self
    }

    pub(super) fn nullable(mut self) -> Self {
        self.allows_null = true;
        self
    }

    pub(super) fn longest(mut self, longest: usize) -> Self {
        self.longest = longest;
        self
    }

    pub(super) fn range(mut self, least: i64, most: i64) -> Self {
        (self.least, self.most) = (least, most);
        self
    }

    pub(super) fn least(mut self, least: i64) -> Self {
        self.least = least;
        self
    }

    pub(super) fn stored(mut self, name: &'static str) -> Self {
        self.stored = name;
        self
    }

    pub(super) fn within(mut self, entry: &'static str) -> Self {
        self.within = Some(entry);
        self
    }

    pub(super) fn stored_as(mut self, yes: &'static str, no: Option<&'static str>) -> Self {
        self.form = Form::Flag { yes, no };
        self
    }

    pub(super) fn renewed(mut self) -> Self {
        self.form = Form::Time { is_renewed: true };
        self
    }

    pub(super) fn alias(mut self) -> Self {
        if let Form::Port { allows_alias, .. } = &mut self.form {
            *allows_alias = true;
        }
        self
    }

    pub(super) fn ranges(mut self) -> Self {
        if let Form::Port { allows_range, .. } = &mut self.form {
            *allows_range = true;
        }
        self
    }

    pub(super) fn keywords(mut self, words: &'static [&'static str]) -> Self {
        if let Form::Foreign { keywords, .. } = &mut self.form {
            *keywords = words;
        }
        self
    }

    pub(super) fn kept_as(mut self, field: &'static str) -> Self {
        if let Form::Foreign { kept_as, .. } = &mut self.form {
            *kept_as = Some(field);
        }
        self
    }

    pub(super) fn when(self, field: &'static str, value: impl Into<Value>) -> Self {
        self.condition(field, vec![value.into()])
    }

    pub(super) fn when_any(self, field: &'static str, values: &[&str]) -> Self {
        self.condition(field, values.iter().map(|value| (*value).into()).collect())
    }

    pub(super) fn when_null(self, field: &'static str) -> Self {
        self.condition(field, vec![Value::Null])
    }

    /// `!` before the name inverts it, `parent__` looks at the parent.
    fn condition(mut self, name: &'static str, values: Vec<Value>) -> Self {
        let is_inverted = name.starts_with('!');
        let name = name.trim_start_matches('!');
        let is_of_parent = name.starts_with("parent__");
        let field = name.trim_start_matches("parent__");
        self.conditions.push(Condition { field, is_of_parent, is_inverted, values });
        self
    }

    pub(super) fn address(self, addresses: Addresses) -> Self {
        self.check(Check::Address(addresses))
    }

    pub(super) fn check(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }
}
