-- The service's own certificates also stamp times and sign reports. SQLite cannot change a check, so the table is made anew.

create table system_certificate_new (
    certificate blob    not null, -- TBS digest of the certificate.
    purpose     text    not null, -- responder: answers OCSP; listener: serves TLS; time-stamping: signs time stamps; report: signs reports; system: signs what no person decides.
    authority   text,             -- The authority that issued it and, for a responder, that it answers for; null for the listener.
    key_name    text    not null, -- What the key store calls its private key.
    active      integer not null, -- 1: in use; 0: replaced by a later one.
    constraint "system_certificate.certificate" primary key (certificate),
    constraint "system_certificate.certificate is a certificate" foreign key (certificate) references certificate (id),
    constraint "system_certificate.authority is an authority" foreign key (authority) references authority (name),
    constraint "system_certificate.purpose is known" check (purpose in ('responder', 'listener', 'time-stamping', 'report', 'system')),
    constraint "system_certificate.active is 0 or 1" check (active in (0, 1))
) strict;

insert into system_certificate_new (certificate, purpose, authority, key_name, active)
    select certificate, purpose, authority, key_name, active from system_certificate;
drop table system_certificate;
alter table system_certificate_new rename to system_certificate;
