use serde_json::json;

use super::*;

fn parse(profile: Value) -> Result<TlsProfile, TlsProfileError> {
    TlsProfile::parse(&json!({"spec": {"tlsSecurityProfile": profile}}))
}

#[test]
fn section_3_4_without_a_profile_of_a_known_type_the_intermediate_one_holds() {
    let intermediate = parse(json!({"type": "Intermediate"})).unwrap();
    assert_eq!(intermediate.tls.min_version.as_deref(), Some("VersionTLS12"));
    assert_eq!(intermediate.remark, "");
    for profile in [Value::Null, json!({}), json!({"type": ""}), json!({"type": "Future"})] {
        assert_eq!(parse(profile.clone()), Ok(intermediate.clone()), "{profile}");
    }
    assert_eq!(TlsProfile::parse(&json!({})), Ok(intermediate));
}

#[test]
fn modern_leaves_the_suites_to_tls_1_3() {
    let modern = parse(json!({"type": "Modern"})).unwrap();
    assert_eq!((modern.tls.min_version.as_deref(), modern.tls.cipher_suites), (Some("VersionTLS13"), None));
}

#[test]
fn section_8_10_what_is_not_spoken_is_left_out_and_named() {
    let custom = json!({"type": "Custom", "custom": {"minTLSVersion": "VersionTLS11", "ciphers":
        ["ECDHE-RSA-AES128-GCM-SHA256", "DHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-SHA384"]}});
    let found = parse(custom).unwrap();
    assert_eq!(found.tls.cipher_suites.as_deref(), Some("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"));
    assert_eq!(found.tls.min_version.as_deref(), Some("VersionTLS12"));
    let remark = "TLS profile Custom: VersionTLS11 is not spoken here, VersionTLS12 is the oldest; \
                  suites not spoken here: DHE-RSA-AES128-GCM-SHA256, ECDHE-RSA-AES256-SHA384";
    assert_eq!(found.remark, remark);
    assert!(parse(json!({"type": "Old"})).unwrap().remark.starts_with("TLS profile Old: "));
}

#[test]
fn a_custom_profile_that_says_nothing_usable_is_an_error_with_its_place() {
    for (profile, error) in [
        (json!({"type": "Custom"}), TlsProfileError::NoCustom),
        (json!({"type": "Custom", "custom": null}), TlsProfileError::NoCustom),
        (json!({"type": "Custom", "custom": {"ciphers": ["RC4-SHA"]}}), TlsProfileError::NoSuite),
        (
            json!({"type": "Custom", "custom": {"minTLSVersion": "VersionTLS14"}}),
            TlsProfileError::Version("VersionTLS14".to_owned()),
        ),
    ] {
        assert_eq!(parse(profile.clone()), Err(error), "{profile}");
    }
}
