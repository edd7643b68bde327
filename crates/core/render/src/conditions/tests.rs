use k8s_openapi::jiff::Timestamp;

use super::*;

fn at(second: i64) -> Time {
    Time(Timestamp::from_second(second).unwrap())
}

fn degraded() -> State {
    degraded_with(None)
}

fn degraded_with(pods: Option<&str>) -> State {
    State::Degraded {
        reason: Reason::FailedToSyncMetalLBResources,
        message: "why".to_owned(),
        pods: pods.map(str::to_owned),
    }
}

fn available() -> State {
    State::Available { message: String::new() }
}

fn progressing(message: &str) -> State {
    State::Progressing { reason: Reason::Progressing, message: message.to_owned() }
}

/// type, status, reason, message
fn told(state: &State) -> Vec<(String, String, String, String)> {
    let list = conditions(state, Some(1), &[], &at(0));
    list.into_iter().map(|c| (c.type_, c.status, c.reason, c.message)).collect()
}

#[test]
fn each_state_is_told_by_four_conditions_in_order() {
    let row = |type_: &str, status: &str, reason: &str, message: &str| {
        (type_.to_owned(), status.to_owned(), reason.to_owned(), message.to_owned())
    };
    let off = |type_: &str| row(type_, "False", type_, "");
    for (state, expected) in [
        (
            State::Available { message: "good to know".to_owned() },
            [
                row("Available", "True", "Available", "good to know"),
                row("Upgradeable", "True", "Upgradeable", ""),
                off("Progressing"),
                off("Degraded"),
            ],
        ),
        (
            progressing("1 of 3"),
            [
                off("Available"),
                off("Upgradeable"),
                row("Progressing", "True", "Progressing", "1 of 3"),
                off("Degraded"),
            ],
        ),
        (
            degraded(),
            [
                off("Available"),
                off("Upgradeable"),
                off("Progressing"),
                row("Degraded", "True", "FailedToSyncMetalLBResources", "why"),
            ],
        ),
        (
            degraded_with(Some("1 of 3")),
            [
                off("Available"),
                off("Upgradeable"),
                off("Progressing"),
                row("Degraded", "True", "FailedToSyncMetalLBResources", "why; 1 of 3"),
            ],
        ),
    ] {
        assert_eq!(told(&state), expected, "{state:?}");
    }
}

#[test]
fn a_transition_time_moves_only_when_the_status_does() {
    let first = conditions(&progressing("0 of 3"), Some(1), &[], &at(100));
    let second = conditions(&progressing("2 of 3"), Some(1), &first, &at(200));
    assert!(second.iter().all(|condition| condition.last_transition_time == at(100)));
    let third = conditions(&available(), Some(1), &second, &at(300));
    let times: Vec<_> = third.iter().map(|condition| condition.last_transition_time.clone()).collect();
    assert_eq!(times, [at(300), at(300), at(300), at(100)], "Degraded was and stays False");
}

#[test]
fn the_same_state_seen_later_gives_the_same_conditions() {
    let first = conditions(&degraded(), Some(7), &[], &at(100));
    assert_eq!(conditions(&degraded(), Some(7), &first, &at(900)), first);
}

#[test]
fn conditions_name_the_generation_they_speak_of() {
    let before = conditions(&available(), Some(1), &[], &at(0));
    let after = conditions(&available(), Some(2), &before, &at(9));
    assert!(after.iter().all(|condition| condition.observed_generation == Some(2)));
    assert!(after.iter().all(|condition| condition.last_transition_time == at(0)));
}

#[test]
fn every_reason_is_valid_for_the_api_server() {
    for reason in Reason::ALL {
        assert!(reason.as_str().chars().all(|c| c.is_ascii_alphanumeric()), "{reason:?}");
    }
}

#[test]
fn a_message_is_cut_where_the_schema_would_refuse_it() {
    for (length, kept) in [(32_768, 32_768), (32_769, 32_768), (99_999, 32_768)] {
        let told = told(&progressing(&"é".repeat(length)));
        let message = &told[2].3;
        assert_eq!(message.chars().count(), kept, "{length}");
        assert_eq!(message.ends_with('…'), length > kept, "{length}");
    }
}
