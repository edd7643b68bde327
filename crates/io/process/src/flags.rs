//! Go's `flag` package takes `-port=1` for `--port=1`; manifests of today's users rely on it.

use std::ffi::OsString;

/// Turns single-dash long flags into double-dash ones, and leaves everything else alone.
///
/// `-h` stays the short help flag. Arguments after a bare `--` are not flags. `-1` stays a value.
pub fn go_style(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut flags_ended = false;
    args.into_iter()
        .map(|arg| {
            flags_ended |= arg == "--";
            if flags_ended { arg } else { double_dashed(arg) }
        })
        .collect()
}

fn double_dashed(arg: OsString) -> OsString {
    let Some(name) = arg.to_str().and_then(|text| text.strip_prefix('-')) else { return arg };
    let is_long = name.len() > 1 && name.starts_with(|c: char| c.is_ascii_alphabetic());
    if is_long { OsString::from(format!("--{name}")) } else { arg }
}

/// Reads a boolean in any of the spellings Go's flags take (`strconv.ParseBool`).
///
/// # Errors
/// Names what is none of them.
pub fn go_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        other => Err(format!("{other:?} is not a boolean: give true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_dash_long_flags_become_double_dash_ones() {
        for (given, expected) in [
            ("-port=7472", "--port=7472"),
            ("--port=7472", "--port=7472"),
            ("-log-level", "--log-level"),
            ("-h", "-h"),
            ("-1", "-1"),
            ("-", "-"),
            ("value-with-dash", "value-with-dash"),
        ] {
            assert_eq!(go_style([OsString::from(given)]), [OsString::from(expected)], "{given}");
        }
    }

    #[test]
    fn booleans_are_spelled_as_in_go() {
        for (given, expected) in [
            (&["1", "t", "T", "true", "TRUE", "True"][..], Some(true)),
            (&["0", "f", "F", "false", "FALSE", "False"], Some(false)),
            (&["", "2", "yes", "on", "tRUE", " true"], None),
        ] {
            for text in given {
                assert_eq!(go_bool(text).ok(), expected, "{text:?}");
            }
        }
    }

    #[test]
    fn arguments_after_a_bare_double_dash_are_left_alone() {
        let args = ["-a1", "--", "-port"].map(OsString::from);
        assert_eq!(go_style(args), ["--a1", "--", "-port"].map(OsString::from));
    }
}
