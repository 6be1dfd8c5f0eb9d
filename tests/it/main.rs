//! Behaviour from outside: a real service, real files, a real database (`HUFU_TEST_DATABASE=postgres` for PostgreSQL).

mod approvals;
mod citizens;
mod conformance;
mod crash;
mod documents;
mod evidence;
mod governance;
mod journey;
mod layers;
mod notices;
mod oidc;
mod problems;
mod protocols;
mod signatures;
mod signing;
mod time_stamps;
mod world;
