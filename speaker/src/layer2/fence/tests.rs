use std::cell::Cell;

use super::*;

const BOUND: Duration = Duration::from_millis(400);

thread_local! {
    static NOW: Cell<Duration> = const { Cell::new(Duration::from_secs(1)) };
}

fn pass(milliseconds: u64) {
    NOW.set(NOW.get() + Duration::from_millis(milliseconds));
}

fn attended() -> (Gate, FenceOwner) {
    let (fence, owner) = Fence::attended(BOUND);
    (Gate::with_clock(fence, || NOW.get()), owner)
}

/// What the owner is told at once, if anything.
fn told(owner: &mut FenceOwner) -> Option<Duration> {
    use futures::FutureExt;
    owner.stalled().now_or_never()
}

#[test]
fn looks_within_the_bound_find_the_fence_open() {
    let (mut gate, mut owner) = attended();
    for _ in 0..10 {
        pass(400);
        assert!(gate.permits());
    }
    assert_eq!(told(&mut owner), None);
    assert_eq!(gate.pulse(), Some(Duration::from_millis(100)));
}

#[test]
fn a_jump_of_the_clock_closes_the_fence_until_the_owner_opens_it() {
    let (mut gate, mut owner) = attended();
    pass(401);
    assert!(!gate.permits());
    pass(100);
    assert!(!gate.permits() && !owner.is_open(), "time alone opens nothing");
    assert_eq!(told(&mut owner), Some(Duration::from_millis(401)));
    assert_eq!(told(&mut owner), None, "told once");
    owner.open();
    assert!(gate.permits() && owner.is_open());
}

#[test]
fn an_owner_who_does_not_know_of_the_stall_opens_nothing() {
    let (mut gate, mut owner) = attended();
    pass(1000);
    assert!(!gate.permits());
    owner.open();
    assert!(!gate.permits(), "the owner decided before the stall and acted after it");
    assert!(told(&mut owner).is_some());
    pass(1000);
    assert!(!gate.permits());
    owner.open();
    assert!(!gate.permits(), "it stalled a second time meanwhile");
    assert!(told(&mut owner).is_some());
    owner.open();
    assert!(gate.permits());
}

#[test]
fn the_owner_closes_and_opens_at_will() {
    let (mut gate, owner) = attended();
    owner.close();
    assert!(!gate.permits());
    owner.open();
    assert!(gate.permits());
}

#[test]
fn an_unattended_fence_stays_open() {
    let mut gate = Gate::with_clock(Fence::unattended(), || NOW.get());
    pass(60_000);
    assert!(gate.permits());
    assert_eq!(gate.pulse(), None);
}

#[test]
fn the_gate_tells_when_the_fence_opened() {
    use futures::FutureExt;
    let (mut gate, owner) = attended();
    assert!(gate.changed().now_or_never().is_none());
    owner.close();
    assert!(gate.changed().now_or_never().is_some());
    assert!(gate.changed().now_or_never().is_none());
    owner.open();
    assert!(gate.changed().now_or_never().is_some());
}
