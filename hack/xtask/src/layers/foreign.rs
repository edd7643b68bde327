//! Crates from elsewhere, as core sees them.

/// What core may name. A new line here is a decision: the crate must be pure, small and worth reviewing.
const FOR_CORE: &[&str] = &[
    "base64",      // keys in Secrets
    "crc32fast",   // checksums of memberlist's packets
    "ipnet",       // prefixes in the operator's API
    "k8s-openapi", // Kubernetes' types
    "kube-core",   // resources as types, without the client
    "kube-derive", // runs in the compiler
    "regex",       // patterns of interfaces, checked before a speaker reads them
    "ring",        // encryption of memberlist's packets; see SEALED
    "regex",       // names of interfaces that are left out
    "schemars",    // schemas of our resources
    "serde",
    "serde-saphyr", // YAML of old configurations, and of interfaces that are left out
    "serde_json",
    "sha2",      // the election's order
    "thiserror", // runs in the compiler
    "weezl",     // memberlist's compression
];

/// Crates that touch the world: clients, runtimes, sockets, files, clocks and dice. Core must not even reach one.
const WORLD: &[&str] = &[
    "async-std",
    "futures",
    "getrandom",
    "hyper",
    "hyper-util",
    "kube",
    "kube-client",
    "kube-runtime",
    "libc",
    "mio",
    "netlink-sys",
    "nix",
    "rand",
    "reqwest",
    "rtnetlink",
    "rustix",
    "rustls",
    "socket2",
    "tokio",
    "tokio-rustls",
    "tower",
    "tracing-subscriber",
];

/// Crates for core of which a part touches the world. `purity` refuses that part by name, so what they reach through
/// it is of no account.
const SEALED: &[&str] = &["ring"];

pub(super) fn is_sealed(name: &str) -> bool {
    SEALED.contains(&name)
}

pub(super) fn is_for_core(name: &str) -> bool {
    FOR_CORE.contains(&name)
}

pub(super) fn touches_the_world(name: &str) -> bool {
    WORLD.contains(&name)
}
