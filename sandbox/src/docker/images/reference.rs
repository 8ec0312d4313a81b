//! Names of images.

use crate::docker::refusal::{Done, Refusal};

/// `registry/name:tag` or `registry/name@digest`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::docker) struct Reference {
    /// The name, with the registry in front unless it is the usual one.
    pub(in crate::docker) name: String,
    /// A tag, or a digest with its `@`.
    suffix: String,
}

impl Reference {
    /// Reads one; without a tag it is `latest`.
    pub(in crate::docker) fn parse(text: &str) -> Done<Reference> {
        let invalid = |why: &str| Refusal::invalid(format!("invalid reference format{why}"));
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        let after_slash = rest.rfind('/').map_or(0, |n| n + 1);
        let (name, tag) = match rest[after_slash..].split_once(':') {
            Some((name, tag)) => (&rest[..after_slash + name.len()], Some(tag)),
            None => (rest, None),
        };
        let name = name.strip_prefix("docker.io/").unwrap_or(name);
        let name = name.strip_prefix("library/").unwrap_or(name);
        let path = match name.split_once('/') {
            Some((registry, path)) if is_registry(registry) => path,
            _ => name,
        };
        if path.chars().any(|letter| letter.is_ascii_uppercase()) {
            return Err(invalid(": repository name must be lowercase"));
        }
        let is_path = !path.is_empty() && path.split('/').all(is_component);
        let is_tag = |tag: &str| {
            let known = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
            !tag.is_empty()
                && tag.len() <= 128
                && tag.chars().all(known)
                && !tag.starts_with(['.', '-'])
        };
        let is_digest = |digest: &str| {
            digest.split_once(':').is_some_and(|(sort, hex)| sort == "sha256" && hex.len() == 64)
        };
        if !is_path || !tag.is_none_or(is_tag) || !digest.is_none_or(is_digest) {
            return Err(invalid(""));
        }
        let suffix = match (digest, tag) {
            (Some(digest), _) => format!("@{digest}"),
            (None, tag) => format!(":{}", tag.unwrap_or("latest")),
        };
        Ok(Reference { name: name.to_owned(), suffix })
    }

    /// The registry, and the name there.
    pub(super) fn registry(&self) -> (&str, &str) {
        match self.name.split_once('/') {
            Some((registry, path)) if is_registry(registry) => (registry, path),
            _ => ("registry-1.docker.io", &self.name),
        }
    }

    /// As people write it.
    pub(super) fn familiar(&self) -> String {
        format!("{}{}", self.name, self.suffix)
    }

    pub(super) fn is_digest(&self) -> bool {
        self.suffix.starts_with('@')
    }

    pub(super) fn suffix(&self) -> &str {
        &self.suffix[1..]
    }
}

fn is_registry(text: &str) -> bool {
    text == "localhost" || text.contains(['.', ':'])
}

fn is_component(text: &str) -> bool {
    let known = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
    !text.is_empty()
        && text.chars().all(known)
        && !text.starts_with(['_', '.', '-'])
        && !text.ends_with(['_', '.', '-'])
}

/// Whether a name suits a pattern of a filter: with or without a tag, `*` for anything in a part.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let bare = name.rsplit_once(':').map_or(name, |(bare, _)| bare);
    let expression = regex::escape(pattern).replace("\\*", "[^/]*").replace("\\?", "[^/]");
    let expression = regex::Regex::new(&format!("^{expression}$"));
    expression.is_ok_and(|expression| expression.is_match(name) || expression.is_match(bare))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_as_the_engine_does() {
        let digest = format!("busybox@sha256:{}", "a".repeat(64));
        for (text, familiar) in [
            ("busybox", "busybox:latest"),
            ("docker.io/library/busybox:1", "busybox:1"),
            ("lessor.example/a/b:1.2", "lessor.example/a/b:1.2"),
            ("localhost:5000/a", "localhost:5000/a:latest"),
            (&digest, &digest),
        ] {
            assert_eq!(Reference::parse(text).unwrap().familiar(), familiar);
        }
        for wrong in ["", "UPPER", "a//b", "a:b:c", "-a", "a:", "a@b", "busybox@sha256:12"] {
            assert_eq!(Reference::parse(wrong).unwrap_err().status, 400, "{wrong}");
        }
    }
}
