//! The process (contract 01 §7.1, §7.2): how it starts, what it says, and how it ends.

#![expect(clippy::unwrap_used, reason = "a failed assumption fails the test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};

/// The controller without anything of this machine: no pod, no cluster, no environment.
fn controller(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_controller"));
    command.env_clear().args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn ends(args: &[&str]) -> Output {
    controller(args).output().unwrap()
}

/// An API server that notes the paths it is asked for, and has nothing.
struct Nothing {
    kubeconfig: PathBuf,
    asked: Receiver<String>,
}

impl Nothing {
    fn serve(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        let kubeconfig = std::env::temp_dir().join(format!("metallb-{name}-{}", std::process::id()));
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "c", "user": {}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        });
        std::fs::write(&kubeconfig, text.to_string()).unwrap();
        let (note, asked) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let note = note.clone();
                std::thread::spawn(move || answer(&stream, |path| drop(note.send(path))));
            }
        });
        Self { kubeconfig, asked }
    }

    fn start(&self, args: &[&str]) -> (Child, BufReader<ChildStdout>) {
        let mut command = controller(args);
        command.args(["--namespace=n", "--port=0", "--health-probe-port=0"]);
        command.arg(format!("--kubeconfig={}", self.kubeconfig.display()));
        let mut child = command.spawn().unwrap();
        let log = BufReader::new(child.stdout.take().unwrap());
        (child, log)
    }

    /// Every path asked for until one contains this.
    fn until(&self, part: &str) -> Vec<String> {
        let mut paths = Vec::new();
        while !paths.last().is_some_and(|path: &String| path.contains(part)) {
            paths.push(self.asked.recv().unwrap());
        }
        paths
    }
}

impl Drop for Nothing {
    fn drop(&mut self) {
        // Left behind, it harms nobody.
        let _ = std::fs::remove_file(&self.kubeconfig);
    }
}

/// One request and a 404, then the connection is closed.
fn answer(mut stream: &TcpStream, note: impl Fn(String)) {
    let mut line = String::new();
    if BufReader::new(stream).read_line(&mut line).is_ok() {
        note(line);
        let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404, "message": "nothing here"}).to_string();
        let head = "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nConnection: close\r\n";
        // Who has gone away needs no answer.
        let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len());
    }
}

fn next_line(log: &mut impl BufRead) -> Value {
    let mut line = String::new();
    log.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap()
}

