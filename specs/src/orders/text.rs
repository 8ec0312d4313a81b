//! Orders as a file: what one lessor wrote, another reads.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{EndedOrder, OrderEntry, Orders};
use crate::diagnostic::{Diagnostic, Report};
use crate::kinds::{Image, Offer, Tenant};
use crate::{Code, Kind, name_problem};

/// What the file says it is. A later form is refused rather than guessed at.
const FORMAT: &str = "lessor-orders/1";

const HEADER: &str = "\
# What customers ordered, as entries beside spec files. Written by `lessor render --orders`.
# Nothing is changed by editing this: change the orders.
";

/// The tables of the file, in the order in which they are written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tenant: BTreeMap<String, Tenant>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    image: BTreeMap<String, Image>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    offer: BTreeMap<String, Offer>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    order: BTreeMap<String, OrderEntry>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    ended: BTreeMap<String, EndedOrder>,
}

impl Orders {
    /// The file's content. The same orders give the same bytes.
    pub fn to_toml(&self) -> String {
        let Orders { orders, ended, offers, images, tenants } = self.clone();
        let file = File {
            format: FORMAT.into(),
            tenant: tenants,
            image: images,
            offer: offers,
            order: orders,
            ended,
        };
        // Tables with text keys: this cannot fail.
        HEADER.to_owned() + "\n" + &toml::to_string(&file).unwrap_or_default()
    }

    /// Reads the content of a file; `file` is what messages call it.
    ///
    /// # Errors
    /// A report that points at what cannot be read.
    pub fn from_toml(file: &str, text: &str) -> Result<Orders, Report> {
        let read = toml::from_str(text).map_err(|error| vec![unreadable(file, text, &error)]);
        let orders = read.and_then(|read: File| {
            let orders = Orders {
                orders: read.order,
                ended: read.ended,
                offers: read.offer,
                images: read.image,
                tenants: read.tenant,
            };
            let format = toml::Value::String(read.format);
            let format = (format.as_str() != Some(FORMAT)).then(|| other_format(&format));
            let problems = orders.problems().chain(format);
            let problems: Vec<_> = problems.map(|problem| problem.in_file(file)).collect();
            if problems.is_empty() { Ok(orders) } else { Err(problems) }
        });
        let texts = || BTreeMap::from([(file.to_owned(), text.to_owned())]);
        orders.map_err(|problems| Report::new(problems, texts()))
    }

    /// What the types of fields do not say.
    fn problems(&self) -> impl Iterator<Item = Diagnostic> {
        let is_id =
            |id: &str| !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let names = self.orders.keys().filter_map(|name| name_problem(Kind::Instance, name));
        let ids = self.orders.values().map(|order| &order.id).chain(self.ended.keys());
        let ids = ids.filter(move |id| !is_id(id));
        let ids = ids.map(|id| format!("`{id}` is no id of an order"));
        let over = self.orders.iter().filter(|(_, order)| order.phase.is_end());
        let over = over.map(|(name, order)| {
            format!("order `{name}` is {}, and stands among those that are not over", order.phase)
        });
        let wrong = |message| Diagnostic::new(Code::OrdersUnreadable, message);
        names.chain(ids).chain(over).map(wrong)
    }
}

/// A file of another form is not held against this one.
fn unreadable(file: &str, text: &str, error: &toml::de::Error) -> Diagnostic {
    let format = text.parse::<toml::Table>().ok().and_then(|table| table.get("format").cloned());
    match format {
        Some(format) if format.as_str() != Some(FORMAT) => other_format(&format).in_file(file),
        _ => {
            let problem = Diagnostic::new(Code::OrdersUnreadable, error.message().trim());
            let hint = "let `lessor render --orders` write it again";
            let problem = problem.hint(Some(hint.into()));
            match error.span() {
                Some(span) => problem.at(file, span),
                None => problem.in_file(file),
            }
        }
    }
}

fn other_format(found: &toml::Value) -> Diagnostic {
    let message = format!("it has format {found}, and this lessor reads \"{FORMAT}\"");
    Diagnostic::new(Code::OrdersUnreadable, message)
}
