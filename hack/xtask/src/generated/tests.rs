use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Generated, Mode};

/// A folder of one test, removed at its end.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("xtask-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn generated() -> Generated {
    let files = BTreeMap::from([
        (PathBuf::from("out/a.yaml"), "a\n".to_owned()),
        (PathBuf::from("out/deep/b.yaml"), "b\n".to_owned()),
    ]);
    Generated { folders: vec![PathBuf::from("out"), PathBuf::from("out/deep")], files }
}

fn drift(root: &Path) -> Vec<String> {
    generated().run(root, Mode::Check).unwrap()
}

#[test]
fn what_was_written_is_up_to_date() {
    let root = Folder::new("written");
    assert_eq!(drift(&root.0).len(), 2, "both are missing");
    generated().run(&root.0, Mode::Write).unwrap();
    assert_eq!(drift(&root.0), Vec::<String>::new());
}

#[test]
fn a_changed_a_missing_and_a_surplus_file_are_named() {
    let root = Folder::new("drift");
    generated().run(&root.0, Mode::Write).unwrap();
    fs::write(root.0.join("out/a.yaml"), "edited\n").unwrap();
    fs::remove_file(root.0.join("out/deep/b.yaml")).unwrap();
    fs::write(root.0.join("out/c.yaml"), "c\n").unwrap();
    let found = drift(&root.0);
    for (finding, start) in
        found.iter().zip(["out/a.yaml is out", "out/deep/b.yaml is miss", "out/c.yaml is gen"])
    {
        assert!(finding.starts_with(start), "{found:?}");
    }
    assert_eq!(found.len(), 3);
}

#[test]
fn writing_removes_what_is_generated_no_more_and_nothing_elsewhere() {
    let root = Folder::new("surplus");
    fs::create_dir_all(root.0.join("out")).unwrap();
    fs::write(root.0.join("out/old.yaml"), "old\n").unwrap();
    fs::write(root.0.join("mine.yaml"), "mine\n").unwrap();
    generated().run(&root.0, Mode::Write).unwrap();
    assert!(!root.0.join("out/old.yaml").exists());
    assert!(root.0.join("mine.yaml").exists());
}
