//! Reads whatever the fuzzer comes up with as an app's two files, which a NUL keeps apart.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../src/tests/survive.rs"]
mod survive;

fuzz_target!(|bytes: &[u8]| {
    let mut files = bytes.splitn(2, |&byte| byte == 0);
    let (root, appling) = (files.next(), files.next());
    survive::survive(root.unwrap_or_default(), appling.unwrap_or_default());
});
