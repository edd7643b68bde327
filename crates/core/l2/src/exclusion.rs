//! Interfaces that are never announced on, as the file that names them says (contract 02 §1.4).

use regex::RegexSet;
use serde::Deserialize;
use thiserror::Error;

/// Which interfaces are left out, by name. Without more none is.
#[derive(Clone, Debug, Default)]
pub struct ExcludedNames {
    patterns: RegexSet,
}

/// The text names no interfaces.
#[derive(Debug, Error)]
pub enum ExclusionFault {
    /// It is no YAML of the right shape.
    #[error("a list announcedInterfacesToExclude is expected")]
    Shape(#[source] Box<serde_saphyr::Error>),
    /// An entry is no regular expression.
    #[error("an entry of announcedInterfacesToExclude is no regular expression")]
    Pattern(#[source] regex::Error),
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Document {
    /// Null, as nothing at all, is an empty list.
    announced_interfaces_to_exclude: Option<Vec<String>>,
}

impl ExcludedNames {
    /// What the text says.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(text: &str) -> Result<Self, ExclusionFault> {
        // An emptied file is none that is broken: it must not end the speakers of a whole cluster.
        let document: Option<Document> =
            serde_saphyr::from_str(text).map_err(|source| ExclusionFault::Shape(Box::new(source)))?;
        let names = document.and_then(|document| document.announced_interfaces_to_exclude);
        let patterns = RegexSet::new(names.unwrap_or_default()).map_err(ExclusionFault::Pattern)?;
        Ok(Self { patterns })
    }

    /// Whether the interface of this name is left out.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.patterns.is_match(name)
    }
}
