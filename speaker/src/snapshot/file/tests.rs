use std::os::unix::fs::{PermissionsExt, symlink};

use super::super::now;
use super::*;
use crate::testing::Folder;

const HOUR: Duration = Duration::from_hours(1);

fn saved() -> Saved {
    Saved { node: "n1".to_owned(), ..Saved::default() }
}

fn settings(path: PathBuf) -> SnapshotSettings {
    SnapshotSettings { path, max_age: HOUR }
}

fn later(seconds: u64) -> Moment {
    let now = now().unwrap();
    Moment { at: now.at + Duration::from_secs(seconds), ..now }
}

fn found(path: &Path, now: Moment) -> Result<Option<Saved>, ReadError> {
    let found = read(&settings(path.to_owned()), "n1", Ok(now))?;
    Ok(found.map(|found| found.saved))
}

fn refused(path: &Path) -> String {
    found(path, later(0)).unwrap_err().to_string()
}

fn write_saved(path: &Path) {
    write(path, &later(0), &saved().encode().unwrap()).unwrap();
}

#[test]
fn what_is_written_is_read_by_the_same_user_alone() {
    let folder = Folder::new("written");
    let path = folder.file("snapshot");
    assert_eq!(found(&path, later(0)).unwrap(), None, "there is none yet");
    for _ in 0..2 {
        write_saved(&path);
        assert_eq!(found(&path, later(0)).unwrap(), Some(saved()));
    }
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(!folder.file("snapshot.new").exists());
}

#[test]
fn what_others_could_have_changed_is_not_read() {
    let folder = Folder::new("others");
    let path = folder.file("snapshot");
    write_saved(&path);
    for (mode, is_read) in [(0o400, true), (0o644, true), (0o620, false), (0o602, false), (0o666, false)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(found(&path, later(0)).is_ok(), is_read, "{mode:o}");
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
    write_saved(&real);
    symlink(&real, folder.file("link")).unwrap();
    assert_eq!(refused(&folder.file("link")), "it can't be read");
    std::fs::create_dir(folder.file("folder")).unwrap();
    assert_eq!(refused(&folder.file("folder")), "it is no regular file");
    let large = folder.file("large");
    write(&large, &later(0), b"").unwrap();
    OpenOptions::new().write(true).open(&large).unwrap().set_len(LARGEST + 1).unwrap();
    assert_eq!(refused(&large), "it holds 67108865 bytes, too many for a snapshot");
    let whole = std::fs::read(&real).unwrap();
    for text in [
        &b""[..],
        b"something else",
        &whole[1..],
        &whole[Moment::LINE..],
        &[&[b'x'; Moment::LINE], &whole[Moment::LINE..]].concat(),
    ] {
        std::fs::write(&real, text).unwrap();
        assert_eq!(refused(&real), "it is no snapshot of a speaker");
    }
    write(&real, &later(0), b"something else").unwrap();
    assert_eq!(refused(&real), "it is no snapshot of a speaker");
}

#[test]
fn a_pipe_is_not_waited_for() {
    let folder = Folder::new("pipe");
    let path = folder.file("snapshot");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(refused(&path), "it is no regular file");
    assert!(touch(&path, &later(0)).is_err());
}

#[test]
fn what_is_too_old_is_not_read_until_it_is_said_again() {
    let folder = Folder::new("age");
    let path = folder.file("snapshot");
    let written = later(0);
    write(&path, &written, &saved().encode().unwrap()).unwrap();
    let after = |seconds: u64| Moment { at: written.at + Duration::from_secs(seconds), ..written.clone() };
    assert!(found(&path, after(3599)).is_ok());
    assert_eq!(
        found(&path, after(7200)).unwrap_err().to_string(),
        "it is 7200s old, more than --snapshot-max-age"
    );
    touch(&path, &after(7000)).unwrap();
    assert_eq!(found(&path, after(7200)).unwrap(), Some(saved()));
    let read = read(&settings(path.clone()), "n1", Ok(after(7200))).unwrap().unwrap();
    assert_eq!(read.expires.as_secs(), after(7000 + 3600).at.as_secs());
    assert_eq!(found(&path, after(6000)).unwrap_err().to_string(), "it is of a time to come");
    // Nobody asks when the file was changed: that clock can be set.
    let modified = std::time::SystemTime::now() - HOUR * 2;
    File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    assert!(found(&path, after(7200)).is_ok());
}

#[test]
fn what_was_written_before_the_machine_was_started_anew_is_not_read() {
    let folder = Folder::new("boot");
    let path = folder.file("snapshot");
    let before = Moment { boot: "0b1e9d3e-1111-4c2f-8f7e-2f1d3c4b5a69".to_owned(), ..later(0) };
    write(&path, &before, &saved().encode().unwrap()).unwrap();
    assert!(found(&path, before).is_ok());
    assert_eq!(refused(&path), "it was written before the machine was started anew");
    let unknown = read(&settings(path), "n1", Err(io::ErrorKind::NotFound.into()));
    assert_eq!(unknown.unwrap_err().to_string(), "which boot this is can't be told");
}

#[test]
fn what_is_not_ours_is_not_said_again() {
    let folder = Folder::new("touch");
    let (path, link) = (folder.file("snapshot"), folder.file("link"));
    write_saved(&path);
    let text = || std::fs::read(&path).unwrap();
    let before = text();
    symlink(&path, &link).unwrap();
    assert!(touch(&link, &later(60)).is_err());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    assert!(touch(&path, &later(60)).is_err());
    assert_eq!(text(), before);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    touch(&path, &later(60)).unwrap();
    assert_eq!(text()[Moment::LINE..], before[Moment::LINE..]);
    assert_ne!(text(), before);
}

#[test]
fn what_cannot_be_written_leaves_the_old_text_and_no_rest() {
    let folder = Folder::new("unwritable");
    let path = folder.file("snapshot");
    write_saved(&path);
    std::fs::create_dir(folder.file("snapshot.new")).unwrap();
    assert!(write(&path, &later(0), b"new").is_err());
    assert_eq!(found(&path, later(0)).unwrap(), Some(saved()));
    assert!(write(&folder.file("no/such/folder"), &later(0), b"new").is_err());
}

/// On a disk of its own that holds two pages more than the file there is: half of the new one fits.
#[test]
fn a_disk_that_is_full_leaves_the_old_text_and_no_half_of_the_new_one() {
    if !geteuid().is_root() {
        return;
    }
    let folder = Folder::new("full");
    let path = folder.file("disk/snapshot");
    // A mount of this thread alone, gone with it.
    let full = move || {
        use nix::mount::{MsFlags, mount};
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        let disk = path.parent().unwrap();
        std::fs::create_dir(disk).unwrap();
        mount(Some("tmpfs"), disk, Some("tmpfs"), MsFlags::empty(), Some("size=16k")).unwrap();
        write_saved(&path);
        for length in [8 * 1024, 64 * 1024, 1 << 20] {
            let refused = write(&path, &later(0), &vec![b'x'; length]);
            assert_eq!(refused.is_ok(), length == 8 * 1024, "{length}: {refused:?}");
            if let Err(error) = refused {
                assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{length}");
                assert_eq!(std::fs::read_dir(disk).unwrap().count(), 1, "{length}: something is left");
                assert_eq!(found(&path, later(0)).unwrap(), Some(saved()), "{length}");
            }
            // With what was in the way gone there is room again.
            write_saved(&path);
        }
    };
    std::thread::spawn(full).join().unwrap();
}
