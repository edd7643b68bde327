//! Lists of label selectors, and the nodes they select.

use std::collections::BTreeSet;

use metallb_api::LabelSelector;

use crate::config::matches_any;
use crate::raw::Node;
use crate::selector::{Selector, SelectorError, render};

/// A list of selectors is wrong.
pub(super) enum SelectorsError {
    /// One of them is.
    Wrong {
        error: SelectorError,
        /// Its text.
        selector: String,
    },
    /// One is there twice: its text.
    Repeated(String),
}

pub(super) fn parse_selectors(raw: Option<&[LabelSelector]>) -> Result<Vec<Selector>, SelectorsError> {
    let mut selectors: Vec<Selector> = Vec::new();
    for raw in raw.unwrap_or_default() {
        let selector =
            Selector::parse(raw).map_err(|error| SelectorsError::Wrong { error, selector: render(raw) })?;
        if selectors.contains(&selector) {
            return Err(SelectorsError::Repeated(selector.to_string()));
        }
        selectors.push(selector);
    }
    Ok(selectors)
}

/// The first name that is there twice.
pub(super) fn repeated(names: Option<&[String]>) -> Option<&String> {
    let mut seen = BTreeSet::new();
    names.unwrap_or_default().iter().find(|name| !seen.insert(name.as_str()))
}

/// The names of the nodes that one of the selectors matches; without selectors of all nodes.
pub(super) fn select_nodes(nodes: &[Node], selectors: &[Selector]) -> BTreeSet<String> {
    let selected = nodes.iter().filter(|node| matches_any(selectors, &node.labels));
    selected.map(|node| node.name.clone()).collect()
}
