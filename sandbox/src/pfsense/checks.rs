//! What single values are held against, whatever model they belong to.

use super::Version;
use super::field::places::{ALIAS, ANY, INTERFACE, INTERFACE_IP, INVERT, IP, SELF, SUBNET};
use super::field::{Addresses, Check, Field};
use super::kind::Kind;
use super::net;
use super::object::Object;
use super::refusal::{Granted, Refusal};
use super::session::Session;
use super::value::Value;

/// Holds text against a check.
pub(super) fn check(
    session: &Session<'_>,
    object: &Object,
    field: &Field,
    check: &Check,
    text: &str,
) -> Granted<()> {
    match check {
        Check::Address(addresses) => address(session, field, addresses, text),
        Check::FilterName => filter_name(session, object, field, text),
        Check::Mac => {
            let message =
                format!("Field `{}` must be a valid MAC address, received `{text}`.", field.name);
            that(net::is_mac(text), "MAC_ADDRESS_VALIDATOR_FAILED", message)
        }
        Check::Apart(kind, of) => apart(session, field, *kind, of, text),
        Check::Hostname { plain, domain, fqdn } => {
            let fits = (*plain && net::is_host_name(text))
                || (*domain && net::is_domain(text))
                || (*fqdn && net::is_fqdn(text));
            let message =
                format!("Field `{}` must be a valid hostname, received `{text}`.", field.name);
            that(fits, "HOSTNAME_VALIDATOR_FAILED", message)
        }
        Check::Hex(bytes) => hex(field, *bytes, text),
        Check::Pattern { pattern, inverted, message } => {
            let found = regex::Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text));
            that(found != *inverted, "REGEX_VALIDATOR_FAILED", *message)
        }
    }
}

/// Refuses unless it holds.
pub(super) fn that(holds: bool, id: &'static str, message: impl Into<String>) -> Granted<()> {
    if holds { Ok(()) } else { Err(Refusal::invalid(id, message)) }
}

fn address(session: &Session<'_>, field: &Field, wanted: &Addresses, text: &str) -> Granted<()> {
    let (is_v4, is_v6) = if wanted.are_subnets {
        (net::is_subnet_v4(text), net::is_subnet_v6(text))
    } else {
        (net::is_v4(text), net::is_v6(text))
    };
    let fits = (wanted.alias && session.is_alias(text, false))
        || (wanted.v4 && is_v4)
        || (wanted.v6 && is_v6)
        || (wanted.fqdn && net::is_fqdn(text))
        || wanted.keywords.contains(&text);
    let name = field.name;
    if wanted.are_subnets {
        let message = format!("Field `{name}` must be a valid subnet CIDR, received `{text}`.");
        return that(fits, "SUBNET_VALIDATOR_FAILED", message);
    }
    // The message names only the first of what would fit.
    let first = match wanted {
        Addresses { v4: true, .. } => "IPv4 address",
        Addresses { v6: true, .. } => "IPv6 address",
        Addresses { alias: true, .. } => "alias",
        _ => "FQDN",
    };
    let message = format!("Field `{name}` must be a valid {first}, received `{text}`.");
    that(fits, "IP_ADDRESS_VALIDATOR_FAILED", message)
}

fn filter_name(session: &Session<'_>, object: &Object, field: &Field, text: &str) -> Granted<()> {
    let cannot = |why: &str| format!("Field `{}` cannot be `{text}` because {why}", field.name);
    that(
        !net::is_reserved(text),
        "FILTER_NAME_VALIDATOR_RESERVED_NAME_USED",
        cannot("it is a name reserved by the system."),
    )?;
    that(
        !text.starts_with("pkg_"),
        "FILTER_NAME_VALIDATOR_CANNOT_START_WITH_PKG",
        cannot("it starts with `pkg_`."),
    )?;
    that(
        text.parse::<f64>().is_err(),
        "FILTER_NAME_VALIDATOR_CANNOT_BE_NUMERICAL",
        cannot("it is entirely numerical."),
    )?;
    let is_word = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    that(
        is_word || session.version() == Version::V2_7_1,
        "FILTER_NAME_VALIDATOR_INVALID_CHARACTERS",
        cannot("it contains invalid characters. Only A-Z, a-z, 0-9, and _ are allowed."),
    )?;
    let is_interface =
        session.interfaces().any(|(id, _)| id == text && object.id.as_text() != Some(text));
    that(
        !is_interface,
        "FILTER_NAME_VALIDATOR_NAME_IN_USE_BY_INTERFACE",
        cannot("it is in use by an existing interface."),
    )
}

