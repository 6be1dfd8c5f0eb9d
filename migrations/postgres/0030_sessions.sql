-- Logins: how people are known without showing their certificate each time.

-- A session stands for a certificate until it ends; then its row is deleted.
create table session (
    id          text   not null,
    sealed_hash bytea  not null,
    certificate bytea  not null,
    opened_at   bigint not null,
    used_at     bigint not null,
    expires_at  bigint not null,
    constraint "session.id" primary key (id),
    constraint "session.certificate is a certificate" foreign key (certificate) references certificate (id)
);

comment on column session.id is 'Opaque and random; the part of the secret that finds the row.';
comment on column session.sealed_hash is 'SHA-256 of the secret, sealed to the rest of the row: a row that was altered opens to nobody.';
comment on column session.certificate is 'TBS digest of the certificate that signed the login.';
comment on column session.opened_at is 'In milliseconds since 1970 UTC.';
comment on column session.used_at is 'When it was used last, to the minute, in milliseconds since 1970 UTC.';
comment on column session.expires_at is 'In milliseconds since 1970 UTC; from then on it is over, however it is used.';

create index session_certificate on session (certificate);
