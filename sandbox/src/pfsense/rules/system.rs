//! Keys of the package, and passwords.

use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::pfsense::object::Object;
use crate::pfsense::session::Session;
use crate::pfsense::value::Value;

/// The first number that is not the system's own.
const FIRST_NUMBER: i64 = 2000;

/// Makes a key for its caller; it is shown once, and stored as its hash.
pub(in crate::pfsense) fn make_key(session: &mut Session<'_>, object: &mut Object) {
    let bytes = object.number("length_bytes").unwrap_or(24);
    let key = session.state.chance.hex(usize::try_from(bytes).unwrap_or(24));
    let hash = hash_of(object.text("hash_algo"), &key);
    object.set("hash", hash.into());
    object.set("key", key.into());
    object.set("username", session.user.clone().into());
}

/// The hash of a text in hexadecimal.
pub(in crate::pfsense) fn hash_of(algorithm: &str, text: &str) -> String {
    match algorithm {
        "sha384" => hex(&Sha384::digest(text)),
        "sha512" => hex(&Sha512::digest(text)),
        _ => hex(&Sha256::digest(text)),
    }
}

/// A password as it is stored. Real ones are stored by bcrypt, which takes its time.
pub(in crate::pfsense) fn hashed(password: &str) -> Value {
    hash_of("sha256", password).into()
}

/// The number that a new user or group gets: beyond those of all there are.
pub(super) fn next_number(session: &Session<'_>, path: &str, name: &str) -> Value {
    let known = session.config.at(path).and_then(Value::as_list).unwrap_or_default();
    let numbers = known.iter().filter_map(|entry| entry.text(name).parse::<i64>().ok());
    Value::Integer(numbers.fold(FIRST_NUMBER - 1, i64::max) + 1)
}

fn hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        hex.push_str(&format!("{byte:02x}"));
    }
    hex
}
