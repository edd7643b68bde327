//! Interfaces that are never announced on (contract 02 §1.4): the file.

use std::io;
use std::path::Path;

use metallb_l2::{ExcludedNames, ExclusionFault};
use thiserror::Error;

/// Where the ConfigMap `metallb-excludel2` is mounted.
pub const EXCLUSION_FILE: &str = "/etc/metallb/excludel2.yaml";

/// Which interfaces are left out, by name.
#[derive(Clone, Debug)]
pub struct Exclusion {
    names: ExcludedNames,
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
    /// It says something else.
    #[error("parsing {path}")]
    Parse {
        /// The file.
        path: String,
        /// What is wrong.
        #[source]
        source: ExclusionFault,
    },
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
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Self { names: ExcludedNames::default() })
            }
            Err(source) => Err(ExclusionError::Read { path: name, source }),
        }
    }

    fn parse(text: &str, path: String) -> Result<Self, ExclusionError> {
        match ExcludedNames::parse(text) {
            Ok(names) => Ok(Self { names }),
            Err(source) => Err(ExclusionError::Parse { path, source }),
        }
    }

    /// Whether the interface of this name is left out.
    #[must_use]
    pub fn excludes(&self, name: &str) -> bool {
        self.names.contains(name)
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
        for beside in ["other: 1", "other:\n  ? {a: 1}\n  : 2", "other:\n  : x"] {
            let text = format!("{beside}\nannouncedInterfacesToExclude: [lo]");
            assert!(parse(&text).unwrap().excludes("lo"), "{beside}");
        }
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
            let is_told =
                matches!(refused, Err(ExclusionError::Parse { source: ExclusionFault::Pattern(_), .. }));
            assert!(is_told, "{pattern}");
        }
    }

    #[test]
    fn files_that_can_not_be_used_are_refused() {
        let fault = |text| match parse(text) {
            Err(ExclusionError::Parse { source, .. }) => source,
            other => panic!("{other:?}"),
        };
        assert!(matches!(fault("announcedInterfacesToExclude: 7"), ExclusionFault::Shape(_)));
        assert!(matches!(fault("announcedInterfacesToExclude: [\"(\"]"), ExclusionFault::Pattern(_)));
        assert!(matches!(Exclusion::read(Path::new("/proc")), Err(ExclusionError::Read { .. })));
    }
}
