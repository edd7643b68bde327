//! Which requests are to fail, and how.

use std::collections::BTreeMap;

use crate::api_server::{Failure, Request};

#[derive(Default)]
pub(in crate::api_server) struct Failures {
    /// By their number, counted from the first request of all.
    by_number: BTreeMap<usize, Failure>,
    /// By how their text begins. Each is for one request.
    by_text: Vec<(String, Failure)>,
    /// How many requests have come.
    come: usize,
}

impl Failures {
    /// Lets the `nth` request from now fail.
    pub(in crate::api_server) fn add_nth(&mut self, nth: usize, failure: Failure) {
        self.by_number.insert(self.come + nth, failure);
    }

    /// Lets the next request fail whose text begins like this.
    pub(in crate::api_server) fn add_next(&mut self, what: &str, failure: Failure) {
        self.by_text.push((what.to_owned(), failure));
    }

    /// How this request fails that has just come.
    pub(super) fn take(&mut self, request: &Request) -> Option<Failure> {
        let by_number = self.by_number.remove(&self.come);
        self.come += 1;
        let text = request.to_string();
        let nth = self.by_text.iter().position(|(what, _)| text.starts_with(what));
        by_number.or(nth.map(|nth| self.by_text.remove(nth).1))
    }
}
