use serde_json::json;

use super::*;

fn parse(profile: Value) -> TlsProfile {
    TlsProfile::parse(&json!({"spec": {"tlsSecurityProfile": profile}}))
}

#[test]
fn section_3_4_without_a_profile_of_a_known_type_the_intermediate_one_holds() {
    let intermediate = parse(json!({"type": "Intermediate"}));
    assert_eq!(intermediate.tls.min_version.as_deref(), Some("VersionTLS12"));
    assert_eq!(intermediate.remark, "");
    for profile in [Value::Null, json!({}), json!({"type": ""}), json!({"type": "Future"})] {
        assert_eq!(parse(profile.clone()), intermediate, "{profile}");
    }
    assert_eq!(TlsProfile::parse(&json!({})), intermediate);
}

#[test]
fn modern_leaves_the_suites_to_tls_1_3() {
    let modern = parse(json!({"type": "Modern"}));
    assert_eq!((modern.tls.min_version.as_deref(), modern.tls.cipher_suites), (Some("VersionTLS13"), None));
}

#[test]
fn section_8_10_a_profile_holds_whatever_is_said_of_adherence() {
    for adherence in ["LegacyAdheringComponentsOnly", "StrictAllComponents"] {
        let spec = json!({"tlsSecurityProfile": {"type": "Modern"}, "tlsAdherence": adherence});
        let found = TlsProfile::parse(&json!({"spec": spec}));
        assert_eq!(found, parse(json!({"type": "Modern"})), "{adherence}");
    }
}

#[test]
fn section_8_10_what_is_not_spoken_is_left_out_and_named() {
    let custom = json!({"type": "Custom", "custom": {"minTLSVersion": "VersionTLS11", "ciphers":
        ["ECDHE-RSA-AES128-GCM-SHA256", "DHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-SHA384"]}});
    let found = parse(custom);
    assert_eq!(found.tls.cipher_suites.as_deref(), Some("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"));
    assert_eq!(found.tls.min_version.as_deref(), Some("VersionTLS12"));
    let remark = "TLS profile Custom: VersionTLS11 is not spoken here, VersionTLS12 is the oldest; \
                  suites not spoken here: DHE-RSA-AES128-GCM-SHA256, ECDHE-RSA-AES256-SHA384";
    assert_eq!(found.remark, remark);
    assert!(parse(json!({"type": "Old"})).remark.starts_with("TLS profile Old: "));
}

#[test]
fn a_custom_profile_that_says_nothing_usable_stops_nothing_and_is_told() {
    let no_field = "APIServer cluster has no spec.tlsSecurityProfile.custom, Intermediate holds";
    let no_suite =
        "none of its suites is spoken here, only TLS 1.3 with its own; suites not spoken here: RC4-SHA";
    let newer = "VersionTLS14 is not known here, VersionTLS13 is the newest";
    for (profile, version, remark) in [
        (json!({"type": "Custom"}), "VersionTLS12", no_field),
        (json!({"type": "Custom", "custom": null}), "VersionTLS12", no_field),
        (json!({"type": "Custom", "custom": {"ciphers": ["RC4-SHA"]}}), "VersionTLS13", no_suite),
        (json!({"type": "Custom", "custom": {"minTLSVersion": "VersionTLS14"}}), "VersionTLS13", newer),
    ] {
        let found = parse(profile.clone());
        assert_eq!(found.tls.min_version.as_deref(), Some(version), "{profile}");
        assert_eq!(found.remark, format!("TLS profile Custom: {remark}"), "{profile}");
    }
}

#[test]
fn section_3_3_of_the_variables_what_has_no_effect_is_left_out_and_told() {
    const TOO_OLD: &str = "TLS_MIN_VERSION: VersionTLS11 is not spoken here, VersionTLS12 is the oldest";
    let (suites, curves) = (Some("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"), Some("29"));
    for (suites, asked, kept, version, told) in [
        (None, None, None, None, &[][..]),
        (None, Some("VersionTLS13"), None, Some("VersionTLS13"), &[]),
        (suites, Some("VersionTLS12"), suites, Some("VersionTLS12"), &[]),
        (suites, None, None, None, &[NO_CHOICE]),
        (suites, Some("VersionTLS13"), None, Some("VersionTLS13"), &[NO_CHOICE]),
        (suites, Some("VersionTLS11"), suites, Some("VersionTLS12"), &[TOO_OLD]),
        // Whoever parses it says so.
        (suites, Some("VersionTLS9"), suites, Some("VersionTLS9"), &[]),
    ] {
        let tls = |suites: Option<&str>, version: Option<&str>| Tls {
            cipher_suites: suites.map(str::to_owned),
            curve_preferences: curves.map(str::to_owned),
            min_version: version.map(str::to_owned),
        };
        let told = told.iter().map(|remark| (*remark).to_owned()).collect();
        assert_eq!(tls(suites, asked).settled(), (tls(kept, version), told), "{suites:?} {asked:?}");
    }
}
