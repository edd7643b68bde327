//! What Kubernetes takes for label keys and values.

/// Whether the text may be a label value: empty, or a name.
pub(super) fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_name(text)
}

/// Whether the text may be a label key: a name, with or without a DNS prefix and a slash.
pub(super) fn is_label_key(text: &str) -> bool {
    match text.split_once('/') {
        None => is_name(text),
        Some((prefix, name)) => is_dns_subdomain(prefix) && is_name(name),
    }
}

/// At most 63 letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit.
fn is_name(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.len() <= 63 && has_alphanumeric_ends(text) && text.chars().all(inner)
}

/// At most 253 characters: labels of lower-case letters, digits and `-`, joined by dots.
fn is_dns_subdomain(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    text.len() <= 253 && text.split('.').all(|label| has_alphanumeric_ends(label) && label.chars().all(inner))
}

fn has_alphanumeric_ends(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}
