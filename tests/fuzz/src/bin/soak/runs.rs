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
    /// How many tests have to pass: cargo is content with none. None for what is no test.
    tests: u32,
    /// The code it tells of, as far as it decides the outcome: `crates/core/api` is types that mirror definitions, and what is changed
    /// there hardly ever is what a run looks at.
    pub covers: &'static [&'static str],
}

/// What decides and carries a ring, and the other side of a mixed one.
const RING: &[&str] = &[
    "crates/core/liveness",
    "crates/core/membership",
    "crates/io/linux",
    "speaker/src/membership",
    "speaker/tests/membership/mixed.rs",
    "speaker/tests/membership/ours.rs",
    "tests/interop",
];
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

/// Tests of failover on the test bed whose names contain this: their harness takes one filter, and any number of `--skip`.
macro_rules! failover {
    ($filter:expr $(, $skip:expr)*) => {
        &["test", "--package", "metallb-e2e", "--test", "failover", "--", $filter $(, "--skip", $skip)*]
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
        tests: 1,
        covers: RING,
    },
    Run {
        name: "thousand-members",
        environment: &[],
        cargo: &[
            "test",
            "--release",
            "--package",
            "metallb-membership",
            "--lib",
            "a_thousand_members_notice",
        ],
        tests: 1,
        covers: &["crates/core/membership"],
    },
    Run {
        name: "rings",
        environment: &[("METALLB_SIM_SEEDS", "10000")],
        cargo: &["test", "--release", "--package", "metallb-sim", "--test", "ring"],
        tests: 6,
        covers: &[
            "crates/core/announce/src/election.rs",
            "crates/core/liveness",
            "crates/core/membership",
            "tests/sim/src/chance.rs",
            "tests/sim/src/lib.rs",
            "tests/sim/src/ring",
            "tests/sim/src/ring.rs",
            "tests/sim/tests/ring.rs",
        ],
    },
    Run {
        name: "holders-simulated",
        environment: &[("METALLB_SIM_SEEDS", "2000")],
        cargo: &["test", "--release", "--package", "metallb-sim", "--test", "holders"],
        tests: 3,
        covers: &[
            "crates/core/announce",
            "crates/core/config",
            "crates/core/net",
            "tests/sim/src/chance.rs",
            "tests/sim/src/holders",
            "tests/sim/src/holders.rs",
            "tests/sim/src/lib.rs",
            "tests/sim/tests/holders.rs",
        ],
    },
    Run {
        name: "takeover",
        environment: &[("METALLB_FAILOVER_ROUNDS", "30")],
        cargo: failover!("is replaced", "without the API server", "a node whose"),
        tests: 3,
        covers: SPEAKER,
    },
    Run {
        name: "takeover-nodes",
        environment: &[("METALLB_FAILOVER_ROUNDS", "30"), ("METALLB_FAILOVER_BED", "nodes")],
        cargo: failover!("a node whose"),
        tests: 2,
        covers: SPEAKER,
    },
    Run {
        name: "planned-moves",
        environment: &[("METALLB_FAILOVER_ROUNDS", "30")],
        cargo: failover!("leaves no gap"),
        tests: 3,
        covers: SPEAKER,
    },
    Run {
        name: "load",
        environment: &[("METALLB_LOAD_SECONDS", "600")],
        cargo: failover!("every processor is busy"),
        tests: 1,
        covers: SPEAKER,
    },
    Run {
        name: "outage",
        environment: &[("METALLB_OUTAGE_SECONDS", "300"), ("METALLB_FAILOVER_BED", "outage")],
        cargo: failover!("without the API server"),
        tests: 1,
        covers: SPEAKER,
    },
    Run {
        name: "operator",
        environment: &[("METALLB_IDLE_SECONDS", "180")],
        cargo: &["test", "--package", "metallb-e2e", "--test", "operator"],
        tests: 6,
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
        tests: 15,
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
        tests: 0,
        covers: &[
            "controller/src",
            "crates/core/allocator",
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
        let has_run = passed(&std::fs::read_to_string(&log)?) >= self.tests;
        Ok(Outcome {
            seconds: begin.elapsed().as_secs(),
            executions: None,
            held: status.success() && has_run,
        })
    }
}

/// How many tests passed.
fn passed(log: &str) -> u32 {
    let counts = log.lines().filter_map(|line| line.strip_prefix("test result: ok. ")?.split(' ').next());
    counts.filter_map(|count| count.parse::<u32>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_that_passed_are_counted() {
        let log =
            |passed: u32| format!("running\ntest result: ok. {passed} passed; 0 failed; 7 filtered out\n");
        for (log, expected) in [(log(0), 0), (log(0) + &log(3), 3), (log(1) + &log(3), 4), (String::new(), 0)]
        {
            assert_eq!(passed(&log), expected, "{log}");
        }
    }

    #[test]
    fn a_run_of_tests_proves_nothing_without_some() {
        for run in RUNS {
            assert_eq!(run.tests > 0, run.cargo.first() == Some(&"test"), "{}", run.name);
        }
    }
}
