use super::*;

fn controller() -> Said {
    Said { component: Component::Controller, owner: None, written: None }
}

fn live(status: ConfigurationStateStatus) -> ConfigurationState {
    ConfigurationState { status: Some(status), ..ConfigurationState::default() }
}

#[test]
fn a_verdict_already_said_is_not_written_again() {
    let said = controller();
    let errors = ["pool red: broken".to_owned()];
    let object = live(said.status(None, &errors));
    assert!(said.is_said(Some(&object), &errors));
    assert!(!said.is_said(Some(&object), &[]));
    assert!(!said.is_said(None, &errors));
}

#[test]
fn a_write_is_not_repeated_before_its_echo_arrives() {
    let mut said = controller();
    let at = |version: &str| {
        let mut object = live(said.status(None, &["first".to_owned()]));
        object.metadata.resource_version = Some(version.to_owned());
        object
    };
    let (before, between, edited) = (at("6"), at("7"), at("9"));
    said.written = Some((vec![], Some(8)));
    for old_news in [None, Some(&before), Some(&between)] {
        said.hear(old_news);
        assert!(said.is_said(old_news, &[]));
    }
    said.hear(Some(&edited));
    assert!(!said.is_said(Some(&edited), &[]));
    assert!(!said.is_said(None, &[]), "a deleted object is made again");
}

#[test]
fn the_transition_time_moves_only_when_the_status_does() {
    let said = controller();
    let mut old = said.status(None, &["first".to_owned()]);
    let long_ago = Time(jiff::Timestamp::UNIX_EPOCH);
    old.conditions.as_mut().unwrap()[0].last_transition_time = long_ago.clone();
    let old = live(old);
    let same = said.condition(Some(&old), &["second".to_owned()]);
    assert_eq!(
        (same.last_transition_time, same.message.as_str()),
        (long_ago.clone(), "configuration error: second")
    );
    assert_ne!(said.condition(Some(&old), &[]).last_transition_time, long_ago);
}

#[test]
fn a_long_message_is_cut_at_a_character() {
    let cut = shorten("ü".repeat(LONGEST_MESSAGE));
    assert!(cut.len() <= LONGEST_MESSAGE && cut.ends_with('ü'));
}

#[test]
fn names_are_those_of_the_contract() {
    let speaker = Component::Speaker("n1".to_owned());
    assert_eq!(speaker.object_name(), "speaker-n1");
    assert_eq!(speaker.reporter(), ("configReconcilerValid", "configReconciler"));
    assert_eq!(Component::Controller.object_name(), "controller");
    assert_eq!(Component::Controller.reporter(), ("poolReconcilerValid", "poolReconciler"));
}

/// §8.1: the result is that of all conditions; only errors of the configuration count.
#[test]
fn the_result_is_that_of_all_conditions() {
    let said = controller();
    let other = |status: &str, reason: &str| {
        let mut condition = said.condition(None, &[]);
        condition.type_ = "otherValid".to_owned();
        condition.status = status.to_owned();
        condition.reason = reason.to_owned();
        condition.message = "of another".to_owned();
        live(ConfigurationStateStatus { conditions: Some(vec![condition]), ..said.status(None, &[]) })
    };
    let ours = "configuration error: ours";
    let joined = format!("of another\n{ours}");
    let table = [
        (other("True", "Reconciled"), vec![], None),
        (other("False", "UnknownError"), vec![], None),
        (other("False", "ConfigurationError"), vec![], Some("of another")),
        (other("False", "UnknownError"), vec!["ours".to_owned()], Some(ours)),
        (other("False", "ConfigurationError"), vec!["ours".to_owned()], Some(joined.as_str())),
    ];
    for (object, errors, summary) in table {
        let status = said.status(Some(&object), &errors);
        assert_eq!(status.error_summary.as_deref(), summary);
        let expected =
            if summary.is_none() { ConfigurationResult::Valid } else { ConfigurationResult::Invalid };
        assert_eq!(status.result, Some(expected));
        assert_eq!(status.conditions.unwrap().len(), 1, "others' conditions are not ours to apply");
    }
}

#[test]
fn an_object_of_an_earlier_pod_is_not_owned() {
    let owner = |uid: &str| OwnerReference { uid: uid.to_owned(), ..OwnerReference::default() };
    let mut object = ConfigurationState::default();
    let mut said = controller();
    assert!(said.is_owned(&object), "who knows no pod claims nothing");
    said.owner = Some(owner("new"));
    for (owners, owned) in [(vec![], false), (vec![owner("old")], false), (vec![owner("new")], true)] {
        object.metadata.owner_references = Some(owners);
        assert_eq!(said.is_owned(&object), owned);
    }
}
