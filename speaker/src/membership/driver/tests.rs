//! A member whose memberlist port somebody else takes while it runs, and one that thaws beside others without heartbeats.

use std::any::Any;
use std::net::TcpListener;

use metallb_liveness::meta::{self, Announced};
use metallb_liveness::wire::{self, Body, Datagram, Flags};
use metallb_membership::Settings;
use metallb_membership::machine::{Event, Member};
use metallb_membership::wire::message::{Accusation, Alive, Message, State, Versions};
use metallb_telemetry::metrics::Metrics;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::super::mail;
use super::super::settings::{HANDOVER, Heartbeats};
use super::super::{Members, Membership};
use super::*;
use crate::pulse::Side;

/// Ample for anything that is waited for.
const REACTION: Duration = Duration::from_secs(15);

/// Each process has a network of its own, and each test nodes of its own.
fn settings(host: u8) -> RingSettings {
    let process = u8::try_from(std::process::id() % 250).unwrap();
    RingSettings {
        name: format!("n{host}"),
        address: [127, 29, process, host].into(),
        port: 7946,
        secret: None,
        handover: HANDOVER,
        profile: Settings::lan(),
        heartbeats: Some(Heartbeats { port: 7947, period: Duration::from_millis(100) }),
    }
}

/// Both halves of a port, as long as this lives.
fn take(address: SocketAddr) -> (std::net::UdpSocket, TcpListener) {
    (std::net::UdpSocket::bind(address).unwrap(), TcpListener::bind(address).unwrap())
}

/// One whose sockets fail, and what it is told by. Its mail and the rest have to live as long as it does.
struct Deaf {
    members: watch::Receiver<Members>,
    metrics: Metrics,
    own: watch::Sender<Own>,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
    _rest: Box<dyn Any>,
}

impl Deaf {
    fn start(settings: RingSettings, candidates: BTreeSet<IpAddr>) -> Self {
        let (candidates, candidates_seen) = watch::channel(Some(candidates));
        let (own, own_seen) = watch::channel(Own::default());
        let (subnets, subnets_seen) = watch::channel(None);
        let (published, members) = watch::channel(Members::default());
        let (mail, post) = mail::between();
        let (stop, stopped) = oneshot::channel();
        let metrics = Metrics::default();
        let inputs = Inputs {
            candidates: candidates_seen,
            own: own_seen,
            subnets: subnets_seen,
            published,
            post,
            pulse: Pulse::default(),
            stop: stopped,
        };
        let ports = Ports::broken(SocketAddr::new(settings.address, settings.port));
        let prepared = Prepared::new(settings, metrics.members().unwrap()).unwrap();
        let ended = tokio::spawn(Driver::new(prepared).run(ports, inputs));
        Self { members, metrics, own, stop, ended, _rest: Box::new((candidates, subnets, mail)) }
    }

    /// How many heartbeats it has believed.
    fn received(&self) -> u64 {
        let text = self.metrics.encode();
        let line =
            text.lines().find_map(|line| line.strip_prefix("metallb_speaker_heartbeats_received_total "));
        line.unwrap().parse().unwrap()
    }

    /// How long it answers nothing after it stood still so long that others may have taken over.
    async fn thaws(&mut self) -> Duration {
        self.own.send_modify(|own| (own.stalls, own.gap) = (own.stalls + 1, Duration::from_secs(10)));
        until(&mut self.members, |members| members.is_fenced).await;
        let closed = since_boot();
        until(&mut self.members, |members| !members.is_fenced).await;
        since_boot() - closed
    }

    async fn stops(self) {
        self.stop.send(()).unwrap();
        timeout(GOODBYE * 2, self.ended).await.expect("does not end").unwrap();
    }
}

async fn until(members: &mut watch::Receiver<Members>, is_so: impl FnMut(&Members) -> bool) {
    let is_so = timeout(REACTION, members.wait_for(is_so)).await.is_ok_and(|seen| seen.is_ok());
    assert!(is_so, "last seen {:?}", members.borrow());
}

