//! The documents about names: every metric, every name the original does not have, and every field of `MetalLB`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use metallb_allocator::ConditionReason;
use metallb_announce::AnnouncedReason;
use metallb_render::Reason;
use serde_json::Value;

use crate::generated::Mode;
use crate::shell;

#[cfg(test)]
mod tests;

const ADDITIONS: &str = "docs/additions.md";
const OPERATOR_GUIDE: &str = "docs/operator.md";
const DEFINITION: &str = "bundle/crds/metallb.io_metallbs.yaml";

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

/// Contract 03 §4.3. Its variables are no flags' (§3.1), and `docs/operator.md` lists them all.
const OPERATOR: Program = Program {
    source: "operator/src/flags.rs",
    flags: &[
        "metrics-addr",
        "enable-leader-election",
        "disable-cert-rotation",
        "cert-dir",
        "cert-service-name",
        "port",
        "webhook-http2",
        "external-metallb-webhook-server",
        "kubeconfig",
    ],
    variables: &[],
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
    let metrics = metrics(&read("docs/metrics.md")?);
    let mut found: Vec<String> = registered(&root.join("crates/io/telemetry/src/metrics"))?
        .into_iter()
        .filter(|name| !metrics.contains(name))
        .map(|name| {
            format!("docs/metrics.md lacks {name}: give it a series in telemetry/src/metrics/document.rs")
        })
        .collect();
    let (additions, guide) = (read(ADDITIONS)?, read(OPERATOR_GUIDE)?);
    let fields = fields(&read("crates/core/api/tests/data/rules.yaml")?)?;
    let new_metrics = metrics.into_iter().filter(|name| !METRICS.contains(&name.as_str()));
    found.extend(missing(&additions, fields.into_iter().chain(settings(read)?).chain(new_metrics)));
    found.extend(unlisted_reasons(&additions, &guide));
    found.extend(unexplained(&guide, &places(&read(DEFINITION)?)?));
    Ok(found)
}

/// The flags and variables of all programs that the original's do not have.
fn settings(read: impl Fn(&str) -> anyhow::Result<String>) -> anyhow::Result<Vec<String>> {
    let mut settings = Vec::new();
    for program in [CONTROLLER, SPEAKER, OPERATOR] {
        settings.extend(program.additions(&read(program.source)?)?);
    }
    Ok(settings)
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
    unlisted.map(|name| format!("{ADDITIONS} has no row for {name}")).collect()
}

/// Reasons that have no row below *Conditions*: of all resources in the one document, of `MetalLB` in the other.
fn unlisted_reasons(additions: &str, guide: &str) -> Vec<String> {
    let of_metallb = || Reason::ALL.iter().map(|reason| reason.as_str());
    let of_services = ConditionReason::ALL.iter().map(|reason| reason.as_str());
    let of_services = of_services.chain(AnnouncedReason::ALL.iter().map(|reason| reason.as_str()));
    let added = without_row(additions, 2, of_services.chain(of_metallb()));
    let added = added.map(|name| format!("{ADDITIONS} has no row for {name} below Conditions"));
    let told = without_row(guide, 1, of_metallb());
    added.chain(told.map(|name| format!("{OPERATOR_GUIDE} has no row for {name} below Conditions"))).collect()
}

/// Names that stand in this column of no table below *Conditions*.
fn without_row<'a>(
    document: &str,
    column: usize,
    names: impl Iterator<Item = &'a str>,
) -> impl Iterator<Item = &'a str> {
    let (_, below) = document.split_once("\n## Conditions\n").unwrap_or_default();
    let below = below.split("\n## ").next().unwrap_or_default();
    let listed: BTreeSet<&str> =
        rows(below).filter_map(|row| row.get(column).copied()).flat_map(code).collect();
    let unlisted: Vec<&str> = names.filter(|name| !listed.contains(name)).collect();
    unlisted.into_iter()
}

/// The cells of each row of a document's tables.
fn rows(document: &str) -> impl Iterator<Item = Vec<&str>> {
    let rows = document.lines().filter_map(|line| line.strip_prefix('|')?.trim_end().strip_suffix('|'));
    rows.map(|row| row.split('|').map(str::trim).collect())
}

/// What stands in backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Where the definition of `MetalLB` has fields, and the fields of those that are objects: `a` and `b.c`.
fn places(definition: &str) -> anyhow::Result<Vec<String>> {
    let definition: Value = serde_saphyr::from_str(definition).context("the definition cannot be read")?;
    let schema = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
    let fields =
        definition.pointer(schema).and_then(Value::as_object).context("the definition has no spec")?;
    let mut all = Vec::new();
    for (name, field) in fields {
        match field["properties"].as_object() {
            Some(inner) => all.extend(inner.keys().map(|inner| format!("{name}.{inner}"))),
            None => all.push(name.clone()),
        }
    }
    Ok(all)
}

/// Fields whose name is in the first column of no row, or that neither an example in the third one nor a whole spec sets.
fn unexplained(guide: &str, places: &[String]) -> Vec<String> {
    let specs: Vec<Value> =
        blocks(guide).iter().filter_map(|block| yaml(block)?.get("spec").cloned()).collect();
    let mut found = Vec::new();
    for place in places {
        let pointer = format!("/{}", place.replace('.', "/"));
        let row =
            rows(guide).find(|row| row.first().is_some_and(|cell| code(cell).any(|name| name == place)));
        let Some(row) = row else {
            found.push(format!("{OPERATOR_GUIDE} has no row for the field {place}"));
            continue;
        };
        let mut examples = row.get(2).copied().into_iter().flat_map(code).filter_map(yaml);
        let is_set = |spec: &Value| spec.pointer(&pointer).is_some();
        if !examples.any(|example| is_set(&example)) && !specs.iter().any(is_set) {
            found.push(format!("{OPERATOR_GUIDE} has no example of the field {place}"));
        }
    }
    found
}

fn yaml(text: &str) -> Option<Value> {
    serde_saphyr::from_str(text).ok()
}

/// The blocks a document sets apart by four blanks, without them.
fn blocks(document: &str) -> Vec<String> {
    let mut blocks = vec![String::new()];
    for line in document.lines() {
        match (line.strip_prefix("    "), blocks.last_mut()) {
            (Some(line), Some(block)) => block.extend([line, "\n"]),
            (None, Some(block)) if !block.is_empty() => blocks.push(String::new()),
            _ => {}
        }
    }
    blocks
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
