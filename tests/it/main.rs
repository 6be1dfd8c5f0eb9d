//! Behaviour from outside: a real service, real files, a real database (`HUFU_TEST_DATABASE=postgres` for PostgreSQL).

mod access;
mod approvals;
mod bulk;
mod citizens;
mod conformance;
mod crash;
mod documents;
mod evidence;
mod foreign;
mod governance;
mod journey;
mod layers;
mod notices;
mod oidc;
mod openapi;
mod problems;
mod protocols;
mod renewal;
mod revocation;
mod robustness;
mod signatures;
mod signing;
mod staff;
mod time_stamps;
mod vectors;
mod world;
