//! The target of every parser: which one, its name says.

#![no_main]

mod parsers;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let parser = parsers::PARSERS.iter().find(|parser| parser.name == env!("CARGO_BIN_NAME"));
    (parser.expect("a target has the name of a parser").run)(data);
});
