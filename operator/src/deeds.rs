//! What was done to a cluster, as an event about the resource: an installation, an edit, an upgrade, a repair.

use metallb_cluster::{Event, EventType};

use crate::dereference::Found;

/// Reason of the event about what somebody else had changed or deleted.
pub const REPAIRED: &str = "Repaired";
/// How many objects a message names; the log has all of them.
const NAMED: usize = 5;

/// An event about these changes; none if nothing was changed.
///
/// `is_first` says that this process looks at the resource for the first time: what it then changes, it was started for.
#[must_use]
pub fn deed(found: &Found, changes: &[String], is_first: bool) -> Option<Event> {
    if changes.is_empty() {
        return None;
    }
    let seen = found.conditions.first().map(|condition| condition.observed_generation);
    let reason = match seen {
        None => "Installed",
        Some(seen) if seen != found.generation => "Updated",
        Some(_) if is_first => "Upgraded",
        Some(_) => REPAIRED,
    };
    Some(Event {
        about: found.reference(),
        kind: EventType::Normal,
        reason: reason.to_owned(),
        message: message(changes),
    })
}

fn message(changes: &[String]) -> String {
    let named = changes.get(..NAMED.min(changes.len())).unwrap_or_default().join("; ");
    match changes.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named}; and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
    use serde_json::{Value, json};

    use super::*;

    fn found(generation: i64, seen: Option<i64>) -> Found {
        let condition = |seen: i64| -> Condition {
            let condition = json!({"type": "Available", "status": "True", "reason": "Available", "message": "",
                "observedGeneration": seen, "lastTransitionTime": "2026-01-01T00:00:00Z"});
            serde_json::from_value(condition).unwrap()
        };
        Found {
            namespace: "metallb-system".to_owned(),
            name: "metallb".to_owned(),
            uid: "u".to_owned(),
            generation: Some(generation),
            is_being_deleted: false,
            spec: Value::Null,
            conditions: seen.map(condition).into_iter().collect(),
        }
    }

    #[test]
    fn the_reason_follows_from_what_was_told_before() {
        for (found, is_first, reason) in [
            (found(1, None), true, "Installed"),
            (found(1, None), false, "Installed"),
            (found(2, Some(1)), true, "Updated"),
            (found(2, Some(2)), true, "Upgraded"),
            (found(2, Some(2)), false, "Repaired"),
        ] {
            let event = deed(&found, &["DaemonSet ns/speaker changed: x".to_owned()], is_first).unwrap();
            assert_eq!(
                (event.reason.as_str(), event.message.as_str()),
                (reason, "DaemonSet ns/speaker changed: x")
            );
        }
        assert!(deed(&found(1, None), &[], true).is_none());
    }

    #[test]
    fn a_message_names_the_first_few() {
        let changes: Vec<String> = (0..7).map(|number| number.to_string()).collect();
        assert_eq!(message(&changes), "0; 1; 2; 3; 4; and 2 more");
        assert_eq!(message(&changes[..5]), "0; 1; 2; 3; 4");
    }
}
