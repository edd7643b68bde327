use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::testing::Folder;

const HOUR: Duration = Duration::from_hours(1);

fn saved() -> Saved {
    Saved { node: "n1".to_owned(), ..Saved::default() }
}

fn settings(path: PathBuf) -> SnapshotSettings {
    SnapshotSettings { path, max_age: HOUR }
}

fn refused(path: &Path) -> String {
    read(&settings(path.to_owned()), "n1").unwrap_err().to_string()
}

#[test]
fn what_is_written_is_read_by_the_same_user_alone() {
    let folder = Folder::new("written");
    let path = folder.file("snapshot");
    assert_eq!(read(&settings(path.clone()), "n1").unwrap(), None, "there is none yet");
    for _ in 0..2 {
        write(&path, &saved().encode().unwrap()).unwrap();
        assert_eq!(read(&settings(path.clone()), "n1").unwrap(), Some(saved()));
    }
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(!folder.file("snapshot.new").exists());
}

#[test]
fn what_others_could_have_changed_is_not_read() {
    let folder = Folder::new("others");
    let path = folder.file("snapshot");
    write(&path, &saved().encode().unwrap()).unwrap();
    for (mode, is_read) in [(0o400, true), (0o644, true), (0o620, false), (0o602, false), (0o666, false)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(read(&settings(path.clone()), "n1").is_ok(), is_read, "{mode:o}");
    }
    let owner = geteuid();
    assert_eq!(
        refused(&path),
        format!("it belongs to user {owner} with mode 666: it must be this user's alone")
    );
    if owner.is_root() {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
        assert_eq!(refused(&path), "it belongs to user 65534 with mode 600: it must be this user's alone");
    }
}

#[test]
fn links_folders_and_files_too_large_are_not_read() {
    let folder = Folder::new("kinds");
    let real = folder.file("real");
    write(&real, &saved().encode().unwrap()).unwrap();
    symlink(&real, folder.file("link")).unwrap();
    assert_eq!(refused(&folder.file("link")), "it can't be read");
    std::fs::create_dir(folder.file("folder")).unwrap();
    assert_eq!(refused(&folder.file("folder")), "it is no regular file");
    let large = folder.file("large");
    write(&large, b"").unwrap();
    OpenOptions::new().write(true).open(&large).unwrap().set_len(LARGEST + 1).unwrap();
    assert_eq!(refused(&large), "it holds 67108865 bytes, too many for a snapshot");
    write(&large, b"something else").unwrap();
    assert_eq!(refused(&large), "it is no snapshot of a speaker");
}

#[test]
fn what_is_too_old_is_not_read_until_it_is_said_again() {
    let folder = Folder::new("age");
    let path = folder.file("snapshot");
    write(&path, &saved().encode().unwrap()).unwrap();
    let set = |modified: SystemTime| {
        File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap()
    };
    set(SystemTime::now() - HOUR * 2);
    assert_eq!(refused(&path), "it is 7200s old, more than --snapshot-max-age");
    touch(&path).unwrap();
    assert!(read(&settings(path.clone()), "n1").is_ok());
    set(SystemTime::now() + HOUR * 2);
    assert!(read(&settings(path), "n1").is_ok(), "the clock was set back");
}

#[test]
fn what_cannot_be_written_leaves_the_old_text_and_no_rest() {
    let folder = Folder::new("unwritable");
    let path = folder.file("snapshot");
    write(&path, &saved().encode().unwrap()).unwrap();
    std::fs::create_dir(folder.file("snapshot.new")).unwrap();
    assert!(write(&path, b"new").is_err());
    assert_eq!(read(&settings(path), "n1").unwrap(), Some(saved()));
    assert!(write(&folder.file("no/such/folder"), b"new").is_err());
}
