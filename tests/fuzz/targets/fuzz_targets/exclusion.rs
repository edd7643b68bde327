#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| metallb_fuzz::exclusion(data));
