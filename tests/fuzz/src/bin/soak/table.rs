//! `docs/soak.md`: a row for each long run, the newest instead of the one before.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context as _;

const HEAD: &str = "# Soak\n\n\
    How long each run took without a rest, and what came of it. Written by `make soak`; the fuzz targets are described in \
    `tests/fuzz`, the other runs in `tests/fuzz/src/bin/soak/runs.rs`. A row counts as long as the code it covers is as it was: \
    `cargo run -p metallb-fuzz --bin soak -- --stale` names the runs that are due again.\n\n\
    | run | date | seconds | executions | outcome | code |\n|---|---|---|---|---|---|\n";

/// What one run came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Outcome {
    pub seconds: u64,
    /// Of a fuzz target.
    pub executions: Option<u64>,
    pub held: bool,
}

/// Puts a run's row into the table.
pub(crate) fn record(file: &Path, name: &str, outcome: Outcome, code: &str) -> anyhow::Result<()> {
    let mut rows = rows(&fs::read_to_string(file).unwrap_or_default());
    rows.insert(name.to_owned(), row(name, outcome, code));
    let rows: String = rows.into_values().map(|row| row + "\n").collect();
    fs::write(file, format!("{HEAD}{rows}")).with_context(|| format!("cannot write {}", file.display()))
}

/// The code a run's row tells of, if it held: nothing without a row, nor for edited code.
pub(crate) fn code_that_held(table: &str, name: &str) -> Option<String> {
    let row = rows(table).remove(name)?;
    let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
    let &[_, _, _, _, "held", code] = cells.as_slice() else { return None };
    (!code.contains(' ')).then(|| code.to_owned())
}

fn row(name: &str, outcome: Outcome, code: &str) -> String {
    let date = jiff::Timestamp::now().strftime("%Y-%m-%d");
    let executions = outcome.executions.map(|count| count.to_string()).unwrap_or_default();
    let word = if outcome.held { "held" } else { "broke" };
    format!("| {name} | {date} | {} | {executions} | {word} | {code} |", outcome.seconds)
}

fn rows(table: &str) -> BTreeMap<String, String> {
    let rows = table.lines().filter_map(|line| Some((line.strip_prefix("| ")?.split(' ').next()?, line)));
    rows.filter(|(name, _)| *name != "run").map(|(name, row)| (name.to_owned(), row.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_their_run() {
        let rows = rows(&format!("{HEAD}| b | 1 |\n| a | 1 |\n"));
        assert_eq!(rows.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(rows["b"], "| b | 1 |");
    }

    #[test]
    fn only_what_held_on_code_of_a_commit_counts() {
        let row = |held, code: &str| row("a", Outcome { seconds: 600, executions: None, held }, code);
        assert_eq!(code_that_held(&row(true, "1f9555d"), "a"), Some("1f9555d".to_owned()));
        for refused in [row(false, "1f9555d"), row(true, "1f9555d and edits"), String::new()] {
            assert_eq!(code_that_held(&refused, "a"), None, "{refused}");
        }
    }
}