#[tokio::test]
async fn one_whose_port_is_taken_goes_on_with_heartbeats_and_stays_a_member_until_the_port_is_free() {
    let (first, second) = (settings(1), settings(2));
    let port = SocketAddr::new(first.address, first.port);
    let taken = take(port);
    let all = BTreeSet::from([first.address, second.address]);
    let names = BTreeSet::from([first.name.clone(), second.name.clone()]);
    let other = Membership::start(second, Metrics::default().members().unwrap()).unwrap();
    other.set_candidates(all.clone());
    let mut seen = other.members();
    let mut deaf = Deaf::start(first, all);
    until(&mut deaf.members, |members| members.alive == names && !members.is_fenced).await;
    until(&mut seen, |members| members.alive == names && !members.is_fenced).await;
    // The other one's questions over memberlist's port have no answer: that alone would be its death after some five
    // seconds.
    let before = deaf.received();
    // A busy machine may have it stand still for a moment.
    let differs = |members: &Members| members.alive != names;
    tokio::select! {
        members = deaf.members.wait_for(differs) => panic!("to itself {:?}", members.unwrap()),
        members = seen.wait_for(differs) => panic!("to the other one {:?}", members.unwrap()),
        () = sleep(Duration::from_secs(12)) => {}
    }
    until(&mut deaf.members, |members| !members.is_fenced).await;
    assert!(deaf.received() > before + 50, "{} {before}", deaf.received());
    // It still notices its own pauses, and hears when they are over.
    let closings = deaf.members.borrow().closings;
    deaf.own.send_modify(|own| (own.stalls, own.gap) = (1, Duration::from_secs(1)));
    until(&mut deaf.members, |members| members.is_fenced && members.closings > closings).await;
    until(&mut deaf.members, |members| !members.is_fenced).await;
    drop(taken);
    let back = async {
        while TcpStream::connect(port).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(REACTION, back).await.expect("the port stays closed");
    deaf.stops().await;
}

#[tokio::test]
async fn one_without_its_port_can_be_stopped() {
    let settings = settings(3);
    let (address, name) = (settings.address, settings.name.clone());
    let _taken = take(SocketAddr::new(address, settings.port));
    let mut deaf = Deaf::start(settings, BTreeSet::from([address]));
    until(&mut deaf.members, |members| members.alive.contains(&name)).await;
    // Its sockets have failed by then.
    sleep(Duration::from_millis(100)).await;
    deaf.stops().await;
}

/// Of those who send no heartbeats, as the original's speakers, only memberlist can tell what they did meanwhile.
#[tokio::test]
async fn one_that_thaws_beside_members_without_heartbeats_waits_for_one_of_them_or_three_seconds() {
    let (first, second) = (settings(4), RingSettings { heartbeats: None, ..settings(5) });
    let port = SocketAddr::new(second.address, second.port);
    let all = BTreeSet::from([first.address, second.address]);
    let names = BTreeSet::from([first.name.clone(), second.name.clone()]);
    let other = Membership::start(second, Metrics::default().members().unwrap()).unwrap();
    other.set_candidates(all.clone());
    // Its port is free: it opens it once its first sockets have failed.
    let mut thawed = Deaf::start(first, all);
    until(&mut thawed.members, |members| members.alive == names && !members.is_fenced).await;
    let silence = thawed.thaws().await;
    assert!(silence < Duration::from_secs(2), "{silence:?}");
    drop(other);
    let gone = async {
        while TcpStream::connect(port).await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(REACTION, gone).await.expect("the other one's port stays open");
    let silence = thawed.thaws().await;
    assert!(silence > Duration::from_millis(2900), "{silence:?}");
    thawed.stops().await;
}

/// The thread that answers, which runs until this is aborted.
fn answering(pulse: Pulse) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            pulse.beat(Side::Answering, since_boot());
            sleep(Duration::from_millis(20)).await;
        }
    })
}

#[tokio::test]
async fn one_whose_answers_hang_is_taken_for_dead_and_asks_before_it_may_answer_again() {
    let both = [settings(8), settings(9)];
    let all: BTreeSet<IpAddr> = both.iter().map(|settings| settings.address).collect();
    let names: BTreeSet<String> = both.iter().map(|settings| settings.name.clone()).collect();
    let [first, second] = both.map(|settings| {
        let membership = Membership::start(settings, Metrics::default().members().unwrap()).unwrap();
        membership.set_candidates(all.clone());
        membership
    });
    let (mut own, mut others) = (first.members(), second.members());
    let answers = answering(first.pulse());
    for members in [&mut own, &mut others] {
        until(members, |members| members.alive == names && !members.is_fenced).await;
    }
    answers.abort();
    until(&mut others, |members| !members.alive.contains("n8")).await;
    let answers = answering(first.pulse());
    until(&mut own, |members| members.is_fenced).await;
    until(&mut own, |members| members.alive == names && !members.is_fenced).await;
    until(&mut others, |members| members.alive == names).await;
    answers.abort();
    first.pulse().ends(Side::Answering);
}

/// One that has nothing to do before long but for heartbeats, which begin in a second; and its sockets, about to fail.
fn idle(mut settings: RingSettings) -> (Driver, Ports) {
    let (profile, never) = (&mut settings.profile, Duration::ZERO);
    (profile.probe_interval, profile.gossip_interval, profile.push_pull_interval) = (never, never, never);
    let ports = Ports::broken(SocketAddr::new(settings.address, settings.port));
    let prepared = Prepared::new(settings, Metrics::default().members().unwrap()).unwrap();
    let mut driver = Driver::new(prepared);
    driver.next_review = since_boot() + REACTION;
    (driver, ports)
}

