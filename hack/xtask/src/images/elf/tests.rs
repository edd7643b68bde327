use super::{DT_NEEDED, PT_DYNAMIC, PT_INTERP, check_static};

/// A program with one segment of this kind and content.
fn program(kind: u32, segment: &[u8]) -> Vec<u8> {
    let mut file = b"\x7fELF\x02\x01".to_vec();
    file.resize(64, 0);
    file[32..40].copy_from_slice(&64_u64.to_le_bytes());
    file[54..56].copy_from_slice(&56_u16.to_le_bytes());
    file[56..58].copy_from_slice(&1_u16.to_le_bytes());
    let mut header = kind.to_le_bytes().to_vec();
    header.resize(56, 0);
    header[8..16].copy_from_slice(&120_u64.to_le_bytes());
    header[32..40].copy_from_slice(&(segment.len() as u64).to_le_bytes());
    [file, header, segment.to_vec()].concat()
}

fn entry(tag: u64) -> Vec<u8> {
    [tag.to_le_bytes(), 0_u64.to_le_bytes()].concat()
}

#[test]
fn a_program_without_loader_and_libraries_is_static() {
    const DT_RELA: u64 = 7;
    check_static(&program(1, b"code")).unwrap();
    check_static(&program(PT_DYNAMIC, &[entry(DT_RELA), entry(0), entry(DT_NEEDED)].concat())).unwrap();
}

#[test]
fn a_program_that_asks_for_a_loader_or_for_libraries_is_refused() {
    let loader = check_static(&program(PT_INTERP, b"/lib64/ld.so")).unwrap_err();
    assert!(loader.to_string().contains("loader"), "{loader}");
    let libraries = check_static(&program(PT_DYNAMIC, &[entry(7), entry(DT_NEEDED)].concat())).unwrap_err();
    assert!(libraries.to_string().contains("shared libraries"), "{libraries}");
}

#[test]
fn this_very_test_is_not_static() {
    let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    assert!(check_static(&file).is_err());
}

#[test]
fn what_is_no_program_or_only_half_of_one_is_refused() {
    let whole = program(PT_DYNAMIC, &entry(7));
    assert!(check_static(b"#!/bin/sh").is_err());
    for length in 0..whole.len() {
        assert!(check_static(&whole[..length]).is_err(), "{length}");
    }
}
