//! What somebody signed: for those who audit, for whoever looks after a stolen key, and for the signers themselves.

use super::{Services, error::Error, statements::Caller};
use crate::{
    policy::PersonId,
    store::{self, ListedStatementRow, StatementFilter},
};

/// Whose statements: all of a person, or those of one of their certificates.
pub enum Signer {
    Person(PersonId),
    Certificate(Box<store::CertificateRow>),
}

impl Services {
    /// A page of what a person signed (their id) or what was signed with a certificate (its id, fingerprint or serial number), oldest
    /// first. It is read as whatever is about the signer, in their department.
    pub async fn signed_statements(
        &self,
        caller: &Caller,
        signer: &Signer,
        filter: StatementFilter,
        limit: i64,
    ) -> Result<Vec<ListedStatementRow>, Error> {
        let (person, department, certificate) = match signer {
            Signer::Person(person) => (person.to_string(), self.department_of_signer(&person.to_string()).await?, None),
            Signer::Certificate(row) => (row.person.clone(), row.department.clone(), Some(row.id.clone())),
        };
        self.check_read(caller, department.as_deref(), Some(&person)).await?;
        let filter = StatementFilter { person, certificate, ..filter };
        let mut connection = self.db.read().await?;
        Ok(store::statements::page(&mut connection, &filter, limit).await?)
    }

    /// Whom the text names.
    pub async fn find_signer(&self, text: &str) -> Result<Signer, Error> {
        match text.parse() {
            Ok(person) => Ok(Signer::Person(person)),
            Err(_) => Ok(Signer::Certificate(Box::new(self.find_certificate(&text.to_ascii_lowercase()).await?))),
        }
    }

    async fn department_of_signer(&self, person: &str) -> Result<Option<String>, Error> {
        let mut connection = self.db.read().await?;
        let row = store::people::find_person(&mut connection, person).await?.ok_or_else(|| Error::unknown("person", person))?;
        Ok(row.department)
    }
}
