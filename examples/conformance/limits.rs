//! Every parser against every object and against thousands of mutations: how long the slowest took, and how much memory all took.

use std::{
    panic::catch_unwind,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use base64::prelude::*;
use serde_json::{Value, json};

#[path = "../../fuzz/parsers.rs"]
mod parsers;

use super::seeds;
use parsers::PARSERS;

/// The longest that one object may take; ten times as long where nothing is optimised.
const MAX_TIME: Duration = Duration::from_millis(if cfg!(debug_assertions) { 1000 } else { 100 });
/// The most memory that this process may ever have, in KiB.
const MAX_MEMORY: u64 = 256 * 1024;
const MUTATIONS: usize = 8000;

/// `limits FILE…`: the objects of these files (lines of JSON with `der`), mutations of good ones, and absurd ones.
pub fn run(files: &[String]) -> anyhow::Result<()> {
    let mut worst = Worst::default();
    for file in files {
        for line in std::fs::read_to_string(file).with_context(|| format!("reading {file}"))?.lines() {
            let case: Value = serde_json::from_str(line)?;
            let der = BASE64_STANDARD.decode(case["der"].as_str().context("no der")?)?;
            worst.try_all(case["id"].as_str().unwrap_or_default(), &der)?;
        }
    }
    let seeds = seeds::good()?;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for round in 0..MUTATIONS {
        let (name, seed) = &seeds[round % seeds.len()];
        worst.try_all(&format!("{name} mutated in round {round}"), &random.mutate(seed))?;
    }
    for (name, object) in seeds::absurd()? {
        worst.try_all(name, &object)?;
    }
    let memory = peak_memory()?;
    let slowest = worst.time.as_secs_f64() * 1000.0;
    println!(
        "{}",
        json!({"objects": worst.objects, "parsers": PARSERS.len(), "slowest_ms": slowest, "slowest": worst.name, "peak_mib": memory / 1024})
    );
    ensure!(worst.time <= MAX_TIME, "{} took {:?}", worst.name, worst.time);
    ensure!(memory <= MAX_MEMORY, "{memory} KiB of memory");
    Ok(())
}

#[derive(Default)]
struct Worst {
    objects: usize,
    time: Duration,
    name: String,
}

impl Worst {
    fn try_all(&mut self, name: &str, object: &[u8]) -> anyhow::Result<()> {
        self.objects += 1;
        for parser in PARSERS {
            let begun = Instant::now();
            let ended = catch_unwind(|| (parser.run)(object));
            ensure!(ended.is_ok(), "{} panicked at {name}: {}", parser.name, hex::encode(&object[..object.len().min(4096)]));
            let mut time = begun.elapsed();
            if time > MAX_TIME {
                // Perhaps the machine did something else: the better of two counts.
                let begun = Instant::now();
                (parser.run)(object);
                time = time.min(begun.elapsed());
            }
            if time > self.time {
                (self.time, self.name) = (time, format!("{} by {}", name, parser.name));
            }
        }
        Ok(())
    }
}

/// What the kernel says was the most, in KiB.
fn peak_memory() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// xorshift64*: the same mutations in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % most.max(1)
    }

    /// A few octets changed, cut out, doubled, or turned into lengths.
    fn mutate(&mut self, seed: &[u8]) -> Vec<u8> {
        let mut object = seed.to_vec();
        for _ in 0..1 + self.below(4) {
            let at = self.below(object.len());
            let end = (at + 1 + self.below(16)).min(object.len());
            match self.below(6) {
                0 => object[at] ^= 1 << self.below(8),
                1 => object[at] = [0, 0x7f, 0x80, 0x84, 0x88, 0xff][self.below(6)],
                2 => object.truncate(at.max(1)),
                3 => drop(object.drain(at..end.min(object.len() - 1).max(at))),
                4 => {
                    let part = object[at..end].to_vec();
                    object.splice(at..at, part);
                }
                _ => object[at] = self.below(256) as u8,
            }
        }
        object
    }
}
