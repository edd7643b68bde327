use std::path::Path;

use super::PRODUCTS;

#[test]
fn images_are_what_the_manifests_expect() {
    let found: Vec<(String, Vec<String>, String)> = PRODUCTS
        .iter()
        .map(|product| product.image("1.2.3", "dev", None, Path::new("/x")))
        .map(|image| (image.reference, image.entrypoint, image.user))
        .collect();
    let expected = [
        ("localhost/metallb-rs/controller:dev", "/controller", "65534:65534"),
        ("localhost/metallb-rs/speaker:dev", "/speaker", "0:0"),
        ("localhost/metallb-rs/operator:dev", "/manager", "65532:65532"),
    ];
    let expected =
        expected.map(|(name, start, user)| (name.to_owned(), vec![start.to_owned()], user.to_owned()));
    assert_eq!(found, expected);
}

#[test]
fn the_commit_is_a_label_only_when_it_is_known() {
    let labels = |revision| PRODUCTS[0].image("1.2.3", "dev", revision, Path::new("/x")).labels;
    assert_eq!(labels(Some("abc"))["org.opencontainers.image.revision"], "abc");
    assert!(!labels(None).contains_key("org.opencontainers.image.revision"));
    assert_eq!(labels(None)["org.opencontainers.image.version"], "1.2.3");
}
