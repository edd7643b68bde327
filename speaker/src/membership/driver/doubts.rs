//! Members whose heartbeats are missing: memberlist asks them, so that a blocked port is not taken for death.

use std::collections::BTreeMap;
use std::time::Duration;

/// Between two questions to the same member.
const PAUSE: Duration = Duration::from_millis(100);

/// When each of them was last asked.
#[derive(Debug, Default)]
pub(super) struct Doubts(BTreeMap<String, Duration>);

impl Doubts {
    /// Whom to ask now, of those who are doubted.
    pub(super) fn due<'a>(&mut self, doubted: impl Iterator<Item = &'a str>, now: Duration) -> Vec<String> {
        let before = std::mem::take(&mut self.0);
        let mut due = Vec::new();
        for name in doubted {
            let asked = before.get(name).filter(|asked| now < **asked + PAUSE);
            if asked.is_none() {
                due.push(name.to_owned());
            }
            self.0.insert(name.to_owned(), asked.copied().unwrap_or(now));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_asked_at_once_and_then_ten_times_a_second_while_it_is_in_doubt() {
        let mut doubts = Doubts::default();
        for (at, doubted, due) in [
            (0, &["a"][..], &["a"][..]),
            (1, &["a", "b"], &["b"]),
            (99, &["a", "b"], &[]),
            (100, &["a", "b"], &["a"]),
            (101, &["b"], &["b"]),
            // In doubt anew.
            (102, &["a", "b"], &["a"]),
        ] {
            assert_eq!(doubts.due(doubted.iter().copied(), Duration::from_millis(at)), due, "at {at}");
        }
    }
}
