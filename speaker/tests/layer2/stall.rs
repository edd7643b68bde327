//! A process of its own that is stopped and goes on: the fence holds back what waited in its sockets.

use std::io::{BufRead, BufReader, Lines};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command as Program, Stdio};

use metallb_speaker::layer2::Fence;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::*;

/// Says that this binary is to be the speaker's process, not the test.
const ROLE: &str = "METALLB_TEST_STALL";
const BOUND: Duration = Duration::from_millis(300);

/// The stopped process. It says `ready`, then `stalled` each time, and opens the fence on SIGUSR1.
#[test]
#[ignore = "the process of the test below, of no use alone"]
fn process() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let exclusion = Exclusion::read(std::path::Path::new("/does/not/exist")).unwrap();
        let (watch, interfaces) = InterfaceWatch::new(exclusion).unwrap();
        tokio::spawn(watch.run());
        let (fence, mut owner) = Fence::attended(BOUND);
        let counters = Metrics::default().speaker().unwrap();
        let layer2 = Layer2::start(interfaces, counters, Options { fence, ..Options::default() }).unwrap();
        let announce = |address| Command::Announce { address: ip(address), interfaces: Scope::All };
        assert!(layer2.send(vec![announce(V4), announce(V6)]).await);
        let user = tokio::signal::unix::SignalKind::user_defined1();
        let mut opened = tokio::signal::unix::signal(user).unwrap();
        say("ready");
        loop {
            tokio::select! {
                _ = opened.recv() => {
                    owner.open();
                    say("opened");
                }
                _ = owner.stalled() => say("stalled"),
            }
        }
    });
}

/// Past the test harness, which would keep what is printed.
fn say(word: &str) {
    use std::io::Write as _;
    std::io::stderr().write_all(format!("{word}\n").as_bytes()).unwrap();
}

struct Process {
    child: Child,
    lines: Lines<BufReader<std::process::ChildStderr>>,
    _stdout: Option<ChildStdout>,
}

impl Process {
    fn start(node: &Namespace) -> Self {
        let mut program = Program::new(std::env::current_exe().unwrap());
        program.args(["stall::process", "--exact", "--ignored", "--nocapture"]).env(ROLE, "1");
        program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = node.run(move || program.spawn()).unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut process = Self { _stdout: child.stdout.take(), child, lines };
        process.until("ready");
        process
    }

    fn until(&mut self, word: &str) {
        loop {
            let line = self.lines.next().expect("the process ended").unwrap();
            if line == word {
                return;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_answered(client: &Namespace, address: &str) -> bool {
    let (_, text) = client.try_sh(&question(address));
    text.to_lowercase().contains(NODE_MAC)
}

#[test]
fn a_process_that_was_stopped_answers_nothing_until_the_fence_is_opened() {
    let (node, client) = (Namespace::new(), Namespace::new());
    connect(&node, &client);
    let mut process = Process::start(&node);
    for address in [V4, V6] {
        until("answered before", DEADLINE, || Ok(seen(is_answered(&client, address), address))).unwrap();
    }
    process.signal(Signal::SIGSTOP);
    // Each asks for a second, so the stop is longer than the bound; the questions wait in the sockets.
    for address in [V4, V6] {
        assert!(!is_answered(&client, address), "{address} is answered by a stopped process");
    }
    let mut dump =
        Dump::start(&client, 1, &format!("ether src {NODE_MAC} and (arp or (icmp6 and ip6[40] == 136))"));
    process.signal(Signal::SIGCONT);
    process.until("stalled");
    for address in [V4, V6] {
        assert!(!is_answered(&client, address), "{address} is answered behind a closed fence");
    }
    assert!(dump.is_waiting(), "something was sent behind a closed fence");
    process.signal(Signal::SIGUSR1);
    process.until("opened");
    // The neighbours are told that the addresses are here, without having asked.
    let sent = dump.finish();
    assert!(sent.contains(V4) || sent.contains(V6), "{sent}");
    for address in [V4, V6] {
        until("answered again", DEADLINE, || Ok(seen(is_answered(&client, address), address))).unwrap();
    }
}
