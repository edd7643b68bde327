//! Which members know the elections that advertisements may ask for, where one may fail to say so for a moment.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Who said so before and does not now is given this long: its socket failed, or its metadata got lost.
const GRACE: Duration = Duration::from_secs(3);

/// The members, as far as it matters what they know.
#[derive(Clone, Debug, Default)]
pub(crate) struct Company {
    mates: BTreeMap<String, Mate>,
    has_plain: bool,
}

/// A member that knows them, or did a moment ago.
#[derive(Clone, Copy, Debug)]
struct Mate {
    boot: u64,
    /// Until when it is taken at its former word, if it does not say so now.
    until: Option<Duration>,
}

impl Company {
    /// Takes in who the members are: what each of those that say so calls its process, and those that do not.
    pub(crate) fn set(&mut self, boots: &BTreeMap<String, u64>, plain: &BTreeSet<String>, now: Duration) {
        self.mates.retain(|node, _| boots.contains_key(node) || plain.contains(node));
        for (node, boot) in boots.iter().filter(|(node, _)| !plain.contains(*node)) {
            self.mates.insert(node.clone(), Mate { boot: *boot, until: None });
        }
        for node in plain {
            if let Some(mate) = self.mates.get_mut(node) {
                mate.until.get_or_insert(now + GRACE);
            }
        }
        self.mates.retain(|_, mate| mate.until.is_none_or(|until| now < until));
        self.has_plain = plain.iter().any(|node| !self.mates.contains_key(node));
    }

    /// Whether some member knows no election but the contract's.
    pub(crate) fn has_plain(&self) -> bool {
        self.has_plain
    }

    /// What the others call their processes.
    pub(crate) fn boots(&self) -> impl Iterator<Item = (&str, u64)> {
        self.mates.iter().map(|(node, mate)| (node.as_str(), mate.boot))
    }

    /// When it is to be looked at again though nothing has changed.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.mates.values().filter_map(|mate| mate.until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_said_so_is_believed_for_a_while_and_a_stranger_never() {
        let at = Duration::from_secs;
        let boots = |names: &str| names.split_whitespace().map(|name| (name.to_owned(), 7)).collect();
        let plain = |names: &str| names.split_whitespace().map(str::to_owned).collect();
        let mut company = Company::default();
        for (now, ours, others, has_plain, known) in [
            (1, "a b", "", false, "a b"),
            (2, "a", "b", false, "a b"),
            (4, "a", "b", false, "a b"),
            (5, "a", "b", true, "a"),
            (6, "a b", "", false, "a b"),
            (7, "a", "b", false, "a b"),
            (8, "a b", "", false, "a b"),
            (9, "a", "", false, "a"),
            (9, "a", "b", true, "a"),
            (9, "", "", false, ""),
        ] {
            company.set(&boots(ours), &plain(others), at(now));
            let names: Vec<&str> = company.boots().map(|(node, _)| node).collect();
            assert_eq!((company.has_plain(), names.join(" ")), (has_plain, known.to_owned()), "at {now}");
            let is_waiting = others.split(' ').any(|node| !node.is_empty() && names.contains(&node));
            assert_eq!(company.next_deadline().is_some(), is_waiting, "at {now}");
        }
    }
}
