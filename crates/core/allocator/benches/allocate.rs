//! What an allocation costs: in the pools, which must not grow with how many addresses are taken, and over Services.

#![expect(clippy::unwrap_used, reason = "a failed assumption fails the benchmark")]
#![expect(clippy::indexing_slicing, reason = "indices are rolled below the length")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use metallb_allocator::{Allocator, FreeSet, Options};
use metallb_config::service::{IngressEntry, parse};
use metallb_config::{Config, RawConfig, ServiceView};
use metallb_net::{IpFamily, IpRange};
use serde_json::json;

/// A sequence without rhythm.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(self.0 >> 33).unwrap() % sides
    }
}

/// A /8 of which nine in ten addresses are taken, without any order.
fn nearly_full(dice: &mut Dice) -> (FreeSet, Vec<IpAddr>) {
    let mut set = FreeSet::new(&["10.0.0.0/8".parse().unwrap()], IpFamily::V4);
    let mut taken = Vec::new();
    for number in 0..1 << 24 {
        if dice.roll(10) != 0 {
            let address = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number));
            set.take(address);
            taken.push(address);
        }
    }
    (set, taken)
}

/// Ten thousand ranges of eight addresses, declared without any order; half the addresses are taken.
fn fragmented(dice: &mut Dice) -> (FreeSet, Vec<IpAddr>) {
    let mut ranges: Vec<IpRange> = (0..10_000u32)
        .map(|number| {
            let first = 0x0a00_0000 + number * 16;
            let [first, last] = [first, first + 7].map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)));
            IpRange::new(first, last).unwrap()
        })
        .collect();
    for index in (1..10_000u32).rev() {
        ranges.swap(index as usize, dice.roll(index + 1) as usize);
    }
    let mut set = FreeSet::new(&ranges, IpFamily::V4);
    let mut taken = Vec::new();
    for range in &ranges {
        for address in (0..8).filter_map(|n| range.nth(n)).filter(|_| dice.roll(2) == 0) {
            set.take(address);
            taken.push(address);
        }
    }
    (set, taken)
}

fn pools(c: &mut Criterion) {
    let mut dice = Dice(1);
    for (name, (mut set, taken)) in
        [("slash-8-90-percent-full", nearly_full(&mut dice)), ("10000-ranges", fragmented(&mut dice))]
    {
        let mut group = c.benchmark_group(name);
        group.bench_function("allocate-and-release-lowest", |b| {
            b.iter(|| {
                let (_, address) = set.first(|_| true).unwrap();
                set.take(address);
                set.give_back(black_box(address));
            });
        });
        group.bench_function("release-and-allocate-any", |b| {
            // Few enough that looking them up costs nothing.
            let some: Vec<IpAddr> = taken.iter().step_by(taken.len() / 4096).copied().collect();
            let sides = u32::try_from(some.len()).unwrap();
            b.iter(|| {
                let address = some[dice.roll(sides) as usize];
                set.give_back(address);
                set.take(black_box(address));
            });
        });
        group.bench_function("n-th-free", |b| b.iter(|| set.nth(black_box(u128::from(dice.roll(30_000))))));
        group.finish();
    }
}

fn config(addresses: &[&str]) -> Arc<Config> {
    let pool = json!({
        "apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": {"name": "p"},
        "spec": {"addresses": addresses},
    });
    let pools = vec![Arc::new(serde_json::from_value(pool).unwrap())];
    Arc::new(metallb_config::parse(&RawConfig { pools, ..RawConfig::default() }, &Config::default()).config)
}

fn service(number: u32) -> ServiceView {
    let service = json!({
        "metadata": {"name": format!("web-{number:05}"), "namespace": "default"},
        "spec": {"type": "LoadBalancer", "clusterIPs": ["10.96.0.1"], "ports": [{"port": 80}]},
    });
    parse(&serde_json::from_value(service).unwrap())
}

/// Ten thousand Services that have their addresses already.
fn recorded() -> Vec<Arc<ServiceView>> {
    let view = |number| ServiceView {
        ingress: vec![IngressEntry::Address(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number)))],
        recorded_pool: Some("p".into()),
        ..service(number)
    };
    (0..10_000).map(|number| Arc::new(view(number))).collect()
}

fn told(config: &Arc<Config>, views: &[Arc<ServiceView>]) -> Allocator {
    let mut allocator = Allocator::new(Options::default(), Arc::clone(config));
    views.iter().for_each(|view| allocator.observe(Arc::clone(view)));
    allocator
}

fn services(c: &mut Criterion) {
    let (small, grown) = (config(&["10.0.0.0/16"]), config(&["10.0.0.0/16", "10.2.0.0/16"]));
    let fresh: Vec<Arc<ServiceView>> = (0..10_000).map(|number| Arc::new(service(number))).collect();
    let recorded = recorded();
    let mut group = c.benchmark_group("10000-services");
    group.sample_size(20);
    for (name, views, writes) in [("assign", &fresh, 10_000), ("adopt", &recorded, 0)] {
        group.bench_function(name, |b| {
            b.iter_batched(
                || told(&small, views),
                |mut allocator| {
                    assert_eq!(allocator.settle().len(), writes);
                    allocator
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.bench_function("add-a-range", |b| {
        let settled = || {
            let mut allocator = told(&small, &recorded);
            allocator.settle();
            allocator
        };
        b.iter_batched(
            settled,
            |mut allocator| {
                allocator.set_config(Arc::clone(&grown));
                assert!(allocator.settle().is_empty());
                allocator
            },
            BatchSize::LargeInput,
        );
    });
    group.bench_function("create-and-delete-one", |b| {
        let mut allocator = told(&small, &recorded);
        allocator.settle();
        let one = Arc::new(service(99_999));
        b.iter(|| {
            allocator.observe(Arc::clone(&one));
            assert_eq!(allocator.settle().len(), 1);
            allocator.forget(&one.key);
            assert!(allocator.settle().is_empty());
        });
    });
    group.finish();
}

criterion_group!(benches, pools, services);
criterion_main!(benches);
