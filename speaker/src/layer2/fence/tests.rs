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
    assert_eq!(gate.pace(), Some(Duration::from_millis(100)));
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

/// Lets time pass while the thread that answers runs. Whether it may, at the end.
fn run(gate: &mut Gate, milliseconds: u64) -> bool {
    for _ in 0..milliseconds / 100 {
        pass(100);
        gate.permits();
    }
    gate.permits()
}

#[test]
fn a_thread_that_follows_the_others_and_hangs_closes_the_fence_once_until_the_owner_opens_it() {
    let (mut gate, mut owner) = attended();
    let pulse = gate.pulse.clone();
    assert!(run(&mut gate, 5_000), "it was not started");
    pulse.beat(Side::Following, NOW.get());
    assert!(run(&mut gate, 400), "it is not due yet");
    pass(1);
    assert!(!gate.permits());
    assert_eq!(told(&mut owner), Some(Duration::from_millis(401)));
    assert!(!run(&mut gate, 1_000));
    assert_eq!(told(&mut owner), None, "told once");
    pulse.beat(Side::Following, NOW.get());
    assert!(!run(&mut gate, 100), "it may have missed that others took over");
    owner.open();
    assert!(run(&mut gate, 300));
    pulse.ends(Side::Following);
    assert!(run(&mut gate, 5_000), "it has ended");
}

#[test]
fn each_look_at_the_clock_shows_that_the_thread_that_answers_runs() {
    let (mut gate, _owner) = attended();
    let pulse = gate.pulse.clone();
    assert_eq!(pulse.silence(Side::Answering, NOW.get()), None);
    for _ in 0..3 {
        pass(300);
        gate.permits();
        assert_eq!(pulse.silence(Side::Answering, NOW.get()), Some(Duration::ZERO));
    }
    let mut unattended = Gate::with_clock(Fence::unattended(), || NOW.get());
    unattended.permits();
    let silence = unattended.pulse.silence(Side::Answering, NOW.get());
    assert_eq!(silence, None, "one that is never looked for may sleep for long");
}

#[test]
fn an_unattended_fence_stays_open() {
    let mut gate = Gate::with_clock(Fence::unattended(), || NOW.get());
    pass(60_000);
    assert!(gate.permits());
    assert_eq!(gate.pace(), None);
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
