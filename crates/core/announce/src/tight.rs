//! Room that trees leave free.

/// Makes a map or set anew with all nodes full. Those of one that was filled little by little are half empty.
pub fn tighten<C: Default + IntoIterator + FromIterator<C::Item>>(tree: &mut C) {
    *tree = std::mem::take(tree).into_iter().collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn what_is_tightened_is_the_same() {
        let map: BTreeMap<u32, u32> = (0..100).rev().map(|number| (number, number + 1)).collect();
        let mut tight = map.clone();
        tighten(&mut tight);
        assert_eq!(tight, map);
    }
}
