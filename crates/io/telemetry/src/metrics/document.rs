//! The table of all metrics in `docs/metrics.md`, made of what is registered.

use std::collections::BTreeMap;
use std::path::Path;

use prometheus::proto::MetricType;

use super::{Metrics, PoolCounts};

const HEAD: &str = "# Metrics\n\nWhat the daemons export, made from the place where it is registered: `cargo xtask docs` writes this file.\n";

/// Every series of the daemons once: a family without a series is not shown by the registry.
fn controller() -> Metrics {
    let metrics = Metrics::default();
    metrics.client().unwrap().set_refused(std::iter::once(("k", "n")));
    metrics.allocator().unwrap().set_pool("p", &PoolCounts::default());
    metrics
}

fn speaker() -> Metrics {
    let metrics = Metrics::default();
    // A speaker refuses objects without naming them here.
    metrics.client().unwrap();
    metrics.snapshot().unwrap();
    metrics.members().unwrap().events.with_label_values(&["e"]).inc();
    let speaker = metrics.speaker().unwrap();
    speaker.announced.with_label_values(&["s", "p", "n", "i"]).set(1);
    let counters = [&speaker.requests_received, &speaker.responses_sent, &speaker.gratuitous_sent];
    for counter in counters.into_iter().chain([&speaker.conflicts]) {
        counter.with_label_values(&["i"]).inc();
    }
    metrics
}

fn operator() -> Metrics {
    let metrics = Metrics::default();
    let operator = metrics.operator("v").unwrap();
    operator.passes.with_label_values(&["ok"]).observe(0.0);
    operator.ready.with_label_values(&["speaker"]).set(1);
    metrics
}

fn table(metrics: &Metrics) -> String {
    let mut lines = BTreeMap::new();
    for family in metrics.registry.gather() {
        let kind = match family.get_field_type() {
            MetricType::COUNTER => "counter",
            MetricType::GAUGE => "gauge",
            MetricType::HISTOGRAM => "histogram",
            MetricType::SUMMARY => "summary",
            MetricType::UNTYPED => "untyped",
        };
        let labels = family.get_metric().iter().flat_map(|metric| metric.get_label());
        let labels: Vec<String> = labels.map(|label| format!("`{}`", label.name())).collect();
        let (name, labels, help) = (family.name(), labels.join(", "), family.help());
        lines.insert(name.to_owned(), format!("| `{name}` | {kind} | {labels} | {help} |\n"));
    }
    for series in metrics.series().values() {
        let (name, kind, labels, help) = series.described();
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = labels.join(", ");
        lines.insert(name.to_owned(), format!("| `{name}` | {kind} | {labels} | {help} |\n"));
    }
    let lines: String = lines.into_values().collect();
    format!("| name | type | labels | meaning |\n|---|---|---|---|\n{lines}")
}

#[test]
fn the_document_lists_what_is_registered() {
    let daemons = [("Controller", controller()), ("Speaker", speaker()), ("Operator", operator())];
    let tables = daemons.iter().map(|(name, metrics)| format!("\n## {name}\n\n{}", table(metrics)));
    let text: String = std::iter::once(HEAD.to_owned()).chain(tables).collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/metrics.md");
    if std::env::var_os("RECORD_DOCS").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let there = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(there, text, "docs/metrics.md is out of date; run `cargo xtask docs`");
}
