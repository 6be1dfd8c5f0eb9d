//! Who may have which certificate, and who may decide so: profiles, rules, and the signed words of people.
//!
//! Read `statement.rs` first: nobody decides anything without one. `profile.rs` says what a certificate holds and `subject.rs`
//! turns the data of a request into its names, `departments.rs` is the tree whose names they are; `set.rs` reads a version of `policies/` and gives it a digest; `rules.rs` asks its
//! rules who may do what, `rulebook.rs` reads and evaluates them, `separation.rs` tries what they may never allow, `quorum.rs`
//! says how many people an act takes and `cap.rs` how much of it one person may sign in a day; `decision.rs` is what remains of it all on the ledger.
//!
//! Kept out on purpose: the database, the clock, HTTP, drafting and signing certificates, and whether a signer's certificate
//! was valid: that is `validation`'s question. Everything here is a value or a function of values.

pub mod acknowledgement;
pub mod assurance;
pub mod cap;
pub mod decision;
pub mod departments;
pub mod employee_number;
mod facts;
pub mod identity;
pub mod identity_number;
pub mod jws;
pub mod national;
mod prepared;
pub mod profile;
pub mod quorum;
mod rulebook;
pub mod rules;
mod separation;
pub mod set;
pub mod shipped;
pub mod statement;
pub mod subject;

pub use acknowledgement::{Acknowledgement, AcknowledgementPayload};
pub use assurance::{Assurance, ProofingRules};
pub use cap::Cap;
pub use decision::{Decision, Outcome, decision_hash};
pub use departments::{Department, Namespace, Step, Tree, TreeError};
pub use employee_number::{EmployeeNumber, EmployeeNumberError};
pub use identity::{AuthorityName, DepartmentId, EnrolmentId, IdentityError, Nonce, PersonId, Purpose};
pub use identity_number::{IdentityNumber, NumberError, NumberKind};
pub use jws::{Header, SignerReference, StatementError, assemble, signing_input};
pub use profile::{Profile, ProfileName};
pub use quorum::{Missing, Quorum};
pub use rules::{Actor, DepartmentPath, Object, Refusal, Role, RoleGrant};
pub use set::{PolicyError, PolicyErrors, PolicySet};
pub use statement::{About, Act, Digest32, Login, LoginPayload, Payload, ReasonCode, Statement, Timestamp};
pub use subject::{AlternativeName, DepartmentFacts, FieldError, FieldRule, NameKind};
