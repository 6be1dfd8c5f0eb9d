//! What somebody does to a database by SQL, so that its rows agree with each other: both programs name it.
