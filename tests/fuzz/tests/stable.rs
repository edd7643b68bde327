//! The fuzz targets on stable: their seeds, mutations of them, and noise.

use std::fs;
use std::path::Path;

use metallb_fuzz::{TARGETS, Target};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

/// A change to some bytes.
#[derive(Clone, Debug)]
enum Change {
    Replace(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, u8),
    Splice(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let byte = || prop_oneof![any::<u8>(), proptest::sample::select(&b"-/.,:= \n0129afx{}[]\"'"[..])];
    prop_oneof![
        (any::<Index>(), byte()).prop_map(|(at, byte)| Change::Replace(at, byte)),
        (any::<Index>(), prop::collection::vec(byte(), 1..6))
            .prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (any::<Index>(), 1u8..8).prop_map(|(at, count)| Change::Remove(at, count)),
        (any::<Index>(), any::<Index>()).prop_map(|(seed, at)| Change::Splice(seed, at)),
    ]
}

fn apply(target: &Target, data: &mut Vec<u8>, change: Change) {
    let bound = data.len() + 1;
    match change {
        Change::Replace(at, byte) => {
            if let Some(old) = data.get_mut(at.index(bound)) {
                *old = byte;
            }
        }
        Change::Insert(at, bytes) => {
            let at = at.index(bound);
            data.splice(at..at, bytes);
        }
        Change::Remove(at, count) => {
            let start = at.index(bound);
            data.drain(start..(start + usize::from(count)).min(data.len()));
        }
        Change::Splice(seed, at) => {
            data.truncate(at.index(bound));
            data.extend(seed.get(target.seeds).bytes());
        }
    }
}

fn inputs(target: Target) -> impl Strategy<Value = Vec<u8>> {
    let mutated = (any::<Index>(), prop::collection::vec(change(), 0..8)).prop_map(move |(seed, changes)| {
        let mut data = seed.get(target.seeds).as_bytes().to_vec();
        changes.into_iter().for_each(|change| apply(&target, &mut data, change));
        data
    });
    prop_oneof![9 => mutated, 1 => prop::collection::vec(any::<u8>(), 0..200)]
}

#[test]
fn every_target_takes_its_seeds() {
    for target in TARGETS {
        target.seeds.iter().for_each(|seed| (target.run)(seed.as_bytes()));
    }
}

#[test]
fn every_target_takes_mutations_of_its_seeds_and_noise() {
    for target in TARGETS {
        let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(4096) });
        let outcome = runner.run(&inputs(*target), |data| {
            (target.run)(&data);
            Ok(())
        });
        if let Err(failure) = outcome {
            panic!("target {}: {failure}", target.name);
        }
    }
}

#[test]
fn every_target_is_built_for_cargo_fuzz() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("targets");
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let built: Vec<&str> = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\""))
        .collect();
    assert_eq!(built, TARGETS.iter().map(|target| target.name).collect::<Vec<_>>());
    for target in TARGETS {
        let wrapper = fs::read_to_string(folder.join(format!("fuzz_targets/{}.rs", target.name))).unwrap();
        assert!(wrapper.contains(&format!("metallb_fuzz::{}(data)", target.name)), "{wrapper}");
    }
}
