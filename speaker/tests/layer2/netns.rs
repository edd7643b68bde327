//! Network namespaces that live as long as a thread: nothing is left behind, however a test ends.

use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use nix::sched::{CloneFlags, unshare};

type Job = Box<dyn FnOnce() + Send>;

/// A namespace without a name, entered by one thread that runs what it is given.
pub struct Namespace {
    jobs: mpsc::Sender<Job>,
    thread: nix::libc::pid_t,
}

impl Namespace {
    /// A new namespace in which only the loopback device exists.
    pub fn new() -> Self {
        let (jobs, waiting) = mpsc::channel::<Job>();
        let (ready, thread) = mpsc::channel();
        thread::spawn(move || {
            let entered = unshare(CloneFlags::CLONE_NEWNET);
            ready.send(entered.map(|()| nix::unistd::gettid().as_raw())).unwrap();
            waiting.into_iter().for_each(|job| job());
        });
        match thread.recv().unwrap() {
            Ok(thread) => Self { jobs, thread },
            Err(error) => {
                panic!("these tests need root with CAP_NET_ADMIN and CAP_NET_RAW: unshare: {error}")
            }
        }
    }

    /// Runs a closure inside and waits for its result.
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, result) = mpsc::channel();
        self.jobs.send(Box::new(move || done.send(job()).unwrap())).unwrap();
        result.recv().expect("a job in the namespace panicked")
    }

    /// Starts a program inside.
    pub fn spawn(&self, command: &str) -> Child {
        let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        let (program, args) = words.split_first().unwrap();
        let mut prepared = Command::new(program);
        prepared.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        let program = program.clone();
        let started = self.run(move || prepared.spawn());
        started.unwrap_or_else(|error| panic!("{program} does not start, is it installed? {error}"))
    }

    /// Runs a program inside to its end: whether it succeeded, and all it printed.
    pub fn try_sh(&self, command: &str) -> (bool, String) {
        let output = self.spawn(command).wait_with_output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    /// The same for programs that must succeed.
    pub fn sh(&self, command: &str) -> String {
        let (succeeded, text) = self.try_sh(command);
        assert!(succeeded, "{command}: {text}");
        text
    }

    /// Connects an interface of this namespace with one of another.
    pub fn connect(&self, name: &str, mac: &str, peer: &Self, peer_name: &str) {
        let peer = peer.thread;
        self.sh(&format!("ip link add {name} address {mac} type veth peer name {peer_name} netns {peer}"));
        self.sh(&format!("ip link set {name} up"));
    }
}
