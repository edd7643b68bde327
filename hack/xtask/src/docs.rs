//! The documents about names: every metric, and every name the original does not have.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use metallb_allocator::ConditionReason;
use metallb_announce::AnnouncedReason;

use crate::generated::Mode;
use crate::shell;

/// A program of the original's: where our flags of it are, and which of them are its own.
struct Program {
    source: &'static str,
    flags: &'static [&'static str],
    /// Environment variables that set flags.
    variables: &'static [&'static str],
}

/// Contract 01 §7.1.
const CONTROLLER: Program = Program {
    source: "controller/src/flags.rs",
    flags: CONTROLLER_FLAGS,
    variables: &["METALLB_NAMESPACE", "METALLB_ML_SECRET_NAME", "METALLB_DEPLOYMENT", "METALLB_POD_NAME"],
};

/// Contract 02 §1.1.
const SPEAKER: Program = Program {
    source: "speaker/src/flags.rs",
    flags: SPEAKER_FLAGS,
    variables: &[
        "METALLB_NAMESPACE",
        "METALLB_NODE_NAME",
        "METALLB_POD_NAME",
        "METALLB_HOST",
        "METALLB_ML_BIND_ADDR",
        "METALLB_ML_BIND_PORT",
        "METALLB_ML_LABELS",
        "METALLB_ML_SECRET_KEY_PATH",
        "METALLB_BGP_DEBOUNCE_TIMEOUT",
        "METALLB_BGP_TYPE",
        "FRRK8S_NAMESPACE",
    ],
};

const SPEAKER_FLAGS: &[&str] = &[
    "namespace",
    "node-name",
    "pod-name",
    "host",
    "ml-bindaddr",
    "ml-bindport",
    "ml-labels",
    "ml-secret-key-path",
    "ml-wan-config",
    "port",
    "health-probe-port",
    "pprof-bind-address",
    "log-level",
    "lb-class",
    "ignore-exclude-lb",
    "bgp-debounce-timeout",
    "frrk8s-namespace",
    "frrk8s-secret-passthrough",
    "tls-min-version",
    "tls-cipher-suites",
    "tls-curve-preferences",
    "metrics-cert-dir",
    "kubeconfig",
];

const CONTROLLER_FLAGS: &[&str] = &[
    "port",
    "namespace",
    "ml-secret-name",
    "deployment",
    "log-level",
    "pprof-bind-address",
    "health-probe-port",
    "disable-cert-rotation",
    "cert-dir",
    "cert-service-name",
    "lb-class",
    "webhook-mode",
    "webhook-secret",
    "pod-name",
    "webhook-http2",
    "tls-min-version",
    "tls-cipher-suites",
    "tls-curve-preferences",
    "metrics-cert-dir",
    "kubeconfig",
];

/// The metrics of the original (contract 01 §6, 02 §7), but for those every program has.
const METRICS: &[&str] = &[
    "metallb_allocator_addresses_total",
    "metallb_allocator_ipv4_addresses_total",
    "metallb_allocator_ipv6_addresses_total",
    "metallb_allocator_addresses_in_use_total",
    "metallb_allocator_ipv4_addresses_in_use_total",
    "metallb_allocator_ipv6_addresses_in_use_total",
    "metallb_k8s_client_updates_total",
    "metallb_k8s_client_update_errors_total",
    "metallb_k8s_client_config_loaded_bool",
    "metallb_k8s_client_config_stale_bool",
    "metallb_speaker_announced",
    "metallb_layer2_requests_received",
    "metallb_layer2_responses_sent",
    "metallb_layer2_gratuitous_sent",
];

/// Makes the documents so, or says what is not so.
pub(crate) fn run(root: &Path, mode: Mode) -> anyhow::Result<Vec<String>> {
    // The registry is known to its own crate only, whose test writes or compares the list.
    let mut test = shell::cargo();
    test.current_dir(root).args(["test", "--quiet", "--package", "metallb-telemetry", "--lib", "document"]);
    if mode == Mode::Write {
        test.env("RECORD_DOCS", "1");
    }
    shell::output(&mut test)?;
    let read =
        |file: &str| fs::read_to_string(root.join(file)).with_context(|| format!("cannot read {file}"));
    let mut settings = Vec::new();
    for program in [CONTROLLER, SPEAKER] {
        settings.extend(program.additions(&read(program.source)?)?);
    }
    let metrics = metrics(&read("docs/metrics.md")?);
    let mut found: Vec<String> = registered(&root.join("crates/io/telemetry/src/metrics"))?
        .into_iter()
        .filter(|name| !metrics.contains(name))
        .map(|name| {
            format!("docs/metrics.md lacks {name}: give it a series in telemetry/src/metrics/document.rs")
        })
        .collect();
    let reasons = ConditionReason::ALL.iter().map(|reason| reason.as_str());
    let reasons = reasons.chain(AnnouncedReason::ALL.iter().map(|reason| reason.as_str())).map(str::to_owned);
    let fields = fields(&read("crates/core/api/tests/data/rules.yaml")?)?;
    let new_metrics = metrics.into_iter().filter(|name| !METRICS.contains(&name.as_str()));
    found.extend(missing(
        &read("docs/additions.md")?,
        reasons.chain(fields).chain(settings).chain(new_metrics),
    ));
    Ok(found)
}

