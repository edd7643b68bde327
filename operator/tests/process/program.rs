//! An operator's process, in a network of its own.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use metallb_api::MetalLB;
use metallb_render::DEFINITION;
use metallb_testbed::wait::{Seen, until};
use metallb_testkit::{ApiServer, Socket};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// Ample for anything an operator says or does.
pub const DEADLINE: Duration = Duration::from_secs(20);

pub const NAMESPACE: &str = "metallb-system";

/// What an operator is never without.
pub const MANDATORY: [(&str, &str); 3] = [
    ("OPERATOR_NAMESPACE", NAMESPACE),
    ("CONTROLLER_IMAGE", "example/controller:1"),
    ("SPEAKER_IMAGE", "example/speaker:1"),
];

/// Gives this thread, and the processes it starts, a network in which every port is free.
pub fn own_network() {
    let entered = unshare(CloneFlags::CLONE_NEWNET);
    entered.unwrap_or_else(|error| panic!("these tests need root with CAP_NET_ADMIN: unshare: {error}"));
    let status = Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap();
    assert!(status.success());
}

/// An operator without anything of this machine: no pod, no cluster, no environment but this.
fn operator(flags: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_operator"));
    command.env_clear().args(flags).envs(variables.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs one to its end.
pub fn output(flags: &[&str], variables: &[(&str, &str)]) -> Output {
    operator(flags, variables).output().unwrap()
}

/// An API server with a `MetalLB` resource, and the network it is in.
pub struct Cluster {
    pub server: ApiServer,
    pub address: SocketAddr,
    socket: Socket,
}

impl Cluster {
    /// In a network of its own, which is that of this thread.
    pub fn new() -> Self {
        own_network();
        let server = ApiServer::default();
        let definition = json!({"metadata": {"name": DEFINITION}, "spec": {"group": "metallb.io",
            "names": {"kind": "MetalLB", "plural": "metallbs"}, "scope": "Namespaced", "versions": []}});
        server.put::<CustomResourceDefinition>(&serde_json::from_value(definition).unwrap());
        let resource = json!({"apiVersion": "metallb.io/v1beta1", "kind": "MetalLB",
            "metadata": {"name": "metallb", "namespace": NAMESPACE}, "spec": {}});
        server.put::<MetalLB>(&serde_json::from_value(resource).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let socket = Socket::serve(&server, listener);
        Self { server, address, socket }
    }

    /// Starts an operator with these flags and variables beside the mandatory ones.
    pub fn start(&self, flags: &[&str], variables: &[(&str, &str)]) -> Operator {
        let variables = [&MANDATORY[..], variables].concat();
        let mut child = operator(flags, &variables).arg(self.socket.flag()).spawn().unwrap();
        let (say, lines) = channel();
        let log = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                // Nobody may be left to hear it.
                let _ = say.send(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
        });
        Operator { child, lines, said: Vec::new() }
    }
}

/// A running operator, killed with this.
pub struct Operator {
    child: Child,
    lines: Receiver<Value>,
    said: Vec<Value>,
}

impl Operator {
    /// The first line with this message, said already or before long.
    pub fn says(&mut self, message: &str) -> Value {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(line) = self.said.iter().find(|line| line["msg"] == message) {
                return line.clone();
            }
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.said.push(line),
                Err(error) => panic!("never said: {message:?} ({error}); said: {:#?}", self.said),
            }
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Waits for its end: with which status it was, none if a signal did it.
    pub fn ends(&mut self) -> Option<i32> {
        let child = &mut self.child;
        let status = until("the process ends", DEADLINE, || {
            Ok(child.try_wait()?.map_or_else(|| Seen::NotYet("it runs".to_owned()), Seen::Done))
        });
        status.unwrap().code()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
