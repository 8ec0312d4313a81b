//! Keys of `WireGuard`, and what is noted beside a mark because a firewall does not keep it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use curve25519_dalek::MontgomeryPoint;
use lessor_plans::Mark;
use lessor_specs::SecretRef;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};

/// What would end a word, or begin an escape.
const NO_WORD: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'=');

/// What stands behind a mark, in words such as `peer=laptop`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Note {
    /// What a peer is called.
    pub(super) peer: Option<String>,
    /// Which of its pre-shared keys was written last.
    pub(super) version: u32,
    /// Where the key was that was written last: private of a tunnel, pre-shared of a peer.
    pub(super) key: Option<SecretRef>,
}

impl Note {
    /// What stands behind the mark in a description.
    pub(super) fn of(descr: &str) -> Self {
        let mut note = Note::default();
        let words = descr.split_ascii_whitespace().filter_map(|word| word.split_once('='));
        for (name, value) in words {
            let value = percent_decode_str(value).decode_utf8_lossy().into_owned();
            match name {
                "peer" => note.peer = Some(value),
                "version" => note.version = value.parse().unwrap_or_default(),
                "key" => note.key = value.parse().ok(),
                _ => {}
            }
        }
        note
    }

    /// The description that says both.
    pub(super) fn beside(&self, mark: &Mark) -> String {
        format!("{}{self}", mark.to_line())
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(peer) = &self.peer {
            write!(f, " peer={}", utf8_percent_encode(peer, NO_WORD))?;
        }
        if self.version > 0 {
            write!(f, " version={}", self.version)?;
        }
        match &self.key {
            Some(key) => write!(f, " key={}", utf8_percent_encode(&key.to_string(), NO_WORD)),
            None => Ok(()),
        }
    }
}

/// The public half of a private key; `None` of what is no key.
pub(super) fn public_half(private: &SecretString) -> Option<String> {
    let private: [u8; 32] =
        STANDARD.decode(private.expose_secret().trim()).ok()?.try_into().ok()?;
    Some(STANDARD.encode(MontgomeryPoint::mul_base_clamped(private).to_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_half_is_that_of_the_specification() {
        // RFC 7748, section 6.1, in base64.
        let private = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=".to_owned().into();
        let public = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";
        assert_eq!(public_half(&private).as_deref(), Some(public));
        assert_eq!(public_half(&"secret".to_owned().into()), None);
    }

    #[test]
    fn a_note_reads_back_whatever_stands_in_it() {
        let mark = Mark {
            installation: "inst-1".parse().unwrap(),
            address: "vpn.admins".parse().unwrap(),
            origin: lessor_plans::Origin::File,
            name: "admins".into(),
        };
        let key = SecretRef::File("keys/a b=100%.key".into());
        let note = Note { peer: Some("lap top".into()), version: 3, key: Some(key) };

        let descr = note.beside(&mark);

        assert_eq!(Note::of(&descr), note);
        assert_eq!(Mark::from_text(&descr, &mark.installation, "admins"), Ok(mark));
    }
}
