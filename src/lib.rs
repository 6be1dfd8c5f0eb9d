//! Hufu (虎符): a certificate authority for a government and its citizens.
//!
//! `ARCHITECTURE.md` draws the picture; each folder opens with what it is for and what it keeps out.
//! An arrow reads "may name": `cli, http → services → store, policy, validation, ledger → x509 → crypto`.

pub mod cli;
pub mod config;
pub mod crypto;
pub mod files;
pub mod http;
pub mod ledger;
pub mod policy;
pub mod services;
pub mod store;
pub mod validation;
#[cfg(test)]
mod vectors;
pub mod world;
pub mod x509;
