use crate::workspace::synthetic::workspace;

use super::check;

#[test]
fn the_layers_as_they_should_be_are_fine() {
    let fine = workspace(&[
        ("crates/core/api", &["kube-core", "serde", "some-derive"]),
        ("crates/core/net", &["serde", "dev:tokio"]),
        ("crates/core/config", &["crates/core/api", "crates/core/net", "dev:crates/testkit"]),
        ("crates/io/cluster", &["crates/core/api", "tokio", "dev:crates/testkit"]),
        ("crates/testkit", &["crates/core/config", "crates/io/cluster"]),
        ("controller", &["crates/core/config", "crates/io/cluster", "tokio"]),
        ("hack/oci", &["tar"]),
        ("hack/xtask", &["hack/oci", "crates/core/api"]),
        ("tests/e2e", &["crates/testkit", "hack/oci"]),
        ("some-derive", &["libc"]),
        ("kube-core", &["http"]),
    ]);
    assert_eq!(check(&fine), Vec::<String>::new());
}

#[test]
fn every_forbidden_edge_is_found_and_named() {
    let table: &[(&str, &str, &str)] = &[
        ("crates/core/net", "tokio", "core does no I/O"),
        ("crates/core/api", "kube", "core does no I/O"),
        ("crates/core/api", "kube-client", "core does no I/O"),
        ("crates/core/l2", "rand", "core does no I/O"),
        ("crates/core/l2", "socket2", "core does no I/O"),
        ("crates/core/l2", "libc", "core does no I/O"),
        ("crates/core/l2", "hyper", "core does no I/O"),
        ("crates/core/api", "crates/core/net", "earlier ones only"),
        ("crates/core/announce", "crates/core/l2", "earlier ones only"),
        ("crates/core/config", "crates/io/linux", "does not know its adapters"),
        ("crates/core/config", "hack/oci", "core depends on core only"),
        ("crates/io/linux", "crates/core/config", "core/api and core/net only"),
        ("crates/io/linux", "crates/io/cluster", "core/api and core/net only"),
        ("crates/io/linux", "hack/oci", "project's tools"),
        ("controller", "hack/oci", "project's tools"),
        ("controller", "crates/testkit", "a dev-dependency"),
        ("crates/io/linux", "crates/testkit", "a dev-dependency"),
        ("controller", "speaker", "nothing depends on a binary"),
        ("crates/testkit", "operator", "nothing depends on a binary"),
        ("tests/e2e", "operator", "nothing depends on a binary"),
        ("crates/io/linux", "dev:controller", "nothing depends on a binary"),
        ("hack/xtask", "tests/e2e", "nothing depends on tests"),
    ];
    for (from, to, why) in table {
        let found = check(&workspace(&[(from, &[to]), (to.trim_start_matches("dev:"), &[])]));
        let name = |place: &str| place.rsplit(['/', ':']).next().unwrap().to_owned();
        let finding = found.iter().find(|finding| finding.contains(why));
        let finding = finding.unwrap_or_else(|| panic!("{from} -> {to}: {found:?}"));
        assert!(finding.contains(&name(from)) && finding.contains(&name(to)), "{finding}");
    }
}

#[test]
fn a_forbidden_crate_is_found_over_several_edges_and_whoever_brings_it_in_is_named_once() {
    let found = check(&workspace(&[
        ("crates/core/net", &["harmless"]),
        ("crates/core/config", &["crates/core/net"]),
        ("harmless", &["deeper"]),
        ("deeper", &["tokio"]),
        ("tokio", &["libc"]),
    ]));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("metallb-net must not reach tokio"), "{found:?}");
    assert!(found[0].contains("metallb-net -> harmless -> deeper -> tokio"), "{found:?}");
}

#[test]
fn what_only_runs_in_the_compiler_is_not_linked() {
    let fine = workspace(&[("crates/core/net", &["x-derive"]), ("x-derive", &["libc"])]);
    assert_eq!(check(&fine), Vec::<String>::new());
}

#[test]
fn a_crate_in_a_folder_nobody_knows_is_found() {
    for place in ["crates/core/news", "crates/thing", "lib/thing"] {
        let found = check(&workspace(&[(place, &[])]));
        assert!(found.len() == 1 && found[0].contains("no layer"), "{place}: {found:?}");
    }
}
