-- Backups of databases, each a dump in the platform's backup store. Taken, then proved: restored into a
-- scratch database and compared with what was dumped. They outlive their database.
create table backups (
    id          uuid primary key,
    environment uuid not null references environments (id),
    appling     text not null default '',
    -- The database it was taken of, on its server.
    server      text not null,
    name        text not null,
    cause       text not null check (cause in ('asked', 'scheduled')),
    state       text not null default 'waiting'
                check (state in ('waiting', 'taken', 'proved', 'failed', 'deleted')),
    reason      text,
    -- Where it is in the store, how long it is, and its SHA-256 digest.
    path        text,
    bytes       bigint,
    digest      bytea,
    -- What was in the database in the snapshot that was dumped.
    contents    jsonb,
    taken_at    timestamptz,
    proved_at   timestamptz,
    -- How long the last restore for a proof took, seconds.
    restore_seconds double precision,
    created_at  timestamptz not null default now(),
    due_at      timestamptz,
    lease_until timestamptz,
    epoch       bigint not null default 0,
    attempts    int not null default 0
);
create index backups_due on backups (due_at) where due_at is not null or lease_until is not null;
create index backups_of_environment on backups (environment, created_at desc);

-- Restores of backups into databases of their own, which then take the place of those before.
create table restores (
    id          uuid primary key,
    backup      uuid not null references backups (id),
    environment uuid not null references environments (id),
    appling     text not null default '',
    state       text not null default 'waiting' check (state in ('waiting', 'done', 'failed')),
    reason      text,
    created_at  timestamptz not null default now(),
    ended_at    timestamptz,
    due_at      timestamptz,
    lease_until timestamptz,
    epoch       bigint not null default 0,
    attempts    int not null default 0
);
create index restores_due on restores (due_at) where due_at is not null or lease_until is not null;

-- Databases whose place another has taken. They stay until somebody drops them.
create table former_databases (
    id          uuid primary key,
    environment uuid not null references environments (id),
    appling     text not null default '',
    server      text not null,
    name        text not null,
    replaced_at timestamptz not null default now(),
    unique (server, name)
);
