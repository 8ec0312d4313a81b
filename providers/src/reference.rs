//! Image references: one image has many names.

/// Where a reference without a registry points to.
const DEFAULT_REGISTRY: &str = "docker.io";

/// The one full form of a reference: `nginx` becomes `docker.io/library/nginx:latest`.
///
/// With a digest, a tag says nothing more and is left out. The id of an image stays as it is.
pub(crate) fn normalise(reference: &str) -> String {
    if is_id(reference) {
        return reference.to_owned();
    }
    let (name, version) = split(reference);
    let separator = if version.contains(':') { '@' } else { ':' };
    format!("{}{separator}{version}", full_name(name))
}

/// What to pull: the name, and the tag or digest. Without either, an engine would pull all tags.
pub(crate) fn split(reference: &str) -> (&str, &str) {
    let (name, digest) = match reference.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (reference, None),
    };
    // A colon before the last slash belongs to the registry's port.
    let (name, tag) = match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (name, "latest"),
    };
    (name, digest.unwrap_or(tag))
}

fn full_name(name: &str) -> String {
    let is_registry = |first: &str| first.contains(['.', ':']) || first == "localhost";
    match name.split_once('/') {
        Some(("index.docker.io", rest)) => full_name(rest),
        Some((DEFAULT_REGISTRY, rest)) if !rest.contains('/') => {
            format!("{DEFAULT_REGISTRY}/library/{rest}")
        }
        Some((first, _)) if is_registry(first) => name.to_owned(),
        Some(_) => format!("{DEFAULT_REGISTRY}/{name}"),
        None => format!("{DEFAULT_REGISTRY}/library/{name}"),
    }
}

fn is_id(reference: &str) -> bool {
    reference.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_reference_has_one_full_form() {
        for (short, full) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("nginx:1.27", "docker.io/library/nginx:1.27"),
            ("docker.io/nginx", "docker.io/library/nginx:latest"),
            ("index.docker.io/library/nginx", "docker.io/library/nginx:latest"),
            ("grafana/grafana", "docker.io/grafana/grafana:latest"),
            ("localhost:5000/a/b", "localhost:5000/a/b:latest"),
            ("registry.example.net/a:1", "registry.example.net/a:1"),
            ("nginx:1.27@sha256:ab", "docker.io/library/nginx@sha256:ab"),
        ] {
            assert_eq!(normalise(short), full);
            assert_eq!(normalise(full), full);
        }
        let id = format!("sha256:{}", "a".repeat(64));
        assert_eq!(normalise(&id), id);
    }
}
