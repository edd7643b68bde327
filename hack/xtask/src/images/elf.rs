//! Tells whether a program needs anything but the kernel.

use anyhow::{Context as _, bail};

/// A program that names its loader (System V ABI, program header).
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
/// Entries of the dynamic section.
const DT_NULL: u64 = 0;
const DT_NEEDED: u64 = 1;

/// Refuses a program that asks for a loader or for shared libraries.
pub(super) fn check_static(file: &[u8]) -> anyhow::Result<()> {
    for header in program_headers(file)? {
        match u32_at(header, 0)? {
            PT_INTERP => bail!("it is not static: it asks for a loader"),
            PT_DYNAMIC if needs_libraries(segment(file, header)?)? => {
                bail!("it is not static: it asks for shared libraries")
            }
            _ => {}
        }
    }
    Ok(())
}

fn program_headers(file: &[u8]) -> anyhow::Result<Vec<&[u8]>> {
    if !file.starts_with(b"\x7fELF\x02\x01") {
        bail!("it is no 64-bit little-endian ELF program");
    }
    let start = usize::try_from(u64_at(file, 32)?)?;
    let size = usize::from(u16_at(file, 54)?);
    let count = usize::from(u16_at(file, 56)?);
    let header = |index: usize| part(file, start + index * size, size);
    (0..count).map(header).collect()
}

fn segment<'a>(file: &'a [u8], header: &[u8]) -> anyhow::Result<&'a [u8]> {
    part(file, usize::try_from(u64_at(header, 8)?)?, usize::try_from(u64_at(header, 32)?)?)
}

fn needs_libraries(dynamic: &[u8]) -> anyhow::Result<bool> {
    for entry in dynamic.chunks(16) {
        match u64_at(entry, 0)? {
            DT_NULL => break,
            DT_NEEDED => return Ok(true),
            _ => {}
        }
    }
    Ok(false)
}

fn part(bytes: &[u8], start: usize, length: usize) -> anyhow::Result<&[u8]> {
    let end = start.checked_add(length);
    end.and_then(|end| bytes.get(start..end)).context("it is cut short or broken")
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> anyhow::Result<[u8; N]> {
    Ok(part(bytes, at, N)?.try_into()?)
}

fn u16_at(bytes: &[u8], at: usize) -> anyhow::Result<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> anyhow::Result<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> anyhow::Result<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests;
