//! The converter as it is called.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn asked(line: &str) -> Option<Conversion> {
    Conversion::asked_for(line.split(' ').map(OsString::from))
}

#[test]
fn the_converter_is_told_from_the_controller() {
    let table = [
        ("/controller", None),
        ("/controller --port=7472", None),
        ("/controller -lb-class configmaptocrs", None),
        ("/configmaptocrs", Some("original")),
        ("/configmaptocrs -source=./x.yaml -only-data -stdout", Some("original")),
        ("/controller configmaptocrs -stdout", Some("original")),
        ("/controller convert-configmap x.yaml", Some("ours")),
        ("/controller convert-configmap --live --configmap=lb/config", Some("ours")),
    ];
    for (line, wanted) in table {
        let found = asked(line).map(|conversion| match conversion.0 {
            Command::Original(_) => "original",
            Command::Convert(_) => "ours",
        });
        assert_eq!(found, wanted, "{line}");
    }
}

/// Contract 01 §10, CLI.
#[test]
fn the_original_s_flags_have_their_defaults() {
    let flags = |line: &str| match asked(line) {
        Some(Conversion(Command::Original(flags))) => (flags.source, flags.only_data, flags.stdout),
        _ => panic!("{line}"),
    };
    assert_eq!(flags("/configmaptocrs"), ("./config.yaml".to_owned(), false, false));
    let line = "/configmaptocrs -source=x.yaml -only-data -stdout";
    assert_eq!(flags(line), ("x.yaml".to_owned(), true, true));
    assert!(!flags("/configmaptocrs --stdout=false --only-data").2);
}

#[test]
fn a_source_outside_its_folder_is_unsafe() {
    let table = [
        ("./config.yaml", Some("/var/input/config.yaml")),
        ("a/../b.yaml", Some("/var/input/b.yaml")),
        ("/etc/passwd", Some("/var/input/etc/passwd")),
        ("../secret", None),
        ("a/../../secret", None),
    ];
    for (path, wanted) in table {
        match (inside(Path::new(FOLDER), path), wanted) {
            (Ok(found), Some(wanted)) => assert_eq!(found, Path::new(wanted), "{path}"),
            (Err(error), None) => assert_eq!(error.to_string(), format!("unsafe path {path}")),
            (found, _) => panic!("{path}: {found:?}"),
        }
    }
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("metallb-convert-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn convert_file(folder: &Path, config: &str) -> Result<()> {
    fs::write(folder.join("config.yaml"), config).unwrap();
    let (input, output) = (folder.join("config.yaml"), folder.join("out.yaml"));
    let line =
        format!("controller convert-configmap {} --only-data --output {}", input.display(), output.display());
    asked(&line).unwrap().convert()
}

#[test]
fn a_failure_writes_nothing_and_says_why() {
    let folder = folder("failure");
    fs::write(folder.join("out.yaml"), "of yesterday").unwrap();
    let error = convert_file(&folder, "address-pools: [{name: red, protocol: l2, addresses: [10.0.0.0/24]}]");
    let error = format!("{:#}", error.unwrap_err());
    let left = fs::read_to_string(folder.join("out.yaml")).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    assert!(error.starts_with("failed to generate resources: address pool red"), "{error}");
    assert_eq!(left, "of yesterday");
}

#[test]
fn the_resources_are_written_whole() {
    let folder = folder("success");
    let outcome =
        convert_file(&folder, "address-pools: [{name: red, protocol: layer2, addresses: [10.0.0.0/24]}]");
    let written = fs::read_to_string(folder.join("out.yaml"));
    let files = fs::read_dir(&folder).unwrap().count();
    fs::remove_dir_all(&folder).unwrap();
    outcome.unwrap();
    assert!(written.unwrap().contains("kind: L2Advertisement"));
    assert_eq!(files, 2, "no draft is left");
}

#[test]
fn what_is_no_file_is_written_to_and_stays_what_it_is() {
    let folder = folder("device");
    let link = folder.join("link.yaml");
    std::os::unix::fs::symlink("aim.yaml", &link).unwrap();
    let (pipe, neighbour) = (folder.join("pipe"), folder.join("config.draft"));
    fs::write(&neighbour, "mine").unwrap();
    fs::write(folder.join("aim.yaml"), "first").unwrap();
    replace(&link, "second").unwrap();
    assert_eq!(fs::read_to_string(folder.join("aim.yaml")).unwrap(), "second");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    std::os::unix::fs::symlink("/dev/null", &pipe).unwrap();
    replace(&pipe, "text").unwrap();
    assert!(fs::symlink_metadata(&pipe).unwrap().is_symlink());
    replace(&folder.join("config.yaml"), "text").unwrap();
    assert_eq!(fs::read_to_string(&neighbour).unwrap(), "mine", "a draft has a name of its own");
    assert!(replace(&folder, "text").is_err());
    let mut left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["aim.yaml", "config.draft", "config.yaml", "link.yaml", "pipe"]);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_file_stays_as_secret_as_it_was_and_a_link_to_nothing_is_followed() {
    let folder = folder("secret");
    let (file, link) = (folder.join("out.yaml"), folder.join("link.yaml"));
    fs::write(&file, "first").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
    replace(&file, "second").unwrap();
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!((fs::read_to_string(&file).unwrap().as_str(), mode & 0o777), ("second", 0o400));
    std::os::unix::fs::symlink("new.yaml", &link).unwrap();
    replace(&link, "text").unwrap();
    assert!(link.is_symlink());
    assert_eq!(fs::read_to_string(folder.join("new.yaml")).unwrap(), "text");
    fs::remove_dir_all(folder).unwrap();
}
