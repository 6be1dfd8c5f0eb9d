-- Notices of expiry: how far was looked, and the log of what was sent.

-- One row a threshold. Certificates are looked at in order of their end, each once for a threshold, whoever looks.
create table notice_progress (
    days      bigint not null,
    not_after bigint not null,
    seq       bigint not null,
    constraint "notice_progress.days" primary key (days),
    constraint "notice_progress.days is positive" check (days >= 1)
);

comment on column notice_progress.days is 'The threshold: so many days before the end.';
comment on column notice_progress.not_after is 'The end of the last certificate that was looked at, in milliseconds since 1970 UTC.';
comment on column notice_progress.seq is 'Its seq, for many end at once; 0 at first.';

-- One row a certificate, threshold and channel. It names the certificate; addresses are found when it is sent and not kept.
create table notice (
    seq             bigint not null generated always as identity,
    certificate     bytea  not null,
    days            bigint not null,
    channel         text   not null,
    state           text   not null,
    attempts        bigint not null,
    next_attempt_at bigint not null,
    last_error      text,
    queued_at       bigint not null,
    delivered_at    bigint,
    constraint "notice.seq" primary key (seq),
    constraint "notice.certificate, notice.days, notice.channel" unique (certificate, days, channel),
    constraint "notice.certificate is a certificate" foreign key (certificate) references certificate (id),
    constraint "notice.days is positive" check (days >= 1),
    constraint "notice.channel is known" check (channel in ('mail', 'webhook')),
    constraint "notice.state is known" check (state in ('waiting', 'delivered', 'failed', 'withdrawn')),
    constraint "notice.state agrees with delivered_at" check ((state = 'delivered') = (delivered_at is not null)),
    constraint "notice.attempts counts from zero" check (attempts >= 0)
);

comment on column notice.seq is 'Order of queueing, for paging.';
comment on column notice.certificate is 'TBS digest of the certificate that expires.';
comment on column notice.days is 'The threshold that was passed.';
comment on column notice.channel is 'mail or webhook.';
comment on column notice.state is 'waiting, delivered, failed (given up), or withdrawn: there is nothing left to tell.';
comment on column notice.attempts is 'How often it was sent, or began to be.';
comment on column notice.next_attempt_at is 'Not before, in milliseconds since 1970 UTC. Whoever sends it moves this on first.';
comment on column notice.last_error is 'The class of the last failure, without any address; null when nothing failed.';
comment on column notice.queued_at is 'When it was queued, in milliseconds since 1970 UTC.';
comment on column notice.delivered_at is 'When the receiver took it, in milliseconds since 1970 UTC; null before.';

-- What is to be sent, among all that was.
create index notice_waiting on notice (channel, next_attempt_at) where state = 'waiting';
create index notice_failed on notice (queued_at) where state = 'failed';
