//! Things that are made once and kept: each in a folder named by what it was made from.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// Where the cache lies: `METALLB_TESTBED_CACHE`, else below the user's cache folder.
pub(crate) fn folder() -> PathBuf {
    place(|name| env::var_os(name).filter(|value| !value.is_empty()))
}

fn place(variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    if let Some(own) = variable("METALLB_TESTBED_CACHE") {
        return PathBuf::from(own);
    }
    let caches = variable("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || PathBuf::from(variable("HOME").unwrap_or_else(|| "/root".into())).join(".cache");
    caches.unwrap_or_else(home).join("metallb-testbed")
}

/// A short name for content: the same parts in the same order give the same name, on every machine.
pub(crate) fn key(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The folder `entry` of the cache. If it is not there, `fill` makes its content first; another
/// process that wants the same waits. A half-made entry is never seen.
pub(crate) fn entry(cache: &Path, entry: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let done = cache.join(entry);
    if done.is_dir() {
        return Ok(done);
    }
    fs::create_dir_all(cache).with_context(|| format!("cannot make {}", cache.display()))?;
    let lock = File::open(cache)?;
    lock.lock().with_context(|| format!("cannot lock {}", cache.display()))?;
    if done.is_dir() {
        return Ok(done);
    }
    let draft = cache.join(format!("{entry}.draft"));
    if draft.exists() {
        fs::remove_dir_all(&draft)?;
    }
    fs::create_dir(&draft)?;
    if let Err(error) = fill(&draft) {
        let _next_time = fs::remove_dir_all(&draft);
        return Err(error);
    }
    fs::rename(&draft, &done)?;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    #[test]
    fn the_cache_is_found_by_the_first_variable_that_is_set() {
        let with = |set: &'static [(&str, &str)]| {
            place(|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()))
        };
        let all = &[("METALLB_TESTBED_CACHE", "/own"), ("XDG_CACHE_HOME", "/xdg"), ("HOME", "/home/me")];
        assert_eq!(with(all), Path::new("/own"));
        assert_eq!(with(&all[1..]), Path::new("/xdg/metallb-testbed"));
        assert_eq!(with(&all[2..]), Path::new("/home/me/.cache/metallb-testbed"));
    }

    #[test]
    fn a_key_depends_on_each_part_and_on_where_parts_end() {
        assert_eq!(key(&[b"ab", b"c"]), key(&[b"ab", b"c"]));
        assert_ne!(key(&[b"ab", b"c"]), key(&[b"a", b"bc"]));
        assert_eq!(key(&[]).len(), 16);
    }

    #[test]
    fn an_entry_is_made_once_and_a_failed_one_not_at_all() {
        let cache = env::temp_dir().join(format!("testbed-cache-test-{}", std::process::id()));
        assert!(entry(&cache, "a", |_| bail!("no")).is_err());
        assert_eq!(fs::read_dir(&cache).unwrap().count(), 0, "a draft is left");
        let made = entry(&cache, "a", |dir| Ok(fs::write(dir.join("x"), "1")?)).unwrap();
        let again = entry(&cache, "a", |_| bail!("made twice")).unwrap();
        assert_eq!(fs::read_to_string(again.join("x")).unwrap(), "1");
        assert_eq!(made, again);
        fs::remove_dir_all(cache).unwrap();
    }
}
