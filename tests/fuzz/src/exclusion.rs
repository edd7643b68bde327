//! The file that names interfaces never announced on.

use metallb_l2::ExcludedNames;
use regex::Regex;
use serde_json::Value;

use crate::text;

pub(crate) const SEEDS: &[&str] = &[
    "announcedInterfacesToExclude: [\"^docker.*\", \"^cbr.*\", \"^lo$\", \"^veth.*\", \"^cali.*\", \"^ovs-system$\"]\n",
    "announcedInterfacesToExclude:\n- ^nodelocaldns.*\n- (?i)^LXC\\d+$\n- '[[:alpha:]]+\\.(?P<vlan>[0-9]{1,4})'\n",
    "announcedInterfacesToExclude: []\n",
    "announcedInterfacesToExclude:\n",
    "other:\n  ? {a: 1}\n  : 2\nannouncedInterfacesToExclude: [lo]\n",
    "other: 1\nannouncedInterfacesToExclude: [lo]\n",
    "announcedInterfacesToExclude: ['^(']\n",
    "announcedInterfacesToExclude: docker0\n",
    "{\"announcedInterfacesToExclude\":[\"^$\",\"a|b\"]}",
    "announcedInterfacesToExclude: [&a x, *a]\n",
    "",
];

/// Names that are asked for beside those in the text.
const NAMES: &[&str] = &["", "lo", "eth0", "veth12ab", "docker0", "lxc7", "bond0.12"];

/// A file: what is taken leaves out a name when one of its patterns alone is found in it.
pub fn exclusion(data: &[u8]) {
    let text = text::of(data);
    let Ok(excluded) = ExcludedNames::parse(&text) else { return };
    // What stands beside the list may have keys that JSON knows nothing of.
    let Ok(document) = serde_saphyr::from_str::<Value>(&text) else { return };
    let Some(Value::Array(list)) = document.get("announcedInterfacesToExclude").cloned() else {
        return assert!(NAMES.iter().all(|name| !excluded.contains(name)), "{text:?}");
    };
    let alone: Option<Vec<Regex>> = list.iter().map(|entry| Regex::new(entry.as_str()?).ok()).collect();
    // What YAML reads as a number where no text is asked for is a pattern all the same.
    let Some(alone) = alone else { return };
    let words = text.split(|character: char| !character.is_alphanumeric());
    for name in NAMES.iter().copied().chain(words) {
        let is_found = alone.iter().any(|pattern| pattern.is_match(name));
        assert_eq!(excluded.contains(name), is_found, "{text:?}: {name:?}");
    }
}
