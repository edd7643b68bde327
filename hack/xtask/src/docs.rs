//! The documents about names: every metric, and every name the original does not have.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};
use metallb_allocator::ConditionReason;
use metallb_announce::AnnouncedReason;

use crate::generated::Mode;
use crate::shell;

/// The flags of the original's controller (contract 01 §7.1).
const FLAGS: &[&str] = &[
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
    let flags = flags(&read("controller/src/flags.rs")?);
    ensure!(FLAGS.iter().all(|flag| flags.contains(*flag)), "controller/src/flags.rs can't be read any more");
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
    let new_flags =
        flags.iter().filter(|flag| !FLAGS.contains(&flag.as_str())).map(|flag| format!("--{flag}"));
    let new_metrics = metrics.into_iter().filter(|name| !METRICS.contains(&name.as_str()));
    found.extend(missing(
        &read("docs/additions.md")?,
        reasons.chain(fields).chain(new_flags).chain(new_metrics),
    ));
    Ok(found)
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
        let field = line.split_once(':').map(|(name, _)| name).filter(|name| is_field(name));
        if let Some(name) = field.filter(|_| below) {
            flags.insert(name.replace('_', "-"));
            below = false;
        }
    }
    flags
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
                      action = ArgAction::Set)]\nleader_elect: bool,\n#[arg(skip = x)]\nbgp_type: String,\n";
        assert_eq!(flags(source).into_iter().collect::<Vec<_>>(), ["leader-elect", "port"]);
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
