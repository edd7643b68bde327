//! Amounts such as `1`, `1000m`, `1Ki`, `1e3`: equal amounts can be written in several ways.

/// Whether both texts are the same amount. Texts that are no amounts are compared as they are.
pub(super) fn same_quantity(one: &str, other: &str) -> bool {
    match (billionths(one), billionths(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

/// The amount in units of 10⁻⁹, the finest Kubernetes keeps; `None` when it is none or doesn't fit.
fn billionths(text: &str) -> Option<i128> {
    let (number, suffix) = split(text);
    let (tens, twos) = scale(suffix)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let exponent = tens.checked_add(9)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let power = 10_i128.checked_pow(exponent.unsigned_abs())?;
    let scaled = digits.checked_mul(1_i128.checked_shl(twos)?)?;
    if exponent >= 0 {
        return scaled.checked_mul(power);
    }
    (scaled.checked_rem(power)? == 0).then(|| scaled.checked_div(power)).flatten()
}

/// The number and what follows it.
fn split(text: &str) -> (&str, &str) {
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | '+' | '-');
    let end = text.find(|c| !is_number(c)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// A suffix as powers of ten and of two.
fn scale(suffix: &str) -> Option<(i32, u32)> {
    let decimal = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
    if let Some(position) = decimal.iter().position(|known| *known == suffix) {
        let thousands = i32::try_from(position).ok()?.checked_sub(3)?;
        return Some((thousands.checked_mul(3)?, 0));
    }
    let binary = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    if let Some(position) = binary.iter().position(|known| *known == suffix) {
        let kilos = u32::try_from(position).ok()?.checked_add(1)?;
        return Some((0, kilos.checked_mul(10)?));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    Some((exponent.parse().ok()?, 0))
}

#[cfg(test)]
mod tests {
    use super::same_quantity;

    #[test]
    fn the_same_amount_may_be_written_in_several_ways() {
        for (one, other) in [
            ("1", "1000m"),
            ("0.5", "500m"),
            ("1Ki", "1024"),
            ("1.5Gi", "1536Mi"),
            ("1e3", "1k"),
            ("2E3", "2000"),
            ("100m", "0.1"),
            ("1Ei", "1152921504606846976"),
        ] {
            assert!(same_quantity(one, other), "{one} {other}");
        }
    }

    #[test]
    fn different_amounts_and_texts_differ() {
        for (one, other) in [("1", "2"), ("1Ki", "1k"), ("1m", "1M"), ("", "0"), ("abc", "abd"), ("1x", "1")]
        {
            assert!(!same_quantity(one, other), "{one} {other}");
        }
    }

    #[test]
    fn absurd_amounts_are_compared_as_texts() {
        let absurd = "999999999999999999999999999999999999999E";
        assert!(same_quantity(absurd, absurd) && !same_quantity(absurd, "1"));
        assert!(same_quantity("1e-99", "1e-99"));
    }
}
