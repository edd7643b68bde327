use super::*;

fn parse(min: &str, suites: &str, curves: &str) -> Result<TlsSettings, String> {
    TlsSettings::parse(min, suites, curves, "").map_err(|error| error.to_string())
}

#[test]
fn flags_of_the_contract_are_understood() {
    for (min, suites, curves) in [
        ("", "", ""),
        ("VersionTLS13", "", "29"),
        (
            "VersionTLS12",
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            "23,24,29",
        ),
    ] {
        let settings = parse(min, suites, curves).unwrap();
        assert!(settings.server_config().is_ok(), "{min} {suites} {curves}");
    }
}

#[test]
fn a_wrong_flag_is_refused_under_its_own_name() {
    for (min, suites, curves, expected) in [
        ("VersionTLS10", "", "", "parsing tls-min-version: "),
        (
            "",
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            "",
            "cipher suites cannot be configured with TLS 1.3",
        ),
        ("VersionTLS12", "TLS_NONSENSE", "", "parsing tls-cipher-suites: "),
        ("", "", "x", "parsing tls-curve-preferences: "),
        ("", "", "0", "parsing tls-curve-preferences: "),
        ("", "", "70000", "parsing tls-curve-preferences: "),
        ("", "", "23,23", "duplicate curve preference 23"),
        ("", "", "9", "curve 9 is not supported"),
        ("", "", "25,4588", "curve 25 is not supported"),
    ] {
        let error = parse(min, suites, curves).unwrap_err();
        assert!(error.contains(expected), "{min} {suites} {curves}: {error}");
    }
}

#[test]
fn chosen_suites_and_curves_are_the_only_ones_left() {
    let settings = parse("VersionTLS12", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "24,23").unwrap();
    let tls12 = settings.provider.cipher_suites.iter().filter(|s| s.version() == &rustls::version::TLS12);
    assert_eq!(tls12.count(), 1);
    let curves: Vec<u16> = settings.provider.kx_groups.iter().map(|group| group.name().into()).collect();
    assert_eq!(curves, [24, 23]);
    let old_name = parse("VersionTLS12", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", "").unwrap();
    let tls12 = old_name.provider.cipher_suites.iter().filter(|s| s.version() == &rustls::version::TLS12);
    assert_eq!((tls12.count(), old_name.remarks().len()), (1, 0));
}

#[test]
fn what_only_the_original_speaks_is_left_out_with_a_remark() {
    let suites = "TLS_RSA_WITH_AES_128_CBC_SHA,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
    let settings = parse("VersionTLS12", suites, "4588,25,29").unwrap();
    let left_out = ["TLS_RSA_WITH_AES_128_CBC_SHA", "4588", "25"];
    assert_eq!(settings.remarks().len(), left_out.len());
    for (remark, what) in settings.remarks().iter().zip(left_out) {
        assert!(remark.contains(what), "{remark}: {what}");
    }
    let curves: Vec<u16> = settings.provider.kx_groups.iter().map(|group| group.name().into()).collect();
    assert_eq!(curves, [29]);
    assert!(settings.server_config().is_ok());
    let only_weak = parse("VersionTLS12", "TLS_RSA_WITH_AES_128_CBC_SHA", "").unwrap();
    assert!(only_weak.server_config().is_ok(), "TLS 1.3 is left");
}
