//! Rust source as the checks see it: without comments, texts and tests.
//!
//! A scanner, not a parser: it knows just enough of the language not to be fooled by a comment or a string.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::str::Chars;

mod lexer;

pub(crate) use lexer::code;

const TEST_ONLY: &str = "#[cfg(test)]";

/// Words that may stand before a path which begins with `::`, and are no part of it.
const BEFORE_A_PATH: &[&str] =
    &["as", "dyn", "else", "for", "if", "impl", "in", "match", "mut", "return", "use"];

/// `code` without the items that only tests see.
pub(crate) fn without_tests(code: &str) -> String {
    let mut kept = String::new();
    let mut rest = code;
    while let Some((before, after)) = rest.split_once(TEST_ONLY) {
        kept.push_str(before);
        rest = after_item(after);
    }
    kept + rest
}

/// What follows the item at the start of `code`: it ends with a semicolon or with its block.
fn after_item(code: &str) -> &str {
    let mut depth = 0_usize;
    for (at, c) in code.char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && matches!(c, ';' | '}') {
            let rest = code.get(at + 1..).unwrap_or_default();
            return rest.strip_prefix(';').unwrap_or(rest); // a `use` with a group ends with both
        }
    }
    ""
}

/// Every path in `code`, with groups spelled out: `std::{fs, io}` gives `std::fs` and `std::io`.
pub(crate) fn paths(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut chars = code.chars().peekable();
    while let Some(&c) = chars.peek() {
        if is_name(c) {
            read_path(&mut chars, "", &mut found);
        } else {
            chars.next();
        }
    }
    found
}

/// Reads one path, or the group at its end, and notes what it names.
fn read_path(chars: &mut Peekable<Chars<'_>>, prefix: &str, found: &mut BTreeSet<String>) {
    let mut path = prefix.to_owned();
    loop {
        skip_space(chars);
        match chars.peek() {
            Some('{') if path.ends_with("::") => return read_group(chars, &path, found),
            Some(c) if is_name(*c) => path.push_str(&read_name(chars)),
            _ => break,
        }
        if !read_separator(chars) {
            break;
        }
        if BEFORE_A_PATH.contains(&path.as_str()) {
            path.clear(); // `use ::std::fs`: the path begins here
        } else {
            path.push_str("::");
        }
    }
    if path.len() > prefix.len() {
        found.insert(path);
    }
}

fn read_group(chars: &mut Peekable<Chars<'_>>, prefix: &str, found: &mut BTreeSet<String>) {
    while let Some(c) = chars.next() {
        match c {
            '}' => return,
            '{' | ',' => read_path(chars, prefix, found),
            _ => {}
        }
    }
}

fn read_name(chars: &mut Peekable<Chars<'_>>) -> String {
    let mut name = String::new();
    while let Some(c) = chars.next_if(|c| is_name(*c)) {
        name.push(c);
    }
    name
}

fn read_separator(chars: &mut Peekable<Chars<'_>>) -> bool {
    skip_space(chars);
    chars.next_if_eq(&':').is_some() && chars.next_if_eq(&':').is_some()
}

fn skip_space(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if(|c| c.is_whitespace()).is_some() {}
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests;
