#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lessor_tests::fuzz::orders(bytes));
