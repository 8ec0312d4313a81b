//! Signatures by which receivers know that a message is ours, as Standard Webhooks has them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// What a secret begins with.
const PREFIX: &str = "whsec_";

/// How many random bytes it stands for.
const BYTES: usize = 32;

/// Draws a secret.
pub(super) fn draw() -> String {
    format!("{PREFIX}{}", STANDARD.encode(rand::random::<[u8; BYTES]>()))
}

/// The signature of a message: over its id, when it is sent, and its body. `None` when the secret is
/// none of ours.
pub(super) fn signature(secret: &str, id: &str, seconds: i64, body: &str) -> Option<String> {
    let key = STANDARD.decode(secret.strip_prefix(PREFIX)?).ok()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(format!("{id}.{seconds}.{body}").as_bytes());
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_signed_as_the_standard_shows_it() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let body = r#"{"test": 2432232314}"#;
        let signature = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signature.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn no_two_secrets_are_the_same_and_each_is_as_long_as_it_should_be() {
        let (one, two) = (draw(), draw());
        assert_ne!(one, two);
        assert_eq!(STANDARD.decode(&one[PREFIX.len()..]).unwrap().len(), BYTES);
    }
}