fn apart(session: &Session<'_>, field: &Field, kind: Kind, of: &str, text: &str) -> Granted<()> {
    let Some(other) = session.find(kind, of, &text.into()) else { return Ok(()) };
    let message = format!(
        "Field `{}` cannot be set to `{text}` because the value is already in use by field \
         `{of}` on `{}` object with ID `{}`",
        field.name,
        session.model(kind).name,
        other.id.shown()
    );
    Err(Refusal::invalid("UNIQUE_FROM_FOREIGN_MANY_MODEL_VALIDATOR_FAILED", message))
}

fn hex(field: &Field, bytes: usize, text: &str) -> Granted<()> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let name = field.name;
    that(
        digits.len() == bytes * 2,
        "HEX_VALIDATOR_VALUE_IS_NOT_EXPECTED_LENGTH",
        format!("Field `{name}` must be {bytes} bytes in length."),
    )?;
    that(
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "HEX_VALIDATOR_VALUE_CONTAINS_NOT_HEX_CHARS",
        format!("Field `{name}` must be a valid hexadecimal string."),
    )
}

/// Holds text against what a place may be.
pub(super) fn place(session: &Session<'_>, field: &Field, places: u8, text: &str) -> Granted<()> {
    let may = |place: u8| places & place != 0;
    let bare = if may(INVERT) { text.strip_prefix('!').unwrap_or(text) } else { text };
    if bare == "any" && bare != text {
        let message =
            format!("Field `{}` cannot use invert prefix (!) with value `any`.", field.name);
        return Err(Refusal::invalid("FILTER_RULE_ADDRESS_FIELD_WITH_INVERT_ANY", message));
    }
    let fits = (may(IP) && net::is_ip(bare))
        || (may(SUBNET) && net::is_subnet(bare))
        || (may(ALIAS) && session.is_alias(bare, false))
        || (may(ANY) && bare == "any")
        || (may(SELF) && bare == "(self)")
        || is_tunnel_end(bare);
    let bare = if may(INTERFACE_IP) { bare.strip_suffix(":ip").unwrap_or(bare) } else { bare };
    if fits || (may(INTERFACE) && is_interface(session, bare)) {
        return Ok(());
    }
    let message = invalid_place(field, places, bare);
    Err(Refusal::invalid("FILTER_ADDRESS_FIELD_INVALID", message))
}

/// Holds text against what an address to translate to may be.
pub(super) fn target(session: &Session<'_>, field: &Field, places: u8, text: &str) -> Granted<()> {
    let may = |place: u8| places & place != 0;
    let is_interface_ip =
        text.strip_suffix(":ip").is_some_and(|interface| is_interface(session, interface));
    let fits = (may(IP) && net::is_ip(text))
        || (may(SUBNET) && net::is_subnet(text))
        || (may(ALIAS) && session.is_alias(text, false))
        || (may(SELF) && text == "(self)")
        || (may(INTERFACE_IP) && is_interface_ip)
        || (may(INTERFACE) && is_interface(session, text));
    if fits {
        return Ok(());
    }
    let bare = if may(INTERFACE_IP) { text.strip_suffix(":ip").unwrap_or(text) } else { text };
    let message = invalid_place(field, places, bare);
    Err(Refusal::invalid("SPECIAL_NETWORK_FIELD_INVALID", message))
}

fn invalid_place(field: &Field, places: u8, text: &str) -> String {
    let mut options: Vec<&str> = [
        (INTERFACE, "an existing interface"),
        (IP, "an IP address"),
        (SUBNET, "a subnet CIDR"),
        (ALIAS, "an existing alias"),
        (ANY, "`any`"),
        (SELF, "`(self)`"),
    ]
    .into_iter()
    .filter_map(|(place, option)| (places & place != 0).then_some(option))
    .collect();
    if matches!(field.form, super::field::Form::Place(_)) {
        options.extend(["`l2tp`", "`pppoe`"]);
    }
    let options = options.join(", ");
    format!("Field `{}` value `{text}` is invalid. Valid options are: {options}", field.name)
}

fn is_tunnel_end(text: &str) -> bool {
    matches!(text, "l2tp" | "pppoe")
}

/// Whether it is an interface, or a group of them, as requests call it.
fn is_interface(session: &Session<'_>, text: &str) -> bool {
    let groups = session.config.at("ifgroups/ifgroupentry").and_then(Value::as_list);
    session.interfaces().any(|(id, _)| session.interface_shown(id) == text)
        || groups.unwrap_or_default().iter().any(|group| group.text("ifname") == text)
}
