//! What the API server refuses by itself, with no program of ours running.
//!
//! The rules and the objects are those of the definitions' own tests.

#![expect(
    clippy::indexing_slicing,
    reason = "only JSON values are indexed: a missing field is null, never a panic"
)]

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use metallb_e2e::cluster::{repository, text};
use metallb_e2e::manifest::NAMESPACE;
use metallb_e2e::suite;
use metallb_testbed::Bed;
use serde_json::{Value, json};

/// The kinds that have rules, by the name of their resource. Pools come last: with their rules
/// in force all are.
const KINDS: [(&str, &str); 7] = [
    ("bgppeers", "BGPPeer"),
    ("bfdprofiles", "BFDProfile"),
    ("bgpadvertisements", "BGPAdvertisement"),
    ("l2advertisements", "L2Advertisement"),
    ("metallbs", "MetalLB"),
    ("communities", "Community"),
    ("ipaddresspools", "IPAddressPool"),
];

fn main() -> ExitCode {
    suite::run_without_nodes(
        "rules",
        prepare,
        vec![
            ("good objects are taken", good_objects),
            ("what one object shows to be wrong is refused with the reason", wrong_objects),
            ("what docs/operator.md leaves to the webhook is taken", left_to_the_webhook),
            ("wrong objects stored before there were rules take edits of other fields", stored_objects),
        ],
    )
}

struct Server {
    bed: Bed,
    rules: Value,
}

/// An object of the table.
struct Row {
    name: String,
    plural: String,
    object: Value,
    /// What the answer says when it is refused.
    says: String,
}

fn prepare(bed: Bed) -> Result<Server> {
    let table = std::fs::read_to_string(repository().join("crates/core/api/tests/data/rules.yaml"))?;
    bed.kubectl(&["create", "namespace", NAMESPACE])?;
    let server = Server { bed, rules: serde_saphyr::from_str(&table)? };
    for (plural, _) in KINDS {
        server.bed.apply(&definition(plural)?.to_string())?;
    }
    for (plural, _) in KINDS {
        let name = format!("crd/{plural}.metallb.io");
        server.bed.kubectl(&["wait", "--for=condition=Established", "--timeout=30s", &name])?;
    }
    Ok(server)
}

/// The definition as it is shipped, but for the conversion, which nobody serves here.
fn definition(plural: &str) -> Result<Value> {
    let file = repository().join(format!("bundle/crds/metallb.io_{plural}.yaml"));
    let shipped = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let mut definition: Value = serde_saphyr::from_str(&shipped)?;
    definition["spec"]["conversion"] = json!({"strategy": "None"});
    Ok(definition)
}

impl Server {
    /// The objects under this key of each rule.
    fn rows(&self, key: &str) -> Result<Vec<Row>> {
        let rules = self.rules["rules"].as_array().context("no rules")?;
        let mut rows = Vec::new();
        for (number, rule) in rules.iter().enumerate() {
            for (index, entry) in rule[key].as_array().into_iter().flatten().enumerate() {
                rows.push(row(rule, entry, format!("{key}-{number}-{index}"))?);
            }
        }
        ensure!(rows.len() >= rules.len(), "only {} objects {key} for {} rules", rows.len(), rules.len());
        Ok(rows)
    }
}

fn row(rule: &Value, entry: &Value, name: String) -> Result<Row> {
    let plural = text(&rule["plural"]);
    let (_, kind) = KINDS.iter().find(|(known, _)| *known == plural).with_context(|| plural.clone())?;
    let says = text(&entry["says"]);
    let spec = if says.is_empty() { entry } else { &entry["spec"] };
    let object = json!({
        "apiVersion": format!("metallb.io/{}", text(&rule["version"])), "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec,
    });
    Ok(Row { name, plural, object, says })
}

fn good_objects(server: &Server) -> Result<()> {
    let rows = server.rows("accepted")?;
    let all: String = rows.iter().map(|row| format!("{}\n---\n", row.object)).collect();
    server.bed.feed(&["create", "--dry-run=server", "--filename=-"], &all).map(|_| ())
}

fn wrong_objects(server: &Server) -> Result<()> {
    for row in server.rows("refused")? {
        let answer =
            server.bed.feed(&["create", "--dry-run=server", "--filename=-"], &row.object.to_string());
        let Err(refused) = answer else { anyhow::bail!("taken: {}", row.object) };
        let refused = format!("{refused:#}");
        ensure!(refused.contains(&row.says), "{}\nrefused without {:?}:\n{refused}", row.object, row.says);
    }
    Ok(())
}

fn left_to_the_webhook(server: &Server) -> Result<()> {
    let left = server.rules["left"].as_array().context("nothing is left to the webhook")?;
    let rows = left.iter().enumerate().map(|(number, entry)| row(entry, entry, format!("left-{number}")));
    let rows = rows.collect::<Result<Vec<_>>>()?;
    let all: String = rows.iter().map(|row| format!("{}\n---\n", row.object)).collect();
    server.bed.feed(&["create", "--dry-run=server", "--filename=-"], &all).map(|_| ())
}

fn stored_objects(server: &Server) -> Result<()> {
    let rows = server.rows("refused")?;
    for (plural, _) in KINDS {
        let mut before = definition(plural)?;
        remove_rules(&mut before);
        server.bed.feed(&["replace", "--filename=-"], &before.to_string())?;
    }
    let all: String = rows.iter().map(|row| format!("{}\n---\n", row.object)).collect();
    metallb_testbed::wait::until(
        "definitions without rules in force",
        std::time::Duration::from_secs(20),
        || {
            let tried = server.bed.feed(&["apply", "--filename=-"], &all);
            Ok(metallb_testbed::wait::seen(tried.is_ok(), format!("{:?}", tried.err())))
        },
    )?;
    for (plural, _) in KINDS {
        server.bed.feed(&["replace", "--filename=-"], &definition(plural)?.to_string())?;
    }
    wait_for_rules(server)?;
    for row in rows {
        let harmless = &server.rules["harmless"][&row.plural];
        let patch = if harmless.is_null() {
            json!({"metadata": {"labels": {"edited": "yes"}}})
        } else {
            json!({"metadata": {"labels": {"edited": "yes"}}, "spec": harmless})
        };
        let args =
            ["patch", &row.plural, &row.name, "-n", NAMESPACE, "--type=merge", "-p", &patch.to_string()];
        server.bed.kubectl(&args).with_context(|| row.object.to_string())?;
    }
    Ok(())
}

fn wait_for_rules(server: &Server) -> Result<()> {
    let wrong = json!({
        "apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool",
        "metadata": {"name": "probe", "namespace": NAMESPACE}, "spec": {"addresses": []},
    });
    metallb_testbed::wait::until("rules in force again", std::time::Duration::from_secs(20), || {
        let tried = server.bed.feed(&["create", "--dry-run=server", "--filename=-"], &wrong.to_string());
        Ok(metallb_testbed::wait::seen(tried.is_err(), "taken"))
    })
}

/// A definition as the original's: without rules and the limits they need.
fn remove_rules(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("x-kubernetes-validations");
            if fields.get("maxLength").and_then(Value::as_u64) == Some(253) {
                fields.remove("maxLength");
            }
            fields.values_mut().for_each(remove_rules);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_rules),
        _ => {}
    }
}
