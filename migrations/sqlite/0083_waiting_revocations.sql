-- What was signed of revocations, newest last: those that wait for others are listed.
create index statement_revokes on statement (recorded_at) where act = 'revoke';
