//! Tells code from comments and texts.

/// `source` with comments and the insides of texts blanked out; lines stay where they are.
pub(crate) fn code(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let hidden = hidden_prefix(rest, code.chars().next_back());
        if hidden == 0 {
            code.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        } else {
            let (dark, after) = rest.split_at(hidden);
            code.extend(dark.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = after;
        }
    }
    code
}

/// How many bytes at the start of `rest` are a comment or a text.
fn hidden_prefix(rest: &str, before: Option<char>) -> usize {
    let in_name = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if rest.starts_with("//") {
        rest.find('\n').unwrap_or(rest.len())
    } else if rest.starts_with("/*") {
        block_comment(rest)
    } else if let Some(quoted) = rest.strip_prefix('"') {
        1 + escaped(quoted, '"')
    } else if rest.starts_with('r') && !in_name {
        raw_text(rest)
    } else if let Some(quoted) = rest.strip_prefix('\'') {
        character(quoted)
    } else {
        0
    }
}

/// Block comments nest.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    loop {
        let here = rest.get(at..).unwrap_or_default();
        if here.is_empty() {
            return rest.len();
        } else if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
        if depth == 0 {
            return at;
        }
    }
}

/// Length up to and with the closing `quote`.
fn escaped(quoted: &str, quote: char) -> usize {
    let mut skip = false;
    for (at, c) in quoted.char_indices() {
        match c {
            _ if skip => skip = false,
            '\\' => skip = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    quoted.len()
}

fn raw_text(rest: &str) -> usize {
    let hashes = rest.chars().skip(1).take_while(|c| *c == '#').count();
    let start = 1 + hashes;
    let Some(quoted) = rest.get(start..).and_then(|rest| rest.strip_prefix('"')) else { return 0 };
    let end = format!("\"{}", "#".repeat(hashes));
    quoted.find(&end).map_or(rest.len(), |at| start + 1 + at + end.len())
}

/// A character, unless the quote begins a lifetime.
fn character(quoted: &str) -> usize {
    let mut chars = quoted.chars();
    match (chars.next(), chars.next()) {
        (Some('\\'), _) => 1 + escaped(quoted, '\''),
        (Some(c), Some('\'')) => 1 + c.len_utf8() + 1,
        _ => 0,
    }
}
