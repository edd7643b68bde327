//! Few ranges that hold all announced addresses, for a filter in the kernel that has room for few.
//!
//! A filter that lets a foreign address through costs a look at its frame; one that keeps an announced address out
//! costs the address. So ranges are joined over the smallest gaps until there are few enough.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use crate::table::AnnouncedTable;

#[cfg(test)]
mod tests;

/// The 32-bit words of the addresses of one family: each leading word lies in its range, and the last word in one of
/// the ranges. What meets both need not be an announced address; an announced address meets both.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Cover {
    /// One range for each word but the last; none when there is no address, or for IPv4.
    pub leading: Vec<RangeInclusive<u32>>,
    /// Disjoint and in order.
    pub last: Vec<RangeInclusive<u32>>,
}

impl Cover {
    /// Covers the IPv4 addresses of a table by at most that many ranges.
    #[must_use]
    pub fn of_v4(table: &AnnouncedTable, at_most: usize) -> Self {
        let last = table.addresses().filter_map(|address| match address {
            IpAddr::V4(v4) => Some(v4.to_bits()),
            IpAddr::V6(_) => None,
        });
        Self { leading: Vec::new(), last: ranges(last.collect(), at_most) }
    }

    /// Covers the IPv6 addresses of a table by at most that many ranges of the last word.
    #[must_use]
    pub fn of_v6(table: &AnnouncedTable, at_most: usize) -> Self {
        let mut leading: Vec<RangeInclusive<u32>> = Vec::new();
        let mut last = Vec::new();
        for address in table.addresses() {
            let IpAddr::V6(_) = address else { continue };
            let (upper, low) = words(address);
            if leading.is_empty() {
                leading = upper.iter().map(|word| *word..=*word).collect();
            }
            for (range, word) in leading.iter_mut().zip(upper) {
                *range = word.min(*range.start())..=word.max(*range.end());
            }
            last.push(low);
        }
        Self { leading, last: ranges(last, at_most) }
    }

    /// Covers one address more. False, and as before, if that takes more ranges or wider ones of the leading words.
    pub fn widen(&mut self, address: IpAddr, at_most: usize) -> bool {
        let (upper, low) = words(address);
        if self.last.is_empty() {
            self.leading = upper.iter().map(|word| *word..=*word).collect();
        }
        let has_leading = upper.len() == self.leading.len()
            && self.leading.iter().zip(&upper).all(|(range, word)| range.contains(word));
        if !has_leading {
            return false;
        }
        if self.last_contains(low) {
            return true;
        }
        let next = self.last.partition_point(|range| *range.start() <= low);
        let touches = |end: u32, start: u32| end.checked_add(1) == Some(start);
        let before = next.checked_sub(1).and_then(|at| Some((at, self.last.get(at)?)));
        let before = before.filter(|(_, range)| touches(*range.end(), low));
        let after = self.last.get(next).filter(|range| touches(low, *range.start()));
        let (from, start) = before.map_or((next, low), |(at, range)| (at, *range.start()));
        let (to, end) = after.map_or((next, low), |range| (next + 1, *range.end()));
        if from == to && self.last.len() >= at_most {
            return false;
        }
        self.last.splice(from..to, std::iter::once(start..=end));
        true
    }

    /// Whether an address of the cover's family is let through.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (upper, low) = words(address);
        upper.len() == self.leading.len()
            && self.leading.iter().zip(&upper).all(|(range, word)| range.contains(word))
            && self.last_contains(low)
    }

    fn last_contains(&self, low: u32) -> bool {
        let behind = self.last.partition_point(|range| *range.start() <= low);
        behind.checked_sub(1).and_then(|at| self.last.get(at)).is_some_and(|range| range.contains(&low))
    }
}

/// All words but the last, and the last.
fn words(address: IpAddr) -> (Vec<u32>, u32) {
    match address {
        IpAddr::V4(v4) => (Vec::new(), v4.to_bits()),
        IpAddr::V6(v6) => {
            let [a, b, c, d, e, f, g, h] = v6.segments();
            let word = |high: u16, low: u16| (u32::from(high) << 16) | u32::from(low);
            (vec![word(a, b), word(c, d), word(e, f)], word(g, h))
        }
    }
}

fn ranges(mut values: Vec<u32>, at_most: usize) -> Vec<RangeInclusive<u32>> {
    values.sort_unstable();
    values.dedup();
    let (widest, mut as_wide) = gaps_to_close(&values, at_most);
    let mut ranges: Vec<RangeInclusive<u32>> = Vec::new();
    for value in values {
        let Some(range) = ranges.last_mut() else {
            ranges.push(value..=value);
            continue;
        };
        let gap = value - range.end();
        let is_spent = gap == widest && as_wide > 0;
        if gap == 1 || gap < widest || is_spent {
            as_wide -= usize::from(is_spent);
            *range = *range.start()..=value;
        } else {
            ranges.push(value..=value);
        }
    }
    ranges
}

/// Gaps smaller than the first are to be closed, and so many of those that are as wide.
fn gaps_to_close(values: &[u32], at_most: usize) -> (u32, usize) {
    let next = values.iter().skip(1);
    let mut gaps: Vec<u32> = values.iter().zip(next).map(|(a, b)| b - a).filter(|gap| *gap > 1).collect();
    // There is one range more than gaps.
    let Some(last) = (gaps.len() + 1).checked_sub(at_most.max(1)).and_then(|count| count.checked_sub(1))
    else {
        return (1, 0);
    };
    let (smaller, widest, _) = gaps.select_nth_unstable(last);
    let as_wide = smaller.iter().filter(|gap| *gap == widest).count() + 1;
    (*widest, as_wide)
}
