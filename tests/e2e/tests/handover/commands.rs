//! The commands that the documentation tells admins, run as they stand there.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use metallb_e2e::Cluster;
use metallb_e2e::cluster::repository;

/// Ample for pods to end.
const DEADLINE: Duration = Duration::from_secs(120);

/// Runs the commands of a block of docs/operator.md where the original's manifest is: the block that follows the paragraph
/// which begins with these words.
pub(crate) fn run(cluster: &Cluster, paragraph: &str) -> Result<()> {
    let commands = documented(paragraph)?;
    let kubectl = cluster.bed.kubectl_command().join("' '");
    let folder = cluster.bed.state().display();
    let script = format!("set -e\nkubectl() {{ '{kubectl}' \"$@\"; }}\ncd '{folder}'\n{commands}");
    cluster.bed.run_within(DEADLINE, "cp", &["sh", "-c", &script]).map(|_| ())
}

fn documented(paragraph: &str) -> Result<String> {
    let text = std::fs::read_to_string(repository().join("docs/operator.md"))
        .context("cannot read docs/operator.md")?;
    let mut lines = text.lines().skip_while(|line| !line.starts_with(paragraph));
    // The rest of the paragraph, which ends with a blank line.
    lines.by_ref().take_while(|line| !line.is_empty()).for_each(drop);
    let commands: Vec<&str> = lines.map_while(|line| line.strip_prefix("    ")).collect();
    ensure!(!commands.is_empty(), "docs/operator.md has no commands after {paragraph:?}");
    Ok(commands.join("\n"))
}
