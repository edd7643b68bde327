use super::*;
use crate::endpoints::{SliceKey, SliceView};
use crate::testing::{advertisement, named_service, node, pool, service};
use proptest::prelude::*;
use serde_json::json;

fn saved() -> Saved {
    let facts = named_service("web", &["192.0.2.1"], json!({}), json!({ "labels": { "app": "web" } }));
    let slice = SliceView::new(Some("web"), true, ["n1", "n2"]);
    let key = SliceKey { namespace: "default".into(), name: "web-x".into() };
    Saved {
        node: "n1".to_owned(),
        services: vec![SavedService {
            namespace: "default".into(),
            name: "web".into(),
            uid: "u".into(),
            facts: Arc::new(facts),
        }],
        slices: vec![SavedSlice::new(key, Arc::new(slice))],
        nodes: vec![node("n1", &[("rack", "a")])],
        pools: vec![pool("pool", &["192.0.2.0/24"])],
        advertisements: vec![advertisement("all", json!({}))],
        pods: vec![SavedPod { name: "speaker-n1".to_owned(), address: "172.30.0.11".into() }],
    }
}

#[test]
fn what_is_written_is_read_again_by_the_speaker_of_that_node() {
    for saved in [saved(), Saved { node: "n1".to_owned(), ..Saved::default() }] {
        assert_eq!(Saved::decode(&saved.encode().unwrap(), "n1").unwrap(), saved);
    }
    let refused = Saved::decode(&saved().encode().unwrap(), "n2").unwrap_err();
    assert_eq!(refused.to_string(), "it is the snapshot of node \"n1\"");
}

#[test]
fn a_slice_is_the_same_afterwards_with_and_without_a_service() {
    let key = SliceKey { namespace: "default".into(), name: "web-x".into() };
    for view in [SliceView::default(), SliceView::new(Some("web"), true, ["n1"])] {
        let slice = SavedSlice::new(key.clone(), Arc::new(view));
        let text = serde_json::to_string(&slice).unwrap();
        assert_eq!(serde_json::from_str::<SavedSlice>(&text).unwrap().into_parts(), slice.into_parts());
    }
}

#[test]
fn what_is_not_whole_or_not_ours_is_refused_with_the_reason() {
    let whole = saved().encode().unwrap();
    let body = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let with_line = |line: &str| [line.as_bytes(), b"\n", &whole[body..]].concat();
    let mut turned = whole.clone();
    turned[body + 5] ^= 1;
    let signed =
        |body: &str| format!("{FORMAT} 1 {} {:08x}\n{body}", body.len(), crc32fast::hash(body.as_bytes()));
    let foreign = "it is no snapshot of a speaker";
    for (text, reason) in [
        (Vec::new(), foreign),
        (b"\n".to_vec(), foreign),
        (vec![b'x'; 4096], foreign),
        (with_line("something else"), foreign),
        (with_line("metallb-speaker-snapshot"), foreign),
        (with_line("metallb-speaker-snapshot one"), foreign),
        (with_line("metallb-speaker-snapshot 1 x 0"), foreign),
        (with_line("metallb-speaker-snapshot 1 7 0 more"), foreign),
        (with_line("metallb-speaker-snapshot 2"), "it has version 2, this speaker reads version 1"),
        (
            with_line("metallb-speaker-snapshot 0 other words"),
            "it has version 0, this speaker reads version 1",
        ),
        (turned, "its checksum is wrong"),
        (signed("{}").into_bytes(), "its content can't be read"),
        (signed("no json").into_bytes(), "its content can't be read"),
    ] {
        let error = Saved::decode(&text, "n1").unwrap_err();
        assert_eq!(error.to_string(), reason, "{}", String::from_utf8_lossy(&text));
    }
    for text in [&whole[..whole.len() - 1], &[&whole[..], b" "].concat()[..]] {
        assert!(matches!(Saved::decode(text, "n1"), Err(SavedError::Length { .. })));
    }
}

proptest! {
    #[test]
    fn a_single_wrong_bit_is_noticed(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut text = saved().encode().unwrap();
        let at = at.index(text.len());
        text[at] ^= 1 << bit;
        // In the number of the checksum a capital letter is the same digit.
        let is_same = Saved::decode(&text, "n1").is_ok_and(|read| read == saved());
        prop_assert!(is_same == text[at].is_ascii_uppercase() || Saved::decode(&text, "n1").is_err());
    }

    #[test]
    fn no_cut_is_taken_for_the_whole(length in any::<prop::sample::Index>()) {
        let text = saved().encode().unwrap();
        prop_assert!(Saved::decode(&text[..length.index(text.len())], "n1").is_err());
    }

    #[test]
    fn any_names_and_addresses_survive(
        names in prop::collection::vec((".*", ".*", ".*"), 0..5),
        addresses in prop::collection::vec(any::<std::net::IpAddr>(), 0..3),
    ) {
        let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let facts = Arc::new(service(&texts, json!({})));
        let named = |(namespace, name, uid): (String, String, String)| {
            SavedService { namespace, name, uid: uid.into(), facts: facts.clone() }
        };
        let saved = Saved { services: names.into_iter().map(named).collect(), ..saved() };
        prop_assert_eq!(Saved::decode(&saved.encode().unwrap(), "n1").unwrap(), saved);
    }
}
