//! One Service in the allocator's care: what it has, and what it was told.

use std::net::IpAddr;
use std::sync::Arc;

use metallb_config::service::{FamilyError, IngressEntry, families_of};
use metallb_config::{Quoted, ServiceView};

use crate::book::{Book, Hold};
use crate::decide::Current;
use crate::decision::{Assignment, Record};
use crate::event::Event;

/// A Service in our care.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) view: Arc<ServiceView>,
    pub(crate) current: Current,
    /// Addresses it is to give up, and that are recorded or may still arrive there: a write under way can't be called
    /// back. Nobody gets them before the Service is seen without them: otherwise two Services had them for a moment, or
    /// for good if this process ended in between.
    pub(crate) lingering: Vec<IpAddr>,
    /// Every address that was ever decided to be written into this version of the Service.
    sent: Vec<IpAddr>,
    /// What was last decided to be written into this version of the Service.
    pub(crate) issued: Option<Record>,
    /// Whether it has all it wants, as it was last decided about.
    pub(crate) is_content: bool,
    /// The lasting trouble the user was last told about.
    pub(crate) told: Option<Event>,
}

impl Known {
    pub(crate) fn unadopted(view: Arc<ServiceView>, told: Option<Event>) -> Self {
        Self {
            view,
            current: Current::Nothing,
            lingering: Vec::new(),
            sent: Vec::new(),
            issued: None,
            is_content: false,
            told,
        }
    }

    /// Every address the book has under its name.
    pub(crate) fn claims(&self) -> Vec<IpAddr> {
        self.current.held().iter().chain(&self.lingering).copied().collect()
    }

    /// Takes up what is recorded, as far as others leave it.
    pub(crate) fn adopt(&mut self, book: &mut Book) {
        self.current = assess(book, &self.view);
        self.lingering = self.current.given_up().to_vec();
        self.claim(book);
    }

    /// A newer version that [claims the same](Self::claims_the_same). What it lingered on is free for others.
    pub(crate) fn renew(&mut self, view: Arc<ServiceView>, book: &mut Book) {
        let free = std::mem::take(&mut self.lingering);
        book.release(&view.key, &free);
        self.view = view;
        self.issued = None;
        self.sent.clear();
        self.claim(book);
    }

    /// This is to be written into this version of the Service.
    pub(crate) fn issue(&mut self, record: &Record) {
        self.sent.extend(&record.assignment.addresses);
        self.issued = Some(record.clone());
    }

    /// The last issue stands in the Service, so that nothing issued before it can arrive any more.
    pub(crate) fn settle_issues(&mut self, book: &mut Book) {
        let recorded = self.view.recorded_ips();
        let (lingering, free): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.lingering).into_iter().partition(|address| recorded.contains(address));
        book.release(&self.view.key, &free);
        self.lingering = lingering;
        self.sent.clear();
        self.sent.extend(self.issued.iter().flat_map(|issued| &issued.assignment.addresses));
    }

    /// Enters all its claims into the book.
    pub(crate) fn claim(&self, book: &mut Book) {
        book.claim(&self.view, self.current.held(), Hold::Firm);
        book.claim(&self.view, &self.lingering, Hold::Lingering);
    }

    /// Holds this from now on. What else it had is free for others, unless it is recorded or on its
    /// way there.
    pub(crate) fn hold(&mut self, book: &mut Book, assignment: Assignment) {
        let unchanged =
            matches!(&self.current, Current::Held(held) if held.addresses == assignment.addresses);
        if unchanged && self.lingering.is_empty() {
            self.current = Current::Held(assignment);
            return;
        }
        let recorded = self.view.recorded_ips();
        let given_up = self.claims().into_iter().filter(|address| !assignment.addresses.contains(address));
        let may_be_there = |address: &IpAddr| recorded.contains(address) || self.sent.contains(address);
        let (lingering, free): (Vec<_>, Vec<_>) = given_up.partition(may_be_there);
        book.release(&self.view.key, &free);
        self.lingering = lingering;
        self.current =
            if assignment.addresses.is_empty() { Current::Nothing } else { Current::Held(assignment) };
        self.claim(book);
    }

    /// Whether a newer version records just what is held, under the same conditions.
    pub(crate) fn claims_the_same(&self, newer: &ServiceView) -> bool {
        let held = self.current.held();
        let same_addresses = !held.is_empty() && newer.recorded_ips() == held;
        same_addresses && newer.ports == self.view.ports && newer.sharing_key == self.view.sharing_key
    }
}

/// What the recorded addresses are worth.
fn assess(book: &Book, view: &ServiceView) -> Current {
    let recorded = view.recorded_ips();
    if let Err(error) = understand(view, &recorded) {
        return Current::Malformed(recorded, error);
    }
    match book.agree_to_adopt(view, &recorded) {
        Ok(()) if recorded.is_empty() => Current::Nothing,
        Ok(()) => Current::Held(Assignment { addresses: recorded, pool: view.recorded_pool.clone() }),
        Err(refused) => Current::Contested(recorded, refused),
    }
}

/// Whether the entries are addresses, of one family each. Entries without any address are somebody else's.
fn understand(view: &ServiceView, recorded: &[IpAddr]) -> Result<(), FamilyError> {
    if view.ingress.iter().any(|entry| matches!(entry, IngressEntry::Unparsable(_))) {
        let texts: Vec<String> = view.ingress.iter().filter_map(text).collect();
        return Err(FamilyError::NoAddress { list: Quoted(&texts).to_string() });
    }
    if recorded.is_empty() { Ok(()) } else { families_of(recorded).map(|_| ()) }
}

fn text(entry: &IngressEntry) -> Option<String> {
    match entry {
        IngressEntry::Address(address) => Some(address.to_string()),
        IngressEntry::Unparsable(text) => Some(text.clone()),
        IngressEntry::Other => None,
    }
}
