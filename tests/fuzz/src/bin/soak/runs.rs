//! Long runs that are no fuzzing: tests and measurements that `make test` makes in a short form.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use anyhow::Context as _;

use crate::shell::command;
use crate::table::Outcome;

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub name: &'static str,
    /// What makes the short form long.
    environment: &'static [(&'static str, &'static str)],
    cargo: &'static [&'static str],
    /// The code it tells of.
    pub covers: &'static [&'static str],
}

/// What decides and carries a ring.
const RING: &[&str] = &["crates/core/membership", "crates/core/liveness", "speaker/src/membership"];
/// What a speaker is made of, and the bed it is put to the test on.
const SPEAKER: &[&str] = &[
    "crates/core/announce",
    "crates/core/config",
    "crates/core/l2",
    "crates/core/liveness",
    "crates/core/membership",
    "crates/core/net",
    "crates/io/cluster",
    "crates/io/linux",
    "crates/io/process",
    "crates/io/telemetry",
    "speaker/src",
    "hack/testbed/src",
    "hack/testbed/web",
    "tests/e2e/src",
    "tests/e2e/tests/failover",
];

/// Tests of failover on the test bed whose names contain this.
macro_rules! failover {
    ($($filter:expr),+) => {
        &["test", "--package", "metallb-e2e", "--test", "failover", "--", $($filter),+]
    };
}

/// All of them.
pub(crate) const RUNS: &[Run] = &[
    Run {
        name: "mixed-ring",
        environment: &[("METALLB_RING_SECONDS", "600")],
        cargo: &[
            "test",
            "--release",
            "--package",
            "metallb-speaker",
            "--test",
            "membership",
            "holds_without_a_false_death",
        ],
        covers: RING,
    },
    Run {
        name: "thousand-members",
        environment: &[],
        cargo: &["test", "--release", "--package", "metallb-membership", "--lib", "a_thousand_members"],
        covers: &["crates/core/membership"],
    },
    Run {
        name: "rings",
        environment: &[("METALLB_SIM_SEEDS", "10000")],
        cargo: &["test", "--release", "--package", "metallb-sim", "--test", "ring"],
        covers: &[
            "crates/core/liveness",
            "crates/core/membership",
            "tests/sim/src/ring",
            "tests/sim/src/ring.rs",
        ],
    },
    Run {
        name: "holders-simulated",
        environment: &[("METALLB_SIM_SEEDS", "2000")],
        cargo: &["test", "--release", "--package", "metallb-sim", "--test", "holders"],
        covers: &["crates/core/announce", "tests/sim/src/holders", "tests/sim/src/holders.rs"],
    },
    Run {
        name: "takeover",
        environment: &[("METALLB_FAILOVER_ROUNDS", "30")],
        cargo: failover!("is replaced", "--skip", "without the API server"),
        covers: SPEAKER,
    },
    Run {
        name: "planned-moves",
        environment: &[("METALLB_FAILOVER_ROUNDS", "30")],
        cargo: failover!("leaves no gap"),
        covers: SPEAKER,
    },
    Run {
        name: "load",
        environment: &[("METALLB_LOAD_SECONDS", "600")],
        cargo: failover!("every processor is busy"),
        covers: SPEAKER,
    },
    Run {
        name: "outage",
        environment: &[("METALLB_OUTAGE_SECONDS", "300")],
        cargo: failover!("without the API server"),
        covers: SPEAKER,
    },
    Run {
        name: "operator",
        environment: &[("METALLB_IDLE_SECONDS", "180")],
        cargo: &["test", "--package", "metallb-e2e", "--test", "operator"],
        covers: &[
            "operator/src",
            "crates/core/render",
            "crates/io/cluster",
            "hack/testbed/src",
            "tests/e2e/src",
            "tests/e2e/tests/operator.rs",
        ],
    },
    Run {
        name: "fields",
        environment: &[("METALLB_FIELD_ROUNDS", "5")],
        cargo: &["test", "--package", "metallb-e2e", "--test", "fields"],
        covers: &[
            "operator/src",
            "controller/src",
            "speaker/src",
            "crates/core",
            "crates/io",
            "hack/testbed/src",
            "hack/testbed/web",
            "tests/e2e/src",
            "tests/e2e/tests/fields",
        ],
    },
    Run {
        name: "bench-layer2",
        environment: &[],
        cargo: &["run", "--release", "--package", "metallb-bench", "--", "layer2", "--check"],
        covers: &[
            "crates/core/announce",
            "crates/core/config",
            "crates/core/l2",
            "crates/core/liveness",
            "crates/core/membership",
            "crates/core/net",
            "crates/io/cluster",
            "crates/io/linux",
            "crates/io/process",
            "crates/io/telemetry",
            "speaker/src",
            "hack/bench/src",
            "hack/testbed/src",
        ],
    },
];

impl Run {
    /// Runs it; what it says goes into `artifacts/soak`.
    pub(crate) fn soak(&self, root: &Path) -> anyhow::Result<Outcome> {
        let folder = root.join("artifacts/soak");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let log = folder.join(format!("{}.log", self.name));
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = command("cargo", self.cargo);
        command.current_dir(root).envs(self.environment.iter().copied());
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let begin = Instant::now();
        let status = command.status().context("cannot run cargo")?;
        let is_test = self.cargo.first() == Some(&"test");
        let has_run = !is_test || has_passed(&std::fs::read_to_string(&log)?);
        Ok(Outcome {
            seconds: begin.elapsed().as_secs(),
            executions: None,
            held: status.success() && has_run,
        })
    }
}

/// Whether some test passed: cargo is content with none.
fn has_passed(log: &str) -> bool {
    let counts = log.lines().filter_map(|line| line.strip_prefix("test result: ok. ")?.split(' ').next());
    counts.filter_map(|count| count.parse::<u32>().ok()).any(|count| count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_a_test_proves_nothing() {
        let log =
            |passed: u32| format!("running\ntest result: ok. {passed} passed; 0 failed; 7 filtered out\n");
        assert!(!has_passed(&log(0)) && has_passed(&(log(0) + &log(3))) && !has_passed(""));
    }
}