#[tokio::test]
async fn however_little_there_is_to_do_it_shows_often_enough_that_it_runs() {
    let settings = settings(10);
    let bound = settings.heartbeats.unwrap().longest_stall();
    let (mut driver, ports) = idle(settings);
    assert!(driver.pause(&ports) <= bound / 4, "{:?}", driver.pause(&ports));
    driver.settings.heartbeats = None;
    assert!(driver.pause(&ports) > bound / 4, "without heartbeats nobody looks");
}

/// All of it is done only for what they tell, and when something else is due.
#[tokio::test]
async fn heartbeats_that_say_that_all_is_as_it_was_leave_nothing_to_do_besides() {
    let [own, other] = [11, 12].map(|host| SocketAddr::new(settings(host).address, 7947));
    let (mut driver, ports) = idle(settings(11));
    let (now, sender) = (since_boot(), std::net::UdpSocket::bind(other).unwrap());
    let announced =
        Announced { version: 1, port: other.port(), boot: 7, is_starting: true, knows_terms: true };
    let announced = meta::encode(&announced);
    let beats = driver.beats.as_mut().unwrap();
    beats.turn(&Own::default(), now);
    let boot = meta::decode(&beats.meta()).unwrap().boot;
    beats.set_members([("n12", other, announced.as_slice())].into_iter(), now);
    let same = Flags::default();
    for (sequence, flags, is_news) in
        [(1, same, false), (2, same, false), (3, Flags::ANSWERS, true), (4, Flags::ANSWERS, false)]
    {
        let datagram = Datagram { from: 7, to: boot, sequence, body: Body::Heartbeat { flags, echo: 0 } };
        sender.send_to(&wire::encode(&datagram, &driver.secret.keys()), own).unwrap();
        let ready = driver.beats.as_ref().unwrap().ready();
        timeout(REACTION, ready).await.expect("nothing arrives").unwrap();
        assert_eq!(driver.hear(&ports, now), is_news, "heartbeat {sequence}");
    }
    driver.next_review = now;
    assert!(driver.hear(&ports, now), "something else is due");
}

/// Without carrier nobody could be heard: it may be the only one that gave them up.
#[tokio::test]
async fn one_that_gave_up_others_without_a_carrier_answers_when_they_are_found_again() {
    let other = settings(14);
    let address = SocketAddr::new(other.address, other.port);
    let (state, versions) = (State::Alive, Versions::OURS);
    let other = Member { name: other.name, address, meta: Vec::new(), state, versions, incarnation: 1 };
    let (mut driver, _ports) = idle(settings(13));
    let now = since_boot();
    let turn = |driver: &mut Driver, is_cut_off, is_joined| {
        let beats = driver.beats.as_mut().unwrap();
        beats.turn(&Own { is_cut_off, ..Own::default() }, now);
        beats.set_joined(is_joined, now);
        beats.is_fenced()
    };
    assert!(!turn(&mut driver, false, true), "alone");
    assert!(turn(&mut driver, true, true));
    driver.tell(&Event::Failed(other.clone()), now);
    assert!(turn(&mut driver, false, true), "it may have taken over");
    driver.tell(&Event::Joined(other), now);
    assert!(!turn(&mut driver, false, true));
}

/// What was not heard meanwhile accuses nobody.
#[tokio::test]
async fn one_that_was_cut_off_gives_whom_it_suspects_all_of_the_time_again() {
    let (own, other) = (settings(15), settings(16));
    let (node, address) = (other.name.clone(), SocketAddr::new(other.address, other.port));
    let mut driver = Driver::new(Prepared::new(own, Metrics::default().members().unwrap()).unwrap());
    let mut now = since_boot();
    let (meta, versions, incarnation) = (Vec::new(), Versions::OURS, 1);
    let alive = Message::Alive(Alive { incarnation, node: node.clone(), address, meta, versions });
    let suspect = Message::Suspect(Accusation { incarnation, node: node.clone(), from: "n17".to_owned() });
    [alive, suspect].into_iter().for_each(|message| driver.machine.datagram(address, message, now));
    let mut is_listed_after = |driver: &mut Driver, tenths| {
        for _ in 0..tenths {
            now += Duration::from_millis(100);
            driver.machine.tick(now);
        }
        (driver.machine.members().any(|member| member.name == node), now)
    };
    // Two members: four seconds.
    let (is_listed, now) = is_listed_after(&mut driver, 38);
    assert!(is_listed);
    [true, false].into_iter().for_each(|is_cut_off| driver.take_carrier(is_cut_off, now));
    assert!(is_listed_after(&mut driver, 38).0);
    driver.take_carrier(false, now);
    assert!(!is_listed_after(&mut driver, 4).0, "it was not cut off any more");
}
