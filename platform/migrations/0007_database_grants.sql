-- Logins for people, which end by themselves: who was let into which database, and when. The rows stay as
-- the record of it; no password is kept.
create table database_grants (
    id          uuid primary key,
    environment uuid not null references environments (id),
    appling     text not null default '',
    -- The database on its server, and the login there.
    server      text not null,
    name        text not null,
    role        text not null,
    access      text not null check (access in ('read', 'write')),
    -- The name of the token that asked for it.
    who         text not null,
    created_at  timestamptz not null default now(),
    expires_at  timestamptz not null,
    -- When the login was taken back.
    ended_at    timestamptz
);
create index database_grants_open on database_grants (expires_at) where ended_at is null;
create index database_grants_of_environment on database_grants (environment, created_at desc);
