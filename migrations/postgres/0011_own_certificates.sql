-- The service's own certificates also stamp times and sign reports.

alter table system_certificate drop constraint "system_certificate.purpose is known";
alter table system_certificate add constraint "system_certificate.purpose is known"
    check (purpose in ('responder', 'listener', 'time-stamping', 'report', 'system'));

comment on column system_certificate.purpose is 'responder: answers OCSP; listener: serves TLS; time-stamping: signs time stamps; report: signs reports; system: signs what no person decides.';
comment on column system_certificate.authority is 'The authority that issued it and, for a responder, that it answers for; null for the listener.';
