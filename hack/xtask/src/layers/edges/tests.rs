use crate::workspace::synthetic::workspace;

use super::check;

#[test]
fn the_layers_as_they_should_be_are_fine() {
    let fine = workspace(&[
        ("crates/core/api", &["kube-core", "serde", "kube-derive"]),
        ("crates/core/net", &["serde", "dev:tokio", "dev:proptest"]),
        ("crates/core/config", &["crates/core/api", "crates/core/net", "dev:crates/testkit"]),
        ("crates/io/cluster", &["crates/core/api", "tokio", "dev:crates/testkit"]),
        ("crates/testkit", &["crates/core/config", "crates/io/cluster", "hyper"]),
        ("controller", &["crates/core/config", "crates/io/cluster", "tokio"]),
        ("speaker", &["crates/core/config", "dev:crates/testkit", "dev:hack/testbed", "dev:tests/interop"]),
        ("hack/oci", &["tar", "dev:crates/testkit"]),
        ("hack/testbed", &["hack/oci", "nix"]),
        ("hack/xtask", &["hack/oci", "crates/core/api", "clap"]),
        ("tests/e2e", &["hack/testbed", "dev:crates/testkit"]),
        ("tests/interop", &["hack/testbed", "dev:crates/core/config"]),
        ("kube-derive", &["libc"]),
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
        ("crates/core/net", "crates/core/api", "earlier ones only"),
        ("crates/core/announce", "dev:crates/core/l2", "earlier ones only"),
        ("crates/core/l2", "build:crates/testkit", "a dev-dependency"),
        ("crates/core/l2", "dev:crates/io/linux", "does not know its adapters"),
        ("crates/core/announce", "crates/core/l2", "earlier ones only"),
        ("crates/core/config", "crates/io/linux", "does not know its adapters"),
        ("crates/core/config", "hack/oci", "core depends on core only"),
        ("crates/io/linux", "crates/core/config", "core/certificates and core/leadership only"),
        ("crates/io/linux", "crates/io/cluster", "core/certificates and core/leadership only"),
        ("crates/io/linux", "hack/oci", "project's tools"),
        ("crates/io/linux", "dev:crates/core/config", "core/certificates and core/leadership only"),
        ("crates/io/linux", "dev:hack/testbed", "project's tools"),
        ("controller", "hack/oci", "project's tools"),
        ("controller", "dev:hack/testbed", "project's tools"),
        ("speaker", "hack/testbed", "project's tools"),
        ("speaker", "build:hack/testbed", "project's tools"),
        ("speaker", "dev:hack/xtask", "project's tools"),
        ("crates/testkit", "hack/testbed", "project's tools"),
        ("hack/oci", "crates/core/api", "nothing of the project"),
        ("hack/oci", "hack/testbed", "nothing of the project"),
        ("hack/oci", "dev:crates/core/api", "nothing of the project"),
        ("hack/testbed", "crates/core/api", "hack/oci only"),
        ("hack/testbed", "crates/io/cluster", "hack/oci only"),
        ("hack/testbed", "hack/xtask", "hack/oci only"),
        ("hack/xtask", "crates/io/cluster", "core and hack/oci only"),
        ("hack/xtask", "hack/testbed", "core and hack/oci only"),
        ("hack/xtask", "crates/testkit", "a dev-dependency"),
        ("tests/e2e", "hack/oci", "hack/testbed only"),
        ("tests/e2e", "crates/core/api", "hack/testbed only"),
        ("tests/e2e", "dev:crates/io/cluster", "hack/testbed only"),
        ("tests/e2e", "crates/testkit", "a dev-dependency"),
        ("tests/interop", "speaker", "nothing depends on a binary"),
        ("tests/interop", "crates/core/api", "hack/testbed only"),
        ("speaker", "tests/interop", "nothing depends on tests"),
        ("controller", "dev:tests/interop", "nothing depends on tests"),
        ("controller", "crates/testkit", "a dev-dependency"),
        ("crates/io/linux", "crates/testkit", "a dev-dependency"),
        ("controller", "speaker", "nothing depends on a binary"),
        ("crates/testkit", "operator", "nothing depends on a binary"),
        ("tests/e2e", "operator", "nothing depends on a binary"),
        ("crates/io/linux", "dev:controller", "nothing depends on a binary"),
        ("hack/xtask", "tests/e2e", "nothing depends on tests"),
    ];
    for (from, to, why) in table {
        let place = to.split_once(':').map_or(*to, |(_, place)| place);
        let found = check(&workspace(&[(from, &[to]), (place, &[])]));
        assert_eq!(found.len(), 1, "{from} -> {to}: {found:?}");
        let name = |place: &str| place.rsplit(['/', ':']).next().unwrap().to_owned();
        let finding = found.iter().find(|finding| finding.contains(why));
        let finding = finding.unwrap_or_else(|| panic!("{from} -> {to}: {found:?}"));
        assert!(finding.contains(&name(from)) && finding.contains(&name(to)), "{finding}");
    }
}

#[test]
fn a_forbidden_crate_is_found_over_several_edges_and_whoever_brings_it_in_is_named_once() {
    let found = check(&workspace(&[
        ("crates/core/net", &["serde"]),
        ("crates/core/config", &["crates/core/net"]),
        ("serde", &["deeper"]),
        ("deeper", &["tokio"]),
        ("tokio", &["libc"]),
    ]));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("metallb-net must not reach tokio"), "{found:?}");
    assert!(found[0].contains("metallb-net -> serde -> deeper -> tokio"), "{found:?}");
}

#[test]
fn what_only_runs_in_the_compiler_is_not_linked() {
    let fine = workspace(&[("crates/core/net", &["kube-derive"]), ("kube-derive", &["libc"])]);
    assert_eq!(check(&fine), Vec::<String>::new());
}

#[test]
fn what_a_sealed_crate_reaches_is_left_to_the_check_of_the_sources() {
    let ring = [("crates/core/l2", &["ring"][..]), ("ring", &["getrandom"]), ("getrandom", &["libc"])];
    assert_eq!(check(&workspace(&ring)), Vec::<String>::new());
    let beside = [&ring[..], &[("crates/core/net", &["serde"]), ("serde", &["getrandom"])]].concat();
    assert_eq!(check(&workspace(&beside)).len(), 1);
}

#[test]
fn a_crate_that_core_names_and_nobody_approved_is_found() {
    for dependency in ["harmless", "build:harmless", "harmless-derive"] {
        let found = check(&workspace(&[("crates/core/net", &[dependency])]));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("metallb-net must not depend on harmless"), "{found:?}");
        assert!(found[0].contains("foreign.rs"), "{found:?}");
    }
}

#[test]
fn only_core_asks_before_it_takes_a_crate_and_only_for_what_it_ships() {
    let fine = workspace(&[
        ("crates/core/net", &["serde", "dev:harmless"]),
        ("crates/io/linux", &["harmless"]),
        ("controller", &["harmless"]),
        ("serde", &["harmless"]),
    ]);
    assert_eq!(check(&fine), Vec::<String>::new());
}

#[test]
fn a_crate_in_a_folder_nobody_knows_is_found() {
    for place in ["crates/core/news", "crates/thing", "lib/thing", "hack/thing", "tests/thing"] {
        let found = check(&workspace(&[(place, &[])]));
        assert!(found.len() == 1 && found[0].contains("no layer"), "{place}: {found:?}");
    }
}
