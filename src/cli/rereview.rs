//! `hufu rereview`: after the theft of an officer's key. Shows what it signed since then, and signs that all that rests on it is stopped
//! until others have looked at it again. It takes two people, who run the same command.

use clap::Args;

use super::{
    acknowledgement,
    decide::{Decide, missing},
    roster::counted,
    show::{self, Kind},
};

#[derive(Debug, Args)]
pub struct Rereview {
    /// The certificate of the stolen key, as for other commands; give its id, serial number or fingerprint
    #[command(flatten)]
    pub decide: Decide,
    /// Since when the key is not trusted, as 2030-01-01T00:00:00Z
    #[arg(long)]
    pub since: String,
}

impl Rereview {
    pub async fn run(self) -> anyhow::Result<()> {
        let Self { decide, since } = self;
        let client = decide.connection.client()?;
        let filters = [format!("signer={}", decide.id), format!("since={since}")];
        let signed = show::all(&client, Kind::Statements, &filters).await?;
        let table = show::table(Kind::Statements, &signed);
        eprintln!(
            "Signed with it since then, {}:\n{}\n{}\n",
            counted(signed.len() as u64, "statement", "statements"),
            table.heading,
            table.lines.join("\n")
        );
        let answer = decide.execute("re-review", None, Some(&since)).await?;
        let kept = acknowledgement::keep(&answer)?;
        decide.connection.print(&answer, |answer| {
            if answer["missing"].is_object() {
                return format!("recorded; waits for {}, who runs the same command", missing(&answer["missing"]));
            }
            let items = answer["items"].as_object().into_iter().flatten();
            let kinds: Vec<String> = items.map(|(kind, count)| format!("{count} {kind}")).collect();
            let found = if kinds.is_empty() { "nothing rests on it".to_owned() } else { kinds.join(", ") };
            let next = format!("next, each by another officer:  hufu list re-reviews --where certificate={}", decide.id);
            format!("revoked, and put to re-review: {found}\n{next}{kept}")
        });
        Ok(())
    }
}
