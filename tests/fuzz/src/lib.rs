//! Every parser of text and bytes that comes from outside, as functions that must never panic.
//!
//! `cargo fuzz` drives them on nightly (`make soak`), proptest on stable (`make test`). Where somebody else can
//! read the same input, or the result can be written and read again, that is compared as well.

mod admission;
mod arp;
mod binary;
mod communities;
mod conversion;
mod durations;
mod exclusion;
mod heartbeats;
mod holders;
mod legacy;
mod links;
mod members;
mod moments;
mod ndp;
mod packets;
mod ranges;
mod selectors;
mod services;
mod settings;
mod snapshots;
mod streams;
mod text;

pub use admission::admission;
pub use arp::arp;
pub use communities::communities;
pub use conversion::conversion;
pub use durations::durations;
pub use exclusion::exclusion;
pub use heartbeats::heartbeats;
pub use holders::holders;
pub use legacy::legacy;
pub use links::links;
pub use moments::moments;
pub use ndp::ndp;
pub use packets::packets;
pub use ranges::ranges;
pub use selectors::selectors;
pub use services::services;
pub use settings::settings;
pub use snapshots::snapshots;
pub use streams::streams;

/// One fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What it is called, here and in `tests/fuzz/targets`.
    pub name: &'static str,
    /// Feeds some input to a parser; panics if the outcome is wrong.
    pub run: fn(&[u8]),
    /// Inputs to begin with: parts of what the parser takes, and whole ones.
    pub seeds: &'static [&'static str],
    /// The code it feeds, as paths of the project.
    pub covers: &'static [&'static str],
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "admission",
        run: admission,
        seeds: admission::SEEDS,
        covers: &["crates/core/config", "crates/core/api", "crates/io/webhook/src"],
    },
    Target {
        name: "arp",
        run: arp,
        seeds: arp::SEEDS,
        covers: &[
            "crates/core/l2/src/arp.rs",
            "crates/core/l2/src/wire.rs",
            "crates/core/l2/src/table.rs",
            "crates/core/net",
        ],
    },
    Target {
        name: "communities",
        run: communities,
        seeds: communities::SEEDS,
        covers: &["crates/core/config/src/community.rs"],
    },
    Target {
        name: "conversion",
        run: conversion,
        seeds: conversion::SEEDS,
        covers: &["crates/core/api", "crates/io/webhook/src"],
    },
    Target {
        name: "durations",
        run: durations,
        seeds: durations::SEEDS,
        covers: &["crates/core/config/src/go_duration.rs"],
    },
    Target {
        name: "exclusion",
        run: exclusion,
        seeds: exclusion::SEEDS,
        covers: &["crates/core/l2/src/exclusion.rs"],
    },
    Target {
        name: "heartbeats",
        run: heartbeats,
        seeds: heartbeats::SEEDS,
        covers: &["crates/core/liveness"],
    },
    Target {
        name: "holders",
        run: holders,
        seeds: holders::SEEDS,
        covers: &["crates/core/announce/src/tenure.rs", "crates/core/announce/src/tenure"],
    },
    Target { name: "legacy", run: legacy, seeds: legacy::SEEDS, covers: &["crates/core/legacy"] },
    Target {
        name: "links",
        run: links,
        seeds: links::SEEDS,
        covers: &[
            "crates/io/linux/src/links.rs",
            "crates/io/linux/src/links",
            "crates/io/linux/src/netlink.rs",
        ],
    },
    Target {
        name: "moments",
        run: moments,
        seeds: moments::SEEDS,
        covers: &["crates/core/announce/src/saved.rs", "crates/core/announce/src/saved"],
    },
    Target {
        name: "ndp",
        run: ndp,
        seeds: ndp::SEEDS,
        covers: &[
            "crates/core/l2/src/ndp.rs",
            "crates/core/l2/src/wire.rs",
            "crates/core/l2/src/table.rs",
            "crates/core/net",
        ],
    },
    Target {
        name: "packets",
        run: packets,
        seeds: packets::SEEDS,
        covers: &["crates/core/membership/src/wire", "crates/core/membership/src/keyring.rs"],
    },
    Target { name: "ranges", run: ranges, seeds: ranges::SEEDS, covers: &["crates/core/net"] },
    Target {
        name: "selectors",
        run: selectors,
        seeds: selectors::SEEDS,
        covers: &["crates/core/config/src/selector.rs", "crates/core/config/src/selector"],
    },
    Target {
        name: "services",
        run: services,
        seeds: services::SEEDS,
        covers: &["crates/core/config/src/service.rs", "crates/core/config/src/service"],
    },
    Target {
        name: "settings",
        run: settings,
        seeds: settings::SEEDS,
        covers: &["crates/core/membership/src/settings.rs", "crates/core/config/src/go_duration.rs"],
    },
    Target {
        name: "snapshots",
        run: snapshots,
        seeds: snapshots::SEEDS,
        covers: &["crates/core/announce/src/saved.rs", "crates/core/announce/src/saved"],
    },
    Target {
        name: "streams",
        run: streams,
        seeds: streams::SEEDS,
        covers: &["crates/core/membership/src/wire", "crates/core/membership/src/keyring.rs"],
    },
];
