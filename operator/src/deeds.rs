//! What was done to a cluster, as an event about the resource: an installation, an edit, an upgrade, a repair.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use metallb_cluster::{Event, EventType};

use crate::dereference::Found;

/// Reason of the event about what somebody else had changed or deleted.
pub const REPAIRED: &str = "Repaired";
/// How a line ends about an object that was cleared away.
pub(crate) const DELETED: &str = " deleted";
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
    let reason = reason(found, changes, is_first);
    Some(Event {
        about: found.reference(),
        kind: EventType::Normal,
        reason: reason.to_owned(),
        message: message(changes),
    })
}

fn reason(found: &Found, changes: &[String], is_first: bool) -> &'static str {
    let Some(told) = found.conditions.first() else { return "Installed" };
    let could_not = |condition: &Condition| condition.type_ == "Degraded" && condition.status == "True";
    match told.observed_generation {
        // The original does not say it.
        None => "Upgraded",
        seen if seen != found.generation => "Updated",
        _ if is_first => "Upgraded",
        // What could not be done before, and what nobody needs any more once all runs, nobody had broken.
        _ if found.conditions.iter().any(could_not)
            || changes.iter().all(|change| change.ends_with(DELETED)) =>
        {
            "Updated"
        }
        _ => REPAIRED,
    }
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
    use serde_json::{Value, json};

    use super::*;

    fn found(generation: i64, seen: Option<i64>) -> Found {
        told("Available", generation, seen.map(Some))
    }

    /// A resource that was told something at this generation, if any.
    fn told(type_: &str, generation: i64, seen: Option<Option<i64>>) -> Found {
        let condition = |seen: Option<i64>| -> Condition {
            let condition = json!({"type": type_, "status": "True", "reason": "Available", "message": "",
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
        let changed = "DaemonSet ns/speaker changed: x";
        let deleted = "DaemonSet ns/frr-k8s deleted";
        for (found, is_first, change, reason) in [
            (found(1, None), true, changed, "Installed"),
            (found(1, None), false, changed, "Installed"),
            // The original's conditions know of no generation.
            (told("Available", 2, Some(None)), true, changed, "Upgraded"),
            (found(2, Some(1)), true, changed, "Updated"),
            (found(2, Some(2)), true, changed, "Upgraded"),
            (found(2, Some(2)), false, changed, "Repaired"),
            // What the API server would not have before: late kinds of monitors, the rest of an installation.
            (told("Degraded", 2, Some(Some(2))), false, changed, "Updated"),
            // What waited for ours to run.
            (found(2, Some(2)), false, deleted, "Updated"),
        ] {
            let event = deed(&found, &[change.to_owned()], is_first).unwrap();
            assert_eq!((event.reason.as_str(), event.message.as_str()), (reason, change));
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
