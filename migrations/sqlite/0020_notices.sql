-- Notices of expiry: how far was looked, and the log of what was sent.

-- One row a threshold. Certificates are looked at in order of their end, each once for a threshold, whoever looks.
create table notice_progress (
    days      integer not null, -- The threshold: so many days before the end.
    not_after integer not null, -- The end of the last certificate that was looked at, in milliseconds since 1970 UTC.
    seq       integer not null, -- Its seq, for many end at once; 0 at first.
    constraint "notice_progress.days" primary key (days),
    constraint "notice_progress.days is positive" check (days >= 1)
);

-- One row a certificate, threshold and channel. It names the certificate; addresses are found when it is sent and not kept.
create table notice (
    seq             integer not null, -- Order of queueing, for paging.
    certificate     blob    not null, -- TBS digest of the certificate that expires.
    days            integer not null, -- The threshold that was passed.
    channel         text    not null, -- mail or webhook.
    state           text    not null, -- waiting, delivered, failed (given up), or withdrawn: there is nothing left to tell.
    attempts        integer not null, -- How often it was sent, or began to be.
    next_attempt_at integer not null, -- Not before, in milliseconds since 1970 UTC. Whoever sends it moves this on first.
    last_error      text,             -- The class of the last failure, without any address; null when nothing failed.
    queued_at       integer not null, -- When it was queued, in milliseconds since 1970 UTC.
    delivered_at    integer,          -- When the receiver took it, in milliseconds since 1970 UTC; null before.
    constraint "notice.seq" primary key (seq),
    constraint "notice.certificate, notice.days, notice.channel" unique (certificate, days, channel),
    constraint "notice.certificate is a certificate" foreign key (certificate) references certificate (id),
    constraint "notice.days is positive" check (days >= 1),
    constraint "notice.channel is known" check (channel in ('mail', 'webhook')),
    constraint "notice.state is known" check (state in ('waiting', 'delivered', 'failed', 'withdrawn')),
    constraint "notice.state agrees with delivered_at" check ((state = 'delivered') = (delivered_at is not null)),
    constraint "notice.attempts counts from zero" check (attempts >= 0)
);

-- What is to be sent, among all that was.
create index notice_waiting on notice (channel, next_attempt_at) where state = 'waiting';
create index notice_failed on notice (queued_at) where state = 'failed';
