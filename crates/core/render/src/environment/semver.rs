//! The form of a semantic version (semver.org, version 2.0.0); comparing them is not needed here.

/// Whether `text` is `major.minor.patch`, with an optional `-pre.release` and `+build`.
pub(super) fn is_version(text: &str) -> bool {
    let (version, build) = text.split_once('+').map_or((text, None), |(v, b)| (v, Some(b)));
    let (core, pre) = version.split_once('-').map_or((version, None), |(c, p)| (c, Some(p)));
    let numbers: Vec<&str> = core.split('.').collect();
    numbers.len() == 3
        && numbers.into_iter().all(is_number)
        && pre.is_none_or(|pre| pre.split('.').all(|part| is_identifier(part) && !has_leading_zero(part)))
        && build.is_none_or(|build| build.split('.').all(is_identifier))
}

fn is_number(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) && !has_leading_zero(part)
}

fn is_identifier(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Numbers must not start with a zero; words may.
fn has_leading_zero(part: &str) -> bool {
    part.len() > 1 && part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::is_version;

    #[test]
    fn only_the_form_of_the_standard_is_a_version() {
        for good in ["1.2.3", "4.17.0-0", "4.17.0-0.nightly-2024-07-01", "1.0.0+001", "1.0.0-rc.1+exp.sha"] {
            assert!(is_version(good), "{good}");
        }
        for bad in ["", "1", "1.2", "v1.2.3", "1.2.3.4", "01.2.3", "1.2.x", "1.2.3-", "1.2.3-01", "1.2.3+"] {
            assert!(!is_version(bad), "{bad}");
        }
    }
}
