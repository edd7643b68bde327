//! Names of the old configuration, which could be anything, as names Kubernetes takes.

use crate::error::LegacyError;

/// Longest name, as the original has it.
const LONGEST: usize = 63;

/// A name that had to be changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Renamed {
    /// What it names.
    pub kind: &'static str,
    /// As it was.
    pub from: String,
    /// As it is now.
    pub to: String,
}

/// The name if Kubernetes takes it, or else the nearest one.
pub(crate) fn compatible(
    kind: &'static str,
    name: &str,
    renamed: &mut Vec<Renamed>,
) -> Result<String, LegacyError> {
    if is_compatible(name) {
        return Ok(name.to_owned());
    }
    let lower: String = name.chars().take(LONGEST).collect::<String>().to_lowercase().replace('_', "-");
    let to = lower.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    if !is_object_name(to) {
        return Err(LegacyError::Name { kind, name: name.to_owned() });
    }
    if to == name {
        return Ok(name.to_owned());
    }
    let change = Renamed { kind, from: name.to_owned(), to: to.to_owned() };
    // A reference to it is no second change.
    if !renamed.contains(&change) {
        renamed.push(change);
    }
    Ok(to.to_owned())
}

/// `^[a-z][-a-z0-9]{0,61}[a-z0-9]{1}$`
fn is_compatible(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (2..=LONGEST).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(inner)
        && !name.ends_with('-')
}

/// Whether an object may be called so: the original would write one that nobody can apply.
fn is_object_name(name: &str) -> bool {
    let ends = |part: &str| part.starts_with(alphanumeric) && part.ends_with(alphanumeric);
    name.split('.').all(|part| ends(part) && part.chars().all(|c| alphanumeric(c) || c == '-'))
}

fn alphanumeric(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}
