//! The command line: arguments → configuration → services → run. The one place where everything meets.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hufu::cli::{
    bench::Bench, citizen::Citizen, claim::Claim, client::Problem, decide, demo::Demo, department, enrol::Enrol, evidence, ledger::Ledger,
    policy::Policy, register, renew::Renew, rereview::Rereview, revoke::Revoke, roster, serve::Serve, show, sign::Sign, suspend::Suspend,
    token::Token, verify::Verify,
};

/// Hufu (虎符): a certificate authority for a government and its citizens.
#[derive(Parser)]
#[command(version, about, long_about = None)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the whole life of a department, its staff and a citizen, in both families
    Demo(Demo),
    /// Run the service; the first start on an empty directory makes a trial installation
    Serve(Serve),
    /// Make a key here and fetch the certificate that a claim code stands for
    Claim(Claim),
    /// Make, change and merge departments
    #[command(subcommand)]
    Department(department::Department),
    /// Appoint officers
    #[command(subcommand)]
    Officer(register::Officer),
    /// Grant a proposed officer their roles with a signed statement
    Grant(decide::Decide),
    /// End all roles of an officer with a signed statement
    Dismiss(decide::Decide),
    /// Ask for certificates
    Enrol(Enrol),
    /// Make claim codes for approved people who have no key yet
    Codes(roster::Codes),
    /// Approve enrolments with a signed statement
    Approve(decide::Approve),
    /// Reject an enrolment with a signed statement
    Reject(decide::Reject),
    /// Take back a request of one's own with a signed statement
    Withdraw(decide::Decide),
    /// Have a certificate issued that follows one's own, now or whenever it is time
    Renew(Renew),
    /// Revoke certificates with a signed statement
    Revoke(Revoke),
    /// After the theft of an officer's key: stop whatever rests on what it signed, until others have looked at it again
    Rereview(Rereview),
    /// Suspend a certificate with a signed statement, or with the code that was printed at its issue
    Suspend(Suspend),
    /// End a suspension with a signed statement
    Resume(decide::Decide),
    /// Citizens: checked at a counter, enrolled, contested, shown and erased what is held
    #[command(subcommand)]
    Citizen(Citizen),
    /// List records
    List(show::List),
    /// Show one record
    Show(show::Show),
    /// Fetch everything that proves how a certificate was decided on, as one file for a court
    Evidence(evidence::Fetch),
    /// Give services that rely on the CA tokens, and end them
    #[command(subcommand)]
    Token(Token),
    /// Sign a file with a key of one's own
    Sign(Sign),
    /// Verify a certificate, a signature or a time stamp, offline or against a server, or a file of evidence
    #[command(subcommand)]
    Verify(Verify),
    /// Follow, prove and audit the ledger
    #[command(subcommand)]
    Ledger(Ledger),
    /// Hand in another version of the policy, and put it in force
    #[command(subcommand)]
    Policy(Policy),
    /// Measure this machine
    #[command(subcommand)]
    Bench(Bench),
    /// Read the configuration and the policies and say what is wrong with them
    Check(hufu::cli::check::Check),
}

/// BSD sysexits.h EX_USAGE: the command line was used wrongly.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are answers; anything else is a wrong use.
            let code = if error.use_stderr() { USAGE } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("hufu: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(arguments.command)) {
        Ok(code) => code,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo(command) => command.run().await?,
        Command::Serve(command) => command.run().await?,
        Command::Claim(command) => command.run().await?,
        Command::Department(command) => command.run().await?,
        Command::Officer(command) => command.run().await?,
        Command::Grant(command) => command.run("grant", None, None).await?,
        Command::Dismiss(command) => command.run("dismiss", None, None).await?,
        Command::Enrol(command) => command.run().await?,
        Command::Codes(command) => command.run().await?,
        Command::Approve(command) => command.run().await?,
        Command::Reject(command) => command.decide.run("reject", Some(&command.reason), None).await?,
        Command::Withdraw(command) => command.run("withdraw", None, None).await?,
        Command::Renew(command) => command.run().await?,
        Command::Revoke(command) => command.run().await?,
        Command::Rereview(command) => command.run().await?,
        Command::Suspend(command) => command.run().await?,
        Command::Resume(command) => command.run("resume", None, None).await?,
        Command::Citizen(command) => command.run().await?,
        Command::List(command) => command.run().await?,
        Command::Show(command) => command.run().await?,
        Command::Evidence(command) => command.run().await?,
        Command::Token(command) => command.run().await?,
        Command::Sign(command) => command.run().await?,
        Command::Verify(command) => return command.run().await,
        Command::Ledger(command) => return command.run().await,
        Command::Policy(command) => command.run().await?,
        Command::Bench(command) => command.run()?,
        Command::Check(command) => return command.run().await,
    }
    Ok(ExitCode::SUCCESS)
}

/// Errors go to standard error, a refusal of the service with its code.
fn report(error: &anyhow::Error) {
    match error.downcast_ref::<Problem>() {
        Some(problem) => eprintln!("hufu: {problem}"),
        None => eprintln!("hufu: {error:#}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_claim_needs_its_code() {
        assert!(Arguments::try_parse_from(["hufu", "claim"]).is_err());
    }
}
