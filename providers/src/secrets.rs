//! Secret values, from where they are kept to the call that needs them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::LazyLock;

use lessor_engine::ApplyError;
use lessor_plans::Fingerprint;
use lessor_specs::SecretRef;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};

/// Makes fingerprints of one run of the program useless to any other.
static SALT: LazyLock<[u8; 32]> = LazyLock::new(rand::random);

/// The values of secrets, or why they cannot be had.
///
/// Values are zeroed when dropped and shown by nothing in this type.
#[derive(Clone, Default)]
pub struct Secrets {
    values: BTreeMap<SecretRef, Result<SecretString, String>>,
}

impl Secrets {
    /// Reads every secret that is referred to; paths of files start at `spec_dir`.
    ///
    /// One line break at the end of a file is not part of the value. A secret that cannot be read
    /// is no failure yet: see [`Secrets::get`] and [`Secrets::unresolved`].
    pub fn resolve<'a>(
        references: impl IntoIterator<Item = &'a SecretRef>,
        spec_dir: &Path,
    ) -> Secrets {
        let read = |reference: &SecretRef| (reference.clone(), read(reference, spec_dir));
        Secrets { values: references.into_iter().map(read).collect() }
    }

    /// The value.
    ///
    /// # Errors
    /// Why it cannot be had, naming the variable or file.
    pub fn get(&self, reference: &SecretRef) -> Result<&SecretString, String> {
        match self.values.get(reference) {
            Some(Ok(value)) => Ok(value),
            Some(Err(why)) => Err(why.clone()),
            None => Err(format!("`{reference}` was not asked for when secrets were read")),
        }
    }

    /// The value a variable of something new needs.
    pub(crate) fn needed(
        &self,
        variable: &str,
        reference: &SecretRef,
    ) -> Result<&SecretString, ApplyError> {
        self.get(reference).map_err(|why| ApplyError::Refused {
            why: format!("`{variable}` needs the secret `{reference}`: {why}"),
            hint: Some("provide it where lessor runs, and apply again".into()),
        })
    }

    /// The secrets that cannot be had, each with the reason.
    pub fn unresolved(&self) -> impl Iterator<Item = (&SecretRef, &str)> {
        self.values.iter().filter_map(|(reference, value)| {
            value.as_ref().err().map(|why| (reference, why.as_str()))
        })
    }

    /// Stands for `value` in comparisons, within this run of the program only.
    pub fn fingerprint(value: &str) -> Fingerprint {
        let digest = Sha256::new().chain_update(*SALT).chain_update(value.as_bytes()).finalize();
        Fingerprint::new(digest.into())
    }

    /// Every value that could be had.
    pub(crate) fn values(&self) -> impl Iterator<Item = &str> {
        self.values.values().flatten().map(ExposeSecret::expose_secret)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

/// The value behind a reference, or why it cannot be had.
pub(crate) fn read(reference: &SecretRef, spec_dir: &Path) -> Result<SecretString, String> {
    match reference {
        SecretRef::Env(name) => read_variable(name),
        SecretRef::File(path) => read_file(&spec_dir.join(path)),
    }
}

fn read_variable(name: &str) -> Result<SecretString, String> {
    match std::env::var(name) {
        Ok(value) => Ok(value.into()),
        Err(std::env::VarError::NotPresent) => {
            Err(format!("the environment variable `{name}` is not set"))
        }
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(format!("the environment variable `{name}` is not UTF-8 text"))
        }
    }
}

fn read_file(path: &Path) -> Result<SecretString, String> {
    let mut value = std::fs::read_to_string(path)
        .map_err(|error| format!("could not read `{}`: {error}", path.display()))?;
    if value.ends_with('\n') {
        value.pop();
        if value.ends_with('\r') {
            value.pop();
        }
    }
    Ok(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_file(content: &str) -> (SecretRef, Secrets) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("token"), content).unwrap();
        let reference = SecretRef::File("token".into());
        let secrets = Secrets::resolve([&reference], directory.path());
        (reference, secrets)
    }

    #[test]
    fn one_line_break_at_the_end_of_a_file_is_not_part_of_the_value() {
        for (content, value) in
            [("s3cret", "s3cret"), ("s3cret\n", "s3cret"), ("a\r\n", "a"), ("a\n\n", "a\n")]
        {
            let (reference, secrets) = in_file(content);
            assert_eq!(secrets.get(&reference).unwrap().expose_secret(), value);
        }
    }

    #[test]
    fn what_cannot_be_had_says_where_it_was_looked_for() {
        let missing =
            [SecretRef::Env("LESSOR_TEST_NOT_SET".into()), SecretRef::File("no/such/file".into())];

        let secrets = Secrets::resolve(&missing, Path::new("/nowhere"));

        let why: Vec<_> = secrets.unresolved().map(|(_, why)| why).collect();
        assert_eq!(
            why,
            [
                "the environment variable `LESSOR_TEST_NOT_SET` is not set",
                "could not read `/nowhere/no/such/file`: No such file or directory (os error 2)",
            ]
        );
    }

    #[test]
    fn a_value_is_never_shown() {
        let (_, secrets) = in_file("s3cret");
        assert_eq!(format!("{secrets:?}"), "{File(\"token\")}");
        assert_eq!(format!("{:?}", Secrets::fingerprint("s3cret")), "Fingerprint(hidden)");
    }

    #[test]
    fn fingerprints_are_equal_when_values_are() {
        assert_eq!(Secrets::fingerprint("a"), Secrets::fingerprint("a"));
        assert_ne!(Secrets::fingerprint("a"), Secrets::fingerprint("b"));
    }
}
