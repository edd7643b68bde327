use std::time::Duration;

use metallb_certificates::{Policy, Step, Why, plan};

use super::*;
use crate::certificates::mint;

const NAME: &str = "metallb-webhook-service.metallb-system.svc";
/// A day after the test data was made.
const NOW: UnixSeconds = UnixSeconds(1_795_711_000);
const DAY: Duration = Duration::from_secs(86_400);

fn names() -> Vec<String> {
    vec![NAME.to_owned()]
}

/// What the original leaves behind.
fn original() -> BTreeMap<String, ByteString> {
    let files: [(&str, &[u8]); 4] = [
        (AUTHORITIES, include_bytes!("testdata/ca.crt")),
        (AUTHORITY_KEY, include_bytes!("testdata/ca.key")),
        (LEAF, include_bytes!("testdata/tls.crt")),
        (LEAF_KEY, include_bytes!("testdata/tls.key")),
    ];
    files.into_iter().map(|(name, bytes)| (name.to_owned(), ByteString(bytes.to_vec()))).collect()
}

fn step(data: &BTreeMap<String, ByteString>, now: UnixSeconds) -> Step {
    let provider = bundle::provider();
    plan(&Policy::default(), &Material::parse(data, &provider).held(&names(), now, &provider), None, now)
}

#[test]
fn the_originals_secret_is_used_as_it_is() {
    assert_eq!(step(&original(), NOW), Step::Keep);
    let certified = Material::parse(&original(), &bundle::provider()).certified().unwrap();
    assert_eq!(certified.cert, bundle::certificates(&original()[LEAF].0));
}

#[test]
fn the_originals_rsa_authority_signs_the_next_leaf() {
    let (mut data, provider) = (original(), bundle::provider());
    let later = NOW.after(300 * DAY);
    assert_eq!(step(&data, later), Step::Leaf(Why::Ending));
    let material = Material::parse(&data, &provider);
    let signer = material.held(&names(), later, &provider).signer().unwrap().id;
    let (authority, key) = material.signer(signer).unwrap();
    let leaf = mint::leaf(authority, key, &names(), later).unwrap();
    data.insert(LEAF.to_owned(), ByteString(leaf.certificate.into_bytes()));
    data.insert(LEAF_KEY.to_owned(), ByteString(leaf.key.into_bytes()));
    assert_eq!(step(&data, later), Step::Keep);
    assert_eq!(step(&data, later.after(300 * DAY)), Step::Leaf(Why::Ending));
}

#[test]
fn each_part_that_is_missing_or_garbled_is_seen() {
    let issued = |data: &BTreeMap<String, ByteString>| step(data, NOW);
    let garbled = |name: &str, text: &[u8]| {
        let mut data = original();
        data.insert(name.to_owned(), ByteString(text.to_vec()));
        data
    };
    let id = bundle::id(&bundle::certificates(&original()[AUTHORITIES].0)[0]);
    for (sentence, data, expected) in [
        ("no leaf", garbled(LEAF, b""), Step::Leaf(Why::Missing)),
        ("a garbled leaf", garbled(LEAF, b"-----BEGIN CERTIFICATE-----\n!"), Step::Leaf(Why::Missing)),
        ("no key of the leaf", garbled(LEAF_KEY, b"x"), Step::Leaf(Why::NoKey)),
        ("another's key", garbled(LEAF_KEY, &original()[AUTHORITY_KEY].0), Step::Leaf(Why::NoKey)),
        (
            "no key of the authority",
            garbled(AUTHORITY_KEY, b"x"),
            Step::Authority { why: Why::NoKey, trusted: vec![id] },
        ),
        ("no authority", garbled(AUTHORITIES, b"x"), Step::Both { why: Why::Missing, trusted: vec![] }),
        ("nothing", BTreeMap::new(), Step::Both { why: Why::Missing, trusted: vec![] }),
    ] {
        assert_eq!(issued(&data), expected, "{sentence}");
    }
}

#[test]
fn a_new_service_name_needs_a_new_leaf() {
    let provider = bundle::provider();
    let names = ["other.metallb-system.svc".to_owned()];
    let held = Material::parse(&original(), &provider).held(&names, NOW, &provider);
    assert_eq!(plan(&Policy::default(), &held, None, NOW), Step::Leaf(Why::Names));
}

#[test]
fn what_is_made_is_as_the_contract_says() {
    let minted = mint::authority(NOW).unwrap();
    let pem = [minted.certificate, minted.key];
    let certificate = &bundle::certificates(pem[0].as_bytes())[0];
    let parsed = parse(certificate).unwrap();
    assert_eq!(parsed.subject().to_string(), "CN=cert, O=metallb");
    let begins = NOW.0 - 3600;
    assert_eq!(validity(&parsed).from.0, begins, "§9.1: an hour before now");
    assert_eq!(validity(&parsed).until, NOW.after(3650 * DAY), "§9.1: ten years");
    let key = key(pem[1].as_bytes(), &bundle::provider()).unwrap();
    let leaf = mint::leaf(certificate, key, &names(), NOW).unwrap();
    let leaf = &bundle::certificates(leaf.certificate.as_bytes())[0];
    let parsed = parse(leaf).unwrap();
    assert_eq!(parsed.subject().to_string(), format!("CN={NAME}"));
    assert_eq!(
        (validity(&parsed).from.0, validity(&parsed).until),
        (begins, NOW.after(365 * DAY)),
        "§9.1: a year"
    );
    assert!(bundle::names_fit(leaf, &names()) && !bundle::names_fit(leaf, &["x".to_owned()]));
}
