-- Databases of environments: what is wanted of a Postgres server of the apps. What is there follows, and
-- can be made again any number of times.
create table databases (
    id            uuid primary key,
    environment   uuid not null references environments (id),
    -- Whose it is; empty for the one that the applings of an app share.
    appling       text not null default '',
    -- The server, by its name in the platform's settings, and the database on it. Its owner has the same
    -- name, and the two logins that take turns have `_a` and `_b` behind it.
    server        text not null,
    name          text not null,
    -- The login that applings use, and its password.
    login         text not null default 'a' check (login in ('a', 'b')),
    password      bytea not null,   -- sealed
    -- Whether the other login still works: pods that began before a rotation use it until they are gone.
    other_works   bool not null default false,
    rotated_at    timestamptz,
    -- What was made on the server, as far as it is known to be there; nothing before it was made.
    made          jsonb,
    created_at    timestamptz not null default now(),
    unique (environment, appling),
    unique (server, name)
);
