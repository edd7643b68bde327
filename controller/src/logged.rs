//! What is logged while a test runs. The contract lists some lines (contract 01 §4.10, column log); else outcomes count.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Metadata, Subscriber};

/// The lines of a thread, each as its fields and its level.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Line>>>);

#[derive(Clone, Default)]
struct Line(BTreeMap<String, String>);

impl Log {
    /// Keeps what this thread logs until the guard is dropped.
    pub(crate) fn begin() -> (Self, DefaultGuard) {
        let log = Self::default();
        let guard = tracing::subscriber::set_default(log.clone());
        (log, guard)
    }

    /// The values of these fields of each line that has this `key=value`, joined by blanks; absent ones are `-`.
    pub(crate) fn lines(&self, with: (&str, &str), fields: &[&str]) -> Vec<String> {
        let lines = self.0.lock().unwrap();
        let value = |line: &Line, field: &str| line.0.get(field).cloned().unwrap_or_else(|| "-".to_owned());
        let found = lines.iter().filter(|line| value(line, with.0) == with.1);
        found
            .map(|line| fields.iter().map(|field| value(line, field)).collect::<Vec<_>>().join(" "))
            .collect()
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let level = event.metadata().level().as_str().to_ascii_lowercase();
        let mut line = Line([("level".to_owned(), level)].into());
        event.record(&mut line);
        self.0.lock().unwrap().push(line);
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}