impl Program {
    /// The flags and variables the original's does not have.
    fn additions(&self, source: &str) -> anyhow::Result<Vec<String>> {
        let (flags, variables) = (flags(source), variables(source));
        let lost = |found: &BTreeSet<String>, names: &'static [&'static str]| {
            names.iter().find(|name| !found.contains(**name))
        };
        if let Some(name) = lost(&flags, self.flags).or_else(|| lost(&variables, self.variables)) {
            bail!("{} can't be read any more: no {name}", self.source);
        }
        let new_flags = flags.iter().filter(|flag| !self.flags.contains(&flag.as_str()));
        let new_variables = variables.iter().filter(|name| !self.variables.contains(&name.as_str()));
        Ok(new_flags.map(|flag| format!("--{flag}")).chain(new_variables.cloned()).collect())
    }
}

/// The names written out where metrics are registered: a family nobody gives a series is not shown by the registry.
fn registered(folder: &Path) -> anyhow::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let source = fs::read_to_string(entry?.path())?;
        let words = source.split('"').filter(|word| word.starts_with("metallb_") && is_field(word));
        names.extend(words.map(str::to_owned));
    }
    Ok(names)
}

/// Names that have no row.
fn missing(document: &str, names: impl Iterator<Item = String>) -> Vec<String> {
    let unlisted = names.filter(|name| {
        !document.lines().any(|line| line.starts_with('|') && line.contains(&format!("`{name}`")))
    });
    unlisted.map(|name| format!("docs/additions.md has no row for {name}")).collect()
}

/// The fields our definitions have beyond the original's, from the list its test allows.
fn fields(list: &str) -> anyhow::Result<Vec<String>> {
    #[derive(serde::Deserialize)]
    struct List {
        fields: Vec<Field>,
    }
    #[derive(serde::Deserialize)]
    struct Field {
        at: String,
    }
    let list: List = serde_saphyr::from_str(list).context("the list of fields cannot be read")?;
    let name = |field: Field| field.at.rsplit('.').next().unwrap_or_default().to_owned();
    Ok(list.fields.into_iter().map(name).collect())
}

/// The flags in the source: the fields below `#[arg(long`.
fn flags(source: &str) -> BTreeSet<String> {
    let mut flags = BTreeSet::new();
    let mut below = false;
    for line in source.lines().map(str::trim) {
        below |= line.starts_with("#[arg(long");
        let line = line.strip_prefix("pub ").unwrap_or(line);
        let field = line.split_once(':').map(|(name, _)| name).filter(|name| is_field(name));
        if let Some(name) = field.filter(|_| below) {
            flags.insert(name.replace('_', "-"));
            below = false;
        }
    }
    flags
}

/// The environment variables in the source.
fn variables(source: &str) -> BTreeSet<String> {
    let names = source.split("env = \"").skip(1).filter_map(|rest| rest.split('"').next());
    names.map(str::to_owned).collect()
}

fn is_field(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Our own metrics in the document.
fn metrics(document: &str) -> BTreeSet<String> {
    let names = document.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    names.filter(|name| name.starts_with("metallb_")).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_the_fields_below_their_attribute() {
        let source = "/// Port: of the probes.\n#[arg(long, default_value_t = 1)]\nport: u16,\n#[arg(long, value_parser = go_bool,\n  \
                      action = ArgAction::Set)]\npub leader_elect: bool,\n#[arg(skip = x)]\nbgp_type: String,\n";
        assert_eq!(flags(source).into_iter().collect::<Vec<_>>(), ["leader-elect", "port"]);
    }

    #[test]
    fn variables_are_those_of_flags() {
        let source = "#[arg(long, env = \"A_B\", default_value = \"\")]\na: String,\n#[arg(long)]\nb: u16,\n";
        assert_eq!(variables(source).into_iter().collect::<Vec<_>>(), ["A_B"]);
    }

    #[test]
    fn only_what_the_original_lacks_is_an_addition() {
        let program = Program { source: "flags.rs", flags: &["a"], variables: &["A"] };
        let source = "#[arg(long, env = \"A\")]\na: String,\n#[arg(long, env = \"B\")]\nb_c: u16,\n";
        assert_eq!(program.additions(source).unwrap(), ["--b-c", "B"]);
        let error = program.additions("").unwrap_err().to_string();
        assert_eq!(error, "flags.rs can't be read any more: no a");
    }

    #[test]
    fn fields_are_named_by_their_last_part() {
        let list = "rules: []\nfields:\n- { plural: a, at: spec.b.c }\n- { plural: a, at: d }\n";
        assert_eq!(fields(list).unwrap(), ["c", "d"]);
    }

    #[test]
    fn a_name_needs_a_row_of_its_own() {
        let document = "# New: `--b`\n| `--a` | x |\n";
        let found = missing(document, ["--a", "--b"].map(str::to_owned).into_iter());
        assert_eq!(found, ["docs/additions.md has no row for --b"]);
    }

    #[test]
    fn metrics_are_the_first_column() {
        let document = "| name |\n| `metallb_a` | gauge | `pool` |\n| `process_x` | gauge |\n";
        assert_eq!(metrics(document).into_iter().collect::<Vec<_>>(), ["metallb_a"]);
    }
}
