//! The program's own code in memory.

use std::fs;
use std::ops::Range;

/// Lets go of the pages of the program that were mapped along with one that was needed: the kernel maps sixteen at a time, so
/// that soon nearly the whole file counts as this process's memory. They stay in the kernel's cache, and what is used is
/// mapped again within a microsecond.
///
/// Nothing is done where the kernel does not tell what is mapped.
pub fn let_go() {
    let Ok(program) = fs::read_link("/proc/self/exe") else { return };
    let Ok(maps) = fs::read_to_string("/proc/self/smaps") else { return };
    for Range { start, end } in untouched(&maps, &program.to_string_lossy()) {
        let at = std::ptr::with_exposed_provenance_mut::<libc::c_void>(start);
        #[expect(
            unsafe_code,
            reason = "drops pages the file still has as they were; a refusal costs only memory"
        )]
        // SAFETY: these pages are mapped from the file, nobody may write to them and nobody has: each is read again from there,
        // the same, by whoever needs it.
        let _refused = unsafe { libc::madvise(at, end.saturating_sub(start), libc::MADV_DONTNEED) };
    }
}

/// Where a file is mapped that may not be written to, and has not been: what the loader has filled in is only in memory.
fn untouched(maps: &str, program: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut last = None;
    for line in maps.lines() {
        if let Some(place) = place(line, program) {
            last = place;
        } else if line.split_whitespace().eq(["Anonymous:", "0", "kB"]) {
            found.extend(last.take());
        }
    }
    found
}

/// None if the line begins no mapping; nothing in it if that is another one than those looked for.
fn place(line: &str, program: &str) -> Option<Option<Range<usize>>> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let number = |text| usize::from_str_radix(text, 16).ok();
    let range = number(start)?..number(end)?;
    let mut fields = rest.split_whitespace();
    let is_fixed = matches!(fields.next(), Some("r-xp" | "r--p"));
    let path = rest.find('/').and_then(|at| rest.get(at..));
    Some((is_fixed && path == Some(program)).then_some(range))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_file_still_has_as_it_is_is_let_go() {
        let mapping = |range: &str, rights: &str, path: &str, anonymous: &str| {
            format!(
                "{range} {rights} 00001000 fe:00 42  {path}\nSize:  8 kB\nRss:   8 kB\nAnonymous:      {anonymous} kB\n\
                 VmFlags: rd ex mr mw me\n"
            )
        };
        let maps = [
            mapping("1000-3000", "r--p", "/speaker", "0"),
            mapping("3000-9000", "r-xp", "/speaker", "0"),
            mapping("9000-a000", "r--p", "/speaker", "4"),
            mapping("a000-b000", "rw-p", "/speaker", "0"),
            mapping("b000-c000", "r-xp", "/lib/libc.so.6", "0"),
            mapping("c000-d000", "rw-p", "[heap]", "0"),
            mapping("d000-e000", "rw-p", "", "0"),
            mapping("e000-f000", "r-xp", "/speaker (deleted)", "0"),
        ];
        assert_eq!(untouched(&maps.concat(), "/speaker"), [0x1000..0x3000, 0x3000..0x9000]);
        assert_eq!(untouched(&maps.concat(), "/speaker (deleted)").first(), Some(&(0xe000..0xf000)));
    }

    #[test]
    fn the_program_goes_on_with_less_of_it_in_memory() {
        let resident = || {
            let status = fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("RssFile:")).unwrap();
            line.trim_end_matches("kB").trim().parse::<u32>().unwrap()
        };
        let before = resident();
        let_go();
        assert!(resident() < before, "{} of {before} kB", resident());
    }
}