fn wait_for(log: &mut impl BufRead, message: &str) {
    while next_line(log).get("msg").and_then(Value::as_str) != Some(message) {}
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn an_unknown_flag_is_told_with_the_usage_on_standard_error_and_status_2() {
    for flag in ["-nonsense=1", "--nonsense", "--port=x", "-port=70000", "--webhook-http2=maybe"] {
        let Output { status, stdout, stderr } = ends(&["--namespace=n", flag]);
        let stderr = String::from_utf8(stderr).unwrap();
        assert_eq!((status.code(), stdout.as_slice()), (Some(2), [].as_slice()), "{flag}");
        assert!(stderr.contains("Usage: controller") || stderr.contains("--help"), "{flag}: {stderr}");
    }
    let unknown = ends(&["-nonsense"]).stderr;
    assert!(String::from_utf8(unknown).unwrap().contains("Usage: controller"));
}

#[test]
fn a_value_that_means_nothing_is_logged_and_ends_with_status_1() {
    let table = [
        ("-log-level=verbose", "--log-level: invalid log level \"verbose\""),
        ("--log-level=", "--log-level: invalid log level \"\""),
        ("--webhook-mode=maybe", "invalid --webhook-mode \"maybe\""),
        ("-tls-min-version=VersionTLS10", "parsing tls-min-version: "),
        ("--tls-cipher-suites=TLS_NOTHING", "parsing tls-cipher-suites: "),
        (
            "--tls-cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "cipher suites cannot be configured with TLS 1.3",
        ),
        ("--tls-curve-preferences=0", "parsing tls-curve-preferences: "),
        ("--tls-curve-preferences=23,23", "parsing tls-curve-preferences: "),
        ("--tls-curve-preferences=1", "parsing tls-curve-preferences: "),
        ("--tls-curve-preferences=X25519", "parsing tls-curve-preferences: "),
        ("--kubeconfig=/does/not/exist", "reading kubeconfig /does/not/exist"),
    ];
    for (flag, message) in table {
        let Output { status, stdout, .. } = ends(&["--namespace=n", flag]);
        assert_eq!(status.code(), Some(1), "{flag}");
        let text = String::from_utf8(stdout).unwrap();
        let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert!(last["error"].as_str().unwrap().contains(message), "{flag}: {last}");
    }
}

#[test]
fn without_a_namespace_it_ends_with_status_1_and_says_what_to_set() {
    let Output { status, stdout, .. } = ends(&[]);
    assert_eq!(status.code(), Some(1));
    assert!(String::from_utf8(stdout).unwrap().contains("METALLB_NAMESPACE"));
}

#[test]
fn the_first_line_of_the_log_names_the_version_and_a_signal_ends_it_with_status_0() {
    for name in ["TERM", "INT"] {
        let server = Nothing::serve("greeting");
        let (mut child, mut log) = server.start(&["-webhook-mode=disabled", "--leader-elect=false"]);
        let first = next_line(&mut log);
        let message = first["msg"].as_str().unwrap();
        assert!(message.starts_with("MetalLB controller starting "), "{first}");
        for key in ["ts", "level", "caller", "version", "commit", "branch"] {
            assert!(first[key].is_string(), "{key}: {first}");
        }
        server.until("/api/v1/services");
        signal(&child, name);
        assert_eq!(child.wait().unwrap().code(), Some(0), "{name}");
        let mut rest = String::new();
        log.read_to_string(&mut rest).unwrap();
        assert!(rest.contains("controller stopped"), "{rest}");
    }
}

/// The Lease is given back to a server that never answers, which would take a second: the second signal does not wait.
#[test]
fn a_second_signal_ends_it_with_status_1() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = Nothing::serve("second");
    let text = std::fs::read_to_string(&silent.kubeconfig).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    config["clusters"][0]["cluster"]["server"] = format!("http://{}", listener.local_addr().unwrap()).into();
    std::fs::write(&silent.kubeconfig, config.to_string()).unwrap();
    let (mut child, mut log) = silent.start(&["--webhook-mode=disabled"]);
    wait_for(&mut log, "MetalLB controller starting version 0.1.0");
    // Both are there before the first is looked at: a pending signal is not lost.
    signal(&child, "STOP");
    signal(&child, "TERM");
    signal(&child, "INT");
    signal(&child, "CONT");
    let code = child.wait().unwrap().code();
    assert!(code == Some(1), "{code:?}");
}

/// Contract 01 §7.2 and D20.
#[test]
fn only_webhook_follows_neither_services_nor_pools_and_leaves_the_configuration_state_alone() {
    let server = Nothing::serve("onlywebhook");
    let (mut child, _log) = server.start(&["--webhook-mode=onlywebhook"]);
    let mut paths = server.until("/leases");
    paths.extend(server.until("/secrets"));
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    paths.extend(server.asked.try_iter());
    for none in ["configurationstates", "/services", "ipaddresspools", "namespaces?"] {
        assert!(!paths.iter().any(|path| path.contains(none)), "{none}: {paths:?}");
    }
}

/// Contract 01 §7.2: the Secret is looked for by its name, whatever is done about webhooks.
#[test]
fn the_memberlist_secret_is_looked_for_in_every_webhook_mode() {
    for mode in ["enabled", "disabled", "onlywebhook"] {
        let server = Nothing::serve(&format!("memberlist-{mode}"));
        let mode = format!("--webhook-mode={mode}");
        let (mut child, _log) = server.start(&[&mode, "--ml-secret-name=members"]);
        let asked = server.until("metadata.name%3Dmembers").pop().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(asked.starts_with("GET /api/v1/namespaces/n/secrets?"), "{mode}: {asked}");
    }
}
