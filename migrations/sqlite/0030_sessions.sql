-- Logins: how people are known without showing their certificate each time.

-- A session stands for a certificate until it ends; then its row is deleted.
create table session (
    id          text    not null, -- Opaque and random; the part of the secret that finds the row.
    sealed_hash blob    not null, -- SHA-256 of the secret, sealed to the rest of the row: a row that was altered opens to nobody.
    certificate blob    not null, -- TBS digest of the certificate that signed the login.
    opened_at   integer not null, -- In milliseconds since 1970 UTC.
    used_at     integer not null, -- When it was used last, to the minute, in milliseconds since 1970 UTC.
    expires_at  integer not null, -- In milliseconds since 1970 UTC; from then on it is over, however it is used.
    constraint "session.id" primary key (id),
    constraint "session.certificate is a certificate" foreign key (certificate) references certificate (id)
) strict;

create index session_certificate on session (certificate);
