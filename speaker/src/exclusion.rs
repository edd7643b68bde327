//! Interfaces that are never announced on (contract 02 §1.4).

use std::io;
use std::path::Path;

use regex::RegexSet;
use serde::Deserialize;
use thiserror::Error;

/// Where the ConfigMap `metallb-excludel2` is mounted.
pub const EXCLUSION_FILE: &str = "/etc/metallb/excludel2.yaml";

/// Which interfaces are left out, by name.
#[derive(Clone, Debug)]
pub struct Exclusion {
    patterns: RegexSet,
}

/// The file can't be used.
#[derive(Debug, Error)]
pub enum ExclusionError {
    /// It is there and can't be read.
    #[error("reading {path}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is no YAML of the right shape.
    #[error("parsing {path}: a list announcedInterfacesToExclude is expected")]
    Parse {
        /// The file.
        path: String,
        /// What is wrong.
        #[source]
        source: Box<serde_saphyr::Error>,
    },
    /// An entry is no regular expression.
    #[error("{path}: an entry of announcedInterfacesToExclude is no regular expression")]
    Pattern {
        /// The file.
        path: String,
        /// What is wrong.
        #[source]
        source: regex::Error,
    },
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Document {
    /// Null, as nothing at all, is an empty list.
    announced_interfaces_to_exclude: Option<Vec<String>>,
}

impl Exclusion {
    /// Reads the file; without one nothing is excluded.
    ///
    /// # Errors
    /// When the file is there and can't be used.
    pub fn read(path: &Path) -> Result<Self, ExclusionError> {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, name),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self { patterns: RegexSet::empty() }),
            Err(source) => Err(ExclusionError::Read { path: name, source }),
        }
    }

    fn parse(text: &str, path: String) -> Result<Self, ExclusionError> {
        // An emptied file is none that is broken: it must not end the speakers of a whole cluster.
        let document: Option<Document> = match serde_saphyr::from_str(text) {
            Ok(document) => document,
            Err(source) => return Err(ExclusionError::Parse { path, source: Box::new(source) }),
        };
        let patterns = document.and_then(|document| document.announced_interfaces_to_exclude);
        match RegexSet::new(patterns.unwrap_or_default()) {
            Ok(patterns) => Ok(Self { patterns }),
            Err(source) => Err(ExclusionError::Pattern { path, source }),
        }
    }

    /// Whether the interface of this name is left out.
    #[must_use]
    pub fn excludes(&self, name: &str) -> bool {
        self.patterns.is_match(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Exclusion, ExclusionError> {
        Exclusion::parse(text, "file".to_owned())
    }

    #[test]
    fn a_name_is_excluded_when_any_pattern_is_found_in_it() {
        let exclusion = parse("announcedInterfacesToExclude: [\"^veth.*\", \"^lo$\", \"cali\"]").unwrap();
        for (name, is_excluded) in
            [("veth0", true), ("lo", true), ("lo1", false), ("eth0", false), ("xcali9", true)]
        {
            assert_eq!(exclusion.excludes(name), is_excluded, "{name}");
        }
    }

    #[test]
    fn what_holds_no_pattern_excludes_nothing() {
        for text in [
            "",
            "\n  \n",
            "# announcedInterfacesToExclude: [lo]\n",
            "---\n",
            "null",
            "{}",
            "announcedInterfacesToExclude:",
            "announcedInterfacesToExclude: null",
            "announcedInterfacesToExclude: []",
            "other: [lo]",
        ] {
            let exclusion = parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
            assert!(!exclusion.excludes("lo") && !exclusion.excludes(""), "{text:?}");
        }
        for file in ["/does/not/exist", "/dev/null"] {
            assert!(!Exclusion::read(Path::new(file)).unwrap().excludes("lo"), "{file}");
        }
    }

    #[test]
    fn other_fields_beside_the_list_are_passed_over() {
        assert!(parse("other: 1\nannouncedInterfacesToExclude: [lo]").unwrap().excludes("lo"));
    }

    /// Of Go's syntax two forms are missing: those of a literal text and of a single byte.
    #[test]
    fn patterns_are_written_as_for_go() {
        for (pattern, name) in [
            ("(?i)^ETH", "eth0"),
            (r"^\D+\d$", "eth0"),
            ("^[[:alpha:]]+$", "lo"),
            ("^(?P<kind>br|virbr)-", "virbr-1"),
            (r"^\pL{3}\x30\z", "eth0"),
            ("", "eth0"),
        ] {
            let exclusion = parse(&format!("announcedInterfacesToExclude: ['{pattern}']")).unwrap();
            assert!(exclusion.excludes(name), "{pattern}");
        }
        for pattern in [r"\Qeth.1\E", r"\C", "(?=x)"] {
            let refused = parse(&format!("announcedInterfacesToExclude: ['{pattern}']"));
            assert!(matches!(refused, Err(ExclusionError::Pattern { .. })), "{pattern}");
        }
    }

    #[test]
    fn files_that_can_not_be_used_are_refused() {
        assert!(matches!(parse("announcedInterfacesToExclude: 7"), Err(ExclusionError::Parse { .. })));
        assert!(matches!(
            parse("announcedInterfacesToExclude: [\"(\"]"),
            Err(ExclusionError::Pattern { .. })
        ));
        assert!(matches!(Exclusion::read(Path::new("/proc")), Err(ExclusionError::Read { .. })));
    }
}
