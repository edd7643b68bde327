//! Events that wait for their turn, as one text.
//!
//! When thousands of Services get their addresses at once an event waits for each. As values they are ten small pieces of memory
//! apiece, among which lies what is kept for good: nothing of all that room could be given back afterwards.

use std::collections::VecDeque;

use k8s_openapi::api::core::v1::ObjectReference;
use serde::{Deserialize, Serialize};

use super::{Event, EventType};

/// First in, first out.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// The length of each text, then the text.
    bytes: VecDeque<u8>,
}

/// An event as it waits: the object, whether it is a warning, the reason, the message.
#[derive(Deserialize, Serialize)]
struct Waiting(ObjectReference, bool, String, String);

/// Bytes of a length.
const LENGTH: usize = size_of::<u32>();

impl Backlog {
    pub(super) fn push(&mut self, event: Event) {
        let Event { about, kind, reason, message } = event;
        // Maps with other keys than texts can't be written; there is none.
        let text = serde_json::to_vec(&Waiting(about, kind == EventType::Warning, reason, message));
        let text = text.unwrap_or_default();
        let length = u32::try_from(text.len()).unwrap_or_default();
        self.bytes.extend(length.to_le_bytes());
        self.bytes.extend(text);
    }

    /// The one that waits longest.
    pub(super) fn pop(&mut self) -> Option<Event> {
        let length = self.take(LENGTH);
        let length = u32::from_le_bytes(length.try_into().ok()?);
        let text = self.take(usize::try_from(length).ok()?);
        if self.bytes.is_empty() {
            self.bytes = VecDeque::new();
        }
        let Waiting(about, is_warning, reason, message) = serde_json::from_slice(&text).ok()?;
        let kind = if is_warning { EventType::Warning } else { EventType::Normal };
        Some(Event { about, kind, reason, message })
    }

    fn take(&mut self, bytes: usize) -> Vec<u8> {
        self.bytes.drain(..bytes.min(self.bytes.len())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_out_as_they_went_in_and_leave_nothing_behind() {
        let event = |number: usize| {
            let about = ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Service".to_owned()),
                namespace: number.is_multiple_of(2).then(|| "shop".to_owned()),
                name: Some(format!("web-{number}")),
                uid: Some("0b1e9d3e-1111-4c2f-8f7e-2f1d3c4b5a69".to_owned()),
                resource_version: Some(number.to_string()),
                field_path: number.is_multiple_of(3).then(|| "spec".to_owned()),
            };
            let kind = if number.is_multiple_of(5) { EventType::Warning } else { EventType::Normal };
            Event { about, kind, reason: "nodeAssigned".to_owned(), message: "ü\n\"\0".repeat(number) }
        };
        let mut backlog = Backlog::default();
        assert_eq!(backlog.pop(), None);
        for number in 0..300 {
            backlog.push(event(number));
        }
        for number in 0..150 {
            assert_eq!(backlog.pop(), Some(event(number)));
        }
        backlog.push(event(300));
        for number in 150..=300 {
            assert_eq!(backlog.pop(), Some(event(number)));
        }
        assert_eq!((backlog.pop(), backlog.bytes.capacity()), (None, 0));
    }
}
