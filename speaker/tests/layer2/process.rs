//! A speaker's layer 2 thread in a process of its own: one that can be stopped, and whose time can be counted.

use std::io::{BufRead, BufReader, Lines};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStderr, ChildStdout, Command as Program, Stdio};

use metallb_speaker::layer2::Fence;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::*;

/// Says that this binary is to be the speaker's process, not the test: how many more addresses it announces.
const ROLE: &str = "METALLB_TEST_SPEAKER";
/// How many files it may have open when it starts, and if it asks for it.
pub const FILES: u64 = 1024;
const MOST_FILES: u64 = 16 * 1024;
const BOUND: Duration = Duration::from_millis(300);
/// The further addresses, this far apart.
const FURTHER: u32 = 0x0a00_0000;
pub const STEP: u32 = 16;

/// The process. It says `ready`, then `stalled` each time it was, and opens the fence on SIGUSR1.
#[test]
#[ignore = "the process of other tests, of no use alone"]
fn speaker() {
    let Ok(further) = std::env::var(ROLE) else { return };
    let further: u32 = further.parse().unwrap();
    // As a container may start it; the speaker asks for as many as it is allowed.
    setrlimit(Resource::RLIMIT_NOFILE, FILES, MOST_FILES).unwrap();
    metallb_process::allow_open_files().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let exclusion = Exclusion::read(std::path::Path::new("/does/not/exist")).unwrap();
        let (watch, interfaces) = InterfaceWatch::new(exclusion).unwrap();
        tokio::spawn(watch.run());
        let (fence, mut owner) = Fence::attended(BOUND);
        let counters = Metrics::default().speaker().unwrap();
        let layer2 = Layer2::start(interfaces, counters, Options { fence, ..Options::default() }).unwrap();
        let addresses = [ip(V4), ip(V6)].into_iter().chain((0..further).map(further_address));
        let announce = |address| Command::Announce { address, interfaces: Scope::All };
        assert!(layer2.send(addresses.map(announce).collect()).await);
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

/// The announced address of this number.
pub fn further_address(number: u32) -> IpAddr {
    IpAddr::V4((FURTHER + number * STEP).into())
}

/// Past the test harness, which would keep what is printed.
fn say(word: &str) {
    use std::io::Write as _;
    std::io::stderr().write_all(format!("{word}\n").as_bytes()).unwrap();
}

/// Such a process, running.
pub struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
    _stdout: Option<ChildStdout>,
}

impl Process {
    /// Announces the usual addresses and so many more.
    pub fn start(node: &Namespace, further: u32) -> Self {
        let mut program = Program::new(std::env::current_exe().unwrap());
        program.args(["process::speaker", "--exact", "--ignored", "--nocapture"]);
        program.env(ROLE, further.to_string()).process_group(0);
        program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = node.run(move || program.spawn()).unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut process = Self { _stdout: child.stdout.take(), child, lines };
        process.until("ready");
        process
    }

    /// Waits until the process says this; what it said before.
    pub fn until(&mut self, word: &str) -> Vec<String> {
        let mut before = Vec::new();
        loop {
            let line = self.lines.next().expect("the process ended").unwrap();
            if line == word {
                return before;
            }
            before.push(line);
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Stops every thread. The signal alone takes effect when the kernel gets to it.
    pub fn stop(&self) {
        self.signal(Signal::SIGSTOP);
        until("every thread is stopped", DEADLINE, || {
            let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id()))?;
            let stats = tasks.map(|task| std::fs::read_to_string(task?.path().join("stat")));
            let stats = stats.collect::<Result<Vec<String>, std::io::Error>>()?;
            Ok(seen(stats.iter().all(|stat| stat.contains(") T ")), stats.join("")))
        })
        .unwrap();
    }

    /// Has the kernel refuse to open any file more.
    pub fn limit_files(&self) {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        let open: BTreeSet<u32> =
            open.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect();
        let free = (0..).find(|number| !open.contains(number)).unwrap();
        self.set_limit(&free.to_string());
    }

    /// Takes that back.
    pub fn unlimit_files(&self) {
        self.set_limit("1024");
    }

    fn set_limit(&self, files: &str) {
        let pid = self.child.id().to_string();
        let limit = Program::new("prlimit").args(["--pid", &pid, &format!("--nofile={files}:")]).output();
        let limit = limit.unwrap();
        assert!(limit.status.success(), "{}", String::from_utf8_lossy(&limit.stderr));
    }

    /// The time the process had on any core.
    pub fn cpu_time(&self) -> Duration {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The name in parentheses may hold anything; fields are counted behind it.
        let fields = text.rsplit(')').next().unwrap().split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
        // A hundred ticks a second on every architecture Linux knows.
        Duration::from_millis(ticks * 10)
    }

    /// How many files and sockets are open.
    pub fn files(&self) -> u64 {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count().try_into().unwrap()
    }

    /// Memory in use, in kilobytes.
    pub fn resident(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
