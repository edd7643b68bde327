//! What was done to a cluster, as an event about the resource: an installation, an edit, an upgrade, a repair, a removal.

use metallb_api::names::METALLB_NAME;
use metallb_cluster::{Event, EventType};

use crate::dereference::{Found, reference};

/// Reason of the event about what somebody else had changed or deleted.
pub const REPAIRED: &str = "Repaired";
/// How a line ends about an object that was cleared away.
pub(crate) const DELETED: &str = " deleted";
/// How a line ends about an object that was not there.
pub(crate) const CREATED: &str = " created";
/// What kind and name of those objects contain that the operator's variables switch on and off.
const SWITCHED: [&str; 3] = ["NetworkPolicy ", "onitor", " metrics-"];
/// How many objects a message names; the log has all of them.
const NAMED: usize = 5;

/// What was different since the last look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Occasion {
    /// It is the first look of this process: what it changes, it was started for, or somebody did while nobody looked.
    First,
    /// The cluster's own settings are others.
    Surroundings,
    /// Nothing we know of.
    Later,
}

/// An event about these changes; none if nothing was changed.
#[must_use]
pub fn deed(found: &Found, changes: &[String], occasion: Occasion) -> Option<Event> {
    if changes.is_empty() {
        return None;
    }
    let reason = reason(found, changes, occasion);
    Some(Event {
        about: found.reference(),
        kind: EventType::Normal,
        reason: reason.to_owned(),
        message: message(changes),
    })
}

/// An event about what was cleared away because the resource is gone; none if nothing was.
#[must_use]
pub fn removal(namespace: &str, changes: &[String]) -> Option<Event> {
    (!changes.is_empty()).then(|| Event {
        about: reference(namespace, METALLB_NAME, None),
        kind: EventType::Normal,
        reason: "Removed".to_owned(),
        message: message(changes),
    })
}

fn reason(found: &Found, changes: &[String], occasion: Occasion) -> &'static str {
    let Some(told) = found.conditions.first() else { return "Installed" };
    match told.observed_generation {
        // The original does not say it.
        None => "Upgraded",
        seen if seen != found.generation => "Updated",
        _ if occasion == Occasion::First && !changes.iter().all(|change| was_lost(change)) => "Upgraded",
        // What could not be done before, and what nobody needs any more once all runs, nobody had broken.
        _ if occasion == Occasion::Surroundings
            || found.is_degraded()
            || changes.iter().all(|change| change.ends_with(DELETED)) =>
        {
            "Updated"
        }
        _ => REPAIRED,
    }
}

/// Whether the line is of an object that was there before this process, whatever that was started with: another release
/// would not only make it, but change others as well.
fn was_lost(change: &str) -> bool {
    let object = change.strip_suffix(CREATED).and_then(|object| object.split_once(' '));
    object.is_some_and(|(kind, place)| {
        // The namespace is the user's to choose.
        let name = place.rsplit('/').next().unwrap_or(place);
        let text = format!("{kind} {name}");
        !SWITCHED.iter().any(|word| text.contains(word))
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
    use metallb_api::MetalLBSpec;
    use metallb_render::{Environment, MemberlistKey, Owner, Platform, Settings};
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
            version: None,
            created: None,
            is_being_deleted: false,
            finalizers: Vec::new(),
            spec: Value::Null,
            conditions: seen.map(condition).into_iter().collect(),
        }
    }

    #[test]
    fn the_reason_follows_from_what_was_told_before() {
        use Occasion::{First, Later, Surroundings};
        let changed = "DaemonSet ns/speaker changed: x";
        let deleted = "DaemonSet ns/frr-k8s deleted";
        let created = "DaemonSet ns/speaker created";
        for (found, occasion, change, reason) in [
            (found(1, None), First, changed, "Installed"),
            (found(1, None), Later, created, "Installed"),
            // The original's conditions know of no generation.
            (told("Available", 2, Some(None)), First, changed, "Upgraded"),
            (found(2, Some(1)), First, changed, "Updated"),
            (found(2, Some(2)), First, changed, "Upgraded"),
            (found(2, Some(2)), Later, changed, "Repaired"),
            // Somebody deleted it while nobody looked; what a variable may just have switched on, maybe nobody did.
            (found(2, Some(2)), First, created, "Repaired"),
            (found(2, Some(2)), First, "NetworkPolicy ns/controller created", "Upgraded"),
            (found(2, Some(2)), First, "DaemonSet monitoring/speaker created", "Repaired"),
            (found(2, Some(2)), First, "Secret metrics-x/metallb-memberlist created", "Repaired"),
            // The cluster's TLS profile.
            (found(2, Some(2)), Surroundings, changed, "Updated"),
            // What the API server would not have before: late kinds of monitors, the rest of an installation.
            (told("Degraded", 2, Some(Some(2))), Later, changed, "Updated"),
            (told("Degraded", 2, Some(Some(2))), First, created, "Updated"),
            // What waited for ours to run.
            (found(2, Some(2)), Later, deleted, "Updated"),
        ] {
            let event = deed(&found, &[change.to_owned()], occasion).unwrap();
            assert_eq!((event.reason.as_str(), event.message.as_str()), (reason, change), "{occasion:?}");
        }
        assert!(deed(&found(1, None), &[], First).is_none());
    }

    /// The lines about everything that is made for an empty spec with these variables.
    fn lines(extra: &[(&str, &str)]) -> Vec<String> {
        let mandatory = [("OPERATOR_NAMESPACE", "ns"), ("CONTROLLER_IMAGE", "c"), ("SPEAKER_IMAGE", "s")];
        let variables = mandatory.iter().chain(extra).map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let environment = Environment::parse(&variables.collect()).unwrap();
        let settings = Settings::parse(&MetalLBSpec::default(), &environment, Platform::OpenShift).unwrap();
        let owner = Owner { name: "metallb".to_owned(), uid: String::new(), definition: String::new() };
        let objects =
            metallb_render::build(&settings, &environment, &owner, &MemberlistKey::new([0; 16])).unwrap();
        objects.iter().map(|desired| format!("{desired}{CREATED}")).collect()
    }

    #[test]
    fn what_a_variable_switches_on_is_told_from_what_is_always_there() {
        let always = lines(&[("DISABLE_NETWORK_POLICIES", "true")]);
        assert!(always.len() > 20 && always.iter().all(|line| was_lost(line)), "{always:?}");
        for extra in [&[][..], &[("DEPLOY_SERVICEMONITORS", "true")], &[("DEPLOY_PODMONITORS", "true")]] {
            let switched: Vec<String> =
                lines(extra).into_iter().filter(|line| !always.contains(line)).collect();
            assert!(!switched.is_empty() && !switched.iter().any(|line| was_lost(line)), "{switched:?}");
        }
    }

    #[test]
    fn a_message_names_the_first_few() {
        let changes: Vec<String> = (0..7).map(|number| number.to_string()).collect();
        assert_eq!(message(&changes), "0; 1; 2; 3; 4; and 2 more");
        assert_eq!(message(&changes[..5]), "0; 1; 2; 3; 4");
    }
}
