-- What one person signed of an act, newest last: daily caps count it, and lists of statements show it.
create index statement_signed on statement (signer_person, act, recorded_at);
