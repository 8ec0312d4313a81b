//! The password of a reservation that is let in by one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use lessor_store::{Store, StoreError};
use secrecy::SecretString;
use sha2::Sha256;

/// Which key it is derived by.
const KEY: &str = "machine-password";

/// How much of what is derived is told: twenty letters, 120 bits.
const BYTES: usize = 15;

/// The password of a reservation: the same whoever asks, whenever, so that it is kept nowhere. `None`
/// when no password can be derived by the key, and nobody is let in by one.
pub(crate) async fn password_of(
    store: &Store,
    reservation: &str,
) -> Result<Option<SecretString>, StoreError> {
    let proposed = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    let key = store.signing_key(KEY, &proposed).await?;
    Ok(derived(&key, reservation).map(Into::into))
}

fn derived(key: &str, reservation: &str) -> Option<String> {
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).ok()?;
    let tag = mac.chain_update(reservation).finalize().into_bytes();
    Some(URL_SAFE_NO_PAD.encode(&tag[..BYTES]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reservation_has_a_password_of_its_own_by_each_key() {
        let passwords = [("key", "rsv_1"), ("key", "rsv_2"), ("other", "rsv_1")];
        let passwords = passwords.map(|(key, reservation)| derived(key, reservation).unwrap());
        assert_eq!(passwords[0], derived("key", "rsv_1").unwrap());
        assert!(passwords[0] != passwords[1] && passwords[0] != passwords[2]);
        assert!(passwords.iter().all(|password| password.len() == 20));
    }
}
