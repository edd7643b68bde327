//! The namespace a daemon belongs to.

use std::path::Path;

/// Where the kubelet puts the namespace of a pod.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// The namespace is neither given nor found.
#[derive(Debug, thiserror::Error)]
#[error("no namespace: set --namespace or METALLB_NAMESPACE, or run in a pod (reading {path})")]
pub struct NamespaceError {
    path: String,
    #[source]
    source: std::io::Error,
}

/// The namespace given by flag or environment, else that of the pod's service account.
///
/// # Errors
/// When `given` is empty and the service account's file cannot be read.
pub fn namespace(given: &str) -> Result<String, NamespaceError> {
    namespace_or_file(given, Path::new(NAMESPACE_FILE))
}

fn namespace_or_file(given: &str, file: &Path) -> Result<String, NamespaceError> {
    if !given.is_empty() {
        return Ok(given.to_owned());
    }
    std::fs::read_to_string(file)
        .map_err(|source| NamespaceError { path: file.display().to_string(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_wins_over_the_file() {
        assert_eq!(namespace_or_file("given", Path::new("/does/not/exist")).unwrap(), "given");
    }

    #[test]
    fn the_file_is_used_verbatim_when_nothing_is_given() {
        let file = std::env::temp_dir().join(format!("metallb-namespace-{}", std::process::id()));
        std::fs::write(&file, "metallb-system").unwrap();
        assert_eq!(namespace_or_file("", &file).unwrap(), "metallb-system");
        std::fs::remove_file(&file).unwrap();
    }

    #[test]
    fn a_missing_file_is_an_error_that_says_what_to_set() {
        let error = namespace_or_file("", Path::new("/does/not/exist")).unwrap_err().to_string();
        assert!(error.contains("METALLB_NAMESPACE") && error.contains("/does/not/exist"), "{error}");
    }
}
