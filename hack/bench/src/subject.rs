//! The program under test, and what it costs.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::bare::{READY, Task};
use crate::cluster::{Cluster, POD, SYSTEM, until};
use crate::layer2::lab;

const PROBES: u16 = 27472;
const START: Duration = Duration::from_secs(120);
const STOP: Duration = Duration::from_secs(20);

/// A running program. Killed when dropped.
pub(crate) struct Subject {
    child: Child,
    /// When it was started.
    pub(crate) started: Instant,
}

/// Memory in MB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Resident now.
    pub(crate) resident: f64,
    /// The most there ever was.
    pub(crate) peak: f64,
}

impl Subject {
    /// The controller, started as in a pod but without webhooks.
    pub(crate) fn controller(controller: &Path, cluster: &Cluster) -> Result<Self> {
        let mut command = Command::new(controller);
        command.args(["--port=0", &format!("--health-probe-port={PROBES}")]);
        command.args(["--log-level=info", "--webhook-mode=disabled", "--disable-cert-rotation"]);
        command.env_clear();
        command.envs([
            ("METALLB_NAMESPACE", SYSTEM),
            ("METALLB_POD_NAME", POD),
            ("METALLB_BGP_TYPE", "native"),
        ]);
        command.env("KUBECONFIG", &cluster.kubeconfig);
        Self::start(command, Stdio::null(), log("controller")?)
    }

    /// A speaker, started as in a pod on this machine at this address, and member of the ring.
    pub(crate) fn speaker(
        speaker: &Path,
        cluster: &Cluster,
        (machine, address): (&str, &str),
    ) -> Result<Self> {
        let mut command = Command::new(speaker);
        command.arg("--kubeconfig").arg(&cluster.kubeconfig);
        command.env_clear();
        command.envs([
            ("METALLB_NAMESPACE", SYSTEM),
            ("METALLB_NODE_NAME", machine),
            ("METALLB_POD_NAME", &lab::pod_of(machine)),
            ("METALLB_ML_BIND_ADDR", address),
            ("METALLB_ML_LABELS", lab::LABEL),
        ]);
        let log = log(&format!("speaker-{machine}"))?;
        Self::start(command, log.try_clone()?, log)
    }

    /// The bare client.
    pub(crate) fn bare(cluster: &Cluster, task: Task, condition: bool) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe().context("we have no file")?);
        command.arg("bare").arg("--kubeconfig").arg(&cluster.kubeconfig).arg(task.as_str());
        command.args(condition.then_some("--condition"));
        Self::start(command, Stdio::piped(), Stdio::inherit())
    }

    fn start(mut command: Command, output: impl Into<Stdio>, errors: impl Into<Stdio>) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let what = command.get_program().to_string_lossy().into_owned();
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {what}"))?;
        Ok(Self { child, started })
    }

    /// Waits until the controller says that it is ready; when it did.
    pub(crate) async fn probed_ready(&mut self) -> Result<Instant> {
        self.fail_if_ended()?;
        until("readiness of the controller", START, || async { Ok(probe().await.then(Instant::now)) }).await
    }

    /// Waits until the bare client says that it is ready.
    pub(crate) async fn told_ready(&mut self) -> Result<()> {
        let output = self.child.stdout.take().context("the bare client's output is taken")?;
        let read = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(output).read_line(&mut line).map(|_| line)
        });
        let line = read.await??;
        if line.trim() != READY {
            bail!("the bare client said {line:?}");
        }
        Ok(())
    }

    fn fail_if_ended(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("it ended by itself: {status}"),
            None => Ok(()),
        }
    }

    /// CPU time it used so far, of all its threads.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let folder = format!("/proc/{}/task", self.child.id());
        let mut sum = 0;
        for thread in fs::read_dir(&folder).with_context(|| format!("cannot read {folder}"))? {
            // A thread may have ended since.
            let text = fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
            sum += text.split(' ').next().and_then(|on_cpu| on_cpu.parse::<u64>().ok()).unwrap_or_default();
        }
        Ok(Duration::from_nanos(sum))
    }

    /// Its memory.
    pub(crate) fn memory(&self) -> Result<Memory> {
        let file = format!("/proc/{}/status", self.child.id());
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
            kilobytes.map(|kilobytes| kilobytes / 1024.0).with_context(|| format!("no {name} in {file}"))
        };
        Ok(Memory { resident: field("VmRSS:")?, peak: field("VmHWM:")? })
    }

    /// Asks it to stop, and waits until it is gone.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.fail_if_ended()?;
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM)?;
        let asked = Instant::now();
        while asked.elapsed() < STOP {
            if let Some(status) = self.child.try_wait()? {
                return match status.code() {
                    Some(0) => Ok(()),
                    _ if status.signal() == Some(Signal::SIGTERM as i32) => Ok(()),
                    _ => bail!("it ended with {status}"),
                };
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("it did not stop within {STOP:?}")
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _status = self.child.wait();
    }
}

/// A program's log: as in a pod it has somewhere to go, and it is there to be read after a failure.
fn log(name: &str) -> Result<File> {
    let file = Path::new("artifacts/bench").join(name).with_extension("log");
    fs::create_dir_all("artifacts/bench").context("cannot make artifacts/bench")?;
    let opened = File::options().create(true).append(true).open(&file);
    opened.with_context(|| format!("cannot open {}", file.display()))
}

async fn probe() -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], PROBES))).await?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<String, std::io::Error>(answer)
    };
    ask.await.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}
