//! Who gets where: every address of the API for every kind of caller; sessions, tokens, limits, and what the log says of
//! those who were refused.

mod limits;
mod sessions;
pub mod tokens;
mod walk;
